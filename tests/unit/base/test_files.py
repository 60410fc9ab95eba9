"""Files are written whole or not at all, and come back as they went in."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from conceptrast.base.files import (
    atomic,
    read_array,
    read_arrays,
    read_json,
    read_rows,
    read_table,
    write_arrays,
    write_json,
    write_table,
)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def stop_halfway(path) -> None:
    with atomic(path) as part:
        part.write_text("half")
        raise KeyboardInterrupt


def test_a_block_that_raises_leaves_nothing_behind(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        stop_halfway(tmp_path / "new" / "a.txt")
    assert names(tmp_path / "new") == []


def test_a_block_that_raises_leaves_the_earlier_file_alone(tmp_path):
    (tmp_path / "a.txt").write_text("whole")
    with pytest.raises(KeyboardInterrupt):
        stop_halfway(tmp_path / "a.txt")
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_nobody_sees_the_file_before_it_is_complete(tmp_path):
    with atomic(tmp_path / "a.csv") as part:
        part.write_text("whole")
        assert not (tmp_path / "a.csv").exists()
        assert part.parent == tmp_path
        assert part.suffix == ".csv"
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_tables_come_back_without_their_index(tmp_path, suffix):
    table = pd.DataFrame(
        {
            "image": [3, 1, 2**40],
            "share": [0.1, np.nan, 1e-12],
            "name": ["3+7", 'a, "quoted" name', "Ünïcode"],
            "match": [True, False, True],
        },
        index=[9, 8, 7],
    )
    write_table(table, tmp_path / f"a.{suffix}")
    pd.testing.assert_frame_equal(read_table(tmp_path / f"a.{suffix}"), table.reset_index(drop=True))
    assert names(tmp_path) == [f"a.{suffix}"]


def test_a_class_may_be_called_like_a_missing_value(tmp_path):
    table = pd.DataFrame({"class_name": ["NA", "null", "nan"], "share": [0.5, float("nan"), 1.0]})
    write_table(table, tmp_path / "table.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.csv"), table)


def test_parquet_keeps_every_digit_and_type_where_csv_keeps_nine_digits(tmp_path):
    table = pd.DataFrame({"wide": [np.pi], "narrow": np.array([np.pi], np.float32)})
    for suffix in ("parquet", "csv"):
        write_table(table, tmp_path / f"a.{suffix}")
    pd.testing.assert_frame_equal(read_table(tmp_path / "a.parquet"), table, check_exact=True)
    assert read_table(tmp_path / "a.csv").wide.tolist() == [3.14159265]


def test_a_table_without_rows_keeps_its_columns(tmp_path):
    for suffix in ("parquet", "csv"):
        write_table(pd.DataFrame({"path": pd.Series(dtype="str")}), tmp_path / f"a.{suffix}")
        assert list(read_table(tmp_path / f"a.{suffix}").columns) == ["path"]


def test_arrays_come_back_with_shape_and_type(tmp_path):
    arrays = {"U": np.arange(6, dtype=np.float32).reshape(2, 3), "ids": np.array([5, 3]), "none": np.zeros((0, 4))}
    write_arrays(tmp_path / "a.npz", arrays)
    arrays = read_arrays(tmp_path / "a.npz")
    assert list(arrays) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)


def test_objects_are_neither_written_nor_read(tmp_path):
    objects = np.array([{"a": 1}, None], dtype=object)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        write_arrays(tmp_path / "a.npz", {"objects": objects})
    assert names(tmp_path) == []
    np.savez(tmp_path / "b.npz", objects=objects)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_arrays(tmp_path / "b.npz")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_numbers_that_json_does_not_know(tmp_path, number):
    write_json({"a": 1}, tmp_path / "a.json")
    with pytest.raises(ValueError, match="Out of range float"):
        write_json({"a": [number]}, tmp_path / "a.json")
    assert names(tmp_path) == ["a.json"]
    assert read_json(tmp_path / "a.json") == {"a": 1}


def test_the_same_value_gives_the_same_json(tmp_path):
    write_json({"b": 0.1, "a": ["é", None]}, tmp_path / "a.json")
    write_json(json.loads((tmp_path / "a.json").read_text()), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert list(read_json(tmp_path / "a.json")) == ["a", "b"]


@pytest.mark.parametrize("rows", [[0], [4, 4, 1], [], [-1]])
def test_rows_are_those_of_the_whole_array(tmp_path, rows):
    rng = np.random.default_rng(0)
    arrays = {
        "before": rng.standard_normal(1001),
        "names": np.array(["a", "bc", "def", "", "ghij"]),
        "normals": rng.standard_normal((5, 3)).astype(np.float32),
        "columns_first": np.asfortranarray(rng.integers(0, 9, (5, 2, 4))),
    }
    write_arrays(tmp_path / "arrays.npz", arrays)
    for name in ("names", "normals", "columns_first"):
        part = read_rows(tmp_path / "arrays.npz", name, rows)
        whole = read_array(tmp_path / "arrays.npz", name)
        assert part.dtype == whole.dtype
        assert (part == whole[np.array(rows, np.int64)]).all()


def test_rows_stay_when_the_file_is_written_anew(tmp_path):
    write_arrays(tmp_path / "arrays.npz", {"normals": np.ones((2, 3))})
    rows = read_rows(tmp_path / "arrays.npz", "normals", [1])
    write_arrays(tmp_path / "arrays.npz", {"normals": np.zeros((2, 3))})
    assert rows.tolist() == [[1.0, 1.0, 1.0]]
