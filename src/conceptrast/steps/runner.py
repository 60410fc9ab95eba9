"""Run a step: make its command line from its files, start a log, and report errors in short.

A step is a function ``main(settings, inputs, outputs)``. ``settings`` is one JSON object. ``inputs`` and ``outputs``
are objects of ``Inputs`` and ``Outputs``, dataclasses of the step. Each field is an option of the command line with the
same name: one path (``Path``), several paths (``list[Path]``), a number or a text (``int``, ``str``). A field with a
default may be left out. The log goes to standard error, where a person can watch it, and to ``--log``. The last line
there says what the step has used: ``conceptrast times`` reads it.
"""

from __future__ import annotations

import argparse
import errno
import inspect
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import MISSING, Field, fields, replace
from pathlib import Path
from statistics import fmean
from typing import Any, get_type_hints

from threadpoolctl import threadpool_limits

from conceptrast.base.artifacts import refuse_changed, write_record
from conceptrast.base.errors import ConceptrastError
from conceptrast.base.gpu_watch import watched_gpu
from conceptrast.base.memory import keep_memory
from conceptrast.base.out_of_memory import batch_sizes_in, memory_explained
from conceptrast.base.run_progress import SHOWN_BY_RUN
from conceptrast.base.usage import measures_processes, seconds_since_start, usage

LOGGER = logging.getLogger("conceptrast")

#: The module that chooses where a model computes. Steps that do not import it need no GPU.
DEVICE = "conceptrast.models.inference"

#: The disk is full, the user's quota is full, or a file would be too large.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def groups_of(main: Callable[..., None]) -> list[type]:
    """The dataclasses of files that a step takes after its settings."""
    parameters = inspect.signature(main, eval_str=True).parameters.values()
    return [parameter.annotation for parameter in parameters if parameter.name != "settings"]


def parser_of(main: Callable[..., None]) -> argparse.ArgumentParser:
    """The command line of a step. If an option is not given, its field has its default."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(inspect.getmodule(main)))
    parser.add_argument("--settings", type=json.loads, required=True)
    for group in groups_of(main):
        kinds = get_type_hints(group)
        for field in fields(group):
            if field.name not in ("workers", "threads"):
                _add_option(parser, field, kinds[field.name])
    parser.add_argument("--log", type=Path, default=None)
    parser.add_argument("--rule", default=None)
    parser.add_argument("--threads", type=int, default=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=0)
    return parser


def _add_option(parser: argparse.ArgumentParser, field: Field[Any], kind: Any) -> None:
    flag = "--" + field.name.replace("_", "-")
    if kind == list[Path]:
        parser.add_argument(flag, type=Path, nargs="*", default=[])
    else:
        required = field.default is MISSING
        convert = kind if kind in (int, str) else Path
        parser.add_argument(flag, type=convert, required=required, default=argparse.SUPPRESS)


def call(main: Callable[..., None], settings: dict[str, Any], **files: Any) -> None:
    """Call a step with its files by name. Each file goes into the dataclass that has a field of that name.

    Raises:
        TypeError: a file is missing, or no field has its name.
    """
    groups = []
    for group in groups_of(main):
        names = [field.name for field in fields(group) if field.name in files]
        groups.append(group(**{name: files.pop(name) for name in names}))
    if files:
        raise TypeError(f"{main.__module__} has no files named {', '.join(sorted(files))}")
    main(settings, *groups)


def run(main: Callable[..., None], arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and call ``main``. For errors that the user can put right, exit with a short message."""
    keep_memory()
    values = vars(parser_of(main).parse_args(arguments))
    log = values.pop("log")
    rule = values.pop("rule")
    threads = values.get("threads")
    # Every rule passes both numbers, even to steps that open no pictures and start no processes.
    names = {field.name for group in groups_of(main) for field in fields(group)}
    for name in {"workers", "threads"} - names:
        values.pop(name, None)
    try:
        log_file = _start_log(log)
    except OSError as error:
        sys.exit(f"error: {system_message(error)}")
    if threads:
        _limit_threads(threads)
    try:
        if rule:
            refuse_changed(files_of(main, values, "Inputs"))
        with memory_explained(batch_sizes_in(values["settings"])):
            if log_file is not None and measures_processes():
                _call_measured(main, values, log_file)
            else:
                call(main, **values)
        if rule:
            write_record(log, rule, files_of(main, values, "Outputs"))
    except ConceptrastError as error:
        _fail(str(error))
    except OSError as error:
        _fail(system_message(error))
    except Exception:
        LOGGER.exception("unexpected error")
        sys.exit(1)


def files_of(main: Callable[..., None], values: Mapping[str, Any], group: str) -> list[Path]:
    """The paths among the values of a step's options that are its ``Inputs`` or its ``Outputs``."""
    files = []
    for part in groups_of(main):
        # Inputs of a step may extend those of another one.
        if (part.__name__ == "Outputs") == (group == "Outputs"):
            for field in fields(part):
                value = values.get(field.name)
                files += [path for path in (value if isinstance(value, list) else [value]) if isinstance(path, Path)]
    return files


def _call_measured(main: Callable[..., None], values: dict[str, Any], log_file: logging.Handler) -> None:
    """Call a step. Then say in its log what its process has used; neither results nor the screen have these numbers."""
    importing = seconds_since_start()
    watch: AbstractContextManager[list[float]] = watched_gpu() if DEVICE in sys.modules else nullcontext([])
    with watch as shares:
        call(main, **values)
        measured = usage(importing)
    if shares and _on_gpu():
        measured = replace(measured, gpu_busy=fmean(shares))
    log_file.handle(logging.makeLogRecord({"msg": str(measured)}))


def _on_gpu() -> bool:
    """Whether this process has computed on a GPU."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_initialized()


def _start_log(log: Path | None) -> logging.Handler | None:
    """Start the log, on the screen and in a file if there is one; return what writes to the file.

    Where the run shows its progress, the screen has only what went wrong.
    """
    logging.raiseExceptions = False  # a log that does not fit on the disk is no reason for a traceback
    screen = logging.StreamHandler(sys.stderr)
    if SHOWN_BY_RUN in os.environ:
        screen.setLevel(logging.WARNING)
    handlers: list[logging.Handler] = [screen]
    log_file = None
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log_file = logging.FileHandler(log, mode="w")
        handlers.append(log_file)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers, force=True)
    logging.captureWarnings(True)
    return log_file


def _limit_threads(threads: int) -> None:
    """Limit the threads of the libraries that the step has imported: those of torch, and of NumPy's linear algebra."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
    if "numpy" in sys.modules:
        threadpool_limits(limits=threads)


def system_message(error: OSError) -> str:
    """Say in one line what the system refused.

    Example:
        >>> system_message(OSError(errno.EACCES, "Permission denied", "out.npz"))
        'out.npz: Permission denied'
    """
    if error.errno in NO_ROOM:
        return f"no room left on the disk while writing {error.filename or 'a result'}: free some space and run again"
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def _fail(message: Any) -> None:
    LOGGER.error("error: %s", message)
    sys.exit(1)
