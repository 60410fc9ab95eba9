"""``conceptrast saliency``: where a model looks in one's own pictures."""

from __future__ import annotations

import argparse

from conceptrast.cli.arguments import (
    add_files,
    add_model_arguments,
    add_optional_layer,
    add_output_arguments,
    check_files,
    check_numbers,
    class_of,
    open_model,
)


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_model_arguments(command)
    add_optional_layer(command)
    add_files(command, "one picture or several")
    command.add_argument("--class", dest="target", metavar="CLASS", help="name or index (default: what the model says)")
    command.add_argument("--versus", metavar="CLASS", help="class that it is held against: why A and not B?")
    command.add_argument("--method", nargs="+", default=["grad_cam"], help="e.g. grad_cam layer_cam (default grad_cam)")
    add_output_arguments(command)


def run(options: argparse.Namespace) -> None:
    """Look into the pictures and write ``saliency.png``, ``saliency.csv`` and the maps, ``saliency.npz``."""
    check_numbers(options)
    check_files(options)
    options.out.mkdir(parents=True, exist_ok=True)  # what cannot be written is said before anything is computed
    from conceptrast.api.saliency import saliency_of
    from conceptrast.base.files import write_arrays, write_table
    from conceptrast.base.registry import resolve
    from conceptrast.figures.canvas import save_full_png
    from conceptrast.figures.saliency import DPI
    from conceptrast.saliency import METHODS

    for method in options.method:
        resolve("CAM method", method, METHODS)
    model = open_model(options)
    target, versus = (
        None if name is None else class_of(name, model.class_names) for name in (options.target, options.versus)
    )
    found = saliency_of(
        model, options.image, target, versus,
        layer=options.layer, methods=options.method, seed=options.seed, batch_size=options.batch_size,
    )  # fmt: skip
    files = [options.out / f"saliency.{suffix}" for suffix in ("png", "csv", "npz")]
    save_full_png(found.plot(), files[0], DPI)
    write_table(found.table(), files[1])
    write_arrays(files[2], dict(found.maps))
    print(found)
    print("written: " + ", ".join(str(file) for file in files))
