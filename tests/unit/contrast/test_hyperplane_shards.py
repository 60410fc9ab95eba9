"""Hyperplanes of a study: every pair in one shard, the same whatever the blocks, found again either way round."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest

from conceptrast.base.files import write_arrays
from conceptrast.contrast.features import HEADS, FeatureBank
from conceptrast.contrast.hyperplane_shards import FitOptions, Planes, blocks_of_pairs, chance_planes, fit_shard
from conceptrast.contrast.hyperplane_solvers import Solver
from conceptrast.contrast.hyperplanes import NO_PLANE
from conceptrast.contrast.tables import hyperplane_summary

CLASSES = [1, 4, 5, 8, 9, 12, 20]
SOLVERS = [Solver("zero"), Solver("a_zero", init="random"), Solver("logistic", solver="logistic")]


@pytest.mark.parametrize(("shards", "size"), [(1, 64), (3, 64), (1, 2), (4, 3), (9, 1)])
def test_every_pair_is_in_one_block_of_one_shard(shards: int, size: int):
    blocks = [block for shard in range(shards) for block in blocks_of_pairs(CLASSES, shard, shards, size)]
    assert sorted(pair for block in blocks for pair in block) == list(combinations(CLASSES, 2))
    assert max(len({first for first, _ in block}) for block in blocks) <= size


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> FeatureBank:
    """Seven classes in two files; classes 9 and 20 have the same features throughout."""
    generator = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("features")
    files = []
    for number, part in enumerate((CLASSES[:4], CLASSES[4:])):
        facts = {name: np.zeros(len(part), kind) for name, kind in HEADS.items()} | {"classes": np.array(part)}
        for target in part:
            rows = np.ones((6, 5)) if target in (9, 20) else generator.random((8 + target, 5)) + generator.random(5)
            facts |= {f"vectors_{target}": rows.astype(np.float32), f"images_{target}": np.arange(len(rows)) // 2}
        files.append(folder / f"{number}.npz")
        write_arrays(files[-1], facts)
    return FeatureBank(files)


@pytest.fixture(scope="module")
def files(bank, tmp_path_factory) -> list:
    folder = tmp_path_factory.mktemp("hyperplanes")
    for shard in range(2):
        write_arrays(folder / f"{shard}.npz", fit_shard(bank, SOLVERS, FitOptions(block=3), shard=shard, shards=2))
    return sorted(folder.iterdir())


def test_a_bank_reads_classes_from_all_files(bank):
    assert list(bank) == CLASSES
    assert bank[12].vectors.shape == (20, 5)


def test_shards_and_blocks_change_no_plane(bank, files):
    whole = fit_shard(bank, SOLVERS, FitOptions())
    for solver in SOLVERS:
        firsts, seconds = (whole[f"{end}_{solver.name}"].tolist() for end in ("first", "second"))
        pairs = list(zip(firsts, seconds, strict=True))
        planes = Planes(files, solver.name, pairs)
        assert list(planes) == pairs
        for row, pair in enumerate(pairs):
            np.testing.assert_allclose(planes[pair].normal, whole[f"normals_{solver.name}"][row], atol=1e-5)
            expected = whole[f"heldout_accuracy_{solver.name}"][row]
            assert planes.accuracy[pair]["heldout_accuracy"] == pytest.approx(expected)


def test_the_other_order_is_the_reverse_unless_it_was_fitted(files):
    zero, random = (Planes(files, name, [(4, 8), (8, 4)]) for name in ("zero", "a_zero"))
    assert np.array_equal(zero[8, 4].normal, -zero[4, 8].normal)
    assert zero[8, 4].bias == -zero[4, 8].bias
    assert not np.allclose(random[8, 4].normal, -random[4, 8].normal, atol=1e-3)


def test_a_pair_that_no_plane_separates_is_left_out_with_the_reason(files):
    planes = Planes(files, "zero", [(20, 9), (1, 4)])
    assert list(planes) == [(1, 4)]
    assert planes.skipped == {(20, 9): NO_PLANE}


def test_a_file_holds_no_other_solvers_arrays(files):
    with np.load(files[0], allow_pickle=False) as arrays:
        assert {name for name in arrays.files if name.startswith("first")} == {
            f"first_{solver.name}" for solver in SOLVERS
        }


def test_fewer_than_two_classes_give_an_empty_file(tmp_path):
    facts = {name: np.zeros(1, kind) for name, kind in HEADS.items()} | {"classes": np.array([1])}
    write_arrays(tmp_path / "f.npz", facts | {"vectors_1": np.ones((4, 5)), "images_1": np.arange(4)})
    write_arrays(tmp_path / "0.npz", fit_shard(FeatureBank([tmp_path / "f.npz"]), SOLVERS, FitOptions()))
    assert len(Planes([tmp_path / "0.npz"], "zero", permutations([1, 4], 2))) == 0


def test_the_table_counts_unordered_pairs_and_averages_over_planes(files):
    table = hyperplane_summary(files, SOLVERS, pd.DataFrame()).set_index("hyperplane")
    assert table["n_pairs"].tolist() == [20, 20, 20]
    assert table["n_skipped"].tolist() == [1, 1, 1]
    planes = Planes(files, "zero", combinations(CLASSES, 2))
    assert table.loc["zero", "normal_length_mean"] == pytest.approx(
        np.mean([plane.length for plane in planes.values()])
    )
    accuracy = [planes.accuracy[pair]["train_accuracy"] for pair in planes]
    assert table.loc["zero", "train_accuracy_mean"] == pytest.approx(np.mean(accuracy))


def test_chance_planes_go_through_the_middle_of_the_mean_features(bank, files):
    planes = Planes(files, "zero", [(1, 4), (5, 8)])
    for (first, second), plane in chance_planes(planes, bank, seed=0).items():
        means = [bank[target].vectors.mean(0) for target in (first, second)]
        assert float(plane.normal @ ((means[0] + means[1]) / 2) + plane.bias) == pytest.approx(0, abs=1e-4)
        assert plane.length == pytest.approx(planes[first, second].length, rel=1e-5)
