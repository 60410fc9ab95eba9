"""Training a decoder.

Notation: ``v`` pictures with values in [0, 1], ``a`` their activations at the layer, ``P`` the model's prefix, ``D``
the decoder.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from conceptrast.base.errors import ConfigError, ModelError, unknown_name
from conceptrast.base.progress import progress
from conceptrast.base.streams import LibrarySeed, library_seed
from conceptrast.counterfactual.decoder import Decoder, decoded_input
from conceptrast.counterfactual.moved_activations import mixed, noisy
from conceptrast.models.activations import activations_of
from conceptrast.models.checkpoints import Checkpoint
from conceptrast.models.inference import PRECISIONS, autocast, device_of, network_input
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel
from conceptrast.models.training import learning_rate_at
from conceptrast.models.training_pictures import TrainingPictures

LOGGER = logging.getLogger("conceptrast")

VERDICT = 0.02
"""Weight of the error in the class of moved activations, in nats."""
LOSSES = ("loss", "pixels", "perceptual", "moved", "verdict")
"""Columns of the history."""


@dataclass(frozen=True)
class DecoderOptions:
    """How a decoder is trained: by AdamW. The learning rate rises and falls as in the training of classifiers.

    Args:
        epochs: the number of passes over the training pictures.
        batch_size: the number of pictures in a step.
        learning_rate: the highest learning rate.
        perceptual: the weight of the perceptual term.
        width: the number of channels of the decoder's first block.
        precision: ``float32`` or ``bfloat16``.

    Raises:
        ConfigError: a number is not positive (the perceptual weight may be 0), or the precision is unknown.
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
        """The options of a configuration entry ``decoder``. The workflow handles the entry's numbers of pictures.

        Example:
            >>> DecoderOptions.of({"images": 9, "validation_images": 9, "epochs": 4}).epochs
            4
        """
        return cls(**{key: value for key, value in settings.items() if key not in ("images", "validation_images")})


DEFAULTS = DecoderOptions()


def reconstruction_errors(
    pictures: Tensor, decoded: Tensor, activations: Tensor, decoded_activations: Tensor
) -> tuple[Tensor, Tensor]:
    r"""The distance of a decoded picture from the original, in pixels and in the model's activations.

    .. math:: L_1 = \overline{|D(a) - v|}, \qquad L_2 = \overline{|P(D(a)) - a|} \,/\, \overline{|a|},
              \qquad L = L_1 + w L_2

    Args:
        pictures: ``v`` ``[N, 3, H, W]`` in [0, 1].
        decoded: ``D(a)``, of the same shape.
        activations: ``a`` ``[N, C, h, w]``.
        decoded_activations: the activations of the decoded pictures, of the same shape.

    Returns:
        Two scalars. The second is relative to the mean activation, so ``w`` means the same at every layer.

    Source: a perceptual loss (Johnson et al. 2016). Its network is the explained model itself, up to the layer.

    Example:
        >>> errors = reconstruction_errors(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.tensor([2.0]),
        ...     torch.tensor([1.0]))
        >>> [float(error) for error in errors]
        [1.0, 0.5]
    """
    pixels = (decoded - pictures).abs().mean()
    return pixels, relative_error(decoded_activations, activations)


def relative_error(features: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute error, relative to the mean absolute value of what is wanted.

    Example:
        >>> relative_error(torch.tensor([1.0, 1.0]), torch.tensor([2.0, 2.0]))
        tensor(0.5000)
    """
    return (features - wanted).abs().mean() / wanted.abs().mean().clamp(min=1e-12)


def train_decoder(
    model: Model,
    split: SplitModel,
    training: TrainingPictures,
    options: DecoderOptions = DEFAULTS,
    checkpoint: Path | None = None,
    seed: int = 0,
    key: str = "",
) -> tuple[Decoder, pd.DataFrame]:
    """Train a decoder of the layer at which the model is cut.

    Args:
        model: the classifier; it stays as it is.
        split: the model, cut at the layer.
        training: the pictures to learn from; their labels are not used.
        options: how to train.
        checkpoint: the file that is written after every epoch, and from which training resumes. The caller removes it
            after keeping the weights.
        seed: the seed of the initial weights and the order of the pictures.
        key: everything else that the result depends on; a checkpoint with another key is ignored.

    Returns:
        The decoder, frozen, and one row per epoch: epoch (1-based), loss, pixels (mean absolute error, 0 to 1),
        perceptual (relative), seconds.

    Raises:
        ModelError: there are no pictures, or the loss is not finite. The last good epoch stays in the checkpoint.
        ShapeError: the layer has too many positions for the picture.
        LayerError: the layer's output has no positions.

    Example: see :func:`conceptrast.api.study.Study.decoder`, which takes pictures of any kind.
    """
    if not len(training):
        raise ModelError(f"a decoder of {split.layer} cannot be trained: there are no pictures to learn from")
    # A fresh decoder.
    decoder = fresh_decoder(model, split, options.width, seed).to(device_of(model))
    state = _Training(
        model=model,
        split=split.folded(),
        decoder=decoder,
        optimiser=torch.optim.AdamW(decoder.parameters(), lr=options.learning_rate),
        options=options,
    )
    # The state of the last checkpoint, if there is one.
    resumable = Checkpoint(
        checkpoint,
        f"{key} {options} {seed} {len(training)} {split.layer}",
        {"decoder": decoder, "optimiser": state.optimiser},
    )
    history = resumable.resume()
    # The epochs that are left.
    for epoch in range(len(history) + 1, options.epochs + 1):
        history.append(_epoch(state, training, epoch, seed))
        resumable.save(history)
    return decoder.eval().requires_grad_(False), pd.DataFrame(history)


def fresh_decoder(model: Model, split: SplitModel, width: int, seed: int) -> Decoder:
    """An untrained decoder of a layer; the global random state is left alone.

    Args:
        model: the model, for the size of its pictures.
        split: the model, cut at the layer.
        width: the number of channels of the first block.
        seed: the seed of the weights.
    """
    channels = model.preprocess.channels
    size = model.preprocess.size
    blank = torch.zeros((1, channels, *size), dtype=torch.uint8)
    [(_, activations)] = activations_of(model, split, [(np.zeros(1, np.int64), blank)])
    wide, rows, columns = activations.shape[1:]
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(library_seed(LibrarySeed.DECODER_WEIGHTS, seed))
        decoder = Decoder(
            layer=split.layer,
            shape=(wide, rows, columns),
            size=size,
            width=width,
            channels=channels,
        )
    return decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@dataclass(frozen=True)
class _Training:
    """The things that a step works with. The batch norms of ``split`` are folded."""

    model: Model
    split: SplitModel
    decoder: Decoder
    optimiser: torch.optim.Optimizer
    options: DecoderOptions


def _epoch(state: _Training, pictures: TrainingPictures, epoch: int, seed: int) -> dict[str, Any]:
    """Train on all pictures once, and return the epoch's row of the history."""
    # The order of the pictures.
    start = time.monotonic()
    options = state.options
    steps = max(1, len(pictures) // options.batch_size)
    order = torch.randperm(
        len(pictures), generator=torch.Generator().manual_seed(library_seed(LibrarySeed.DECODER_ORDER, seed, epoch))
    )
    batches = pictures.batches(order[: steps * options.batch_size])

    # One step for every batch.
    state.decoder.train()
    draws = torch.Generator().manual_seed(library_seed(LibrarySeed.DECODER_EDITS, seed, epoch))
    sums = np.zeros(len(LOSSES))
    what = f"decoder, epoch {epoch} of {options.epochs}"
    for step, (views, _) in enumerate(progress(batches, what, steps, "batches")):
        rate = learning_rate_at((epoch - 1) * steps + step, options.epochs * steps, options.learning_rate)
        sums += _step(state, views, rate, draws)
        if not math.isfinite(sums[0]):
            raise ModelError(
                f"training of the decoder of {state.split.layer} diverged: loss {sums[0]} in epoch {epoch}, "
                f"step {step + 1}; lower learning_rate (it is {options.learning_rate:g})"
            )

    # Means of the losses.
    row = {"epoch": epoch} | {name: float(value) for name, value in zip(LOSSES, sums / steps, strict=True)}
    LOGGER.info("decoder, epoch %d: %s", epoch, ", ".join(f"{name} {row[name]:.4f}" for name in LOSSES))
    return row | {"seconds": time.monotonic() - start}


def _step(state: _Training, views: Tensor, rate: float, draws: torch.Generator) -> np.ndarray:
    """One step of gradient descent; loss, and the errors of pixels, activations, moved activations and verdicts."""
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    # Decode activations and moved ones, and encode again.
    model = state.model
    device = device_of(model)
    images = network_input(model, views)
    target = views.to(device).float() / 255
    count = len(views)
    with autocast(state.options.precision, device):
        with torch.no_grad():
            activations = state.split.prefix(images).float()
            half = -(-count // 2)
            mixture = mixed(activations[:half], target[:half], draws)
            moved = mixture.activations
            verdicts = state.split.suffix(moved).float().softmax(dim=1)
        start = noisy(activations, state.split.rectified, draws)
        decoded = state.decoder(torch.cat([start, moved])).float()
        again = state.split.prefix(decoded_input(model, decoded)).float()
        log_verdicts = state.split.suffix(again[count:]).float().log_softmax(dim=1)
    # The loss, and one step downhill.
    known = mixture.known
    drawn = torch.cat([decoded[:count], decoded[count:][known]])
    wanted = torch.cat([target, mixture.pictures[known]])
    pixels, perceptual = reconstruction_errors(wanted, drawn, activations, again[:count])
    moved_error = relative_error(again[count:], moved)
    verdict_error = nn.functional.kl_div(log_verdicts, verdicts, reduction="batchmean")
    loss = pixels + state.options.perceptual * (perceptual + moved_error) + VERDICT * verdict_error
    state.optimiser.zero_grad()
    loss.backward()
    state.optimiser.step()
    return np.array([float(part.detach()) for part in (loss, pixels, perceptual, moved_error, verdict_error)])
