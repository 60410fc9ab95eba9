"""Attribution of a stream of images. Each image has its own target class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conceptrast.attribution.completeness import warn_if_incomplete
from conceptrast.attribution.noise import Smoothing
from conceptrast.attribution.smooth import Attributor, baseline_activations
from conceptrast.models.batches import prepared
from conceptrast.models.inference import device_of, network_input
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel


def attribute_images(
    model: Model,
    layer: str,
    batches: Iterable[tuple[np.ndarray, Tensor]],
    targets: Mapping[int, int],
    *,
    method: str = "deeplift",
    baseline: float = 1.0,
    precision: str = "float32",
    **smoothing: Any,
) -> dict[str, np.ndarray]:
    """Attribution maps of images, with everything that later steps need.

    Args:
        model: the classifier; it runs on the device of its weights.
        layer: name of the layer to cut it at.
        batches: pairs of image ids ``[n]`` and views uint8 ``[n, 3, H, W]``.
        targets: class index by image id.
        method, baseline, precision: see :func:`~conceptrast.attribution.smooth.smooth_attribution`; the baseline's
            activations are computed once for all batches.
        smoothing: arguments of :class:`~conceptrast.attribution.noise.Smoothing`.

    Returns:
        ``image`` ``[M]`` int64, ``target`` ``[M]`` int64, ``raw`` and ``rectified`` ``[M, h, w]`` float32,
        ``multiplier`` ``[M, C]`` float32, ``linear_share`` and ``completeness_gap`` ``[M]`` float32, in the batches'
        order.

    Raises:
        LayerError: the model cannot be cut at ``layer``.

    Example:
        >>> from conceptrast.models.model import Preprocess
        >>> network = torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.ReLU(), torch.nn.Flatten())
        >>> model = Model("mean colour", network, Preprocess(None, 2, (0.5,) * 3, (0.5,) * 3), ["red", "green", "blue"])
        >>> white = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
        >>> maps = attribute_images(model, "0", [(np.array([4]), white)], {4: 2}, baseline=0.0, samples=0)
        >>> maps["image"], maps["target"], maps["raw"].round(3)
        (array([4]), array([2]), array([[[0.333]]], dtype=float32))
    """
    # The baseline's activations, which give the size of the maps.
    device = device_of(model)
    split = SplitModel(model, layer).with_fused_prefix(precision)
    shape = (model.preprocess.channels, *model.preprocess.size)
    blank = network_input(model, torch.zeros(1, *shape, dtype=torch.uint8))
    start = baseline_activations(split, blank, baseline, precision)
    channels, *grid = split.complete.patches(start).shape[1:]
    attributor = Attributor(split, start, method=method, precision=precision, smoothing=Smoothing(**smoothing))
    # Arrays of each batch. Empty arrays come first: they give types and shapes if there is no batch.
    parts: dict[str, list[np.ndarray]] = {
        "image": [np.empty(0, np.int64)],
        "target": [np.empty(0, np.int64)],
        "raw": [np.empty((0, *grid), np.float32)],
        "rectified": [np.empty((0, *grid), np.float32)],
        "multiplier": [np.empty((0, channels), np.float32)],
        "linear_share": [np.empty(0, np.float32)],
        "completeness_gap": [np.empty(0, np.float32)],
    }
    for ids, views, drawn in prepared(attributor.smoothing.chunks(batches), device):
        classes = np.array([targets[int(image)] for image in ids], dtype=np.int64)
        attribution = attributor.attribute(network_input(model, views), drawn, torch.from_numpy(classes).to(device))
        parts["image"].append(np.asarray(ids, np.int64))
        parts["target"].append(classes)
        parts["raw"].append(_array(attribution.raw))
        parts["rectified"].append(_array(attribution.rectified))
        parts["multiplier"].append(_array(attribution.multiplier))
        parts["linear_share"].append(_array(attribution.linear_share))
        parts["completeness_gap"].append(_array(attribution.gap))
    whole = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    warn_if_incomplete(torch.from_numpy(whole["completeness_gap"]), method, layer)
    return whole


def _array(values: Tensor) -> np.ndarray:
    return values.float().cpu().numpy()
