"""The command line: ``conceptrast explain …`` and ``conceptrast contrast …`` on one model, without a workflow.

A later subcommand is one function that adds its parser and one that runs it, and a line in ``COMMANDS``.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from conceptrast.errors import ConceptrastError, ConfigError
from conceptrast.steps.runner import said_of

LEAST = {"batch_size": 1, "images_per_class": 1, "input_size": 1, "samples": 0, "noise": 0, "seed": 0}
METHODS = "deeplift, integrated_gradients or gradient_x_activation"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what the user has to put right is one line on standard error and exit status 1."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.captureWarnings(True)
    if os.getcwd() not in sys.path:  # where a factory's module is looked for; a console script has no such entry
        sys.path.insert(0, os.getcwd())
    try:
        options.run(options)
    except ConceptrastError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {said_of(error)}")


def parser() -> argparse.ArgumentParser:
    """The parser of all subcommands; building and using it imports neither torch nor a model.

    Example:
        >>> words = "explain --model resnet18 --layer layer4 --images photos --class tench --out found"
        >>> options = parser().parse_args(words.split())
        >>> options.target, options.recipe
        ('tench', 'recommended')
    """
    top = argparse.ArgumentParser(prog="conceptrast", description="Why does an image classifier say A, and why not B?")
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    for name, (line, add, run) in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=line)
        add(command)
        command.set_defaults(run=run)
    return top


def add_model_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments that name a model, its layer and the pictures: every subcommand needs them."""
    model = command.add_mutually_exclusive_group(required=True)
    model.add_argument("--model", metavar="NAME", help="architecture, e.g. resnet50 or efficientnet_lite0")
    model.add_argument("--factory", metavar="PACKAGE.MODULE:FUNCTION", help="your own function that returns a network")
    command.add_argument("--weights", help="name of published weights, or a .pth or .safetensors file")
    command.add_argument("--class-names", type=Path, metavar="FILE", help="JSON list with the names of the outputs")
    command.add_argument("--input-size", type=int, metavar="PIXELS", help="side of the model's input")
    command.add_argument("--layer", required=True, help="where to look, e.g. layer4.2")
    command.add_argument("--images", required=True, type=Path, metavar="DIR", help="folder of pictures, nested or not")
    command.add_argument("--precision", default="float32", help="float32 (default) or bfloat16")
    command.add_argument("--batch-size", type=int, default=32, help="pictures in a batch (default 32)")
    command.add_argument("--seed", type=int, default=0, help="of everything random (default 0)")
    command.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder for what is found; made if needed"
    )


def add_explain(command: argparse.ArgumentParser) -> None:
    """Arguments of ``conceptrast explain``."""
    add_model_arguments(command)
    add_concept_arguments(command)


def add_contrast(command: argparse.ArgumentParser) -> None:
    """Arguments of ``conceptrast contrast``."""
    add_model_arguments(command)
    add_concept_arguments(command)
    command.add_argument("--versus", required=True, metavar="CLASS", help="name or index of the class to compare with")


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
    return load_model(name, options.weights, class_names=class_names, input_size=options.input_size, seed=options.seed)


def explain(options: argparse.Namespace) -> None:
    """Explain one class and write ``explanation.png``, ``explanation.csv`` and ``prototypes.csv``."""
    check_numbers(options)
    options.out.mkdir(parents=True, exist_ok=True)  # what cannot be written is said before anything is computed
    from conceptrast.explain import explain_class
    from conceptrast.figures.canvas import save_png
    from conceptrast.files import write_table

    model = open_model(options)
    explanation = explain_class(
        model, options.images, class_of(options.target, model.class_names), options.layer,
        recipe=options.recipe, method=options.method, samples=options.samples, noise=options.noise,
        images_per_class=options.images_per_class, seed=options.seed, rectify=options.rectify,
        precision=options.precision, batch_size=options.batch_size,
    )  # fmt: skip
    files = [options.out / name for name in ("explanation.png", "explanation.csv", "prototypes.csv")]
    save_png(explanation.plot(), files[0])
    write_table(explanation.table(), files[1])
    write_table(explanation.prototypes, files[2])
    print(explanation)
    print("written: " + ", ".join(str(file) for file in files))


def contrast(options: argparse.Namespace) -> None:
    """Contrast two classes and write ``contrast.png``, ``contrast.csv``, ``shift.csv`` and ``prototypes.csv``."""
    check_numbers(options)
    options.out.mkdir(parents=True, exist_ok=True)  # what cannot be written is said before anything is computed
    from conceptrast.contrast.classes import contrast_classes
    from conceptrast.figures.canvas import save_png
    from conceptrast.files import write_table

    model = open_model(options)
    first, second = (class_of(name, model.class_names) for name in (options.target, options.versus))
    found = contrast_classes(
        model, options.images, first, second, options.layer,
        recipe=options.recipe, method=options.method, samples=options.samples, noise=options.noise,
        images_per_class=options.images_per_class, seed=options.seed, rectify=options.rectify,
        precision=options.precision, batch_size=options.batch_size,
    )  # fmt: skip
    files = [options.out / name for name in ("contrast.png", "contrast.csv", "shift.csv", "prototypes.csv")]
    save_png(found.plot(), files[0])
    for table, file in zip((found.table(), found.shift, found.prototypes), files[1:], strict=True):
        write_table(table, file)
    print(found)
    print("written: " + ", ".join(str(file) for file in files))


def check_numbers(options: argparse.Namespace) -> None:
    """Refuse numbers that nothing can be computed with.

    Raises:
        ConfigError: a number is too small; the message names the option.
    """
    for name, least in LEAST.items():
        value = getattr(options, name)
        if value is not None and not value >= least:
            raise ConfigError(f"--{name.replace('_', '-')} must be at least {least}, got {value}")


def class_of(text: str, class_names: Sequence[str]) -> str | int:
    """What ``--class`` means: a name if there is such a class, else an index if it is a number.

    Example:
        >>> class_of("7", ["7", "9"]), class_of("1", ["cat", "dog"])
        ('7', 1)
    """
    return int(text) if text not in class_names and text.isdecimal() else text


Command = tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], None]]
COMMANDS: dict[str, Command] = {
    "contrast": ("why the model says one class and not another", add_contrast, contrast),
    "explain": ("from images to concepts to a verdict, for one class", add_explain, explain),
}


if __name__ == "__main__":
    main()
