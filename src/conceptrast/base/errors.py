"""Errors that name what was wrong and what would be right.

Every error that a user can put right is a :class:`ConceptrastError`. The command line and the workflow's steps print
only its message, without a traceback.
"""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable


class ConceptrastError(Exception):
    """Base of all errors that a user can put right."""


class ConfigError(ConceptrastError):
    """A key or value of the configuration is not usable."""


class DataError(ConceptrastError):
    """A dataset, an image or an archive is missing or not usable."""


class ModelError(ConceptrastError):
    """A model or its weights cannot be loaded or trained."""


class LayerError(ConceptrastError):
    """A layer does not exist, a network cannot be cut at it, or a method cannot use its activations."""


class ShapeError(ConceptrastError):
    """The shapes of two arguments do not fit each other; the message names both."""


def refuse_outside(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Refuse a number that is not finite, or not between two bounds.

    Args:
        name: of the option, for the message.
        value: what was given.
        low: the least that is allowed.
        high: the most.

    Raises:
        ConfigError: the message names the option, the bounds and the value.

    Example:
        >>> refuse_outside("heldout", float("nan"), 0, 1)
        Traceback (most recent call last):
        conceptrast.base.errors.ConfigError: heldout must be from 0 to 1, got nan
    """
    if not isinstance(value, numbers.Real) or not (math.isfinite(value) and low <= value <= high):
        bounds = f"at least {low:g} and finite" if high == math.inf else f"from {low:g} to {high:g}"
        raise ConfigError(f"{name} must be {bounds}, got {value!r}")


def few_classes(n_classes: int, shards: int, model: str) -> str:
    """The error message for a model with fewer classes than the jobs into which they are split.

    Example:
        >>> few_classes(20, 40, "resnet10")
        "'class_shards' is 40, but resnet10 has 20 classes: set it to 20 at most"
    """
    classes = "class" if n_classes == 1 else "classes"
    return f"'class_shards' is {shards}, but {model} has {n_classes} {classes}: set it to {n_classes} at most"


def unknown_name(what: str, got: object, valid: Iterable[object], limit: int = 5) -> str:
    """The error message for an unknown name; it lists the most similar names that exist.

    Args:
        what: what the name stands for, e.g. ``"layer"``.
        got: the name that was given.
        valid: all names that exist.
        limit: how many similar names are listed.

    Example:
        >>> unknown_name("layer", "layr3", ["layer1", "layer3", "fc"])
        "unknown layer 'layr3'; nearest: layer3, layer1"
        >>> unknown_name("selection", "some", ["all"])
        "unknown selection 'some'; valid: all"
    """
    names = [str(name) for name in valid]
    near = difflib.get_close_matches(str(got), names, n=limit, cutoff=0.5)
    if near:
        return f"unknown {what} {str(got)!r}; nearest: {', '.join(near)}"
    valid_names = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f"unknown {what} {str(got)!r}; valid: {valid_names or '(none)'}"
