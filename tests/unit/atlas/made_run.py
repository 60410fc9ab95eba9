"""A small finished run, made by hand: one study with three classes and a contrast, no model and no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from conceptrast.atlas.run_files import Description
from conceptrast.base.files import write_json, write_table
from conceptrast.figures.picture_strip import save_strip

CLAIM = 'default,Most classes are named.,"component_prediction.csv:match_rate[study=digits,baseline=none]",>=,0.6\n'
HEAD = "run,sentence,metric,relation,bound\n"


def description(studies: tuple[str, ...] = ("digits",), run: str = "default", predicted_by: str = "") -> Description:
    """A run with these studies, each with a contrast."""
    entry = {"model": "net", "dataset": "pictures", "layer": "layer3", "predicted_by": predicted_by}
    return Description(
        run=run,
        config={
            "run": run,
            "seed": 0,
            "studies": dict.fromkeys(studies, entry),
            "models": {"net": {"seed": 0}},
            "contrast": {"images_per_pair": 20},
            "importance": {"images": 8},
        },
        questions={
            "models": "What do the models say?",
            "concepts": "What does a class consist of?",
            "contrast": "Why A?",
            "counterfactual": "What would have to be different?",
        },
        entries={"models": [], **{name: list(studies) for name in ("concepts", "contrast", "counterfactual")}},
        tables={
            "concepts": ["component_prediction", "studies", "stability"],
            "contrast": ["shift", "contrast_pairs", "contrast_classes", "mask"],
        },
        card_recipe="recommended",
        code="abc",
        data={"pictures": "123"},
    )


def make_run(folder: Path, names: tuple[str, ...] = ("one", "two", "three"), study: str = "digits") -> None:
    """Write the files of a run into a folder."""
    write_tables(folder, names, study)
    classes = [make_class(folder, study, target, name) for target, name in enumerate(names)]
    write_json(classes, folder / "pages" / study / "classes.json")
    write_json([make_contrast(folder, study, names)], folder / "pages" / study / "contrasts.json")
    write_json([make_counterfactual(folder, study, names)], folder / "pages" / study / "counterfactuals.json")
    figures = folder / "figures" / study
    write_table(
        pd.DataFrame({"class": [0], "class_name": [names[0]], "file": ["0-card.png"]}),
        figures / "cards.csv",
    )
    for name, ends in (("counterfactuals", ["from_class", "to_class"]), ("concept_pictures", ["class", "class_name"])):
        write_table(pd.DataFrame(columns=[*ends, "file"]), figures / f"{name}.csv")
    Image.new("RGB", (2800, 20), "red").save(figures / "overview.png")
    for card in ("cards/0-card.png", "contrasts/0-class-not-1-class.png"):
        (figures / card).parent.mkdir(exist_ok=True)
        Image.new("RGB", (1400, 30), "blue").save(figures / card)


def write_tables(folder: Path, names: tuple[str, ...], study: str) -> None:
    """Tables and metrics of the run; the second class is not named, the third was skipped."""
    test = {"study": study, "recipe": "recommended", "selection": "exclude_target", "layout": "grid"}
    prediction = pd.DataFrame(
        [
            {**test, "baseline": "none", "n_classes": 2, "matched": 1, "match_rate": 0.5, "low": 0.1, "high": 0.9},
            {
                **test,
                "baseline": "random_patches",
                "n_classes": 2,
                "matched": 0,
                "match_rate": 0.0,
                "low": 0,
                "high": 0.7,
            },
        ]
    )
    tables = {
        "component_prediction": prediction.assign(probability_mean=0.6, **{"above_0.5": 0.5}),
        "studies": pd.DataFrame({"study": [study], "n_classes": 2, "n_skipped": 1, "accuracy": 0.9, "n_images": 30}),
        "stability": pd.DataFrame(
            {
                "study": study,
                "recipe": "recommended",
                "sample": "halves",
                "class_name": list(names),
                "baseline": "none",
                "status": "ok",
                "returned": [1.0, 0.25, np.nan],
            }
        ),
        "shift": pd.DataFrame(
            {
                "study": study,
                "hyperplane": "zero",
                "baseline": ["none", "random_direction"],
                "swap_rate_mean": [0.8, 0.1],
                "swap_rate_sd": [0.05, 0.02],
                "before_mean": 0.01,
                "after_mean": [0.9, 0.05],
            }
        ),
        "contrast_pairs": pd.DataFrame(
            {"study": [study], "from_class": 0, "to_class": 1, "status": "ok", "reason": "", "heldout_accuracy": 0.9}
        ),
        "contrast_classes": pd.DataFrame({"study": study, "class": [0, 1, 2], "n_features": [30, 90, 500]}),
        "mask": pd.DataFrame({"study": [study], "baseline": "none", "share": 0.1, "p_from_mean": 0.4}),
    }
    for name, table in tables.items():
        write_table(table, folder / "tables" / f"{name}.csv")
    write_json({f"{study}/match_rate": 0.5}, folder / "metrics.json")
    rows = [
        {"class": 0, "class_name": names[0], "status": "ok", "probability": 0.99, "predicted": 0, "match": True},
        {"class": 1, "class_name": names[1], "status": "ok", "probability": 0.03, "predicted": 0, "match": False},
        {"class": 2, "class_name": names[2], "status": "skipped", "reason": "too few images"},
    ]
    table = pd.DataFrame(rows).assign(recipe="recommended", selection="exclude_target", baseline="none")
    write_table(table, folder / "studies" / study / "component_prediction.csv")


def make_class(folder: Path, study: str, target: int, name: str) -> dict[str, Any]:
    """Facts and pictures of one class with two components of two patches each."""
    place = folder / "pages" / study / "classes"
    stem = f"{target}-class"
    patches = [np.full((8, 8, 3), 60 * rank, np.uint8) for rank in range(4)]
    save_strip(patches, place / f"{stem}-exclude_target.webp")
    save_strip(patches[:2], place / f"{stem}-exclude_target-sources.webp")
    save_strip(patches[:1], place / f"{stem}-exclude_target-combined.webp")
    save_strip(patches[:3], place / f"{stem}-places.webp")
    source = {"predicted": name, "probability": 0.5, "box": [0, 0, 50, 50], "shape": [8, 8]}
    facts = {"low": 0.5, "high": 2.0, "drop_chance": 0.3, "cosine": 0.9, "back_chance": 0.125}
    return {
        "class": target,
        "name": name,
        "n_images": 10 + target,
        "recipe": "recommended",
        "stem": stem,
        "components": [
            {"component": 1, "drop": 1.5, "share": 0.75, "back": 1.0, "returns": True, **facts},
            {"component": 0, "drop": 0.5, "share": 0.25, "back": 0.2, "returns": False, **facts},
        ],
        "selections": {
            "exclude_target": {
                "patches": [2, 2],
                "shape": [8, 8],
                "chosen": [0, 1],
                "sources": [source, source],
                "verdict": {"predicted": name, "probability": 0.9, "match": True, "shape": [8, 8]},
            }
        },
        "places": 1,
    }


def make_contrast(folder: Path, study: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Facts and pictures of the contrast of the first two classes."""
    stem = "0-class-not-1-class"
    curve = [
        {"offset": offset, "baseline": baseline, "p_own": 1 - p, "p_other": p}
        for baseline, last in (("none", 0.97), ("random_direction", 0.04))
        for offset, p in ((0.0, 0.01), (2.0, last))
    ]
    sides = {}
    for side, name in (("for", names[0]), ("against", names[1])):
        pictures = [np.full((8, 8, 3), 90, np.uint8)] * 4
        save_strip(pictures, folder / "pages" / study / "contrasts" / f"{stem}-{side}.webp")
        save_strip(pictures[:2], folder / "pages" / study / "contrasts" / f"{stem}-{side}-places.webp")
        facts = {"name": name, "n_images": 12, "shares": [0.7, 0.3], "patches": [2, 2], "shape": [8, 8], "places": 1}
        sides[side] = {**facts, "curve": curve}
    return {
        "first": {"class": 0, "name": names[0]},
        "second": {"class": 1, "name": names[1]},
        "facts": "hyperplane: 90 % of its features on their own side",
        "stem": stem,
        "sides": sides,
    }


def make_counterfactual(folder: Path, study: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Facts and pictures of a picture of the first class that becomes the second in three steps."""
    stem = "0-class-to-1-class-swap"
    pictures = [np.full((8, 8, 3), 50 * step, np.uint8) for step in range(4)]
    save_strip(pictures, folder / "pages" / study / "counterfactuals" / f"{stem}.webp")
    story = {"stem": stem, "edit": "swap", "kind": "swap", "direction": "none", "frames": 3, "shape": [8, 8]}
    way = {"lambdas": [0, 0.5, 1], "probabilities": [[1, 0], [0.5, 0.5], [0, 1]], "reached": True}
    ends = [{"class": target, "name": names[target]} for target in (0, 1)]
    return {"first": ends[0], "second": ends[1], "image": 4, "stories": [story | way]}
