"""torchvision has to import in a fresh process, beside whatever torch is installed."""

import subprocess
import sys

import pytest

CODE = """
from conceptrast.base.torchvision_ops import torchvision, _declare_missing
import torch
assert torchvision.models.resnet18(weights=None).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 1000)
assert torch.ops.torchvision.nms and torch.ops.torchvision.qnms
assert _declare_missing() is None, "declared twice"
print("imported")
"""

BESIDE_A_WORKING_LIBRARY = """
import torch
from pathlib import Path
library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.impl("nms", lambda boxes, scores, threshold: torch.tensor([7]), "CPU")
from conceptrast.base.torchvision_ops import _DECLARED
assert _DECLARED is None
print("imported", torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5).item())
"""


def in_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_torchvision_imports_and_runs_in_a_fresh_process():
    assert in_new_process(CODE) == "imported"


@pytest.mark.skipif("not __import__('torch').version.cuda is None", reason="torchvision's own library would clash")
def test_operators_that_are_there_are_left_alone():
    assert in_new_process(BESIDE_A_WORKING_LIBRARY) == "imported 7"
