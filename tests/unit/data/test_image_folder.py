"""Folders of pictures: labels, splits, and everything that can be wrong with them."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from PIL import Image

from conceptrast.base.errors import ConfigError, DataError
from conceptrast.data import hashes
from conceptrast.data.dataset import open_dataset


def fill(folder, count: int, suffix: str = "png", size: tuple[int, int] = (6, 5)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", size, (number, 20, 30)).save(folder / f"{number}.{suffix}")


@pytest.fixture
def root(tmp_path):
    for name, count in [("owl", 4), ("ant", 6)]:
        fill(tmp_path / "pictures" / name, count)
    return tmp_path / "pictures"


def opened(root, seed: int = 0, **options):
    return open_dataset({"kind": "image_folder", "root": str(root), **options}, seed)


def test_labels_follow_the_folders_names_and_all_is_validation(root):
    (root / "owl" / "notes.txt").write_text("no picture")
    (root / "owl" / "._0.png").write_text("what some systems leave behind")
    (root / ".cache").mkdir()
    dataset = opened(root)
    table = dataset.build_index().table
    assert dataset.class_names == ["ant", "owl"]
    assert table.image.tolist() == list(range(10))
    assert table.label.tolist() == [0] * 6 + [1] * 4
    assert set(table.split) == {"validation"}
    assert table.path[9] == "owl/3.png"
    assert dataset.picture(table.iloc[9]).getpixel((0, 0)) == (3, 20, 30)


def test_split_folders_give_the_splits(root):
    for name in ("train", "val", "test"):
        fill(root / "set" / name / "ant", 2)
    fill(root / "set" / "train" / "bee", 1)
    dataset = opened(root / "set")
    table = dataset.build_index().table
    assert dataset.class_names == ["ant", "bee"]
    assert sorted(zip(table.path, table.split, table.label, strict=True)) == [
        ("train/ant/0.png", "train", 0),
        ("train/ant/1.png", "train", 0),
        ("train/bee/0.png", "train", 1),
        ("val/ant/0.png", "validation", 0),
        ("val/ant/1.png", "validation", 0),
    ]
    with pytest.raises(ConfigError, match="train_share"):
        opened(root / "set", train_share=0.5).build_index()


def test_train_share_splits_every_class_by_the_seed(root):
    def train(seed):
        table = opened(root, seed, train_share=0.5).build_index().table
        return table.path[table.split == "train"].tolist()

    assert [path.split("/")[0] for path in train(0)] == ["ant"] * 3 + ["owl"] * 2
    assert train(0) == train(0)
    assert any(train(seed) != train(0) for seed in range(1, 5))


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_class_file_gives_the_models_indices(root, tmp_path, form):
    file = tmp_path / f"classes.{form}"
    file.write_text("folder,class\nowl,2\nant,24\n" if form == "csv" else json.dumps({"owl": 2, "ant": 24}))
    dataset = opened(root, class_file=str(file))
    assert dict(zip(dataset.build_index().table.label_name, dataset.build_index().table.label, strict=True)) == {
        "ant": 24,
        "owl": 2,
    }
    assert len(dataset.class_names) == 25
    assert dataset.class_names[:3] == ["class 0", "class 1", "owl"]


def test_class_names_say_what_the_indices_mean(root, tmp_path):
    names = ["bee", "owl", "ant"]
    assert opened(root, class_names=names).build_index().table.label.unique().tolist() == [2, 1]
    file = tmp_path / "classes.json"
    file.write_text(json.dumps({"owl": "bee", "ant": 1}))
    assert opened(root, class_file=str(file), class_names=names).build_index().table.label.unique().tolist() == [1, 0]


def test_imagenet_names_can_be_asked_for(root, tmp_path):
    file = tmp_path / "classes.csv"
    file.write_text("folder,class\nowl,great grey owl\nant,310\n")
    dataset = opened(root, class_file=str(file), class_names="imagenet")
    assert dataset.build_index().table.label.unique().tolist() == [310, 24]
    assert len(dataset.class_names) == 1000


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("folder,class\nowl,2\nants,3\n", {}, "unknown folder 'ant'; nearest: ants"),
        ("owl,2\nant,3\n", {}, "needs the header folder,class"),
        ("folder,class\nowl,2\nant,bee\n", {}, "class_names has to list"),
        ("folder,class\nowl,2\nant,0\n", {"class_names": ["a", "b"]}, "there are 2 classes"),
        ("folder,class\nowl,bea\nant,0\n", {"class_names": ["ant", "bee"]}, "unknown .* 'bea'; nearest: bee"),
    ],
)
def test_a_class_file_that_does_not_fit_is_refused(root, tmp_path, content, options, message):
    file = tmp_path / "classes.csv"
    file.write_text(content)
    with pytest.raises(DataError, match=message):
        opened(root, class_file=str(file), **options).build_index()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("classes.csv", b"folder,class\nowl\nant,3\n", "line 2: nothing in the column class"),
        ("classes.csv", b"folder,class\n\nowl,1\nant, \n", "line 4: nothing in the column class"),
        ("classes.csv", b"folder,class\nowl,1\n,3\n", "line 3: nothing in the column folder"),
        ("classes.csv", b"folder,class\nowl,1\nant,caf\xe9\n", "line 3: not UTF-8 .*0xe9"),
        ("classes.csv", b"folder,class\nowl," + b"1" * 200_000, "line 2: field larger"),
        ("classes.csv", "folder,class\nowl,1\nant,²\n".encode(), "'²' is a name"),
        ("classes.json", b'{"owl": 1,\n"\xff": 2}', "line 2: not UTF-8 .*0xff"),
        ("classes.json", b'{"owl": 1,\n"ant"}', "no valid JSON.*line 2"),
    ],
)
def test_a_class_file_with_a_broken_line_names_file_and_line(root, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}.*{message}"):
        opened(root, class_file=str(tmp_path / name)).build_index()


def test_a_class_file_may_begin_with_a_byte_order_mark(root, tmp_path):
    file = tmp_path / "classes.csv"
    file.write_bytes(b"\xef\xbb\xbffolder,class\r\nowl,1\r\nant,0\r\n")
    assert opened(root, class_file=str(file)).build_index().table.label.unique().tolist() == [0, 1]


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_pictures_are_rejected_with_the_reason_and_odd_ones_converted(root, workers):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(root / "ant" / "cut.jpg")
    whole = (root / "ant" / "cut.jpg").read_bytes()
    (root / "ant" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "owl" / "empty.png").touch()
    Image.new("CMYK", (9, 9)).save(root / "owl" / "cmyk.jpg")
    Image.new("L", (9, 9)).save(root / "owl" / "grey.png")
    Image.fromarray(np.full((9, 9), 65535, dtype=np.uint16)).save(root / "owl" / "wide.png")
    dataset = opened(root)
    index = dataset.build_index(workers)
    assert index.rejected.path.tolist() == ["ant/cut.jpg", "owl/empty.png"]
    assert "truncated" in index.rejected.reason[0]
    assert "0 bytes" in index.rejected.reason[1]
    assert {"owl/cmyk.jpg", "owl/grey.png", "owl/wide.png"} <= set(index.table.path)
    assert index.table.image.tolist() == list(range(13))
    wide = index.table[index.table.path == "owl/wide.png"].iloc[0]
    assert dataset.picture(wide).getpixel((4, 4)) == (255, 255, 255)


def test_too_many_rejected_pictures_stop_the_run(root):
    for name in "ab":
        (root / "owl" / f"{name}.png").touch()
    index = opened(root).build_index()
    index.check(max_rejected=2 / 12)
    with pytest.raises(DataError, match=r"2 of 12 pictures cannot be used.*max_rejected = 0\.1.*owl/a\.png: .*0 bytes"):
        index.check(max_rejected=0.1)


def test_only_bad_pictures_stop_the_run_whatever_is_allowed(tmp_path):
    (tmp_path / "set" / "ant").mkdir(parents=True)
    (tmp_path / "set" / "ant" / "a.png").touch()
    with pytest.raises(DataError, match="no picture"):
        opened(tmp_path / "set").build_index().check(max_rejected=1.0)


def test_missing_and_empty_folders_are_errors(tmp_path):
    absent = opened(tmp_path / "none")
    assert "none does not exist" in absent.missing()
    with pytest.raises(DataError, match=r"root: the folder .*none does not exist"):
        absent.build_index()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        opened(tmp_path / "empty").build_index()
    (tmp_path / "hollow" / "ant").mkdir(parents=True)
    with pytest.raises(DataError, match="holds no picture"):
        opened(tmp_path / "hollow").build_index()


def test_a_missing_class_file_is_reported_before_the_run(root):
    assert "class_file" in opened(root, class_file="none.csv").missing()
    assert opened(root).missing() is None


def test_a_picture_that_vanished_is_named(root):
    dataset = opened(root)
    row = dataset.build_index().table.iloc[0]
    (root / row.path).unlink()
    with pytest.raises(DataError, match=r"ant/0\.png: the file does not exist"):
        dataset.picture(row)


def test_the_fingerprint_follows_files_options_and_the_class_file(root, tmp_path):
    file = tmp_path / "classes.csv"
    file.write_text("folder,class\nowl,0\nant,1\n")
    seen = [opened(root).fingerprint(), opened(root, class_file=str(file)).fingerprint()]
    file.write_text("folder,class\nowl,1\nant,0\n")
    seen += [opened(root, class_file=str(file)).fingerprint(), opened(root, train_share=0.5).fingerprint()]
    assert opened(root, seed=3).fingerprint() == seen[0]
    fill(root / "owl", 5)
    seen.append(opened(root).fingerprint())
    assert len(set(seen)) == len(seen)


def replace(picture) -> None:
    """Other content of the same size, with the same dates."""
    dates = (picture.stat().st_atime_ns, picture.stat().st_mtime_ns)
    picture.write_bytes(picture.read_bytes()[::-1])
    os.utime(picture, ns=dates)


def test_a_picture_replaced_by_one_of_the_same_size_is_seen_in_a_small_folder(root):
    before = opened(root).fingerprint()
    replace(root / "owl" / "1.png")
    changed = opened(root).fingerprint()
    assert changed != before
    replace(root / "owl" / "1.png")
    assert opened(root).fingerprint() == before


def test_of_a_large_folder_paths_and_sizes_are_compared(root, monkeypatch):
    small = opened(root).fingerprint()
    size = sum(path.stat().st_size for path in root.rglob("*.png"))
    monkeypatch.setattr(hashes, "SMALL_FOLDER", size + 1)
    assert opened(root).fingerprint() == small
    monkeypatch.setattr(hashes, "SMALL_FOLDER", size)
    seen = [opened(root).fingerprint()]
    replace(root / "owl" / "1.png")
    assert opened(root).fingerprint() == seen[0]
    (root / "owl" / "1.png").rename(root / "owl" / "9.png")
    seen.append(opened(root).fingerprint())
    (root / "owl" / "9.png").write_bytes(b"shorter")
    seen.append(opened(root).fingerprint())
    assert len(set(seen)) == 3


def test_links_to_nowhere_and_pipes_do_not_stop_the_fingerprint(root):
    before = opened(root).fingerprint()
    (root / "owl" / "link.png").symlink_to(root / "none.png")
    os.mkfifo(root / "owl" / "pipe.png")
    assert opened(root).fingerprint() != before


@pytest.mark.parametrize("content", [b"outs: []\n", b"", b"a: [", b"\xff"])
def test_a_file_of_dvc_without_a_hash_is_named(root, content):
    root.with_name("pictures.dvc").write_bytes(content)
    with pytest.raises(DataError, match=r"pictures\.dvc"):
        opened(root).fingerprint()


def test_with_dvc_the_fingerprint_is_its_hash_whether_the_data_are_there_or_not(root):
    def tracked_as(md5):
        root.with_name("pictures.dvc").write_text(f"outs:\n- md5: {md5}.dir\n  path: pictures\n")
        return opened(root).fingerprint()

    before = tracked_as("1" * 32)
    assert tracked_as("2" * 32) != before
    root.rename(root.with_name("elsewhere"))
    assert tracked_as("1" * 32) == before


@pytest.mark.parametrize("number", ["9" * 5000, "0" * 5000, "1000001"])
@pytest.mark.parametrize("names", [None, ["ant", "owl"]])
def test_an_index_of_any_length_is_refused(number, names, root):
    class_file = root.parent / "classes.csv"
    class_file.write_text(f"folder,class\nant,{number}\nowl,1\n")
    options = {"class_file": str(class_file)} | ({"class_names": names} if names else {})
    with pytest.raises(DataError, match=r"classes\.csv: class \d+ (is no class|does not exist)"):
        _ = opened(root, **options).class_names
