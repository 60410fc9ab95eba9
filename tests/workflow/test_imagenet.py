"""The ImageNet configuration on a miniature of it: a ResNet-50 from a local file, both ways the images may lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from .copies import Copy

WNIDS = [f"n{number:08d}" for number in range(1440764, 1440764 + 1000)]
SIDE = 64


def write_pictures(folder: Path, flat: bool) -> None:
    """24 pictures of coloured noise of three classes, and the list of all WordNet ids."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(24):
        wnid = WNIDS[number % 3]
        name = f"ILSVRC2012_val_{number + 1:08d}"
        target = folder / "val" / ("" if flat else wnid) / f"{name}.JPEG"
        target.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((80, 72), Image.Resampling.BICUBIC).save(target, quality=90)
        rows.append((name, f"{wnid} 1 1 20 20"))
    (folder / "LOC_synset_mapping.txt").write_text("".join(f"{wnid} class {wnid}\n" for wnid in WNIDS))
    if flat:
        pd.DataFrame(rows, columns=["ImageId", "PredictionString"]).to_csv(folder / "LOC_val_solution.csv", index=False)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-50 whose fresh weights prefer the first outputs, so that classes get enough pictures."""
    import torch

    from conceptrast.models import load_model

    module = load_model("resnet50", seed=0).module
    with torch.no_grad():
        module.fc.weight.mul_(0.01)
        module.fc.bias.zero_()
        module.fc.bias[:1] = 1.0
    path = tmp_path_factory.mktemp("weights") / "resnet50.pth"
    torch.save(module.state_dict(), path)
    return path


def miniature(copy: Copy, flat: bool) -> None:
    """config/imagenet.yaml with one study and little of everything."""
    config = yaml.safe_load((copy.folder / "config" / "imagenet.yaml").read_text())
    config |= {"run": "miniature", "class_shards": 1, "images_per_class": 3, "batch_size": 8, "workers": 0}
    config["precision"] = "float32"
    config["attribution"]["samples"] = 1
    config["datasets"]["imagenet"] = {"kind": "imagenet", "root": "data/imagenet/val"}
    config["models"] = {
        "resnet50": {
            **config["models"]["resnet50"],
            "weights": "data/models/resnet50.pth",
            "resize": SIDE,
            "crop": SIDE,
        }
    }
    config["studies"] = {"resnet50-layer3": config["studies"]["resnet50-layer3"]}
    del config["insertions"]["components"]  # of a study that is not here
    config["recipes"] = {"published": {**config["recipes"]["published"], "components": 2}}
    (copy.folder / "config" / "miniature.yaml").write_text(yaml.safe_dump(config))
    write_pictures(copy.folder / "data" / "imagenet", flat)


@pytest.mark.parametrize("flat", [True, False], ids=["flat", "folders"])
def test_a_miniature_imagenet_runs(tmp_path: Path, weights: Path, flat: bool) -> None:
    copy = Copy.of_repository(tmp_path / "clone")
    miniature(copy, flat)
    (copy.folder / "data" / "models").mkdir(parents=True)
    (copy.folder / "data" / "models" / "resnet50.pth").symlink_to(weights)
    # Both ways lead to the same index; the rest is run once.
    target = ["tables/component_prediction.csv"] if flat else ["datasets/imagenet/index.parquet"]
    done = copy.snakemake(*target, "--configfile", "config/miniature.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    results = copy.folder / "results" / "miniature"
    index = pd.read_parquet(results / "datasets" / "imagenet" / "index.parquet")
    assert index["label"].value_counts().to_dict() == {0: 8, 1: 8, 2: 8}
    if flat:
        table = pd.read_csv(results / "tables" / "component_prediction.csv")
        row = table.query("selection == 'all' and baseline == 'none'").iloc[0]
        assert row["n_classes"] == 1
        assert (row["published_match_rate"], row["published_probability"]) == (0.563, 0.5389)
