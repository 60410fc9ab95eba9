"""Rotated digits in both conditions, for tests of the latent spaces."""

from __future__ import annotations

from conceptrast.bias.latent_space import ConditionPictures
from conceptrast.data.dataset import open_dataset

ENTRIES = {
    name: {"kind": "rotated_pair", "train": 30, "validation": 24, "biased": name == "biased"}
    for name in ("biased", "control")
}


def pictures_of(condition: str = "biased") -> ConditionPictures:
    dataset = open_dataset(ENTRIES[condition])
    return ConditionPictures(dataset, dataset.build_index().table, batch_size=16)
