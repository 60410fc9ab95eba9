"""What does a class consist of? Its concepts with their best patches, and a test whether the model agrees."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from PIL import Image

from conceptrast.api.application import Applicable, Application
from conceptrast.api.components import factorization_of_class
from conceptrast.api.evidence import Attributions, Evidence
from conceptrast.api.importance import image_importance
from conceptrast.api.result import Result
from conceptrast.api.stability import match_samples
from conceptrast.base.errors import ConceptrastError
from conceptrast.concepts.card_evidence import ClassEvidence, class_card, component_facts
from conceptrast.concepts.cards import ClassCard
from conceptrast.concepts.class_prototypes import class_prototypes, set_prototypes, sought
from conceptrast.concepts.component_prediction import Assembly, component_prediction, plan_assemblies
from conceptrast.concepts.crop_similarity import study_whitening
from conceptrast.concepts.exchange import class_candidates, compared_again
from conceptrast.concepts.importance import importance_table
from conceptrast.concepts.recipes import Recipe
from conceptrast.concepts.removals import RemovalOptions
from conceptrast.concepts.stability import comes_back
from conceptrast.concepts.verdict_error import (
    FEW_IMAGES,
    chance_assemblies,
    resampled_assemblies,
    resampled_components,
    verdict_errors,
)
from conceptrast.concepts.whitening import Whitening
from conceptrast.figures.class_card import draw_class_card

LOGGER = logging.getLogger("conceptrast")


@dataclass(frozen=True, repr=False)
class Explanation(Result):
    """What a class consists of: the answer of :meth:`Study.explain <conceptrast.api.study.Study.explain>`.

    Attributes:
        class_name: the class.
        class_index: its output.
        layer: the layer where the model was looked into.
        recipe: how patches were cut and combined.
        n_images: images predicted as the class that were used.
        components: ``[k, C]`` float32, the concepts as directions among the layer's channels.
        importance: of each component, as :func:`~conceptrast.concepts.importance.importance_table` gives.
        stability: whether each comes back, as :func:`~conceptrast.concepts.stability.comes_back` gives; no rows if the
            class has one image.
        prototypes: component, selection, rank, image, top, left, height, width, similarity, path.
        prediction: selection, predicted, probability (of the class), match: what the model says of the combined images;
            beside it chance and resampled images, see :func:`~conceptrast.concepts.verdict_error.verdict_errors`.
        completeness_gap: relative, the median over the images; 0 if the attribution adds up exactly.
        reconstruction_error: the relative part of the attributed activations that the components miss.
        card: all that :meth:`plot` draws.
        applicable: what :meth:`apply` looks at new pictures with.
    """

    class_name: str
    class_index: int
    layer: str
    recipe: Recipe
    n_images: int
    components: np.ndarray
    importance: pd.DataFrame
    stability: pd.DataFrame
    prototypes: pd.DataFrame
    prediction: pd.DataFrame
    completeness_gap: float
    reconstruction_error: float
    card: ClassCard
    applicable: Applicable

    def apply(self, picture: Image.Image | Path | str) -> Application:
        """Look at a new picture with the components of the class.

        Args:
            picture: a file, or a PIL image.

        Returns:
            Where each component is in it, what the class loses without it there, and how unlike the class's images the
            picture is: see :mod:`conceptrast.concepts.outliers`.

        Raises:
            DataError: the file is no picture.
        """
        return self.applicable.apply(picture)

    @property
    def patches(self) -> dict[str, list[list[np.ndarray]]]:
        """By selection and component the best patches, best first: ``[h, w, 3]`` uint8."""
        return {name: [list(row.patches) for row in rows] for name, rows in self.card.rows.items()}

    @property
    def assembled(self) -> dict[str, np.ndarray]:
        """By selection the combined image ``[H, W, 3]`` uint8."""
        return {name: verdict.picture for name, verdict in self.card.verdicts.items()}

    def _stability(self) -> str:
        """Which components come back in redrawn images, in words."""
        if self.stability.empty:
            return "one image: whether components come back in redrawn images is not known"
        lost = [str(component + 1) for component in self.stability.loc[~self.stability["returns"], "component"]]
        if lost:
            return f"not in redrawn images: component {', '.join(lost)}"
        return "all components come back in redrawn images"

    def plot(self) -> Figure:
        """The card of the class, as the workflow draws it."""
        return draw_class_card(self.card)

    def table(self) -> pd.DataFrame:
        """:attr:`prediction` with what it rests on, one row per selection."""
        facts: dict[str, Any] = {
            "class": self.class_index,
            "class_name": self.class_name,
            "layer": self.layer,
            "recipe": self.recipe.name,
            "n_images": self.n_images,
        }
        errors = {"completeness_gap": self.completeness_gap, "reconstruction_error": self.reconstruction_error}
        table = self.prediction.assign(**facts, **errors)
        return table[[*facts, *self.prediction.columns, *errors]]

    def components_table(self) -> pd.DataFrame:
        """Importance and stability, one row per component, the most important first.

        The cells of stability are empty if the class has one image.
        """
        table = self.importance.merge(self.stability.drop(columns=["class", "recipe"]), on="component", how="left")
        return table.sort_values("rank").reset_index(drop=True)

    def __str__(self) -> str:
        lines = [f"{self.class_name} (class {self.class_index}) at {self.layer}: {self.n_images} images"]
        if self.n_images < FEW_IMAGES:
            lines.append(f"  fewer than {FEW_IMAGES} images: other images of the class may say something else")
        for row in self.prediction.to_dict("records"):
            answer = f"{row['selection']}: {row['predicted']}, p({self.class_name}) = {row['probability']:.2f}"
            lines.append(f"  {answer}, {'match' if row['match'] else 'no match'}")
            chance = f"chance: {100 * row['chance']:.0f} % of {row['chance_draws']} images of random patches match"
            again = "none had enough patches"
            if row["resamples"] > 0:
                matches = f"{100 * row['stable']:.0f} % of {row['resamples']} match"
                again = f"p {row['low']:.2f} to {row['high']:.2f}, {matches}"
            lines.append(f"    {chance}; images of the class resampled: {again}")
        first = self.importance.sort_values("rank").iloc[0]
        share = f", {100 * first['share']:.0f} % of what all carry" if pd.notna(first["share"]) else ""
        lines.append(
            f"  component {first['component'] + 1} matters most: its logit loses {first['logit_drop']:.1f}{share}"
        )
        lines.append(f"  {self._stability()}")
        return "\n".join(lines)


def explain(evidence: Evidence, target: int, recipe: Recipe, draws: int) -> Explanation:
    """Find the concepts by which a model recognises a class, their best patches, and test them combined.

    Args:
        evidence: the evidence of the study.
        target: class index.
        recipe: how patches are cut and combined.
        draws: draws of other pictures with which its components are compared, see :mod:`conceptrast.api.stability`.

    Raises:
        LayerError: the layer's activations cannot be used.
        ConceptrastError: no picture or only one is predicted as the class, or the attribution leaves nothing to
            factorize.
    """
    # What the class is made of.
    if len(evidence.class_images(target)) == 1:
        raise ConceptrastError(
            f"only one of {len(evidence.predictions)} pictures is predicted as {evidence.model.class_names[target]!r}: "
            f"what a class consists of needs 2 pictures of it, and {FEW_IMAGES} to rest on"
        )
    of_class = factorization_of_class(evidence, target, recipe)
    components = of_class.components
    n_images = len(of_class.attribution["image"])

    # The patches of all pictures that show it.
    vectors = {recipe: sought(recipe, of_class.sets, whitening_for(evidence, recipe))}
    prototypes = class_prototypes(
        evidence.all_activations("searching patches"),
        evidence.picture_set.predicted,
        of_class.sets["classes"],
        vectors,
        view=evidence.model.preprocess.size,
        rectify=evidence.options.rectify,
    )
    prototypes = class_candidates(
        prototypes,
        of_class.sets["classes"],
        vectors,
        pictures=evidence.pictures,
        split=evidence.split,
        precision=evidence.options.precision,
    )

    # How far they can be trusted.
    options = RemovalOptions(fidelity=False, seed=evidence.options.seed)
    importance = importance_table(image_importance(evidence, of_class, options))
    stability = comes_back(match_samples(evidence, of_class, draws))

    # What the model says of them.
    verdicts = verdicts_of(evidence, prototypes, of_class.attribution, target=target, recipe=recipe)
    names = np.array(evidence.model.class_names, dtype=object)
    paths = evidence.pictures.table[["image", "path"]]
    return Explanation(
        class_name=evidence.model.class_names[target],
        class_index=target,
        layer=evidence.layer,
        recipe=recipe,
        n_images=n_images,
        components=components,
        importance=importance,
        stability=stability,
        prototypes=prototypes.drop(columns=["class", "recipe"]).merge(paths, on="image"),
        prediction=verdicts.assign(predicted=names[verdicts["predicted"].to_numpy()].tolist()),
        completeness_gap=float(np.median(of_class.attribution["completeness_gap"])),
        reconstruction_error=of_class.reconstruction_error,
        card=class_card(
            evidence.pictures,
            evidence.split,
            ClassEvidence(
                target=target,
                n_images=n_images,
                attribution=of_class.attribution,
                components=components,
                prototypes=prototypes,
                verdicts=verdicts,
                facts=component_facts(recipe.components, importance, stability),
            ),
            recipe,
            predictions=evidence.predictions,
            study=evidence.source,
            precision=evidence.options.precision,
        ),
        applicable=Applicable.of(evidence, of_class),
    )


def verdicts_of(
    evidence: Evidence, prototypes: pd.DataFrame, attribution: Attributions, target: int, recipe: Recipe
) -> pd.DataFrame:
    """What the model says of the combined images, and how sure that is.

    Returns:
        selection, predicted (index), probability, match, and the columns of
        :func:`~conceptrast.concepts.verdict_error.verdict_errors`. A selection in which there are too few patches is
        left out, with a warning.
    """
    # Which patches are combined.
    view = evidence.model.preprocess.size
    seed = evidence.options.seed
    plan = plan_assemblies(prototypes, evidence.predictions, classes=[target], recipes=[recipe], view=view, seed=seed)
    assemblies = []
    for assembly in plan:
        if assembly.baseline == "none" and assembly.reason:
            LOGGER.warning("nothing to combine for the selection %s: %s", assembly.selection, assembly.reason)
        elif assembly.baseline == "none":
            assemblies.append(assembly)
    # What the model says of the combined images.
    rows = component_prediction(
        evidence.model, assemblies, views_of=evidence.pictures.of, n_images={}, precision=evidence.options.precision
    )
    columns = {"predicted": "int64", "probability": "float64", "match": "bool"}
    verdicts = rows[["selection", *columns]].astype(columns)
    # Chance, and resampled images of the class.
    chance = chance_assemblies(assemblies, evidence.predictions, view, seed)
    again = resampled_verdicts(evidence, attribution, target, recipe)
    selections = {assembly.selection for assembly in assemblies}
    errors = verdict_errors(
        evidence.model,
        [*chance, *(assembly for assembly in again if assembly.selection in selections)],
        views_of=evidence.pictures.of,
        precision=evidence.options.precision,
    )
    return verdicts.merge(errors, on="selection", how="left")


def resampled_verdicts(evidence: Evidence, attribution: Attributions, target: int, recipe: Recipe) -> list[Assembly]:
    """The combined images of resamples of the class's images."""
    rectify = evidence.options.rectify
    activations = torch.cat([values for _, values in evidence.activations(attribution["image"], "")])
    sets = resampled_components(
        activations, attribution, recipe, target=target, seed=evidence.options.seed, rectify=rectify
    )
    vectors = sought(recipe, sets, whitening_for(evidence, recipe))

    prototypes = set_prototypes(
        evidence.all_activations("searching patches of resampled images"),
        evidence.picture_set.predicted,
        owners=np.full(len(sets["classes"]), target),
        components={recipe: vectors},
        view=evidence.model.preprocess.size,
        rectify=rectify,
        k=recipe.components,
    )
    if recipe.candidates and len(prototypes):
        prototypes = compared_again(
            prototypes,
            prototypes["set"].to_numpy(),
            recipe,
            vectors,
            pictures=evidence.pictures,
            split=evidence.split,
            precision=evidence.options.precision,
        )
    return resampled_assemblies(prototypes, target, recipe)


def whitening_for(evidence: Evidence, recipe: Recipe) -> Whitening | None:
    """The whitening of the study's activations, if the recipe compares whitened ones."""
    return study_whitening(
        evidence.pictures,
        evidence.split,
        evidence.picture_set.ids,
        [recipe],
        rectify=evidence.options.rectify,
        precision=evidence.options.precision,
    )
