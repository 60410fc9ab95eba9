"""Rank pictures by the directions of a study, and attack the model with the planted thing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from conceptrast.base.files import read_arrays, read_table, write_table
from conceptrast.contrast.crops import corner_box, crop_of
from conceptrast.contrast.insertion import inserted_views
from conceptrast.figures.canvas import save_png
from conceptrast.figures.shortcut import draw_shortcut
from conceptrast.models.inference import autocast, device_of, network_input
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel
from conceptrast.shortcut.attack import attack_rows, shortcut_columns
from conceptrast.shortcut.directions import (
    cav_candidates,
    component_candidates,
    plane_candidates,
    random_candidates,
)
from conceptrast.shortcut.ranking import RankedPictures, ranking_rows
from conceptrast.steps.opening import PictureInputs, open_pictures
from conceptrast.steps.runner import run


@dataclass(frozen=True, kw_only=True)
class Inputs(PictureInputs):
    """Also what is where in the pictures, and the study's results that give directions."""

    truth: Path
    components: Path
    hyperplanes: list[Path]
    ace: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The rows of one study, and their figure."""

    shortcut: Path
    figure: Path


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write a row for every direction and for the model on clean and attacked pictures."""
    pictures = open_pictures(settings, inputs)
    model = pictures.model
    options = settings["shortcut"]
    planted, attacked = (model.class_index(options[name]) for name in ("planted", "attacked"))
    # Which pictures have the planted thing
    table = pictures.table[pictures.table["split"] == "validation"]
    truth = read_table(inputs.truth)
    with_it = set(truth.loc[truth["concept"] == options["concept"], "image"])
    images = table["image"].to_numpy()
    has = np.array([image in with_it for image in images.tolist()])
    free = ~has & ~table["label"].isin([planted]).to_numpy()
    # Their activations, as they are and with it pasted in
    plain, clean = _activations(pictures, images, settings, paste=False)
    pasted, answers = _activations(pictures, images[free], settings, paste=True)
    ranked = RankedPictures(activations=plain, has=has, plain=plain[free], pasted=pasted)
    # The directions, and the attack
    names = model.class_names
    candidates = [
        *component_candidates(read_arrays(inputs.components), settings["components"], [planted, attacked], names),
        *(cav_candidates(read_arrays(inputs.ace), [planted, attacked]) if inputs.ace else []),
        *plane_candidates(inputs.hyperplanes, settings["hyperplanes"], (attacked, planted), names),
    ]
    chance = random_candidates(plain.shape[1], settings["seed"])
    of_attacked = table["label"].to_numpy() == attacked
    rows = [
        *ranking_rows(candidates, chance, ranked),
        *attack_rows(clean[of_attacked & free], answers[of_attacked[free]], label=attacked, planted=planted),
    ]
    head = {"study": settings["study"], "concept": options["concept"]}
    head |= {"planted": names[planted], "attacked": names[attacked]}
    result = pd.DataFrame([head | row for row in rows]).reindex(columns=shortcut_columns())
    write_table(result, outputs.shortcut)
    save_png(draw_shortcut(result), outputs.figure)


@torch.inference_mode()
def _activations(
    pictures: Pictures, images: np.ndarray, settings: dict[str, Any], paste: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Activations ``[n, C, h, w]`` of images and the classes ``[n]`` that the model names, with or without the crop."""
    model = pictures.model
    crop = crop_of(settings["shortcut"]["crop"]).pixels()
    box = corner_box(crop.shape[:2], model.preprocess.size, settings["shortcut"]["corner"])
    split = SplitModel(model, settings["layer"]).complete
    activations = []
    predicted = []
    for ids, views in pictures.of(images, "pasting" if paste else "looking"):
        seen = inserted_views(views, ids, crop, box, condition="crop", model=model) if paste else views
        with autocast(settings["precision"], device_of(model)):
            values = split.prefix(network_input(model, seen))
            logits = split.suffix(values)
        activations.append(split.patches(values).float().cpu().numpy())
        predicted.append(logits.float().argmax(dim=1).cpu().numpy())
    return np.concatenate(activations), np.concatenate(predicted)


if __name__ == "__main__":
    run(main)
