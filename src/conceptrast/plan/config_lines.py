"""Lines of configuration files: where a key that a message names is written.

Messages name keys by their path, ``'studies.pairs.layer'``. A configuration may come from several files, of which later
ones count, and from ``--config``. :func:`located` is the one place that turns such a path into a file and a line.
``python -m conceptrast.plan.config_lines FILE`` says in which line a file is no YAML.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from conceptrast.base.errors import ConfigError

_QUOTED = re.compile(r"'([^']+)'")
_HOLDER = re.compile(r"in '([^']+)'")


def located(message: str, files: Mapping[str, Path], given: Mapping[str, Any] | None = None) -> str:
    """A message about a configuration, each line with the place of the key that it names.

    Args:
        message: one line for each mistake.
        files: the configuration's files by what messages call them; keys of later ones replace those of earlier ones.
        given: keys that the command line gives with ``--config``.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "mine.yaml"
        >>> _ = file.write_text("run: mine\\nmodels:\\n  net: {architecture: resnet9}\\n")
        >>> located("'models.net': unknown architecture 'resnet9'", {"mine.yaml": file})
        "'models.net': unknown architecture 'resnet9' (mine.yaml, line 3)"
        >>> located("key 'seed' must be at least 0", {"mine.yaml": file}, {"seed": -1})
        "key 'seed' must be at least 0 (--config)"
    """
    places: dict[str, str] = {}
    for name, file in files.items():
        places |= {key: f"{name}, line {line}" for key, line in _readable_lines(file).items()}
    places |= dict.fromkeys(_paths(given or {}), "--config")
    return "\n".join(_with_place(line, places) for line in message.splitlines())


def _with_place(line: str, places: Mapping[str, str]) -> str:
    """The line, and the place of the deepest key that it names; of a key that is missing, that of its section."""
    named = _QUOTED.findall(line)
    inside = [f"{holder}.{name}" for holder in _HOLDER.findall(line) for name in named]
    for path in sorted(inside + named, key=lambda path: -path.count(".")):
        while path:
            if path in places:
                return f"{line} ({places[path]})"
            path = path.rpartition(".")[0]
    return line


def _paths(value: Any, above: str = "") -> Iterator[str]:
    """Paths of all keys of a mapping."""
    for name, inner in value.items() if isinstance(value, Mapping) else ():
        yield f"{above}{name}"
        yield from _paths(inner, f"{above}{name}.")


def lines_of(file: Path, name: str = "") -> dict[str, int]:
    """The line of each key of a configuration, by the key's path; an item of a list has its number.

    Args:
        file: the configuration.
        name: what messages call it; its path if empty.

    Raises:
        ConfigError: the file is no YAML; the message says where.
    """
    try:
        return dict(_lines(yaml.compose(file.read_text(encoding="utf-8"), yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise ConfigError(f"{name or file}{_place(error)}: no YAML: {_reason(error)}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{name or file}, line {line}: not UTF-8; save it as UTF-8") from error


def _lines(node: yaml.Node | None, above: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        inner = [(key.value, key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]
    elif isinstance(node, yaml.SequenceNode):
        inner = [(str(number), value, value) for number, value in enumerate(node.value)]
    else:
        return
    for name, mark, value in inner:
        yield f"{above}{name}", mark.start_mark.line + 1
        yield from _lines(value, f"{above}{name}.")


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark else ""


def _reason(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or str(error)
    context = getattr(error, "context", None)
    return " ".join(f"{problem} {context or ''}".split())


def _readable_lines(file: Path) -> dict[str, int]:
    """Lines of a file that has been read already; none if it cannot be read again."""
    try:
        return lines_of(file)
    except (ConfigError, OSError):
        return {}


def main(arguments: Sequence[str]) -> None:
    """End with a line on standard error if a file is no YAML."""
    for name in arguments:
        try:
            lines_of(Path(name))
        except ConfigError as error:
            sys.exit(f"error: {error}")
        except OSError as error:
            sys.exit(f"error: {name}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
