"""Faithfulness: curves by hand, exact shares, independent draws, and a network that looks in a corner."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from conceptrast.base.errors import ConfigError, DataError, ModelError, ShapeError
from conceptrast.base.statistics import bootstrap_interval
from conceptrast.models.model import Model, Preprocess
from conceptrast.saliency.chance_maps import centre_maps, random_maps
from conceptrast.saliency.faithfulness import FaithfulnessOptions, relevance_rank
from conceptrast.saliency.faithfulness import faithfulness as faithfulness_with
from conceptrast.saliency.road import NOISE
from conceptrast.saliency.tables import faithfulness_table, scores
from conceptrast.saliency.targets import Target


class Corner(nn.Module):
    """Class 0 is the sum of the first channel in the upper left quarter, class 1 is 0. Keeps its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.clone())
        high = images.shape[2] // 2
        wide = images.shape[3] // 2
        brightness = images[:, 0, :high, :wide].sum((1, 2))
        return torch.stack([brightness, torch.zeros_like(brightness)], 1)


def faithfulness(model, images, maps, targets, **options) -> pd.DataFrame:
    return faithfulness_with(
        model=model, images=images, maps=maps, targets=targets, options=FaithfulnessOptions(**options)
    )


def corner(side: int = 4) -> Model:
    return Model("corner", Corner(), Preprocess(None, side, (0.0,) * 3, (1.0,) * 3), ["corner", "other"])


def sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


def curve(rows: pd.DataFrame, metric: str, position: int = 0) -> list[float]:
    part = rows[(rows["metric"] == metric) & (rows["position"] == position)]
    assert part["share"].is_monotonic_increasing
    return part["score"].tolist()


# One channel that matters, on 2 rows of 4: the corner is the first two pixels of the first row.
IMAGE = torch.tensor([[[[1.0, 2.0, 0, 0], [0, 0, 0, 0]]] * 3])
MAP = np.array([[[0.9, 1.0, 0.5, 0.4], [0.3, 0.2, 0.1, 0.0]]])


def test_deletion_and_insertion_by_hand():
    rows = faithfulness(corner(), IMAGE, MAP, [Target(0)], steps=4, percentiles=[50])
    deletion = rows[rows["metric"] == "deletion"]
    assert deletion["share"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert curve(rows, "deletion") == pytest.approx([sigmoid(3)] + [0.5] * 4)
    rows = faithfulness(corner(), IMAGE, MAP, [Target(0)], steps=8, percentiles=[50])
    assert curve(rows, "deletion") == pytest.approx([sigmoid(3), sigmoid(1)] + [0.5] * 7)
    # A standard deviation of a tenth of a pixel blurs nothing: insertion starts at the picture.
    assert curve(rows, "insertion") == pytest.approx([sigmoid(3)] * 9)


def test_insertion_starts_from_a_blurred_picture_and_ends_at_the_picture():
    model = corner(40)
    image = torch.zeros(1, 3, 40, 40)
    image[0, 0, 10, 10] = 5.0
    peak = np.zeros((1, 40, 40))
    peak[0, 10, 10] = 1
    rows = faithfulness(model, image, peak, [Target(0)], steps=1600, percentiles=[50], batch_size=4000)
    start, first, end = (model.module.seen[0][position, 0] for position in (-1601, -1600, -1))
    y, x = np.mgrid[-10:30, -10:30]
    np.testing.assert_allclose(start, 5 * np.exp(-(x**2 + y**2) / 8) / (8 * np.pi), atol=2e-3)  # sd 2 = 40 / 20
    assert first[10, 10] == 5
    assert torch.equal(end, image[0, 0])
    assert curve(rows, "insertion")[-1] == pytest.approx(sigmoid(5))
    assert set(model.module.seen[0][-1602].unique().tolist()) == {0.0}  # deletion ends at zeros


def test_probabilities_are_those_of_the_target_with_and_without_versus():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = Model("colours", network, Preprocess(None, 4, (0.0,) * 3, (1.0,) * 3), ["red", "green", "blue"])
    image = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1).expand(2, 3, 4, 4)
    maps = np.zeros((2, 4, 4))
    rows = faithfulness(model, image, maps, [Target(2), Target(2, versus=0)], steps=1)
    whole = torch.tensor([1.0, 2.0, 3.0]).softmax(0)
    assert curve(rows, "insertion")[-1] == pytest.approx(float(whole[2]))
    assert curve(rows, "insertion", 1)[-1] == pytest.approx(sigmoid(2))
    assert curve(rows, "deletion", 1)[-1] == pytest.approx(0.5)


def test_exactly_the_share_asked_for_goes_also_where_a_map_is_the_same_everywhere():
    model = corner(10)
    image = torch.ones(1, 3, 10, 10)
    maps = np.zeros((1, 10, 10))
    assert faithfulness(model, image, maps, [Target(0)], steps=1)["flat"].all()
    assert faithfulness(model, image, maps + 0.3, [Target(0)], steps=1)["flat"].all()
    model.module.seen.clear()
    rows = faithfulness(model, image, maps, [Target(0)], steps=10, percentiles=[13, 50, 87])
    pictures = dict(zip(zip(rows["metric"], rows["share"], strict=True), torch.cat(model.module.seen), strict=True))
    for (metric, share), picture in pictures.items():
        if metric == "deletion":
            assert int((picture[0] == 0).sum()) == round(100 * share)
        if metric.startswith("road"):
            assert int((picture[0] != 1).sum()) == round(100 * share)
    most, least = (pictures[f"road_{order}", 0.5][0] != 1 for order in ("most", "least"))
    assert not (most & least).any()
    gone = torch.stack([pictures["deletion", step / 10][0] == 0 for step in range(11)])
    assert (gone[:-1] <= gone[1:]).all()  # what is gone stays gone
    assert 2 <= int(gone[5, :5].sum() / 5) <= 8  # a drawn order, not that of the rows


def test_noise_is_small_drawn_from_seed_position_and_share_and_not_put_on_what_is_left():
    model = corner(40)
    image = torch.ones(2, 3, 40, 40)
    maps = random_maps(2, (5, 5), (40, 40))
    maps[1] = maps[0]
    rows = faithfulness(model, image, maps, [Target(0)] * 2, percentiles=[50, 80], steps=1)
    pictures = torch.cat(model.module.seen)[torch.tensor(rows["metric"] == "road_most")]
    noise = (pictures - 1).numpy()
    gone = (noise != 0).any(1)
    assert gone.sum((1, 2)).tolist() == [800, 1280] * 2
    assert not noise[~np.broadcast_to(gone[:, None], noise.shape)].any()
    draws = [values[:, where].ravel() for values, where in zip(noise, gone, strict=True)]
    for draw in draws:
        assert draw.std() == pytest.approx(NOISE, rel=0.1)
        assert abs(draw.mean()) < NOISE / 10
    heads = [tuple(draw[:5].tolist()) for draw in draws]
    assert len(set(heads)) == 4


def test_batches_later_images_and_the_scale_of_a_map_do_not_matter_and_the_seed_does():
    images = torch.randn(3, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    maps = random_maps(3, (3, 3), (12, 12)).round(1)
    targets = [Target(0), Target(1), Target(0)]
    random_states = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    rows = faithfulness(corner(12), images, maps, targets, steps=5)
    assert torch.equal(random_states[0], torch.get_rng_state())
    assert np.array_equal(random_states[1], np.random.get_state()[1])  # noqa: NPY002
    assert rows.columns.tolist() == ["position", "flat", "metric", "share", "score"]
    assert len(rows) == 3 * (2 * 3 + 2 * 6)
    pd.testing.assert_frame_equal(rows, faithfulness(corner(12), images, 5 * maps**3 - 2, targets, steps=5))
    pd.testing.assert_frame_equal(rows, faithfulness(corner(12), images, maps, targets, steps=5, batch_size=1))
    one = faithfulness(corner(12), images[:1], maps[:1], targets[:1], steps=5)
    pd.testing.assert_frame_equal(rows[rows["position"] == 0], one)
    other = faithfulness(corner(12), images, maps, targets, steps=5, seed=1)
    assert not rows["score"].equals(other["score"])
    assert len(rows[rows["metric"] == "deletion"].merge(other, on=["position", "metric", "share", "score"])) < 18


def test_the_seed_draws_the_noise_and_images_break_ties_for_themselves():
    images = torch.ones(2, 3, 8, 8)
    share = {"percentiles": [50], "steps": 2}
    distinct = np.random.default_rng(0).random((2, 8, 8))
    first, other = (faithfulness(corner(8), images, distinct, [Target(0)] * 2, seed=seed, **share) for seed in (0, 1))
    same = first["score"] == other["score"]
    assert same.tolist() == (~first["metric"].str.startswith("road")).tolist()
    model = corner(8)
    rows = faithfulness(model, images, np.zeros((2, 8, 8)), [Target(0)] * 2, **share)
    one, another = torch.cat(model.module.seen)[torch.tensor((rows["metric"] == "deletion") & (rows["share"] == 0.5))]
    assert not torch.equal(one, another)


def test_the_least_relevant_pixels_are_the_most_relevant_ones_of_the_reversed_map():
    images = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    maps = np.random.default_rng(0).random((1, 8, 8))
    rows = faithfulness(corner(8), images, maps, [Target(0)])
    reverse = faithfulness(corner(8), images, -maps, [Target(0)])
    assert curve(rows, "road_most") == curve(reverse, "road_least")
    assert curve(rows, "road_least") == curve(reverse, "road_most")


def test_pictures_go_through_the_model_in_batches_and_stay_as_they_were():
    model = corner(12)
    images = torch.randn(2, 3, 12, 12)
    maps = random_maps(2, (3, 3), (12, 12))
    before = images.clone(), maps.copy()
    faithfulness(model, images, maps, [Target(0)] * 2, batch_size=32)
    assert [len(batch) for batch in model.module.seen] == [32, 24]
    assert torch.equal(images, before[0])
    assert np.array_equal(maps, before[1])


def test_a_map_of_where_the_network_looks_beats_chance_on_every_score():
    generator = torch.Generator().manual_seed(1)
    images = -0.1 * torch.rand(4, 3, 16, 16, generator=generator)
    images[:, 0, :8, :8] += 0.1
    right = np.zeros((4, 16, 16))
    right[:, :8, :8] = 1
    by_map = {"right": right, "random": random_maps(4, (4, 4), (16, 16)), "centre": centre_maps(4, (16, 16))}
    by_map["wrong"] = 1 - right
    rows = [
        faithfulness(corner(16), images, maps, [Target(0)] * 4).assign(
            view="v", target_kind="predicted", method=name, baseline=name if name in ("random", "centre") else "none"
        )
        for name, maps in by_map.items()
    ]
    table = faithfulness_table(pd.concat([part.assign(image=10 + part["position"]) for part in rows]))
    assert table["method"].tolist() == list(by_map)
    table = table.set_index("method")
    assert table.loc["right", "road"] > 0.1 > table.loc["random", "road"]
    assert table.loc["wrong", "road"] < -0.1
    assert table["insertion"].idxmax() == table["deletion"].idxmin() == "right"
    assert table.loc["right", ["n_images", "n_flat", "n_above_random", "n_above_centre"]].tolist() == [4, 0, 4, 4]
    assert table.loc["wrong", ["n_above_random", "n_above_centre"]].tolist() == [0, 0]
    assert (table.loc["random", "n_above_random"], table.loc["centre", "n_above_centre"]) == (0, 0)


def by_hand(road: dict[str, list[float]]) -> pd.DataFrame:
    """Rows whose road is as given, and whose insertion and deletion are 0.25."""
    rows = []
    for name, values in road.items():
        for image, value in enumerate(values):
            head = {"view": "v", "target_kind": "predicted", "method": name, "image": image, "position": image}
            head |= {"baseline": name if name in ("random", "centre") else "none", "flat": value == 0}
            rows += [head | {"metric": "road_most", "share": share, "score": 0.3 - value} for share in (0.2, 0.8)]
            rows += [head | {"metric": "road_least", "share": share, "score": 0.3 + value} for share in (0.2, 0.8)]
            rows += [
                head | {"metric": metric, "share": share, "score": score}
                for metric in ("insertion", "deletion")
                for share, score in ((1.0, 0.0), (0.0, 0.0), (0.5, 0.5))
            ]
    return pd.DataFrame(rows)


def test_a_table_by_hand():
    rows = by_hand({"a": [0.3, 0.1, 0.2], "random": [0.0, 0.1, 0.1], "centre": [0.2, 0.2, 0.2]})
    one = scores(rows)
    assert one.loc[one["method"] == "a", "road"].tolist() == pytest.approx([0.3, 0.1, 0.2])
    assert one[["insertion", "deletion"]].to_numpy() == pytest.approx(0.25)
    table = faithfulness_table(rows).set_index("method")
    assert table.loc["a", ["road", "road_sd"]].tolist() == pytest.approx([0.2, 0.1])
    assert table.loc["a", ["insertion", "insertion_sd", "deletion_low"]].tolist() == pytest.approx([0.25, 0, 0.25])
    assert table["n_flat"].tolist() == [0, 1, 0]
    assert table.loc["a", ["n_above_random", "n_above_centre"]].tolist() == [2, 1]  # a tie is not above
    assert not table.isna().any().any()


def test_an_interval_is_that_of_the_bootstrap_with_the_seed():
    values = np.random.default_rng(0).random(30) / 5
    rows = by_hand({"a": values.tolist(), "random": [0.0] * 30, "centre": [0.0] * 30})
    ends = [faithfulness_table(rows, seed).loc[0, ["road_low", "road_high"]].tolist() for seed in (3, 4)]
    assert ends[0] != ends[1]
    assert ends[0] == pytest.approx(bootstrap_interval(values, seed=3))


def test_a_table_without_its_chance_rows_is_refused():
    rows = by_hand({"a": [0.3, 0.1], "random": [0.0, 0.1], "centre": [0.2]})
    with pytest.raises(DataError, match="v: an image has no 'centre' map to compare a with"):
        faithfulness_table(rows)


def test_ranks_are_a_permutation_by_falling_value():
    values = np.array([[0.5, 0.5, 0.5], [0.9, 0.5, 0.1]])
    rankings = [relevance_rank(values, np.random.default_rng(seed)) for seed in range(20)]
    assert all(sorted(ranks.ravel()) == list(range(6)) for ranks in rankings)
    assert {(ranks[1, 0], ranks[1, 2]) for ranks in rankings} == {(0, 5)}
    assert len({int(ranks[0, 0]) for ranks in rankings}) == 4


def test_bad_input_is_refused():
    model = corner(4)

    def run(images: Tensor = IMAGE, maps: np.ndarray = MAP, toward: int = 0, **options: object) -> None:
        faithfulness(model, images, maps, [Target(toward)], **options)

    with pytest.raises(ShapeError, match=r"got \[1, 3, 2, 4\] and \[1, 4, 2\]"):
        run(maps=MAP.reshape(1, 4, 2))
    with pytest.raises(ShapeError, match="1 targets for 2 images"):
        run(IMAGE.repeat(2, 1, 1, 1), MAP.repeat(2, 0))
    with pytest.raises(ConfigError, match="class 2 does not exist"):
        run(toward=2)
    for percentiles in ([], [0], [50, 100]):
        with pytest.raises(ConfigError, match=r"percentiles are \["):
            run(percentiles=percentiles)
    with pytest.raises(ConfigError, match="steps is 0"):
        run(steps=0)
    with pytest.raises(DataError, match="not finite"):
        run(maps=np.where(MAP == 1, np.nan, MAP))
    with pytest.raises(ModelError, match="corner gives logits that are not finite for image 0"):
        run(images=IMAGE * np.nan)
    assert not any(part._forward_hooks for part in model.module.modules())
