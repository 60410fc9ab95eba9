"""Cost of the factorization of many classes, ours beside scikit-learn's coordinate descent, and whether both agree.

50 classes of 60 pictures: crops of a part of one of the photographs that ship with scikit-image and scikit-learn.
EfficientNet-Lite0 (the weights of its package, bfloat16) gives 1,280 channels at 7×7 positions after its head
convolution. As in the published recipe, every position is weighted by its attribution: the mean over the channels of
what speaks for the class that the crops are most like. Behind this layer the network is linear, so what a channel adds
to the class is its activation times the last layer's weight.

The peer is :func:`conceptrast.concepts.nmf.nmf`: scikit-learn with the same start, tolerance and number of passes. The
rows on the objective and on the components show the worst of all classes and components.

Run it with ``python benchmarks/factorization.py``; ours and theirs take turns, ten classes at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from conceptrast.base.environment import restart_with_environment
from conceptrast.base.memory import keep_memory
from conceptrast.concepts.class_factorization import weighted_rows
from conceptrast.concepts.nmf import Factorization, nmf
from conceptrast.concepts.nmf_solvers import factorizations
from conceptrast.data.decoding import open_rgb
from conceptrast.data.packaged import packaged_file
from conceptrast.data.photographs import FILES
from conceptrast.models import load_model
from conceptrast.models.inference import autocast, network_input
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel

CLASSES = 50
CROPS = 60
COMPONENTS = 6
TURN = 10
"""Classes that one side factorizes before the other does."""
SPEED = 3.0
"""Least ratio of the times."""
OBJECTIVE = 1.01
"""Largest ratio of the squared errors."""
COSINE = 0.99
"""Least cosine of two matched components."""

Result = TypeVar("Result")


def crops_of(photograph: Image.Image, quarter: int, seed: int) -> list[Image.Image]:
    """Square crops, of random place and size, of two thirds of a photograph's width and height from one corner."""
    width, height = (2 * side // 3 for side in photograph.size)
    left = (quarter % 2) * (photograph.width - width)
    top = (quarter // 2) * (photograph.height - height)
    draw = np.random.default_rng(seed)
    crops = []
    for _ in range(CROPS):
        side = int(min(width, height) * draw.uniform(0.4, 1.0))
        x = left + int(draw.integers(width - side + 1))
        y = top + int(draw.integers(height - side + 1))
        crops.append(photograph.crop((x, y, x + side, y + side)))
    return crops


@torch.inference_mode()
def rows_of(model: Model, split: SplitModel, crops: Sequence[Image.Image]) -> np.ndarray:
    """Weighted rows ``[60 · 49, 1280]`` of one class."""
    views = torch.stack([model.preprocess.view(crop) for crop in crops])
    with autocast("bfloat16"):
        activations = split.prefix(network_input(model, views)).float()
    last: Tensor = next(part.weight for part in model.module.modules() if isinstance(part, torch.nn.Linear))
    weight = last[(activations.mean(dim=(0, 2, 3)) @ last.T).argmax()]
    added = activations * weight[:, None, None] / activations[0, 0].numel()
    rows, _ = weighted_rows(activations, added.clamp(min=0).mean(dim=1, keepdim=True).numpy())
    return rows


def classes() -> list[np.ndarray]:
    """Rows of all classes."""
    model = load_model("efficientnet_lite0", weights="package")
    split = SplitModel(model, "_swish")
    parts = [(file, quarter) for file in FILES.values() for quarter in range(4)][:CLASSES]
    return [
        rows_of(model, split, crops_of(open_rgb(packaged_file(file)), quarter, seed))
        for seed, (file, quarter) in enumerate(parts)
    ]


def squared_error(rows: np.ndarray, result: Factorization) -> float:
    """Share of the rows' square that a factorization misses, in float64."""
    values = rows.astype(np.float64)
    missed = values - result.codes.astype(np.float64) @ result.components.astype(np.float64)
    return float(np.square(missed).sum() / np.square(values).sum())


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosines ``[k]`` of two sets of components ``[k, C]``, matched so that their sum is largest."""
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True).clip(1e-30) for part in (first, second)]
    similarity = unit[0] @ unit[1].T
    return similarity[linear_sum_assignment(-similarity)]


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What a call gives, and its wall-clock seconds."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def one_by_one(batch: Sequence[np.ndarray]) -> list[Factorization]:
    """The peer: scikit-learn, a class at a time."""
    return [nmf(rows, COMPONENTS) for rows in batch]


def measure() -> list[dict[str, str | float]]:
    """Rows: benchmark, ours_s, peer_s, ratio, target. Errors and cosines stand in place of seconds in their rows."""
    # Both factorize all classes, in turns.
    matrices = classes()
    factorizations(matrices[:1], COMPONENTS)
    nmf(matrices[0], COMPONENTS)
    mine: list[Factorization] = []
    theirs: list[Factorization] = []
    seconds = np.zeros(2)
    for first in range(0, CLASSES, TURN):
        batch = matrices[first : first + TURN]
        ours, ours_seconds = timed(partial(factorizations, batch, COMPONENTS))
        peers, peer_seconds = timed(partial(one_by_one, batch))
        mine += ours
        theirs += peers
        seconds += (ours_seconds, peer_seconds)

    # The worst class and the worst component.
    errors = np.array(
        [
            [squared_error(rows, ours), squared_error(rows, peer)]
            for rows, ours, peer in zip(matrices, mine, theirs, strict=True)
        ]
    )
    worst = int((errors[:, 0] / errors[:, 1]).argmax())
    lowest = min(
        float(cosines(ours.components, peer.components).min()) for ours, peer in zip(mine, theirs, strict=True)
    )

    # Rows.
    shape = "×".join(str(number) for number in (CROPS, 49, matrices[0].shape[1]))
    return [
        {
            "benchmark": f"factorization of {CLASSES} classes of {shape}; peer: scikit-learn",
            "ours_s": float(seconds[0]),
            "peer_s": float(seconds[1]),
            "ratio": float(seconds[1] / seconds[0]),
            "target": SPEED,
        },
        {
            "benchmark": "its squared error, as a share of the rows' square, in the worst class (at most)",
            "ours_s": float(errors[worst, 0]),
            "peer_s": float(errors[worst, 1]),
            "ratio": float(errors[worst, 0] / errors[worst, 1]),
            "target": OBJECTIVE,
        },
        {
            "benchmark": "lowest cosine of its components with scikit-learn's",
            "ours_s": lowest,
            "peer_s": 1.0,
            "ratio": lowest,
            "target": COSINE,
        },
    ]


def main() -> None:
    """Print the table."""
    for row in measure():
        print("  ".join(f"{key}={value:.4f}" if isinstance(value, float) else str(value) for key, value in row.items()))


if __name__ == "__main__":
    restart_with_environment()
    keep_memory()
    main()
