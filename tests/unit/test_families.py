"""The table of ``docs/families.md`` has the smallest member of every family of torchvision's classifiers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from conceptrast.base.torchvision_ops import torchvision

PATH = Path(__file__).parents[2] / "docs" / "families.py"
SPEC = importlib.util.spec_from_file_location("families", PATH)
assert SPEC is not None
assert SPEC.loader is not None
FAMILIES = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(FAMILIES)


def rows() -> list[list[str]]:
    """Cells of the committed table, its head first."""
    block = FAMILIES.BLOCK.search(FAMILIES.DOCUMENT.read_text())
    lines = [line for line in block[0].splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_has_the_smallest_member_of_every_family() -> None:
    head, *body = rows()
    members = {row[0]: row[1] for row in body if row[0]}
    assert head[:2] == ["family", "member"]
    assert members == FAMILIES.smallest_members()
    assert {"vit_b_16", "swin_t", "convnext_tiny", "mobilenet_v3_small"} <= set(members.values())
    assert len(body) == 2 * len(members)  # two layers of each
    assert all(row[3] and row[5] for row in body)


def test_a_family_is_a_module_of_torchvision_with_all_its_sizes() -> None:
    members = FAMILIES.smallest_members()
    assert members["resnet"] == "resnet18"  # not wide_resnet50_2, nor resnext50_32x4d, of the same module
    assert set(members.values()) <= set(torchvision.models.list_models(module=torchvision.models))
