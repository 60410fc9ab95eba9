"""The check of a factorization before a run starts: its layer must have room for the concepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conceptrast.dff.factorization import check_maps


def check_entry(entry: Mapping[str, Any], shape: tuple[int, ...], model: Mapping[str, Any]) -> None:  # noqa: ARG001
    """Refuse more concepts than the layer has positions or channels.

    A class may get fewer pictures than the configuration asks for. So this only refuses what is too much for all of
    them.

    Args:
        entry: the factorization.
        shape: the shape of the layer's activations for one image, ``(C, h, w)``.
        model: the entry of the model that has the layer.

    Raises:
        LayerError: the layer has no positions.
        ConfigError: there are too many concepts.
    """
    images = entry["images"] if entry["shared"] else 1
    check_maps((images, *shape), max(entry["components"]))
