"""Move images of one class towards another along every direction that the study knows, and decode them on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.base.names import short
from conceptrast.contrast.hyperplane_shards import Planes
from conceptrast.contrast.images import class_activations
from conceptrast.contrast.pairs import named_pairs, skipped_rows
from conceptrast.contrast.tables import join_shards
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.decoder import read_decoder
from conceptrast.counterfactual.known_directions import KnownDirections
from conceptrast.counterfactual.pair_counterfactuals import PairCounterfactuals, example_image
from conceptrast.counterfactual.search import SearchOptions
from conceptrast.counterfactual.story import Story
from conceptrast.counterfactual.table import with_names
from conceptrast.data.selection import class_images
from conceptrast.data.view_pixels import pixels
from conceptrast.figures.canvas import save_png
from conceptrast.figures.counterfactual import draw_counterfactual
from conceptrast.figures.counterfactual_animation import animation, save_gif
from conceptrast.models.inference import device_of
from conceptrast.models.split import SplitModel
from conceptrast.steps.figure_folder import PAIRS, FigureFolder, pair_stem
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run

FEW = "fewer than min_images images are predicted as the first class"
NOTE = "of the images moved, the one of median way over all directions; activations move until the picture is B"


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also the decoder, and the study's results that give directions."""

    predictions: Path
    decoder: Path
    components: Path
    hyperplanes: list[Path]
    ace: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The model's predictions along the way, and strips and animations, which ``manifest`` lists."""

    counterfactual: Path
    pictures: Path
    manifest: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Move images of the first class of each named pair, and draw the way of one image."""
    pictures = open_pictures(settings, inputs)
    model = pictures.model
    options = settings["counterfactual"]
    # Which images, and their activations
    pairs = named_pairs(model, settings["pairs"])
    images, _ = class_images(
        read_table(inputs.predictions),
        settings["min_images"],
        options["images"],
        settings["seed"],
        n_classes=len(model.class_names),
        classes=[first for first, _ in pairs],
    )
    split = SplitModel(model, settings["layer"])
    activations = dict(class_activations(pictures, split, images, settings["precision"], what="moving"))
    # Which directions
    device = device_of(model)
    layer = DecodableLayer(model, split, read_decoder(inputs.decoder).to(device))
    known = KnownDirections(
        planes=Planes(inputs.hyperplanes, settings["hyperplane"], pairs) if inputs.hyperplanes else None,
        components=read_arrays(inputs.components),
        components_name=settings["components"],
        cavs=read_arrays(inputs.ace) if inputs.ace else None,
    )
    search = SearchOptions(
        probability=options["probability"],
        limit=options["limit"],
        precision=settings["precision"],
        batch_size=settings["batch_size"],
    )
    # Every pair
    tables = [skipped_rows({pair: FEW for pair in pairs if pair[0] not in images})]
    folder = FigureFolder(outputs.pictures, PAIRS, "*-to-*")
    for pair in (pair for pair in pairs if pair[0] in images):
        counterfactuals = PairCounterfactuals(
            layer=layer,
            images=images[pair[0]],
            activations=activations[pair[0]].to(device),
            pair=pair,
            seed=settings["seed"],
            options=search,
        )
        directions = known.towards(counterfactuals)
        rows = counterfactuals.rows(directions)
        tables += [rows.assign(status="ok", reason=""), *known.missing(directions, pair)]
        image = example_image(rows)
        view = pixels(pictures.by_id(np.array([image]))[image])
        stories = counterfactuals.stories(directions, image, view, options["frames"])
        title = f"{settings['study']}: image {image}"
        write_pictures(stories, pair, model.class_names, title, folder=folder)
    write_table(with_names(join_shards(tables), model.class_names), outputs.counterfactual)
    folder.finish(outputs.manifest)


def write_pictures(
    stories: Sequence[Story], pair: tuple[int, int], names: Sequence[str], title: str, folder: FigureFolder
) -> None:
    """Write the strip of a pair and an animation along each direction."""
    stem = pair_stem(pair, names, "-to-")
    ends = [names[target] for target in pair]
    heading = f"{title}, from {short(ends[0])} to {short(ends[1])}"
    save_png(draw_counterfactual(stories, ends, heading, NOTE), folder.add(*pair, f"{stem}.png"))
    for story in stories:
        save_gif(animation(story, ends), folder.add(*pair, f"{stem}-{story.direction.name}.gif"))


if __name__ == "__main__":
    run(main)
