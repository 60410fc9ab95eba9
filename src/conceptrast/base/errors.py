"""Errors that name what was wrong and what would be right.

Every error that a user can put right is a :class:`ConceptrastError`. The command line and the workflow's steps print
only its message, without a traceback.
"""

from __future__ import annotations

import difflib
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
