"""Why does an image classifier say A, and why not B?

The public names below are imported when they are first used, so that ``import conceptrast`` costs nothing.

Example:
    >>> import conceptrast
    >>> "deeplift" in dir(conceptrast)
    True
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "DecoderOptions": "conceptrast.counterfactual.decoder_training",
    "Direction": "conceptrast.counterfactual.directions",
    "Model": "conceptrast.models.model",
    "Preprocess": "conceptrast.models.model",
    "Recipe": "conceptrast.concepts.recipes",
    "Solver": "conceptrast.contrast.hyperplane_solvers",
    "SplitModel": "conceptrast.models.split",
    "Study": "conceptrast.api.study",
    "Target": "conceptrast.saliency.targets",
    "class_activation_maps": "conceptrast.saliency.grad_cam",
    "deeplift": "conceptrast.attribution.deeplift",
    "deep_feature_factorization": "conceptrast.dff.factorization",
    "gradient_x_activation": "conceptrast.attribution.gradient",
    "integrated_gradients": "conceptrast.attribution.integrated_gradients",
    "load_model": "conceptrast.models",
    "nearest_patches": "conceptrast.concepts.prototype_search",
    "nmf": "conceptrast.concepts.nmf",
    "read_decoder": "conceptrast.counterfactual.decoder",
    "write_decoder": "conceptrast.counterfactual.decoder",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'conceptrast' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
