"""The pairs of classes that a study looks at closely."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import pandas as pd

from conceptrast.base.errors import ConfigError
from conceptrast.models.model import Model

Pair = tuple[int, int]
"""Two classes, A and B."""


def named_pairs(model: Model, pairs: Sequence[Sequence[str | int]]) -> list[Pair]:
    """The class indices of the named pairs, each pair once.

    Raises:
        ConfigError: a class does not exist, or a pair names the same class twice.

    Example:
        >>> from torch import nn
        >>> from conceptrast.models.model import Preprocess
        >>> model = Model("net", nn.Flatten(), Preprocess(None, 2, (0.5,) * 3, (0.5,) * 3), ["cat", "dog"])
        >>> named_pairs(model, [["dog", "cat"]])
        [(1, 0)]
    """
    indices = []
    for first, second in pairs:
        pair = (model.class_index(first), model.class_index(second))
        if pair[0] == pair[1]:
            raise ConfigError(f"a pair needs two classes, got {first!r} and {second!r}, which are the same")
        indices.append(pair)
    return list(dict.fromkeys(indices))


def mask_pairs(named: Sequence[Pair], drawn: Sequence[Pair], most: int) -> list[Pair]:
    """The named pairs, then drawn pairs, at most ``most`` in all.

    Example:
        >>> mask_pairs([(0, 1)], [(2, 3), (0, 1), (4, 5)], most=2)
        [(0, 1), (2, 3)]
    """
    return list(dict.fromkeys([*named, *drawn]))[:most]


def with_sharing(named: Sequence[Pair], sharing: Iterable[Pair]) -> list[Pair]:
    """The named pairs, and pairs that share a concept. If two differ only in their order, the first is kept.

    Example:
        >>> with_sharing([(4, 1)], [(0, 1), (1, 0), (1, 4)])
        [(4, 1), (0, 1)]
    """
    unordered: dict[frozenset[int], Pair] = {}
    for pair in [*named, *sharing]:
        unordered.setdefault(frozenset(pair), pair)
    return list(unordered.values())


def both_orders(pairs: Iterable[Pair]) -> list[Pair]:
    """The pairs and their reverses, each once.

    Example:
        >>> both_orders([(0, 1), (1, 0), (2, 3)])
        [(0, 1), (1, 0), (2, 3), (3, 2)]
    """
    return list(dict.fromkeys(ordered for pair in pairs for ordered in (pair, pair[::-1])))


def skipped_pairs(
    pairs: Sequence[Pair], names: Sequence[str], usable: Collection[int], inseparable: Mapping[Pair, str]
) -> dict[Pair, str]:
    """The reasons why some pairs cannot be contrasted.

    Args:
        pairs: the pairs of classes.
        names: the names of the classes.
        usable: the classes with features.
        inseparable: the reasons for the pairs that no plane separates.

    Returns:
        The reason by pair.

    Example:
        >>> skipped_pairs([(0, 1), (0, 2)], ["cat", "dog", "cow"], usable=[0, 1, 2], inseparable={(0, 2): "no plane"})
        {(0, 2): 'no plane'}
    """
    reasons = {}
    for pair in pairs:
        missing = [names[target] for target in pair if target not in usable]
        if missing:
            few = "fewer than min_images images are predicted as it, or its images speak for it nowhere"
            reasons[pair] = f"no features of {' and '.join(missing)}: {few}"
        elif pair in inseparable:
            reasons[pair] = inseparable[pair]
    return reasons


def skipped_rows(reasons: Mapping[Pair, str]) -> pd.DataFrame:
    """Rows of pairs that cannot be contrasted: from_class, to_class, status, reason.

    Example:
        >>> skipped_rows({(0, 1): "why"}).to_dict("records")
        [{'from_class': 0, 'to_class': 1, 'status': 'skipped', 'reason': 'why'}]
    """
    rows = [(*pair, "skipped", reason) for pair, reason in reasons.items()]
    return pd.DataFrame(rows, columns=["from_class", "to_class", "status", "reason"])
