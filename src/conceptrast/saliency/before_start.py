"""The check of a view before a run starts: its layer must have several positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conceptrast.models.activations import refuse_nowhere_to_look


def check_entry(entry: Mapping[str, Any], shape: tuple[int, ...], model: Mapping[str, Any]) -> None:  # noqa: ARG001
    """Refuse a layer with fewer than two positions.

    Args:
        entry: the view.
        shape: the shape of the layer's activations for one image, ``(C, h, w)``.
        model: the entry of the model that has the layer.

    Raises:
        LayerError: the layer has no positions, or only one.
    """
    refuse_nowhere_to_look((1, *shape), entry["layer"])
