"""Contrast two classes of a model from Python: why A, and why not B?

The same functions as the workflow's steps, in their order, for one pair and in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import nn

from conceptrast.api.explain import as_model, images_of, recipe_named
from conceptrast.attribution import METHODS
from conceptrast.attribution.images import attribute_images
from conceptrast.base.errors import ConceptrastError, ConfigError, unknown_name
from conceptrast.base.registry import resolve
from conceptrast.concepts.attributed_images import by_class
from conceptrast.concepts.class_prototypes import set_prototypes
from conceptrast.concepts.recipes import Recipe
from conceptrast.contrast.card_evidence import ContrastEvidence, contrast_card, facts_of
from conceptrast.contrast.cards import ContrastCard
from conceptrast.contrast.components import contrast_sets, of_pair, patches_of_pair, set_names, set_owners
from conceptrast.contrast.features import MAPS, THRESHOLD, Features, features_of_classes
from conceptrast.contrast.hyperplane_fit import fit_pairs
from conceptrast.contrast.hyperplane_solvers import Solver
from conceptrast.contrast.hyperplanes import NO_PLANE, Hyperplane
from conceptrast.contrast.images import class_activations
from conceptrast.contrast.pairs import Pair, named_pairs
from conceptrast.contrast.shift import ShiftSettings, pair_outcomes
from conceptrast.data.loose_pictures import AnyPictures, as_dataset
from conceptrast.figures.contrast_card import draw_contrast_card
from conceptrast.models.activations import activations_of
from conceptrast.models.inference import autocast, predict
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

ZERO = Solver("zero")


@dataclass(frozen=True)
class Contrast:
    """What :func:`contrast_classes` found.

    Attributes:
        class_names: A and B.
        layer: where the model was looked into.
        hyperplane: between the features of both; its normal points from A to B.
        accuracy: train_accuracy and heldout_accuracy, shares of features on their own side.
        n_images: of A and of B that were used.
        components: by side (``for``: speaks for A and against B; ``against``: the other way round) ``[k, C]`` float32,
            strongest first.
        strength: by side ``[k]``, share of the activation on that side that each component accounts for.
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
        """One row a direction: images, the plane's accuracy and length, and what the best shift does.

        Columns from, to, layer, n_images (of ``from``), train_accuracy, heldout_accuracy, normal_length, baseline,
        before and after (probability of ``to``), offset (the best), factor, swapped.
        """
        found = pair_outcomes(self.shift.assign(draw=0, hyperplane=""))
        names = dict(zip(found["from_class"].drop_duplicates(), self.class_names, strict=True))
        counts = dict(zip(self.class_names, self.n_images, strict=True))
        ends = {end: found[f"{end}_class"].map(names) for end in ("from", "to")}
        head = pd.DataFrame(ends).assign(layer=self.layer, n_images=ends["from"].map(counts))
        head = head.assign(**self.accuracy, normal_length=self.hyperplane.length)
        return pd.concat([head, found[["baseline", "before", "after", "offset", "factor", "swapped"]]], axis=1)

    def __str__(self) -> str:
        lines = [f"{self.class_names[0]} and not {self.class_names[1]} at {self.layer}"]
        said = ", ".join(f"{name.removesuffix('_accuracy')} {value:.2f}" for name, value in self.accuracy.items())
        counts = " and ".join(f"{n} of {name}" for name, n in zip(self.class_names, self.n_images, strict=True))
        lines.append(f"  hyperplane from {counts} images: accuracy {said}")
        table = self.table()
        for row in table[table["baseline"] == "none"].to_dict("records"):
            what = "swapped" if row["swapped"] else "not swapped"
            change = f"p({row['to']}) {row['before']:.2g} → {row['after']:.2g}"
            lines.append(f"  {row['from']} shifted by {row['offset']:g}: {change}, {what}")
        return "\n".join(lines)


def contrast_classes(
    model: Model | nn.Module,
    images: AnyPictures,
    first: str | int,
    second: str | int,
    layer: str,
    *,
    solver: Solver = ZERO,
    recipe: str | Recipe = "recommended",
    method: str = "deeplift",
    maps: str = "raw",
    threshold: float = THRESHOLD,
    heldout: float = 0.25,
    samples: int = 5,
    noise: float = 0.25,
    images_per_class: int = 60,
    seed: int = 0,
    rectify: bool = False,
    precision: str = "float32",
    batch_size: int = 32,
    preprocess: Preprocess | None = None,
    class_names: Sequence[str] | None = None,
) -> Contrast:
    """Find what tells two classes apart for ``model``: a hyperplane between them, and the concepts on either side.

    Args:
        model: a :class:`~conceptrast.models.model.Model`, or a bare network together with ``preprocess``.
        images: one picture (a file, or a PIL image), a folder (any nesting), a list of files or of PIL images, or a
            dataset and rows of its index.
        first: class A, by name or index.
        second: class B.
        layer: where the model is looked into, e.g. ``layer3.5``.
        solver: how the hyperplane is fitted.
        recipe: for the number of components, and how patches are pooled and cut.
        method: attribution: ``deeplift``, ``integrated_gradients`` or ``gradient_x_activation``.
        maps: ``raw`` or ``rectified`` channel means choose the positions whose activations are features.
        threshold: share of an image's largest attribution that a position has to exceed.
        heldout: share of each class's images that the hyperplane is not fitted with.
        samples: noisy copies of each image; 0 attributes the image itself.
        noise: their standard deviation, in normalised units.
        images_per_class: at most so many images of each class are used.
        seed: of everything random.
        rectify: whether negative activations become zero for the components; else they are an error.
        precision: ``float32`` or ``bfloat16``.
        batch_size: images, or noisy copies, in a batch.
        preprocess: how pictures become the input of a bare network.
        class_names: of a bare network's outputs; numbers if not given.

    Returns:
        The contrast; ``.plot()`` draws it, ``.table()`` says what it rests on.

    Raises:
        ModelError: a bare network without ``preprocess``.
        LayerError: there is no such layer, or its activations cannot be used.
        ConfigError: unknown class, recipe, method, map or precision, or the same class twice.
        DataError: no usable picture.
        ConceptrastError: a class that too few pictures are predicted as, or without features; no plane separates them.

    Example:
        >>> from PIL import Image
        >>> network = nn.Sequential(nn.AvgPool2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        >>> pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "darkred", "navy")]
        >>> contrast = contrast_classes(
        ...     network, pictures, "red", "blue", layer="1", recipe=Recipe("one", components=1), samples=0,
        ...     preprocess=Preprocess(8, 8, (0.0,) * 3, (0.25,) * 3), class_names=["red", "green", "blue"])
        >>> contrast.accuracy["heldout_accuracy"], (contrast.hyperplane.normal > 0).tolist()
        (1.0, [False, False, True])
    """
    whole, cut = as_model(model, preprocess, class_names), recipe_named(recipe)
    [pair] = named_pairs(whole, [[first, second]])
    split = SplitModel(whole, layer)
    # A wrong name costs nothing here, and the time of a pass over all pictures later.
    resolve("attribution method", method, METHODS)
    autocast(precision)
    if maps not in MAPS:
        raise ConfigError(unknown_name("map", maps, MAPS))
    dataset, table = as_dataset(images)
    pictures = Pictures(dataset, table, whole, batch_size)
    predictions = predict(whole, pictures.of(table["image"].to_numpy(), "predicting"), precision)
    chosen = {target: images_of(predictions, whole, target, images_per_class, seed) for target in pair}
    attribution = attribute_images(
        whole, layer, pictures.of(np.concatenate(list(chosen.values())), "attributing"),
        {int(image): target for target, found in chosen.items() for image in found},
        method=method, samples=samples, noise=noise, seed=seed, precision=precision, batch_size=batch_size,
    )  # fmt: skip
    features = _features(pictures, split, attribution, maps, threshold, precision)
    parts = {target: found.split(target, heldout, seed) for target, found in features.items()}
    plane, accuracy = _plane(parts, pair, solver, seed, precision)
    sets = contrast_sets(
        class_activations(pictures, split, chosen, precision, "contrasting"), {"none": {pair: plane}}, cut.components,
        seed, rectify,
    )  # fmt: skip
    if len(sets["skipped_reason"]):
        raise ConceptrastError(str(sets["skipped_reason"][0]))
    found = set_prototypes(
        activations_of(whole, split, pictures.of(table["image"].to_numpy(), "searching patches"), precision),
        dict(zip(predictions["image"].tolist(), predictions["predicted"].tolist(), strict=True)),
        set_owners(sets), {cut: sets["components"]}, whole.preprocess.size, rectify,
    )  # fmt: skip
    prototypes, strength = patches_of_pair(set_names(sets, found), pair), of_pair(sets, "strength", pair)
    card = contrast_card(
        pictures,
        split,
        ContrastEvidence(pair=pair, hyperplane=plane, images=chosen, strength=strength, prototypes=prototypes),
        predictions,
        study=f"{whole.name} at {layer}",
        facts=facts_of(plane, accuracy),
        settings=ShiftSettings(seed=seed, precision=precision),
    )
    curves = [side.curve.rename(columns={"p_own": "p_from", "p_other": "p_to"}) for side in card.sides.values()]
    kept = prototypes.drop(columns=["first", "second", "baseline", "recipe", "selection"])
    return Contrast(
        (whole.class_names[pair[0]], whole.class_names[pair[1]]), layer, plane, accuracy,
        (len(chosen[pair[0]]), len(chosen[pair[1]])), of_pair(sets, "components", pair), strength,
        kept.merge(table[["image", "path"]], on="image"),
        pd.concat(curves, ignore_index=True).drop(columns="hyperplane"), card,
    )  # fmt: skip


def _features(
    pictures: Pictures, split: SplitModel, attribution: Mapping[str, np.ndarray], maps: str, threshold: float,
    precision: str,
) -> dict[int, Features]:  # fmt: skip
    """Features of both classes, or the error that says why a class has none."""
    names = pictures.model.class_names
    batches = activations_of(pictures.model, split, pictures.of(attribution["image"], "gathering features"), precision)
    found = features_of_classes(by_class(batches, attribution["target"]), attribution, names, maps, threshold)
    for target, reason in zip(found["classes"].tolist(), found["reason"].tolist(), strict=True):
        if reason:
            raise ConceptrastError(f"{names[target]} cannot be contrasted: {reason}")
    return {
        target: Features(found[f"vectors_{target}"], found[f"images_{target}"]) for target in found["classes"].tolist()
    }


def _plane(
    features: Mapping[int, tuple[np.ndarray, np.ndarray]], pair: Pair, solver: Solver, seed: int, precision: str
) -> tuple[Hyperplane, dict[str, float]]:
    """The hyperplane of one pair, and its accuracies."""
    found = fit_pairs(features, [pair], solver, seed, precision)
    if not len(found["first"]):
        raise ConceptrastError(NO_PLANE)
    accuracy = {name: float(values[0]) for name, values in found.items() if name.endswith("_accuracy")}
    return Hyperplane(found["normals"][0], float(found["biases"][0])), accuracy
