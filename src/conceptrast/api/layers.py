"""Which layers can a model be looked into? All of them as a table, from the output down."""

from __future__ import annotations

import pandas as pd

from conceptrast.models.model import Model
from conceptrast.models.split import layer_shapes


def layers_of(model: Model) -> pd.DataFrame:
    """The layers that a model can be cut at, from the output down.

    Args:
        model: the classifier.

    Returns:
        layer, channels, height, width (positions; both empty where the layer has none).

    Raises:
        ModelError: the network cannot be traced, so that nothing is known about its layers.
    """
    rows = []
    for name, shape in layer_shapes(model).items():
        height, width = shape[1:] if len(shape) == 3 else (None, None)
        rows.append({"layer": name, "channels": shape[0] if shape else None, "height": height, "width": width})
    table = pd.DataFrame(rows, columns=["layer", "channels", "height", "width"])
    return table.astype(dict.fromkeys(("channels", "height", "width"), "Int64"))
