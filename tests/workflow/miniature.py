"""A small run on pictures in a folder, without studies, for the tests that carry one out."""

from __future__ import annotations

import numpy as np
import yaml
from PIL import Image

from .copies import Copy


def write_miniature(copy: Copy) -> None:
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
