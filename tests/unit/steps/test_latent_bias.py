"""The step that compares latent spaces."""

from __future__ import annotations

import numpy as np
import pandas as pd
from PIL import Image

from conceptrast.base.files import read_arrays, read_table, write_json, write_table
from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.comparison import FIGURES
from conceptrast.bias.rotation_regressor import RotationRegressor
from conceptrast.models import load_model
from conceptrast.models.weights import write_state
from conceptrast.steps import latent_bias as step

from ..bias.rotated_digits import ENTRIES, pictures_of


def test_the_step_writes_codes_positions_and_figures(tmp_path):
    indices = []
    weights = []
    for condition in ENTRIES:
        indices.append(tmp_path / f"{condition}.parquet")
        write_table(pictures_of(condition).table, indices[-1])
    resnet = {"architecture": "resnet10", "input_size": 8, "train": {"dataset": ""}}
    for condition in ENTRIES:
        for network in ("autoencoder", "resnet"):
            for seed in (0, 1):
                weights.append(tmp_path / f"{condition}-{network}-{seed}.safetensors")
                module = (
                    Autoencoder(8, seed)
                    if network == "autoencoder"
                    else load_model("resnet10", class_names=["3", "4"], input_size=8, seed=seed).module
                )
                write_state(module.state_dict(), weights[-1])
    write_json(["3", "4"], names := tmp_path / "names.json")
    settings = {
        "bias": "digits",
        "network": {"size": 8, "decoder": "mirrored", "backbone": None},
        "regressor": {"size": 8, "backbone": None},
        "seeds": [0, 1],
        "resnet": resnet,
        "datasets": ENTRIES,
        "seed": 0,
        "precision": "float32",
        "batch_size": 16,
    }
    figures = [tmp_path / f"{name}.png" for name in FIGURES]
    codes = tmp_path / "codes.npz"
    positions, turned, directions, content = (tmp_path / f"{name}.parquet" for name in ("p", "t", "d", "c"))
    write_state(RotationRegressor(8).state_dict(), regressor := tmp_path / "regressor.safetensors")
    step.main(
        settings,
        step.Inputs(indices=indices, class_names=names, weights=weights, regressor=regressor),
        step.Outputs(
            codes=codes, positions=positions, turned=turned, directions=directions, content=content, figures=figures
        ),
    )
    table = read_table(positions)
    arrays = read_arrays(codes)
    assert len(table) == 8 * 24
    keys = table[["condition", "network", "seed"]].drop_duplicates().agg(lambda row: "_".join(map(str, row)), axis=1)
    assert keys.tolist() == [path.stem.replace("-", "_") for path in weights]
    part = table[(table["condition"] == "control") & (table["network"] == "resnet") & (table["seed"] == 1)]
    key = "control_resnet_1"
    np.testing.assert_allclose(
        part["position"], (arrays[f"codes_{key}"] - arrays[f"middle_{key}"]) @ arrays[f"unit_{key}"]
    )
    assert arrays[f"images_{key}"].tolist() == part["image"].tolist()
    assert all(Image.open(path).size[0] > 800 for path in figures)
    rows = read_table(turned)
    assert len(rows) == 8 * 24 * 16  # three kinds of angles and thirteen steps
    assert rows["reading"].notna().equals(rows["turned"] == "unbiased")
    readings = rows[rows["turned"] == "unbiased"].groupby(["condition", "network", "seed"])["reading"].apply(tuple)
    assert len(set(readings)) == 1  # the same pictures, whichever network and condition
    lines = read_table(directions)
    assert len(lines) == 8 * 2
    assert lines["decoded_turn"].notna().equals(lines["network"] == "autoencoder")
    assert len(read_table(content)) == 8
    pd.testing.assert_frame_equal(
        part[["image", "rotation"]].reset_index(drop=True),
        pictures_of("control").table.query("split == 'validation'")[["image", "rotation"]].reset_index(drop=True),
    )
