"""``conceptrast contrast``: why the model says one class and not another."""

from __future__ import annotations

import argparse

from conceptrast.cli.arguments import (
    add_concept_arguments,
    add_folder_arguments,
    add_model_arguments,
    add_run_arguments,
    check_numbers,
    class_of,
    open_model,
)


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_model_arguments(command)
    add_folder_arguments(command)
    add_run_arguments(command)
    add_concept_arguments(command)
    command.add_argument("--versus", required=True, metavar="CLASS", help="name or index of the class to compare with")


def run(options: argparse.Namespace) -> None:
    """Contrast two classes and write ``contrast.png``, ``contrast.csv``, ``shift.csv`` and ``prototypes.csv``."""
    check_numbers(options)
    options.out.mkdir(parents=True, exist_ok=True)  # what cannot be written is said before anything is computed
    from conceptrast.api.contrast import contrast_classes
    from conceptrast.base.files import write_table
    from conceptrast.figures.canvas import save_png

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
