"""The step that factorizes a study, at layers where it must refuse, or not."""

from pathlib import Path
from typing import Any

import pytest

from conceptrast.base.errors import LayerError
from conceptrast.base.files import read_arrays
from conceptrast.steps import attribute, factorize, index, predict
from conceptrast.steps.runner import call


def settings_of(layer: str, weighting: str, solver: str) -> dict[str, Any]:
    return {
        "model": {"architecture": "resnet10"},
        "dataset": {"kind": "digit_pairs", "train": 0, "validation": 12},
        "layer": layer,
        "seed": 0,
        "precision": "float32",
        "batch_size": 12,
        "rectify": False,
        "solver": solver,
        "recipes": {"one": {"components": 2, "weighting": weighting}},
        "attribution": {"method": "deeplift", "samples": 0, "noise": 0.0, "baseline": 1.0},
        "images_per_class": 2,
        "min_images": 1,
        "classes": None,
        "shard": 0,
        "shards": 1,
        "max_rejected": 0,
    }


def factorized(settings: dict[str, Any], tmp_path: Path) -> Path:
    """The file of components, which is made from the beginning."""
    file = {name: tmp_path / f"{name}.parquet" for name in ("index", "truth", "predictions")}
    file |= {"rejected": tmp_path / "rejected.csv", "class_names": tmp_path / "class_names.json"}
    file |= {name: tmp_path / f"{name}.npz" for name in ("attribution", "components")}

    def run(step, *names: str, **more) -> None:
        call(step.main, settings, **{name: file[name] for name in names}, **more)

    run(index, "index", "rejected", "truth", "class_names")
    run(predict, "index", "class_names", "predictions")
    run(attribute, "index", "class_names", "predictions", "attribution")
    run(factorize, "index", "class_names", "components", attributions=[file["attribution"]])
    return file["components"]


@pytest.mark.parametrize("weighting", ["position", "channel"])
def test_negative_activations_name_the_nearest_layer_after_an_activation(tmp_path: Path, weighting: str) -> None:
    with pytest.raises(LayerError, match=r"layer bn1: .*% of the activations are neg.*nearest such layer is 'relu'"):
        factorized(settings_of("bn1", weighting, "batched"), tmp_path)
    assert not (tmp_path / "components.npz").exists()


def test_semi_nmf_gives_signed_components(tmp_path: Path) -> None:
    arrays = read_arrays(factorized(settings_of("bn1", "channel", "semi_nmf"), tmp_path))
    components = arrays["components_channel_k2"]
    assert len(components) == len(arrays["classes"]) > 0
    assert components.min() < 0 < components.max()
    assert (arrays["reconstruction_error_channel_k2"] < 1).all()


def test_semi_nmf_is_refused_where_nothing_is_negative(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match=r"layer relu: no activation is negative here.*solver: batched"):
        factorized(settings_of("relu", "channel", "semi_nmf"), tmp_path)
