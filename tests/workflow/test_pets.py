"""The pets configurations: what they plan, and a miniature, which has no studies, to its end."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from conceptrast.base.files import read_json
from conceptrast.bias.comparison import FIGURES

from .copies import Copy


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


def test_a_run_without_studies_comes_to_its_end_and_has_nothing_to_do_again(
    recorded_miniature: Copy, tmp_path: Path
) -> None:
    copy = recorded_miniature.copied(tmp_path / "clone")
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
