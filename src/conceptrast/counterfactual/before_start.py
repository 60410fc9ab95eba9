"""The check of a study's counterfactuals before a run starts: values have to reach the layer that is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conceptrast.base.errors import ConceptrastError, LayerError
from conceptrast.models.injection import Injection
from conceptrast.models.layer_shape import layer_shape, untrained
from conceptrast.models.layouts import needs_class_tokens


def check_entry(entry: Mapping[str, Any], shape: tuple[int, ...], model: Mapping[str, Any]) -> None:  # noqa: ARG001
    """Refuse a layer that does not exist or has no positions, and one whose values do not reach the decoded layer.

    The study's concepts are decoded too, so its own layer has to reach the decoded one as well.

    Args:
        entry: the study.
        shape: the shape of the study's layer for one image, ``(C, h, w)``.
        model: the entry of the explained model.

    Raises:
        LayerError: a layer that cannot be, or that has a class token; the message names the key.
    """
    layer = entry["layer"]
    decode = entry.get("decode", layer)
    keys = {entry.get("inject", layer): "inject"} | {layer: "layer"}
    starts = {start: key for start, key in keys.items() if start != decode}
    if starts:
        network, images = untrained(model)
    for start, key in starts.items():
        try:
            Injection(network, start, decode, images[:1])
        except ConceptrastError as error:
            raise LayerError(f"{key} {start!r}, decode {decode!r}: {error}") from error
    # What a decoder gives has no class token.
    decoded = layer_shape(model, decode)
    if decoded.layout.class_tokens:
        raise LayerError(needs_class_tokens(decode, decoded.layout))
