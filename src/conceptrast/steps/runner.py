"""What all steps share: arguments from the signature of ``main``, a log, short errors.

A step is a function ``main(settings, <inputs>, <outputs>)``. Its parameters become the command line: ``settings`` is a
JSON object, every other parameter one path (``Path``), several (``list[Path]``), or a number or text (``int``,
``str``). What is logged goes to standard error, where a person watches, and to ``--log``.
"""

from __future__ import annotations

import argparse
import errno
import inspect
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from conceptrast.base.errors import ConceptrastError

LOGGER = logging.getLogger("conceptrast")

#: The disk is full, the user's share of it is, or a file may not become as large.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def parser_of(main: Callable[..., None]) -> argparse.ArgumentParser:
    """Command line of a step, read off the signature of its ``main``."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(inspect.getmodule(main)))
    for name, parameter in inspect.signature(main, eval_str=True).parameters.items():
        flag = "--" + name.replace("_", "-")
        optional = parameter.default is not inspect.Parameter.empty
        if name == "settings":
            parser.add_argument(flag, type=json.loads, required=True)
        elif parameter.annotation == list[Path]:
            parser.add_argument(flag, type=Path, nargs="*", default=[])
        elif parameter.annotation in (int, str):
            parser.add_argument(flag, type=parameter.annotation, default=parameter.default)
        else:
            parser.add_argument(flag, type=Path, required=not optional, default=None)
    parser.add_argument("--log", type=Path, default=None)
    parser.add_argument("--threads", type=int, default=None)
    return parser


def run(main: Callable[..., None], arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, call ``main``, and exit with a short message if the user has to put something right."""
    values = vars(parser_of(main).parse_args(arguments))
    log, threads = values.pop("log"), values.pop("threads")
    _start_log(log)
    if threads:
        _limit_threads(threads)
    try:
        main(**values)
    except ConceptrastError as error:
        _fail(str(error))
    except OSError as error:
        _fail(said_of(error))
    except Exception:
        LOGGER.exception("unexpected error")
        sys.exit(1)


def _start_log(log: Path | None) -> None:
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log, mode="w"))
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers, force=True)
    logging.captureWarnings(True)


def _limit_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def said_of(error: OSError) -> str:
    """What the system refused, in one line.

    Example:
        >>> said_of(OSError(errno.EACCES, "Permission denied", "out.npz"))
        'out.npz: Permission denied'
    """
    if error.errno in NO_ROOM:
        return f"no room left on the disk while writing {error.filename or 'a result'}: free some space and run again"
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def _fail(message: Any) -> None:
    LOGGER.error("error: %s", message)
    sys.exit(1)
