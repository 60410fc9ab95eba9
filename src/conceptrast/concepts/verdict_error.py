r"""How sure is a verdict? Chance from many draws of random patches, and an interval over resampled images of the class.

The verdict on a class is what the model says of *one* combined image. Two things show how much that is worth:

- *chance*: the same number of patches, drawn at random, again and again. If the model names the class in many such
  images, a match says little;
- *resampling*: the class's images are drawn with replacement, and everything after the attribution is done anew: the
  factorization, the search for patches, the combined image, the model's answer. If the answers differ, other images of
  the class would have given another verdict.

.. math:: \hat p^{(b)} = p_c\big(\text{combined}(\text{NMF}(X^{(b)}))\big), \qquad
          X^{(b)} = \{x_{i_1}, \dots, x_{i_n}\}, \quad i_j \sim \mathrm{uniform}\{1, \dots, n\}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from zlib import crc32

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.statistics import wilson_interval
from conceptrast.base.streams import Stream, generator
from conceptrast.concepts.attributed_images import weighing
from conceptrast.concepts.class_factorization import factorize_classes
from conceptrast.concepts.combined_image import combined_patches
from conceptrast.concepts.component_prediction import Assembly, component_prediction, random_patches
from conceptrast.concepts.prototype_search import SELECTIONS
from conceptrast.concepts.recipes import Recipe
from conceptrast.models.model import Model

CHANCE_DRAWS = 100
"""Draws of random patches."""
CHANCE_IMAGES = 64
"""Images at most that they are cut from; their views are decoded once."""
RESAMPLES = 20
"""Resamples of the class's images."""
FEW_IMAGES = 20
"""With fewer images of the class a verdict is a hint, and its text says so."""

COLUMNS = (
    *("selection", "resamples", "stable", "low", "high"),
    *("chance_draws", "chance", "chance_low", "chance_high", "chance_probability"),
)


def resampled_components(
    activations: Tensor,
    attribution: Mapping[str, np.ndarray],
    recipe: Recipe,
    *,
    target: int,
    seed: int,
    rectify: bool,
) -> dict[str, np.ndarray]:
    """Components of resamples of a class's images; a resample that has nothing to factorize is left out.

    Args:
        activations: ``[n, C, h, w]`` of the class's images.
        attribution: rectified ``[n, h, w]``, multiplier ``[n, C]`` and linear_share ``[n]`` of the same images.
        recipe: how they are factorized.
        target: the class.
        seed: seed of the resamples and of the factorization.
        rectify: whether negative activations are set to zero.

    Returns:
        The arrays of :func:`~conceptrast.concepts.class_factorization.factorize_classes`, a row for each resample.
    """
    count = len(activations)
    draws = generator(Stream.RESAMPLED_IMAGES, seed, target).integers(0, count, (RESAMPLES, count))
    return factorize_classes(
        (
            (number, activations[torch.from_numpy(rows)], slice(count * number, count * (number + 1)))
            for number, rows in enumerate(draws)
        ),
        weighing(attribution, draws.ravel()),
        [recipe.factors],
        seed=seed,
        rectify=rectify,
    )


def resampled_assemblies(prototypes: pd.DataFrame, target: int, recipe: Recipe) -> list[Assembly]:
    """The combined image of each resample and selection; those with too few patches are left out.

    Args:
        prototypes: the patches of every resample, as
            :func:`~conceptrast.concepts.class_prototypes.set_prototypes` gives: a set for each.
        target: the class.
        recipe: how patches are combined.
    """
    assemblies = []
    for (_, selection), group in prototypes.groupby(["set", "selection"]):
        patches = combined_patches(group, recipe)
        if len(patches) == recipe.components:
            assemblies.append(Assembly(target, recipe, str(selection), baseline="resampled", patches=patches))
    return assemblies


def chance_assemblies(
    assemblies: Sequence[Assembly], predictions: pd.DataFrame, view: tuple[int, int], seed: int
) -> list[Assembly]:
    """Combined images of random patches, :data:`CHANCE_DRAWS` for each selection.

    Args:
        assemblies: the class's own, one for each selection: the size of the patches is theirs.
        predictions: image, predicted; ``exclude_target`` draws from images of other classes.
        view: (H, W) of the views.
        seed: seed of the draws.
    """
    drawn = []
    for assembly in assemblies:
        pool = predictions
        if assembly.selection != "all":
            pool = predictions[predictions["predicted"] != assembly.target]
        key = (assembly.target, crc32(assembly.recipe.name.encode()), SELECTIONS.index(assembly.selection))
        draw = generator(Stream.CHANCE_PATCHES, seed, *key)
        images = pool["image"].to_numpy()
        images = draw.choice(images, min(len(images), CHANCE_IMAGES), replace=False)
        box = (int(assembly.patches["height"].iloc[0]), int(assembly.patches["width"].iloc[0]))
        drawn += [
            Assembly(
                target=assembly.target,
                recipe=assembly.recipe,
                selection=assembly.selection,
                baseline="random_patches",
                patches=random_patches(images, assembly.recipe.components, box, view=view, generator=draw),
            )
            for _ in range(CHANCE_DRAWS)
        ]
    return drawn


def verdict_errors(
    model: Model,
    assemblies: Sequence[Assembly],
    views_of: Callable[[np.ndarray], Iterator[tuple[np.ndarray, Tensor]]],
    precision: str = "float32",
) -> pd.DataFrame:
    r"""What chance and resampling say of a verdict, one row for each selection.

    Args:
        model: the classifier.
        assemblies: of resamples and of random patches.
        views_of: gives batches of ids and views for an array of ids. Every view is read once.
        precision: ``float32`` or ``bfloat16``.

    Returns:
        selection; resamples, stable (share of them that match), low and high (2.5 % and 97.5 % quantiles of their
        probability); chance_draws, chance (share of them that match), chance_low and chance_high (95 % Wilson),
        chance_probability (mean). A selection without resamples has no values there.
    """
    if not assemblies:
        return pd.DataFrame(columns=list(COLUMNS))
    # Every view once, for all combined images.
    needed = np.unique(np.concatenate([one.patches["image"].to_numpy(np.int64) for one in assemblies]))
    views = {
        int(image): view
        for ids, batch in views_of(needed.astype(np.int64))
        for image, view in zip(ids, batch, strict=True)
    }

    def from_memory(images: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        yield images, torch.stack([views[int(image)] for image in images])

    answers = component_prediction(model, assemblies, from_memory, n_images={}, precision=precision)
    # The two questions, selection by selection.
    rows = []
    for selection, group in answers.groupby("selection", sort=False):
        chance = group[group["baseline"] == "random_patches"]
        again = group[group["baseline"] == "resampled"]
        probability = again["probability"].to_numpy(float)
        low, high = np.quantile(probability, [0.025, 0.975]) if len(again) else (float("nan"),) * 2
        matches = int(chance["match"].sum())
        chance_low, chance_high = wilson_interval(matches, len(chance))
        rows.append(
            {
                "selection": selection,
                "resamples": len(again),
                "stable": float(again["match"].astype(float).mean()) if len(again) else float("nan"),
                "low": float(low),
                "high": float(high),
                "chance_draws": len(chance),
                "chance": matches / max(len(chance), 1),
                "chance_low": chance_low,
                "chance_high": chance_high,
                "chance_probability": float(chance["probability"].astype(float).mean()),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))
