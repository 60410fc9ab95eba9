"""``conceptrast explain``: from images to concepts to a verdict, for one class."""

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


def run(options: argparse.Namespace) -> None:
    """Explain one class and write ``explanation.png``, ``explanation.csv`` and ``prototypes.csv``."""
    check_numbers(options)
    options.out.mkdir(parents=True, exist_ok=True)  # what cannot be written is said before anything is computed
    from conceptrast.api.explain import explain_class
    from conceptrast.base.files import write_table
    from conceptrast.figures.canvas import save_png

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
