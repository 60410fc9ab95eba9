"""The step that factorizes a study, at a layer where it must refuse."""

from pathlib import Path

import pytest

from conceptrast.base.errors import LayerError
from conceptrast.steps import attribute, factorize, index, predict
from conceptrast.steps.runner import call


@pytest.mark.parametrize("weighting", ["position", "channel"])
def test_negative_activations_name_the_nearest_layer_after_an_activation(tmp_path: Path, weighting: str) -> None:
    settings = {
        "model": {"architecture": "resnet10"},
        "dataset": {"kind": "digit_pairs", "train": 0, "validation": 12},
        "layer": "bn1",
        "seed": 0,
        "precision": "float32",
        "batch_size": 12,
        "rectify": False,
        "solver": "batched",
        "recipes": {"one": {"components": 2, "weighting": weighting}},
        "attribution": {"method": "deeplift", "samples": 0, "noise": 0.0, "baseline": 1.0},
        "images_per_class": 2,
        "min_images": 1,
        "classes": None,
        "shard": 0,
        "shards": 1,
        "max_rejected": 0,
    }
    file = {name: tmp_path / f"{name}.parquet" for name in ("index", "truth", "predictions")}
    file |= {"rejected": tmp_path / "rejected.csv", "class_names": tmp_path / "class_names.json"}
    file |= {name: tmp_path / f"{name}.npz" for name in ("attribution", "components")}

    def run(step, *names: str, **more) -> None:
        call(step.main, settings, **{name: file[name] for name in names}, **more)

    run(index, "index", "rejected", "truth", "class_names")
    run(predict, "index", "class_names", "predictions")
    run(attribute, "index", "class_names", "predictions", "attribution")
    with pytest.raises(LayerError, match=r"layer bn1: .*% of the activations are neg.*nearest such layer is 'relu'"):
        run(factorize, "index", "class_names", "components", attributions=[file["attribution"]])
    assert not file["components"].exists()
