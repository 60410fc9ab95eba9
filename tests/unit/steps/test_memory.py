"""A batch that does not fit into memory ends a step, and a question of a study, with one line that helps."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

# Imports once, then forks for each question: what a process has imported and computed before is not under the limit.
# The first convolution gives 0.6 MB for each picture: 170 MiB for all, where there are 128. The study's gives as much.
PROGRAM = """
import json, os, re, resource, sys, traceback
from pathlib import Path
import torch
from PIL import Image
import conceptrast as cc
from conceptrast.base.files import read_table, write_table
from conceptrast.steps import index, predict
from conceptrast.steps.runner import call, run

folder = Path(sys.argv[1])
dataset = {"kind": "collages", "classes": 3, "train": 0, "validation": 300}
files = {"index": folder / "index.parquet", "class_names": folder / "names.json"}
call(index.main, {"dataset": dataset, "seed": 0, "max_rejected": 0}, **files, rejected=folder / "rejected.csv",
    truth=folder / "truth.parquet")
settings = {"model": {"architecture": "resnet10", "train": None}, "dataset": dataset, "seed": 0,
    "precision": "float32"}
few = {**files, "index": folder / "few.parquet"}
write_table(read_table(files["index"]).head(4), few["index"])
call(predict.main, settings | {"batch_size": 4}, **few, predictions=folder / "few-predictions.parquet")

network = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
    torch.nn.Flatten())
preprocess = cc.Preprocess(None, 64, (0.5,) * 3, (0.5,) * 3)
pictures = [Image.new("RGB", (64, 64))] * 200
cc.Study(network, pictures[:1], preprocess=preprocess).predictions
study = cc.Study(network, pictures, preprocess=preprocess, batch_size=200)

def step(batch_size):
    run(predict.main, ["--settings", json.dumps(settings | {"batch_size": batch_size}),
        "--index", str(files["index"]), "--class-names", str(files["class_names"]),
        "--predictions", str(folder / f"{batch_size}.parquet")])

def question():
    try:
        study.explain(0)
    except MemoryError as error:
        print(error, flush=True)

def limit(room):
    pages = int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room,) * 2)

def answer(function, *arguments):
    output = folder / "output"
    process = os.fork()
    if process == 0:
        status = 0
        for stream in (1, 2):
            os.dup2(os.open(output, os.O_CREAT | os.O_APPEND | os.O_WRONLY), stream)
        limit(2**27)
        try:
            function(*arguments)
        except SystemExit as end:
            status = end.code
        except BaseException:
            traceback.print_exc()
            status = 70
        os._exit(status or 0)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    text = output.read_text()
    output.unlink()
    return status, text

large = answer(step, 300)
numbers = re.findall(r"e\\.g\\. to (\\d+)$", large[1].strip())
answers = {"step": large, "smaller step": answer(step, int(numbers[0])) if numbers else None,
    "study": answer(question)}
(folder / "answers.json").write_text(json.dumps(answers))
"""


def test_a_step_and_a_study_name_what_to_lower_and_a_value_that_would_fit(tmp_path: Path) -> None:
    """One test, because its program imports everything once."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # a fork has none of its parent's other threads
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=one_thread)
    assert done.returncode == 0, done.stderr
    answers = json.loads((tmp_path / "answers.json").read_text())
    # A step names the key.
    status, errors = answers["step"]
    assert status == 1
    last = errors.strip().splitlines()[-1]
    numbers = re.fullmatch(r"error: not enough memory: .* lower batch_size, which is 300, e\.g\. to (\d+)", last)
    assert numbers, errors
    assert "Traceback" not in errors
    assert not (tmp_path / "300.parquet").exists()
    # That value fits.
    status, errors = answers["smaller step"]
    assert status == 0, errors
    assert (tmp_path / f"{numbers[1]}.parquet").exists()
    # A study names its argument.
    status, output = answers["study"]
    assert status == 0, output
    assert re.search(r"not enough memory: .* lower batch_size, which is 200, e\.g\. to \d+\n$", output), output
