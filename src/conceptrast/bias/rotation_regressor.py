r"""A network of its own that reads how far a picture is turned.

It is trained on the control's pictures, at other angles in every epoch, and knows nothing of the networks that are
compared. So it can say what a person would see in a picture that one of them decodes. Photographs are too few to learn
it from scratch, so it may start from a classifier.

.. math:: L = \frac{1}{2N} \sum_i \lVert r(x_i) - (\cos \theta_i, \sin \theta_i) \rVert^2, \qquad
          \hat\theta = \operatorname{atan2}(r_2, r_1)
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from conceptrast.base.errors import ModelError
from conceptrast.base.streams import LibrarySeed, Stream, generator, library_seed
from conceptrast.bias.autoencoder import as_input, check_input, plain_preprocess
from conceptrast.bias.backbone import Backbone, BackboneEncoder
from conceptrast.bias.comparison import check_size
from conceptrast.bias.encoders import CODE, encoder_of
from conceptrast.data.dataset import Dataset
from conceptrast.models.training import learning_rate_at
from conceptrast.models.training_pictures import TrainingPictures

LOGGER = logging.getLogger("conceptrast")


@dataclass(frozen=True)
class RegressorOptions:
    """How to train the regressor: with Adam, at a learning rate that rises and falls.

    Args:
        epochs: passes over the training pictures; each has new angles.
        batch_size: the number of pictures in a step.
        learning_rate: the highest learning rate.
    """

    epochs: int = 6
    batch_size: int = 32
    learning_rate: float = 0.003


class RotationRegressor(nn.Module):
    """Pictures ``[N, 3, s, s]`` in 0 to 1 to the cosine and sine of their rotation ``[N, 2]``.

    Args:
        size: side of the pictures in pixels, as for the autoencoder.
        seed: the seed of the weights; the global random state is left alone.
        backbone: where it starts from, if it does not start from scratch. It enlarges the pictures to the backbone's
            size.

    Raises:
        ConfigError, LayerError: as for the autoencoder.

    Example:
        >>> RotationRegressor(8).eval()(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 2])
    """

    def __init__(self, size: int, seed: int = 0, backbone: Backbone | None = None) -> None:
        super().__init__()
        check_size(size)
        self.size = size
        if backbone is not None:
            check_input(backbone.preprocess.size[0], size)
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(library_seed(LibrarySeed.REGRESSOR_WEIGHTS, seed))
            self.encoder = encoder_of(size) if backbone is None else BackboneEncoder(backbone)
            self.head = nn.Linear(CODE, 2)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, pictures: Tensor) -> Tensor:
        """Cosine and sine of the rotations."""
        return self.head(self.encoder(pictures))


def as_degrees(circle: Tensor) -> np.ndarray:
    """Angles in degrees, from -90 to 270, of cosines and sines ``[N, 2]``: the control's 0° to 180° are in the middle.

    Example:
        >>> as_degrees(torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, -0.001], [0.7, -0.7]])).round(0).tolist()
        [0.0, 90.0, 180.0, -45.0]
    """
    angles = np.rad2deg(np.arctan2(*circle.double().cpu().numpy().T[::-1]))
    return (angles + 90) % 360 - 90


def angle_errors(angles: np.ndarray, true: np.ndarray) -> np.ndarray:
    """How far angles lie from the true ones, in degrees, the shorter way round.

    Example:
        >>> angle_errors(np.array([350.0, 90.0]), np.array([10.0, 45.0])).tolist()
        [20.0, 45.0]
    """
    return np.abs((np.asarray(angles) - true + 180) % 360 - 180)


@torch.inference_mode()
def read_rotations(regressor: RotationRegressor, batches: Iterable[Tensor]) -> np.ndarray:
    """The rotations in degrees ``[n]`` that the regressor reads off batches of pictures in 0 to 1."""
    return np.concatenate([as_degrees(regressor(pictures)) for pictures in batches])


def train_rotation_regressor(
    regressor: RotationRegressor, dataset: Dataset, table: pd.DataFrame, options: RegressorOptions, seed: int = 0
) -> pd.DataFrame:
    """Train the weights of ``regressor`` in place.

    Args:
        regressor: the regressor, on the device where it is trained. It ends frozen and in evaluation mode.
        dataset: the control's pictures.
        table: their index. Rows of ``train`` are learnt from at new angles; rows of ``validation`` measure the error.
        options: how to train.
        seed: the seed of the angles and of the order of the pictures.

    Returns:
        One row per epoch: epoch (1-based), train_loss, error (median, in degrees, on validation pictures).

    Raises:
        ModelError: there are fewer than two training pictures or no validation pictures, or the loss is not finite.

    Source: ours. Sine and cosine of an angle as targets have no jump where the circle closes.
    """
    training, validation = (table[table["split"] == split] for split in ("train", "validation"))
    if len(training) < 2 or not len(validation):
        counts = f"{len(training)} training and {len(validation)} validation pictures"
        raise ModelError(f"the regressor of rotations needs 2 training pictures and 1 for validation, got {counts}")
    preprocess = plain_preprocess(regressor.size)
    watched = TrainingPictures(dataset, validation, preprocess, options.batch_size)
    optimiser = torch.optim.Adam(regressor.parameters(), lr=options.learning_rate)
    history = []
    try:
        for epoch in range(1, options.epochs + 1):
            # New angles, and a new order.
            rng = generator(Stream.REGRESSOR_ANGLES, seed, epoch)
            turned = training.assign(rotation=180 * rng.random(len(training)))
            order = torch.from_numpy(rng.permutation(len(training)))
            pictures = TrainingPictures(dataset, turned, preprocess, options.batch_size)
            loss = _epoch(regressor, pictures, order, optimiser=optimiser, options=options, epoch=epoch)
            if not math.isfinite(loss):
                raise ModelError(
                    f"training of the regressor of rotations diverged: loss {loss} in epoch {epoch}; lower "
                    f"learning_rate (it is {options.learning_rate:g})"
                )
            # The error on pictures that are not learnt from.
            error = reading_error(regressor, watched)
            LOGGER.info("epoch %d: loss %.4f, error %.1f°", epoch, loss, error)
            history.append({"epoch": epoch, "train_loss": loss, "error": error})
    finally:
        regressor.eval().requires_grad_(False)
    return pd.DataFrame(history)


def reading_error(regressor: RotationRegressor, pictures: TrainingPictures) -> float:
    """The median of how far readings lie from the rotations of the pictures, in degrees."""
    regressor.eval()
    device = next(regressor.parameters()).device
    readings = read_rotations(regressor, (as_input(views, device) for views in pictures.in_order()))
    return float(np.median(angle_errors(readings, pictures.table["rotation"].to_numpy())))


def _epoch(
    regressor: RotationRegressor,
    pictures: TrainingPictures,
    order: Tensor,
    optimiser: torch.optim.Optimizer,
    options: RegressorOptions,
    epoch: int,
) -> float:
    """One pass over the pictures, in full batches; the mean loss."""
    device = next(regressor.parameters()).device
    angles = torch.from_numpy(np.deg2rad(pictures.table["rotation"].to_numpy(np.float64))).float()
    targets = torch.stack([angles.cos(), angles.sin()], dim=1)
    size = min(options.batch_size, len(order))
    used = order[: len(order) // size * size]
    n_steps = len(used) // size
    losses = []
    regressor.train().requires_grad_(True)
    for step, ((views, _), rows) in enumerate(zip(pictures.batches(used), used.split(size), strict=True)):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(
                (epoch - 1) * n_steps + step, options.epochs * n_steps, options.learning_rate
            )
        circle = regressor(as_input(views, device))
        loss = nn.functional.mse_loss(circle, targets[rows].to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses))
