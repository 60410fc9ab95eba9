"""Record what a result was made from: a hash of its code, and fingerprints of its data and weights.

Snakemake compares a rule's ``params`` by value and does not watch imported modules. So each rule has a hash of the
library files that its step can reach, and of the data and weights that it reads. Source files are parsed and never
imported, so that planning a run does not import torch.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from conceptrast.models.published import file_fingerprint

PACKAGE = "conceptrast"
# Messages, lines of the log and this module do not count: a change in them changes no result.
WITHOUT_EFFECT = frozenset(
    f"{PACKAGE}.{module}"
    for module in ("base.errors", "base.progress", "base.usage", "base.gpu_watch", "plan.provenance")
)


_IMPORT = re.compile(r"^[ \t]*((?:from|import)[ \t](?:[^(\n\\]|\\\n|\([^)]*\))*)", re.MULTILINE)
"""A statement, up to the end of its line; brackets and backslashes make it longer."""


def code_hash(modules: Iterable[str], source: Path) -> str:
    """Hash of ``modules`` and of all files of the package that they import, directly or not.

    Registries (tables in ``__init__.py``) do not count, so that a new method reruns nothing. The caller names the
    modules that the configuration chooses from them.

    Args:
        modules: dotted names, e.g. ``conceptrast.steps.factorize``.
        source: folder of the package.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for module in closure(modules, source):
        digest.update(module.encode() + b"\0" + _relevant(_file(module, source)) + b"\0")
    return digest.hexdigest()[:16]


def closure(modules: Iterable[str], source: Path) -> list[str]:
    """All modules of the package that ``modules`` reach by imports, sorted. Imports inside functions count, too."""
    reached: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in reached and module not in WITHOUT_EFFECT and _is_module(module, source):
            reached.add(module)
            waiting.extend(_imported(module, source))
    return sorted(reached)


@cache
def registry(source: Path, package: str, name: str) -> dict[str, str]:
    """The table ``name`` in ``<package>/__init__.py``, read without importing it."""
    for node in _tree(source / package / "__init__.py").body:
        if _is_table(node) and _target(node) == name:
            return ast.literal_eval(node.value)  # type: ignore[attr-defined]
    return {}


@cache
def keywords(source: Path, implementation: str) -> dict[str, str]:
    """Arguments of ``package.module:Class``, from its ``__init__`` or its fields, with their annotations.

    An annotation is a text; it is empty if there is none.
    """
    module, attribute = implementation.split(":")
    for node in _tree(_file(module, source)).body:
        if isinstance(node, ast.ClassDef) and node.name == attribute:
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                    return _annotations([*part.args.args[1:], *part.args.kwonlyargs])
            fields = [
                part for part in node.body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
            ]
            return {
                part.target.id: ast.unparse(part.annotation) for part in fields if isinstance(part.target, ast.Name)
            }
        if isinstance(node, ast.FunctionDef) and node.name == attribute:
            return _annotations([*node.args.args, *node.args.kwonlyargs])
    return {}


def _annotations(arguments: list[ast.arg]) -> dict[str, str]:
    return {argument.arg: ast.unparse(argument.annotation) if argument.annotation else "" for argument in arguments}


def module_fingerprint(factory: str, repository: Path) -> str:
    """MD5 of the file of ``package.module:function`` below ``repository``; empty if it lies elsewhere."""
    place = repository.joinpath(*factory.partition(":")[0].split("."))
    files = [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()]
    return file_fingerprint(files[0]) or "" if files else ""


@cache
def _file(module: str, source: Path) -> Path:
    parts = module.split(".")[1:]
    folder = source.joinpath(*parts)
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


@cache
def _is_module(module: str, source: Path) -> bool:
    return _file(module, source).is_file()


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes()) if path.is_file() else ast.Module(body=[], type_ignores=[])


def _relevant(path: Path) -> bytes:
    """The part of a file that counts: its bytes; for an ``__init__.py``, statements except registries and docstring."""
    if path.name != "__init__.py":
        return path.read_bytes()
    kept = [node for node in _tree(path).body if not (_is_table(node) or isinstance(node, ast.Expr))]
    return "\n".join(ast.dump(node) for node in kept).encode()


def _is_table(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict)


def _target(node: ast.stmt) -> str | None:
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    return target.id if isinstance(target, ast.Name) else None


def import_statements(source: str) -> Iterator[ast.Import | ast.ImportFrom]:
    """All import statements of a file, those inside functions and branches too.

    Only lines that begin like one are parsed: parsing all files of the package took a third of the time of a plan. So a
    statement that shares its line with another one is not seen; ``make lint`` refuses those.
    """
    for match in _IMPORT.finditer(source):
        try:
            statements = ast.parse(match[1]).body
        except SyntaxError:
            continue  # a sentence of a docstring that begins with "from" or "import"
        yield from (part for part in statements if isinstance(part, ast.Import | ast.ImportFrom))


@cache
def _imported(module: str, source: Path) -> frozenset[str]:
    """The result of :func:`_imports`. It is cached, because a run asks for it in every job."""
    return frozenset(name for name in _imports(module, source) if _is_module(name, source))


def _imports(module: str, source: Path) -> Iterator[str]:
    """Names of the package that one module imports; not all of them are modules."""
    path = _file(module, source)
    folder = module if path.name == "__init__.py" else module.rpartition(".")[0]
    public = registry(source, "", "_PUBLIC")
    for node in import_statements(path.read_text("utf-8")):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == PACKAGE)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = folder.split(".")[: len(folder.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            if base.split(".")[0] == PACKAGE:
                yield base
                yield from (f"{base}.{name.name}" for name in node.names)
                if base == PACKAGE:
                    yield from (public[name.name] for name in node.names if name.name in public)
