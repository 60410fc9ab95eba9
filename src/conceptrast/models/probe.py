"""Ask a network, when it is opened, whether its answers are those of a classifier. Each mistake has its message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from conceptrast.base.errors import ConceptrastError, ConfigError, ModelError
from conceptrast.base.out_of_memory import bytes_wanted, free_memory
from conceptrast.base.progress import counted
from conceptrast.models.model import Preprocess, shapes_explained
from conceptrast.models.split import first_line, noise_for

_TIMES_INPUT = 4
"""A network needs at least so many times the bytes of its input at once: convolutions first widen it."""


def number_of_outputs(module: nn.Module, preprocess: Preprocess, name: str) -> int:
    """The number of a network's outputs, counted by asking it about two pictures of noise, then about one of them.

    Args:
        module: the network, in evaluation mode.
        preprocess: how pictures become its input.
        name: the network's name, for messages.

    Raises:
        ConfigError: its input does not fit into memory; the message says how large a side does.
        ShapeError: it cannot take pictures of this size or number of channels.
        ModelError: it fails; it gives something other than ``[N, classes]``, NaN or infinity, a single output, or
            other logits where it sees a picture again, alone.

    Example:
        >>> preprocess = Preprocess(8, 8, (0.5,) * 3, (0.5,) * 3)
        >>> number_of_outputs(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), preprocess, "pool")
        3
        >>> number_of_outputs(nn.Flatten(0), preprocess, "flat")
        Traceback (most recent call last):
        conceptrast.base.errors.ModelError: flat gives [384] for 2 pictures, not logits [2, classes]
    """
    refuse_large(preprocess, name)
    images = noise_for(preprocess, module)
    with torch.random.fork_rng(devices=[]):
        logits = _logits(module, images, name)
        again = _logits(module, images[:1], name)
    if not torch.allclose(logits[:1], again, rtol=1e-2, atol=1e-2 * float(logits.abs().max())):
        raise ModelError(
            f"{name} gives a picture other logits when it sees it again, alone: something in its forward pass is "
            "random, or depends on the other pictures of a batch"
        )
    if logits.shape[1] < 2:
        raise ModelError(
            f"{name} has one output, so every picture is of its only class: a classifier needs two outputs or more"
        )
    return int(logits.shape[1])


def refuse_large(preprocess: Preprocess, name: str) -> None:
    """Refuse a size of input that memory cannot hold.

    Raises:
        ConfigError: the message says how much it would take and how large a side fits.
    """
    free = free_memory()
    height, width = preprocess.size
    needed = _TIMES_INPUT * 2 * preprocess.channels * height * width * torch.float32.itemsize
    if free is not None and needed > free:
        largest = int((free / needed * height * width) ** 0.5)
        raise ConfigError(
            f"{name}: two pictures of {height}×{width} pixels take at least {needed / 2**30:.1f} GiB, and "
            f"{free / 2**30:.1f} GiB are free: set `input_size` to {largest} at most"
        )


def refuse_names(names: Sequence[str], outputs: int, name: str) -> None:
    """Refuse class names that are not one for each output, all different.

    Raises:
        ModelError: the message says how many there are, or which is there twice.

    Example:
        >>> refuse_names(["cat", "cat"], 2, "net")
        Traceback (most recent call last):
        conceptrast.base.errors.ModelError: `class_names` has 'cat' twice, for outputs 0 and 1 of net: name each \
differently
    """
    if len(names) != outputs:
        raise ModelError(f"{name} has {outputs} outputs, but {len(names)} class names are given in `class_names`")
    places: dict[str, int] = {}
    for place, class_name in enumerate(names):
        if not class_name.strip():
            raise ModelError(f"`class_names` has an empty name for output {place} of {name}")
        first = places.setdefault(class_name, place)
        if first != place:
            raise ModelError(
                f"`class_names` has {class_name!r} twice, for outputs {first} and {place} of {name}: "
                "name each differently"
            )


def _logits(module: nn.Module, images: Tensor, name: str) -> Tensor:
    """What the network gives for some images, if that can be logits."""
    try:
        with torch.inference_mode(), shapes_explained(module, images):
            output = module(images)
    except (ConceptrastError, MemoryError):
        raise
    except Exception as error:
        if bytes_wanted(error) is not None:
            raise
        size = "×".join(map(str, images.shape[2:]))
        raise ModelError(
            f"{name} fails on pictures of {size} pixels ({type(error).__name__}: {first_line(error)})"
        ) from error
    if not isinstance(output, Tensor):
        raise ModelError(f"{name} gives {_described(output)}: it has to give one tensor of logits [N, classes]")
    shape = list(output.shape)
    wanted = f"for {counted(len(images), 'pictures')}, not logits [{len(images)}, classes]"
    if output.ndim == 4:
        raise ModelError(f"{name} gives maps {shape} {wanted}: let it end in a pooling and nn.Flatten()")
    if output.ndim != 2 or len(output) != len(images):
        raise ModelError(f"{name} gives {shape} {wanted}")
    if not output.is_floating_point():
        raise ModelError(f"{name} gives {output.dtype}, not logits: its last step has to be left out")
    if not bool(output.isfinite().all()):
        raise ModelError(_not_finite(module, name))
    return output.float()


def _described(output: Any) -> str:
    """What a network gave instead of a tensor, and how to get the logits out of it."""
    if isinstance(output, Mapping):
        return (
            f"a {type(output).__name__} of {', '.join(map(repr, list(output)[:5]))}, e.g. wrap it and return one entry"
        )
    if isinstance(output, Iterable):
        return (
            f"a {type(output).__name__} of {len(list(output))} parts, e.g. wrap it and return the part with the logits"
        )
    return "nothing" if output is None else f"a {type(output).__name__}"


def _not_finite(module: nn.Module, name: str) -> str:
    """Says where NaN or infinity comes from: a weight, if one is not finite."""
    for weight, values in module.state_dict().items():
        if values.is_floating_point() and not bool(values.isfinite().all()):
            bad = int((~values.isfinite()).sum())
            return (
                f"{name}: {bad} of {values.numel()} values of its weight {weight!r} are NaN or infinite: the file is "
                "damaged, or its training diverged"
            )
    return f"{name} gives NaN or infinity for plain noise, though its weights are finite: look into its forward pass"
