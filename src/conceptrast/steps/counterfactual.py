"""Move images of one class towards another along every direction that the study knows, and decode them on the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.ace.cav_arrays import strongest_cav
from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.base.names import short, slug
from conceptrast.contrast.images import class_activations
from conceptrast.contrast.pairs import named_pairs, skipped_rows
from conceptrast.contrast.study_hyperplanes import Planes
from conceptrast.contrast.tables import joined
from conceptrast.counterfactual.decoder import read_decoder
from conceptrast.counterfactual.search import DecodableLayer, with_names
from conceptrast.counterfactual.study_counterfactuals import Moved, Story, example_image
from conceptrast.counterfactual.study_directions import KINDS, components_of, directions_towards, missing_directions
from conceptrast.data.selection import class_images
from conceptrast.figures.canvas import save_png
from conceptrast.figures.counterfactual import animation, draw_counterfactual, save_gif
from conceptrast.models.inference import device_of
from conceptrast.models.pictures import pixels
from conceptrast.models.split import SplitModel
from conceptrast.steps.opening import open_pictures
from conceptrast.steps.runner import run

FEW = "fewer than min_images images are predicted as the first class"
NOTE = "of the images moved, the one of median way over all directions; activations move until the picture is B"


def main(
    settings: dict[str, Any],
    index: Path,
    class_names: Path,
    predictions: Path,
    decoder: Path,
    components: Path,
    counterfactual: Path,
    pictures_folder: Path,
    manifest: Path,
    hyperplanes: list[Path],
    ace: Path | None = None,
    weights: Path | None = None,
    workers: int = 0,
) -> None:
    """Write what is said on the way, strips and animations; the ``manifest`` lists from_class, to_class, file."""
    pictures = open_pictures(settings, index, class_names, weights, workers)
    model, names = pictures.model, pictures.model.class_names
    split, device = SplitModel(model, settings["layer"]), device_of(pictures.model)
    layer, chosen = DecodableLayer(model, split, read_decoder(decoder).to(device)), settings["counterfactual"]
    pairs = named_pairs(model, settings["pairs"])
    planes = Planes(hyperplanes, settings["hyperplane"], pairs)
    sets, cavs = read_arrays(components), read_arrays(ace) if ace else None
    images, _ = class_images(
        read_table(predictions), settings["min_images"], chosen["images"], settings["seed"], len(names),
        [first for first, _ in pairs],
    )  # fmt: skip
    pictures_folder.mkdir(parents=True, exist_ok=True)
    parts, files = [skipped_rows({pair: FEW for pair in pairs if pair[0] not in images})], []
    activations = dict(class_activations(pictures, split, images, settings["precision"], "moving"))
    known = {"hyperplane": bool(hyperplanes), "cav": ace is not None}
    wanted = [kind for kind in KINDS if known.get(kind, True)]
    for pair in (pair for pair in pairs if pair[0] in images):
        moved = Moved(
            layer, images[pair[0]], activations[pair[0]].to(device), pair, chosen["probability"], chosen["limit"],
            settings["seed"], settings["precision"], settings["batch_size"],
        )  # fmt: skip
        directions = directions_towards(
            layer, moved.activations, pair, plane=planes.get(pair),
            components=components_of(sets, settings["components"], pair[1]),
            cav=None if cavs is None else strongest_cav(cavs, pair[1]), precision=settings["precision"],
            batch_size=settings["batch_size"],
        )  # fmt: skip
        rows = moved.rows(directions)
        parts.append(rows.assign(status="ok", reason=""))
        for kind, reason in missing_directions(directions, wanted, planes.skipped.get(pair)).items():
            parts.append(skipped_rows({pair: reason}).assign(direction=kind))
        image = example_image(rows)
        stories = moved.stories(directions, image, pixels(pictures.by_id(np.array([image]))[image]), chosen["frames"])
        title = f"{settings['study']}: image {image}"
        files += [(*pair, file) for file in write_pictures(stories, pair, names, title, pictures_folder)]
    for stale in set(pictures_folder.glob("*-to-*")) - {pictures_folder / file for *_, file in files}:
        stale.unlink()
    write_table(with_names(joined(parts), names), counterfactual)
    write_table(pd.DataFrame(files, columns=["from_class", "to_class", "file"]), manifest)


def write_pictures(
    stories: Sequence[Story], pair: tuple[int, int], names: Sequence[str], title: str, folder: Path
) -> list[str]:
    """Write the strip of a pair and an animation along each direction; names of the files."""
    stem, ends = "-to-".join(f"{each}-{slug(names[each])}" for each in pair), [names[each] for each in pair]
    title = f"{title}, from {short(ends[0])} to {short(ends[1])}"
    save_png(draw_counterfactual(stories, ends, title, NOTE), folder / f"{stem}.png")
    for story in stories:
        save_gif(animation(story, ends), folder / f"{stem}-{story.direction.name}.gif")
    return [f"{stem}.png", *(f"{stem}-{story.direction.name}.gif" for story in stories)]


if __name__ == "__main__":
    run(main)
