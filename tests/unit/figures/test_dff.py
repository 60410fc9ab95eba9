"""The figure of Deep Feature Factorization: colours, what the legend says, and that no text lies on another."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from PIL import Image
from torch import Tensor, nn

from conceptrast.base.names import short
from conceptrast.dff.cards import MOST_PICTURES, group_view
from conceptrast.dff.picture_groups import FactorizationOptions, PictureGroup, factorize_pictures
from conceptrast.figures.canvas import COMPONENT_COLOURS, save_full_png
from conceptrast.figures.dff import PALE, STRENGTH, dff_sheet, draw_dff, strongest_concept
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.split import SplitModel

LONG = "a quite uncommonly long name of a class number {}, and its synonym"


def found(count: int, components: list[int], blank: bool = False) -> tuple[PictureGroup, Tensor]:
    """Pictures of noise, factorized by a network with random weights and classes with long names."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.AvgPool2d(8), nn.Conv2d(3, 12, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 12)
    )
    names = [LONG.format(number) for number in range(12)]
    model = Model("net", network, Preprocess(None, 64, (0.5,) * 3, (0.2,) * 3), names)
    noise = torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8)
    views = torch.zeros_like(noise) if blank else noise
    [group] = factorize_pictures(
        model=model,
        split=SplitModel(model, "2"),
        images=np.arange(count),
        views=views,
        options=FactorizationOptions(components),
    )
    return group, views


def drawn(count: int, components: list[int], blank: bool = False) -> Figure:
    group, views = found(count, components, blank)
    return draw_dff(dff_sheet(group_view(group, views, "concepts of noise", "net at 2")))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


@pytest.mark.parametrize(
    ("count", "components"), [(1, [2, 5, 10]), (1, [12]), (2, [1, 3, 12]), (4, [2, 7]), (8, [2, 5, 10]), (11, [6])]
)
def test_no_text_lies_on_another_and_none_leaves_the_sheet(count: int, components: list[int]) -> None:
    figure = drawn(count, components)
    renderer = figure.canvas.get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.axes[0].texts if text.get_text()]
    width, height = figure.get_size_inches() * figure.dpi
    for text, box in boxes:
        assert box.x0 >= 0, text
        assert box.x1 <= width, text
        assert box.y0 >= 0, text
        assert box.y1 <= height, text
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        assert not first.overlaps(second), f"{one!r} lies on {other!r}"


def test_pictures_do_not_lie_on_each_other() -> None:
    for figure in (drawn(1, [2, 5, 10]), drawn(8, [2, 10])):
        boxes = [image.get_window_extent() for image in figure.axes[0].images]
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_every_concept_has_a_chip_and_a_heatmap_in_its_colour() -> None:
    figure = drawn(1, [2, 10])
    chips = [to_hex(patch.get_facecolor()) for patch in figure.axes[0].patches if isinstance(patch, Circle)]
    colours = [colour.lower() for colour in COMPONENT_COLOURS]
    assert chips == [*colours[:2], *colours]
    # The picture above and in the high row, the strongest concepts of each row, and the single ones.
    assert len(figure.axes[0].images) == 2 + 2 + 2 + 10


def test_the_legend_says_classes_drop_and_chance_of_the_table() -> None:
    group, views = found(1, [3])
    scores = ("suffix_score", "blur_score", "blur_chance")
    table = group.table.assign(**dict(zip(scores, np.linspace(0.11, 0.92, 18).reshape(3, 6), strict=True)))
    table.loc[table["concept"] == 2, "blur_score"] = -0.4
    table.loc[table["concept"] == 3, "status"] = "skipped"
    labels = texts(draw_dff(dff_sheet(group_view(replace(group, table=table), views, "title", "facts"))))
    legends = [text.split("\n") for text in labels if text.startswith("a quite")]
    for lines, (_, rows) in zip(legends, table.groupby("concept"), strict=True):
        name = "a quite uncommonl…"
        assert lines[:2] == [f"{name} {score:.2f}" for score in rows["suffix_score"]]
    first = table.iloc[0]
    assert legends[0][2:] == [
        f"blur: a quite unc… −{first['blur_score']:.2f}",
        f"at random −{first['blur_chance']:.2f}",
    ]
    assert legends[1][2] == "blur: a quite unc… +0.40"
    assert legends[2][2] == "no region to blur"
    [name, probability] = group.predictions[0]
    assert labels[1] == f"facts  ·  the model says {short(name)} {probability:.2f}"
    assert f"3 concepts  ·  {100 * group.features[3].reconstruction_error:.0f} % missed" in labels


def test_what_rounds_to_nothing_names_no_class_and_has_no_sign() -> None:
    group, views = found(1, [1])
    nothing = group.table.assign(blur_score=-0.004, blur_chance=0.3)
    labels = texts(draw_dff(dff_sheet(group_view(replace(group, table=nothing), views, "", ""))))
    [legend] = [text for text in labels if "blur:" in text]
    assert legend.endswith("blur: changes nothing\nat random −0.30")
    table = group.table.assign(blur_score=0.2, blur_chance=-0.004)
    figure = draw_dff(dff_sheet(group_view(replace(group, table=table), views, "", "")))
    [legend] = [text for text in texts(figure) if "blur:" in text]
    assert legend.endswith("unc… −0.20\nat random 0.00")


def test_a_long_batch_shows_its_first_pictures_and_says_so() -> None:
    figure = drawn(MOST_PICTURES + 3, [2])
    assert len(figure.axes[0].images) == 2 * MOST_PICTURES
    assert f"the first {MOST_PICTURES} of {MOST_PICTURES + 3} pictures" in texts(figure)[1]
    assert "the first" not in texts(drawn(MOST_PICTURES, [2]))[1]


def test_nothing_found_says_why() -> None:
    torch.manual_seed(0)
    labels = texts(drawn(2, [2], blank=True))
    assert any(
        text.startswith("nothing can be shown: the activations are constant in every channel") for text in labels
    )
    assert not any("concepts  ·" in text for text in labels)


def test_the_strongest_concept_has_the_pixel_with_its_intensity() -> None:
    picture = np.full((1, 3, 3), 255, np.uint8)
    heat = np.float32([[[1.0, 0.2, 0.0]], [[0.5, 0.6, 0.0]]])
    [row] = strongest_concept(picture, heat)
    blue, red = (
        np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) for colour in COMPONENT_COLOURS[:2]
    )
    assert PALE < 1
    np.testing.assert_allclose(row[0], (1 - STRENGTH) * 255 + STRENGTH * blue, atol=1)
    np.testing.assert_allclose(row[1], (1 - 0.6 * STRENGTH) * 255 + 0.6 * STRENGTH * red, atol=1)
    assert row[2].tolist() == [255] * 3
    assert (picture == 255).all()


def test_the_file_keeps_all_colours(tmp_path) -> None:
    save_full_png(drawn(1, [2, 10]), tmp_path / "dff.png")
    with Image.open(tmp_path / "dff.png") as image:
        assert image.width == 1120
        assert len(image.convert("RGB").getcolors(1 << 24)) > 256
    assert [path.name for path in tmp_path.iterdir()] == ["dff.png"]
