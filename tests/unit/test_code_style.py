"""Rules of the code that no linter knows: names are nouns, one assignment a line, few parameters, calls by keyword."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for folder in ("src", "tests", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py"))
WITHOUT_TESTS = [path for path in FILES if ROOT / "tests" not in path.parents]

NO_NOUNS = {"found", "each", "own", "said", "told", "shown"}
"""They say that something was found, not what."""

MOST_PARAMETERS = 7
MOST_POSITIONAL = 4

OPTIONS_BY_NAME = {
    "RotatedPair.__init__",
    "Study.__init__",
    "Study.concepts",
    "Study.counterfactual",
    "load_model",
    "smooth_attribution",
    "Sheet.text",
}
"""Public functions whose options users set by name."""

ONE_AFTER_THE_OTHER = {"Sequential", "apply", "must", "run", "naming", "section_settings", "recipe_settings"}
"""Functions that take any number of values of one kind, one after the other; and autograd's."""


def functions(tree: ast.AST, owner: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every function with the name of its class."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield owner + node.name, node
        yield from functions(node, f"{node.name}." if isinstance(node, ast.ClassDef) else owner)


def parameters(function: ast.FunctionDef) -> list[str]:
    """Names of a function's parameters, without the instance."""
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def breaches(tree: ast.AST) -> Iterator[str]:
    """One line for each place that breaks a rule."""
    for name, function in functions(tree):
        names = parameters(function)
        yield from (f"line {function.lineno}: parameter {word}" for word in names if word in NO_NOUNS)
        if len(names) > MOST_PARAMETERS and name not in OPTIONS_BY_NAME:
            yield f"line {function.lineno}: {name} has {len(names)} parameters"
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in NO_NOUNS:
            yield f"line {node.lineno}: variable {node.id}"
        values = node.value if isinstance(node, ast.Assign) else None
        if isinstance(values, ast.Tuple) and any(isinstance(target, ast.Tuple) for target in node.targets):
            yield f"line {node.lineno}: several assignments"


def positional(tree: ast.AST) -> Iterator[str]:
    """One line for each call with more than four arguments that are not named."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            values = [argument for argument in node.args if not isinstance(argument, ast.Starred)]
            if len(values) > MOST_POSITIONAL and function not in ONE_AFTER_THE_OTHER:
                yield f"line {node.lineno}: {function} gets {len(values)} arguments without their names"


def everywhere(files: list[Path], rules: Callable[[ast.AST], Iterator[str]]) -> list[str]:
    """Breaches in these files, each with its file."""
    return [f"{path.relative_to(ROOT)}, {line}" for path in files for line in rules(ast.parse(path.read_text()))]


def test_names_are_nouns_and_functions_are_small() -> None:
    assert everywhere(FILES, breaches) == []


def test_calls_name_their_arguments() -> None:
    assert everywhere(WITHOUT_TESTS, positional) == []


@pytest.mark.parametrize(
    ("code", "breach"),
    [
        ("found = 1", "line 1: variable found"),
        ("for each in x: pass", "line 1: variable each"),
        ("a, b = 1, 2", "line 1: several assignments"),
        ("def f(said): pass", "line 1: parameter said"),
        ("def f(a, b, c, d, e, f, g, h): pass", "line 1: f has 8 parameters"),
    ],
)
def test_the_rules_see_a_breach(code: str, breach: str) -> None:
    assert list(breaches(ast.parse(code))) == [breach]


def test_an_unpacked_call_is_one_assignment() -> None:
    assert list(breaches(ast.parse("a, b = divmod(7, 2)"))) == []
