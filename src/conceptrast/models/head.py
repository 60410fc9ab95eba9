r"""Fit a linear head: logistic regression on the input of the network's last layer. Other layers do not change.

Notation:
    u ``[N, D]``: input of the last linear layer (pooled features); m, s ``[D]``: their mean and standard deviation.
    A ``[K, D]``, c ``[K]``: regression on (u - m) / s; W, b: weights and bias of the layer.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from conceptrast.base.errors import ModelError
from conceptrast.base.progress import progress
from conceptrast.models.inference import autocast, device_of, network_input
from conceptrast.models.last_layer import last_linear
from conceptrast.models.model import Model
from conceptrast.models.training_pictures import TrainingPictures

LOGGER = logging.getLogger("conceptrast")

_MAX_ITER = 2000


def fit_head(
    model: Model, training: TrainingPictures, validation: TrainingPictures, precision: str = "float32"
) -> pd.DataFrame:
    r"""Fit the last linear layer of ``model`` in place, by logistic regression on its standardised input.

    .. math:: W = A / s, \qquad b = c - A \, (m / s)

    Every picture goes through the network once. The regression is scikit-learn's ``LogisticRegression`` (L2 penalty,
    ``C = 1``, L-BFGS). It draws nothing, so the same pictures give the same weights.
    With two classes, the regression has a single row a, which becomes the two rows -a/2 and a/2. So each class has its
    own logit, and the probabilities stay the same.

    Args:
        model: a network that ends in ``torch.nn.Linear`` with one output for each class.
        training: pictures to learn from; every class needs some.
        validation: pictures that only the accuracy is measured on.
        precision: precision of the features, ``float32`` or ``bfloat16``.

    Returns:
        One row: epoch (1), train_loss (nats), train_accuracy, validation_accuracy (0 to 1), seconds.

    Raises:
        ModelError: there are no pictures, a class has none, the number of outputs is wrong, features are not finite, or
            the network does not end in such a layer.
    """
    start = time.monotonic()
    _, layer = last_linear(model.module)
    _check(model, training, validation)
    inputs, labels = _features(model, layer, training, precision)
    held_out, held_out_labels = _features(model, layer, validation, precision)
    weight, bias = regression(inputs, labels)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    loss, accuracy = _quality(inputs, labels, weight, bias)
    row = {"epoch": 1, "train_loss": loss, "train_accuracy": accuracy}
    row["validation_accuracy"] = _quality(held_out, held_out_labels, weight, bias)[1]
    LOGGER.info("head: loss %.4f, accuracy %.4f, on validation %.4f", loss, accuracy, row["validation_accuracy"])
    return pd.DataFrame([row | {"seconds": time.monotonic() - start}])


def regression(inputs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias of a linear layer that tells the labels apart.

    Args:
        inputs: ``[N, D]``; a column that never varies gets the weight 0.
        labels: ``[N]``, 0 to K - 1; each of them has to occur.

    Returns:
        ``[K, D]`` and ``[K]`` float32.

    Example:
        >>> inputs = np.array([[0.0, 5.0], [1.0, 5.0], [9.0, 5.0], [10.0, 5.0]])
        >>> weight, bias = regression(inputs, np.array([0, 0, 1, 1]))
        >>> (np.array([[2.0, 5.0], [8.0, 5.0]]) @ weight.T + bias).argmax(axis=1).tolist(), weight[:, 1].tolist()
        ([0, 1], [0.0, 0.0])
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # Standardise the inputs; a column that never varies becomes zero.
    values = inputs.astype(np.float64)
    mean = values.mean(axis=0)
    std = values.std(axis=0)
    varies = std > 1e-12 * np.maximum(1.0, np.abs(mean))
    scale = np.where(varies, 1.0 / np.where(varies, std, 1.0), 0.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        fitted = LogisticRegression(max_iter=_MAX_ITER).fit((values - mean) * scale, labels)
    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        LOGGER.warning("the head has not converged after %d steps", _MAX_ITER)
    # With two classes there is one row, which becomes a logit for each class.
    rows = fitted.coef_
    offsets = fitted.intercept_
    if len(rows) == 1:
        rows = np.vstack([-rows / 2, rows / 2])
        offsets = np.concatenate([-offsets / 2, offsets / 2])
    weight = rows * scale + 0.0  # no negative zeros
    return weight.astype(np.float32), (offsets - weight @ mean).astype(np.float32)


def _check(model: Model, training: TrainingPictures, validation: TrainingPictures) -> None:
    for what, pictures in (("train", training), ("validation", validation)):
        if not len(pictures):
            raise ModelError(f"no head for {model.name}: the dataset has no pictures in its split {what!r}")
    present = set(training.labels.tolist()) | set(validation.labels.tolist())
    if max(present) >= len(model.class_names):
        raise ModelError(f"{model.name} has {len(model.class_names)} outputs, but the dataset has label {max(present)}")
    absent = [name for label, name in enumerate(model.class_names) if label not in set(training.labels.tolist())]
    if absent:
        first = ", ".join(absent[:3]) + (", …" if len(absent) > 3 else "")
        raise ModelError(
            f"no head for {model.name}: {len(absent)} of {len(model.class_names)} classes ({first}) have no picture in "
            "the split 'train'"
        )


@torch.inference_mode()
def _features(
    model: Model, layer: nn.Linear, pictures: TrainingPictures, precision: str
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of the last layer ``[N, D]`` float32, and labels ``[N]``."""
    parts: list[Tensor] = []
    labels: list[Tensor] = []
    device = device_of(model)
    steps = -(-len(pictures) // pictures.batch_size)
    for views, batch_labels in progress(pictures.batches(torch.arange(len(pictures))), "features", steps, "batches"):
        with inputs_of(layer) as calls, autocast(precision, device):
            logits = model.module(network_input(model, views))
        if [call.shape for call in calls] != [(len(views), layer.in_features)] or not _gives(layer, calls[0], logits):
            raise ModelError(f"no head for {model.name}: its logits are not what its last layer {layer} gives")
        parts.append(calls[0].float().cpu())
        labels.append(batch_labels)
    inputs = torch.cat(parts).numpy()
    if not np.isfinite(inputs).all():
        raise ModelError(f"{model.name} gives features that are not finite: look at its weights and precision")
    return inputs, torch.cat(labels).numpy()


def _gives(layer: nn.Linear, inputs: Tensor, logits: Tensor) -> bool:
    """Whether the logits are the layer's output."""
    output = layer(inputs.float())
    if output.shape != logits.shape:
        return False
    return torch.allclose(
        output, logits.float(), rtol=0.05, atol=0.05 * float(output.abs().max())
    )  # bfloat16 is not more exact


@contextmanager
def inputs_of(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the inputs of ``layer`` while the block runs. The hook is removed at the end, even after an error."""
    calls: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: calls.append(inputs[0]))
    try:
        yield calls
    finally:
        handle.remove()


def _quality(inputs: np.ndarray, labels: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple[float, float]:
    """Cross entropy in nats and accuracy."""
    logits = torch.from_numpy(inputs @ weight.T + bias)
    targets = torch.from_numpy(labels)
    accuracy = float((logits.argmax(dim=1) == targets).double().mean())
    return float(nn.functional.cross_entropy(logits, targets)), accuracy
