"""The step that draws a study: one card per class under a name of its own, none left over from an earlier run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conceptrast.base.errors import ConfigError
from conceptrast.base.files import read_json
from conceptrast.base.names import file_name
from conceptrast.steps import (
    attribute,
    component_prediction,
    component_tables,
    factorize,
    figures,
    importance,
    index,
    predict,
    prototypes,
    stability,
)
from conceptrast.steps.runner import call


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> tuple[dict, object]:
    """A random resnet10 on 40 pictures, up to its component predictions."""
    folder = tmp_path_factory.mktemp("study")
    settings = {
        "model": {"architecture": "resnet10"},
        "dataset": {"kind": "digit_pairs", "train": 0, "validation": 40},
        "layer": "layer3",
        "seed": 0,
        "precision": "float32",
        "batch_size": 40,
        "rectify": False,
        "solver": "batched",
        "study": "pairs",
        "max_rejected": 0.01,
        "card_recipe": "recommended",
        "cards": None,
        "recipes": {
            "published": {"components": 3},
            "recommended": {
                "components": 3,
                "weighting": "channel",
                "pooling": {"kernel": 1, "stride": 1},
                "window": 0.5,
                "layout": "grid",
                "distinct": True,
            },
        },
        "attribution": {"method": "deeplift", "samples": 0, "noise": 0.0, "baseline": 1.0},
        "importance": {"images": 2, "orders": 2, "sobol": 2},
        "stability": {"draws": 1},
        "images_per_class": 6,
        "min_images": 2,
        "classes": None,
        "shard": 0,
        "shards": 1,
    }
    file = {
        name: folder / f"{name}.{suffix}"
        for suffix, names in {
            "parquet": ("index", "truth", "predictions", "prototypes", "importance", "curves", "answers"),
            "csv": ("rejected", "prediction", "manifest", "stability"),
            "npz": ("attribution", "components"),
            "json": ("class_names", "pages"),
            "png": ("overview", "figure"),
        }.items()
        for name in names
    }

    def run(step, *names: str, **more) -> None:
        call(step.main, settings, **{name: file[name] for name in names}, **more)

    run(index, "index", "rejected", "truth", "class_names")
    run(predict, "index", "class_names", "predictions")
    run(attribute, "index", "class_names", "predictions", "attribution")
    run(factorize, "index", "class_names", "components", attributions=[file["attribution"]])
    run(prototypes, "index", "class_names", "predictions", "components", "prototypes")
    run(component_prediction, "index", "class_names", "predictions", "components", "prototypes", "prediction")
    names = ("index", "class_names", "components", "importance", "curves", "answers", "figure")
    run(importance, *names, attributions=[file["attribution"]])
    names = ("index", "class_names", "predictions", "components", "stability")
    run(stability, *names, attributions=[file["attribution"]])
    (folder / "cards").mkdir()
    (folder / "cards" / "99-from-an-earlier-run.png").write_bytes(b"old")
    names = ("index", "class_names", "predictions", "components", "prototypes", "prediction", "overview", "manifest")
    names += ("importance", "stability", "pages")
    run(figures, *names, attributions=[file["attribution"]], cards=folder / "cards")
    return settings, folder


def test_manifest_names_the_cards_and_no_other_is_left(study) -> None:
    _, folder = study
    manifest = pd.read_csv(folder / "manifest.csv")
    classes = pd.read_csv(folder / "prediction.csv").query("status == 'ok' and baseline == 'none'")
    assert sorted(manifest["class"]) == sorted(classes["class"].unique())
    assert manifest["file"].tolist() == [file_name(row["class"], row["class_name"]) for _, row in manifest.iterrows()]
    assert sorted(path.name for path in (folder / "cards").iterdir()) == sorted(manifest["file"])


def test_cards_and_overview_can_be_read(study) -> None:
    _, folder = study
    for file in [*(folder / "cards").iterdir(), folder / "overview.png"]:
        with Image.open(file) as image:
            image.load()
            assert image.width == 1400


def test_every_class_has_a_page_whose_strips_hold_its_patches(study) -> None:
    _, folder = study
    pages = read_json(folder / "pages.json")
    assert {page["class"] for page in pages} == set(pd.read_csv(folder / "manifest.csv")["class"])
    for page in pages:
        drops = [component["drop"] for component in page["components"]]
        assert drops == sorted(drops, reverse=True)
        # A page of the atlas asks for each of them.
        facts = {"component", "drop", "low", "high", "drop_chance", "share", "cosine", "back", "back_chance", "returns"}
        assert all(set(component) == facts for component in page["components"])
        assert all(component["drop_chance"] != component["drop"] for component in page["components"])
        for name, selection in page["selections"].items():
            assert sum(selection["patches"]) <= 48
            with Image.open(folder / "pages" / f"{page['stem']}-{name}.webp") as strip:
                assert strip.size == (sum(selection["patches"]) * selection["shape"][1], selection["shape"][0])


def test_only_the_classes_that_are_named_get_a_card(study, tmp_path) -> None:
    settings, folder = study
    classes = pd.read_csv(folder / "manifest.csv")
    wanted = classes["class"].iloc[0]
    files = {name: folder / f"{name}.parquet" for name in ("index", "predictions", "prototypes")}
    call(
        figures.main,
        settings | {"cards": [classes["class_name"].iloc[0], int(wanted)]},
        **files,
        class_names=folder / "class_names.json",
        components=folder / "components.npz",
        prediction=folder / "prediction.csv",
        importance=folder / "importance.parquet",
        stability=folder / "stability.csv",
        attributions=[folder / "attribution.npz"],
        cards=tmp_path / "cards",
        overview=tmp_path / "overview.png",
        manifest=tmp_path / "manifest.csv",
        pages=tmp_path / "pages.json",
    )
    assert pd.read_csv(tmp_path / "manifest.csv")["class"].tolist() == [wanted]
    assert len(list((tmp_path / "cards").iterdir())) == 1
    assert len(read_json(tmp_path / "pages.json")) == len(classes)
    assert (tmp_path / "overview.png").exists()


def test_tables_of_components_have_no_number_that_is_not_known(study, tmp_path) -> None:
    _, folder = study
    names = ("importance", "fidelity", "fidelity_curves", "reconstructed", "stability", "importance_truth")
    tables = {name: tmp_path / f"{name}.csv" for name in names}
    call(
        component_tables.main,
        {"studies": ["pairs"], "studies_with_truth": ["pairs"]},
        importance=[folder / "importance.parquet"],
        curves=[folder / "curves.parquet"],
        answers=[folder / "answers.parquet"],
        stability=[folder / "stability.csv"],
        prototypes=[folder / "prototypes.parquet"],
        indices=[folder / "index.parquet"],
        truths=[folder / "truth.parquet"],
        tables=list(tables.values()),
    )
    rows = {name: pd.read_csv(path) for name, path in tables.items()}
    assert all((table["study"] == "pairs").all() for table in rows.values())
    importance_rows = rows["importance"]
    assert (
        importance_rows.groupby(["recipe", "class"])["rank"].apply(sorted).map(lambda ranks: ranks == [0, 1, 2]).all()
    )
    known = ["logit", "logit_drop", "low", "high", "logit_drop_random", "p_drop"]
    assert importance_rows[known].notna().all(axis=None)
    assert rows["fidelity"].notna().all(axis=None)
    assert set(rows["fidelity"]["baseline"]) == {"none", "random_order"}
    keys = ["recipe", "rest", "baseline"]
    areas = rows["fidelity"].set_index(keys)
    for (*key, name), curve in rows["fidelity_curves"].groupby([*keys, "curve"]):
        area = np.trapezoid(curve["probability"], curve["share"])
        assert area == pytest.approx(areas.loc[tuple(key), name], abs=1e-6)
    assert "none" in rows["reconstructed"]["baseline"].tolist()
    assert rows["reconstructed"].notna().all(axis=None)
    tested = rows["stability"][rows["stability"]["status"] == "ok"]
    assert tested[["cosine", "low", "high", "back"]].notna().all(axis=None)
    assert (rows["importance_truth"]["class_name"] == "all classes").sum() == 2


def test_more_shards_than_classes_are_refused_by_the_step_that_opens_the_model(study, tmp_path) -> None:
    settings, folder = study
    files = {name: folder / f"{name}.parquet" for name in ("index", "predictions")}
    with pytest.raises(ConfigError, match="'class_shards' is 11, but resnet10 has 10 classes: set it to 10 at most"):
        call(
            attribute.main,
            settings | {"shards": 11},
            **files,
            class_names=folder / "class_names.json",
            attribution=tmp_path / "attribution.npz",
        )
