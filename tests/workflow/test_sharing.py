"""Results travel through DVC: a fresh clone that pulls them has nothing to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from .copies import Copy, made_once


@pytest.fixture
def shared(finished: Copy, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Copy:
    """The finished run, recorded by DVC and committed; a repository of this test's own."""

    def record(folder: Path) -> None:
        copy = finished.copied(folder)
        copy.must("dvc", "init", "-q", "-f")
        copy.must("dvc", "config", "core.analytics", "false")
        # The tiny run compares no latent spaces, and the stage of the default run names their folder.
        copy.edit("dvc.yaml", "      - results/default/latent_bias: {persist: true}\n", "")
        output = copy.must("dvc", "repro", "default")
        assert "Nothing to be done" in output
        copy.commit("results")

    return made_once(tmp_path_factory, "recorded", record).copied(tmp_path / "shared")


def clone_and_pull(shared: Copy, folder: Path, url: str, env: dict[str, str]) -> Copy:
    """Push to the remote at `url`, clone into `folder`, pull there."""
    name = folder.parent.name
    shared.must("dvc", "remote", "add", "-q", "-d", "-f", name, url)
    if "endpoint" in env:
        shared.must("dvc", "remote", "modify", "-q", name, "endpointurl", env["endpoint"])
    shared.must("dvc", "push", "-q", "-r", name, env=env)
    shared.commit(f"remote {name}")
    shared.must("git", "clone", "-q", str(shared.folder), str(folder))
    copy = Copy(folder)
    copy.must("dvc", "pull", "-q", "-r", name, "default", env=env)
    return copy


def test_a_clone_that_pulls_from_a_folder_has_nothing_to_do(shared: Copy, tmp_path: Path) -> None:
    copy = clone_and_pull(shared, tmp_path / "clone", str(tmp_path / "remote"), {})
    assert copy.planned() == {}
    copy.edit("config/config.yaml", "window: 0.4", "window: 0.3")
    jobs = copy.planned()
    assert jobs["prototypes"] == 2
    assert "attribute" not in jobs


@pytest.fixture
def s3() -> Iterator[dict[str, str]]:
    """An S3 server on 127.0.0.1 with an empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    client = boto3.client(
        "s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    client.create_bucket(Bucket="results")
    yield {**keys, "endpoint": f"http://{host}:{port}"}
    server.stop()


def test_a_clone_that_pulls_from_s3_has_nothing_to_do(shared: Copy, tmp_path: Path, s3: dict[str, str]) -> None:
    copy = clone_and_pull(shared, tmp_path / "clone", "s3://results/conceptrast", s3)
    assert copy.planned() == {}
