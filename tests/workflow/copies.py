"""Copies of the repository and the commands that tests run in them."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
JOB = re.compile(r"^(?:local)?rule (\w+):", re.MULTILINE)


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
        copy = cls(folder)
        # Locks of recorded stages speak of this project's own runs.
        (folder / "dvc.lock").unlink(missing_ok=True)
        copy.run("git", "init", "-q")
        return copy

    def copied(self, folder: Path) -> Copy:
        """All of it again at `folder`, results and history included; no locks."""
        shutil.copytree(self.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("locks"))
        return Copy(folder)

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command here; `python` is the one that runs the tests."""
        environment = {
            key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "MLFLOW_TRACKING_URI")
        }
        environment |= {"OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1", **(env or {})}
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
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
        return self.run("snakemake", "--cores", "2", *arguments, env=env)

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


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Copy:
    """The folder that `make` fills, the same one for all workers of xdist: the first to ask makes it, others wait.

    xdist's groups would do it by one worker alone, and with pytest 9.2 do nothing (pytest-xdist, issue 1386).
    """
    base = factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "made").exists():
            assert not (place / "clone").exists(), f"another test could not make {place / 'clone'}: see its error"
            make(place / "clone")
            (place / "made").touch()
    return Copy(place / "clone")
