"""Train a classifier so that a kill at any moment costs at most one epoch.

Random choices depend only on the seed and the epoch, and the learning rate depends only on the step. So a checkpoint
only needs the weights, the optimiser's momentum and the number of finished epochs. On a CPU, a resumed training ends
with the same bits as an undisturbed one.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from conceptrast.base.errors import ConfigError, ModelError, unknown_name
from conceptrast.base.progress import progress
from conceptrast.base.streams import LibrarySeed, library_seed
from conceptrast.models.checkpoints import Checkpoint
from conceptrast.models.inference import PRECISIONS, autocast, device_of, network_input
from conceptrast.models.model import Model, shapes_explained
from conceptrast.models.training_pictures import TrainingPictures
from conceptrast.models.weight_gradients import exact_weight_gradients

LOGGER = logging.getLogger("conceptrast")

_WARM_UP = 0.25  # the learning rate rises during this share of all steps


@dataclass(frozen=True)
class TrainOptions:
    """How to train: stochastic gradient descent with Nesterov momentum on the cross entropy of the labels.

    Args:
        epochs: number of passes over the training pictures.
        batch_size: number of pictures in a step.
        learning_rate: the highest learning rate; it is reached after a quarter of all steps.
        momentum: momentum of the gradient.
        weight_decay: L2 penalty on the weights of convolutions and linear layers.
        precision: ``float32`` or ``bfloat16``.
    """

    epochs: int = 4
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    precision: str = "bfloat16"

    @classmethod
    def of(cls, settings: Mapping[str, Any], precision: str) -> TrainOptions:
        """Options of a config entry ``train``. Its keys ``dataset`` and ``only`` are for the workflow.

        Raises:
            ConfigError: there is no such option, or a value is not positive.

        Example:
            >>> TrainOptions.of({"dataset": "digit_pairs", "epochs": 2}, "float32").epochs
            2
        """
        names = [field.name for field in fields(cls)]
        values = {key: value for key, value in settings.items() if key not in ("dataset", "only")}
        for key in values:
            if key not in names:
                raise ConfigError(unknown_name("option of train", key, names))
        options = cls(**{"precision": precision, **values})
        for key in ("epochs", "batch_size", "learning_rate"):
            if getattr(options, key) <= 0:
                raise ConfigError(f"train: {key} must be positive, got {getattr(options, key)}")
        if options.precision not in PRECISIONS:
            raise ConfigError(unknown_name("precision", options.precision, PRECISIONS))
        return options


def learning_rate_at(step: int, total: int, highest: float) -> float:
    r"""Learning rate of a step. It rises in a straight line, then falls to zero along half a cosine.

    .. math:: \eta_t = \eta \min\left(\frac{t+1}{w},\; \frac{1 + \cos(\pi (t - w) / (T - w))}{2}\right),
              \quad w = T / 4, \text{ the second where } t > w

    Args:
        step: number of the step, from 0.
        total: number of steps of the whole training.
        highest: :math:`\eta`.

    Example:
        >>> [round(learning_rate_at(t, 8, 1.0), 3) for t in range(8)]
        [0.5, 1.0, 1.0, 0.933, 0.75, 0.5, 0.25, 0.067]
    """
    rise = max(1.0, total * _WARM_UP)
    if step < rise:
        return highest * min(1.0, (step + 1) / rise)
    return highest * (1 + math.cos(math.pi * (step - rise) / (total - rise))) / 2


def train(
    model: Model,
    training: TrainingPictures,
    validation: TrainingPictures,
    options: TrainOptions,
    checkpoint: Path | None = None,
    seed: int = 0,
    key: str = "",
) -> pd.DataFrame:
    """Train the weights of ``model`` in place.

    Args:
        model: the model; after the training, its module is frozen and in eval mode again.
        training: pictures to learn from.
        validation: pictures that only the accuracy is measured on.
        options: how to train.
        checkpoint: file that is written after every epoch and that a training resumes from. The caller deletes it once
            the weights are saved.
        seed: seed of the order of the pictures and of everything that the network draws.
        key: names what else the result depends on (dataset, architecture); a checkpoint with another key is ignored.

    Returns:
        One row per epoch: epoch (1-based), train_loss (nats), train_accuracy, validation_accuracy (0 to 1), seconds.

    Raises:
        ModelError: there are no pictures, a label has no output, or the loss is not finite; the message then names the
            epoch and the loss.
        ShapeError: the network and the model's mean and std have different numbers of channels.
    """
    _check(model, training, validation)
    key = f"{key} {options} {seed} {len(training)} {len(validation)}"
    model.module.requires_grad_(True)
    optimiser = _optimiser(model.module, options)
    run = _Training(model=model, pictures=training, options=options, optimiser=optimiser, seed=seed)
    resumable = Checkpoint(checkpoint, key, {"module": model.module, "optimiser": optimiser})
    history = resumable.resume()
    try:
        with exact_weight_gradients(model.module):
            for epoch in range(len(history) + 1, options.epochs + 1):
                history.append(run.epoch(epoch, validation))
                resumable.save(history)
    finally:
        model.module.eval().requires_grad_(False)
    return pd.DataFrame(history)


def _check(model: Model, training: TrainingPictures, validation: TrainingPictures) -> None:
    for what, pictures in (("train", training), ("validation", validation)):
        if not len(pictures):
            raise ModelError(f"{model.name} cannot be trained: the dataset has no pictures in its split {what!r}")
        highest = int(pictures.labels.max())
        if highest >= len(model.class_names):
            raise ModelError(f"{model.name} has {len(model.class_names)} outputs, but the dataset has label {highest}")


def _optimiser(module: nn.Module, options: TrainOptions) -> torch.optim.SGD:
    weights = [weight for weight in module.parameters() if weight.ndim > 1]
    # Shifts and scales of batch norm have no penalty, which would only rescale them.
    others = [weight for weight in module.parameters() if weight.ndim <= 1]
    groups = [{"params": weights, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=options.learning_rate, momentum=options.momentum, nesterov=options.momentum > 0)


@dataclass(frozen=True)
class _Training:
    """A training that is running: the model, its pictures and the options."""

    model: Model
    pictures: TrainingPictures
    options: TrainOptions
    optimiser: torch.optim.SGD
    seed: int

    def epoch(self, epoch: int, validation: TrainingPictures) -> dict[str, Any]:
        """Train for one epoch and return its row of the history."""
        start = time.monotonic()
        with torch.random.fork_rng():
            # Dropout draws from the global state, which is restored afterwards.
            torch.manual_seed(library_seed(LibrarySeed.TRAINING_DROPOUT, self.seed, epoch))
            loss, accuracy = self._learn(epoch)
        held_out = _accuracy(self.model, validation, self.options.precision)
        summary = f"loss {loss:.4f}, accuracy {accuracy:.4f}, on validation {held_out:.4f}"
        LOGGER.info("epoch %d: %s", epoch, summary)
        return {
            "epoch": epoch,
            "train_loss": loss,
            "train_accuracy": accuracy,
            "validation_accuracy": held_out,
            "seconds": time.monotonic() - start,
        }

    def _learn(self, epoch: int) -> tuple[float, float]:
        """Go once through all training pictures, in this epoch's order; return the mean loss and the accuracy."""
        # Only full batches: batch norm cannot learn from a last batch with one picture.
        options = self.options
        steps = max(1, len(self.pictures) // options.batch_size)
        shuffling = torch.Generator().manual_seed(library_seed(LibrarySeed.TRAINING_ORDER, self.seed, epoch))
        order = torch.randperm(len(self.pictures), generator=shuffling)
        batches = self.pictures.of_epoch(epoch).batches(order[: steps * options.batch_size])
        # Take one step for each batch.
        total_loss = 0.0
        hits = 0
        n_pictures = 0
        self.model.module.train()
        for step, (views, labels) in enumerate(progress(batches, f"epoch {epoch}", steps, "batches")):
            rate = learning_rate_at((epoch - 1) * steps + step, options.epochs * steps, options.learning_rate)
            loss, right = self._step(views, labels, rate)
            if not math.isfinite(loss):
                raise ModelError(
                    f"training of {self.model.name} diverged: loss {loss} in epoch {epoch}, step {step + 1}; "
                    f"lower learning_rate (it is {options.learning_rate:g})"
                )
            total_loss += loss * len(labels)
            hits += right
            n_pictures += len(labels)
        return total_loss / n_pictures, hits / n_pictures

    def _step(self, views: Tensor, labels: Tensor, rate: float) -> tuple[float, int]:
        """Take one step of gradient descent; return the loss and the number of correct pictures before the step."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        device = device_of(self.model)
        labels = labels.to(device)
        images = network_input(self.model, views)
        with autocast(self.options.precision, device), shapes_explained(self.model, images):
            logits = self.model.module(images).float()
        loss = nn.functional.cross_entropy(logits, labels)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return float(loss.detach()), int((logits.argmax(dim=1) == labels).sum())


@torch.inference_mode()
def _accuracy(model: Model, pictures: TrainingPictures, precision: str) -> float:
    model.module.eval()
    device = device_of(model)
    hits = 0
    for views, labels in pictures.batches(torch.arange(len(pictures))):
        with autocast(precision, device):
            logits = model.module(network_input(model, views))
        hits += int((logits.argmax(dim=1).cpu() == labels).sum())
    return hits / len(pictures)
