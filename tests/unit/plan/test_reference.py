"""The reference of keys in config/README.md is the one that the descriptors give."""

from __future__ import annotations

from pathlib import Path

from conceptrast.plan.reference import BLOCK, reference, write_reference

README = Path(__file__).resolve().parents[3] / "config" / "README.md"


def test_the_document_holds_the_reference_of_today(tmp_path: Path) -> None:
    copy = tmp_path / "README.md"
    copy.write_text(README.read_text())
    write_reference(copy)
    assert copy.read_text() == README.read_text(), (
        "write it anew: python -m conceptrast.plan.reference config/README.md"
    )
    assert len(BLOCK.findall(README.read_text())) == 1


def test_nested_keys_their_bounds_and_defaults_are_there() -> None:
    text = reference()
    for line in (
        "### `latent_bias.<name>.autoencoder.epochs`",
        "| `class` | class |  | only pictures that the model gives this class, by name or index |",
        "| `significance` | number, above 0, below 1 | 0.01 |",
        "| `layout` | `strip` or `grid` | needed |",
        "### `insertions.<name>.crop`",
    ):
        assert line in text
