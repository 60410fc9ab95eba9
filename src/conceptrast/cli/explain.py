"""``conceptrast explain``: from images to concepts to a verdict, for one class."""

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
    add_attribution_arguments(command)
    add_run_arguments(command)


def run(options: argparse.Namespace) -> None:
    """Explain one class and write its card, ``explanation.csv``, ``components.csv`` and ``prototypes.csv``."""
    check_numbers(options)
    prepare_output(options)
    study = open_study(options)
    explanation = study.explain(class_of(options.target, study.model.class_names), recipe=options.recipe)
    tables = {
        "explanation.csv": explanation.table(),
        "components.csv": explanation.components_table(),
        "prototypes.csv": explanation.prototypes,
    }
    write_result(explanation, options, "explanation", tables)
