"""Tables that map names to implementations. An implementation is imported only when it is asked for.

A registry is a plain table ``{"name": "package.module:attribute"}`` in the ``__init__.py`` of the package that holds
the implementations. To add an implementation, add a file and one line in that table.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from conceptrast.base.errors import ConfigError, unknown_name


def resolve(what: str, name: str, table: Mapping[str, str]) -> Any:
    """The implementation that ``table`` lists under ``name``.

    Args:
        what: what the name stands for, used in the error.
        name: key of ``table``.
        table: ``{"name": "package.module:attribute"}``.

    Raises:
        ConfigError: ``name`` is not in ``table``; the message lists the nearest names.

    Example:
        >>> resolve("function", "sqrt", {"sqrt": "math:sqrt"})(9.0)
        3.0
    """
    if name not in table:
        raise ConfigError(unknown_name(what, name, table))
    return implementation(table[name])


def implementation(name: str) -> Any:
    """The object that ``package.module:attribute`` names.

    Example:
        >>> implementation("math:sqrt")(9.0)
        3.0
    """
    module, attribute = name.split(":")
    return getattr(importlib.import_module(module), attribute)
