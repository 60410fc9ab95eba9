"""Results travel through DVC, by the README's commands: a fresh clone that pulls them has nothing to do."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from conceptrast.plan.dvc_stage import DEFAULT_CONFIG, plots_of, stage_of, write_stage
from conceptrast.plan.record import read_plan

from .copies import JOB, REPOSITORY, Copy
from .test_pets import miniature

RECORD = "dvc repro default"
PUSH = "conceptrast push"
RECORD_AND_PUSH = f"{RECORD} && {PUSH}"
COMMIT = "git add dvc.lock results && git commit -q -m Results"
PULL = "dvc pull"
MOST_LINES = 40
"""Lines that a command may print: Snakemake's and DVC's own few, and no list of files or warnings."""

AUTHOR = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "t"), ("EMAIL", "t@localhost"))
}


@pytest.fixture
def shared(finished: Copy, tmp_path: Path) -> Copy:
    """The finished run in a repository of this test's own, committed; its stage names the folders that it fills."""
    copy = finished.copied(tmp_path / "first")
    plan = read_plan(copy.folder, DEFAULT_CONFIG)
    stage = stage_of("default", DEFAULT_CONFIG, plan.folders)
    write_stage(copy.folder / "dvc.yaml", "default", stage, plots=plots_of("default", plan.plots))
    copy.commit("the tiny run's stage")
    return copy


def typed(copy: Copy, command: str, env: Mapping[str, str] | None = None) -> str:
    """Output of a line as it is typed into a shell: it succeeds, and prints little and no warning."""
    output = copy.must("sh", "-c", command, env={**AUTHOR, **(env or {})})
    assert len(output.splitlines()) <= MOST_LINES, output
    assert not re.search("warning|error|failed", output, re.IGNORECASE), output
    return output


def clone_beside(copy: Copy) -> Copy:
    """A clone of the repository in the folder beside it."""
    typed(copy, "git clone -q . ../second")
    return Copy(copy.folder.parent / "second")


def test_the_readme_shares_results_by_these_commands() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    assert all(command in readme for command in (RECORD, PUSH, PULL))


def test_a_clone_beside_that_pulls_has_nothing_to_do(shared: Copy) -> None:
    assert "Nothing to be done" in typed(shared, RECORD_AND_PUSH)
    assert (shared.folder.parent / "conceptrast-dvc").is_dir()
    typed(shared, COMMIT)

    clone = clone_beside(shared)
    typed(clone, PULL)
    assert "Nothing to be done" in typed(clone, "snakemake")
    assert clone.planned() == {}
    assert typed(clone, "git status --porcelain") == ""
    assert "skipping" in typed(clone, "dvc repro default")

    clone.edit("config/config.yaml", "window: 0.4", "window: 0.3")
    jobs = clone.planned()
    assert jobs["prototypes"] == 2
    assert "attribute" not in jobs


def test_an_experiment_reruns_what_depends_on_its_key_and_is_compared_with_the_run_before(shared: Copy) -> None:
    typed(shared, "dvc repro default")
    typed(shared, COMMIT)
    output = shared.must("dvc", "exp", "run", "default", "-S", "config/config.yaml:contrast.runs=1", env=AUTHOR)
    jobs = Counter(JOB.findall(output))
    once = ("contrast_tables", "contrast_figures", "metrics", "atlas", "track", "all")
    assert jobs == {"shift": 2, **dict.fromkeys(once, 1)}

    difference = json.loads(shared.must("dvc", "metrics", "diff", "--json"))
    changed = [name.partition("/")[2] for name in difference["results/default/metrics.json"]]
    assert changed
    assert all(name.startswith(("before", "after", "factor_of_means", "swap_rate")) for name in changed)
    assert {name.partition("/")[0] for name in difference.get("results/default/headlines.json", {})} <= {"contrast"}
    typed(shared, "dvc plots diff HEAD")
    assert "default-shift_curves" in (shared.folder / "dvc_plots" / "index.html").read_text()


@pytest.fixture
def s3() -> Iterator[dict[str, str]]:
    """An S3 server on 127.0.0.1 with an empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket="results")
    yield {**keys, "endpoint": f"http://{host}:{port}"}
    server.stop()


def test_a_clone_that_pulls_from_s3_has_nothing_to_do(shared: Copy, s3: dict[str, str]) -> None:
    typed(shared, "dvc remote modify beside url s3://results/conceptrast")
    typed(shared, f"dvc remote modify beside endpointurl {s3['endpoint']}")
    typed(shared, RECORD_AND_PUSH, env=s3)
    shared.commit("results")
    clone = clone_beside(shared)
    typed(clone, PULL, env=s3)
    assert clone.planned() == {}
    assert not (shared.folder.parent / "conceptrast-dvc").exists()


def test_another_run_is_recorded_by_one_command_with_the_photographs_it_fetched(tmp_path: Path) -> None:
    copy = Copy.of_repository(tmp_path / "first")
    miniature(copy)
    copy.commit("a miniature")
    here = {"PYTHONPATH": str(copy.folder / "src")}
    done = copy.run(sys.executable, "-m", "conceptrast.plan.record", "config/miniature.yaml", env=here)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "recorded: results/miniature, data/pets" in done.stdout
    commands = re.search("share it: (.*)\n *(git add .*)\n", done.stdout)
    assert commands is not None
    for command in commands.groups():
        typed(copy, command)

    # The stage of the default run is there without a record, so this run is pulled by name.
    named = re.search("not recorded: default;.*\n.* by name: (dvc pull .*)\n", done.stdout)
    assert named is not None
    clone = clone_beside(copy)
    typed(clone, named.group(1))
    photographs = [file.relative_to(copy.folder) for file in (copy.folder / "data" / "pets").rglob("*.png")]
    assert len(photographs) == 40
    for photograph in photographs:
        assert (clone.folder / photograph).read_bytes() == (copy.folder / photograph).read_bytes()
    assert clone.planned("--configfile", "config/miniature.yaml") == {}

    # Without that stage, plain `dvc pull` has nothing else in its way.
    text = (clone.folder / "dvc.yaml").read_text()
    default = re.search(r"^  default:\n(?:    .*\n)+", text, re.MULTILINE)
    assert default is not None
    clone.edit("dvc.yaml", default.group(), "")
    typed(clone, PULL)
