"""Cut every study's model at its layer before anything is computed: a wrong name ends the run in seconds, not hours."""

from __future__ import annotations

from typing import Any

import torch

from conceptrast.errors import ConceptrastError, LayerError
from conceptrast.models.opening import architecture_of, family_of
from conceptrast.models.split import SplitModel
from conceptrast.steps.runner import LOGGER, run


def main(settings: dict[str, Any]) -> None:
    """Settings: models (entries by name), studies (model and layer by name). Says the shape of each layer."""
    for name, study in settings["studies"].items():
        try:
            shape, rectified = _cut(settings["models"][study["model"]], study["layer"])
        except ConceptrastError as error:
            raise LayerError(f"'studies.{name}': {error}") from error
        sizes = "×".join(str(size) for size in shape)
        LOGGER.info("%s: %s gives %s%s", name, study["layer"], sizes, "" if rectified else ", negative values included")


def _cut(entry: dict[str, Any], layer: str) -> tuple[tuple[int, ...], bool]:
    """Shape of a layer's activations for one image, and whether they cannot be negative; weights do not matter."""
    family = family_of(architecture_of(entry), options=entry.get("options"))
    size = family.preprocess(entry.get("input_size")).size
    crop = entry.get("crop") or size
    height, width = (crop, crop) if isinstance(crop, int) else crop
    module = family.network(2, (height, width)).eval()
    image = torch.zeros(2, 3, height, width)
    split = SplitModel(module, layer, image)
    with torch.no_grad():
        return tuple(split.prefix(image).shape[1:]), split.rectified


if __name__ == "__main__":
    run(main)
