"""The benchmark of a large atlas, with a few classes: what it prints is of an atlas that is whole."""

from __future__ import annotations

from PIL import Image

from benchmarks.atlas import COMPONENTS, PATCHES, SELECTIONS, main


def test_an_atlas_of_three_made_classes_has_all_pages_and_pictures(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["atlas", str(tmp_path), "--classes", "3"])
    main()
    printed = dict(line.split("|")[1:3] for line in capsys.readouterr().out.splitlines()[2:])
    numbers = {name.strip(): value.strip() for name, value in printed.items()}
    atlas = tmp_path / "atlas"
    assert numbers["files"] == str(sum(path.is_file() for path in atlas.rglob("*")))
    assert len(list((atlas / "class" / "photographs").iterdir())) == 3
    with Image.open(atlas / "pictures" / "photographs" / "classes" / "0-class-all.webp") as strip:
        assert strip.size == (90 * COMPONENTS * PATCHES // len(SELECTIONS), 90)
