"""Hashes of code: what counts, and what does not."""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from conceptrast.models.published import weights_fingerprint
from conceptrast.plan.provenance import closure, code_hash, import_statements, keywords, module_fingerprint, registry

FILES = {
    "__init__.py": '_PUBLIC = {"method": "conceptrast.methods.one"}\n',
    "base/__init__.py": "",
    "base/errors.py": "",
    "steps/__init__.py": "",
    "steps/use.py": "from conceptrast import helper\nfrom conceptrast.base import errors\n\n"
    "def main():\n    from .inner import late\n",
    "steps/inner.py": "from ..deep import value\n",
    "helper.py": "import json\n",
    "deep.py": "value = 1\n",
    "methods/__init__.py": 'METHODS = {"one": "conceptrast.methods.one:run"}\n',
    "methods/one.py": "class Maker:\n    def __init__(self, root: str, *, seed=0):\n        pass\n",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    # A folder per change: parsed files are remembered by their path.
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_closure_follows_relative_and_late_imports_but_not_errors(source: Path) -> None:
    reached = closure(["conceptrast.steps.use"], source)
    assert {
        name for name in reached if not (source / name.replace(".", "/").removeprefix("conceptrast/")).is_dir()
    } >= {
        "conceptrast.steps.use",
        "conceptrast.steps.inner",
        "conceptrast.helper",
        "conceptrast.deep",
    }
    assert "conceptrast.base.errors" not in reached
    assert "conceptrast.methods.one" not in reached


@pytest.mark.parametrize(
    ("name", "added", "changes"),
    [("deep.py", "value = 2\n", True), ("methods/one.py", "x = 1\n", False), ("base/errors.py", "x = 1\n", False)],
)
def test_hash_changes_with_what_the_step_reaches(source: Path, name: str, added: str, changes: bool) -> None:
    before = code_hash(["conceptrast.steps.use"], source)
    with (source / name).open("a") as stream:
        stream.write(added)
    assert (code_hash(["conceptrast.steps.use"], source) != before) == changes


def test_registries_and_signatures_are_read_without_importing(source: Path) -> None:
    assert registry(source, "methods", "METHODS") == {"one": "conceptrast.methods.one:run"}
    assert keywords(source, "conceptrast.methods.one:Maker") == {"root": "str", "seed": ""}


def test_weights_are_known_by_content_or_by_their_dvc_file(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(b"weights")
    digest = hashlib.md5(b"weights", usedforsecurity=False).hexdigest()
    assert weights_fingerprint("net", str(path)) == digest
    path.unlink()
    assert weights_fingerprint("net", str(path)) is None
    (tmp_path / "net.pth.dvc").write_text(f"outs:\n- md5: {digest}\n  path: net.pth\n")
    assert weights_fingerprint("net", str(path)) == digest


@pytest.mark.parametrize(
    ("factory", "file"), [("own.networks:build", "own/networks.py"), ("own:build", "own/__init__.py")]
)
def test_the_module_of_a_factory_is_known_by_its_content(tmp_path: Path, factory: str, file: str) -> None:
    assert module_fingerprint(factory, tmp_path) == ""
    (tmp_path / "own").mkdir()
    (tmp_path / file).write_bytes(b"weights")
    assert module_fingerprint(factory, tmp_path) == hashlib.md5(b"weights", usedforsecurity=False).hexdigest()


def test_every_import_of_the_package_itself_is_seen() -> None:
    package = Path(__file__).resolve().parents[3] / "src" / "conceptrast"
    for path in package.rglob("*.py"):
        text = path.read_text("utf-8")
        parsed = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
        assert sorted(map(ast.dump, import_statements(text))) == sorted(map(ast.dump, parsed)), path


def test_planning_imports_neither_torch_nor_mlflow() -> None:
    program = (
        "import sys, yaml, conceptrast; from pathlib import Path; from conceptrast.plan.plan import Plan;"
        "root = Path(sys.argv[1]);"
        "plan = Plan.read(yaml.safe_load((root / 'config/config.yaml').read_text()), root / 'src/conceptrast');"
        "plan.code('attribute', study='pairs-layer3'); plan.data_fingerprints; plan.settings('track');"
        "assert not {'torch', 'mlflow', 'torchvision'} & set(sys.modules)"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", program, str(root)], check=True)


@pytest.mark.parametrize(
    "statement",
    [
        "try:\n    x = 1\nexcept KeyError:\n    from conceptrast import helper\n",
        "try:\n    x = 1\nexcept KeyError:\n    pass\nelse:\n    from conceptrast import helper\n",
        "try:\n    x = 1\nfinally:\n    from conceptrast import helper\n",
        "match 1:\n    case 1:\n        from conceptrast import helper\n",
        "if True:\n    pass\nelse:\n    from conceptrast import helper\n",
        "from conceptrast import (  # comment\n    base,\n    helper,\n)\n",
        "from conceptrast \\\n    import helper\n",
        '"""\nfrom here on (a sentence.\n"""\nimport conceptrast.base, conceptrast.helper as h; x = 1\n',
    ],
)
def test_closure_follows_imports_in_every_kind_of_block(source: Path, statement: str) -> None:
    (source / "alone.py").write_text(statement)
    assert "conceptrast.helper" in closure(["conceptrast.alone"], source)
