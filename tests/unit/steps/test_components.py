"""The steps of importance and stability where there is nothing to take out: empty tables, and a figure that says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from conceptrast.base.files import read_table, write_arrays, write_json, write_table
from conceptrast.data.dataset import open_dataset
from conceptrast.steps import component_tables, importance, stability
from conceptrast.steps.runner import call

ENTRY = {"kind": "digit_pairs", "train": 0, "validation": 20}
SETTINGS = {
    "study": "pairs",
    "model": {"architecture": "resnet10"},
    "dataset": ENTRY,
    "layer": "layer3",
    "seed": 0,
    "precision": "float32",
    "batch_size": 8,
    "recipes": {"ours": {"components": 2, "weighting": "channel"}},
    "importance": {"images": 2, "orders": 1, "sobol": 0},
    "stability": {"draws": 2},
    "attribution": {"method": "deeplift", "samples": 1, "noise": 0.1, "baseline": 1.0},
    "rectify": False,
    "solver": "batched",
}
TABLES = ("importance", "fidelity", "fidelity_curves", "reconstructed", "stability", "importance_truth")


def files_without_classes(folder: Path) -> dict[str, Path]:
    """What earlier steps write if no class has enough images."""
    dataset = open_dataset(ENTRY)
    index = dataset.build_index()
    patches = pd.DataFrame({"class": [0], "recipe": "ours", "component": 0, "selection": "all", "rank": 0, "image": 0})
    tables = {
        "index": index.table,
        "truth": index.truth,
        "predictions": pd.DataFrame({"image": index.table["image"], "predicted": 0, "probability": 0.5}),
        "prototypes": patches.assign(top=0, left=0, height=1, width=1)[:0],
    }
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet")
    write_json(dataset.class_names, folder / "class_names.json")
    nothing = np.empty(0, np.int64)
    maps = np.empty((0, 6, 6), np.float32)
    multiplier = np.empty((0, 128), np.float32)
    arrays = {"image": nothing, "target": nothing, "raw": maps, "rectified": maps, "multiplier": multiplier}
    arrays["linear_share"] = nothing
    write_arrays(folder / "attribution.npz", arrays)
    components = np.empty((0, 2, 0), np.float32)
    write_arrays(
        folder / "components.npz", {"classes": nothing, "n_images": nothing, "components_channel_k2": components}
    )
    return {name: folder / f"{name}.parquet" for name in tables} | {
        "class_names": folder / "class_names.json",
        "components": folder / "components.npz",
    }


def test_a_study_without_classes_gives_empty_tables(tmp_path) -> None:
    files = files_without_classes(tmp_path)
    shared = {name: files[name] for name in ("index", "class_names", "components")}
    results = {name: tmp_path / f"{name}.parquet" for name in ("importance", "curves", "answers")}
    attributions = [tmp_path / "attribution.npz"]
    call(importance.main, SETTINGS, **shared, **results, attributions=attributions, figure=tmp_path / "figure.png")
    matches = tmp_path / "stability.csv"
    call(
        stability.main,
        SETTINGS,
        **shared,
        predictions=files["predictions"],
        attributions=attributions,
        stability=matches,
    )
    call(
        component_tables.main,
        {"studies": ["pairs"], "studies_with_truth": ["pairs"]},
        **{name: [path] for name, path in results.items()},
        stability=[matches],
        prototypes=[files["prototypes"]],
        indices=[files["index"]],
        truths=[files["truth"]],
        tables=[tmp_path / f"{name}.csv" for name in TABLES],
    )
    assert all(read_table(tmp_path / f"{name}.csv").empty for name in TABLES)
    assert Image.open(tmp_path / "figure.png").size[0] > 0
