"""Options that all questions of a study share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

from conceptrast.attribution import METHODS
from conceptrast.base.errors import ConfigError, unknown_name
from conceptrast.base.registry import resolve
from conceptrast.models.inference import autocast

CACHE_BYTES = 2**30
"""Activations that a study keeps unless it is told otherwise: one GiB."""

MODEL_OPTIONS = ("options", "extract", "resize", "crop", "mean", "std", "interpolation")
"""Options of a study that :func:`~conceptrast.models.opening.load_model` takes."""

_LEAST = {"samples": 0, "noise": 0, "seed": 0, "batch_size": 1, "cache_bytes": 0}


@dataclass(frozen=True)
class StudyOptions:
    """How a study computes, whatever it is asked.

    Args:
        images_per_class: at most so many pictures of a class are used; ``None`` leaves it to the question.
        attribution: ``deeplift``, ``integrated_gradients`` or ``gradient_x_activation``.
        samples: noisy copies of each picture that is attributed; 0 attributes the picture itself.
        noise: the standard deviation of the noise, in normalised units.
        rectify: whether negative activations are set to zero; if not, they raise an error.
        seed: the seed of everything random.
        precision: ``float32`` or ``bfloat16``.
        batch_size: pictures, or noisy copies, in a batch.
        cache_bytes: bound on the activations that are kept.

    Raises:
        ConfigError: a number is too small, or an unknown method or precision.

    Example:
        >>> StudyOptions(cache_bytes=-1)
        Traceback (most recent call last):
        conceptrast.base.errors.ConfigError: cache_bytes must be at least 0, got -1
    """

    images_per_class: int | None = None
    attribution: str = "deeplift"
    samples: int = 5
    noise: float = 0.25
    rectify: bool = False
    seed: int = 0
    precision: str = "float32"
    batch_size: int = 32
    cache_bytes: int = CACHE_BYTES

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not least <= value < math.inf:
                finite = " and finite" if value == math.inf else ""
                raise ConfigError(f"{name} must be at least {least}{finite}, got {value}")
        if self.images_per_class is not None and not 1 <= self.images_per_class < math.inf:
            raise ConfigError(f"images_per_class must be at least 1, got {self.images_per_class}")
        # A wrong name costs nothing here, and the time of a pass over all pictures later.
        resolve("attribution method", self.attribution, METHODS)
        autocast(self.precision)


def refuse_options(names: Iterable[str]) -> None:
    """Refuse options that neither a study nor its model has.

    Raises:
        ConfigError: the message lists the nearest.

    Example:
        >>> refuse_options(["sample"])
        Traceback (most recent call last):
        conceptrast.base.errors.ConfigError: unknown option of a study 'sample'; nearest: samples
    """
    others = ("layer", "weights", "preprocess", "class_names", "input_size")
    known = [*others, *(field.name for field in fields(StudyOptions)), *MODEL_OPTIONS]
    for name in names:
        if name not in MODEL_OPTIONS:
            raise ConfigError(unknown_name("option of a study", name, known))
