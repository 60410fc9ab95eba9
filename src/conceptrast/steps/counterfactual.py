"""Move pictures of one class towards another by every edit that the study knows, and decode them on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.base.names import short
from conceptrast.contrast.images import class_activations
from conceptrast.contrast.pairs import named_pairs, skipped_rows
from conceptrast.contrast.tables import join_shards
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.decoder import read_decoder
from conceptrast.counterfactual.known_boxes import boxes_that_tell
from conceptrast.counterfactual.pair_counterfactuals import PairCounterfactuals, example_image, recognised_images
from conceptrast.counterfactual.pair_edits import Name, PairEdits, edits_towards
from conceptrast.counterfactual.pasted_cells import PairViews
from conceptrast.counterfactual.search import SearchOptions
from conceptrast.counterfactual.story import Story
from conceptrast.counterfactual.study_knowledge import DONORS, StudyKnowledge, drawn_others
from conceptrast.counterfactual.table import with_names
from conceptrast.data.digit_scenes import CELL
from conceptrast.data.selection import class_images
from conceptrast.data.view_pixels import pixels
from conceptrast.figures.canvas import save_png
from conceptrast.figures.counterfactual import draw_counterfactual
from conceptrast.figures.counterfactual_animation import animation, save_gif
from conceptrast.figures.story_page import save_story
from conceptrast.models.inference import default_device, device_of
from conceptrast.models.injection import Injection, LayerValues, layer_values, same_place
from conceptrast.models.model import Model
from conceptrast.models.opening import open_model
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel
from conceptrast.steps.decoded_study import DecodedStudyInputs
from conceptrast.steps.figure_folder import PAIRS, FigureFolder, PageFolder, pair_stem
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run

FEW = "fewer than min_images images are predicted as the first class"
NOTE = "of all pictures, the one whose mean way is the median; activations change until the model names the picture B"
INJECTED = (
    "the one whose mean way is the median; values of {} change, and {} is decoded, until the model names the picture B"
)


@dataclass(frozen=True, kw_only=True)
class Inputs(DecodedStudyInputs):
    """Also the judge's weights."""

    judge: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The networks' predictions along the way, and strips and animations, which ``manifest`` lists.

    ``pages`` has the facts of the atlas's animations. Their pictures are in the folder of the same name.
    """

    counterfactual: Path
    pictures: Path
    manifest: Path
    pages: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Move pictures of the first class of each named pair, and draw the way of one of them."""
    pictures = open_pictures(settings, inputs)
    model = pictures.model
    options = settings["counterfactual"]
    search = SearchOptions(
        probability=options["probability"],
        limit=options["limit"],
        cells=options["cells"],
        precision=settings["precision"],
        batch_size=settings["batch_size"],
    )
    # The pictures of each pair, and what the study knows
    pairs = named_pairs(model, settings["pairs"])
    predictions = read_table(inputs.predictions)
    seed = settings["seed"]

    def images_of(classes: Iterable[int], most: int) -> dict[int, np.ndarray]:
        return class_images(
            predictions, settings["min_images"], most, seed, n_classes=len(model.class_names), classes=classes
        )[0]

    layer = open_layer(settings, inputs, pictures)
    fast = layer.for_inference(settings["precision"])
    images = images_of({first for first, _ in pairs}, options["images"])
    values = values_by_class(pictures, fast, images, settings["precision"], what="moving")
    donor_images = images_of({second for _, second in pairs}, DONORS)
    others, predicted = drawn_others(predictions, seed)
    other_values = values_by_class(pictures, fast, {0: others}, settings["precision"], what="other pictures")[0]
    known = StudyKnowledge(
        planes=inputs.read_planes(settings, pairs),
        components=inputs.read_components(settings),
        cavs=read_arrays(inputs.ace) if inputs.ace else None,
        donors=values_by_class(pictures, fast, donor_images, settings["precision"], what="donors"),
        others=other_values.activations,
        predicted=predicted,
        elsewhere=why_elsewhere(model, settings),
    )
    # Every pair
    truth = inputs.read_truth()
    tables = [skipped_rows({pair: FEW for pair in pairs if pair[0] not in images})]
    folder = FigureFolder(outputs.pictures, PAIRS, "*-to-*")
    pages = PageFolder(outputs.pages)
    for pair in (pair for pair in pairs if pair[0] in images):
        counterfactuals = PairCounterfactuals(
            layer=fast,
            images=images[pair[0]],
            activations=values[pair[0]].activations,
            pair=pair,
            options=search,
            boxes=boxes_that_tell(truth, pictures.table, pair, names=model.class_names, cell=CELL),
            views=PairViews(
                pictures=pictures.stacked(images[pair[0]]),
                donors=pictures.stacked(donor_images.get(pair[1], images[pair[0]][:0])),
                others=pictures.stacked(others[~np.isin(predicted, pair)]),
            ),
            seed=seed,
        )
        edits = edits_towards(
            layer,
            counterfactuals.images.tolist(),
            values[pair[0]],
            pair=pair,
            known=known.of_pair(pair),
            seed=seed,
            options=search,
        )
        rows = counterfactuals.rows(edits).assign(judge=settings["judge_name"], status="ok", reason="")
        tables += [rows, *missing_rows(known.reasons(edits.missing, pair), pair)]
        stories = stories_of(counterfactuals, edits, rows, pictures=pictures, settings=settings)
        write_pictures(stories, pair, names=model.class_names, settings=settings, folder=folder)
        write_pages(stories, pair, names=model.class_names, pages=pages)
    write_table(with_names(join_shards(tables), model.class_names), outputs.counterfactual)
    folder.finish(outputs.manifest)
    pages.finish()


def open_layer(settings: Mapping[str, Any], inputs: Inputs, pictures: Pictures) -> DecodableLayer:
    """The layer with its decoder, the way there from another layer that is edited, and the judge, if there are any."""
    model = pictures.model
    judge = None
    if settings["judge"]:
        judge = open_model(settings["judge"], inputs.judge, model.class_names)
        judge.module.to(default_device())
    decoder = read_decoder(inputs.decoder).to(device_of(model))
    inject = settings["inject"]
    decode = settings["decode"]
    injection = None if inject == decode else Injection(model, inject, decode)
    split = SplitModel(model, decode) if injection is None else injection.split
    return DecodableLayer(model, split, decoder, judge=judge, injection=injection)


def values_by_class(
    pictures: Pictures, layer: DecodableLayer, images: Mapping[int, np.ndarray], precision: str, what: str
) -> dict[int, LayerValues]:
    """What pictures of every class give at the layer that is edited, on the model's device."""
    model = pictures.model
    if layer.injection is None:
        arrays = class_activations(pictures, layer.split, images, precision, what=what)
        return {target: LayerValues(values.to(device_of(model))) for target, values in arrays}
    return {
        target: layer_values(model, layer.injection, pictures.of(ids, what), precision)
        for target, ids in images.items()
    }


def why_elsewhere(model: Model, settings: Mapping[str, Any]) -> str:
    """Why what the study has found at its layer cannot be added where the edits are made; empty if it can."""
    layer = settings["layer"]
    inject = settings["inject"]
    return "" if same_place(model, layer, inject) else f"the study's is of {layer}, and values are added at {inject}"


def missing_rows(reasons: Mapping[Name, str], pair: tuple[int, int]) -> list[pd.DataFrame]:
    """A row for each edit that could exist but is missing for a pair, with the reason."""
    return [
        skipped_rows({pair: reason}).assign(edit=kind, direction=direction)
        for (kind, direction), reason in reasons.items()
    ]


@dataclass(frozen=True)
class _Example:
    """One picture of a pair on its way by every kind of edit."""

    image: int
    stories: Sequence[Story]


def stories_of(
    counterfactuals: PairCounterfactuals,
    edits: PairEdits,
    rows: pd.DataFrame,
    pictures: Pictures,
    settings: Mapping[str, Any],
) -> _Example:
    """The ways of a picture whose reconstruction is recognised.

    Where no reconstruction is, only the pasted cells are shown: they are not decoded.
    """
    recognised = recognised_images(rows)
    image = example_image(rows[rows["image"].isin(recognised)] if len(recognised) else rows)
    view = pixels(pictures.by_id(np.array([image]))[image])
    frames = settings["counterfactual"]["frames"]
    stories = counterfactuals.stories(edits, image, view, frames, recognised=len(recognised) > 0)
    return _Example(image, shown(stories))


def write_pictures(
    example: _Example, pair: tuple[int, int], names: Sequence[str], settings: Mapping[str, Any], folder: FigureFolder
) -> None:
    """Write the strip of a pair and an animation of each edit."""
    if not example.stories:
        return
    ends = [names[target] for target in pair]
    stem = pair_stem(pair, names, "-to-")
    heading = f"{settings['study']}: image {example.image}, from {short(ends[0])} to {short(ends[1])}"
    layers = (settings["inject"], settings["decode"])
    note = NOTE if layers[0] == layers[1] else INJECTED.format(*layers)
    save_png(draw_counterfactual(example.stories, ends, heading, note), folder.add(*pair, f"{stem}.png"))
    for story in example.stories:
        save_gif(animation(story, ends), folder.add(*pair, f"{stem}-{story.edit.name}.gif"))


def write_pages(example: _Example, pair: tuple[int, int], names: Sequence[str], pages: PageFolder) -> None:
    """Write what the atlas shows of a pair."""
    stem = pair_stem(pair, names, "-to-")
    ends = [{"class": target, "name": names[target]} for target in pair]
    stories = [save_story(story, pages.folder, f"{stem}-{story.edit.name}") for story in example.stories]
    pages.add({"first": ends[0], "second": ends[1], "image": example.image, "stories": stories})


def shown(stories: Sequence[Story]) -> list[Story]:
    """Of each kind of edit the first one: vectors come in the order of their table."""
    first: dict[str, Story] = {}
    for story in stories:
        first.setdefault(story.edit.kind, story)
    return list(first.values())


if __name__ == "__main__":
    run(main)
