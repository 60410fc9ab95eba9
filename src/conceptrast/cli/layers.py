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
    from conceptrast.models.split import layer_shapes

    model = open_model(options, warn=False)  # random weights have the same layers
    shapes = layer_shapes(model)
    width = max(map(len, shapes))
    print(f"{model.name}: layers that can be cut, from the output down, with channels×height×width")
    for name, shape in shapes.items():
        print(f"  {name:<{width}}  {'×'.join(map(str, shape))}")
