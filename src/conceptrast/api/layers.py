"""Which layers can a model be looked into? All of them as a table, from the output down."""

from __future__ import annotations

import pandas as pd

from conceptrast.models.layers import layer_maps
from conceptrast.models.model import Model


def layers_of(model: Model) -> pd.DataFrame:
    """The layers that a model can be cut at, from the output down.

    Args:
        model: the classifier.

    Returns:
        layer, channels, height, width (positions; both empty where the layer has none), layout (of the layer's own
        activations, see :mod:`conceptrast.models.layouts`). Layers whose layout is not known are left out.

    Raises:
        ModelError: the network cannot be traced, so that nothing is known about its layers.
    """
    rows = []
    for name, (shape, layout) in layer_maps(model).items():
        height, width = shape[1:] if len(shape) == 3 else (None, None)
        row = {"layer": name, "channels": shape[0] if shape else None, "height": height, "width": width}
        rows.append(row | {"layout": str(layout)})
    table = pd.DataFrame(rows, columns=["layer", "channels", "height", "width", "layout"])
    return table.astype(dict.fromkeys(("channels", "height", "width"), "Int64"))
