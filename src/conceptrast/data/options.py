"""Checks of a dataset's options: each names the option, what it needs and what it got."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conceptrast.base.errors import ConfigError

PathOption = str
"""Type of an option that is a path: a configuration gives it relative to the repository, and the plan moves it."""


def wrong(option: str, needs: str, got: Any) -> ConfigError:
    """The error for an option of the wrong type or value.

    Example:
        >>> wrong("root", "a path", 3)
        ConfigError('root is a path; got 3')
    """
    return ConfigError(f"{option} is {needs}; got {got!r}")


def as_path(option: str, got: Any) -> Path:
    """A path.

    Raises:
        ConfigError: ``got`` is neither a text nor a path, or is empty.
    """
    if not isinstance(got, str | Path) or not str(got).strip():
        raise wrong(option, "a path", got)
    return Path(got)


def as_count(option: str, got: Any, of: str) -> int:
    """A number of things.

    Raises:
        ConfigError: ``got`` is not a whole number, or is negative.
    """
    if isinstance(got, bool) or not isinstance(got, int) or got < 0:
        raise wrong(option, f"a number of {of}, 0 or more", got)
    return got


def as_share(option: str, got: Any) -> float:
    """A share between 0 and 1.

    Raises:
        ConfigError: ``got`` is not a number, or is not between 0 and 1.
    """
    if isinstance(got, bool) or not isinstance(got, int | float) or not 0 <= got <= 1:
        raise wrong(option, "a share between 0 and 1", got)
    return got


def as_switch(option: str, got: Any) -> bool:
    """A truth value.

    Raises:
        ConfigError: ``got`` is not ``True`` or ``False``; ``0``, ``1`` and texts are refused, too.
    """
    if not isinstance(got, bool):
        raise wrong(option, "true or false", got)
    return got


def as_choice(option: str, got: Any, choices: Sequence[str]) -> str:
    """One of some names.

    Raises:
        ConfigError: ``got`` is none of them; the message lists the names.

    Example:
        >>> as_choice("frame", "corners", ["disc", "corners"])
        'corners'
    """
    if got not in choices:
        raise wrong(option, f"one of {', '.join(choices)}", got)
    return str(got)


def as_names(option: str, got: Any, needs: str) -> list[str]:
    """A list of names.

    Raises:
        ConfigError: ``got`` is not a list, is empty, or holds something other than texts.
    """
    if not isinstance(got, list | tuple) or not got or not all(isinstance(name, str) for name in got):
        raise wrong(option, needs, got)
    return list(got)
