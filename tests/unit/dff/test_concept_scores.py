"""What concepts are said to speak for: three ways with answers worked out by hand, chance, and what is left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from conceptrast.base.errors import ModelError
from conceptrast.dff.concept_maps import REGION, regions, relative_heat
from conceptrast.dff.concept_scores import PLACES, concept_scores, head_of
from conceptrast.dff.factorization import DeepFeatures
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.split import SplitModel
from conceptrast.saliency.blur import BlurTest, elsewhere

NAMES = ["red", "green", "blue"]
SIZE = 16


def colours(bias: tuple[float, ...] = (0.0, 0.5, 0.0)) -> Model:
    """Logits are the means of the channels of the pooled picture and a bias; layer 0 pools, layer 1 is a ReLU."""
    network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    network[4].weight.data = torch.eye(3)
    network[4].bias.data = torch.tensor(bias)
    return Model("colours", network, Preprocess(None, SIZE, (0.0,) * 3, (0.1,) * 3), NAMES)


def picture() -> Tensor:
    """One image ``[1, 3, 16, 16]``: red above, blue below."""
    image = torch.zeros(1, 3, SIZE, SIZE)
    image[0, 0, :8] = 6.0
    image[0, 2, 8:] = 4.0
    return image


def known() -> DeepFeatures:
    """The exact factorization of :func:`picture` at layer 1, with a scale of its own for each concept."""
    heatmaps = np.zeros((1, 2, 4, 4), np.float32)
    heatmaps[0, 0, :2] = 2.0
    heatmaps[0, 1, 2:] = 0.5
    return DeepFeatures(np.float32([[3, 0, 0], [0, 0, 8]]), heatmaps, np.zeros(3, np.float32), 0.25)


def softmax(*logits: float) -> np.ndarray:
    return torch.tensor(logits, dtype=torch.float64).softmax(0).numpy()


def scored(
    features: DeepFeatures | None = None,
    image: Tensor | None = None,
    bias: tuple[float, ...] = (0.0, 0.5, 0.0),
    **options,
) -> pd.DataFrame:
    model = colours(bias)
    test = BlurTest.of(model, picture() if image is None else image, 0.2)
    return concept_scores(SplitModel(model, "1"), test, known() if features is None else features, **options)


def test_head_and_suffix_are_asked_about_the_concept_where_it_is_strongest() -> None:
    table = scored()
    assert table[["concept", "rank"]].to_numpy().tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]
    expected = [softmax(6, 0.5, 0)[[0, 1]], softmax(0, 0.5, 4)[[2, 1]]]  # not 3 and 8: the heat is 2 and 0.5 there
    for way in ("head", "suffix"):
        assert table[f"{way}_class"].tolist() == ["red", "green", "blue", "green"]
        np.testing.assert_allclose(table[f"{way}_score"].astype(float), np.concatenate(expected), rtol=1e-5)
    assert set(table["head_reason"]) == {""}
    assert set(table["n_components"]) == {2}
    assert set(table["reconstruction_error"]) == {0.25}
    np.testing.assert_allclose(table["share"], [0.6, 0.6, 0.4, 0.4])


def test_the_suffix_sees_the_concept_at_every_position() -> None:
    network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2))
    network[3].weight.data = torch.zeros(2, 48)
    network[3].bias.data = torch.zeros(2)
    network[3].weight.data[0, :16] = 0.01 * torch.arange(16)  # red, every position with a weight of its own
    model = Model("positions", network, Preprocess(None, SIZE, (0.0,) * 3, (0.1,) * 3), ["red", "other"])
    table = concept_scores(SplitModel(model, "1"), BlurTest.of(model, picture()), known())
    score = table.query("concept == 1 and rank == 1")["suffix_score"].item()
    assert score == pytest.approx(softmax(6 * 0.01 * sum(range(16)), 0)[0], rel=1e-5)
    assert set(table["head_reason"]) == {"the last linear layer takes 48 numbers, the layer has 3 channels"}


def test_the_package_asks_at_heat_one() -> None:
    table = scored(heat=np.ones(2))
    np.testing.assert_allclose(
        table["head_score"].astype(float)[[0, 2]], [softmax(3, 0.5, 0)[0], softmax(0, 0.5, 8)[2]]
    )


def test_blur_is_the_drop_of_the_picture_with_the_region_blurred() -> None:
    table = scored()
    model = colours()
    image = picture()
    test = BlurTest.of(model, image, 0.2)
    masks = regions(relative_heat(known(), (SIZE, SIZE)))
    for number in range(2):
        changed = torch.where(masks[:, number, None], test.blurred, image)
        with torch.no_grad():
            drop = (model.module(image).double().softmax(1) - model.module(changed).double().softmax(1))[0].numpy()
        rows = table[table["concept"] == number + 1]
        best = np.argsort(-drop)[:2]
        assert rows["blur_class"].tolist() == [NAMES[class_index] for class_index in best]
        np.testing.assert_allclose(rows["blur_score"].astype(float), drop[best], atol=1e-6)
        assert rows["area"].iloc[0] == pytest.approx(float(masks[0, number].float().mean()))
    assert table["n_images"].tolist() == [1] * 4
    assert (table["blur_score"] > 0).any()


def test_the_second_class_may_become_more_probable_and_that_is_shown() -> None:
    network = nn.Sequential(nn.AvgPool2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    network[4].weight.data = torch.tensor([[1.0, 0, 0], [0, 0, 1.0]])
    network[4].bias.data = torch.zeros(2)
    model = Model("two", network, Preprocess(None, SIZE, (0.0,) * 3, (0.1,) * 3), ["red", "blue"])
    table = concept_scores(SplitModel(model, "1"), BlurTest.of(model, picture(), 0.2), known())
    first, second = (table.loc[table["rank"] == rank, "blur_score"].to_numpy(float) for rank in (1, 2))
    np.testing.assert_allclose(first, -second, atol=1e-12)
    assert (first > 0).all()


@pytest.mark.parametrize("bias", [(0.0, 0.5, 0.0), (0.0, 9.0, 0.0)])
@pytest.mark.parametrize(("count", "draws"), [(1, PLACES), (2, 1), (3, 1)])
def test_chance_is_the_mean_over_random_places_for_the_class_of_the_blur(
    bias: tuple[float, ...], count: int, draws: int
) -> None:
    """With a large bias the suffix always says green, and blur another class."""
    images = picture().repeat(count, 1, 1, 1)
    features = known()._replace(heatmaps=known().heatmaps.repeat(count, axis=0))
    test = BlurTest.of(colours(bias), images, 0.2)
    masks = regions(relative_heat(features, (SIZE, SIZE)))
    table = scored(features, images, bias, seed=7)
    assert (table["suffix_class"] == table["blur_class"]).all() == (bias[1] < 1)
    for number in range(2):
        keys = [(place, draw) for draw in range(draws) for place in range(count)]
        moved = torch.stack([elsewhere(masks[place, number], [7, place, number, draw]) for place, draw in keys])
        drops = test.drops([place for place, _ in keys], moved).mean(axis=0)
        rows = table[table["concept"] == number + 1]
        expected = [drops[NAMES.index(name)] for name in rows["blur_class"]]
        np.testing.assert_allclose(rows["blur_chance"].astype(float), expected, atol=1e-9)


def test_a_region_that_is_the_whole_picture_is_everywhere_as_large() -> None:
    whole = known()._replace(heatmaps=np.ones((1, 1, 4, 4), np.float32), concepts=np.float32([[1, 0, 1]]))
    table = scored(whole)
    np.testing.assert_allclose(table["blur_score"].astype(float), table["blur_chance"].astype(float), atol=1e-9)
    assert table["area"].tolist() == [1.0, 1.0]


def test_the_mean_is_over_the_images_in_which_the_concept_has_a_region() -> None:
    """The second image holds no blue: the second concept's drop is that of the first image alone."""
    images = torch.cat([picture(), picture()])
    images[1, 0, 8:] = 6.0
    images[1, 2] = 0.0
    heatmaps = np.concatenate([known().heatmaps, known().heatmaps])
    heatmaps[1, 0] = 2.0
    heatmaps[1, 1] = 0.0
    both = scored(known()._replace(heatmaps=heatmaps), images)
    alone = scored(known()._replace(heatmaps=heatmaps[:1]), images[:1])
    second = both[both["concept"] == 2]
    np.testing.assert_allclose(
        second["blur_score"].astype(float), alone.query("concept == 2")["blur_score"].astype(float)
    )
    assert both.groupby("concept")["n_images"].first().tolist() == [2, 1]
    first = both[(both["concept"] == 1) & (both["rank"] == 1)]
    other = scored(known()._replace(heatmaps=heatmaps[1:]), images[1:])
    name = first["blur_class"].item()
    drops = [table[(table["concept"] == 1) & (table["blur_class"] == name)]["blur_score"] for table in (alone, other)]
    assert first["blur_score"].item() == pytest.approx(np.mean([float(drop.iloc[0]) for drop in drops]))


def test_ways_agree_rank_by_rank() -> None:
    table = scored()
    ways = table[["head_class", "suffix_class", "blur_class"]]
    assert table["agree"].tolist() == [len(set(names)) == 1 for names in ways.to_numpy().tolist()]
    assert table.loc[table["rank"] == 1, "agree"].tolist() == [True, True]


def test_classes_of_one_name_are_two_classes() -> None:
    model = colours()
    model.class_names = ["same", "same", "same"]
    table = concept_scores(SplitModel(model, "1"), BlurTest.of(model, -picture(), 0.2), known())
    assert not table["agree"].all()


def test_nothing_depends_on_the_scale_that_the_factorization_happens_to_have() -> None:
    scale = np.float32([16, 0.125])
    other = known()._replace(
        concepts=known().concepts * scale[:, None], heatmaps=known().heatmaps / scale[:, None, None]
    )
    pd.testing.assert_frame_equal(scored(), scored(other))


@pytest.mark.parametrize(
    ("network", "channels", "reason"),
    [
        (nn.Sequential(nn.Conv2d(3, 5, 1)), 5, "the network does not end in a linear layer with a bias"),
        (nn.Sequential(nn.Linear(5, 2, bias=False)), 5, "the network does not end in a linear layer with a bias"),
        (nn.Sequential(nn.ReLU()), 5, "the network does not end in a linear layer with a bias"),
        (nn.Sequential(nn.Linear(5, 2)), 7, "the last linear layer takes 5 numbers, the layer has 7 channels"),
    ],
)
def test_why_a_head_cannot_be_asked(network: nn.Module, channels: int, reason: str) -> None:
    assert head_of(network, channels) == (None, reason)


def test_without_a_head_the_other_two_ways_are_left() -> None:
    network = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = Model("no head", network, Preprocess(None, SIZE, (0.0,) * 3, (0.1,) * 3), ["a", "b", "c", "d"])
    table = concept_scores(SplitModel(model, "0"), BlurTest.of(model, picture()), known())
    assert table["head_class"].isna().all()
    assert table["head_score"].isna().all()
    assert set(table["head_reason"]) == {"the network does not end in a linear layer with a bias"}
    assert set(table["status"]) == {"ok"}
    assert not table.drop(columns=["head_class", "head_score"]).isna().to_numpy().any()
    pairs = table[["suffix_class", "blur_class"]].to_numpy().tolist()
    assert table["agree"].tolist() == [one == other for one, other in pairs]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (np.zeros((4, 4)), "no region to blur: the factorization left it empty"),
        (np.eye(4) * 0.5, "no region to blur: it is nowhere the strongest concept"),
    ],
)
def test_a_concept_without_a_region_is_skipped_with_a_reason(second: np.ndarray, reason: str) -> None:
    heatmaps = np.ones((1, 2, 4, 4), np.float32)
    heatmaps[0, 1] = second
    table = scored(known()._replace(heatmaps=heatmaps)).query("concept == 2")
    assert table["status"].tolist() == ["skipped"] * 2
    assert table["reason"].tolist() == [reason] * 2
    assert table[["blur_class", "blur_score", "blur_chance", "agree"]].isna().all(axis=None)
    assert table["suffix_score"].between(0, 1).all()


@pytest.mark.parametrize("least", [0.1, 0.3, 0.8])
def test_a_region_ends_where_the_heat_is_a_quarter_of_the_highest(least: float) -> None:
    """The heat rises from left to right; where it rises from more than a quarter, all of the picture is the region."""
    heatmaps = np.linspace(least, 1, 4, dtype=np.float32)[None].repeat(4, axis=0)[None, None]
    features = known()._replace(heatmaps=heatmaps, concepts=np.float32([[1, 1, 1]]))
    heat = relative_heat(features, (SIZE, SIZE))
    area = float(scored(features)["area"].iloc[0])
    assert area == pytest.approx(float((heat >= 0.25).float().mean()))
    assert (area < 1) == (least < REGION)


def test_logits_that_are_not_finite_are_named() -> None:
    model = colours()
    image = picture()
    test = BlurTest.of(model, image)
    broken = known()._replace(concepts=np.full((2, 3), np.float32(np.inf)))
    with pytest.raises(ModelError, match="colours gives logits that are not finite"):
        concept_scores(SplitModel(model, "1"), test, broken)
