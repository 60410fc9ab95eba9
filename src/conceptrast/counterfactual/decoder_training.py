"""Training a decoder, and how well it reconstructs.

Notation: ``v`` pictures with values in [0, 1], ``a`` their activations at the layer, ``P`` the model's prefix, ``D``
the decoder.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from conceptrast.base.errors import ConfigError, ModelError, unknown_name
from conceptrast.base.progress import progress
from conceptrast.base.statistics import mean_sd, wilson_interval
from conceptrast.counterfactual.decoder import Decoder
from conceptrast.models.activations import activations_of
from conceptrast.models.checkpoints import Checkpoint
from conceptrast.models.inference import PRECISIONS, autocast, device_of, network_input
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel
from conceptrast.models.training import learning_rate_at
from conceptrast.models.training_pictures import TrainingPictures

LOGGER = logging.getLogger("conceptrast")
FINEST = (0.5 / 255) ** 2
"""Mean squared error below which a reconstruction counts as exact."""

_ORDER = 1_000_003  # an epoch's order of the pictures has the seed: seed · this + epoch


@dataclass(frozen=True)
class DecoderOptions:
    """How a decoder is trained: AdamW, a learning rate that rises and falls as in the training of classifiers.

    Args:
        epochs: passes over the training pictures.
        batch_size: pictures of a step.
        learning_rate: the highest one.
        perceptual: weight of the perceptual term.
        width: channels of the decoder's first block.
        precision: ``float32`` or ``bfloat16``.

    Raises:
        ConfigError: a number is not positive (the perceptual weight may be 0), or an unknown precision.
    """

    epochs: int = 2
    batch_size: int = 32
    learning_rate: float = 0.003
    perceptual: float = 0.1
    width: int = 128
    precision: str = "bfloat16"

    def __post_init__(self) -> None:
        for key in ("epochs", "batch_size", "learning_rate", "width"):
            if getattr(self, key) <= 0:
                raise ConfigError(f"decoder: {key} must be positive, got {getattr(self, key)}")
        if self.perceptual < 0:
            raise ConfigError(f"decoder: perceptual must not be negative, got {self.perceptual}")
        if self.precision not in PRECISIONS:
            raise ConfigError(unknown_name("precision", self.precision, PRECISIONS))

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> DecoderOptions:
        """Options of a config entry ``decoder``, whose numbers of pictures are left to the workflow.

        Example:
            >>> DecoderOptions.of({"images": 9, "validation_images": 9, "epochs": 4}).epochs
            4
        """
        return cls(**{key: value for key, value in settings.items() if key not in ("images", "validation_images")})


DEFAULTS = DecoderOptions()


def reconstruction_errors(
    pictures: Tensor, decoded: Tensor, activations: Tensor, again: Tensor
) -> tuple[Tensor, Tensor]:
    r"""How far a decoded picture is from the original, in pixels and as the model sees it.

    .. math:: L_1 = \overline{|D(a) - v|}, \qquad L_2 = \overline{|P(D(a)) - a|} \,/\, \overline{|a|},
              \qquad L = L_1 + w L_2

    Args:
        pictures: ``v`` ``[N, 3, H, W]`` in [0, 1].
        decoded: ``D(a)``, likewise.
        activations: ``a`` ``[N, C, h, w]``.
        again: activations of the decoded pictures, likewise.

    Returns:
        Two scalars; the second is relative to the mean activation, so that ``w`` means the same at every layer.

    Source: a perceptual loss (Johnson et al. 2016) whose network is the explained model itself, up to the layer.

    Example:
        >>> errors = reconstruction_errors(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.tensor([2.0]),
        ...     torch.tensor([1.0]))
        >>> [float(error) for error in errors]
        [1.0, 0.5]
    """
    pixels = (decoded - pictures).abs().mean()
    seen = (again - activations).abs().mean() / activations.abs().mean().clamp(min=1e-12)
    return pixels, seen


def train_decoder(
    model: Model,
    split: SplitModel,
    training: TrainingPictures,
    options: DecoderOptions = DEFAULTS,
    checkpoint: Path | None = None,
    seed: int = 0,
    key: str = "",
) -> tuple[Decoder, pd.DataFrame]:
    """A decoder of the layer at which the model is cut.

    Args:
        model: stays as it is.
        split: the model, cut at the layer.
        training: pictures to learn from; their labels are not looked at.
        options: how to train.
        checkpoint: written after every epoch and resumed from; the caller removes it when it has kept the weights.
        seed: of the initial weights and the order of the pictures.
        key: what else the result depends on; a checkpoint of another key is ignored.

    Returns:
        The decoder, frozen, and one row per epoch: epoch (1-based), loss, pixels (mean absolute error, 0 to 1),
        perceptual (relative), seconds.

    Raises:
        ModelError: there are no pictures, or the loss is not finite; the last good epoch stays in the checkpoint.
        ShapeError: the layer has too many positions for the picture.
        LayerError: the layer's output has no positions.

    Example: see :func:`conceptrast.api.study.Study.decoder`, which takes pictures of any kind.
    """
    if not len(training):
        raise ModelError(f"a decoder of {split.layer} cannot be trained: there are no pictures to learn from")
    decoder = fresh_decoder(model, split, options.width, seed).to(device_of(model))
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=options.learning_rate)
    kept = Checkpoint(
        checkpoint, f"{key} {options} {seed} {len(training)} {split.layer}",
        {"decoder": decoder, "optimiser": optimiser},
    )  # fmt: skip
    history, folded = kept.resume(), split.folded()
    for epoch in range(len(history) + 1, options.epochs + 1):
        history.append(_epoch(model, folded, decoder, training, optimiser, options, epoch, seed))
        kept.save(history)
    return decoder.eval().requires_grad_(False), pd.DataFrame(history)


def fresh_decoder(model: Model, split: SplitModel, width: int, seed: int) -> Decoder:
    """An untrained decoder whose weights are drawn from ``seed``; the global random state is left alone."""
    channels, size = model.preprocess.channels, model.preprocess.size
    blank = torch.zeros((1, channels, *size), dtype=torch.uint8)
    [(_, activations)] = activations_of(model, split, [(np.zeros(1, np.int64), blank)])
    wide, rows, columns = activations.shape[1:]
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        decoder = Decoder(split.layer, (wide, rows, columns), size, width, channels)
    return decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _epoch(
    model: Model,
    split: SplitModel,
    decoder: Decoder,
    pictures: TrainingPictures,
    optimiser: torch.optim.Optimizer,
    options: DecoderOptions,
    epoch: int,
    seed: int,
) -> dict[str, Any]:
    """All training pictures once; the epoch's row of the history."""
    start, steps = time.monotonic(), max(1, len(pictures) // options.batch_size)
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed * _ORDER + epoch))
    decoder.train()
    sums = np.zeros(3)
    batches = pictures.batches(order[: steps * options.batch_size])
    for step, (views, _) in enumerate(
        progress(batches, f"decoder, epoch {epoch} of {options.epochs}", steps, "batches")
    ):
        rate = learning_rate_at((epoch - 1) * steps + step, options.epochs * steps, options.learning_rate)
        sums += _step(model, split, decoder, views, optimiser, options, rate)
        if not math.isfinite(sums[0]):
            raise ModelError(
                f"training of the decoder of {split.layer} diverged: loss {sums[0]} in epoch {epoch}, step {step + 1}; "
                f"lower learning_rate (it is {options.learning_rate:g})"
            )
    loss, pixels, perceptual = sums / steps
    LOGGER.info("decoder, epoch %d: loss %.4f, pixels %.4f, perceptual %.4f", epoch, loss, pixels, perceptual)
    row = {"epoch": epoch, "loss": float(loss), "pixels": float(pixels), "perceptual": float(perceptual)}
    return row | {"seconds": time.monotonic() - start}


def _step(
    model: Model,
    split: SplitModel,
    decoder: Decoder,
    views: Tensor,
    optimiser: torch.optim.Optimizer,
    options: DecoderOptions,
    rate: float,
) -> np.ndarray:
    """One step of gradient descent; loss, mean absolute error of pixels, and relative error of activations."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    device = device_of(model)
    images = network_input(model, views)
    target = views.to(device).float() / 255
    with autocast(options.precision, device):
        with torch.no_grad():
            activations = split.prefix(images).float()
        decoded = decoder(activations).float()
        again = split.prefix(decoded_input(model, decoded)).float()
    pixels, seen = reconstruction_errors(target, decoded, activations, again)
    loss = pixels + options.perceptual * seen
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return np.array([float(loss.detach()), float(pixels.detach()), float(seen.detach())])


def decoded_input(model: Model, decoded: Tensor) -> Tensor:
    """Decoded pictures ``[N, 3, H, W]`` in [0, 1] as the network takes them; gradients flow."""
    return model.preprocess.normalise(255 * decoded).contiguous(memory_format=torch.channels_last)


def mean_picture(batches: Iterable[tuple[np.ndarray, Tensor]]) -> Tensor:
    """Mean of views uint8: ``[3, H, W]`` in [0, 1]; the reconstruction to be beaten."""
    total, count = torch.zeros(()), 0
    for images, views in batches:
        total, count = total + views.double().sum(dim=0), count + len(images)
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
    r"""How well pictures come back from their activations, beside the mean picture.

    .. math:: \mathrm{PSNR} = -10 \log_{10} \max\left(\overline{(D(a) - v)^2},\; (0.5 / 255)^2\right)

    Errors below half a byte do not count: an exact reconstruction has 54 dB and not infinity.

    Args:
        model: the classifier.
        split: the model, cut at the decoder's layer.
        decoder: of that layer.
        batches: pairs of image ids ``[n]`` and views ``[n, 3, H, W]`` uint8 that the decoder was not trained on.
        mean: ``[3, H, W]`` in [0, 1], the picture that stands for knowing nothing of the image.
        precision: ``float32`` or ``bfloat16``.

    Returns:
        image, baseline (``none``: decoded, ``mean_picture``), psnr (dB), ssim (-1 to 1), predicted, predicted_decoded.

    Raises:
        LayerError: the decoder belongs to another layer.

    Source: SSIM (Wang et al. 2004) by scikit-image, uniform 7×7 windows.
    """
    decoder.check_layer(split.layer)
    device, parts = device_of(model), []
    for images, views in batches:
        pictures = views.float() / 255
        with autocast(precision, device):
            activations = split.prefix(network_input(model, views))
            said = split.suffix(activations).argmax(dim=1).cpu().numpy()
            decoded = decoder(activations.float()).float().cpu()
        for baseline, shown in (("none", decoded), ("mean_picture", mean.expand_as(decoded))):
            with autocast(precision, device):
                again = model.module(decoded_input(model, shown.to(device))).argmax(dim=1).cpu().numpy()
            found = {"image": images, "baseline": baseline, **_similarity(pictures, shown)}
            parts.append(pd.DataFrame({**found, "predicted": said, "predicted_decoded": again}))
    return pd.concat(parts, ignore_index=True)


def _similarity(pictures: Tensor, decoded: Tensor) -> dict[str, list[float]]:
    pairs = [(one.numpy(), other.numpy()) for one, other in zip(pictures, decoded, strict=True)]
    return {
        "psnr": [-10 * math.log10(max(float(((one - other) ** 2).mean()), FINEST)) for one, other in pairs],
        "ssim": [float(structural_similarity(one, other, data_range=1, channel_axis=0)) for one, other in pairs],
    }


def reconstruction_summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per baseline: how near reconstructions are, and how often the model names the same class.

    Args:
        rows: as :func:`reconstruction_rows` gives.

    Returns:
        baseline, n_images, psnr_mean, psnr_sd (dB), ssim_mean, ssim_sd, same_class (share), low, high (95 % Wilson
        interval).
    """
    found: Iterator[dict[str, Any]] = (_summary(baseline, group) for baseline, group in rows.groupby("baseline"))
    return pd.DataFrame(found).sort_values("baseline", key=lambda names: names != "none", ignore_index=True)


def _summary(baseline: Any, group: pd.DataFrame) -> dict[str, Any]:
    same = int((group["predicted"] == group["predicted_decoded"]).sum())
    row: dict[str, Any] = {"baseline": baseline, "n_images": len(group)}
    for name in ("psnr", "ssim"):
        row[f"{name}_mean"], row[f"{name}_sd"] = mean_sd(group[name].to_numpy())
    low, high = wilson_interval(same, len(group))
    return row | {"same_class": same / len(group), "low": low, "high": high}
