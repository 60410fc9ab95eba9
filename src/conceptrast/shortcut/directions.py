"""The directions of a study that could show a shortcut: components, concept vectors, normals; and random ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conceptrast.base.streams import Stream, generator
from conceptrast.contrast.hyperplane_shards import Planes
from conceptrast.contrast.pairs import Pair

RANDOM = 20
"""Number of random directions."""


@dataclass(frozen=True)
class Candidate:
    """A direction that could show the shortcut.

    Args:
        kind: ``component``, ``cav``, ``hyperplane``, ``true`` or ``random``.
        name: how a reader finds it, e.g. ``3+7: component 2``.
        vector: ``[C]``; its length does not count.
    """

    kind: str
    name: str
    vector: np.ndarray


def component_candidates(
    components: Mapping[str, np.ndarray], array: str, targets: Sequence[int], names: Sequence[str]
) -> list[Candidate]:
    """The components of some classes, numbered as on their cards.

    Args:
        components: the study's file, with ``classes`` and the array.
        array: the name of the array ``[K, k, C]``.
        targets: the classes; one without components is left out.
        names: the names of all classes.

    Example:
        >>> file = {"classes": np.array([3]), "components_channel_k1": np.ones((1, 1, 2))}
        >>> [candidate.name for candidate in component_candidates(file, "components_channel_k1", [3, 0], list("abcd"))]
        ['d: component 1']
    """
    classes = components["classes"].tolist()
    return [
        Candidate("component", f"{names[target]}: component {number + 1}", vector)
        for target in targets
        if target in classes
        for number, vector in enumerate(components[array][classes.index(target)])
    ]


def cav_candidates(ace: Mapping[str, np.ndarray], targets: Collection[int]) -> list[Candidate]:
    """The concept activation vectors of the kept concepts of some classes.

    Args:
        ace: classes ``[n]``, concepts ``[n]`` and cavs ``[n, C]``.
        targets: the classes.
    """
    rows = [row for row, target in enumerate(ace["classes"].tolist()) if target in targets]
    return [Candidate("cav", str(ace["concepts"][row]), ace["cavs"][row]) for row in rows]


def plane_candidates(
    files: Sequence[Path], solvers: Sequence[str], pair: Pair, names: Sequence[str]
) -> list[Candidate]:
    """The normals of the hyperplanes of a pair, towards its second class.

    Args:
        files: the study's hyperplanes.
        solvers: the names of the solvers.
        pair: the classes.
        names: the names of all classes.
    """
    candidates = []
    for solver in solvers:
        plane = Planes(files, solver, [pair]).get(pair)
        if plane is not None:
            name = f"{names[pair[0]]} to {names[pair[1]]}: hyperplane {solver}"
            candidates.append(Candidate("hyperplane", name, plane.normal))
    return candidates


def random_candidates(channels: int, seed: int) -> list[Candidate]:
    """Random directions ``[channels]``, the chance that all others are compared with."""
    vectors = generator(Stream.SHORTCUT_CHANCE, seed).standard_normal((RANDOM, channels))
    return [Candidate("random", f"random {number + 1}", vector) for number, vector in enumerate(vectors)]
