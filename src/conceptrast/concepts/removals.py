"""Take the components of classes out of their images, in every way that importance and fidelity ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.streams import Stream, generator
from conceptrast.concepts.attributed_images import weighing
from conceptrast.concepts.component_removal import ClassSuffix, ComponentParts, channel_weights, without_rest
from conceptrast.concepts.fidelity import ANSWER_COLUMNS, CURVE_COLUMNS, image_curves
from conceptrast.concepts.importance import (
    IMPORTANCE_COLUMNS,
    ImageImportance,
    by_importance,
    image_importance,
    image_total_effects,
)
from conceptrast.concepts.recipes import Recipe
from conceptrast.concepts.sobol import designs
from conceptrast.concepts.sparseness import mean_sparseness
from conceptrast.models.split import SplitModel

OTHER_CLASS = "other_class"
Rows = list[dict[str, object]]


@dataclass(frozen=True)
class RemovalOptions:
    """How components are taken out.

    Args:
        images: images of a class at most.
        orders: random orders of the chance row.
        sobol: designs of the total effects; 0 leaves them out.
        fidelity: whether curves are drawn and images put together, too.
        seed: seed of the choice of images, and of all that chance takes out.
    """

    images: int = 8
    orders: int = 5
    sobol: int = 0
    fidelity: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Removals:
    """What came of it, as tables.

    Attributes:
        importance: :data:`~conceptrast.concepts.importance.IMPORTANCE_COLUMNS`, and sobol_total if it was asked for.
        curves: :data:`~conceptrast.concepts.fidelity.CURVE_COLUMNS`.
        answers: :data:`~conceptrast.concepts.fidelity.ANSWER_COLUMNS`.
    """

    importance: pd.DataFrame
    curves: pd.DataFrame
    answers: pd.DataFrame

    @classmethod
    def of(cls, importance: Rows, curves: Rows, answers: Rows, with_effects: bool) -> Removals:
        """The tables of rows."""
        columns = [*IMPORTANCE_COLUMNS, *(["sobol_total"] if with_effects else [])]
        return cls(
            importance=_typed(pd.DataFrame(importance, columns=columns)),
            curves=_typed(pd.DataFrame(curves, columns=list(CURVE_COLUMNS))),
            answers=_typed(pd.DataFrame(answers, columns=list(ANSWER_COLUMNS))),
        )


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with types that a table without rows has, too."""
    types = dict.fromkeys(("class", "image", "component", "step"), "int64")
    types |= dict.fromkeys(("logit", "probability"), "float64") | {"hoyer": "Float64", "gini": "Float64"}
    return table.astype({name: kind for name, kind in types.items() if name in table.columns})


def removal_images(images: np.ndarray, target: int, options: RemovalOptions) -> np.ndarray:
    """The images of a class whose components are taken out: ids ``[n]``, sorted.

    Args:
        images: ids of all its images ``[N]``.
        target: class index.
        options: how many of them, and the seed.

    Example:
        >>> removal_images(np.arange(4), target=0, options=RemovalOptions(images=8)).tolist()
        [0, 1, 2, 3]
    """
    draw = generator(Stream.REMOVAL_IMAGES, options.seed, target)
    return np.sort(draw.choice(images, min(options.images, len(images)), replace=False))


def other_class(target: int, classes: Sequence[int], seed: int) -> int | None:
    """The class whose components the chance row has; ``None`` if there is no other.

    Example:
        >>> other_class(4, [4, 7], seed=0), other_class(4, [4], seed=0)
        (7, None)
    """
    others = [other for other in classes if other != target]
    return others[int(generator(Stream.OTHER_COMPONENTS, seed, target).integers(len(others)))] if others else None


def study_components(
    sets: Mapping[str, np.ndarray], attribution: Mapping[str, np.ndarray], recipe: Recipe
) -> dict[int, ComponentParts]:
    """The components of all classes by a recipe.

    Args:
        sets: classes ``[K]`` and ``components_<factors>`` ``[K, k, C]``.
        attribution: target ``[M]``, multiplier ``[M, C]`` and linear_share ``[M]`` of the images that they were found
            in.
        recipe: the recipe.
    """
    components = {}
    for number, target in enumerate(sets["classes"].tolist()):
        of_class = weighing(attribution, attribution["target"] == target)
        weights = channel_weights(of_class, recipe.weighting)
        components[target] = ComponentParts(sets[f"components_{recipe.factors.key}"][number], weights)
    return components


def study_removals(
    classes: Iterable[tuple[int, np.ndarray, Tensor]],
    components: Mapping[str, Mapping[int, ComponentParts]],
    split: SplitModel,
    options: RemovalOptions,
    *,
    class_names: Sequence[str],
    precision: str = "float32",
    batch_size: int = 64,
) -> Removals:
    """Take the components of all classes out of their images. One class is in memory at a time.

    Args:
        classes: each class with ids ``[n]`` and activations ``[n, C, h, w]`` of some of its images; with class tokens
            as ``split.complete`` has them. Class tokens stay as they are.
        components: those of every class, by recipe.
        split: the model, cut at the layer.
        options: how they are taken out.
        class_names: the names of the model's classes.
        precision: precision of the rest of the network.
        batch_size: activations that go through it at once.
    """
    suffix = split.for_inference(precision)
    importance: Rows = []
    curves: Rows = []
    answers: Rows = []
    for target, images, activations in classes:
        of_class = ClassSuffix(suffix, target, precision, batch_size)
        for recipe, by_target in components.items():
            head = {"class": target, "recipe": recipe}
            other = other_class(target, list(by_target), options.seed)
            removals = ClassRemovals(of_class, by_target[target], options)
            removals.add(
                images,
                split.complete.patches(activations),
                None if other is None else by_target[other],
                class_tokens=split.complete.class_tokens_of(activations),
            )
            importance += [head | {"class_name": class_names[target]} | row for row in removals.importance]
            curves += [head | row for row in removals.curves]
            answers += [head | row for row in removals.answers]
    return Removals.of(importance, curves, answers, with_effects=options.sobol > 0)


class ClassRemovals:
    """Takes the components of one class out of its images; gathers rows.

    Args:
        suffix: the rest of the network and the class.
        components: the components of the class.
        options: how they are taken out.
    """

    def __init__(self, suffix: ClassSuffix, components: ComponentParts, options: RemovalOptions) -> None:
        self.suffix = suffix
        self.components = components
        self.options = options
        self.importance: Rows = []
        self.curves: Rows = []
        self.answers: Rows = []
        k = len(components.vectors)
        self._shares = torch.from_numpy(designs(options.sobol, k, options.seed)) if options.sobol else None

    def add(
        self,
        images: np.ndarray,
        activations: Tensor,
        other: ComponentParts | None = None,
        class_tokens: Tensor | None = None,
    ) -> None:
        """Take components out of images, and put the images together from components.

        Args:
            images: ids ``[n]``.
            activations: ``[n, C, h, w]``.
            other: the components of another class, for the chance row; ``None`` if there is none.
            class_tokens: ``[n, t, C]``, if the layer has some.
        """
        codes = self.components.codes(activations)
        named = []
        whole = self.suffix
        for place, (image, values, code) in enumerate(zip(images.tolist(), activations, codes, strict=True)):
            self.suffix = whole.with_class_tokens(None if class_tokens is None else class_tokens[place : place + 1])
            parts = self.components.parts(code[None])[0]
            drawn = generator(Stream.RANDOM_REMOVAL, self.options.seed, image).random(tuple(values.shape), np.float32)
            importance = image_importance(self.suffix, values, parts, torch.from_numpy(drawn))
            named.append(importance.named)
            self._add_importance(image, importance, values, parts)
            if self.options.fidelity:
                self._add_curves(image, values, parts, order=by_importance(importance.logit_drop))
        self.suffix = whole.with_class_tokens(class_tokens)
        if not self.options.fidelity:
            return
        heads = [{"image": image, "named_before": before} for image, before in zip(images.tolist(), named, strict=True)]
        self._put_together(heads, self.components, codes, "none")
        if other is not None:
            self._put_together(heads, other, other.codes(activations), OTHER_CLASS)

    def _add_curves(self, image: int, values: Tensor, parts: Tensor, order: np.ndarray) -> None:
        draw = generator(Stream.COMPONENT_ORDERS, self.options.seed, image)
        random_orders = draw.permuted(np.tile(np.arange(len(parts)), (self.options.orders, 1)), axis=1)
        for curve in image_curves(self.suffix, values, parts, order, random_orders=random_orders):
            head = {"image": image, "rest": curve.rest, "baseline": curve.baseline, "curve": curve.curve}
            self.curves += [
                head | {"step": step, "probability": float(probability)}
                for step, probability in enumerate(curve.probabilities)
            ]

    def _add_importance(self, image: int, importance: ImageImportance, values: Tensor, parts: Tensor) -> None:
        effects = None if self._shares is None else image_total_effects(self.suffix, values, parts, self._shares)
        for component in range(len(parts)):
            row: dict[str, object] = {"image": image, "component": component, "logit": importance.logit}
            row |= {
                name: float(getattr(importance, name)[component])
                for name in ("logit_drop", "p_drop", "logit_drop_random", "p_drop_random")
            }
            row |= {"logit_drop_all": importance.logit_drop_all, "p_drop_all": importance.p_drop_all}
            if self._shares is not None:
                row["sobol_total"] = np.nan if effects is None else float(effects[component])
            self.importance.append(row)

    def _put_together(self, heads: Rows, components: ComponentParts, codes: Tensor, baseline: str) -> None:
        """What is said of the images when they are put together from components, of the class or of another one."""
        whole = torch.ones(1, codes.shape[1])
        states = torch.cat([without_rest(components.parts(code[None])[0], whole) for code in codes])
        answers = self.suffix.answers(states)
        for place, head in enumerate(heads):
            sparseness = mean_sparseness(codes[place].flatten(1).T.numpy()) or (None, None)
            row = head | {"baseline": baseline, "named": int(answers.predicted[place]) == self.suffix.target}
            row |= {"probability": float(answers.probability[place]), "hoyer": sparseness[0], "gini": sparseness[1]}
            self.answers.append(row)


def picture_importance(
    suffix: ClassSuffix, activations: Tensor, components: ComponentParts, codes: Tensor, seed: int
) -> ImageImportance:
    """What a class loses in a picture that is none of its study's, see
    :func:`~conceptrast.concepts.importance.image_importance`.

    Args:
        suffix: the rest of the network and the class.
        activations: ``[C, h, w]`` of the picture.
        components: the components of the class.
        codes: ``[k, h, w]``, theirs in the picture.
        seed: the seed of what chance takes out.
    """
    drawn = generator(Stream.RANDOM_REMOVAL, seed, 0).random(tuple(activations.shape), np.float32)
    return image_importance(suffix, activations, components.parts(codes[None])[0], torch.from_numpy(drawn))
