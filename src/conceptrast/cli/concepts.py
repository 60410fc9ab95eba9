"""``conceptrast concepts``: the concepts of a class among superpixels (ACE), tested with concept vectors (TCAV)."""

from __future__ import annotations

import argparse

from conceptrast.base.errors import ConfigError
from conceptrast.cli.arguments import (
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
    # The model, where to look, and what is asked.
    add_model_arguments(command)
    add_layer(command)
    add_folder(command)
    add_class(command)
    # How pictures are cut.
    sizes = "about how many superpixels a picture is cut into, one after the other (default 15 50 80)"
    command.add_argument("--segments", type=int, nargs="+", default=[15, 50, 80], metavar="N", help=sizes)
    command.add_argument("--segments-as", default="resized", help="resized to the whole input (default), or in_place")
    # How many pictures, clusters and draws.
    most = "pictures of the class that are cut (default 50)"
    command.add_argument("--images-per-class", type=int, default=50, help=most)
    command.add_argument("--random-images", type=int, default=50, help="pictures of other classes (default 50)")
    command.add_argument("--clusters", type=int, default=25, help="of the class's segments (default 25)")
    smallest = "a smaller cluster is no concept (default 20)"
    command.add_argument("--min-segments", type=int, default=20, help=smallest)
    command.add_argument("--max-segments", type=int, default=40, help="that stand for a concept (default 40)")
    command.add_argument("--draws", type=int, default=20, help="of random segments, each with a vector (default 20)")
    # How it computes.
    add_run_arguments(command)


def run(options: argparse.Namespace) -> None:
    """Find the concepts and write ``concepts.png``, ``concepts.csv``, ``examples.csv`` and ``cavs.npz``."""
    check_numbers(options)
    if min(options.segments) < 2:
        raise ConfigError(f"--segments must be at least 2, got {min(options.segments)}")
    prepare_output(options)
    study = open_study(options)
    names = ("segments", "segments_as", "random_images", "clusters", "min_segments", "max_segments", "draws")
    question = {name: getattr(options, name) for name in names}
    concepts = study.concepts(class_of(options.target, study.model.class_names), **question)
    tables = {"concepts.csv": concepts.table(), "examples.csv": concepts.examples}
    write_result(concepts, options, "concepts", tables, arrays={"cavs.npz": {"cavs": concepts.cavs}})
