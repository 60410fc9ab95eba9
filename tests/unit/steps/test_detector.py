"""The steps on the body of a detector, from tiles around cells to counterfactuals and their tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from conceptrast.base.files import read_json, read_table, write_arrays
from conceptrast.models.opening import open_model
from conceptrast.models.split import SplitModel
from conceptrast.steps import concept_pictures, counterfactual, counterfactual_tables, decoder, index, predict, train
from conceptrast.steps.runner import call

from ..models.faster_rcnn import faster_rcnn, narrow_bottlenecks

NAME = "fasterrcnn_resnet50_fpn"
LAYER = "layer4.2"
NAMES = ["mitotic figure", "hard negative"]


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """The whole network is in the workflow's test of a detector."""
    with narrow_bottlenecks():
        yield


@pytest.fixture(scope="module")
def fitted(
    narrow: None, midog: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """Folder with index, names, head fitted to the labels of tiles, and the settings of steps that go on from there."""
    folder = tmp_path_factory.mktemp("tiles")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        detector = faster_rcnn()
    torch.save(detector.state_dict(), checkpoint := folder / "detector.pth")
    root = midog(folder / "midog", slides=2, cells=6)
    dataset = {"kind": "midog", "root": str(root), "tile": 64, "validation": 0.5}
    names = ("index.parquet", "rejected.csv", "truth.parquet", "class_names.json")
    files = {name.partition(".")[0]: folder / name for name in names}
    call(index.main, {"dataset": dataset, "seed": 0, "max_rejected": 0}, **files)
    entry = {"architecture": NAME, "weights": str(checkpoint), "extract": "backbone.body", "input_size": 64}
    entry["train"] = {"dataset": "midog", "only": "head", "batch_size": 16, "precision": "float32"}
    settings = {"model": entry, "dataset": dataset, "seed": 0, "precision": "float32"}
    opened = {name: files[name] for name in ("index", "class_names")}
    call(train.main, settings, **opened, weights=folder / "net.safetensors", history=folder / "net.csv")
    opened["weights"] = folder / "net.safetensors"
    call(predict.main, settings | {"batch_size": 6}, **opened, predictions=folder / "predictions.parquet")
    return folder, settings


def test_a_head_on_the_body_tells_cells_apart(fitted: tuple[Path, dict[str, Any]]) -> None:
    folder, settings = fitted
    assert read_table(folder / "net.csv")["validation_accuracy"].item() > 0.75  # even random filters see the stain
    model = open_model(settings["model"], folder / "net.safetensors", read_json(folder / "class_names.json"))
    assert model.class_names == NAMES
    assert SplitModel(model, LAYER).rectified


def moved(fitted: tuple[Path, dict[str, Any]], inject: str) -> tuple[Path, pd.DataFrame, list[Path]]:
    """From MIDOG's tiles to a decoder of the detector's body, counterfactuals, their tables and pictures.

    Returns:
        The folder, the rows of the counterfactuals, and the files of the tables.
    """
    whole, settings = fitted
    folder = whole / inject
    opened = {"index": whole / "index.parquet", "class_names": whole / "class_names.json"}
    opened["weights"] = whole / "net.safetensors"
    size = {"images": 12, "validation_images": 4, "epochs": 1, "batch_size": 6, "learning_rate": 0.003}
    settings = settings | {
        "layer": LAYER,
        "inject": inject,
        "decode": LAYER,
        "batch_size": 6,
        "min_images": 2,
        "study": "cells",
        "hyperplane": "zero",
        "pairs": [["hard negative", "mitotic figure"]],
        "components": "components_position_k1",
        "decoder": {**size, "perceptual": 0.1, "width": 16, "precision": "float32"},
        "weighting": "position",
        "pooling": {"kernel": 1, "stride": 1},
        "images_per_class": 3,
        "reader": None,
        "judge": None,
        "judge_name": "",
        "counterfactual": {"images": 1, "probability": 0.5, "limit": 1.0, "cells": 2, "frames": 2},
    }
    made = {name: whole / name for name in ("decoder.safetensors", "decoder.csv", "reconstruction.csv")}
    files = dict(zip(("decoder", "history", "reconstruction"), made.values(), strict=True))
    if not made["decoder.safetensors"].exists():
        call(decoder.main, settings, **files, **opened)
    components = np.random.default_rng(0).random((2, 1, 2048), np.float32)
    write_arrays(folder / "components.npz", {"classes": np.arange(2), "components_position_k1": components})
    nothing = {name: np.zeros(0, np.float32) for name in ("raw", "rectified", "multiplier", "linear_share")}
    write_arrays(folder / "attribution.npz", {name: np.zeros(0, np.int64) for name in ("image", "target")} | nothing)
    known = {
        "predictions": whole / "predictions.parquet",
        "decoder": made["decoder.safetensors"],
        "components": folder / "components.npz",
        "attribution": [folder / "attribution.npz"],
        "hyperplanes": [],
    }
    call(
        counterfactual.main,
        settings,
        **opened,
        **known,
        counterfactual=folder / "counterfactual.csv",
        pictures=folder / "pictures",
        manifest=folder / "pictures.csv",
        pages=folder / "pages" / "counterfactuals.json",
    )
    call(
        concept_pictures.main,
        settings,
        **opened,
        **known,
        concepts=folder / "concepts.csv",
        pictures=folder / "concepts",
        manifest=folder / "concept_pictures.csv",
        pages=folder / "pages" / "concept_pictures.json",
    )
    names = ("decoder.csv", "counterfactual.csv", "concept_pictures.csv", "concept_reading.csv")
    tables = [folder / "tables" / name for name in names]
    call(
        counterfactual_tables.main,
        {"studies": ["cells"]},
        reconstructions=[made["reconstruction.csv"]],
        counterfactuals=[folder / "counterfactual.csv"],
        concepts=[folder / "concepts.csv"],
        tables=tables,
    )
    return folder, read_table(folder / "counterfactual.csv"), tables


def reasons(rows: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Why edits are missing, by kind and direction."""
    skipped = rows[rows["status"] == "skipped"].set_index(["edit", "direction"])["reason"]
    return {(str(kind), str(direction)): str(reason) for (kind, direction), reason in skipped.items()}


def test_a_cell_is_decoded_and_moved_to_the_other_class(fitted: tuple[Path, dict[str, Any]]) -> None:
    folder, rows, tables = moved(fitted, LAYER)
    edits = set(rows.loc[rows["status"] == "ok", "edit"])
    assert edits == {"transplant", "pasted_cells", "swap", "uniform", "gradient", "latent_shift"}
    assert set(rows["baseline"].dropna()) == {"none", "random"}
    # A bias alone names one of the cells: no position speaks for it.
    reason = "the gradient of a picture is zero throughout, or its evidence"
    assert reasons(rows)["located", "component"] == reason
    assert rows.query("edit == 'transplant'")["cells"].dropna().between(0, 2).all()
    assert rows["inside"].isna().all()
    assert set(rows["from_name"].dropna()) == {"hard negative"}
    assert rows[["p_from", "p_to", "p_from_decoded", "p_to_decoded"]].melt()["value"].dropna().between(0, 1).all()
    files = read_table(folder / "pictures.csv")["file"].tolist()
    assert sorted(path.name for path in (folder / "pictures").iterdir()) == sorted(files)
    assert all((folder / "pictures" / name).stat().st_size < 2**20 for name in files if name.endswith(".gif"))
    assert read_table(tables[0])["baseline"].tolist() == ["none", "mean_picture"]
    assert set(read_table(tables[1])["to_name"]) == {"mitotic figure", "all"}


def test_values_are_added_inside_a_residual_block(fitted: tuple[Path, dict[str, Any]]) -> None:
    """128 channels of conv1, which are not rectified. What the study found in its layer's 2048 does not fit there."""
    _, rows, tables = moved(fitted, "layer4.2.conv1")
    ends = rows[(rows["status"] == "ok") & (rows["fraction"] == 1) & (rows["baseline"] == "none")]
    kinds = set(zip(ends["edit"], ends["direction"], strict=True))
    assert {("gradient", "none"), ("latent_shift", "none"), ("uniform", "cav"), ("gradient_times", "cav")} <= kinds
    assert not {"component", "hyperplane"} & set(ends["direction"])
    elsewhere = "the study's is of layer4.2, and values are added at layer4.2.conv1"
    assert reasons(rows)["swap", "component"] == elsewhere
    assert reasons(rows)["located", "component"] == elsewhere
    origins = ends.loc[ends["direction"] == "cav", "origin"]
    assert set(origins) == {"its pictures against others"}
    assert set(read_table(tables[2])["kind"]) == {"component"}  # concepts are put in at the study's own layer
