"""How well a decoder reconstructs pictures from their activations, beside the mean picture.

Notation: ``v`` pictures with values in [0, 1], ``a`` their activations at the layer, ``P`` the model's prefix, ``D``
the decoder.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from conceptrast.base.statistics import mean_sd, wilson_interval
from conceptrast.counterfactual.decoder import Decoder, decoded_input
from conceptrast.models.inference import autocast, device_of, network_input
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel

FINEST = (0.5 / 255) ** 2
"""Mean squared error below which a reconstruction counts as exact."""


def mean_picture(batches: Iterable[Tensor]) -> Tensor:
    """The mean of all views. A decoder has to beat this reconstruction.

    Args:
        batches: views ``[n, 3, H, W]`` uint8.

    Returns:
        ``[3, H, W]`` in [0, 1].

    Example:
        >>> views = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1)
        >>> mean_picture([views])
        tensor([[[0.5000]]])
    """
    total = torch.zeros(())
    count = 0
    for views in batches:
        total = total + views.double().sum(dim=0)
        count += len(views)
    return (total / max(count, 1) / 255).float()


@torch.inference_mode()
def reconstruction_rows(
    model: Model,
    split: SplitModel,
    decoder: Decoder,
    batches: Iterable[tuple[np.ndarray, Tensor]],
    mean: Tensor,
    precision: str = "float32",
) -> pd.DataFrame:
    r"""Measure how well pictures come back from their activations, beside the mean picture.

    .. math:: \mathrm{PSNR} = -10 \log_{10} \max\left(\overline{(D(a) - v)^2},\; (0.5 / 255)^2\right)

    .. math:: \text{feature distance} = \lVert P(D(a)) - a \rVert \,/\, \lVert a \rVert

    Errors below half a byte do not count. So an exact reconstruction has 54 dB and not infinity.

    Args:
        model: the classifier.
        split: the model, cut at the decoder's layer.
        decoder: the decoder of this layer.
        batches: pairs of image ids ``[n]`` and views ``[n, 3, H, W]`` uint8 that the decoder was not trained on.
        mean: ``[3, H, W]`` in [0, 1], the mean picture: the best guess for someone who knows nothing about the image.
        precision: ``float32`` or ``bfloat16``.

    Returns:
        image, baseline (``none``: decoded, ``mean_picture``), psnr (dB), ssim (-1 to 1), feature_distance (0 where the
        picture has the activations that it was decoded from), predicted, predicted_decoded.

    Raises:
        LayerError: the decoder belongs to another layer.

    Source: SSIM (Wang et al. 2004) by scikit-image, uniform 7×7 windows.
    """
    decoder.check_layer(split.layer)
    device = device_of(model)
    # The model's class for the mean picture, which stands in for every picture.
    with autocast(precision, device):
        mean_activations = split.prefix(decoded_input(model, mean[None].to(device))).float()
        predicted_mean = int(split.suffix(mean_activations).argmax())
    parts = []
    for images, views in batches:
        # The model's classes for the pictures, and for the pictures decoded from their activations.
        pictures = views.float() / 255
        with autocast(precision, device):
            activations = split.prefix(network_input(model, views))
            predictions = split.suffix(activations).argmax(dim=1).cpu().numpy()
            decoded = decoder(activations.float()).float()
            again = split.prefix(decoded_input(model, decoded)).float()
            predictions_decoded = split.suffix(again).argmax(dim=1).cpu().numpy()
        # How near either stand-in is to the pictures.
        for baseline, candidates, features, predicted in (
            ("none", decoded.cpu(), again, predictions_decoded),
            ("mean_picture", mean.expand_as(pictures), mean_activations, predicted_mean),
        ):
            columns = {"image": images, "baseline": baseline, **_similarity(pictures, candidates)}
            columns["feature_distance"] = feature_distances(features, activations.float()).cpu().numpy()
            columns |= {"predicted": predictions, "predicted_decoded": predicted}
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def feature_distances(features: Tensor, wanted: Tensor) -> Tensor:
    """How far activations are from those that were wanted, relative to the length of these.

    Args:
        features: ``P(D(a))`` ``[N, C, h, w]``, or one for all.
        wanted: ``a`` ``[N, C, h, w]``.

    Example:
        >>> feature_distances(torch.zeros(1, 1, 1, 2), torch.tensor([[[[3.0, 4.0]]]]))
        tensor([1.])
    """
    return (features - wanted).flatten(1).norm(dim=1) / wanted.flatten(1).norm(dim=1).clamp(min=1e-30)


def _similarity(pictures: Tensor, decoded: Tensor) -> dict[str, list[float]]:
    pairs = [(one.numpy(), other.numpy()) for one, other in zip(pictures, decoded, strict=True)]
    return {
        "psnr": [-10 * math.log10(max(float(((one - other) ** 2).mean()), FINEST)) for one, other in pairs],
        "ssim": [float(structural_similarity(one, other, data_range=1, channel_axis=0)) for one, other in pairs],
    }


def reconstruction_summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each baseline: how near reconstructions are, and how often the model names the same class.

    Args:
        rows: the rows of :func:`reconstruction_rows`.

    Returns:
        baseline, n_images, psnr_mean, psnr_sd (dB), ssim_mean, ssim_sd, feature_distance_mean, feature_distance_sd,
        same_class (share), low, high (95 % Wilson interval).
    """
    summaries = [_baseline_row(baseline, group) for baseline, group in rows.groupby("baseline")]
    return pd.DataFrame(summaries).sort_values("baseline", key=lambda names: names != "none", ignore_index=True)


def _baseline_row(baseline: Any, group: pd.DataFrame) -> dict[str, Any]:
    same = int((group["predicted"] == group["predicted_decoded"]).sum())
    row: dict[str, Any] = {"baseline": baseline, "n_images": len(group)}
    for name in ("psnr", "ssim", "feature_distance"):
        row[f"{name}_mean"], row[f"{name}_sd"] = mean_sd(group[name].to_numpy())
    low, high = wilson_interval(same, len(group))
    return row | {"same_class": same / len(group), "low": low, "high": high}
