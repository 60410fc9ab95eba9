"""A batch that does not fit into memory ends a step, and a question of a study, with one line that helps."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

LIMIT = """
import resource
def limit(room):
    pages = int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room,) * 2)
"""

# The first convolution gives 0.6 MB for each picture: 170 MiB for all, where there are 128.
STEP = """
import json, sys
from pathlib import Path
from conceptrast.base.files import read_table, write_table
from conceptrast.steps import index, predict
from conceptrast.steps.runner import call, run
folder = Path(sys.argv[1])
dataset = {"kind": "collages", "classes": 3, "train": 0, "validation": 300}
files = {"index": folder / "index.parquet", "class_names": folder / "names.json"}
call(index.main, {"dataset": dataset, "seed": 0, "max_rejected": 0}, **files, rejected=folder / "rejected.csv",
    truth=folder / "truth.parquet")
settings = {"model": {"architecture": "resnet10", "train": None}, "dataset": dataset, "seed": 0,
    "precision": "float32", "batch_size": 300}
few = {**files, "index": folder / "few.parquet"}
write_table(read_table(files["index"]).head(4), few["index"])
call(predict.main, settings | {"batch_size": 4}, **few, predictions=folder / "first.parquet")  # imports and caches
limit(2**27)
run(predict.main, ["--settings", json.dumps(settings), "--index", str(files["index"]), "--class-names",
    str(files["class_names"]), "--predictions", str(folder / "predictions.parquet")])
"""

STUDY = """
import torch
from PIL import Image
import conceptrast as cc
network = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
    torch.nn.Flatten())
preprocess = cc.Preprocess(None, 64, (0.5,) * 3, (0.5,) * 3)
pictures = [Image.new("RGB", (64, 64))] * 200
cc.Study(network, pictures[:1], preprocess=preprocess).predictions  # imports
study = cc.Study(network, pictures, preprocess=preprocess, batch_size=200)
limit(2**27)
try:
    study.explain(0)
except MemoryError as error:
    print(error)
"""


def run_limited(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LIMIT + program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_step_names_the_key_and_a_value_that_would_fit(tmp_path: Path) -> None:
    done = run_limited(STEP, tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    numbers = re.fullmatch(r"error: not enough memory: .* lower batch_size, which is 300, e\.g\. to (\d+)", last)
    assert numbers, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "predictions.parquet").exists()
    # That value fits.
    again = run_limited(STEP.replace('"batch_size": 300', f'"batch_size": {numbers[1]}'), tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "predictions.parquet").exists()


def test_a_study_names_its_argument() -> None:
    done = run_limited(STUDY)
    assert re.search(r"not enough memory: .* lower batch_size, which is 200, e\.g\. to \d+\n$", done.stdout), done
