"""The factorization of one class, which several questions rest on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conceptrast.api.evidence import Attributions, Evidence
from conceptrast.base.errors import ConceptrastError, ConfigError, unknown_name
from conceptrast.concepts.attributed_images import by_class
from conceptrast.concepts.class_factorization import factorize_classes
from conceptrast.concepts.recipes import RECIPES, Recipe


@dataclass(frozen=True)
class ClassFactorization:
    """The components of a class.

    Attributes:
        target: class index.
        recipe: how they were found.
        attribution: the attribution of the class's images.
        sets: as :func:`~conceptrast.concepts.class_factorization.factorize_classes` gives, of this class alone.
    """

    target: int
    recipe: Recipe
    attribution: Attributions
    sets: dict[str, np.ndarray]

    @property
    def components(self) -> np.ndarray:
        """``[k, C]``."""
        components: np.ndarray = self.sets[f"components_{self.recipe.factors.key}"][0]
        return components

    @property
    def reconstruction_error(self) -> float:
        """Relative part of the attributed activations that the components miss."""
        return float(self.sets[f"reconstruction_error_{self.recipe.factors.key}"][0])


def recipe_named(recipe: str | Recipe) -> Recipe:
    """A recipe by name, or the recipe itself.

    Raises:
        ConfigError: there is no recipe of that name; the message lists the nearest.

    Example:
        >>> recipe_named("published").layout
        'strip'
    """
    if isinstance(recipe, Recipe):
        return recipe
    if recipe not in RECIPES:
        raise ConfigError(unknown_name("recipe", recipe, RECIPES))
    return RECIPES[recipe]


def factorization_of_class(evidence: Evidence, target: int, recipe: Recipe) -> ClassFactorization:
    """The components of one class.

    Args:
        evidence: the evidence of the study.
        target: class index.
        recipe: how its images are factorized.

    Raises:
        LayerError: the layer's activations cannot be used.
        ConceptrastError: no picture is predicted as the class, or the attribution leaves nothing to factorize.
    """
    attribution = evidence.attribution(evidence.class_images(target), target)
    activations = evidence.activations(attribution["image"], "factorizing")
    factorized = factorize_classes(
        by_class(activations, attribution["target"]),
        attribution,
        [recipe.factors],
        seed=evidence.options.seed,
        rectify=evidence.options.rectify,
    )
    if not len(factorized["classes"]):
        raise ConceptrastError(f"no concepts at layer {evidence.layer!r}: {factorized['skipped_reason'][0]}")
    return ClassFactorization(target=target, recipe=recipe, attribution=attribution, sets=factorized)
