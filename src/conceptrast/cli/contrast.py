"""``conceptrast contrast``: why the model says one class and not another."""

from __future__ import annotations

import argparse

from conceptrast.cli.arguments import (
    add_attribution_arguments,
    add_class,
    add_folder,
    add_layer,
    add_model_arguments,
    add_run_arguments,
    check_numbers,
    class_of,
    open_study,
    prepare_output,
    write_result,
)


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_model_arguments(command)
    add_layer(command)
    add_folder(command)
    add_class(command)
    command.add_argument("--versus", required=True, metavar="CLASS", help="name or index of the class to compare with")
    add_attribution_arguments(command)
    add_run_arguments(command)


def run(options: argparse.Namespace) -> None:
    """Contrast two classes and write ``contrast.png``, ``contrast.csv``, ``shift.csv`` and ``prototypes.csv``."""
    check_numbers(options)
    prepare_output(options)
    study = open_study(options)
    first = class_of(options.target, study.model.class_names)
    second = class_of(options.versus, study.model.class_names)
    contrast = study.contrast(first, second, recipe=options.recipe)
    tables = {"contrast.csv": contrast.table(), "shift.csv": contrast.shift, "prototypes.csv": contrast.prototypes}
    write_result(contrast, options, "contrast", tables)
