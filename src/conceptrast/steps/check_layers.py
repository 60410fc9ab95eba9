"""Cut every model at its layer and check every entry, before anything is computed.

A wrong layer or box ends the run in seconds, not hours.
"""

from __future__ import annotations

from typing import Any

import torch

from conceptrast.base.errors import ConceptrastError, ConfigError, LayerError
from conceptrast.base.registry import implementation
from conceptrast.models.opening import architecture_of, family_of, preprocess_of
from conceptrast.models.split import SplitModel
from conceptrast.steps.runner import LOGGER, run


def main(settings: dict[str, Any]) -> None:
    """Settings: entries of ``models`` by name, and ``checks``: where each is, its entry, and a check of its own.

    Logs the shape of each layer.
    """
    for due in settings["checks"]:
        entry = due["entry"]
        model = settings["models"][entry["model"]]
        try:
            shape = _cut(model, entry["layer"], due["where"]) if "layer" in entry else ()
            if due["check"]:
                implementation(due["check"])(entry, shape, preprocess_of(model).size)
        except LayerError as error:
            raise LayerError(f"'{due['where']}': {error}") from error
        except ConceptrastError as error:
            raise ConfigError(f"'{due['where']}': {error}") from error


def _cut(model: dict[str, Any], layer: str, where: str) -> tuple[int, ...]:
    """Shape of a layer's activations for one image; weights do not matter."""
    family = family_of(architecture_of(model), options=model.get("options"))
    preprocess = preprocess_of(model)
    module = family.network(2, preprocess.size).eval()
    image = torch.zeros(2, preprocess.channels, *preprocess.size)
    split = SplitModel(module, layer, image)
    with torch.no_grad():
        shape = tuple(split.prefix(image).shape[1:])
    sizes = "×".join(str(size) for size in shape)
    LOGGER.info("%s: %s gives %s%s", where, layer, sizes, "" if split.rectified else ", negative values included")
    return shape


if __name__ == "__main__":
    run(main)
