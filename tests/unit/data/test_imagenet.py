"""A miniature ImageNet in both of its forms, and what is said when parts of it are missing."""

from __future__ import annotations

import pytest
from PIL import Image

from conceptrast.base.errors import DataError
from conceptrast.data.dataset import open_dataset

SYNSETS = "n01440764 tench, Tinca tinca\nn02102040 English springer, spaniel\nn03888257 parachute, chute\n"


def opened(root, **options):
    return open_dataset({"kind": "imagenet", "root": str(root), **{key: str(value) for key, value in options.items()}})


@pytest.fixture
def flat(tmp_path):
    root = tmp_path / "val"
    root.mkdir()
    for number in range(4):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(root / f"ILSVRC2012_val_0000000{number}.JPEG")
    rows = "\n".join(
        f"ILSVRC2012_val_0000000{number},{wnid} 1 2 3 4 "
        for number, wnid in enumerate(["n03888257", "n01440764", "n02102040", "n03888257", "n01440764"])
    )
    (tmp_path / "LOC_val_solution.csv").write_text(f"ImageId,PredictionString\n{rows}\n")
    (tmp_path / "LOC_synset_mapping.txt").write_text(SYNSETS)
    return root


def test_a_flat_folder_gets_its_labels_from_the_solution_beside_it(flat):
    dataset = opened(flat)
    table = dataset.build_index().table
    assert dataset.class_names == ["tench", "English springer", "parachute"]
    assert table.label.tolist() == [2, 0, 1, 2]
    assert table.label_name.tolist() == ["parachute", "tench", "English springer", "parachute"]
    assert set(table.split) == {"validation"}


def test_solution_and_synsets_can_lie_elsewhere(flat, tmp_path):
    (tmp_path / "other").mkdir()
    for name in ("LOC_val_solution.csv", "LOC_synset_mapping.txt"):
        (tmp_path / name).rename(tmp_path / "other" / name)
    assert "solution: not named" in opened(flat).missing()
    dataset = opened(
        flat,
        solution=tmp_path / "other" / "LOC_val_solution.csv",
        synsets=tmp_path / "other" / "LOC_synset_mapping.txt",
    )
    assert dataset.missing() is None
    assert dataset.build_index().table.label.tolist() == [2, 0, 1, 2]


def test_class_folders_need_no_solution(tmp_path):
    for wnid in ("n03888257", "n01440764"):
        (tmp_path / "val" / wnid).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "val" / wnid / "a.JPEG")
    (tmp_path / "synsets.txt").write_text("n03888257\nn01440764\n")
    table = opened(tmp_path / "val", synsets=tmp_path / "synsets.txt").build_index().table
    assert table.path.tolist() == ["n01440764/a.JPEG", "n03888257/a.JPEG"]
    assert table.label.tolist() == [1, 0]


def test_all_thousand_class_folders_need_no_synsets(tmp_path):
    for number in range(1000):
        (tmp_path / "val" / f"n{number:08}").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "val" / "n00000701" / "a.JPEG")
    table = opened(tmp_path / "val").build_index().table
    assert (table.label[0], table.label_name[0]) == (701, "parachute")


def test_fewer_class_folders_ask_for_the_synsets(tmp_path):
    (tmp_path / "val" / "n03888257").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "val" / "n03888257" / "a.JPEG")
    with pytest.raises(DataError, match=r"synsets: without it .* all 1000 WordNet ids, and holds 1"):
        opened(tmp_path / "val").build_index()


def test_a_photograph_that_the_solution_does_not_list_is_rejected(flat):
    Image.new("RGB", (4, 4)).save(flat / "ILSVRC2012_val_00000009.JPEG")
    rejected = opened(flat).build_index().rejected
    assert rejected.path.tolist() == ["ILSVRC2012_val_00000009.JPEG"]
    assert "does not list it" in rejected.reason[0]


def test_missing_parts_are_named_by_their_keys(flat, tmp_path):
    absent = opened(tmp_path / "none")
    assert absent.missing().startswith("root: the folder ")
    assert "LOC_val_solution.csv" in absent.missing()
    with pytest.raises(DataError, match="root: the folder"):
        absent.build_index()
    assert opened(flat, solution="none.csv").missing().startswith("solution: ")
    assert opened(flat, synsets="none.txt").missing().startswith("synsets: ")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("LOC_val_solution.csv", "image,label\na,b\n", "ImageId,PredictionString"),
        (
            "LOC_val_solution.csv",
            "ImageId,PredictionString\na,n01440764 1 2 3 4\nb, \n",
            "line 3: nothing in .*Prediction",
        ),
        ("LOC_val_solution.csv", "ImageId,PredictionString\na\n", "line 2: nothing in the column PredictionString"),
        ("LOC_val_solution.csv", "ImageId,PredictionString\na,\n", "line 2: nothing in the column PredictionString"),
        ("LOC_synset_mapping.txt", "tench\n", "line 1: expected a new WordNet id"),
        ("LOC_synset_mapping.txt", "n01440764 a\nn01440764 b\n", "line 2"),
        ("LOC_synset_mapping.txt", "n01440764 a\n", "unknown WordNet id 'n03888257'"),
    ],
)
def test_files_of_another_form_are_refused(flat, tmp_path, file, content, message):
    (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=message):
        opened(flat).build_index()


@pytest.mark.parametrize("file", ["LOC_val_solution.csv", "LOC_synset_mapping.txt"])
def test_files_that_are_not_utf_8_are_named_with_the_line(flat, tmp_path, file):
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes() + b"caf\xe9\n")
    line = (tmp_path / file).read_bytes().count(b"\n")
    with pytest.raises(DataError, match=rf"{file}, line {line}: not UTF-8"):
        opened(flat).build_index()


def test_the_fingerprint_follows_photographs_solution_and_synsets(flat, tmp_path):
    seen = [opened(flat).fingerprint()]
    for change in (
        lambda: (tmp_path / "LOC_synset_mapping.txt").write_text(SYNSETS.upper().replace("N0", "n0")),
        lambda: (tmp_path / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n"),
        lambda: next(flat.iterdir()).unlink(),
    ):
        change()
        seen.append(opened(flat).fingerprint())
    assert len(set(seen)) == 4
