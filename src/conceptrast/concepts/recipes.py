"""Recipes: the named ways to cut patches and to put a class's components together into one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from conceptrast.base.errors import ConfigError, unknown_name
from conceptrast.concepts.patches import Window

WEIGHTINGS = ("position", "channel", "auto")
LAYOUTS = ("strip", "grid")
SIZES = ("native", "input")
SIMILARITIES = ("component", "weighted", "whitened")
SPELLED = {"weighting": WEIGHTINGS, "similarity": SIMILARITIES, "layout": LAYOUTS, "resize": SIZES}
"""The keys of a recipe that have a name for a value, and the names."""


@dataclass(frozen=True, order=True)
class Factors:
    """The settings of a class's factorization. Recipes with the same settings share the components.

    Args:
        weighting: see :class:`Recipe`.
        components: number of components.
    """

    weighting: str
    components: int

    @property
    def key(self) -> str:
        """Part of the names of the arrays that hold the result.

        Example:
            >>> Factors("position", 6).key
            'position_k6'
        """
        return f"{self.weighting}_k{self.components}"


@dataclass(frozen=True)
class Recipe:
    """One recipe of the configuration.

    Args:
        name: the recipe's key in ``recipes:``.
        components: the number of components into which a class is factorized.
        weighting: how attribution weighs the activations before they are factorized. ``"position"`` uses its mean over
            the channels, ``"channel"`` uses each channel's mean multiplier, ``"auto"`` chooses by the layer; see
            :func:`conceptrast.concepts.class_factorization.class_weights`.
        kernel: the kernel of the average pooling that makes the patch bank.
        stride: the stride of that pooling.
        window: ``"cell"`` or a fraction of the view's sides; see :class:`conceptrast.concepts.patches.PatchGeometry`.
        similarity: what is compared with a position's activations: ``"component"`` the component itself; ``"weighted"``
            the component, with activations that are weighted as the class's were; ``"whitened"`` the mean activation
            where the component is, both whitened; see :func:`conceptrast.concepts.class_prototypes.sought`.
        candidates: so many of the best patches of each component are cut out and compared again, by what the layer
            makes of the cut-out alone; 0 compares none again. See :mod:`conceptrast.concepts.crop_similarity`.
        layout: ``"strip"`` puts the patches under each other, ``"grid"`` into a rectangle that is nearly square.
        distinct: whether the patches must come from different images.
        resize: ``"native"`` gives the model the combined image as it is; ``"input"`` resizes it to the model's input
            size.
    """

    name: str
    components: int = 6
    weighting: Literal["position", "channel", "auto"] = "position"
    kernel: int = 2
    stride: int = 2
    window: Window = "cell"
    similarity: Literal["component", "weighted", "whitened"] = "component"
    candidates: int = 0
    layout: Literal["strip", "grid"] = "strip"
    distinct: bool = False
    resize: Literal["native", "input"] = "native"

    def __post_init__(self) -> None:
        for key in ("components", "kernel", "stride"):
            value = getattr(self, key)
            if not _is_integer(value) or value < 1:
                self._refuse(key, value, "a whole number of at least 1")
        if not _is_integer(self.candidates) or self.candidates < 0:
            self._refuse("candidates", self.candidates, "a whole number of at least 0")
        if self.window != "cell" and not (_is_number(self.window) and 0 < float(self.window) <= 1):
            self._refuse("window", self.window, "'cell' or a fraction of the input's side, above 0 and at most 1")
        if not isinstance(self.distinct, bool):
            self._refuse("distinct", self.distinct, "true or false")
        for key, valid in SPELLED.items():
            if getattr(self, key) not in valid:
                raise ConfigError(f"recipes.{self.name}: {unknown_name(key, getattr(self, key), valid)}")

    def _refuse(self, key: str, got: object, needed: str) -> None:
        raise ConfigError(f"recipes.{self.name}.{key} is {got!r}; it must be {needed}")

    @property
    def factors(self) -> Factors:
        """The factorization that the recipe needs."""
        return Factors(self.weighting, self.components)

    @classmethod
    def from_settings(cls, name: str, settings: Mapping[str, Any]) -> Recipe:
        """The recipe that a configuration entry describes. Missing keys keep the published values.

        Args:
            name: key of the entry.
            settings: ``{components, weighting, pooling: {kernel, stride}, window, similarity, candidates, layout,
                distinct, resize}``.

        Raises:
            ConfigError: a key is unknown, or a value cannot be used; the message names both.

        Example:
            >>> Recipe.from_settings("wide", {"pooling": {"kernel": 3, "stride": 1}, "window": 0.5}).window
            0.5
        """
        values = {key: value for key, value in settings.items() if key != "pooling"}
        valid = {field.name for field in fields(cls)} - {"name", "kernel", "stride"} | {"pooling"}
        _refuse_unknown(f"recipes.{name}", values, valid)
        pooling = settings.get("pooling") or {}
        _refuse_unknown(f"recipes.{name}.pooling", pooling, {"kernel", "stride"})
        return cls(name, **values, **pooling)


def recipes_from_settings(settings: Mapping[str, Mapping[str, Any]]) -> list[Recipe]:
    """All recipes of ``settings["recipes"]``, in its order.

    Example:
        >>> [recipe.name for recipe in recipes_from_settings({"published": {}, "ours": {"layout": "grid"}})]
        ['published', 'ours']
    """
    return [Recipe.from_settings(name, entry) for name, entry in settings.items()]


def factors_in_use(settings: Mapping[str, Mapping[str, Any]]) -> list[Factors]:
    """Every factorization that the recipes need: each once, sorted.

    Example:
        >>> [each.key for each in factors_in_use({"a": {"components": 9}, "b": {}, "c": {"layout": "grid"}})]
        ['position_k6', 'position_k9']
    """
    return sorted({recipe.factors for recipe in recipes_from_settings(settings)})


def _refuse_unknown(where: str, values: Mapping[str, Any], valid: set[str]) -> None:
    for key in values:
        if key not in valid:
            raise ConfigError(f"{where}: {unknown_name('key', key, sorted(valid))}")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


RECIPES = {
    "published": Recipe("published"),
    "published_v2": Recipe("published_v2", components=4, layout="grid"),
    "recommended": Recipe(
        "recommended",
        components=4,
        weighting="auto",
        kernel=1,
        stride=1,
        window=0.4,
        similarity="whitened",
        candidates=16,
        layout="grid",
        distinct=True,
    ),
}
"""The recipes of the default configuration. The second version of the paper shows four crops in place of six."""
