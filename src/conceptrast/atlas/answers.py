"""The answers of a run: for each of its questions, a few numbers beside what chance gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conceptrast.atlas.claims import CheckedClaims
from conceptrast.atlas.numbers import Measure, decimal, known, share
from conceptrast.atlas.run_files import Row, RunFiles
from conceptrast.base.progress import counted
from conceptrast.bias.verdict import NO, NO_VERDICT, NOT_LEARNT, YES

CHANCE = {
    "random_patches": "random patches",
    "other_class": "patches of another class",
    "random_direction": "a random direction",
    "random": "a random map",
    "centre": "a blob in the middle",
    "random_change": "a random change",
    "zeros": "a square of one colour",
    "shuffled": "its pixels shuffled",
}
"""What rows of tables call chance, in words."""

CONTROLS = ("zeros", "shuffled")
"""What is pasted in place of a crop, to see what any pasted thing does."""

EDITS = {
    "transplant": "cells of pictures of B",
    "pasted_cells": "cells pasted into the picture",
    "swap": "a concept of A becomes one of B",
    "located": "a vector, where A's evidence lies",
    "uniform": "a vector, everywhere",
    "gradient_times": "gradient times a vector",
    "gradient": "the picture's own gradient",
    "latent_shift": "the gradient through the decoder",
}
"""What an edit changes, in words."""

RELIES = {
    YES: "it relies on the bias",
    NO: "it does not rely on the bias",
    NO_VERDICT: "whether it relies on the bias is open",
    NOT_LEARNT: "it has learnt too little to say more",
}
"""Whether a network relies on a bias, in words."""

SHOWS = {
    YES: ", its latent space shows it",
    NO: ", its latent space shows less than the bound",
    NO_VERDICT: "; whether its latent space shows it is open",
    NOT_LEARNT: "",
}
"""Whether a latent space shows a bias, in words that follow those of :data:`RELIES`."""

LEAST_RESAMPLED = 4
"""Of fewer numbers, the percentiles of resamples are the lowest and the highest of them."""

SHARES = ("match_rate", "swap_rate_mean", "judged", "reached", "more")
"""Columns whose numbers are shares. Others are differences of probabilities or accuracies, or areas."""


@dataclass(frozen=True)
class Answer:
    """The answer to one question of a run.

    Args:
        analysis: name of the analysis.
        question: what was asked.
        test: how the answer was tested, and what chance is, in one or two sentences.
        measures: its numbers.
    """

    analysis: str
    question: str
    test: str
    measures: Sequence[Measure]


def answers(files: RunFiles, claims: CheckedClaims) -> list[Answer]:
    """The answers to those questions of a run that have numbers, in the order of :data:`MEASURES`."""
    questions = files.description.questions
    answered = []
    for analysis, (test, measures) in MEASURES.items():
        rows = list(measures(files, claims)) if analysis in questions else []
        if rows:
            answered.append(Answer(analysis, questions[analysis], test=test, measures=rows))
    return answered


def component_prediction(files: RunFiles, claims: CheckedClaims) -> Iterator[Measure]:
    """How many classes of each study the model names from patches of other classes' images."""
    for study in files.description.entries.get("concepts", ()):
        for rows in _tests(files, study):
            of_class = next((row for row in rows if row["baseline"] == "none"), None)
            if of_class is not None:
                parts = ", ".join(f"{group['matched']} of {group['n_classes']}" for group in files.by_labels(of_class))
                yield _measure(
                    label=study,
                    text=f"{of_class['matched']} of {counted(of_class['n_classes'], 'classes')}"
                    f"{f' (labels kept apart, and others: {parts})' if parts else ''}",
                    row=of_class,
                    column="match_rate",
                    ends=("low", "high"),
                    chances=[(CHANCE[row["baseline"]], row["match_rate"]) for row in rows if row["baseline"] in CHANCE],
                    source=("component_prediction", "study", study, claims),
                )


def _tests(files: RunFiles, study: str) -> Iterator[list[Row]]:
    """The rows of a study by the recipe that the pages show: of images that are not predicted as the class, if any."""
    rows = files.rows("component_prediction", study=study, recipe=files.description.card_recipe)
    strict = [row for row in rows if row["selection"] == "exclude_target"]
    if rows:
        yield strict or rows


def shift(files: RunFiles, claims: CheckedClaims) -> Iterator[Measure]:
    """In how many pairs of classes A becomes B when A's activations are moved across the hyperplane."""
    for study in files.description.entries.get("contrast", ()):
        rows = files.rows("shift", study=study)
        first = rows[0]["hyperplane"] if rows else None
        by_baseline = {row["baseline"]: row for row in rows if row["hyperplane"] == first}
        row = by_baseline.pop("none", None)
        if row is None:
            continue
        rate = known(row["swap_rate_mean"])
        deviation = known(row.get("swap_rate_sd"))
        ends: tuple[float | None, float | None] = (None, None)
        # Where all draws of pairs gave the same rate, they tell nothing of how sure it is.
        if rate is not None and deviation is not None and deviation > 0:
            ends = (max(0.0, rate - 2 * deviation), min(1.0, rate + 2 * deviation))
        fitted = files.description.how_fitted(str(first))
        yield _measure(
            label=study,
            text=f"in {share(rate)} of the pairs of classes A becomes B{f' (planes by {fitted})' if fitted else ''}",
            row=row | {"low": ends[0], "high": ends[1]},
            column="swap_rate_mean",
            ends=("low", "high"),
            chances=[(CHANCE.get(name, name), other["swap_rate_mean"]) for name, other in by_baseline.items()],
            source=("shift", "study", study, claims),
        )


def counterfactuals(files: RunFiles, claims: CheckedClaims) -> Iterator[Measure]:
    """How many drawings another network names B, for every edit; without such a network, the network itself."""
    for study in files.description.entries.get("counterfactual", ()):
        rows = files.rows("counterfactual", study=study, to_name="all", stop="picture")
        chance = {(row["edit"], row["direction"]): row for row in rows if row["baseline"] != "none"}
        by_edit: dict[tuple[str, str], list[Row]] = {}
        for row in files.rows("counterfactual", study=study, stop="picture", baseline="none", status="ok"):
            if row["to_name"] != "all":
                by_edit.setdefault((row["edit"], row["direction"]), []).append(row)
        for row in rows:
            if row["baseline"] == "none" and row["status"] == "ok":
                judged = known(row.get("judged")) is not None
                column = "judged" if judged else "reached"
                edit = (row["edit"], row["direction"])
                control = chance.get(edit)
                measure = _measure(
                    label=edit_in_words(*edit),
                    text=f"{share(known(row[column]))} of {counted(int(row['n_kept']), 'pictures')}",
                    row=row,
                    column=column,
                    ends=("low", "high") if judged else ("", ""),
                    chances=[] if control is None else [("a random change there", control[column])],
                    source=("counterfactual", "counterfactuals", study, claims),
                )
                yield replace(measure, by_pair=_by_pair(by_edit.get(edit, ()), column))


def _by_pair(rows: Sequence[Row], column: str) -> tuple[float, float] | None:
    """The lowest and the highest share of all pairs of classes, where they differ: a share of all pictures hides it."""
    shares = sorted(number for row in rows if (number := known(row[column])) is not None)
    return (shares[0], shares[-1]) if shares and shares[0] < shares[-1] else None


def edit_in_words(edit: str, direction: str) -> str:
    """An edit and its direction as figures name them, and what it changes.

    Example:
        >>> edit_in_words("located", "hyperplane"), edit_in_words("transplant", "none")
        ("located, hyperplane: a vector, where A's evidence lies", 'transplant: cells of pictures of B')
        >>> edit_in_words("pasted_cells", "none")
        'pasted cells: cells pasted into the picture'
    """
    name = edit.replace("_", " ")
    # A swap is always along components.
    is_plain = direction == "none" or (edit, direction) == ("swap", "component")
    head = name if is_plain else f"{name}, {direction}"
    return f"{head}: {EDITS[edit]}" if edit in EDITS else head


def maps(files: RunFiles, claims: CheckedClaims) -> Iterator[Measure]:
    """How often a map lies more on what tells A from B; without known truth, what ROAD says."""
    views = files.description.entries.get("saliency", ())
    for view in sorted(views, key=lambda name: not files.rows("saliency_truth", view=name)):
        truth = files.rows("saliency_truth", view=view)
        table, column = ("saliency_truth", "more") if truth else ("saliency_faithfulness", "road")
        rows = truth or files.rows(table, view=view)
        for row in sorted(rows, key=lambda row: row["target_kind"] != "difference"):
            if row["baseline"] != "none" or row["status"] != "ok":
                continue
            chances = [
                (CHANCE.get(str(other["baseline"]), str(other["baseline"])), other[column])
                for other in rows
                if other["baseline"] != "none" and other["target_kind"] == row["target_kind"]
            ]
            kind = {"difference": "why A and not B", "class": "why A"}.get(row["target_kind"], "")
            method = row["method"].replace("_", "-")
            text = (
                f"{share(row['more'])} of {row['n_images']} maps lie more on A's thing than on the shared one"
                if truth
                else f"ROAD {decimal(row['road'])}, {counted(int(row['n_images']), 'pictures')}"
            )
            yield _measure(
                label=f"{view}: {f'{kind}, ' if kind else ''}{method}",
                text=text,
                row=row,
                column=column,
                ends=(f"{column}_low", f"{column}_high"),
                chances=chances,
                source=(table, "maps", view, claims),
            )


def factorizations(files: RunFiles, claims: CheckedClaims) -> Iterator[Measure]:
    """What a probability loses when the region of a concept is blurred, for the fewest concepts."""
    for name in files.description.entries.get("dff", ()):
        row = files.row("dff_summary", dff=name)
        if row is not None and row["status"] == "ok":
            measure = _measure(
                label=f"{name}, {counted(int(row['n_components']), 'concepts')}",
                text=f"the probability falls by {decimal(row['blur'])}; beyond chance: {_beyond(row)}",
                row=row,
                column="blur",
                ends=("", ""),
                chances=[("blurred elsewhere", row["blur_chance"])],
                source=("dff_summary", "dff", name, claims),
            )
            beyond = ("beyond_chance", "beyond_low", "beyond_high")
            further = [badge for column in beyond for badge in claims.of_cell("dff_summary", column, row)]
            yield replace(measure, badges=[*measure.badges, *further])


def bias(files: RunFiles, claims: CheckedClaims) -> Iterator[Measure]:
    """How far accuracy falls when what tempted a network is taken away, beside the same for its control."""
    rows = [row for row in files.rows("latent_bias") if row["status"] == "ok"]
    controls = {
        (row["bias"], row["network"], row["seed"]): row["reliance"] for row in rows if row["condition"] == "control"
    }
    for row in rows:
        control = controls.get((row["bias"], row["network"], row["seed"]))
        of_control = row["condition"] == "control" or control is None
        yield _measure(
            label=f"{row['condition']}, {row['network']}",
            text=f"reliance {decimal(row['reliance'])}: {RELIES[row['relies']]}{SHOWS[row['shows']]}",
            row=row,
            column="reliance",
            ends=("reliance_low", "reliance_high"),
            chances=[] if of_control else [("trained without it", control)],
            source=("latent_bias", "bias", row["bias"], claims),
        )


def insertions(files: RunFiles, claims: CheckedClaims) -> Iterator[Measure]:
    """What a pasted crop adds to the probability of A in pictures of B."""
    for name in files.description.entries.get("insertion", ()):
        rows = files.rows("insertion", insertion=name)
        for row in rows:
            if row["condition"] == "crop" and row["status"] == "ok":
                pair = (row["first"], row["second"])
                same = {other["condition"]: other for other in rows if (other["first"], other["second"]) == pair}
                beyond = same.get("crop-zeros")
                yield _measure(
                    label=f"{name} in pictures of {row['second_name']}",
                    text=f"p({row['first_name']})"
                    f"{f', beyond a square of one colour: {_in_range(beyond)}; in all it' if beyond else ''} "
                    f"{_changes_by(row['change_first'])}",
                    row=row,
                    column="change_first",
                    ends=("low_first", "high_first"),
                    chances=[
                        (CHANCE[control], same[control]["change_first"]) for control in CONTROLS if control in same
                    ],
                    source=("insertion", "insertion", name, claims),
                )
        yield from _component_insertions(files, claims, name)


def _component_insertions(files: RunFiles, claims: CheckedClaims, name: str) -> Iterator[Measure]:
    """How many components add more than both controls, and what the first one adds."""
    by_pair: dict[tuple[Any, Any], list[Row]] = {}
    for row in files.rows("component_insertion", insertion=name, status="ok"):
        by_pair.setdefault((row["first"], row["second"]), []).append(row)
    for rows in by_pair.values():
        first = {row["condition"]: row for row in rows if row["component"] == rows[0]["component"]}
        beyond: dict[Any, list[bool]] = {}
        for row in rows:
            if row["condition"] in ("crop-zeros", "crop-shuffled"):
                beyond.setdefault(row["component"], []).append(row["low_first"] > 0)
        n_beyond = sum(map(all, beyond.values()))
        row = first["crop"]
        yield _measure(
            label=f"{name} in pictures of {row['second_name']}",
            text=f"{n_beyond} of {counted(len(beyond), 'components')} {'adds' if n_beyond == 1 else 'add'} more than "
            f"both controls; with contrast component {int(row['component']) + 1}"
            f"{', the largest share of A’s side' if row['component'] == 0 else ''}, "
            f"p({row['first_name']}) {_changes_by(row['change_first'])}",
            row=row,
            column="change_first",
            ends=("low_first", "high_first"),
            chances=[(CHANCE[control], first[control]["change_first"]) for control in CONTROLS],
            source=("component_insertion", "insertion", name, claims),
        )


def shortcuts(files: RunFiles, claims: CheckedClaims) -> Iterator[Measure]:
    """How well the best direction of each kind tells pictures with the planted thing from the same ones without it."""
    for study in files.description.entries.get("shortcut", ()):
        rows = files.rows("shortcut", study=study)
        random = next((row for row in rows if row["kind"] == "random"), None)
        chance = (
            []
            if random is None
            else [
                ("a random direction", random["auroc_pasted"]),
                ("nearly the best of them", random["auroc_pasted_high"]),
            ]
        )
        for kind, words in (("component", "component"), ("cav", "concept (ACE)"), ("hyperplane", "hyperplane")):
            best = next((row for row in rows if row["kind"] == kind and row["rank"] == 1), None)
            if best is not None:
                yield _measure(
                    label=f"{study}: {words}",
                    text=f"{best['name']}, AUROC {decimal(best['auroc_pasted'])}",
                    row=best,
                    column="auroc_pasted",
                    ends=("auroc_pasted_low", "auroc_pasted_high"),
                    chances=chance,
                    source=("shortcut", "shortcut", study, claims),
                )


def superpixels(files: RunFiles, claims: CheckedClaims) -> Iterator[Measure]:
    """How many concepts among superpixels differ from random ones: of all classes, then of each."""
    for study in files.description.entries.get("ace", ()):
        rows = files.rows("ace", study=study, status="ok")
        rows = [row for row in rows if row["segments_as"] == rows[0]["segments_as"]]
        names = dict.fromkeys(row["class_name"] for row in rows if row["baseline"] == "none")
        parts = [(name, [row for row in rows if row["class_name"] == name]) for name in names]
        for name, part in [("all classes", rows), *parts] if len(parts) > 1 else parts:
            concepts, random_ones = (
                [row for row in part if (row["baseline"] == "none") == measured] for measured in (True, False)
            )
            anchor = "" if name not in names else f"#class-{concepts[0]['class']}"
            n = _significant(concepts)
            yield Measure(
                label=f"{study}: {name}",
                text=f"{n} of {counted(len(concepts), 'concepts')} differ from random ones",
                value=n / len(concepts),
                chances=[("of random segments", _significant(random_ones) / len(random_ones))] if random_ones else [],
                table="ace",
                entry=study,
                href=f"concepts/{study}.html{anchor}",
                badges=[badge for row in concepts for badge in claims.of_cell("ace", "significant", row)],
            )


def _significant(concepts: Sequence[Row]) -> int:
    return sum(str(row["significant"]) == "True" for row in concepts)


def accuracies(files: RunFiles, claims: CheckedClaims) -> Iterator[Measure]:
    """How often each trained model is right."""
    metrics = {} if files.results is None else files.results.metrics
    for name in files.description.entries.get("models", ()):
        accuracy = known(metrics.get(f"{name}/accuracy"))
        if accuracy is not None:
            yield Measure(
                label=name,
                text=f"right for {share(accuracy)} of held-out pictures",
                value=accuracy,
                low=known(metrics.get(f"{name}/accuracy_low")),
                high=known(metrics.get(f"{name}/accuracy_high")),
                table="confusion",
                entry=name,
                href="models.html",
                badges=claims.of_metric(f"{name}/accuracy"),
            )


def _measure(
    label: str,
    text: str,
    row: Mapping[str, Any],
    column: str,
    ends: tuple[str, str],
    chances: Sequence[tuple[str, Any]],
    source: tuple[str, str, str, CheckedClaims],
) -> Measure:
    """A measure of one cell of a table; ``source`` is the table, the folder and the entry of the page that says more,
    and the claims.
    """
    table, folder, entry, claims = source
    badges = [badge for name in (column, *ends) if name for badge in claims.of_cell(table, name, row)]
    return Measure(
        label=label,
        text=text,
        value=known(row[column]),
        low=known(row.get(ends[0])),
        high=known(row.get(ends[1])),
        chances=[(name, number) for name, value in chances if (number := known(value)) is not None],
        table=table,
        entry=entry,
        href=f"{folder}/{entry}.html",
        badges=badges,
        reason="" if known(row[column]) is not None else str(row.get("reason") or ""),
        is_share=column in SHARES,
    )


def _beyond(row: Row) -> str:
    """How much more a blur takes than one elsewhere, with its interval; of a few concepts, that is their range."""
    number = int(row["n_concepts"])
    words = f"the {counted(number, 'concepts')}: " if number < LEAST_RESAMPLED else ""
    return f"{decimal(row['beyond_chance'])} ({words}{decimal(row['beyond_low'])} to {decimal(row['beyond_high'])})"


def _in_range(row: Row) -> str:
    """A change with its interval."""
    return f"{decimal(row['change_first'])} ({decimal(row['low_first'])} to {decimal(row['high_first'])})"


def _changes_by(change: float) -> str:
    """A change in words, with its sign.

    Example:
        >>> _changes_by(0.25), _changes_by(-0.004)
        ('changes by +0.25', 'changes by -0.004')
        >>> _changes_by(0.0000012)
        'changes by less than 0.001'
    """
    if 0 < abs(change) < 0.001:
        return "changes by less than 0.001"
    return f"changes by {'+' if change > 0 else ''}{decimal(change)}"


MEASURES: Mapping[str, tuple[str, Callable[[RunFiles, CheckedClaims], Iterator[Measure]]]] = {
    "concepts": (
        "Patches of a class's concepts are cut from pictures of other classes and put together: does the model name "
        "the class? Chance: the same with random patches, or with patches of another class.",
        component_prediction,
    ),
    "contrast": (
        "A hyperplane separates the activations of A and B. A's activations are moved across it: does the model say B? "
        "Chance: they are moved as far in a random direction.",
        shift,
    ),
    "counterfactual": (
        "Activations of A are changed until the model is sure that a decoder's drawing of them is B. The number says "
        "how many drawings another network, asked only in the end, names B. Chance: a random change of the same place.",
        counterfactuals,
    ),
    "saliency": (
        "Where the truth is known: does the map lie more on the thing that only A has? Elsewhere: how much less "
        "likely is the class without the map's first pixels than without its last? Half of that is ROAD. Chance: a "
        "random map, a blob in the middle.",
        maps,
    ),
    "bias": (
        "Reliance: what accuracy loses between pictures with the planted bias and pictures with the opposite one. "
        "Chance: the same for a control that was trained without it.",
        bias,
    ),
    "dff": (
        "The activations of a layer are split into concepts, and the region of each is blurred: how far does the "
        "probability fall? Chance: as large a region elsewhere.",
        factorizations,
    ),
    "shortcut": (
        "A planted thing gives one class away. It is pasted into other pictures: how well does a direction tell them "
        "from the same pictures without it (AUROC)? Of each kind, the best direction is shown. Chance: the mean and "
        "nearly the best (97.5th percentile) of random directions.",
        shortcuts,
    ),
    "insertion": (
        "A crop is pasted into pictures of B: how much more does the model say A? Chance: a square of one colour, or "
        "the crop with its pixels shuffled.",
        insertions,
    ),
    "ace": (
        "Segments of pictures are clustered; a concept is kept if the class's score along it differs from that along "
        "random vectors. Chance: clusters of random segments.",
        superpixels,
    ),
    "models": ("Accuracy on pictures that were held out of the training.", accuracies),
}
"""For each analysis, how its answer is tested, and the function that gives its numbers."""
