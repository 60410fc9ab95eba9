"""The headline numbers of a run, a few for each question: what a list of runs shows side by side."""

from __future__ import annotations

from collections.abc import Sequence

from conceptrast.atlas.answers import Answer
from conceptrast.base.names import printable


def headline_numbers(answered: Sequence[Answer]) -> dict[str, float]:
    """The first number of each entry by ``question/entry``, with its highest chance row as ``question/entry chance``.

    An entry, e.g. a study, may have a number for every edit, direction or class. The first one stands for all: tables
    have the others.

    Example:
        >>> from conceptrast.atlas.numbers import Measure
        >>> chances = [("random", 0.1), ("other", 0.2)]
        >>> measure = Measure("layer 3: why A?", "3 of 4", value=0.75, chances=chances, entry="pairs")
        >>> headline_numbers([Answer("saliency", "Where does it look?", test="", measures=[measure])])
        {'saliency/pairs': 0.75, 'saliency/pairs chance': 0.2}
    """
    numbers: dict[str, float] = {}
    for answer in answered:
        for measure in answer.measures:
            name = f"{answer.analysis}/{measure.entry}"
            if measure.value is not None and name not in numbers:
                numbers[name] = measure.value
                if measure.chances:
                    numbers[f"{name} chance"] = max(value for _, value in measure.chances)
    return numbers


def note_of(answered: Sequence[Answer], summary: str) -> str:
    """What a run was asked and what came out, in Markdown.

    Args:
        answered: the answers of the run.
        summary: how many claims about it hold.

    Example:
        >>> print(note_of([], "No claim was checked"))
        No claim was checked. All pages: `atlas/index.html` in the folder of the run's results.
    """
    lines = [f"{summary.rstrip('.')}. All pages: `atlas/index.html` in the folder of the run's results."]
    for answer in answered:
        lines += ["", f"**{answer.question}**", ""]
        for measure in answer.measures[:8]:
            chance = f"; chance: {measure.chance}" if measure.chance else ""
            interval = f" ({measure.interval})" if measure.interval else ""
            lines.append(f"- {measure.label}: {measure.text}{interval}{chance}")
    return "\n".join(lines)


def answer_lines(answered: Sequence[Answer], most: int = 5) -> list[str]:
    """The first answers of a run, a line for each question.

    Example:
        >>> from conceptrast.atlas.numbers import Measure
        >>> measure = Measure("layer3", "9 of 10 classes", value=0.9, low=0.6, high=0.98, chances=[("random", 0.1)])
        >>> answer_lines([Answer("concepts", "What does a class consist of?", test="", measures=[measure])])
        ['What does a class consist of? layer3: 9 of 10 classes (60 % to 98 %), chance 10 %']
    """
    lines = []
    for answer in answered[:most]:
        measure = answer.measures[0]
        interval = f" ({measure.interval})" if measure.interval else ""
        highest = max((value for _, value in measure.chances), default=None)
        chance = "" if highest is None else f", chance {measure.in_words(highest)}"
        line = f"{answer.question} {measure.label}: {measure.text}{interval}{chance}"
        lines.append(printable(line.replace("\N{NO-BREAK SPACE}", " ")))
    return lines
