"""Figures and their manifest: what it lists, in which order, and which files of earlier runs are removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from conceptrast.steps.figure_folder import CLASSES, PAIRS, FigureFolder, pair_stem

KEPT = ("notes.txt", "overview.png")
"""Files that no pattern takes for a figure of the step."""


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_manifest_lists_the_figures_in_the_order_in_which_they_were_added(tmp_path: Path) -> None:
    folder = FigureFolder(tmp_path / "new" / "cards", CLASSES, "[0-9]*-*.png")
    for row in ((7, "3+7", "7-3-7.png"), (0, "0+1", "0-0-1.png")):
        path = folder.add(*row)
        assert path == tmp_path / "new" / "cards" / row[-1]
        path.touch()
    folder.finish(tmp_path / "new" / "cards.csv")
    assert (tmp_path / "new" / "cards.csv").read_text() == "class,class_name,file\n7,3+7,7-3-7.png\n0,0+1,0-0-1.png\n"
    assert names_in(tmp_path / "new" / "cards") == ["0-0-1.png", "7-3-7.png"]


def test_without_figures_there_is_a_folder_and_a_manifest_with_its_columns(tmp_path: Path) -> None:
    FigureFolder(tmp_path / "pairs", PAIRS, "*-not-*.png").finish(tmp_path / "pairs.csv")
    assert names_in(tmp_path / "pairs") == []
    assert (tmp_path / "pairs.csv").read_text() == "from_class,to_class,file\n"


def test_a_pair_may_have_several_figures(tmp_path: Path) -> None:
    folder = FigureFolder(tmp_path / "pairs", PAIRS, "*-to-*")
    for file in ("0-a-to-1-b.png", "0-a-to-1-b-gradient.gif"):
        folder.add(0, 1, file).touch()
    folder.finish(tmp_path / "pairs.csv")
    assert names_in(tmp_path / "pairs") == ["0-a-to-1-b-gradient.gif", "0-a-to-1-b.png"]
    assert (tmp_path / "pairs.csv").read_text().split()[1:] == ["0,1,0-a-to-1-b.png", "0,1,0-a-to-1-b-gradient.gif"]


@pytest.mark.parametrize(
    ("pattern", "file", "stale", "others"),
    [
        ("[0-9]*-*.png", "3-cat.png", ["9-old.png", "10-old-er.png"], [".9-old.1a2b3c4d.part.png", "9-old.gif"]),
        ("*-not-*.png", "0-a-not-1-b.png", ["2-c-not-1-b.png", ".2-c-not-1-b.1a.part.png"], ["2-c-not-1-b.gif"]),
        ("*-to-*", "0-a-to-1-b.png", ["2-c-to-1-b.gif", ".2-c-to-1-b.1a.part.gif", "2-c-to-1-b"], ["0-a.png"]),
        ("[!.]*.png", "all.png", ["9-old.png", "picture.png"], [".all.1a2b3c4d.part.png", "9-old.gif"]),
    ],
)
def test_figures_of_earlier_runs_are_removed_and_nothing_else(
    tmp_path: Path, pattern: str, file: str, stale: list[str], others: list[str]
) -> None:
    kept = [name for name in KEPT if pattern != "[!.]*.png" or not name.endswith(".png")]
    (tmp_path / "figures").mkdir()
    for name in (*stale, *others, *kept, file):
        (tmp_path / "figures" / name).touch()
    folder = FigureFolder(tmp_path / "figures", ("name", "file"), pattern)
    folder.add("x", file).write_bytes(b"new")
    assert set(stale) <= set(names_in(tmp_path / "figures")), "nothing is removed before the figures are there"
    folder.finish(tmp_path / "figures.csv")
    assert names_in(tmp_path / "figures") == sorted([*others, *kept, file])
    assert (tmp_path / "figures" / file).read_bytes() == b"new"


def test_numbers_tell_pairs_apart_whose_names_are_the_same() -> None:
    names = ["a/b", "a b", "é"]
    stems = {pair_stem(pair, names, "-to-") for pair in ((0, 1), (1, 0), (0, 2))}
    assert len(stems) == 3
    assert all("/" not in stem for stem in stems)
