"""The table of all cases, in parts."""

from __future__ import annotations

from ..case import Case
from . import commands, configuration, folders, fuzzed, networks, python, steps, workflow


def all_cases() -> list[Case]:
    """Every case of the campaign."""
    return [
        *folders.CASES,
        *networks.CASES,
        *commands.CASES,
        *configuration.CASES,
        *python.CASES,
        *fuzzed.CASES,
        *steps.CASES,
        *workflow.CASES,
    ]
