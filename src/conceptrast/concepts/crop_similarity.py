r"""The best patches of a component, compared again by what the layer makes of each patch when it is cut out.

An activation at a position has seen more of a picture than the patch that is cut out there. Without its surroundings a
patch may mean something else. So the ``candidates`` best patches go through the network's first part alone, and both
similarities count:

.. math:: s' = \frac{1}{2} \Big(s + \cos\Big(v, \frac{1}{|P|} \sum_{y x} \mathrm{prefix}(\text{patch})_{y x}\Big)\Big)

with ``v`` what is searched for (:class:`~conceptrast.concepts.class_prototypes.Sought`) and ``s`` the similarity in the
picture. The patches are put into the order of ``s'``. Which of them are combined is decided in place
(:mod:`conceptrast.concepts.exchange`). What the network's last part says of them has no influence. Concepts of crops
alone: CRAFT (Fel et al. 2023), which has no search in whole pictures before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from conceptrast.base.errors import ModelError
from conceptrast.concepts.class_prototypes import Sought
from conceptrast.concepts.patches import BOX, crop
from conceptrast.concepts.recipes import Recipe
from conceptrast.concepts.whitening import Whitening, evenly_spaced
from conceptrast.models.activations import activations_of
from conceptrast.models.model import Model
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

Patch = tuple[int, int, int, int, int]
"""Image, top, left, height and width of a patch."""


def ranked_by_crops(
    prototypes: pd.DataFrame,
    numbers: np.ndarray,
    recipe: Recipe,
    vectors: Sought,
    *,
    pictures: Pictures,
    split: SplitModel,
    precision: str = "float32",
) -> pd.DataFrame:
    """Prototypes in the order of their similarities, in the picture and as patches that are cut out.

    Args:
        prototypes: of one recipe: component, selection, rank, image, box and similarity.
        numbers: ``[n]`` the set of each row, its row number in ``vectors``.
        recipe: its ``resize`` says in which size patches are shown; patches beyond its ``candidates`` are left out.
        vectors: what was searched for.
        pictures: images and model.
        split: the model, cut at the layer.
        precision: ``float32`` or ``bfloat16``.

    Returns:
        The rows of rank below ``candidates``, with new ranks and similarities; ties go to the lower old rank.

    Raises:
        ModelError: the network takes no picture of a patch's size.
    """
    candidates = prototypes["rank"] < recipe.candidates
    rows = prototypes[candidates].copy()
    rows["number"] = numbers[candidates.to_numpy()]
    means = crop_means(rows, recipe, pictures=pictures, split=split, precision=precision)
    alone = vectors.cosines(means, rows["number"].to_numpy(), rows["component"].to_numpy())
    rows["similarity"] = (rows["similarity"].to_numpy() + alone) / 2
    keys = ["number", "component", "selection"]
    places = pd.Series(np.arange(len(rows)), index=rows.index)
    rows = rows.assign(first=places.groupby([rows[key] for key in keys]).transform("min"))
    rows = rows.sort_values(["first", "similarity", "rank"], ascending=[True, False, True], kind="stable")
    rows["rank"] = rows.groupby(keys).cumcount()
    return rows.drop(columns=["number", "first"])


def study_whitening(
    pictures: Pictures,
    split: SplitModel,
    images: np.ndarray,
    recipes: Sequence[Recipe],
    *,
    rectify: bool,
    precision: str,
) -> Whitening | None:
    """The whitening of a layer's activations over pictures; ``None`` if no recipe compares whitened activations.

    Args:
        pictures: images and model.
        split: the model, cut at the layer.
        images: ids of all pictures; some of them, evenly spaced, are taken.
        recipes: the recipes.
        rectify: whether negative activations are set to zero.
        precision: ``float32`` or ``bfloat16``.
    """
    if not any(recipe.similarity == "whitened" for recipe in recipes):
        return None
    batches = activations_of(pictures.model, split, pictures.of(evenly_spaced(images), "whitening"), precision)
    return Whitening.of(values.clamp(min=0) if rectify else values for _, values in batches)


def crop_means(
    patches: pd.DataFrame, recipe: Recipe, *, pictures: Pictures, split: SplitModel, precision: str
) -> Tensor:
    """Mean activations ``[n, C]`` of patches that are cut out: each different patch goes through the network once.

    Args:
        patches: image, top, left, height, width.
        recipe: its ``resize`` says in which size they are shown.
        pictures: images and model.
        split: the model, cut at the layer.
        precision: ``float32`` or ``bfloat16``.
    """
    places: dict[Patch, int] = {}
    means = []
    for crops in cut_out(patches, pictures, "comparing patches"):
        places |= {patch: len(places) + number for number, patch in enumerate(crops)}
        means.append(
            mean_activations(list(crops.values()), recipe, pictures=pictures, split=split, precision=precision)
        )
    return torch.cat(means)[[places[patch] for patch in patches_of(patches)]]


def patches_of(table: pd.DataFrame) -> Iterator[Patch]:
    """The patch of each row."""
    return table[["image", *BOX]].itertuples(index=False, name=None)


def cut_out(table: pd.DataFrame, pictures: Pictures, what: str = "") -> Iterator[dict[Patch, Tensor]]:
    """The pixels ``[3, h, w]`` of each different patch, a batch of images at a time; every image is read once.

    Args:
        table: image, top, left, height, width.
        pictures: the images.
        what: what the progress calls it; without, there is none.
    """
    of_image: dict[int, list[Patch]] = {}
    for patch in sorted(set(patches_of(table))):
        of_image.setdefault(patch[0], []).append(patch)
    for images, views in pictures.of(np.array(list(of_image)), what):
        yield {
            patch: crop(view, patch[1:])
            for image, view in zip(images.tolist(), views, strict=True)
            for patch in of_image[image]
        }


def mean_activations(
    crops: Sequence[Tensor], recipe: Recipe, *, pictures: Pictures, split: SplitModel, precision: str
) -> Tensor:
    """Mean activations ``[n, C]`` over the positions of pictures that are no views: patches, or combined images.

    Args:
        crops: ``[3, h, w]`` uint8 each, all of one size.
        recipe: its ``resize`` says in which size they are shown.
        pictures: the model, and the number of pictures that go through it together.
        split: the model, cut at the layer.
        precision: ``float32`` or ``bfloat16``.

    Raises:
        ModelError: the network takes no picture of this size.
    """
    size = pictures.batch_size
    batches = [torch.stack(list(crops[start : start + size])) for start in range(0, len(crops), size)]
    return torch.cat(
        [_means(batch, recipe, model=pictures.model, split=split, precision=precision) for batch in batches]
    )


def _means(crops: Tensor, recipe: Recipe, *, model: Model, split: SplitModel, precision: str) -> Tensor:
    if recipe.resize == "input":
        crops = interpolate(crops.float(), model.preprocess.size, mode="bilinear", antialias=True)
        crops = crops.round().clamp(0, 255).to(torch.uint8)
    try:
        [(_, activations)] = activations_of(model, split, [(np.arange(len(crops)), crops)], precision)
    except torch.OutOfMemoryError:  # also a RuntimeError, but the patch's size is not at fault
        raise
    except (RuntimeError, AssertionError) as error:  # torchvision's transformers use assert
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"{model.name} takes no patch of {crops.shape[2]}×{crops.shape[3]} pixels ({reason}): "
            "set `resize: input` in the recipe, or `candidates: 0`"
        ) from error
    return split.patches(activations).mean(dim=(2, 3))
