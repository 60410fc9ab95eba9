"""Copies of the repository and the commands that tests run in them."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import cache_from_source
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
JOB = re.compile(r"^(?:local)?rule (\w+):", re.MULTILINE)
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
"""Of every command."""
CORES = ("--cores", "1")
"""Of every run: one job with one thread at a time, because other tests run beside it."""


@dataclass(frozen=True)
class Copy:
    """A folder that holds the repository's files."""

    folder: Path

    @classmethod
    def of_repository(cls, folder: Path) -> Copy:
        """A fresh repository with every file that git knows or would take; no results."""
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\0")
        for name in filter(None, names):
            source = REPOSITORY / name
            if source.is_file() and not (name.startswith("results/") and name != "results/.gitignore"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, folder / name)
                # What is compiled here need not be compiled there.
                compiled = Path(cache_from_source(str(source)))
                if source.suffix == ".py" and compiled.is_file():
                    target = folder / compiled.relative_to(REPOSITORY)
                    target.parent.mkdir(exist_ok=True)
                    shutil.copy2(compiled, target)
        copy = cls(folder)
        # Locks of recorded stages speak of this project's own runs.
        (folder / "dvc.lock").unlink(missing_ok=True)
        copy.run("git", "init", "-q")
        return copy

    def copied(self, folder: Path) -> Copy:
        """All of it again at `folder`, results and history included; no locks.

        MLflow keeps the artifacts of an experiment where it was made first, so a run in another copy may be writing
        some here.
        """
        shutil.copytree(self.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("locks", "*.uploading.*"))
        return Copy(folder)

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command here; `python` is the one that runs the tests."""
        environment = {
            key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "MLFLOW_TRACKING_URI")
        }
        environment |= {**ENVIRONMENT, **(env or {})}
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
        if command[0] == "snakemake":
            return forked_snakemake(command, self.folder, environment)
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def must(self, *command: str, env: Mapping[str, str] | None = None) -> str:
        """Output of a command that has to succeed."""
        done = self.run(*command, env=env)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def commit(self, message: str) -> None:
        """Commit everything that git does not ignore."""
        self.must("git", "add", "-A")
        self.must("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", message)

    def snakemake(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run snakemake on the default configuration or on the one that the arguments name."""
        return self.run("snakemake", *CORES, *arguments, env=env)

    def planned(self, *arguments: str) -> Counter[str]:
        """How many jobs of each rule a run would carry out, `all` aside."""
        done = self.snakemake("-n", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        jobs = Counter(JOB.findall(done.stdout + done.stderr))
        del jobs["all"]
        return jobs

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace `old` by `new` in a file, which must hold it."""
        text = (self.folder / name).read_text()
        assert old in text, f"{name} does not hold {old!r}"
        (self.folder / name).write_text(text.replace(old, new))

    @property
    def results(self) -> Path:
        """Results of the default run."""
        return self.folder / "results" / "default"


@cache
def with_snakemake() -> ForkServerContext:
    """What forks processes that have imported Snakemake already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.workflow.preloaded"])
    return context


def forked_snakemake(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a process that has imported it before, but nothing of this project."""
    script = Path(__file__).with_name("run_snakemake.py")
    with tempfile.TemporaryDirectory() as place:
        streams = [Path(place) / name for name in ("output", "errors")]
        request = {"command": command, "folder": folder, "environment": environment, "streams": streams}
        process = with_snakemake().Process(target=runpy.run_path, args=(str(script), {"REQUEST": request}, "__main__"))
        process.start()
        process.join()
        output, errors = (stream.read_text() for stream in streams)
    return subprocess.CompletedProcess(command, process.exitcode or 0, output, errors)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """What `make` leaves at the path that it is given, the same for all workers of xdist: the first to ask makes it,
    others wait.

    xdist's groups would do it by one worker alone, and with pytest 9.2 do nothing (pytest-xdist, issue 1386).
    """
    base = factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    place.mkdir(exist_ok=True)
    result = place / "clone"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "made").exists():
            assert not result.exists(), f"another test could not make {result}: see its error"
            make(result)
            (place / "made").touch()
    return result
