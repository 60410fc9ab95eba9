"""``conceptrast dff``: what a layer holds of pictures, as concepts with the classes they speak for."""

from __future__ import annotations

import argparse

from conceptrast.base.errors import ConfigError
from conceptrast.cli.arguments import (
    add_files,
    add_layer,
    add_model_arguments,
    add_run_arguments,
    check_files,
    check_numbers,
    open_study,
    prepare_output,
    write_result,
)


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_model_arguments(command)
    add_layer(command)
    add_files(command, "one picture or several, which share their concepts")
    numbers = "numbers of concepts (default 2 5 10); beyond thirty of them colours repeat"
    command.add_argument("--components", type=int, nargs="+", default=[2, 5, 10], metavar="K", help=numbers)
    add_run_arguments(command)


def run(options: argparse.Namespace) -> None:
    """Factorize what a layer holds of the pictures and write ``dff.png``, ``dff_concepts.csv`` and ``dff.npz``."""
    check_numbers(options)
    if min(options.components) < 1:
        raise ConfigError(f"--components must be at least 1, got {min(options.components)}")
    check_files(options.image)
    prepare_output(options)
    factorization = open_study(options).dff(options.image, options.components)
    tables = {"dff_concepts.csv": factorization.table()}
    write_result(factorization, options, "dff", tables, arrays={"dff.npz": factorization.arrays})
