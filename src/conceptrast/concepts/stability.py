r"""Stability: do other images and other noise give the same components?

A class is factorized again from each half of its images, and from some draws of other images with other noise. A
*match* pairs the components of two factorizations so that the sum of their cosines is largest. A component *comes back*
if its match is like it (:data:`ALIKE`), and nearer to it than to any other component of the class. Fitting the same
rows again would say nothing: the start ``nndsvda`` leads to nearly the same components each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from conceptrast.base.errors import ShapeError
from conceptrast.base.names import ALL_CLASSES
from conceptrast.base.statistics import bootstrap_intervals
from conceptrast.base.streams import Stream, generator
from conceptrast.concepts.recipes import Factors, Recipe
from conceptrast.concepts.removals import OTHER_CLASS
from conceptrast.concepts.stability_samples import DRAWS, HALVES, ClassSamples, SampleKey

COLUMNS = (
    *("class", "class_name", "recipe", "sample", "draw", "component", "cosine", "back"),
    *("cosine_chance", "back_chance", "n_images", "status", "reason"),
)
"""Columns of the matches of components. In skipped rows, the cells from draw to back_chance are empty."""

ALIKE = 0.8
"""Lowest cosine of a component and a match that is like it."""

MOST_COMPARED = 20
"""The chance row compares a class with so many other classes at most."""


class Match(NamedTuple):
    """The components of a second factorization that belong to those of a first."""

    cosines: np.ndarray
    """``[k]``, of each component of the first with its partner."""
    partners: np.ndarray
    """``[k]``, numbers of components of the second."""
    back: np.ndarray
    """``[k]`` bool: the partner is like the component, and nearer to it than to any other component of the first."""


def match(first: np.ndarray, second: np.ndarray) -> Match:
    r"""Pair the components of two factorizations one to one.

    .. math:: \max_\pi \sum_i \cos\big(h_i, h'_{\pi(i)}\big)

    Args:
        first: ``h`` ``[k, C]``.
        second: ``h'`` ``[k, C]``.

    Returns:
        Cosines, partners, and which components come back. The cosine with a component of zeros is 0, and it does not
        come back.

    Raises:
        ShapeError: the two differ in shape.

    Source: Kuhn's Hungarian method, as in overcomplete's ``cosine_hungarian_loss`` (Fel et al.).

    Example:
        >>> pairs = match(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 2.0], [3.0, 0.0]]))
        >>> pairs.cosines.tolist(), pairs.partners.tolist(), pairs.back.tolist()
        ([1.0, 1.0], [1, 0], [True, True])
    """
    # This import takes some time, and most steps that load this module do not need it.
    from scipy.optimize import linear_sum_assignment

    if first.shape != second.shape:
        raise ShapeError(f"components of shape {list(first.shape)} cannot be matched with {list(second.shape)}")
    cosines = _unit(first) @ _unit(second).T
    _, partners = linear_sum_assignment(cosines, maximize=True)
    return _paired(cosines[:, partners], partners)


def _paired(cosines: np.ndarray, partners: np.ndarray) -> Match:
    """The match of paired components, from the cosines of all of them ``[k, k]``."""
    paired = cosines.diagonal().copy()
    others = cosines - 4 * np.eye(len(cosines))
    back = (paired >= ALIKE) & (paired > others.max(axis=0))
    return Match(cosines=paired, partners=partners, back=back)


def _unit(vectors: np.ndarray) -> np.ndarray:
    values = vectors.astype(np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0)


@dataclass(frozen=True)
class CardComponents:
    """The components that are tested, of all classes: ``[k, C]`` by class and factorization."""

    components: Mapping[tuple[int, Factors], np.ndarray]

    @classmethod
    def of(cls, sets: Mapping[str, np.ndarray], factors: Iterable[Factors]) -> CardComponents:
        """Those of arrays classes ``[K]`` and ``components_<factors>`` ``[K, k, C]``."""
        classes = sets["classes"].tolist()
        return cls(
            {
                (target, wanted): sets[f"components_{wanted.key}"][number]
                for wanted in factors
                for number, target in enumerate(classes)
            }
        )

    def chance(self, target: int, factors: Factors, seed: int) -> tuple[np.ndarray, np.ndarray] | None:
        """The components of a class matched with those of other classes: what would chance give?

        Returns:
            Mean cosine of each component, and in which share of the other classes it comes back, each ``[k]``. ``None``
            if there is no other class. Of many classes, :data:`MOST_COMPARED` are drawn.
        """
        others = [other for other, wanted in self.components if wanted == factors and other != target]
        if not others:
            return None
        if len(others) > MOST_COMPARED:
            draw = generator(Stream.COMPARED_CLASSES, seed, target)
            others = draw.choice(others, MOST_COMPARED, replace=False).tolist()
        components = self.components[target, factors]
        matches = [match(components, self.components[other, factors]) for other in others]
        return np.mean([pairs.cosines for pairs in matches], axis=0), np.mean([pairs.back for pairs in matches], axis=0)


def stability_rows(
    card: CardComponents,
    samples: Mapping[SampleKey, np.ndarray],
    classes: Sequence[ClassSamples],
    recipes: Sequence[Recipe],
    class_names: Sequence[str],
    seed: int = 0,
) -> pd.DataFrame:
    r"""Cosines of the components of every class with their matches in its samples.

    .. math:: \text{draws: } \cos(h_i, d_{\pi(i)}), \qquad \text{halves: } \cos(a_{\pi(i)}, b_{\pi'(i)})

    :math:`d` are the components of a draw, :math:`a` and :math:`b` those of both halves, each matched with the class's
    components :math:`h`. Halves are compared with each other, because the class's own components come from both.

    Args:
        card: the components of all classes.
        samples: as :func:`sample_components` gives.
        classes: the samples of each class.
        recipes: the recipes.
        class_names: the names of the model's classes.
        seed: the seed of the chance row.

    Returns:
        :data:`COLUMNS`: a row for each component and sample. A kind of sample that a class lacks has one row that says
        why. The cell chance is empty if there is no other class.
    """
    rows: list[dict[str, object]] = []
    for of_class in classes:
        for recipe in recipes:
            factors = recipe.factors
            components = card.components[of_class.target, factors]
            head: dict[str, object] = {"class": of_class.target, "class_name": class_names[of_class.target]}
            head |= {"recipe": recipe.name, "n_images": of_class.n_images}
            chance = _chance_cells(card.chance(of_class.target, factors, seed), len(components))
            for kind in (HALVES, DRAWS):
                count = sum(sample.kind == kind for sample in of_class.samples)
                keys = [(of_class.target, kind, number, factors) for number in range(count)]
                fits = {key[2]: samples[key] for key in keys if key in samples}
                matches = _of_halves(components, fits) if kind == HALVES else _of_draws(components, fits)
                if not matches:
                    reason = _reason(kind, of_class.n_images, count, recipe.components)
                    rows.append(head | {"sample": kind, "status": "skipped", "reason": reason})
                for draw, pairs in matches.items():
                    place: dict[str, object] = {"sample": kind, "draw": draw, "status": "ok", "reason": ""}
                    for component, cells in enumerate(chance):
                        values = {"cosine": float(pairs.cosines[component]), "back": bool(pairs.back[component])}
                        rows.append(head | place | {"component": component} | values | cells)
    types = {"class": "int64", "n_images": "int64", "draw": "Int64", "component": "Int64", "back": "boolean"}
    types |= dict.fromkeys(("cosine", "cosine_chance", "back_chance"), "Float64")
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(types)


def _chance_cells(chance: tuple[np.ndarray, np.ndarray] | None, k: int) -> list[dict[str, object]]:
    """The cells of the chance row of each component."""
    if chance is None:
        return [{}] * k
    return [{"cosine_chance": float(cosine), "back_chance": float(back)} for cosine, back in zip(*chance, strict=True)]


def _of_halves(components: np.ndarray, fits: Mapping[int, np.ndarray]) -> dict[int, Match]:
    if len(fits) < 2:
        return {}
    first, second = (fits[number][match(components, fits[number]).partners] for number in (0, 1))
    return {0: _paired(_unit(first) @ _unit(second).T, np.arange(len(components)))}


def _of_draws(components: np.ndarray, fits: Mapping[int, np.ndarray]) -> dict[int, Match]:
    return {number: match(components, others) for number, others in fits.items()}


def _reason(kind: str, n_images: int, n_samples: int, n_components: int) -> str:
    """Why a kind of sample gives no cosines."""
    if n_images < 2:
        return "one image: there is nothing to compare"
    if not n_samples:
        return f"no {kind} were made"
    return f"the {kind} leave nothing to factorize, or fewer positions than {n_components} components"


def comes_back(rows: pd.DataFrame) -> pd.DataFrame:
    """Whether each component comes back in redrawn images: in more than half of its samples.

    Args:
        rows: as :func:`stability_rows` gives.

    Returns:
        class, recipe, component, cosine (mean over draws; of the halves if there are no draws), back (share of the
        samples in which it comes back), back_chance (share of other classes, in place of samples; empty if there is
        none), returns. Components that could not be tested have no row.

    Example:
        >>> rows = pd.DataFrame({"class": 0, "recipe": "ours", "sample": ["halves", "draws", "draws"], "component": 0,
        ...     "cosine": [0.9, 0.5, 0.7], "back": [True, False, False], "back_chance": 0.1, "status": "ok"})
        >>> comes_back(rows).round(2).values.tolist()
        [[0, 'ours', 0, 0.6, 0.33, 0.1, False]]
    """
    keys = ["class", "recipe", "component"]
    tested = rows[rows["status"] == "ok"]
    columns = ["back", "back_chance"]
    shares = tested.astype(dict.fromkeys(columns, float)).groupby(keys, sort=False)[columns].mean().reset_index()
    # Draws say more than halves: other images, and other noise.
    of_draws = tested["sample"] == DRAWS
    preferred = tested[of_draws == of_draws.groupby([tested[key] for key in keys]).transform("max")]
    cosines = preferred.astype({"cosine": float}).groupby(keys, sort=False)["cosine"].mean().reset_index()
    table = cosines.merge(shares, on=keys)
    return table.assign(returns=table["back"] > 0.5)


def stability_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Stability of a study: of each class, and of all classes.

    Args:
        rows: as :func:`stability_rows` gives.

    Returns:
        recipe, sample, class_name (``all classes`` for all), baseline (``none``, or ``other_class`` for the matches
        among components of other classes), status, reason, n_images (of the class), n_components, cosine, low, high (95
        % bootstrap interval: of a class over its components, of all classes over classes), back (share of samples in
        which a component comes back), returned (share of components that come back in more than half of all samples,
        see :func:`comes_back`). Cells of skipped rows are empty, and returned is empty in chance rows.

    Example:
        >>> rows = pd.DataFrame({"class": 0, "class_name": "cat", "recipe": "ours", "sample": "draws", "draw": 0,
        ...     "component": [0, 1], "cosine": [0.9, 0.7], "back": [True, False], "cosine_chance": [0.5, 0.8],
        ...     "back_chance": 0.1, "n_images": 4, "status": "ok", "reason": ""})
        >>> table = stability_table(rows)
        >>> table.loc[table["class_name"] == "all classes", ["baseline", "cosine", "back", "returned"]].round(2)
              baseline  cosine  back  returned
        1         none    0.80   0.5       0.5
        3  other_class    0.65   0.1       NaN
    """
    columns = ["recipe", "sample", "class_name", "baseline", "status", "reason", "n_images", "n_components"]
    columns += ["cosine", "low", "high", "back", "returned"]
    numbers = ["cosine", "back", "cosine_chance", "back_chance"]
    facts = comes_back(rows)[["class", "recipe", "component", "returns"]]
    parts = []
    for (recipe, sample), part in rows.groupby(["recipe", "sample"], sort=False):
        # Means over the draws of each component.
        keys = ["class", "class_name", "n_images", "component"]
        tested = part[part["status"] == "ok"].astype(dict.fromkeys(numbers, float))
        tested = tested.groupby(keys, sort=False)[numbers].mean().reset_index()
        tested = tested.merge(facts[facts["recipe"] == recipe], on=["class", "component"])
        tables = [
            _rows_of_baseline(tested.rename(columns={f"cosine{end}": "value", f"back{end}": "share"}), baseline)
            for baseline, end in (("none", ""), (OTHER_CLASS, "_chance"))
            if tested[f"cosine{end}"].notna().any()
        ]
        skipped = part.loc[part["status"] != "ok", ["class_name", "status", "reason", "n_images"]]
        tables.append(skipped.assign(baseline="none", n_components=0))
        parts.append(pd.concat(tables).assign(recipe=str(recipe), sample=str(sample)))
    return pd.concat(parts, ignore_index=True).reindex(columns=columns) if parts else pd.DataFrame(columns=columns)


def _rows_of_baseline(tested: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """A row for each class, and one for all classes.

    Args:
        tested: class, class_name, n_images, component, value (cosine), share (of samples in which it comes back),
            returns; as many components of every class.
        baseline: which cosines these are.
    """
    groups = tested.groupby(["class", "class_name", "n_images"], sort=False)
    of_classes = groups.agg(
        n_components=("value", "size"), cosine=("value", "mean"), back=("share", "mean"), returned=("returns", "mean")
    ).reset_index()
    # All classes have as many components, so one set of resamples gives the intervals of all.
    by_component = tested["value"].to_numpy().reshape(len(of_classes), -1).T
    of_classes["low"], of_classes["high"] = bootstrap_intervals(by_component)
    low, high = bootstrap_intervals(of_classes[["cosine"]].to_numpy())
    everything: dict[str, object] = {"class_name": ALL_CLASSES, "low": low[0], "high": high[0]}
    everything |= {name: of_classes[name].sum() for name in ("n_images", "n_components")}
    everything |= {name: of_classes[name].mean() for name in ("cosine", "back", "returned")}
    table = pd.concat([of_classes, pd.DataFrame([everything])])
    if baseline != "none":
        table["returned"] = np.nan
    return table.assign(baseline=baseline, status="ok", reason="")
