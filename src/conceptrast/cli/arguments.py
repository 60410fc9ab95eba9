"""Arguments that subcommands share, and what they mean."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conceptrast.base.errors import ConfigError

LOGGER = logging.getLogger("conceptrast")
LEAST = {"batch_size": 1, "images_per_class": 1, "input_size": 1, "samples": 0, "noise": 0, "seed": 0}
METHODS = "deeplift, integrated_gradients or gradient_x_activation"


def add_model_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments that name a model: every subcommand needs them."""
    model = command.add_mutually_exclusive_group(required=True)
    model.add_argument("--model", metavar="NAME", help="architecture, e.g. resnet50 or efficientnet_lite0")
    model.add_argument("--factory", metavar="PACKAGE.MODULE:FUNCTION", help="your own function that returns a network")
    command.add_argument("--weights", help="name of published weights, or a .pth or .safetensors file")
    command.add_argument("--class-names", type=Path, metavar="FILE", help="JSON list with the names of the outputs")
    command.add_argument("--input-size", type=int, metavar="PIXELS", help="side of the model's input")


def add_folder_arguments(command: argparse.ArgumentParser) -> None:
    """The layer and the folder of pictures of a subcommand that looks at many."""
    command.add_argument("--layer", required=True, help="where to look, e.g. layer4.2")
    command.add_argument("--images", required=True, type=Path, metavar="DIR", help="folder of pictures, nested or not")


def add_optional_layer(command: argparse.ArgumentParser) -> None:
    """The layer of a subcommand that can choose one by itself."""
    command.add_argument("--layer", help="where to look, e.g. layer4.2 (default: the last layer that has positions)")


def add_files(command: argparse.ArgumentParser, several: str) -> None:
    """The pictures of a subcommand that looks at a few; ``several`` says what more than one means."""
    command.add_argument("--image", required=True, type=Path, nargs="+", metavar="FILE", help=several)


def add_run_arguments(command: argparse.ArgumentParser) -> None:
    """How a subcommand that looks at many pictures computes, and where it writes."""
    command.add_argument("--precision", default="float32", help="float32 (default) or bfloat16")
    add_output_arguments(command)


def add_output_arguments(command: argparse.ArgumentParser) -> None:
    """Batches, seed and folder: every subcommand needs them."""
    command.add_argument("--batch-size", type=int, default=32, help="pictures in a batch (default 32)")
    command.add_argument("--seed", type=int, default=0, help="of everything random (default 0)")
    command.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder for what is found; made if needed"
    )


def add_concept_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments that say whose concepts are looked for, and how."""
    command.add_argument("--class", required=True, dest="target", metavar="CLASS", help="name or index of the class")
    command.add_argument("--recipe", default="recommended", help="how to cut and combine patches (default recommended)")
    command.add_argument("--method", default="deeplift", help=f"{METHODS} (default deeplift)")
    command.add_argument("--samples", type=int, default=5, help="noisy copies of each picture, 0 for none (default 5)")
    command.add_argument("--noise", type=float, default=0.25, help="their noise, in normalised units (default 0.25)")
    command.add_argument("--rectify", action="store_true", help="set negative activations to zero instead of refusing")
    command.add_argument("--images-per-class", type=int, default=60, help="pictures of the class in use (default 60)")


def open_model(options: argparse.Namespace) -> Any:
    """The model that :func:`add_model_arguments` describes."""
    from conceptrast.models.opening import load_model, read_class_names

    class_names = read_class_names(options.class_names) if options.class_names else None
    name = options.model or options.factory
    model = load_model(name, options.weights, class_names=class_names, input_size=options.input_size, seed=options.seed)
    if model.digest == "untrained":
        LOGGER.warning("%s has random weights: what follows means nothing; name some with --weights", name)
    return model


def check_numbers(options: argparse.Namespace) -> None:
    """Refuse numbers that nothing can be computed with; a subcommand need not have all of them.

    Raises:
        ConfigError: a number is too small; the message names the option.
    """
    for name, least in LEAST.items():
        value = getattr(options, name, None)
        if value is not None and not value >= least:
            raise ConfigError(f"--{name.replace('_', '-')} must be at least {least}, got {value}")


def check_files(options: argparse.Namespace) -> None:
    """Refuse pictures that are not there.

    Raises:
        ConfigError: the message names the first of them.
    """
    for file in options.image:
        if file.is_dir():
            raise ConfigError(f"--image {file} is a folder: name the pictures in it, e.g. {file}/*.jpg")
        if not file.is_file():
            raise ConfigError(f"--image {file}: there is no such file")


def class_of(text: str, class_names: Sequence[str]) -> str | int:
    """What ``--class`` means: a name if there is such a class, else an index if it is a number.

    Example:
        >>> class_of("7", ["7", "9"]), class_of("1", ["cat", "dog"])
        ('7', 1)
    """
    return int(text) if text not in class_names and text.isdecimal() else text
