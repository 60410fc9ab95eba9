"""config/midog.yaml in miniature: values of a detector's body are moved at layer3, and layer4 is decoded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml

from conceptrast.counterfactual.decoder import read_decoder
from tests.unit.models.faster_rcnn import faster_rcnn

from .copies import CORES, Copy

TABLES = ("tables/counterfactual.csv", "tables/concept_pictures.csv")


def miniature(copy: Copy, midog: Callable[..., Path], **study: Any) -> None:
    """A dozen tiles of 64 pixels and a detector of random weights; of the studies, the one that decodes layer4."""
    config = yaml.safe_load((copy.folder / "config" / "midog.yaml").read_text())
    config |= {"run": "miniature", "precision": "float32", "workers": 0, "images_per_class": 4, "min_images": 2}
    config["datasets"]["midog"] |= {"tile": 64, "validation": 0.5}
    config["models"]["midog_body"] |= {"input_size": 64}
    config["studies"] = {"midog-layer3": config["studies"]["midog-layer3"] | study}
    del config["studies"]["midog-layer3"]["ace"]  # its hyperplanes and components are enough to move along
    for pairs in ("contrast", "counterfactual"):
        config["studies"]["midog-layer3"][pairs] = [["hard negative", "mitotic figure"]]
    config["decoder"] = {"images": 6, "validation_images": 2, "epochs": 1, "batch_size": 6, "width": 16}
    config["decoder"]["precision"] = "float32"
    config["counterfactual"] = {"images": 1, "frames": 2, "cells": 2}
    for recipe in config["recipes"].values():
        recipe["components"] = 2
    config["attribution"]["samples"] = 1
    config["contrast"] = {"attribution": "rectified", "hyperplanes": {"logistic": {"solver": "logistic"}}}
    (copy.folder / "config" / "miniature.yaml").write_text(yaml.safe_dump(config))
    midog(copy.folder / "data" / "midog", slides=2, cells=6)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        detector = faster_rcnn()
    torch.save(detector.state_dict(), copy.folder / "data" / "midog-fasterrcnn.pth")


def test_a_detectors_body_is_moved_at_one_layer_and_decoded_at_a_later_one(
    tmp_path: Path, midog: Callable[..., Path]
) -> None:
    copy = Copy.of_repository(tmp_path / "clone")
    miniature(copy, midog)
    copy.must("snakemake", *CORES, *TABLES, "--configfile", "config/miniature.yaml")
    results = copy.folder / "results" / "miniature"
    decoder = read_decoder(results / "studies" / "midog-layer3" / "decoder.safetensors")
    assert (decoder.layer, decoder.shape) == ("layer4", (2048, 2, 2))
    table = pd.read_csv(results / TABLES[0])
    assert {"hard negative", "mitotic figure"} & set(table["from_name"])
    rows = pd.read_csv(results / "studies" / "midog-layer3" / "counterfactual.csv")
    ends = rows[(rows["status"] == "ok") & (rows["fraction"] == 1) & (rows["baseline"] == "none")]
    assert {"transplant", "swap", "uniform", "gradient", "latent_shift"} <= set(ends["edit"])
    moved = ends.loc[ends["edit"] == "uniform", "cells"]
    assert moved.eq(16).all()  # all 4×4 positions of layer3, and not the 2×2 of layer4, which the decoder sees
    assert "component" in set(pd.read_csv(results / TABLES[1])["kind"])
    assert not copy.planned(*TABLES, "--configfile", "config/miniature.yaml")


def test_layers_in_the_wrong_order_end_the_run_before_it_starts(tmp_path: Path, midog: Callable[..., Path]) -> None:
    copy = Copy.of_repository(tmp_path / "clone")
    miniature(copy, midog, decode="layer2")
    done = copy.snakemake(*TABLES, "--configfile", "config/miniature.yaml")
    assert done.returncode != 0
    assert "'studies.midog-layer3': layer 'layer3', decode 'layer2': values added at layer 'layer3'" in done.stderr
    assert not (copy.folder / "results" / "miniature" / "models").exists()
