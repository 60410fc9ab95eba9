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
    "DecoderOptions": "conceptrast.latent.decoder_training",
    "Direction": "conceptrast.latent.directions",
    "Model": "conceptrast.models.model",
    "SplitModel": "conceptrast.models.split",
    "Target": "conceptrast.saliency.targets",
    "class_activation_maps": "conceptrast.saliency.grad_cam",
    "contrast_classes": "conceptrast.contrast.classes",
    "counterfactual_of": "conceptrast.latent.counterfactual_of",
    "decoder_of": "conceptrast.latent.counterfactual_of",
    "deeplift": "conceptrast.attribution.deeplift",
    "dff": "conceptrast.factorization.dff",
    "dff_of": "conceptrast.saliency.dff_of",
    "discover_concepts": "conceptrast.latent.discover",
    "explain_class": "conceptrast.explain",
    "gradient_x_activation": "conceptrast.attribution.gradient",
    "integrated_gradients": "conceptrast.attribution.integrated_gradients",
    "load_model": "conceptrast.models",
    "nearest_patches": "conceptrast.prototypes",
    "nmf": "conceptrast.factorization.nmf",
    "read_decoder": "conceptrast.latent.decoder",
    "saliency_of": "conceptrast.saliency.saliency_of",
    "write_decoder": "conceptrast.latent.decoder",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'conceptrast' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
