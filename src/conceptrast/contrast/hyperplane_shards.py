"""The hyperplanes of a study. Shards of its pairs are fitted one by one, and their files are read back by pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conceptrast.base.files import read_array, read_optional, read_rows
from conceptrast.base.progress import progress
from conceptrast.contrast.features import FeatureBank, Features
from conceptrast.contrast.hyperplane_fit import fit_pairs
from conceptrast.contrast.hyperplane_solvers import Solver
from conceptrast.contrast.hyperplanes import NO_PLANE, RANDOM_DIRECTION, Hyperplane, random_hyperplane
from conceptrast.contrast.pairs import Pair

ACCURACIES = ("train_accuracy", "heldout_accuracy")
BLOCK = 64
"""Number of classes on each side of a block of pairs. It limits the features that are in memory at once."""


def blocks_of_pairs(classes: Sequence[int], shard: int = 0, shards: int = 1, size: int = BLOCK) -> Iterator[list[Pair]]:
    """Blocks of unordered pairs of classes. A shard has the pairs of every ``shards``-th lower class.

    Args:
        classes: sorted.
        shard: the number of this shard.
        shards: the number of shards; each pair is in one of them.
        size: the largest number of classes on each side of a block.

    Example:
        >>> list(blocks_of_pairs([3, 5, 8])), list(blocks_of_pairs([3, 5, 8], shard=1, shards=2))
        ([[(3, 5), (3, 8), (5, 8)]], [[(5, 8)]])
    """
    firsts = list(classes)[shard::shards]
    for start in range(0, len(firsts), size):
        for other in range(0, len(classes), size):
            pairs = [
                (first, second)
                for first in firsts[start : start + size]
                for second in classes[other : other + size]
                if first < second
            ]
            if pairs:
                yield pairs


@dataclass(frozen=True)
class FitOptions:
    """How the hyperplanes of a study are fitted.

    Args:
        heldout: the share of each class's images that no plane is fitted with.
        seed: the seed of the draw of held-out images and of random starts.
        precision: the precision of matrix products.
        block: the number of classes on each side of a block. Memory grows with it; results change by rounding only.
    """

    heldout: float = 0.25
    seed: int = 0
    precision: str = "float32"
    block: int = BLOCK


def fit_shard(
    bank: FeatureBank, solvers: Sequence[Solver], options: FitOptions, *, shard: int = 0, shards: int = 1
) -> dict[str, np.ndarray]:
    """The hyperplanes of one shard of a study's pairs, by every solver, in the form of one file.

    Args:
        bank: features of the study's classes.
        solvers: all solvers.
        options: the held-out images, the seed, the precision and the size of the blocks.
        shard, shards: see :func:`blocks_of_pairs`.

    Returns:
        For each solver the arrays of :func:`~conceptrast.contrast.hyperplane_fit.fit_pairs`, as ``<array>_<solver>``.
    """
    parts: dict[str, list[np.ndarray]] = {}
    blocks = list(blocks_of_pairs(list(bank), shard, shards, options.block))
    for pairs in progress(blocks, "fitting hyperplanes", len(blocks), "blocks of pairs"):
        targets = sorted({target for pair in pairs for target in pair})
        features = {target: bank[target].split(target, options.heldout, options.seed) for target in targets}
        for solver in solvers:
            arrays = fit_pairs(features, pairs, solver, seed=options.seed, precision=options.precision)
            for name, values in arrays.items():
                if values.size:
                    parts.setdefault(f"{name}_{solver.name}", []).append(values)
    empty = {"first": np.empty(0, np.int64), "second": np.empty(0, np.int64), "skipped": np.empty((0, 2), np.int64)}
    whole = {f"{name}_{solver.name}": values for solver in solvers for name, values in empty.items()}
    return whole | {name: np.concatenate(blocks_of_array) for name, blocks_of_array in parts.items()}


class Planes(Mapping[Pair, Hyperplane]):
    """The hyperplanes of the given pairs, from the files of all shards.

    If the plane of ``(B, A)`` was not fitted, it is the reverse of the plane of ``(A, B)``. Planes of other pairs are
    not read: a thousand classes have 2.6 GB of normals with 1280 channels.

    Args:
        files: the files with the results of :func:`fit_shard`, one for each shard.
        solver: the name of the solver.
        pairs: the ordered pairs, in the order of iteration. Pairs that no plane separates are left out.

    Attributes:
        skipped: the reason for each pair that is left out.
        accuracy: by pair, train_accuracy and, where images are held out, heldout_accuracy.
    """

    def __init__(self, files: Sequence[Path], solver: str, pairs: Iterable[Pair]) -> None:
        order = list(dict.fromkeys(pairs))
        pair_set = set(order)
        planes: dict[Pair, Hyperplane] = {}
        self.skipped: dict[Pair, str] = {}
        self.accuracy: dict[Pair, dict[str, float]] = {}
        for path in files:
            # Rows of the file by pair, and the pairs that no plane separates.
            first, second = (read_array(path, f"{end}_{solver}").tolist() for end in ("first", "second"))
            rows = {pair: row for row, pair in enumerate(zip(first, second, strict=True))}
            for one, other in read_array(path, f"skipped_{solver}").tolist():
                self.skipped |= {pair: NO_PLANE for pair in ((one, other), (other, one)) if pair in pair_set}

            # The planes of the given pairs, in whichever order they were fitted.
            here = [pair for pair in pair_set if pair in rows or pair[::-1] in rows]
            if not here:
                continue
            numbers = [rows[pair] if pair in rows else rows[pair[::-1]] for pair in here]
            normals = read_rows(path, f"normals_{solver}", numbers)
            columns = {
                name: values[numbers]
                for name in ("biases", *ACCURACIES)
                if (values := read_optional(path, f"{name}_{solver}")) is not None
            }
            for place, pair in enumerate(here):
                plane = Hyperplane(normals[place], float(columns["biases"][place]))
                planes[pair] = plane if pair in rows else plane.reversed()
                self.accuracy[pair] = {name: float(columns[name][place]) for name in ACCURACIES if name in columns}
        self._planes = {pair: planes[pair] for pair in order if pair in planes}

    def __getitem__(self, pair: Pair) -> Hyperplane:
        return self._planes[pair]

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._planes)

    def __len__(self) -> int:
        return len(self._planes)


def chance_planes(planes: Mapping[Pair, Hyperplane], bank: Mapping[int, Features], seed: int) -> dict[Pair, Hyperplane]:
    """For each plane a random one, with a normal as long, through the middle of both classes' mean features.

    Args:
        planes: the hyperplanes by pair.
        bank: the features of the classes.
        seed: the seed of the directions.
    """
    targets = {target for pair in planes for target in pair}
    means = {target: bank[target].vectors.mean(axis=0, dtype=np.float64) for target in targets}
    return {
        pair: random_hyperplane(plane, (means[pair[0]] + means[pair[1]]) / 2, seed, pair)
        for pair, plane in planes.items()
    }


def beside_chance(
    planes: dict[Pair, Hyperplane], bank: Mapping[int, Features], seed: int
) -> dict[str, dict[Pair, Hyperplane]]:
    """The planes (``none``), and a random plane for each of them, by baseline.

    Args:
        planes: the hyperplanes by pair.
        bank: the features of their classes.
        seed: the seed of the random planes.

    Example:
        >>> bank = {target: Features(np.ones((1, 2), np.float32), np.array([target])) for target in (0, 1)}
        >>> by_baseline = beside_chance({(0, 1): Hyperplane(np.array([3.0, 4.0], np.float32), 0.0)}, bank, seed=0)
        >>> {name: round(planes[0, 1].length, 3) for name, planes in by_baseline.items()}
        {'none': 5.0, 'random_direction': 5.0}
    """
    return {"none": planes, RANDOM_DIRECTION: chance_planes(planes, bank, seed)}
