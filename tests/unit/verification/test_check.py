"""``conceptrast verify`` on a small repository: what it prints, how it ends, and what it says of mistakes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conceptrast.cli import main
from conceptrast.verification.claims import read_claims
from conceptrast.verification.repetition import claims_by_seed
from conceptrast.verification.results import Results, results_of_run

CLAIMS = """run,sentence,metric,relation,bound
mine,It reads.,net/accuracy,>=,0.9
mine,It reads.,models.csv:epochs[model=net],==,2
other,It reads too.,net/accuracy,>=,0.9
"""
Verify = Callable[..., tuple[int, str]]


def git(folder: Path, *words: str) -> None:
    name = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *name, *words], cwd=folder, check=True, capture_output=True)


def write_run(repository: Path, run: str, **metrics: float) -> Path:
    folder = repository / "results" / run
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps({name.replace("_", "/", 1): metrics[name] for name in metrics}))
    (folder / "tables" / "models.csv").write_text("model,epochs\nnet,2\n")
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two committed runs and their claims."""
    (tmp_path / "Snakefile").touch()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "claims.csv").write_text(CLAIMS)
    write_run(tmp_path, "mine", net_accuracy=0.95, net_accuracy_low=0.9, net_accuracy_high=0.98, net_loss=0.5)
    write_run(tmp_path, "other", net_accuracy=0.5)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "runs")
    return tmp_path


@pytest.fixture
def verify(repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    """`verify(words)`: exit status and output, called in a folder of the repository."""
    monkeypatch.chdir(repository / "docs")

    def call(*words: str) -> tuple[int, str]:
        status = 0
        error = ""
        try:
            main(["verify", *words])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
            error = "" if isinstance(end.code, int) else str(end.code)
        return status, capsys.readouterr().out + error

    return call


def test_a_run_that_is_as_it_was_bears_its_claims_out(verify: Verify) -> None:
    assert verify("mine") == (
        0,
        '"It reads."\n'
        "    holds by 0.05   0.95 >= 0.9   net/accuracy\n"
        "    holds           2 == 2        models.csv:epochs[model=net]\n"
        "2 of 2 claims about mine hold; 4 metrics beside HEAD: 4 same\n",
    )
    assert verify("mine", "--summary") == (0, "2 of 2 claims about mine hold; 4 metrics beside HEAD: 4 same\n")


def test_a_claim_that_fails_ends_with_status_1_and_is_not_hidden(verify: Verify, repository: Path) -> None:
    write_run(repository, "mine", net_accuracy=0.85, net_accuracy_low=0.9, net_accuracy_high=0.98, net_rest=1)
    status, report = verify("mine")
    assert status == 1
    assert "    FAILS by 0.05   0.85 >= 0.9   net/accuracy\n" in report
    assert "    missing   0.5                  now   -      net/loss\n" in report
    assert "    new       -                    now   1      net/rest\n" in report
    assert "    outside   0.95 (0.9 to 0.98)   now   0.85   net/accuracy\n" in report
    last = "1 of 2 claims about mine hold, 1 FAIL; 5 metrics beside HEAD: 2 same, 1 outside, 1 missing, 1 new\n"
    assert report.endswith(last)
    assert verify("mine", "--summary") == (1, f'FAILS by 0.05: "It reads." (0.85 >= 0.9, net/accuracy)\n{last}')


def test_a_run_is_compared_with_another_or_with_a_revision(verify: Verify, repository: Path) -> None:
    git(repository, "tag", "first")
    write_run(repository, "mine", net_accuracy=0.92, net_accuracy_low=0.9, net_accuracy_high=0.98, net_loss=0.5)
    git(repository, "commit", "-qam", "another")
    assert verify("mine", "--summary")[1].endswith("beside HEAD: 4 same\n")
    assert verify("mine", "--summary", "--against", "first")[1].endswith(
        "beside first: 3 same, 1 within their intervals\n"
    )
    other = verify("mine", "--summary", "--against", "other")[1]
    assert other.endswith("beside results/other: 1 differ and have no interval, 3 new\n")


def test_a_revision_without_tables_is_compared_by_its_metrics_alone(verify: Verify, repository: Path) -> None:
    git(repository, "rm", "-rq", "--cached", "results/mine/tables")
    git(repository, "commit", "-qm", "metrics alone")
    git(repository, "tag", "bare")
    write_run(repository, "mine", net_accuracy=0.92, net_accuracy_low=0.9, net_accuracy_high=0.98, net_loss=0.5)
    status, report = verify("mine", "--summary", "--against", "bare")
    assert status == 0
    assert report.endswith("beside bare: 3 same, 1 within their intervals\n")


def test_a_run_without_claims_or_without_a_commit_says_so(verify: Verify, repository: Path) -> None:
    write_run(repository, "third", net_accuracy=0.5)
    line = "docs/claims.csv makes no claim about third; metrics not compared: HEAD has no results/third\n"
    assert verify("third") == (0, line)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mien"], "unknown run 'mien'; nearest: mine"),
        (["../results/mine"], "unknown run '../results/mine'; valid: broken, mine"),
        (["started"], "the run 'started' is not finished: results/started/metrics.json does not exist"),
        (["mine", "--against", "othr"], "git has no revision 'othr', and unknown run 'othr'; nearest: other"),
        (["mine", "--against=--output=x"], "git has no revision '--output=x', and unknown run"),
        (["third", "--against", "HEAD"], "HEAD has no results/third"),
        (["broken"], "results/broken: metrics.json is no JSON"),
        (["text"], "results/text: metrics.json must hold one object of numbers by name"),
        (["wide"], "results/wide: models.csv is no table"),
    ],
)
def test_a_mistake_is_named(verify: Verify, repository: Path, words: list[str], message: str) -> None:
    (repository / "results" / "started").mkdir()
    write_run(repository, "third", net_accuracy=0.5)
    (write_run(repository, "broken") / "metrics.json").write_text("{")
    (write_run(repository, "text") / "metrics.json").write_text('{"net/accuracy": "high"}')
    (write_run(repository, "wide") / "tables" / "models.csv").write_text("a\n1,2\n1,2,3\n")
    status, report = verify(*words)
    assert status == 1
    assert report.startswith(f"error: {message}")


def test_without_git_claims_are_checked_all_the_same(
    verify: Verify, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / ".git").rename(repository / "no-git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository.parent))
    assert verify("mine", "--summary") == (
        0,
        "2 of 2 claims about mine hold; metrics not compared: this is no git repository\n",
    )
    assert "this is no git repository, and unknown run 'HEAD'" in verify("mine", "--against", "HEAD")[1]
    monkeypatch.setenv("PATH", str(repository))
    assert verify("mine", "--summary")[1].endswith("metrics not compared: git is not installed\n")


def test_it_wants_to_be_called_in_the_repository(
    verify: Verify, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    status, report = verify("mine")
    assert status == 1
    assert "neither it nor a folder above it has a Snakefile" in report


def test_names_from_data_control_no_terminal(verify: Verify, repository: Path) -> None:
    folder = repository / "results" / "mine"
    (folder / "metrics.json").write_text(json.dumps({"net/\x1b[2Jaccuracy": 1.0}))
    status, report = verify("mine")
    assert status == 1
    assert "\x1b" not in report
    assert "net/\\x1b[2Jaccuracy" in report


def test_claims_about_a_repeated_run_hold_if_they_hold_at_every_seed(verify: Verify, repository: Path) -> None:
    results = results_of_run(repository, "mine")
    claims = read_claims(repository / "docs" / "claims.csv")
    worse = Results("", {**results.metrics, "net/accuracy": 0.8}, results.tables)

    def write(by_seed: dict[int, Results]) -> None:
        folder = write_run(repository, "seeds")
        claims_by_seed(claims, "mine", by_seed).to_csv(folder / "tables" / "claims.csv", index=False)

    write({1: results, 2: results})
    status, report = verify("seeds")
    assert status == 0
    assert "    holds by 0.05 at all 2 seeds   0.95 >= 0.9   net/accuracy\n" in report
    assert "2 of 2 claims about seeds hold" in report
    write({1: results, 2: Results("", {**results.metrics, "net/accuracy": 0.9}, results.tables)})
    _, report = verify("seeds")
    assert "    holds at all 2 seeds, at its bound in one or more   0.9 to 0.95 >= 0.9   net/accuracy\n" in report
    write({1: results, 2: worse, 3: worse})
    status, report = verify("seeds")
    assert status == 1
    assert "    FAILS by 0.1 at seed 2, 3   0.8 to 0.95 >= 0.9   net/accuracy\n" in report

    # A claim that is newer than the run has not been checked.
    (repository / "docs" / "claims.csv").write_text(CLAIMS.replace(">=,0.9\nmine", ">=,0.7\nmine"))
    status, report = verify("seeds", "--summary")
    assert status == 1
    assert report.startswith("NOT CHECKED: it is newer than this run: ")
