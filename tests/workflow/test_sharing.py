"""Results travel through DVC, by the README's commands: a fresh clone that pulls them has nothing to do."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from .copies import JOB, REPOSITORY, Copy

RECORD = "dvc repro default"
COMMIT = "git add dvc.lock results && git commit -q -m Results"
PUSH = "conceptrast push"
PULL = "dvc pull"
MOST_LINES = 40
"""Lines that a command may print: Snakemake's and DVC's own few, and no list of files or warnings."""

AUTHOR = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "t"), ("EMAIL", "t@localhost"))
}


@pytest.fixture
def shared(recorded: Copy, tmp_path: Path) -> Copy:
    """The recorded run in a repository of this test's own, not committed yet."""
    return recorded.copied(tmp_path / "first")


@pytest.fixture
def miniature(recorded_miniature: Copy, tmp_path: Path) -> Copy:
    """A run beside the default one, recorded in a repository of this test's own, and not committed yet."""
    return recorded_miniature.copied(tmp_path / "first")


def plain(output: str) -> str:
    """The output of a command, which is short and holds no warning."""
    assert len(output.splitlines()) <= MOST_LINES, output
    assert not re.search("warning|error|failed", output, re.IGNORECASE), output
    return output


def typed(copy: Copy, command: str, env: Mapping[str, str] | None = None) -> str:
    """Output of a line as it is typed into a shell: it succeeds, and prints little and no warning."""
    return plain(copy.must("sh", "-c", command, env={**AUTHOR, **(env or {})}))


def clone_beside(copy: Copy) -> Copy:
    """A clone of the repository in the folder beside it."""
    typed(copy, "git clone -q . ../second")
    return Copy(copy.folder.parent / "second")


def test_the_readme_shares_results_by_these_commands() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    assert all(command in readme for command in (RECORD, PUSH, PULL))


def test_a_clone_beside_that_pulls_has_nothing_to_do(recorded: Copy, shared: Copy) -> None:
    assert "Nothing to be done" in plain(recorded.folder.with_name("recorded.txt").read_text())
    typed(shared, PUSH)
    assert (shared.folder.parent / "conceptrast-dvc").is_dir()
    typed(shared, COMMIT)

    clone = clone_beside(shared)
    typed(clone, PULL)
    assert "Nothing to be done" in plain(clone.must("snakemake"))
    assert clone.planned() == {}
    assert typed(clone, "git status --porcelain") == ""
    assert "skipping" in typed(clone, "dvc repro default")

    clone.edit("config/config.yaml", "window: 0.4", "window: 0.3")
    jobs = clone.planned()
    assert jobs["prototypes"] == 2
    assert "attribute" not in jobs


def test_an_experiment_reruns_what_depends_on_its_key_and_is_compared_with_the_run_before(shared: Copy) -> None:
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


def drop_default_stage(copy: Copy) -> None:
    """Take the stage of the default run out of ``dvc.yaml``: it has no record, and plain ``dvc pull`` wants all."""
    stage = re.search(r"^  default:\n(?:    .*\n)+", (copy.folder / "dvc.yaml").read_text(), re.MULTILINE)
    assert stage is not None
    copy.edit("dvc.yaml", stage.group(), "")


def test_a_clone_that_pulls_from_s3_has_nothing_to_do(miniature: Copy, s3: dict[str, str]) -> None:
    place = f"s3://results/conceptrast\n    endpointurl = {s3['endpoint']}"
    miniature.edit(".dvc/config", "../../conceptrast-dvc", place)
    drop_default_stage(miniature)
    typed(miniature, PUSH, env=s3)
    miniature.commit("results")
    clone = clone_beside(miniature)
    typed(clone, PULL, env=s3)
    assert clone.planned("--configfile", "config/miniature.yaml") == {}
    assert not (miniature.folder.parent / "conceptrast-dvc").exists()


def test_another_run_is_recorded_by_one_command_with_the_photographs_it_fetched(
    recorded_miniature: Copy, miniature: Copy
) -> None:
    output = recorded_miniature.folder.with_name("recorded.txt").read_text()
    assert "recorded: results/miniature, data/pets" in output
    commands = re.search("share it: (.*)\n *(git add .*)\n", output)
    assert commands is not None
    for command in commands.groups():
        typed(miniature, command)

    # The stage of the default run is there without a record, so this run is pulled by name.
    named = re.search("not recorded: default;.*\n.* by name: (dvc pull .*)\n", output)
    assert named is not None
    clone = clone_beside(miniature)
    typed(clone, named.group(1))
    pictures = [file.relative_to(miniature.folder) for file in (miniature.folder / "data" / "pets").rglob("*.png")]
    assert len(pictures) == 40
    for picture in pictures:
        assert (clone.folder / picture).read_bytes() == (miniature.folder / picture).read_bytes()
    assert clone.planned("--configfile", "config/miniature.yaml") == {}

    # Without that stage, plain `dvc pull` has nothing else in its way.
    drop_default_stage(clone)
    typed(clone, PULL)
