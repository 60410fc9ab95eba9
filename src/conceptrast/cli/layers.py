"""``conceptrast layers``: the layers that a model can be looked into."""

from __future__ import annotations

import argparse

from conceptrast.cli.arguments import add_model_arguments, check_numbers, open_model


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_model_arguments(command)


def run(options: argparse.Namespace) -> None:
    """Print the layers from the output down, each with the shape of what it gives for one picture."""
    check_numbers(options)
    from conceptrast.models.layers import layer_maps
    from conceptrast.models.layouts import CHANNELS_FIRST, VECTORS

    model = open_model(options, warn=False)  # random weights have the same layers
    maps = layer_maps(model)
    width = max(map(len, maps))
    print(f"{model.name}: layers that can be cut, from the output down, with channels×height×width")
    for name, (shape, layout) in maps.items():
        # Channels first is what everyone expects.
        output = "" if layout in (CHANNELS_FIRST, VECTORS) else f"  ({layout})"
        print(f"  {name:<{width}}  {'×'.join(map(str, shape))}{output}")
