"""``conceptrast explain``: from images to concepts to a verdict, for one class."""

from __future__ import annotations

import argparse
from pathlib import Path

from conceptrast.cli.arguments import (
    add_attribution_arguments,
    add_class,
    add_folder,
    add_layer,
    add_model_arguments,
    add_run_arguments,
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
    add_folder(command)
    add_class(command)
    add_attribution_arguments(command)
    help_text = "new pictures to look at with the components of the class"
    command.add_argument("--apply", type=Path, nargs="+", default=[], metavar="FILE", help=help_text)
    add_run_arguments(command)


def run(options: argparse.Namespace) -> None:
    """Explain one class and write its card, ``explanation.csv``, ``components.csv`` and ``prototypes.csv``.

    New pictures get a figure each, ``applied-<number>-<name>``, and together ``applied.csv``.
    """
    import pandas as pd

    from conceptrast.base.names import slug
    from conceptrast.data.decoding import open_rgb

    check_numbers(options)
    check_files(options.apply, "--apply")
    for file in options.apply:
        open_rgb(file)  # what is no picture is said before the class is explained
    prepare_output(options)
    study = open_study(options)
    explanation = study.explain(class_of(options.target, study.model.class_names), recipe=options.recipe)
    tables = {
        "explanation.csv": explanation.table(),
        "components.csv": explanation.components_table(),
        "prototypes.csv": explanation.prototypes,
    }
    applications = [explanation.apply(file) for file in options.apply]
    figures = []
    for number, application in enumerate(applications, start=1):
        figures.append(options.out / f"applied-{number}-{slug(Path(application.name).stem)}.{options.figure}")
        application.save(figures[-1])
    if applications:
        tables["applied.csv"] = pd.concat([application.table() for application in applications], ignore_index=True)
    write_result(explanation, options, "explanation", tables, others=figures)
    for application in applications:
        print(application)
