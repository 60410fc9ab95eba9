"""The command line: ``conceptrast explain …`` and others on one model, without a workflow.

A subcommand is a file of this package and a line in ``COMMANDS``. The file has a function ``add``, which adds the
arguments, and a function ``run``.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import NoReturn

from conceptrast.base.errors import ConceptrastError
from conceptrast.base.memory import keep_memory
from conceptrast.base.names import printable
from conceptrast.cli import concepts, contrast, counterfactual, dff, explain, layers, push, saliency, times, verify
from conceptrast.cli.arguments import as_options
from conceptrast.steps.runner import system_message

Command = tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], None]]
COMMANDS: dict[str, Command] = {
    "explain": ("what a class consists of: concepts, their best patches, a verdict", explain.add, explain.run),
    "contrast": ("why the model says one class and not another", contrast.add, contrast.run),
    "concepts": ("concepts of a class among superpixels, tested (ACE and TCAV)", concepts.add, concepts.run),
    "counterfactual": (
        "what would have to be different in a picture for another class",
        counterfactual.add,
        counterfactual.run,
    ),
    "saliency": ("where the model looks in a picture", saliency.add, saliency.run),
    "dff": ("what a layer holds of pictures, as concepts with the classes they speak for", dff.add, dff.run),
    "layers": ("the layers that a model can be looked into, with their shapes", layers.add, layers.run),
    "push": ("share what DVC has recorded, and see that it has arrived", push.add, push.run),
    "times": ("where the time of a run of the workflow went, step by step", times.add, times.run),
    "verify": ("whether a finished run bears out what the documents say of it", verify.add, verify.run),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. An error that the user can mend gives one line on standard error and exit status 1."""
    keep_memory()
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.captureWarnings(True)
    if os.getcwd() not in sys.path:  # where a factory's module is looked for; a console script has no such entry
        sys.path.insert(0, os.getcwd())
    try:
        options.run(options)
    except ConceptrastError as error:
        message = as_options(f"error: {error}", options)
        sys.exit("\n".join(printable(line) for line in message.splitlines()))
    except OSError as error:
        sys.exit(f"error: {system_message(error)}")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line; argparse's own repeat all options first."""

    def error(self, message: str) -> NoReturn:
        """End with exit status 2, and say what is wrong and where the options are listed."""
        self.exit(2, f"error: {printable(message)}; `{self.prog} --help` lists what there is\n")


def parser() -> argparse.ArgumentParser:
    """The parser of all subcommands. To build and use it, neither torch nor a model is imported.

    Example:
        >>> words = "explain --model resnet18 --layer layer4 --images photos --class tench --out found"
        >>> options = parser().parse_args(words.split())
        >>> options.target, options.recipe
        ('tench', 'recommended')
    """
    top = Parser(prog="conceptrast", description="Why does an image classifier say A, and why not B?")
    top.add_argument("--version", action="version", version=f"conceptrast {version('conceptrast')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    for name, (line, add, run) in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=line)
        add(command)
        command.set_defaults(run=run)
    return top
