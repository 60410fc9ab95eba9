"""``conceptrast saliency``: where a model looks in one's own pictures."""

from __future__ import annotations

import argparse

from conceptrast.cli.arguments import (
    add_files,
    add_layer,
    add_model_arguments,
    add_output_arguments,
    check_files,
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
    add_files(command, "one picture or several")
    command.add_argument("--class", dest="target", metavar="CLASS", help="name or index (default: what the model says)")
    command.add_argument("--versus", metavar="CLASS", help="class that it is held against: why A and not B?")
    command.add_argument("--method", nargs="+", default=["grad_cam"], help="e.g. grad_cam layer_cam (default grad_cam)")
    add_output_arguments(command)


def run(options: argparse.Namespace) -> None:
    """Look into the pictures and write ``saliency.png``, ``saliency.csv`` and the maps, ``saliency.npz``."""
    check_numbers(options)
    check_files(options.image)
    prepare_output(options)
    from conceptrast.api.saliency import methods_named

    methods = methods_named(options.method)
    study = open_study(options)
    names = study.model.class_names
    target = None if options.target is None else class_of(options.target, names)
    versus = None if options.versus is None else class_of(options.versus, names)
    saliency = study.saliency(options.image, target, versus, methods=methods)
    tables = {"saliency.csv": saliency.table()}
    write_result(saliency, options, "saliency", tables, arrays={"saliency.npz": saliency.maps})
