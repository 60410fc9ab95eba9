"""Why one class and not another? A hyperplane between two classes, and the concepts on either side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from conceptrast.api.evidence import Attributions, Evidence
from conceptrast.api.result import Result
from conceptrast.base.errors import ConceptrastError, ConfigError, refuse_outside, unknown_name
from conceptrast.concepts.attributed_images import by_class
from conceptrast.concepts.class_prototypes import Sought, set_prototypes
from conceptrast.concepts.recipes import Recipe
from conceptrast.concepts.verdict_error import FEW_IMAGES
from conceptrast.contrast.card_evidence import ContrastEvidence, contrast_card, facts_of
from conceptrast.contrast.cards import ContrastCard
from conceptrast.contrast.components import by_side, contrast_sets, patches_of_pair, set_names, set_owners
from conceptrast.contrast.features import MAPS, THRESHOLD, Features, features_of_classes
from conceptrast.contrast.hyperplane_fit import fit_pairs
from conceptrast.contrast.hyperplane_solvers import Solver
from conceptrast.contrast.hyperplanes import NO_PLANE, Hyperplane
from conceptrast.contrast.pairs import Pair, named_pairs
from conceptrast.contrast.shift import ShiftOptions, pair_outcomes
from conceptrast.counterfactual.directions import Direction
from conceptrast.figures.contrast_card import draw_contrast_card

ZERO = Solver("zero")


@dataclass(frozen=True)
class ContrastOptions:
    """How two classes are contrasted.

    Args:
        recipe: the recipe, for the number of components, and how patches are pooled and cut.
        solver: how the hyperplane is fitted.
        maps: ``raw`` or ``rectified`` channel means choose the positions whose activations are features.
        threshold: share of a picture's largest attribution that a position has to exceed.
        heldout: share of each class's pictures that the hyperplane is not fitted with.

    Raises:
        ConfigError: there is no such map, or a number cannot be.
    """

    recipe: Recipe
    solver: Solver = ZERO
    maps: str = "raw"
    threshold: float = THRESHOLD
    heldout: float = 0.25

    def __post_init__(self) -> None:
        if self.maps not in MAPS:
            raise ConfigError(unknown_name("map", self.maps, MAPS))
        if not isinstance(self.solver, Solver):
            raise ConfigError(f"solver is a conceptrast.contrast.hyperplane_solvers.Solver; got {self.solver!r}")
        refuse_outside("threshold", self.threshold, 0, 1)
        refuse_outside("heldout", self.heldout, 0, 0.9)


@dataclass(frozen=True, repr=False)
class Contrast(Result):
    """Why one class and not another: the answer of :meth:`Study.contrast <conceptrast.api.study.Study.contrast>`.

    Attributes:
        class_names: A and B.
        layer: the layer where the model was looked into.
        hyperplane: between the features of both; its normal points from A to B.
        accuracy: train_accuracy and heldout_accuracy, shares of features on their own side.
        n_images: the numbers of images of A and of B that were used.
        components: by side (``for``: speaks for A and against B; ``against``: the other way round) ``[k, C]`` float32,
            strongest first.
        strength: by side ``[k]``, each component's share of the activation on that side.
        prototypes: side, component, rank, image, top, left, height, width, similarity, path.
        shift: from_class, to_class, baseline, offset, p_from, p_to: mean probabilities while images of one class are
            shifted towards the other, both ways.
        card: all that :meth:`plot` draws.
    """

    class_names: tuple[str, str]
    layer: str
    hyperplane: Hyperplane
    accuracy: Mapping[str, float]
    n_images: tuple[int, int]
    components: Mapping[str, np.ndarray]
    strength: Mapping[str, np.ndarray]
    prototypes: pd.DataFrame
    shift: pd.DataFrame
    card: ContrastCard

    def plot(self) -> Figure:
        """Why A and not B, as the workflow draws it."""
        return draw_contrast_card(self.card)

    def table(self) -> pd.DataFrame:
        """One row for each direction: images, the plane's accuracy and length, and the effect of the best shift.

        Columns from, to, layer, n_images (of ``from``), train_accuracy, heldout_accuracy, normal_length, baseline,
        before and after (probability of ``to``), offset (the smallest that swaps), factor, swapped.
        """
        outcomes = pair_outcomes(self.shift.assign(draw=0, hyperplane=""))
        names = dict(zip(outcomes["from_class"].drop_duplicates(), self.class_names, strict=True))
        counts = dict(zip(self.class_names, self.n_images, strict=True))
        ends = {end: outcomes[f"{end}_class"].map(names) for end in ("from", "to")}
        head = pd.DataFrame(ends).assign(layer=self.layer, n_images=ends["from"].map(counts))
        head = head.assign(**self.accuracy, normal_length=self.hyperplane.length)
        return pd.concat([head, outcomes[["baseline", "before", "after", "offset", "factor", "swapped"]]], axis=1)

    def direction(self) -> Direction:
        """The normal, as a direction that a picture of A can be moved along towards B."""
        origin = f"{self.class_names[0]} to {self.class_names[1]}"
        return Direction("hyperplane", origin, self.layer, torch.as_tensor(self.hyperplane.normal))

    def __str__(self) -> str:
        lines = [f"{self.class_names[0]} and not {self.class_names[1]} at {self.layer}"]
        shares = [f"{name.removesuffix('_accuracy')} {value:.2f}" for name, value in self.accuracy.items()]
        counts = " and ".join(f"{n} of {name}" for name, n in zip(self.class_names, self.n_images, strict=True))
        lines.append(f"  hyperplane from {counts} images: accuracy {', '.join(shares)}")
        table = self.table()
        for row in table.to_dict("records"):
            outcome = f"swapped at offset {row['offset']:g}" if row["swapped"] else "not swapped"
            change = f"p({row['to']}) {row['before']:.2g} → {row['after']:.2g} at most"
            if row["baseline"] == "none":
                lines.append(f"  {row['from']} shifted: {change}, {outcome}")
            else:
                lines.append(f"    chance, in a random direction: {change}, {outcome}")
        if min(self.n_images) < FEW_IMAGES:
            lines.append(f"  fewer than {FEW_IMAGES} images of a class: other images may say something else")
        return "\n".join(lines)


def pair_of(evidence: Evidence, first: str | int, second: str | int) -> Pair:
    """Class indices of two classes by name or index.

    Raises:
        ConfigError: there is no such class, or they are the same.
    """
    [pair] = named_pairs(evidence.model, [[first, second]])
    return pair


def contrast(evidence: Evidence, pair: Pair, options: ContrastOptions) -> Contrast:
    """Find what tells two classes apart: a hyperplane between them, and the concepts on either side.

    Args:
        evidence: the evidence of the study.
        pair: class indices of A and B.
        options: the options of the question.

    Raises:
        LayerError: the layer's activations cannot be used.
        ConceptrastError: too few pictures are predicted as a class, a class has no features, or no plane separates the
            classes.
    """
    # The plane between both classes.
    seed = evidence.options.seed
    images = {target: evidence.class_images(target) for target in pair}
    attribution = evidence.joint_attribution(images)
    features = features_of_pair(evidence, attribution, options)
    parts = {target: rows.split(target, options.heldout, seed) for target, rows in features.items()}
    plane, accuracy = plane_of_pair(evidence, parts, pair, options.solver)

    # The concepts on either side of it.
    classes = by_class(evidence.activations(attribution["image"], ""), attribution["target"])
    sets = contrast_sets(
        ((target, activations) for target, activations, _ in classes),
        {"none": {pair: plane}},
        n_components=options.recipe.components,
        seed=seed,
        rectify=evidence.options.rectify,
        names=evidence.model.class_names,
    )
    if len(sets["skipped_reason"]):
        raise ConceptrastError(str(sets["skipped_reason"][0]))
    patches = set_prototypes(
        evidence.all_activations("searching patches"),
        evidence.picture_set.predicted,
        owners=set_owners(sets),
        components={options.recipe: Sought(sets["components"])},
        view=evidence.model.preprocess.size,
        rectify=evidence.options.rectify,
    )
    prototypes = patches_of_pair(set_names(sets, patches), pair)
    strength = by_side(sets, "strength", pair)

    # The card, with what a shift across the plane does.
    card = contrast_card(
        evidence.pictures,
        evidence.split,
        ContrastEvidence(pair=pair, hyperplane=plane, images=images, strength=strength, prototypes=prototypes),
        predictions=evidence.predictions,
        study=evidence.source,
        facts=facts_of(plane, accuracy),
        options=ShiftOptions(seed=seed, precision=evidence.options.precision),
    )
    curves = [side.curve.rename(columns={"p_own": "p_from", "p_other": "p_to"}) for side in card.sides.values()]
    names = evidence.model.class_names
    columns = prototypes.drop(columns=["first", "second", "baseline", "recipe", "selection"])
    return Contrast(
        class_names=(names[pair[0]], names[pair[1]]),
        layer=evidence.layer,
        hyperplane=plane,
        accuracy=accuracy,
        n_images=(len(images[pair[0]]), len(images[pair[1]])),
        components=by_side(sets, "components", pair),
        strength=strength,
        prototypes=columns.merge(evidence.pictures.table[["image", "path"]], on="image"),
        shift=pd.concat(curves, ignore_index=True).drop(columns="hyperplane"),
        card=card,
    )


def features_of_pair(evidence: Evidence, attribution: Attributions, options: ContrastOptions) -> dict[int, Features]:
    """Features of both classes.

    Raises:
        ConceptrastError: a class has none; the message says why.
    """
    names = evidence.model.class_names
    activations = evidence.activations(attribution["image"], "gathering features")
    arrays = features_of_classes(
        by_class(activations, attribution["target"]),
        attribution,
        names,
        maps=options.maps,
        threshold=options.threshold,
    )
    targets = arrays["classes"].tolist()
    for target, reason in zip(targets, arrays["reason"].tolist(), strict=True):
        if reason:
            raise ConceptrastError(f"{names[target]} cannot be contrasted: {reason}")
    return {target: Features(arrays[f"vectors_{target}"], arrays[f"images_{target}"]) for target in targets}


def plane_of_pair(
    evidence: Evidence, features: Mapping[int, tuple[np.ndarray, np.ndarray]], pair: Pair, solver: Solver
) -> tuple[Hyperplane, dict[str, float]]:
    """The hyperplane of one pair, and its accuracies.

    Raises:
        ConceptrastError: no plane separates the classes.
    """
    arrays = fit_pairs(features, [pair], solver, seed=evidence.options.seed, precision=evidence.options.precision)
    if not len(arrays["first"]):
        raise ConceptrastError(NO_PLANE)
    accuracy = {name: float(values[0]) for name, values in arrays.items() if name.endswith("_accuracy")}
    return Hyperplane(arrays["normals"][0], float(arrays["biases"][0])), accuracy
