"""Run a model over pictures: precision, device, predictions."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from torch import Tensor, fx, nn

from conceptrast.base.device import asked_for
from conceptrast.base.errors import ConfigError, ModelError, unknown_name
from conceptrast.models import graph_cut
from conceptrast.models.batches import prepared
from conceptrast.models.folding import fold_batch_norms
from conceptrast.models.fusing import fuse_convolutions
from conceptrast.models.model import Model, shapes_explained

PRECISIONS = ("float32", "bfloat16")


def default_device() -> torch.device:
    """The device that the run asks for; if it asks for none, a GPU if torch sees one, otherwise the CPU.

    Raises:
        ConfigError: the run asks for a GPU, and torch sees none.
    """
    device = asked_for()
    if device == "cuda" and not torch.cuda.is_available():
        built_for_gpus = torch.version.cuda or torch.version.hip
        reason = "torch sees no GPU" if built_for_gpus else "this torch is built for processors only"
        raise ConfigError(f"'device' is cuda, but {reason}: set it to auto or cpu, or run where there is a GPU")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def autocast(precision: str, device: torch.device | str = "cpu") -> contextlib.AbstractContextManager[object]:
    """Run matrix products and convolutions in ``precision`` while the block runs; weights stay in float32.

    Args:
        precision: ``float32`` or ``bfloat16``.
        device: where the tensors are.

    Raises:
        ConfigError: the precision is not known.

    Example:
        >>> with autocast("bfloat16"):
        ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
        torch.bfloat16
    """
    if precision not in PRECISIONS:
        raise ConfigError(unknown_name("precision", precision, PRECISIONS))
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(torch.device(device).type, torch.bfloat16)


def device_of(model: Model) -> torch.device:
    """The device that holds the weights of a model."""
    return next((weight.device for weight in model.module.parameters()), torch.device("cpu"))


def network_input(model: Model, views: Tensor) -> Tensor:
    """Prepare views for the network: on its device, normalised, and channels last, which makes convolutions fast.

    Args:
        model: gives the device and the normalisation.
        views: uint8 ``[N, 3, H, W]``, or ``[N, 1, H, W]`` if the model sees grey.

    Returns:
        float32, of the same shape.

    Raises:
        ShapeError: the views and the model's mean and std have different numbers of channels.
    """
    on_device = views.to(device_of(model), non_blocking=True)
    return model.preprocess.normalise(on_device).contiguous(memory_format=torch.channels_last)


def for_inference(model: Model, precision: str = "float32") -> Model:
    """The same model in the fastest form for many passes without gradients.

    Batch norms are folded into convolutions, and on a CPU sums and ReLUs are fused with them. Logits are equal up to
    rounding.

    Args:
        model: the classifier; it is not changed, and later changes of its weights do not reach the new one.
        precision: ``float32`` or ``bfloat16``; the model has to run in it, under :func:`autocast`.

    Returns:
        A model that does the same; ``model`` itself if its network cannot be traced, or if there is nothing to gain.

    Example:
        >>> from conceptrast.models import load_model
        >>> model = load_model("resnet10", class_names=["cat", "dog"])
        >>> images = torch.ones(1, 3, 96, 96)
        >>> with torch.inference_mode():
        ...     torch.allclose(for_inference(model).module(images), model.module(images), atol=1e-4)
        True
    """
    module = module_for_inference(model.module, precision)
    return model if module is model.module else dataclasses.replace(model, module=module)


def module_for_inference(module: nn.Module, precision: str = "float32") -> nn.Module:
    """A module in the fastest form for many passes without gradients, see :func:`for_inference`.

    Args:
        module: any network; it is not changed.
        precision: ``float32`` or ``bfloat16``.

    Returns:
        A network that does the same; ``module`` itself if it cannot be traced.
    """
    try:
        traced = graph_cut.trace(module)
    except Exception:  # torch.fx raises many kinds of errors for networks whose control flow depends on values
        return module
    network = fx.GraphModule(traced.targets, traced.graph)
    network.training = False
    return graph_for_inference(network, precision)


def graph_for_inference(network: fx.GraphModule, precision: str = "float32") -> fx.GraphModule:
    """A traced network, or a part of one, in the fastest form for many passes without gradients.

    Args:
        network: in evaluation mode; it is not changed.
        precision: ``float32`` or ``bfloat16``.
    """
    folded = fold_batch_norms(network) or network
    return fuse_convolutions(folded, torch.bfloat16 if precision == "bfloat16" else torch.float32) or folded


@torch.inference_mode()
def predict(model: Model, batches: Iterable[tuple[np.ndarray, Tensor]], precision: str = "float32") -> pd.DataFrame:
    """The most probable class of every picture and its probability.

    .. math:: p = \\max_c \\mathrm{softmax}(f(x))_c

    Args:
        model: the classifier; it runs on the device of its weights.
        batches: pairs of image ids ``[n]`` and views uint8 ``[n, 3, H, W]``.
        precision: ``float32`` or ``bfloat16``; the softmax is always float32.

    Returns:
        Columns image (int64), predicted (int64, class index), probability (float32, 0 to 1); rows in the order given.

    Raises:
        ModelError: the model gives a logit that is not a number.
        ShapeError: the network and the model's mean and std have different numbers of channels.

    Example:
        >>> from conceptrast.models.model import Preprocess
        >>> net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        >>> model = Model("mean colour", net, Preprocess(None, 2, (0.,) * 3, (0.01,) * 3), ["red", "green", "blue"])
        >>> blue = torch.tensor([0, 0, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 2, 2)
        >>> predict(model, [(np.array([7]), blue)])
           image  predicted  probability
        0      7          2          1.0
    """
    # Predict batch by batch.
    images: list[np.ndarray] = []
    classes: list[Tensor] = []
    probabilities: list[Tensor] = []
    device = device_of(model)
    network = for_inference(model, precision).module
    for ids, views in prepared(batches, device):
        inputs = network_input(model, views)
        with autocast(precision, device), shapes_explained(model, inputs):
            logits = network(inputs).float()
        finite = logits.isfinite().all(dim=1)
        if not finite.all():
            first = int(np.asarray(ids)[(~finite).cpu().numpy()][0])
            raise ModelError(f"{model.name} gives logits that are not finite, first for image {first}")
        probability, predicted = logits.softmax(dim=1).max(dim=1)
        images.append(np.asarray(ids, dtype=np.int64))
        classes.append(predicted.cpu())
        probabilities.append(probability.cpu())
    # The table of all batches.
    return pd.DataFrame(
        {
            "image": np.concatenate(images) if images else np.empty(0, np.int64),
            "predicted": torch.cat(classes).numpy() if classes else np.empty(0, np.int64),
            "probability": torch.cat(probabilities).numpy() if probabilities else np.empty(0, np.float32),
        }
    )
