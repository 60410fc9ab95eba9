"""Where the time of a run went: numbers worked out by hand from a made folder of records and logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from conceptrast.base.errors import DataError
from conceptrast.base.usage import Usage
from conceptrast.cli import main
from conceptrast.plan.times import RECORDS, RunTimes

NOON = 1_700_000_000.0
"""When the made run starts, in seconds since 1970."""


def add_job(folder: Path, rule: str, outputs: list[str], times: tuple[float, float], usage: Usage | None) -> Path:
    """Records of a job's outputs and its log; the job was started and ended so many seconds after noon."""
    start, end = times
    log = f"logs/{rule}/{Path(outputs[0]).stem}.log"
    for output in outputs:
        record = {"rule": rule, "log": [log], "starttime": NOON + start, "endtime": NOON + end, "incomplete": False}
        path = folder / RECORDS / urlsafe_b64encode(output.encode()).decode()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record))
    (folder / log).parent.mkdir(parents=True, exist_ok=True)
    (folder / log).write_text(f"working\n{usage}\n" if usage else "working\n")
    os.utime(folder / log, (NOON + end, NOON + end))
    return folder / log


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a run of three steps: one training, and two factorizations beside each other."""
    folder = tmp_path / "results" / "small"
    train = Usage(seconds=20.0, importing=2.0, processor=38.0, memory=900)
    add_job(folder, "train", ["models/a.safetensors", "models/a.csv"], (0, 21), train)
    short = Usage(seconds=6.0, importing=2.0, processor=6.0, memory=700)
    add_job(folder, "factorize", ["studies/a.npz"], (21, 27.5), short)
    long = Usage(seconds=10.0, importing=3.0, processor=9.0, memory=650)
    add_job(folder, "factorize", ["studies/b.npz"], (21, 32.5), long)
    tables = Usage(seconds=4.0, importing=1.0, processor=3.0, memory=120)
    add_job(folder, "tables", ["tables/a.csv", "tables/b.csv"], (33, 38), tables)
    (tmp_path / "results" / "pulled" / "tables").mkdir(parents=True)
    return tmp_path


def test_the_table_has_a_row_for_each_step_and_one_for_all(repository: Path) -> None:
    rows = RunTimes.read("small", repository).table().splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert cells[0] == ["step", "jobs", "seconds", "longest", "share", "importing", "processor", "memory"]
    # 20 + 6 + 10 + 4 = 40 seconds in all.
    assert cells[2:] == [
        ["train", "1", "20.0", "20.0", "50 %", "2.0", "38.0", "900"],
        ["factorize", "2", "16.0", "10.0", "40 %", "5.0", "15.0", "700"],
        ["tables", "1", "4.0", "4.0", "10 %", "1.0", "3.0", "120"],
        ["all", "4", "40.0", "20.0", "100 %", "8.0", "56.0", "900"],
    ]
    assert len({len(row) for row in rows}) == 1


def test_the_summary_is_worked_out_from_records_and_logs(repository: Path) -> None:
    # Wall clock: from 21 − 20 to 38. Processors: 56 of 2 × 37 seconds.
    assert RunTimes.read("small", repository).summary(cores=2).splitlines() == [
        "importing: 8.0 s, 20 % of the seconds of all jobs",
        "wall clock: 37.0 s from the first start to the last end, 1.08 jobs at a time",
        "processors: 76 % of the time of 2 cores was in use",
    ]


def test_pauses_between_two_calls_are_no_time_of_the_run(repository: Path) -> None:
    late = Usage(seconds=2.0, importing=1.0, processor=2.0, memory=100)
    add_job(repository / "results" / "small", "figures", ["figures/a.png"], (5000, 5002), late)
    times = RunTimes.read("small", repository)
    assert times.stretches == [37.0, 2.0]
    assert "wall clock: 39.0 s in 2 parts, without the pauses between them, 1.08 jobs at a time" in times.summary(2)


@pytest.mark.parametrize("recorded", [(52.0, 52.0), (0.0, 52.0)], ids=["first time", "run again"])
def test_times_are_those_of_the_process_whatever_snakemake_noticed(
    repository: Path, recorded: tuple[float, float]
) -> None:
    """The job ended at 40; Snakemake noticed it at 52 and knows no start, or that of an earlier run of the job."""
    usage = Usage(seconds=2.0, importing=1.0, processor=2.0, memory=100)
    log = add_job(repository / "results" / "small", "figures", ["figures/a.png"], recorded, usage)
    os.utime(log, (NOON + 40, NOON + 40))
    assert RunTimes.read("small", repository).stretches == [39.0]


def test_a_gpu_has_a_column_where_one_was_used(repository: Path) -> None:
    # 10 s of work at 50 %, 30 s at 90 %: (5 + 27) / 40 = 80 %.
    folder = repository / "results" / "small"
    short = Usage(seconds=12.0, importing=2.0, processor=12.0, memory=100, gpu_busy=0.5)
    long = Usage(seconds=32.0, importing=2.0, processor=32.0, memory=100, gpu_busy=0.9)
    add_job(folder, "attribute", ["studies/0.npz"], (40, 52), short)
    add_job(folder, "attribute", ["studies/1.npz"], (52, 84), long)
    rows = RunTimes.read("small", repository).table().splitlines()
    busy = {row.split("|")[1].strip(): row.split("|")[-2].strip() for row in rows}
    assert busy["step"] == "GPU busy"
    assert (busy["attribute"], busy["all"], busy["train"]) == ("80 %", "80 %", "")


def test_jobs_whose_log_is_missing_foreign_or_old_are_counted_and_left_out(repository: Path) -> None:
    folder = repository / "results" / "small"
    usage = Usage(seconds=1.0, importing=0.5, processor=1.0, memory=50)
    add_job(folder, "predict", ["a.parquet"], (40, 41), usage).unlink()
    other_run = add_job(folder, "predict", ["b.parquet"], (40, 41), usage)
    os.utime(other_run, (NOON - 3600, NOON - 3600))
    add_job(folder, "predict", ["c.parquet"], (40, 41), None)
    (folder / RECORDS / "half").write_text('{"rule": "pred')
    times = RunTimes.read("small", repository)
    assert [job.rule for job in times.jobs].count("predict") == 0
    assert times.summary(2).splitlines()[-1] == ("left out: 3 of 7 jobs, which have no log that says what they used")


def test_the_command_prints_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository)
    main(["times", "small"])
    output = capsys.readouterr().out
    assert output.startswith("run small: 4 jobs of 3 steps\n\n| step ")
    assert "importing: 8.0 s, 20 %" in output


def test_wrong_runs_are_named(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown run 'smal'; nearest: small"):
        RunTimes.read("smal", repository)
    with pytest.raises(DataError, match=r"run 'pulled' was not carried out in this folder: .*come without logs"):
        RunTimes.read("pulled", repository)
    with pytest.raises(DataError, match=r"there is no folder .*results: call this in the folder of the repository"):
        RunTimes.read("small", repository / "results" / "small")


def test_records_that_came_without_their_logs_are_no_run_of_this_folder(repository: Path) -> None:
    for log in (repository / "results" / "small" / "logs").rglob("*.log"):
        log.unlink()
    with pytest.raises(DataError, match="run 'small' was not carried out in this folder"):
        RunTimes.read("small", repository)


def test_the_command_imports_no_torch(repository: Path) -> None:
    code = "import sys; from conceptrast.cli import main; main(['times', 'small']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
