"""``conceptrast dff``: what a layer holds of pictures, as concepts with the classes they speak for."""

from __future__ import annotations

import argparse

from conceptrast.base.errors import ConfigError
from conceptrast.cli.arguments import (
    add_files,
    add_model_arguments,
    add_optional_layer,
    add_run_arguments,
    check_files,
    check_numbers,
    open_model,
)


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_model_arguments(command)
    add_optional_layer(command)
    add_files(command, "one picture or several, which share their concepts")
    command.add_argument(
        "--components",
        type=int,
        nargs="+",
        default=[2, 5, 10],
        metavar="K",
        help="numbers of concepts (default 2 5 10); beyond thirty of them colours repeat",
    )
    add_run_arguments(command)


def run(options: argparse.Namespace) -> None:
    """Factorize what a layer holds of the pictures and write ``dff.png``, ``dff_concepts.csv`` and ``dff.npz``."""
    check_numbers(options)
    if min(options.components) < 1:
        raise ConfigError(f"--components must be at least 1, got {min(options.components)}")
    check_files(options)
    options.out.mkdir(parents=True, exist_ok=True)  # what cannot be written is said before anything is computed
    from conceptrast.api.dff import dff_of
    from conceptrast.base.files import write_arrays, write_table
    from conceptrast.figures.canvas import save_full_png

    found = dff_of(
        open_model(options), options.image, options.layer, options.components,
        seed=options.seed, precision=options.precision, batch_size=options.batch_size,
    )  # fmt: skip
    files = [options.out / name for name in ("dff.png", "dff_concepts.csv", "dff.npz")]
    save_full_png(found.plot(), files[0])
    write_table(found.table(), files[1])
    write_arrays(files[2], found.arrays)
    print(found)
    print("written: " + ", ".join(str(file) for file in files))
