"""The step that joins the tables of all views: they list what could not be looked at."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from conceptrast.base.files import read_table, write_table
from conceptrast.saliency.subject_maps import subject_maps
from conceptrast.saliency.view_tests import view_faithfulness, view_randomisation, view_truth, with_chance
from conceptrast.steps import saliency_tables
from conceptrast.steps.runner import call

from ..saliency.colour_squares import PAIRED, split_of, squares


def test_tables_list_what_could_not_be_looked_at(tmp_path: Path) -> None:
    pictures = squares()
    maps = subject_maps(pictures, split_of(pictures), PAIRED, ["grad_cam"])
    everything = with_chance(maps, (4, 4), 0)
    nobody = PAIRED.head(1).assign(kind="difference", status="skipped", reason="no picture is predicted as blue")
    none = everything[0]._replace(maps=everything[0].maps[:0])
    files = {
        "subjects": [pd.concat([PAIRED, nobody]), nobody],
        "faithfulness": [
            view_faithfulness(pictures=pictures, subjects=PAIRED, maps=everything, percentiles=[50], seed=0),
            view_faithfulness(pictures=pictures, subjects=PAIRED.head(0), maps=[none], percentiles=[50], seed=0),
        ],
        "randomisation": [
            view_randomisation(pictures=pictures, layer="relu", subjects=PAIRED, methods=["grad_cam"], seed=0),
            pd.DataFrame({"method": ["grad_cam"], "status": "skipped", "reason": "cannot be traced"}),
        ],
        "recovery": [view_truth(pictures=pictures, layer="relu", subjects=PAIRED, maps=everything, known=None)],
    }
    paths = {}
    for name, tables in files.items():
        paths[name] = [tmp_path / f"{name}{number}.csv" for number in range(len(tables))]
        for table, path in zip(tables, paths[name], strict=True):
            write_table(table, path)
    names = ["saliency_faithfulness", "saliency_randomisation", "saliency_truth"]
    out = [tmp_path / f"{name}.csv" for name in names]
    call(saliency_tables.main, {"views": ["a", "b"], "views_with_truth": ["a"], "seed": 0}, **paths, tables=out)
    faithful, random, truth = (read_table(path) for path in out)
    assert faithful.loc[faithful["status"] == "ok", "view"].unique().tolist() == ["a"]
    assert faithful.loc[faithful["status"] == "skipped", ["view", "target_kind", "reason"]].to_numpy().tolist() == [
        [view, "difference", "no picture is predicted as blue"] for view in ("a", "b")
    ]
    ok = faithful[faithful["status"] == "ok"].drop(columns="reason")
    assert not ok.isna().to_numpy().any()
    assert random.loc[random["status"] == "skipped", ["view", "reason"]].to_numpy().tolist() == [
        ["b", "cannot be traced"]
    ]
    assert truth[["view", "status"]].to_numpy().tolist() == [["a", "skipped"]]
    paths["subjects"][0].write_text(paths["subjects"][1].read_text().replace("skipped", "ok"))
    call(saliency_tables.main, {"views": ["a", "b"], "views_with_truth": ["a"], "seed": 0}, **paths, tables=out)
    assert read_table(out[2])["reason"].tolist() == [
        "no picture that is looked at holds both what A has and B has not and what both have"
    ]
