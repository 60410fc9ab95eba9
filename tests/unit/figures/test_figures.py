"""Cards and overviews: what is on the sheet, in which colours, and that the file can be read."""

from __future__ import annotations

import base64
import io
import re
import weakref

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from PIL import Image

from conceptrast.base.errors import ShapeError
from conceptrast.base.names import short
from conceptrast.concepts.cards import ClassCard, ComponentFacts, Heatmap, PatchRow, Verdict
from conceptrast.figures.canvas import (
    COMPONENT_COLOURS,
    MATCH,
    MISMATCH,
    Sheet,
    component_colour,
    save_figure,
    save_png,
    with_palette,
)
from conceptrast.figures.class_card import draw_class_card, overlay
from conceptrast.figures.overview import LIMIT, Overview

SELECTIONS = ("all", "exclude_target")
K = 3


def flat(value: int, side: int = 8) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


def card(
    index: int = 1, name: str = "golf ball", matches: tuple[bool, bool] = (True, False), heatmaps: int = 2
) -> ClassCard:
    rows = [
        PatchRow(
            patches=[flat(40 * rank + k) for rank in range(5)],
            source=flat(90, 16),
            box=(2, 4, 8, 8),
            predicted="tee",
            probability=0.25,
            chosen=k % 2,
        )
        for k in range(K)
    ]
    tiles = [(0.0, k / K, 1.0, 1 / K) for k in range(K)]
    picture = np.zeros((8, 24, 3), np.uint8)
    verdicts = {
        selection: Verdict(
            picture=picture, tiles=tiles, predicted=name if match else "tee", probability=0.75, match=match
        )
        for selection, match in zip(SELECTIONS, matches, strict=True)
    }
    maps = np.linspace(0, 1, K * 4).reshape(K, 2, 2)
    return ClassCard(
        class_index=index,
        class_name=name,
        n_images=12,
        study="study-a",
        recipe="recommended",
        rows=dict.fromkeys(SELECTIONS, rows),
        verdicts=verdicts,
        heatmaps=[Heatmap(flat(9), maps)] * heatmaps,
    )


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def frames(figure: Figure, colour: str) -> int:
    boxes = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return sum(to_hex(box.get_edgecolor()) == colour.lower() for box in boxes)


def test_card_shows_every_picture_once() -> None:
    figure = draw_class_card(card())
    patches = 2 * K * 5
    sources = 2 * K
    combined = 2
    heatmaps = 2 * (1 + K)
    assert len(figure.axes[0].images) == patches + sources + combined + heatmaps


def test_card_says_class_study_predictions_and_verdicts() -> None:
    text = "\n".join(words(draw_class_card(card())))
    for expected in ("golf ball", "study-a", "12 images", "recommended", "tee", "p = 0.25", "✓ golf ball", "✗ tee"):
        assert expected in text
    assert text.count("p(golf ball) = 0.75") == 2


def test_component_has_one_colour_on_source_chosen_patch_tile_and_chip() -> None:
    figure = draw_class_card(card())
    for component in range(K):
        # per selection: box in the source, the chosen patch, the tile of the combined image
        assert frames(figure, COMPONENT_COLOURS[component]) == 2 * 3
    chips = [to_hex(patch.get_facecolor()) for patch in figure.axes[0].patches if isinstance(patch, Circle)]
    assert chips == 3 * [colour.lower() for colour in COMPONENT_COLOURS[:K]]


@pytest.mark.parametrize(
    ("matches", "green", "red"), [((True, True), 2, 0), ((True, False), 1, 1), ((False, False), 0, 2)]
)
def test_frame_of_the_combined_image_says_whether_the_model_agrees(matches: tuple, green: int, red: int) -> None:
    figure = draw_class_card(card(matches=matches))
    assert (frames(figure, MATCH), frames(figure, MISMATCH)) == (green, red)


def test_box_in_the_source_is_to_scale() -> None:
    figure = draw_class_card(card())
    source = next(image for image in figure.axes[0].images if image.get_array().shape[0] == 16)
    left, right, bottom, top = source.get_extent()
    box = next(patch for patch in figure.axes[0].patches if to_hex(patch.get_edgecolor()) == "#ffffff")
    scale = (right - left) / 16
    assert box.get_x() == pytest.approx(left + 4 * scale)
    assert box.get_y() == pytest.approx(top + 2 * scale)
    assert box.get_width() == pytest.approx(8 * scale)
    assert box.get_height() == pytest.approx(8 * scale)
    assert bottom > top


@pytest.mark.parametrize("draw", [lambda: draw_class_card(card()), lambda: overview_of([card(i) for i in range(5)])])
def test_nothing_is_smaller_than_seven_points_or_off_the_sheet(draw) -> None:
    figure = draw()
    width, height = figure.get_size_inches()
    renderer = figure.canvas.get_renderer()
    for text in figure.axes[0].texts:
        assert text.get_fontsize() >= 7
        extent = text.get_window_extent(renderer)
        assert extent.x0 >= 0
        assert extent.x1 <= width * figure.dpi
        assert extent.y0 >= 0
        assert extent.y1 <= height * figure.dpi


def test_a_long_name_stays_on_the_sheet_and_a_dollar_is_no_formula() -> None:
    figure = draw_class_card(card(name="a class with a very long name $x_1$ that goes on, and a synonym"))
    assert "synonym" not in "".join(words(figure))
    assert any("$x_1$" in text for text in words(figure))
    figure.canvas.draw()


def test_card_without_verdict_and_heatmaps() -> None:
    full = card()
    bare = ClassCard(class_index=1, class_name="a", n_images=1, study="s", recipe="r", rows={"all": full.rows["all"]})
    figure = draw_class_card(bare)
    assert len(figure.axes[0].images) == K * 6
    assert "1 image predicted" in "\n".join(words(figure))


def with_facts(*facts: ComponentFacts) -> ClassCard:
    return ClassCard(**{**card().__dict__, "facts": facts})


FACTS = (
    ComponentFacts(drop=1.0, low=0.5, high=1.5, share=0.25, cosine=0.95, returns=True),
    ComponentFacts(drop=3.0, low=2.0, high=4.0, share=0.75, cosine=0.4, returns=False),
    ComponentFacts(drop=-0.5, low=-1.0, high=0.0, share=-0.125, cosine=0.9, returns=True),
)


def test_rows_and_heatmaps_are_sorted_by_importance() -> None:
    figure = draw_class_card(with_facts(*FACTS))
    chips = [to_hex(patch.get_facecolor()) for patch in figure.axes[0].patches if isinstance(patch, Circle)]
    order = [COMPONENT_COLOURS[component].lower() for component in (1, 0, 2)]
    assert chips == 3 * order
    assert with_facts(*FACTS).order == [1, 0, 2]
    assert card().order == [0, 1, 2]


def test_bars_are_to_scale_and_what_raises_the_logit_has_none() -> None:
    figure = draw_class_card(with_facts(*FACTS))
    bars = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle) and patch.get_fill()]
    widths = [bar.get_width() for bar in bars[:K]]
    assert widths == pytest.approx([0.72 * 3 / 4, 0.72 * 1 / 4, 0.0])
    text = "\n".join(words(figure))
    for expected in ("3.0 (75 %)", "1.0 (25 %)", "-0.5 (-12 %)", "logit lost without it"):
        assert text.count(expected) == 2


def test_a_component_that_does_not_come_back_is_marked() -> None:
    figure = draw_class_card(with_facts(*FACTS))
    assert "\n".join(words(figure)).count("not in other\nimages") == 2


def test_a_card_without_shares_or_stability_says_what_it_knows() -> None:
    text = "\n".join(words(draw_class_card(with_facts(*[ComponentFacts(drop=0.0)] * K))))
    assert "0.0" in text
    assert "%" not in text
    assert "not in other" not in text
    assert "logit lost" not in "\n".join(words(draw_class_card(with_facts(*[ComponentFacts()] * K))))


def test_heatmaps_must_have_a_map_per_component() -> None:
    wrong = card(heatmaps=0)
    with pytest.raises(ShapeError, match="2 maps, the card has 3"):
        draw_class_card(ClassCard(**{**wrong.__dict__, "heatmaps": [Heatmap(flat(1), np.ones((2, 2, 2)))]}))


def test_overlay_leaves_grey_where_nothing_is_and_is_full_where_most_is() -> None:
    painted = overlay(flat(100, 2), np.array([[0.0, 1.0], [0.0, 1.0]]), "#ff0000")
    assert painted[0, 0].tolist() == [135, 135, 135]
    assert painted[0, 1].tolist() == [237, 20, 20]


MATCHES = {"all": (2, 2), "exclude_target": (1, 2)}


def overview_of(cards, limit=LIMIT, n_classes=None):
    overview = Overview("study-a", len(cards) if n_classes is None else n_classes, MATCHES, limit)
    for one in cards:
        overview.add(one)
    return overview.draw()


def test_overview_keeps_only_the_cards_that_it_draws() -> None:
    overview = Overview("study-a", 4, MATCHES, limit=2)
    kept = []
    for index in (3, 1, 2, 0):
        one = card(index)
        kept.append(weakref.ref(one))
        overview.add(one)
    del one
    assert [reference() is not None for reference in kept] == [False, True, False, True]
    assert any("4 classes" in line and "shown: the first 2 by index" in line for line in words(overview.draw()))


def test_overview_counts_matches_and_orders_by_index() -> None:
    cards = [card(7, "seven", (True, False)), card(2, "two", (True, True))]
    figure = overview_of(cards)
    text = words(figure)
    assert any("all images: 2 of 2 match" in line and "without the class: 1 of 2 match" in line for line in text)
    assert text.index("two") < text.index("seven")
    assert len(figure.axes[0].images) == 2 * 2 * (1 + K)


def test_overview_is_capped_with_a_note() -> None:
    figure = overview_of([card(i, f"name {i}") for i in range(5)], limit=3)
    assert any("shown: the first 3 by index" in line for line in words(figure))
    assert "name 3" not in words(figure)


def test_overview_says_that_not_all_classes_have_a_card() -> None:
    figure = overview_of([card(i, f"name {i}") for i in range(3)], n_classes=1000)
    assert any("1000 classes" in line and "shown: the 3 with a card" in line for line in words(figure))


def test_overview_of_no_class_says_so() -> None:
    figure = overview_of([])
    assert words(figure) == ["study-a", "no class has enough images that are predicted as it"]


def test_png_is_small_readable_and_keeps_the_colours_that_mean_something(tmp_path) -> None:
    file = tmp_path / "new folder" / "card.png"
    save_png(draw_class_card(card()), file)
    with Image.open(file) as image:
        assert image.format == "PNG"
        assert image.width == 1400
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 24)}
    assert {(255, 255, 255), (0, 158, 115), (213, 94, 0)} <= colours
    assert [path.name for path in file.parent.iterdir()] == ["card.png"]
    assert file.stat().st_size < 1_500_000


def test_palette_keeps_few_colours_exactly() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.choice(np.array([[255, 255, 255], [0, 158, 115], [10, 20, 30]], np.uint8), size=(20, 20))
    exact = np.asarray(with_palette(Image.fromarray(pixels)).convert("RGB"))
    assert np.abs(exact.astype(int) - pixels).max() <= 2


def test_drawing_leaves_pyplot_alone() -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    draw_class_card(card())
    assert plt.get_fignums() == before


def test_colours_repeat_only_after_all_were_used() -> None:
    assert len({component_colour(i) for i in range(10)}) == 10


def test_short_names() -> None:
    assert short("English springer, English springer spaniel") == "English springer"
    assert len(short("x" * 50, 20)) == 20


def test_picture_keeps_its_shape_inside_the_box() -> None:
    sheet = Sheet(4, 4)
    assert sheet.picture(np.zeros((2, 4, 3), np.uint8), x=0, y=0, width=2, height=2) == pytest.approx((0, 0.5, 2, 1))


@pytest.mark.parametrize("side", [1, 5, 40, 300])
def test_a_picture_fills_its_box_to_the_pixel_and_keeps_its_sides(side: int) -> None:
    """The upper half is red, the lower one blue; it is enlarged or reduced to 100 pixels."""
    picture = np.zeros((2 * side, 2 * side, 3), np.uint8)
    picture[:side, :, 0] = picture[side:, :, 2] = 255
    sheet = Sheet(2.0, 3.0)
    sheet.picture(picture, 0.5, 1.25, width=1.0, height=1.0)
    sheet.figure.canvas.draw()
    drawn = np.asarray(sheet.figure.canvas.buffer_rgba())[..., :3]
    assert (drawn[125:170, 50:150] == (255, 0, 0)).all()
    assert (drawn[180:225, 50:150] == (0, 0, 255)).all()
    outside = drawn.copy()
    outside[125:225, 50:150] = 255
    assert (outside == 255).all()


def test_a_picture_of_a_vector_file_has_the_box_and_the_dots_that_are_asked_for(tmp_path) -> None:
    sheet = Sheet(2.0, 3.0)
    sheet.picture(flat(90), 0.5, 1.25, width=1.0, height=1.0)
    save_figure(sheet.figure, tmp_path / "sheet.svg", dpi=200)
    text = (tmp_path / "sheet.svg").read_text()
    [width, height] = re.search(r'<image.*?width="([\d.]+)" height="([\d.]+)"', text, re.DOTALL).groups()
    assert (float(width), float(height)) == (72, 72)
    encoded = re.search(r"base64,([^\"]+)", text).group(1)
    assert Image.open(io.BytesIO(base64.b64decode(encoded))).size == (200, 200)
