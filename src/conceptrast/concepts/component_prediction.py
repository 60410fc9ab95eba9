"""Component prediction: does the model recognise a class in an image made of its components' best patches?

Similarity alone decides which patches are combined. The model is asked about the combined image only when the image is
final. Two chance rows use the same number of patches, of the same size and in the same layout: patches drawn at random,
and the patches of another class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from conceptrast.base.errors import ModelError
from conceptrast.base.streams import Stream, generator
from conceptrast.concepts.combined_image import assemble, combined_patches
from conceptrast.concepts.patches import BOX, crop
from conceptrast.concepts.prototype_search import SELECTIONS
from conceptrast.concepts.recipes import Recipe
from conceptrast.models.inference import autocast, device_of, network_input
from conceptrast.models.model import Model

COLUMNS = (
    *("class", "class_name", "recipe", "selection", "layout", "baseline", "status", "reason"),
    *("n_images", "probability", "predicted", "match"),
)
CHUNK = 32
"""Number of combined images whose views are in memory together."""

_STREAMS = {"random_patches": Stream.RANDOM_PATCHES, "other_class": Stream.OTHER_CLASS}


@dataclass(frozen=True)
class Assembly:
    """One image to be put together and shown to the model: its row of the table and its patches."""

    target: int
    recipe: Recipe
    selection: str
    baseline: str
    patches: pd.DataFrame
    """image, top, left, height, width; one row a patch."""
    reason: str = ""
    """Why the image cannot be put together; empty if it can."""


class _Answer(NamedTuple):
    """What the model says of a combined image: the probability of the class, and the class that it names."""

    probability: float
    predicted: int


@torch.inference_mode()
def probabilities_of(model: Model, pictures: Tensor, resize: str = "native", precision: str = "float32") -> Tensor:
    """What the model says of combined images.

    Args:
        model: the classifier; it runs on the device of its weights.
        pictures: ``[n, 3, H', W']`` uint8.
        resize: ``"native"`` shows them as they are, ``"input"`` at the model's input size.
        precision: ``float32`` or ``bfloat16``.

    Returns:
        ``[n, n_classes]`` float32 probabilities on the CPU.

    Raises:
        ModelError: the network takes pictures of one size only, and these have another size.
    """
    height, width = model.preprocess.size
    if resize == "input":
        pictures = interpolate(pictures.float(), (height, width), mode="bilinear", antialias=True).clamp(0, 255)
    try:
        with autocast(precision, device_of(model)):
            logits = model.module(network_input(model, pictures))
    except torch.OutOfMemoryError:  # also a RuntimeError, but the picture's size is not at fault
        raise
    except (RuntimeError, AssertionError) as error:  # torchvision's transformers use assert
        if pictures.shape[2:] == (height, width):
            raise
        refused = f"{model.name} takes no combined image of {pictures.shape[2]}×{pictures.shape[3]} pixels"
        reason = str(error).partition("\n")[0]
        raise ModelError(f"{refused} ({reason}): set `resize: input` in the recipe, for {height}×{width}") from error
    return logits.float().softmax(1).cpu()


def random_patches(
    images: np.ndarray, k: int, box: tuple[int, int], view: tuple[int, int], generator: np.random.Generator
) -> pd.DataFrame:
    """Patches at random places of random images. The images differ if there are enough of them.

    Args:
        images: the ids to draw from.
        k: the number of patches.
        box: ``(height, width)`` of a patch in pixels.
        view: ``(H, W)`` of the views.
        generator: the generator of the draw.

    Returns:
        image, top, left, height, width.

    Example:
        >>> random_patches(np.array([5]), 1, (4, 4), (4, 4), np.random.default_rng(0)).values.tolist()
        [[5, 0, 0, 4, 4]]
    """
    drawn = generator.choice(images, k, replace=len(images) < k)
    tops, lefts = (generator.integers(0, view[axis] - box[axis] + 1, k) for axis in (0, 1))
    return pd.DataFrame({"image": drawn, "top": tops, "left": lefts, "height": box[0], "width": box[1]})


def plan_assemblies(
    prototypes: pd.DataFrame,
    predictions: pd.DataFrame,
    classes: Sequence[int],
    recipes: Sequence[Recipe],
    view: tuple[int, int],
    seed: int,
) -> list[Assembly]:
    """All images to be put together, including the images of the chance rows.

    Args:
        prototypes: as :func:`conceptrast.concepts.class_prototypes.class_prototypes` gives.
        predictions: image, predicted.
        classes: the classes of the study that have components.
        recipes: the recipes, in the order of the table.
        view: ``(H, W)`` of the views.
        seed: the seed of both chance rows. Each class, recipe (by its name) and selection has draws of its own; they do
            not depend on the others.

    Returns:
        The assemblies, ordered by class, recipe, selection and baseline.
    """
    # The patches of every class. They also serve as the chance row of other classes.
    groups = dict(iter(prototypes.groupby(["class", "recipe", "selection"])))
    patches_by_key = {}
    for target, recipe, selection in product(classes, recipes, SELECTIONS):
        group = groups.get((target, recipe.name, selection), prototypes.iloc[:0])
        patches_by_key[target, recipe.name, selection] = combined_patches(group, recipe)

    # Every class's own image, then both chance rows.
    plan = []
    for target in classes:
        for recipe in recipes:
            for place, selection in enumerate(SELECTIONS):
                patches = patches_by_key[target, recipe.name, selection]
                assembly = Assembly(
                    target=target,
                    recipe=recipe,
                    selection=selection,
                    baseline="none",
                    patches=patches,
                    reason=_missing(patches, recipe),
                )
                plan.append(assembly)
                if assembly.reason:
                    continue
                key = [seed, target, crc32(recipe.name.encode()), place]
                pool = predictions if selection == "all" else predictions[predictions["predicted"] != target]
                random = random_patches(
                    pool["image"].to_numpy(),
                    k=recipe.components,
                    box=(int(patches["height"].iloc[0]), int(patches["width"].iloc[0])),
                    view=view,
                    generator=_generator("random_patches", key),
                )
                plan.append(replace(assembly, baseline="random_patches", patches=random))
                plan.append(_other_class(assembly, patches_by_key, classes, _generator("other_class", key)))
    return plan


def _generator(baseline: str, key: Sequence[int]) -> np.random.Generator:
    return generator(_STREAMS[baseline], *key)


def _missing(patches: pd.DataFrame, recipe: Recipe) -> str:
    if len(patches) == recipe.components:
        return ""
    kind = "patches from different images" if recipe.distinct else "patches"
    return f"only {len(patches)} of {recipe.components} {kind}"


def _other_class(
    assembly: Assembly,
    patches_by_key: Mapping[tuple[int, str, str], pd.DataFrame],
    classes: Sequence[int],
    generator: np.random.Generator,
) -> Assembly:
    """The same assembly with the patches of another class."""
    others = [other for other in classes if other != assembly.target]
    if not others:
        reason = "the study has no other class"
        return replace(assembly, baseline="other_class", patches=pd.DataFrame(), reason=reason)
    other = others[int(generator.integers(len(others)))]
    patches = patches_by_key[other, assembly.recipe.name, assembly.selection]
    return replace(assembly, baseline="other_class", patches=patches, reason=_missing(patches, assembly.recipe))


def component_prediction(
    model: Model,
    assemblies: Sequence[Assembly],
    views_of: Callable[[np.ndarray], Iterator[tuple[np.ndarray, Tensor]]],
    n_images: Mapping[int, int],
    precision: str = "float32",
) -> pd.DataFrame:
    """Put every image together and ask the model.

    Args:
        model: the classifier.
        assemblies: as :func:`plan_assemblies` gives.
        views_of: gives batches of image ids and views ``[n, 3, H, W]`` uint8 for an array of image ids.
        n_images: the number of images predicted as each class.
        precision: ``float32`` or ``bfloat16``.

    Returns:
        One row for each assembly, with the columns :data:`COLUMNS`. The cells probability (of the class), predicted and
        match are empty where status is ``skipped``.
    """
    # The model's answers, for some combined images at a time.
    answers: dict[int, _Answer] = {}
    usable = [number for number, assembly in enumerate(assemblies) if not assembly.reason]
    for start in range(0, len(usable), CHUNK):
        numbers = usable[start : start + CHUNK]
        pictures = dict(zip(numbers, _pictures([assemblies[number] for number in numbers], views_of), strict=True))
        # Pictures of one size go through the model together.
        alike: dict[tuple[str, torch.Size], list[int]] = {}
        for number, picture in pictures.items():
            alike.setdefault((assemblies[number].recipe.resize, picture.shape), []).append(number)
        for (resize, _), group in alike.items():
            stacked = torch.stack([pictures[number] for number in group])
            for number, probabilities in zip(group, probabilities_of(model, stacked, resize, precision), strict=True):
                answers[number] = _Answer(
                    probability=float(probabilities[assemblies[number].target]), predicted=int(probabilities.argmax())
                )

    # A row for every assembly, with or without an answer.
    rows = [
        _row(assembly, model.class_names[assembly.target], n_images.get(assembly.target, 0), answers.get(number))
        for number, assembly in enumerate(assemblies)
    ]
    return _typed(pd.DataFrame(rows, columns=list(COLUMNS)))


def _pictures(
    assemblies: Sequence[Assembly], views_of: Callable[[np.ndarray], Iterator[tuple[np.ndarray, Tensor]]]
) -> list[Tensor]:
    """The combined images. Each view is read once, and only its patches are kept."""
    # The patches that each image gives: number of the assembly, place in it, box.
    wanted: dict[int, list[tuple[int, int, tuple[int, int, int, int]]]] = {}
    for number, assembly in enumerate(assemblies):
        columns = (assembly.patches[name].tolist() for name in ("image", *BOX))
        for place, (image, top, left, height, width) in enumerate(zip(*columns, strict=True)):
            wanted.setdefault(image, []).append((number, place, (top, left, height, width)))
    # The patches of each assembly, by their place.
    cut: list[dict[int, Tensor]] = [{} for _ in assemblies]
    for images, views in views_of(np.array(sorted(wanted))):
        for image, view in zip(images.tolist(), views, strict=True):
            for number, place, box in wanted[image]:
                cut[number][place] = crop(view, box).clone()
    return [
        assemble(torch.stack([patches[place] for place in range(len(patches))]), assembly.recipe.layout)
        for patches, assembly in zip(cut, assemblies, strict=True)
    ]


def _row(assembly: Assembly, name: str, n_images: int, answer: _Answer | None) -> tuple[object, ...]:
    """A row of :data:`COLUMNS`. If there is no answer, the row says why."""
    recipe = assembly.recipe
    head = (assembly.target, name, recipe.name, assembly.selection, recipe.layout, assembly.baseline)
    if answer is None:
        return (*head, "skipped", assembly.reason, n_images, None, None, None)
    match = answer.predicted == assembly.target
    return (*head, "ok", "", n_images, answer.probability, answer.predicted, match)


def skipped_classes(reasons: Mapping[int, tuple[int, str]], names: Sequence[str]) -> pd.DataFrame:
    """Rows of classes that have no components, one for each: no recipe and no selection can be tried.

    Args:
        reasons: the number of images and the reason, by class.
        names: the names of the classes.
    """
    rows = [
        {"class": target, "class_name": names[target], "recipe": "", "selection": "", "layout": "", "baseline": "none"}
        | {"status": "skipped", "reason": reason, "n_images": n_images}
        for target, (n_images, reason) in sorted(reasons.items())
    ]
    return _typed(pd.DataFrame(rows, columns=list(COLUMNS)))


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype({"probability": "Float64", "predicted": "Int64", "match": "boolean"})
