"""Chance and resampling of a verdict, on pictures of one colour and a model that names the colour."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from conceptrast.base.statistics import wilson_interval
from conceptrast.concepts import verdict_error
from conceptrast.concepts.class_prototypes import Sought, set_prototypes
from conceptrast.concepts.component_prediction import Assembly
from conceptrast.concepts.recipes import Recipe
from conceptrast.concepts.verdict_error import (
    CHANCE_DRAWS,
    CHANCE_IMAGES,
    RESAMPLES,
    chance_assemblies,
    resampled_assemblies,
    resampled_components,
    verdict_errors,
)
from conceptrast.models.model import Model, Preprocess

RECIPE = Recipe("small", components=1, kernel=1, stride=1, window=0.5, layout="grid", distinct=True)
RED = 0
BLUE = 1


def model() -> Model:
    """Two classes: red and blue; logits are ten times the mean colours."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2, bias=False)).eval()
    network[2].weight.data = 10 * torch.tensor([[1.0, 0, 0], [0, 0, 1.0]])
    return Model("colours", network, Preprocess(None, 8, (0.0,) * 3, (1.0,) * 3), ["red", "blue"])


def view(image: int) -> Tensor:
    """Pictures with even numbers are red, the others blue."""
    picture = torch.zeros(3, 8, 8, dtype=torch.uint8)
    picture[0 if image % 2 == 0 else 2] = 255
    return picture


def predictions(count: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"image": range(count), "predicted": [RED if image % 2 == 0 else BLUE for image in range(count)]}
    )


def own(selection: str = "all") -> Assembly:
    patches = pd.DataFrame({"image": [0], "top": 0, "left": 0, "height": 4, "width": 4})
    return Assembly(RED, RECIPE, selection, "none", patches)


class Reader:
    """Gives views, and remembers which were asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, images: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        self.asked += images.tolist()
        yield images, torch.stack([view(int(image)) for image in images])


def test_chance_is_the_share_of_red_pictures_and_every_view_is_read_once():
    """A patch of a red picture is red: of 200 pictures, every second one."""
    drawn = chance_assemblies([own()], predictions(200), (8, 8), seed=0)
    assert len(drawn) == CHANCE_DRAWS
    images = np.concatenate([one.patches["image"].to_numpy() for one in drawn])
    assert len(np.unique(images)) <= CHANCE_IMAGES
    reader = Reader()
    row = verdict_errors(model(), drawn, reader).iloc[0]
    assert len(reader.asked) == len(set(reader.asked)) == len(np.unique(images))
    red = sum(int(image) % 2 == 0 for image in images)
    assert (row["chance_draws"], row["chance"]) == (CHANCE_DRAWS, red / CHANCE_DRAWS)
    assert (row["chance_low"], row["chance_high"]) == wilson_interval(red, CHANCE_DRAWS)
    sure = 1 / (1 + np.exp(-10))  # p(red) of a red patch; of a blue one the rest
    share = row["chance"]
    assert row["chance_probability"] == pytest.approx(share * sure + (1 - share) * (1 - sure), abs=1e-5)
    assert row["resamples"] == 0
    assert np.isnan(row["stable"])


def test_without_the_class_chance_takes_patches_of_other_classes_alone():
    drawn = chance_assemblies([own("exclude_target")], predictions(10), (8, 8), seed=0)
    assert {int(image) % 2 for one in drawn for image in one.patches["image"]} == {1}
    assert verdict_errors(model(), drawn, Reader())["chance"].tolist() == [0]


def test_the_same_seed_draws_the_same_and_another_one_does_not():
    tables = [
        pd.concat([one.patches for one in chance_assemblies([own()], predictions(50), (8, 8), seed=seed)])
        for seed in (3, 3, 4)
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert not tables[0].equals(tables[2])


def test_images_that_are_alike_give_the_same_components_whatever_is_drawn():
    activations = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1).repeat(6, 1, 2, 2)
    attribution = {"rectified": np.ones((6, 2, 2), np.float32), "multiplier": np.ones((6, 2), np.float32)}
    sets = resampled_components(activations, attribution, RECIPE, target=RED, seed=0, rectify=False)
    components = sets[f"components_{RECIPE.factors.key}"]
    assert components.shape == (RESAMPLES, 1, 2)
    np.testing.assert_allclose(components[:, 0, 0] / components[:, 0, 1], 1 / 3, rtol=1e-4)


def test_a_resample_with_nothing_to_factorize_is_left_out(monkeypatch):
    """One image of two has activations: a resample of the other alone has none."""
    monkeypatch.setattr(verdict_error, "RESAMPLES", 40)
    activations = torch.zeros(2, 2, 1, 1)
    activations[0] = 1
    attribution = {"rectified": np.ones((2, 1, 1), np.float32), "multiplier": np.ones((2, 2), np.float32)}
    sets = resampled_components(activations, attribution, RECIPE, target=RED, seed=0, rectify=False)
    assert 0 < len(sets["classes"]) < 40


def test_resamples_whose_patches_differ_show_in_share_and_interval():
    """Of four sets of components, three find a red picture and one a blue one."""
    components = np.array([[[1.0, 0.0]]] * 3 + [[[0.0, 1.0]]])
    activations = torch.zeros(4, 2, 2, 2)
    activations[::2, 0] = 1
    activations[1::2, 1] = 1
    prototypes = set_prototypes(
        [(np.arange(4), activations)],
        {image: image % 2 for image in range(4)},
        owners=np.full(4, RED),
        components={RECIPE: Sought(components)},
        view=(8, 8),
        k=RECIPE.components,
    )
    again = resampled_assemblies(prototypes, RED, RECIPE)
    table = verdict_errors(model(), again, Reader()).set_index("selection")
    row = table.loc["all"]
    assert (row["resamples"], row["stable"]) == (4, 0.75)
    sure = 1 / (1 + np.exp(-10))
    wanted = np.quantile([sure, sure, sure, 1 - sure], [0.025, 0.975])
    assert (row["low"], row["high"]) == pytest.approx(tuple(wanted), abs=1e-5)
    # Without red pictures every set finds a blue one.
    assert table.loc["exclude_target", "stable"] == 0


def test_without_images_to_show_there_are_no_rows():
    assert verdict_errors(model(), [], Reader()).empty
