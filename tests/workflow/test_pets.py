"""The pets configurations: what they plan, and a miniature, which has no studies, to its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from conceptrast.base.files import read_json
from conceptrast.bias.comparison import FIGURES

from .copies import Copy


def miniature(copy: Copy) -> None:
    """config/pets.yaml on forty coloured squares, one epoch of everything, one seed.

    The encoder starts from a model that the workflow trains, and the decoder is the published one.
    """
    config = yaml.safe_load((copy.folder / "config" / "pets.yaml").read_text())
    config["run"] = "miniature"
    training = {"dataset": "pets_control", "epochs": 1, "batch_size": 8}
    config["models"] = {"start": {"architecture": "resnet10", "input_size": 16, "train": training}}
    entry = config["latent_bias"]["pets"]
    entry |= {"size": 8, "seeds": [0]}
    entry["autoencoder"] |= {"epochs": dict.fromkeys(entry["autoencoder"]["epochs"], 1), "batch_size": 8}
    entry["autoencoder"] |= {"encoder": {"model": "start", "layer": "layer2"}, "decoder": "published"}
    entry["regressor"] = {"encoder": {"model": "start", "layer": "layer2"}, "epochs": 1, "batch_size": 8}
    entry["resnet"] = {"architecture": "resnet10", "epochs": 1, "batch_size": 8}
    (copy.folder / "config" / "miniature.yaml").write_text(yaml.safe_dump(config))
    rng = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        folder = copy.folder / "data" / "pets" / name
        folder.mkdir(parents=True)
        for number in range(20):
            Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")


def test_the_pets_run_plans_five_trainings_and_no_rule_of_a_study(tmp_path: Path) -> None:
    copy = Copy.of_repository(tmp_path / "clone")
    planned = copy.planned("--configfile", "config/pets.yaml")
    assert planned == {
        **{
            "index": 2,
            "train_autoencoder": 2,
            "train_latent_resnet": 2,
            "train_rotation_regressor": 1,
            "latent_bias": 1,
            "latent_bias_tables": 1,
        },
        **{"metrics": 1, "atlas": 1, "track": 1},
    }


def test_every_step_of_the_pets_is_a_comparison_of_its_own(tmp_path: Path) -> None:
    copy = Copy.of_repository(tmp_path / "clone")
    planned = copy.planned("--configfile", "config/pets-steps.yaml")
    assert planned["train_autoencoder"] == planned["train_latent_resnet"] == 12
    assert planned["latent_bias"] == planned["train_rotation_regressor"] == 6
    assert planned["index"] == 4


def test_a_run_without_studies_comes_to_its_end_and_has_nothing_to_do_again(tmp_path: Path) -> None:
    copy = Copy.of_repository(tmp_path / "clone")
    miniature(copy)
    done = copy.snakemake("--configfile", "config/miniature.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    results = copy.folder / "results" / "miniature"
    table = pd.read_csv(results / "tables" / "latent_bias.csv")
    assert table[["condition", "network"]].agg("/".join, axis=1).tolist() == [
        *("biased/autoencoder", "biased/resnet", "control/autoencoder", "control/resnet")
    ]
    assert table["n_images"].eq(8).all()
    assert table["epochs"].tolist() == [3, 1, 3, 1]
    assert "pets/rho_within_mean_biased_autoencoder" in read_json(results / "metrics.json")
    figures = {path.name for path in (results / "figures" / "latent_bias" / "pets").iterdir()}
    assert figures == {f"{name}.png" for name in FIGURES}
    assert not copy.planned("--configfile", "config/miniature.yaml")
