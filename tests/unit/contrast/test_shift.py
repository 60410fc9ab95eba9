"""The shift test: by hand on a linear network, against the whole network, and its table from known curves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from conceptrast.base.errors import ConceptrastError, ShapeError
from conceptrast.contrast.hyperplanes import Hyperplane
from conceptrast.contrast.shift import (
    OFFSETS,
    ShiftOptions,
    draw_pairs,
    pair_outcomes,
    shift_rows,
    shift_summary,
    shift_table,
    shifted_probabilities,
)
from conceptrast.models.split import SplitModel


class Reused(nn.Module):
    """A network whose layer ``relu`` is rectified and whose ``last`` is not; clamping there would change the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Conv2d(3, 4, 1)
        self.relu = nn.ReLU()
        self.last = nn.Conv2d(4, 5, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.pool(self.last(self.relu(self.linear(images)))).flatten(1)


@pytest.fixture
def network() -> Reused:
    torch.manual_seed(0)
    return Reused().eval()


IMAGES = torch.randn(7, 3, 6, 6, generator=torch.Generator().manual_seed(1))
NORMAL = torch.randn(4, generator=torch.Generator().manual_seed(2))
SETTINGS = ShiftOptions(offsets=[0.0, 4.0])


@pytest.mark.parametrize(("layer", "rectified"), [("relu", True), ("last", False)])
@pytest.mark.parametrize("batch_size", [3, 64])
def test_it_is_what_the_whole_network_says_of_replaced_activations(network, layer, rectified, batch_size):
    split = SplitModel(network, layer)
    with torch.no_grad():
        activations = split.prefix(IMAGES)
    before = activations.clone()
    normal = torch.randn(activations.shape[1], generator=torch.Generator().manual_seed(2))
    probabilities = shifted_probabilities(
        split, activations, normal.numpy(), [2, 0], options=ShiftOptions(offsets=OFFSETS, batch_size=batch_size)
    )
    assert torch.equal(activations, before)
    assert probabilities.shape == (len(OFFSETS), 7, 2)
    for number, offset in enumerate(OFFSETS):

        def shift(_module, _inputs, output, offset=offset):
            moved = output + offset * normal[:, None, None]
            return moved.relu() if rectified else moved

        handle = network.get_submodule(layer).register_forward_hook(shift)
        with torch.no_grad():
            expected = network(IMAGES).double().softmax(1)[:, [2, 0]]
        handle.remove()
        torch.testing.assert_close(probabilities[number], expected, rtol=1e-4, atol=1e-6)


def test_a_direction_of_other_channels_and_logits_that_overflow_are_named(network):
    split = SplitModel(network, "relu")
    activations = split.prefix(IMAGES).detach()
    with pytest.raises(ShapeError, match=r"a direction \[3\] does not fit activations \[7, 4, 6, 6\]"):
        shifted_probabilities(split, activations, np.ones(3), [0])
    with pytest.raises(ConceptrastError, match="not finite"):
        shifted_probabilities(split, activations, NORMAL.numpy(), [0], options=ShiftOptions(offsets=[0.0, 1e39]))


def test_all_classes_are_drawn_on_both_sides_and_none_with_itself():
    draws = draw_pairs([3, 5, 9, 11], pairs_per_draw=6, runs=40, seed=0)
    assert all(len(set(pairs)) == 6 for pairs in draws)
    drawn = {pair for pairs in draws for pair in pairs}
    assert drawn == {(one, other) for one in (3, 5, 9, 11) for other in (3, 5, 9, 11) if one != other}


def test_draws_depend_on_the_seed_and_their_number():
    first = draw_pairs(list(range(50)), 20, 2, seed=0)
    assert first == draw_pairs(list(range(50)), 20, 2, seed=0)
    assert first[0] != first[1]
    assert first != draw_pairs(list(range(50)), 20, 2, seed=1)


@pytest.mark.parametrize("classes", [[], [4]])
def test_fewer_than_two_classes_give_no_pairs(classes):
    assert draw_pairs(classes, 20, 2, seed=0) == [[], []]


def test_only_the_positions_that_are_named_are_shifted(network):
    """Shifting one position of four is, for a mean over positions, a quarter of the way."""
    mean = nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    split = SplitModel(mean, "0")
    activations = torch.tensor([3.0, 1.0]).view(1, 2, 1, 1).expand(2, 2, 2, 2).contiguous()
    one = torch.zeros(2, 2, 2, dtype=torch.bool)
    one[:, 1, 0] = True
    normal = np.array([-1.0, 1.0])
    some = shifted_probabilities(
        split, activations, normal, [0, 1], options=ShiftOptions(offsets=[0.0, 4.0]), positions=one
    )
    everywhere = shifted_probabilities(split, activations, normal, [0, 1], options=ShiftOptions(offsets=[0.0, 1.0]))
    torch.testing.assert_close(some, everywhere)
    none = shifted_probabilities(
        split, activations, normal, [0, 1], options=ShiftOptions(offsets=[0.0, 4.0]), positions=~(one | ~one)
    )
    assert torch.equal(none[0], none[1])


def curve(draw: int, pair: tuple[int, int], p_from: list[float], p_to: list[float], **head: str) -> pd.DataFrame:
    names = {"hyperplane": "zero", "baseline": "none", "status": "ok", "reason": "", **head}
    ends = {"draw": draw, "from_class": pair[0], "to_class": pair[1]}
    return pd.DataFrame({**names, **ends, "offset": np.arange(len(p_to), dtype=float), "p_from": p_from, "p_to": p_to})


def test_a_pair_is_swapped_where_its_best_offset_names_b():
    outcomes = pair_outcomes(
        pd.concat(
            [
                curve(0, (0, 1), [0.9, 0.5, 0.1], [0.1, 0.4, 0.8]),
                curve(0, (0, 2), [0.9, 0.8, 0.4], [0.1, 0.2, 0.6]),  # p(A) one offset before the best is higher
                curve(0, (1, 2), [0.9, 0.1, 0.1], [0.01, 0.45, 0.2]),  # never above one half
                curve(0, (2, 1), [0.1, 0.2, 0.2], [0.6, 0.3, 0.2]),  # best before any shift: that does not count
            ]
        )
    )
    assert outcomes["before"].tolist() == [0.1, 0.1, 0.01, 0.6]
    assert outcomes["after"].tolist() == [0.8, 0.6, 0.45, 0.3]
    assert outcomes["offset"].tolist() == [2, 2, 1, 1]
    assert outcomes["swapped"].tolist() == [True, True, False, False]
    assert outcomes["swapped_published"].tolist() == [True, False, False, False]
    assert outcomes["factor"].tolist() == pytest.approx([8, 6, 45, 0.5])


def test_the_best_offset_is_the_smallest_that_swaps():
    """The probability of B grows up to offset 3, but at 2 it is above A's and above a half."""
    outcomes = pair_outcomes(curve(0, (0, 1), [0.9, 0.6, 0.4, 0.1], [0.1, 0.4, 0.6, 0.9]))
    assert outcomes[["after", "offset", "swapped"]].to_numpy().tolist() == [[0.9, 2, True]]
    # Above a half from the start: offset 0 is no shift.
    assert pair_outcomes(curve(0, (0, 1), [0.3, 0.2], [0.7, 0.8]))["offset"].tolist() == [1]


def test_draws_of_the_same_pairs_have_no_standard_deviation():
    """Two classes have two pairs: every draw has both."""
    same = [curve(draw, pair, [0.9, 0.1], [0.1, 0.9]) for draw in (0, 1) for pair in ((0, 1), (1, 0))]
    row = shift_summary(pd.concat(same)).iloc[0]
    assert (row["n_pairs"], row["n_different"]) == (4, 2)
    assert row["swap_rate_mean"] == 1
    assert pd.isna(row["swap_rate_sd"])


def test_the_summary_is_over_draws():
    table = pd.concat(
        [
            curve(0, (0, 1), [0.9, 0.5, 0.1], [0.1, 0.4, 0.8]),
            curve(0, (0, 2), [0.9, 0.8, 0.8], [0.3, 0.2, 0.2]),
            curve(1, (0, 1), [0.9, 0.5, 0.1], [0.1, 0.4, 0.8]),
            curve(1, (1, 0), [0.9, 0.5, 0.1], [0.1, 0.4, 0.8]),
            curve(1, (2, 0), [0.0] * 3, [0.0] * 3, status="skipped"),
        ]
    )
    row = shift_summary(table).iloc[0]
    assert (row["runs"], row["n_pairs"], row["n_skipped"], row["n_factors"]) == (2, 4, 3, 4)
    assert row["n_different"] == 3
    assert row["swap_rate_mean"] == pytest.approx(0.75)
    assert row["swap_rate_sd"] == pytest.approx(np.std([0.5, 1], ddof=1))
    assert row["before_mean"] == pytest.approx((0.2 + 0.1) / 2)
    assert row["factor_of_means_mean"] == pytest.approx((0.5 / 0.2 + 8) / 2)
    assert row["mean_of_factors_mean"] == pytest.approx(((8 + 0.2 / 0.3) / 2 + 8) / 2)


@pytest.mark.parametrize("before", [0.0, 1e-310])
def test_a_probability_of_zero_before_has_no_factor(before):
    row = shift_summary(curve(0, (0, 1), [1.0, 0.5, 0.1], [before, 0.4, 0.8])).iloc[0]
    assert row["n_factors"] == 0
    assert "factor_of_means_mean" not in row
    assert row["swap_rate_mean"] == 1


class Given(dict):
    """Planes by pair, and the reasons for those that have none."""

    skipped: dict = {(1, 2): "no plane"}  # noqa: RUF012


def test_a_pair_drawn_twice_is_in_both_draws_and_one_without_a_plane_has_its_reason(network):
    split = SplitModel(network, "relu")
    plane = Hyperplane(NORMAL.numpy(), 0.5)
    activations = split.prefix(IMAGES).detach()
    draws = [[(1, 3), (1, 2)], [(1, 3), (3, 1)]]
    table = shift_table(split, [(1, activations)], {"zero": Given({(1, 3): plane})}, draws, options=SETTINGS)
    ok = table[table["status"] == "ok"]
    lost = table[table["status"] == "skipped"]
    assert ok.groupby("draw").size().tolist() == [4, 4]
    assert lost[["draw", "to_class", "reason"]].to_numpy().tolist() == [[0, 2, "no plane"]]
    row = shift_summary(table).iloc[0]
    assert (row["runs"], row["n_pairs"], row["n_skipped"]) == (2, 2, 1)


def test_no_pairs_and_pairs_without_planes_give_an_empty_summary(network):
    assert shift_summary(shift_table(None, [], {}, [[], []], options=SETTINGS)).empty
    split = SplitModel(network, "relu")
    classes = [(1, split.prefix(IMAGES).detach())]
    lost = shift_table(split, classes, {"zero": Given()}, [[(1, 2)]], options=ShiftOptions(offsets=[0.0]))
    assert lost["status"].tolist() == ["skipped"]
    assert shift_summary(lost).empty


def test_both_the_normal_and_a_random_direction_as_long_are_shifted_along(network):
    split = SplitModel(network, "relu")
    activations = split.prefix(IMAGES).detach()
    planes = {"zero": {(1, 3): Hyperplane(NORMAL.numpy(), 0.5)}, "other": {}}
    curves = shift_rows(split, activations, planes, (1, 3), options=SETTINGS)
    assert curves["baseline"].tolist() == ["none", "none", "random_direction", "random_direction"]
    along_normal = shifted_probabilities(
        split, activations, NORMAL, (1, 3), options=ShiftOptions(offsets=[0.0, 4.0])
    ).mean(1)
    np.testing.assert_allclose(curves[["p_from", "p_to"]].to_numpy()[:2], along_normal.numpy())
    assert curves["p_to"][0] == curves["p_to"][2]
    assert curves["p_to"][1] != curves["p_to"][3]
