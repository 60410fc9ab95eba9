"""What fills the card of a class: patches, heatmaps and verdicts, gathered from tables and from the model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.concepts.cards import PATCHES_PER_ROW, Box, ClassCard, ComponentFacts, Heatmap, PatchRow, Verdict
from conceptrast.concepts.class_factorization import class_weights, weighted_rows
from conceptrast.concepts.combined_image import assemble, combined_patches
from conceptrast.concepts.nmf_codes import codes_of
from conceptrast.concepts.patches import BOX, crop
from conceptrast.concepts.prototype_search import SELECTIONS
from conceptrast.concepts.recipes import Recipe
from conceptrast.data.selection import surest_images
from conceptrast.data.view_pixels import pixels
from conceptrast.models.activations import activations_of
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

HEATMAPS_PER_CARD = 3
"""Number of images of the class in which a card shows where the components are."""


@dataclass(frozen=True)
class ClassEvidence:
    """Results for one class and one recipe.

    Attributes:
        target: class index.
        n_images: the number of images that the components come from.
        attribution: image ``[M]``, target ``[M]``, rectified ``[M, h, w]`` and multiplier ``[M, C]``; rows of other
            classes are ignored.
        components: ``[k, C]``.
        prototypes: component, selection, rank, image, top, left, height, width.
        verdicts: selection, predicted, probability, match; chance rows and skipped rows are left out.
        facts: how far each component can be trusted; empty where that was not measured.
    """

    target: int
    n_images: int
    attribution: Mapping[str, np.ndarray]
    components: np.ndarray
    prototypes: pd.DataFrame
    verdicts: pd.DataFrame
    facts: Sequence[ComponentFacts] = ()


@dataclass(frozen=True)
class StudyEvidence:
    """Results for all classes of a study, as its steps write them.

    Attributes:
        attribution: image, target, rectified, multiplier of all shards.
        components: classes, n_images, ``components_<factors>``.
        prototypes: the prototypes of all classes and recipes.
        predictions: image, predicted, probability of all images.
        verdicts: the component predictions of all classes and recipes.
        importance: as :func:`~conceptrast.concepts.importance.importance_table` gives.
        stability: as :func:`~conceptrast.concepts.stability.comes_back` gives.
    """

    attribution: Mapping[str, np.ndarray]
    components: Mapping[str, np.ndarray]
    prototypes: pd.DataFrame
    predictions: pd.DataFrame
    verdicts: pd.DataFrame
    importance: pd.DataFrame
    stability: pd.DataFrame

    def classes(self, recipe: Recipe) -> list[int]:
        """The classes that have components and prototypes by a recipe."""
        with_patches = set(self.prototypes.loc[self.prototypes["recipe"] == recipe.name, "class"].tolist())
        return [target for target in self.components["classes"].tolist() if target in with_patches]

    def matches(self, recipe: Recipe) -> dict[str, tuple[int, int]]:
        """By selection, how many classes the model recognises in their patches, and how many it was asked about."""
        verdicts = self._verdicts(recipe).groupby("selection")["match"]
        return {str(selection): (int(match.sum()), len(match)) for selection, match in verdicts}

    def of_classes(self, recipe: Recipe, targets: Collection[int]) -> Iterator[ClassEvidence]:
        """The results for those of some classes that have components and prototypes by a recipe."""
        prototypes = dict(iter(self.prototypes[self.prototypes["recipe"] == recipe.name].groupby("class")))
        verdicts = self._verdicts(recipe)
        importance, stability = (
            dict(iter(table[table["recipe"] == recipe.name].groupby("class")))
            for table in (self.importance, self.stability)
        )
        for row, target in enumerate(self.components["classes"].tolist()):
            if target not in targets or target not in prototypes:
                continue
            patches = prototypes[target]
            facts = component_facts(
                recipe.components,
                importance.get(target, self.importance[:0]),
                stability.get(target, self.stability[:0]),
            )
            yield ClassEvidence(
                target=target,
                n_images=int(self.components["n_images"][row]),
                attribution=self.attribution,
                components=self.components[f"components_{recipe.factors.key}"][row],
                prototypes=patches,
                verdicts=verdicts[verdicts["class"] == target],
                facts=facts,
            )

    def _verdicts(self, recipe: Recipe) -> pd.DataFrame:
        """The verdicts by a recipe. A card shows no chance rows and no skipped rows."""
        of_recipe = self.verdicts["recipe"] == recipe.name
        return self.verdicts[of_recipe & (self.verdicts["baseline"] == "none") & (self.verdicts["status"] == "ok")]


def component_facts(k: int, importance: pd.DataFrame, stability: pd.DataFrame) -> list[ComponentFacts]:
    """How far each component of a class can be trusted.

    Args:
        k: number of components.
        importance: component, logit_drop, low, high, logit_drop_random, share; rows of one class and recipe.
        stability: component, cosine, back, back_chance, returns; likewise.

    Example:
        >>> importance = pd.DataFrame({"component": [0], "logit_drop": 2.0, "low": 1.0, "high": 3.0,
        ...     "logit_drop_random": 0.5, "share": 0.25})
        >>> stability = pd.DataFrame({"component": [1], "cosine": 0.5, "back": 0.2, "back_chance": 0.1,
        ...     "returns": False})
        >>> facts = component_facts(2, importance, stability)
        >>> facts[0].drop, facts[0].drop_chance, facts[0].cosine, facts[1].drop, facts[1].back_chance
        (2.0, 0.5, None, None, 0.1)
    """
    values: list[dict[str, Any]] = [{} for _ in range(k)]
    for row in importance.to_dict("records"):
        drop = {"drop": float(row["logit_drop"]), "low": float(row["low"]), "high": float(row["high"])}
        beside = {"drop_chance": _number(row["logit_drop_random"]), "share": _number(row["share"])}
        values[int(row["component"])] |= drop | beside
    for row in stability.to_dict("records"):
        numbers = {name: _number(row[name]) for name in ("cosine", "back", "back_chance")}
        values[int(row["component"])] |= numbers | {"returns": bool(row["returns"])}
    return [ComponentFacts(**known) for known in values]


def _number(value: Any) -> float | None:
    """A number of a table; ``None`` for an empty cell."""
    return None if pd.isna(value) else float(value)


def study_cards(
    pictures: Pictures,
    layer: str,
    study: str,
    recipe: Recipe,
    evidence: StudyEvidence,
    targets: Collection[int],
    precision: str = "float32",
) -> Iterator[ClassCard]:
    """The cards of those of some classes that have components and prototypes. One class is in memory at a time.

    Args:
        pictures: the study's images and model.
        layer: the layer where the model is cut.
        study: the name of the study.
        recipe: the recipe whose results the cards show.
        evidence: the results of the study's steps.
        targets: the classes.
        precision: the precision of the heatmaps' activations.
    """
    split = SplitModel(pictures.model, layer)
    for results in evidence.of_classes(recipe, targets):
        yield class_card(
            pictures, split, results, recipe, predictions=evidence.predictions, study=study, precision=precision
        )


def class_card(
    pictures: Pictures,
    split: SplitModel,
    evidence: ClassEvidence,
    recipe: Recipe,
    predictions: pd.DataFrame,
    study: str,
    precision: str = "float32",
) -> ClassCard:
    """Put the card of one class together.

    Args:
        pictures: images and model.
        split: the model, cut at the layer.
        evidence: the results for the class.
        recipe: the recipe by which the patches were cut and combined.
        predictions: image, predicted, probability.
        study: the name of the study, for the header of the card.
        precision: the precision of the heatmaps' activations.

    Returns:
        The card. A selection without a verdict has rows of patches only. A selection without patches is left out.
    """
    # The places of the components, and the views that patches are cut from.
    heatmaps = class_heatmaps(
        pictures, split, evidence, weighting=recipe.weighting, predictions=predictions, precision=precision
    )
    views = pictures.by_id(images_on_card(evidence.prototypes, recipe))

    # Patches and verdict of each selection.
    class_names = pictures.model.class_names
    prediction_of = predictions.set_index("image")
    rows: dict[str, list[PatchRow]] = {}
    verdicts: dict[str, Verdict] = {}
    for selection in SELECTIONS:
        table = evidence.prototypes[evidence.prototypes["selection"] == selection]
        if table.empty:
            continue
        chosen = combined_patches(table, recipe)
        ranks = dict(zip(chosen["component"], chosen["rank"], strict=True))
        rows[selection] = [
            _patch_row(patches, views, prediction_of, class_names, chosen=ranks.get(component))
            for component, patches in table.groupby("component")
        ]
        verdict = evidence.verdicts[evidence.verdicts["selection"] == selection]
        if len(verdict):
            verdicts[selection] = _verdict(verdict.iloc[0], chosen, recipe.layout, class_names, views=views)
    return ClassCard(
        class_index=evidence.target,
        class_name=class_names[evidence.target],
        n_images=evidence.n_images,
        study=study,
        recipe=recipe.name,
        rows=rows,
        verdicts=verdicts,
        heatmaps=heatmaps,
        facts=evidence.facts,
    )


def images_on_card(prototypes: pd.DataFrame, recipe: Recipe) -> np.ndarray:
    """Ids of the images that a card needs: the images of the patches that it shows or combines."""
    images = [prototypes[prototypes["rank"] < PATCHES_PER_ROW]["image"]]
    for _, table in prototypes.groupby("selection"):
        images.append(combined_patches(table, recipe)["image"])
    return np.unique(np.concatenate(images))


def class_heatmaps(
    pictures: Pictures,
    split: SplitModel,
    evidence: ClassEvidence,
    weighting: str,
    predictions: pd.DataFrame,
    precision: str = "float32",
) -> list[Heatmap]:
    """Heatmaps of the class's components over the images that the model is surest of.

    Args:
        pictures: images and model.
        split: the model, cut at the layer.
        evidence: the results for the class.
        weighting: the weighting that the components were made with.
        predictions: image, probability.
        precision: the precision of the activations.
    """
    # The weights of every image of the class.
    of_class = evidence.attribution["target"] == evidence.target
    attribution = {name: values[of_class] for name, values in evidence.attribution.items()}
    images = attribution["image"]
    weights = class_weights(attribution, weighting)
    weights_by_image = dict(
        zip(images.tolist(), np.broadcast_to(weights, (len(images), *weights.shape[1:])), strict=True)
    )

    # The images that the model is surest of.
    surest = surest_images(predictions, images, HEATMAPS_PER_CARD)

    # Where the components are in them.
    heatmaps = []
    for ids, views in pictures.of(surest):
        for _, activations in activations_of(pictures.model, split, [(ids, views)], precision):
            heatmaps += [
                heatmap(view, activation, weights_by_image[int(image)], evidence.components)
                for image, view, activation in zip(ids, views, activations, strict=True)
            ]
    return heatmaps


def heatmap(view: Tensor, activations: Tensor, weights: np.ndarray, components: np.ndarray) -> Heatmap:
    """Show where the components are in one image: the codes of its weighted activations.

    The weights are divided by the highest weight given. Weights of positions belong to the image and differ between
    images by orders of magnitude. Without the division, an image full of objects would look empty beside an image whose
    object fills a single position. So these maps can be compared within one image only. Weights of channels belong to
    the class. All its images are divided by the same number, so their maps can be compared.

    Args:
        view: uint8 ``[3, H, W]``.
        activations: ``[C, h, w]``.
        weights: ``[1, h, w]`` or ``[C, 1, 1]``; see :func:`conceptrast.concepts.class_factorization.class_weights`.
        components: ``[k, C]``.

    Returns:
        The picture, and one map ``[h, w]`` for each component, in units of the layer's activations per unit of the
        component.

    Example:
        >>> view, activations = torch.zeros(3, 4, 4, dtype=torch.uint8), torch.ones(2, 1, 2)
        >>> heatmap(view, activations, np.array([[[0.0, 2.0]]]), np.array([[1.0, 1.0]])).maps.round(3).tolist()
        [[[0.0, 1.0]]]
    """
    relative = weights / max(float(weights.max()), np.finfo(np.float32).tiny)
    rows, _ = weighted_rows(activations[None].cpu(), relative[None], rectify=bool((components >= 0).all()))
    codes = codes_of(rows, components)
    return Heatmap(picture=pixels(view), maps=codes.T.reshape(-1, *activations.shape[1:]))


def patch_of(row: pd.Series, views: Mapping[int, Tensor]) -> Tensor:
    """The patch of a row, cut from its view.

    Args:
        row: image, top, left, height, width.
        views: ``[3, H, W]`` by image id.

    Returns:
        ``[3, h, w]``.

    Example:
        >>> row = pd.Series({"image": 4, "top": 0, "left": 1, "height": 1, "width": 2})
        >>> patch_of(row, {4: torch.arange(9).reshape(1, 3, 3)}).tolist()
        [[[1, 2]]]
    """
    top, left, height, width = (int(row[side]) for side in BOX)
    return crop(views[int(row["image"])], (top, left, height, width))


def tiles(patches: Tensor, combined: Tensor) -> list[Box]:
    """The place of each patch in the combined image, row by row, as fractions of the image's sides.

    Args:
        patches: ``[k, 3, ph, pw]``.
        combined: ``[3, H, W]``, as :func:`~conceptrast.concepts.combined_image.assemble` makes it.

    Example:
        >>> tiles(torch.zeros(2, 3, 4, 4), torch.zeros(3, 8, 4))
        [(0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 0.5, 1.0)]
    """
    height, width = (patches.shape[axis] / combined.shape[axis - 1] for axis in (2, 3))
    columns = round(1 / width)
    return [(place // columns * height, place % columns * width, height, width) for place in range(len(patches))]


def _patch_row(
    patches: pd.DataFrame,
    views: Mapping[int, Tensor],
    prediction_of: pd.DataFrame,
    class_names: Sequence[str],
    chosen: int | None,
) -> PatchRow:
    """The patches of one component; ``chosen`` is the rank of the patch that is combined."""
    patches = patches.sort_values("rank")
    best = patches.iloc[0]
    prediction = prediction_of.loc[best["image"]]
    top, left, height, width = (int(best[side]) for side in BOX)
    return PatchRow(
        patches=[pixels(patch_of(row, views)) for _, row in patches.head(PATCHES_PER_ROW).iterrows()],
        source=pixels(views[int(best["image"])]),
        box=(top, left, height, width),
        predicted=class_names[int(prediction["predicted"])],
        probability=float(prediction["probability"]),
        chosen=chosen,
    )


def _verdict(
    verdict: pd.Series, chosen: pd.DataFrame, layout: str, class_names: Sequence[str], views: Mapping[int, Tensor]
) -> Verdict:
    """The combined image of the chosen patches, and what its row of the component predictions says."""
    patches = torch.stack([patch_of(row, views) for _, row in chosen.iterrows()])
    combined = assemble(patches, layout)
    return Verdict(
        picture=pixels(combined),
        tiles=tiles(patches, combined),
        predicted=class_names[int(verdict["predicted"])],
        probability=float(verdict["probability"]),
        match=bool(verdict["match"]),
    )
