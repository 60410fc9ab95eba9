"""Explain one class of a model from Python: from images to concepts to a verdict.

The same functions as the workflow's steps, in their order, for one class and in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import nn

from conceptrast.attribution import METHODS
from conceptrast.attribution.images import attribute_images
from conceptrast.base.errors import ConceptrastError, ConfigError, ModelError, unknown_name
from conceptrast.base.registry import resolve
from conceptrast.concepts.attributed_images import by_class
from conceptrast.concepts.card_evidence import ClassEvidence, class_card
from conceptrast.concepts.cards import ClassCard
from conceptrast.concepts.class_factorization import factorize_classes
from conceptrast.concepts.class_prototypes import class_prototypes
from conceptrast.concepts.component_prediction import component_prediction, plan_assemblies
from conceptrast.concepts.recipes import RECIPES, Recipe
from conceptrast.data.loose_pictures import AnyPictures, as_dataset
from conceptrast.data.selection import class_images
from conceptrast.figures.class_card import draw_class_card
from conceptrast.models.activations import activations_of
from conceptrast.models.inference import autocast, device_of, predict
from conceptrast.models.model import Model, Preprocess, shapes_explained
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

LOGGER = logging.getLogger("conceptrast")


@dataclass(frozen=True)
class Explanation:
    """What :func:`explain_class` found.

    Attributes:
        class_name: the class.
        class_index: its output.
        layer: where the model was looked into.
        recipe: how patches were cut and combined.
        n_images: images predicted as the class that were used.
        components: ``[k, C]`` float32, the concepts as directions among the layer's channels.
        prototypes: component, selection, rank, image, top, left, height, width, similarity, path.
        prediction: selection, predicted, probability (of the class), match: what the model says of the combined images.
        completeness_gap: median over the images, relative; 0 where the attribution adds up exactly.
        reconstruction_error: part of the attributed activations that the components miss, relative.
        card: all that :meth:`plot` draws.
    """

    class_name: str
    class_index: int
    layer: str
    recipe: Recipe
    n_images: int
    components: np.ndarray
    prototypes: pd.DataFrame
    prediction: pd.DataFrame
    completeness_gap: float
    reconstruction_error: float
    card: ClassCard

    @property
    def patches(self) -> dict[str, list[list[np.ndarray]]]:
        """By selection and component the best patches, best first: ``[h, w, 3]`` uint8."""
        return {name: [list(row.patches) for row in rows] for name, rows in self.card.rows.items()}

    @property
    def assembled(self) -> dict[str, np.ndarray]:
        """By selection the combined image ``[H, W, 3]`` uint8."""
        return {name: verdict.picture for name, verdict in self.card.verdicts.items()}

    def plot(self) -> Figure:
        """The card of the class, as the workflow draws it."""
        return draw_class_card(self.card)

    def table(self) -> pd.DataFrame:
        """:attr:`prediction` with what it rests on, one row per selection."""
        facts: dict[str, Any] = {
            "class": self.class_index, "class_name": self.class_name, "layer": self.layer, "recipe": self.recipe.name,
            "n_images": self.n_images,
        }  # fmt: skip
        errors = {"completeness_gap": self.completeness_gap, "reconstruction_error": self.reconstruction_error}
        table = self.prediction.assign(**facts, **errors)
        return table[[*facts, *self.prediction.columns, *errors]]

    def __str__(self) -> str:
        lines = [f"{self.class_name} (class {self.class_index}) at {self.layer}: {self.n_images} images"]
        for row in self.prediction.itertuples():
            mark = "match" if row.match else "no match"
            lines.append(f"  {row.selection}: {row.predicted}, p({self.class_name}) = {row.probability:.2f}, {mark}")
        return "\n".join(lines)


def explain_class(
    model: Model | nn.Module,
    images: AnyPictures,
    target: str | int,
    layer: str,
    *,
    recipe: str | Recipe = "recommended",
    method: str = "deeplift",
    samples: int = 5,
    noise: float = 0.25,
    images_per_class: int = 60,
    seed: int = 0,
    rectify: bool = False,
    precision: str = "float32",
    batch_size: int = 32,
    preprocess: Preprocess | None = None,
    class_names: Sequence[str] | None = None,
) -> Explanation:
    """Find the concepts by which ``model`` recognises a class, their best patches, and test them combined.

    Args:
        model: a :class:`~conceptrast.models.model.Model`, or a bare network together with ``preprocess``.
        images: one picture (a file, or a PIL image), a folder (any nesting), a list of files or of PIL images, or a
            dataset and rows of its index. Patches are searched in all of them; the concepts come from those that the
            model predicts as the class.
        target: the class, by name or index.
        layer: where the model is looked into, e.g. ``layer4.2``.
        recipe: ``recommended``, ``published``, or a :class:`~conceptrast.concepts.recipes.Recipe` of one's own.
        method: attribution: ``deeplift``, ``integrated_gradients`` or ``gradient_x_activation``.
        samples: noisy copies of each image; 0 attributes the image itself.
        noise: their standard deviation, in normalised units.
        images_per_class: at most so many images of the class are used.
        seed: of the draw of images, the noise and the factorization.
        rectify: whether negative activations become zero; else they are an error.
        precision: ``float32`` or ``bfloat16``.
        batch_size: images, or noisy copies, in a batch.
        preprocess: how pictures become the input of a bare network.
        class_names: of a bare network's outputs; numbers if not given.

    Returns:
        The explanation; ``.plot()`` draws it, ``.prediction`` says whether the model agrees.

    Raises:
        ModelError: a bare network without ``preprocess``.
        LayerError: there is no such layer, or its activations cannot be used.
        ConfigError: unknown class, recipe, method or precision.
        DataError: no usable picture.
        ConceptrastError: no picture is predicted as the class.

    Example:
        >>> from PIL import Image
        >>> network = nn.Sequential(nn.AvgPool2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        >>> pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "red")]
        >>> explanation = explain_class(
        ...     network, pictures, "red", layer="1", recipe=Recipe("one", components=1), samples=0,
        ...     preprocess=Preprocess(8, 8, (0.5,) * 3, (0.25,) * 3), class_names=["red", "green", "blue"])
        >>> explanation.prediction[["selection", "predicted", "match"]]
                selection predicted  match
        0             all       red   True
        1  exclude_target      blue  False
    """
    whole = as_model(model, preprocess, class_names)
    index, cut = whole.class_index(target), recipe_named(recipe)
    split = SplitModel(whole, layer)
    # A wrong name costs nothing here, and the time of a pass over all pictures later.
    resolve("attribution method", method, METHODS)
    autocast(precision)
    dataset, table = as_dataset(images)
    pictures = Pictures(dataset, table, whole, batch_size)
    everything = table["image"].to_numpy()
    predictions = predict(whole, pictures.of(everything, "predicting"), precision)
    chosen = images_of(predictions, whole, index, images_per_class, seed)
    attribution = attribute_images(
        whole, layer, pictures.of(chosen, "attributing"), dict.fromkeys(chosen.tolist(), index),
        method=method, samples=samples, noise=noise, seed=seed, precision=precision, batch_size=batch_size,
    )  # fmt: skip

    found = concepts_of(pictures, split, attribution, cut, seed, rectify, precision)
    components = found[f"components_{cut.factors.key}"][0]
    prototypes = class_prototypes(
        activations_of(whole, split, pictures.of(everything, "searching"), precision),
        dict(zip(predictions["image"].tolist(), predictions["predicted"].tolist(), strict=True)),
        found, [cut], whole.preprocess.size, rectify,
    )  # fmt: skip
    verdicts = verdicts_of(pictures, prototypes, predictions, index, cut, precision)
    evidence = ClassEvidence(
        target=index,
        n_images=len(chosen),
        attribution=attribution,
        components=components,
        prototypes=prototypes,
        verdicts=verdicts,
    )
    card = class_card(
        pictures, split, evidence, cut, predictions=predictions, study=f"{whole.name} at {layer}", precision=precision
    )
    return Explanation(
        whole.class_names[index], index, layer, cut, len(chosen), components,
        prototypes.drop(columns=["class", "recipe"]).merge(table[["image", "path"]], on="image"),
        verdicts.assign(predicted=[whole.class_names[each] for each in verdicts["predicted"]]),
        float(np.median(attribution["completeness_gap"])),
        float(found[f"reconstruction_error_{cut.factors.key}"][0]),
        card,
    )  # fmt: skip


def as_model(
    model: Model | nn.Module, preprocess: Preprocess | None = None, class_names: Sequence[str] | None = None
) -> Model:
    """The model itself, or a bare network with the preprocessing that it needs.

    Raises:
        ModelError: ``preprocess`` is missing, or ``class_names`` do not fit the network's outputs.
        ShapeError: the network takes another number of channels than ``preprocess`` gives, or larger pictures.
    """
    if isinstance(model, Model):
        return model
    if preprocess is None:
        raise ModelError(
            "a bare network does not say how pictures become its input: pass preprocess=Preprocess(resize=256, "
            "crop=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)) from conceptrast.models.model, with your "
            "values"
        )
    whole = Model(type(model).__name__, model, preprocess)
    blank = torch.zeros(1, preprocess.channels, *preprocess.size, device=device_of(whole))
    with torch.inference_mode(), shapes_explained(model, blank):
        outputs = model(blank).shape[-1]
    whole.class_names = [str(i) for i in range(outputs)] if class_names is None else list(class_names)
    if len(whole.class_names) != outputs:
        raise ModelError(f"the network has {outputs} outputs, but {len(whole.class_names)} class names are given")
    return whole


def recipe_named(recipe: str | Recipe) -> Recipe:
    """A recipe by name, or the recipe itself.

    Raises:
        ConfigError: there is none of that name; the message lists the nearest.

    Example:
        >>> recipe_named("published").layout
        'strip'
    """
    if isinstance(recipe, Recipe):
        return recipe
    if recipe not in RECIPES:
        raise ConfigError(unknown_name("recipe", recipe, RECIPES))
    return RECIPES[recipe]


def images_of(predictions: pd.DataFrame, model: Model, target: int, images_per_class: int, seed: int) -> np.ndarray:
    """Ids of the images that the model predicts as the class.

    Args:
        predictions: image, predicted.
        model: for the names of its classes.
        target: class index.
        images_per_class: at most so many, drawn with ``seed``.
        seed: of the draw.

    Raises:
        ConceptrastError: there is none; the message says what the images are predicted as.
    """
    chosen, _ = class_images(predictions, 1, images_per_class, seed, len(model.class_names), [target])
    if target in chosen:
        return chosen[target]
    often = predictions["predicted"].value_counts().sort_index().sort_values(ascending=False, kind="stable").head(5)
    seen = ", ".join(
        f"{model.class_names[index]} ({count})" for index, count in zip(often.index.tolist(), often, strict=True)
    )
    name = model.class_names[target]
    raise ConceptrastError(f"none of {len(predictions)} pictures is predicted as {name!r}; most frequent: {seen}")


def concepts_of(
    pictures: Pictures, split: SplitModel, attribution: Mapping[str, np.ndarray], recipe: Recipe,
    seed: int, rectify: bool, precision: str,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Components of one class, as :func:`~conceptrast.concepts.class_factorization.factorize_classes` gives them.

    Raises:
        ConceptrastError: the attribution leaves nothing to factorize.
    """
    batches = pictures.of(attribution["image"], "factorizing")
    activations = activations_of(pictures.model, split, batches, precision)
    classes = by_class(activations, attribution["target"])
    found = factorize_classes(classes, attribution, [recipe.factors], seed, rectify)
    if not len(found["classes"]):
        raise ConceptrastError(f"no concepts at layer {split.layer!r}: {found['skipped_reason'][0]}")
    return found


def verdicts_of(
    pictures: Pictures, prototypes: pd.DataFrame, predictions: pd.DataFrame, target: int, recipe: Recipe, precision: str
) -> pd.DataFrame:
    """What the model says of the combined images: selection, predicted (index), probability, match.

    A selection in which there are too few patches is left out, with a warning.
    """
    plan = plan_assemblies(prototypes, predictions, [target], [recipe], pictures.model.preprocess.size, seed=0)
    own = [assembly for assembly in plan if assembly.baseline == "none"]
    for assembly in own:
        if assembly.reason:
            LOGGER.warning("nothing to combine for the selection %s: %s", assembly.selection, assembly.reason)
    usable = [assembly for assembly in own if not assembly.reason]
    said = component_prediction(pictures.model, usable, pictures.of, {}, precision)
    columns = {"predicted": "int64", "probability": "float64", "match": "bool"}
    return said[["selection", *columns]].astype(columns)
