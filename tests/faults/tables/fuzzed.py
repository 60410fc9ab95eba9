"""Readers with contents that Hypothesis draws: each property of :mod:`..properties` for some seconds."""

from __future__ import annotations

from ..case import Action, Case

READERS = {
    "index": ("folders",),
    "configuration": ("configurations", "configuration_files"),
    "checkpoint": ("checkpoints", "unfinished_trainings"),
    "decoder": ("decoders", "pictures", "slides"),
    "csv": ("tables", "claims", "class_tables"),
    "json": ("class_objects", "class_names", "annotations", "holders", "records"),
    "text": ("synsets",),
}
"""The properties of each reader."""

SECONDS = 5
"""How long ``make faults`` tries each property."""

SHRINKING = 330
"""Seconds that Hypothesis may take to shorten a content, and a little more."""


def property_holds(name: str, seconds: float) -> Action:
    """Try a property; Hypothesis is imported for that alone."""

    def act() -> None:
        from ..properties import tried

        tried(name, seconds)

    return act


def random_contents(seconds: float) -> list[Case]:
    """A case for each property.

    Args:
        seconds: how long each is tried.
    """
    return [
        Case(
            name=f"random content: {reader}: {name}",
            action=property_holds(name, seconds),
            exit=0,
            says=["contents tried"],
            seconds=seconds + SHRINKING,
            quick=False,
        )
        for reader, names in READERS.items()
        for name in names
    ]


def for_each_reader(seconds: float) -> list[Case]:
    """The same, with so many seconds for each reader, shared among its properties."""
    return [
        case
        for reader, names in READERS.items()
        for case in random_contents(seconds / len(names))
        if case.name.startswith(f"random content: {reader}:")
    ]


CASES = random_contents(SECONDS)
