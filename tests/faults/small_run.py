"""A copy of the repository in which a small run is finished, for the cases that need a whole workflow."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.workflow.copies import CORES, Copy

RUN = "small"
CONFIG = f"""\
run: {RUN}
experiment: conceptrast-faults
batch_size: 32
images_per_class: 4
min_images: 1
datasets:
  digits: {{kind: digits, train: 200, validation: 60}}
models:
  lenet:
    architecture: lenet
    train: {{dataset: digits, epochs: 4, batch_size: 20, learning_rate: 0.05, precision: float32}}
studies:
  digits: {{model: lenet, dataset: digits, layer: relu2, classes: ["1", "7"], contrast: [["1", "7"]]}}
attribution: {{method: deeplift, samples: 0}}
importance: {{images: 1, orders: 1}}
stability: {{draws: 0}}
contrast: {{attribution: rectified, pairs_per_draw: 1, runs: 1, images_per_pair: 2, mask_pairs: 1, offsets: [0, 10]}}
recipes:
  recommended:
    {{components: 2, weighting: channel, pooling: {{kernel: 1, stride: 1}}, window: 0.4, layout: grid,
     distinct: true, resize: input}}
"""
COMMANDS = "commands.json"
"""File with the words of each rule's step, as its rule starts it."""

RULES = (
    *("index", "train", "predict", "attribute", "factorize", "importance", "prototypes", "component_prediction"),
    *("stability", "component_tables", "features", "hyperplanes", "shift", "mask", "contrastive_components"),
    *("contrast_figures", "figures", "tables", "metrics", "confusion"),
)
"""Rules of the run that write files of their own; ``track`` writes into MLflow's store."""


def make_small_run(folder: Path) -> None:
    """Carry it out in a copy of the repository.

    Raises:
        RuntimeError: the run fails.
    """
    copy = Copy.of_repository(folder)
    (folder / "config" / "config.yaml").write_text(CONFIG)
    copy.commit("small run")
    done = copy.run("snakemake", *CORES, "--quiet", "rules")
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    planned = copy.run("snakemake", "-n", "-p", "-F", *CORES)
    commands = {}
    for line in (planned.stdout + planned.stderr).splitlines():
        if match := re.search(r"python -m conceptrast\.steps\.start (.*)", line):
            words = shlex.split(match[1])
            commands[words[words.index("--rule") + 1]] = words
    (folder / COMMANDS).write_text(json.dumps(commands))


def environment() -> dict[str, str]:
    """The environment of a user who works in the copy."""
    dropped = ("MLFLOW_TRACKING_URI", "CONCEPTRAST_FORK_SERVER")
    variables = {name: value for name, value in os.environ.items() if name not in dropped}
    variables["PYTHONPATH"] = str(Path("clone", "src").resolve())
    variables |= {"OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1", "PYTHONUNBUFFERED": "1"}
    variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), variables["PATH"]])
    return variables


def started(command: str) -> subprocess.Popen[bytes]:
    """A command in the copy, in the background; its output goes where that of the case goes."""
    return subprocess.Popen(shlex.split(command), cwd="clone", env=environment(), start_new_session=True)


def must(command: str, status: int = 0) -> None:
    """Run a command in the copy and end the case if it does not end with this exit status."""
    got = started(command).wait()
    if got != status:
        sys.exit(f"`{command}` ended with {got}")
