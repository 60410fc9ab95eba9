"""torchvision has to import in a fresh process, beside whatever torch is installed."""

import subprocess
import sys

import pytest

CODE = """
import sys
from conceptrast.base.torchvision_ops import torchvision, _declare_missing
import torch
assert not [name for name in sys.modules if name.startswith("torch._dynamo")], "the compiler is imported"
assert torchvision.models.resnet18(weights=None).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 1000)
assert torch.ops.torchvision.nms and torch.ops.torchvision.qnms
assert _declare_missing() is None, "declared twice"
asked = sys.modules["torchvision.ops.roi_align"].is_compile_supported("cpu")
assert asked == torch._dynamo.utils.is_compile_supported("cpu") and "torch._dynamo.eval_frame" in sys.modules
torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1).step()
print("imported")
"""

BESIDE_A_WORKING_LIBRARY = """
import sys
import torch
from pathlib import Path
import torch._dynamo as compiler
library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.impl("nms", lambda boxes, scores, threshold: torch.tensor([7]), "CPU")
from conceptrast.base.torchvision_ops import _DECLARED
assert _DECLARED is None
assert sys.modules["torch._dynamo"] is compiler, "a compiler that is loaded is left alone"
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
