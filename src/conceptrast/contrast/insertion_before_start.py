"""The check of an insertion test before a run starts: its crop must fit into the model's view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conceptrast.contrast.crops import corner_box, crop_of, size_of
from conceptrast.models.opening import preprocess_of


def check_entry(entry: Mapping[str, Any], shape: tuple[int, ...], model: Mapping[str, Any]) -> None:  # noqa: ARG001
    """Refuse a crop that cannot be read or that is larger than the view.

    Args:
        entry: the insertion test.
        shape: not used, since an insertion test has no layer.
        model: the entry of the model that is asked.

    Raises:
        DataError: the picture cannot be read, or the box reaches beyond it.
        ConfigError: the crop is larger than the view.
    """
    if "component" in entry["crop"]:
        size = size_of(entry["crop"])
        if size is None:
            return  # a patch of a view fits into the view
        height, width = (size, size) if isinstance(size, int) else size
    else:
        height, width, _ = crop_of(entry["crop"]).pixels().shape
    corner_box((height, width), preprocess_of(model).size, entry["corner"])
