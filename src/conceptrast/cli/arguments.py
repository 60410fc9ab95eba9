"""Arguments that subcommands share, and what they mean."""

from __future__ import annotations

import argparse
import logging
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from conceptrast.base.errors import ConfigError, DataError, unknown_name

LOGGER = logging.getLogger("conceptrast")
LEAST = {
    **{"batch_size": 1, "images_per_class": 1, "input_size": 1, "samples": 0, "noise": 0, "seed": 0},
    **{"random_images": 1, "clusters": 1, "min_segments": 2, "max_segments": 2, "draws": 2, "epochs": 1, "frames": 2},
}
FIGURES = ("png", "pdf", "svg")
METHOD_NAMES = "deeplift, integrated_gradients or gradient_x_activation"


def add_model_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments that name a model: every subcommand needs them."""
    model = command.add_mutually_exclusive_group(required=True)
    model.add_argument("--model", metavar="NAME", help="architecture, e.g. resnet50 or efficientnet_lite0")
    model.add_argument("--factory", metavar="PACKAGE.MODULE:FUNCTION", help="your own function that returns a network")
    command.add_argument("--weights", help="name of published weights, or a .pth or .safetensors file")
    command.add_argument("--class-names", type=Path, metavar="FILE", help="JSON list with the names of the outputs")
    command.add_argument("--input-size", type=int, metavar="PIXELS", help="side of the model's input")
    channels = (
        "of each channel, of values from 0 to 1: one for grey, three for red, green and blue (default the model's)"
    )
    command.add_argument("--mean", type=float, nargs="+", metavar="VALUE", help=f"mean {channels}")
    command.add_argument("--std", type=float, nargs="+", metavar="VALUE", help="standard deviation, likewise")
    command.add_argument("--seed", type=int, default=0, help="of everything random (default 0)")


def add_layer(command: argparse.ArgumentParser) -> None:
    """Where to look."""
    command.add_argument("--layer", help="where to look, e.g. layer4.2 (default: the last layer that has positions)")


def add_folder(command: argparse.ArgumentParser, required: bool = True) -> None:
    """The folder of pictures of a subcommand that looks at many."""
    help_text = "folder of pictures, nested or not"
    command.add_argument("--images", required=required, type=Path, metavar="DIR", help=help_text)


def add_files(command: argparse.ArgumentParser, several: str) -> None:
    """The pictures of a subcommand that looks at a few; ``several`` says what more than one means."""
    command.add_argument("--image", required=True, type=Path, nargs="+", metavar="FILE", help=several)


def add_class(command: argparse.ArgumentParser, what: str = "name or index of the class") -> None:
    """The class that is asked about."""
    command.add_argument("--class", required=True, dest="target", metavar="CLASS", help=what)


def add_run_arguments(command: argparse.ArgumentParser) -> None:
    """How a subcommand computes, and where it writes."""
    command.add_argument("--precision", default="float32", help="float32 (default) or bfloat16")
    add_output_arguments(command)


def add_output_arguments(command: argparse.ArgumentParser) -> None:
    """Batches, folder and figure: every subcommand that writes needs them."""
    command.add_argument("--batch-size", type=int, default=32, help="pictures in a batch (default 32)")
    command.add_argument("--figure", default="png", help="png (default), pdf or svg")
    command.add_argument(
        "--out", required=True, type=folder_name, metavar="DIR", help="folder for what is written; made if needed"
    )


def add_attribution_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments that say how components of a class are looked for."""
    command.add_argument("--recipe", default="recommended", help="how to cut and combine patches (default recommended)")
    command.add_argument("--method", default="deeplift", help=f"{METHOD_NAMES} (default deeplift)")
    command.add_argument("--samples", type=int, default=5, help="noisy copies of each picture, 0 for none (default 5)")
    command.add_argument("--noise", type=float, default=0.25, help="their noise, in normalised units (default 0.25)")
    command.add_argument("--rectify", action="store_true", help="set negative activations to zero instead of refusing")
    command.add_argument("--images-per-class", type=int, default=60, help="pictures of the class in use (default 60)")


def open_model(options: argparse.Namespace, warn: bool = True) -> Any:
    """The model that :func:`add_model_arguments` describes; ``warn`` if it was never trained."""
    from conceptrast.models.opening import load_model, read_class_names

    # What the options say of it.
    class_names = read_class_names(options.class_names) if options.class_names else None
    name = options.model or options.factory
    preprocessing: dict[str, Any] = {
        key: tuple(getattr(options, key)) for key in ("mean", "std") if getattr(options, key)
    }
    model = load_model(
        name,
        options.weights,
        class_names=class_names,
        input_size=options.input_size,
        seed=options.seed,
        **preprocessing,
    )
    if warn and model.digest == "untrained":
        LOGGER.warning("%s has random weights: what follows means nothing; name some with --weights", name)
    return model


def open_study(options: argparse.Namespace) -> Any:
    """The study of a subcommand: its model, its layer, its pictures if it has a folder, and how it computes."""
    from conceptrast.api.study import Study

    shared = ("images_per_class", "samples", "noise", "rectify", "seed", "precision", "batch_size")
    study_options = {name: getattr(options, name) for name in shared if hasattr(options, name)}
    if hasattr(options, "recipe"):
        study_options["attribution"] = options.method
    return Study(open_model(options), getattr(options, "images", None), layer=options.layer, **study_options)


def prepare_output(options: argparse.Namespace) -> None:
    """Make the folder now, so that an error in writing comes before anything is computed.

    Raises:
        ConfigError: there is no such kind of figure, or ``--out`` names no folder.
    """
    if options.figure not in FIGURES:
        raise ConfigError(unknown_name("kind of figure", options.figure, FIGURES))
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(f"--out {options.out}: a file is in the way; name a folder") from None


def folder_name(text: str) -> Path:
    """The folder that ``--out`` names; an empty name would mean the working folder.

    Raises:
        ArgumentTypeError: the name is empty.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty: name a folder, or . for this one")
    return Path(text)


def write_result(
    result: Any,
    options: argparse.Namespace,
    name: str,
    tables: Mapping[str, Any],
    arrays: Mapping[str, Mapping[str, Any]] | None = None,
    others: Sequence[Path] = (),
) -> None:
    """Write the figure and the tables of an answer, print its text and say where everything is.

    Args:
        result: an answer of a study.
        options: the options of the subcommand.
        name: the name of the figure's file.
        tables: the tables by name of the file.
        arrays: likewise.
        others: the files that are already written.
    """
    from conceptrast.base.files import write_arrays, write_table

    figure = options.out / f"{name}.{options.figure}"
    result.save(figure)
    files = [figure]
    for file, table in tables.items():
        write_table(table, options.out / file)
        files.append(options.out / file)
    for file, values in (arrays or {}).items():
        write_arrays(options.out / file, dict(values))
        files.append(options.out / file)
    print(result)
    print("written: " + ", ".join(str(file) for file in [*files, *others]))


def check_numbers(options: argparse.Namespace) -> None:
    """Refuse numbers that cannot be used. A subcommand need not have all of these options.

    Raises:
        ConfigError: a number is too small; the message names the option.
    """
    for name, least in LEAST.items():
        value = getattr(options, name, None)
        if value is not None and not least <= value < math.inf:
            finite = " and finite" if value == math.inf else ""
            raise ConfigError(f"--{name.replace('_', '-')} must be at least {least}{finite}, got {value}")
    for name in ("mean", "std"):
        values = getattr(options, name, None)
        if values and not all(map(math.isfinite, values)):
            raise ConfigError(f"--{name} needs finite numbers, got {' '.join(map(str, values))}")


def as_options(message: str, options: argparse.Namespace) -> str:
    """A message in the words of the shell: ``class_names`` is ``--class-names`` there.

    Example:
        >>> as_options("set `class_names`; names.class_names.json", argparse.Namespace(class_names=None))
        'set --class-names; names.class_names.json'
    """
    for name in vars(options):
        if "_" in name:
            message = re.sub(rf"`{name}`|(?<![\w./-]){name}(?![\w./-]*/|\.\w)", f"--{name.replace('_', '-')}", message)
    return message


def check_files(files: Iterable[Path], option: str = "--image") -> None:
    """Refuse pictures that are not there.

    Raises:
        ConfigError: the message names the first of them.
    """
    from conceptrast.base.files import regular_file  # it imports pandas

    for file in files:
        if file.is_dir():
            raise ConfigError(f"{option} {file} is a folder: name the pictures in it, e.g. {file}/*.jpg")
        if not file.exists():
            raise ConfigError(f"{option} {file}: there is no such file")
        try:
            regular_file(file)
        except DataError as error:
            raise ConfigError(f"{option} {error}") from None


def class_of(text: str, class_names: Sequence[str]) -> str | int:
    """What ``--class`` means: a name if there is such a class, else an index if it is a number.

    Example:
        >>> class_of("7", ["7", "9"]), class_of("1", ["cat", "dog"])
        ('7', 1)
    """
    return int(text) if text not in class_names and text.isdecimal() else text
