"""What a change reruns, and what it does not."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from conceptrast.base.files import read_arrays

from .copies import Copy

CONTRASTS = {
    *("contrast_classes", "contrast_pairs", "contrast_recovery", "hyperplanes", "shift", "mask", "insertion"),
    "component_insertion",
}
CONCEPTS = {"ace", "ace_recovery"}
SALIENCY = {"saliency_faithfulness", "saliency_randomisation", "saliency_truth"}
FACTORIZATIONS = {"dff_concepts", "dff_summary"}
COUNTERFACTUALS = {"decoder", "counterfactual", "concept_pictures", "concept_reading"}
COMPONENTS = {"importance", "importance_truth", "fidelity", "reconstructed", "stability"}
CURVES = {"fidelity_curves", "shift_curves", "training_curves"}
AFTER_PROTOTYPES = {"prototypes": 2, "component_prediction": 2, "concept_recovery": 2, "figures": 2}


def test_the_run_gives_its_tables_figures_and_record(finished: Copy) -> None:
    tables = {path.stem: pd.read_csv(path) for path in (finished.results / "tables").glob("*.csv")}
    predicted = {"component_prediction", "component_prediction_by_labels"}
    studies = {*predicted, "studies", "concept_recovery", "models", "confusion"}
    methods = {*COMPONENTS, *CONTRASTS, *CONCEPTS, *COUNTERFACTUALS, *FACTORIZATIONS, *SALIENCY}
    assert set(tables) == {*studies, *methods, *CURVES}
    tested = tables["component_prediction"]
    assert set(tested["study"]) == {"pairs-layer3", "pairs-layer4"}
    assert set(tested["recipe"]) == {"published", "recommended"}
    assert set(tested["baseline"]) == {"none", "random_patches", "other_class"}
    assert not tested.isna().to_numpy().any()
    apart = tables["component_prediction_by_labels"]
    assert set(apart["study"]) == {"pairs-layer3"}
    assert set(apart["labels"]) == {"3+7, 3+8", "others"}
    in_both = apart.groupby(["recipe", "selection", "baseline"])["n_classes"].sum()
    in_all = tested[tested["study"] == "pairs-layer3"].set_index(["recipe", "selection", "baseline"])["n_classes"]
    pd.testing.assert_series_equal(in_both, in_all.sort_index())
    metrics = json.loads((finished.results / "metrics.json").read_text())
    assert (
        metrics["pairs-layer3/match_rate_published_all"]
        == tested.query(
            "study == 'pairs-layer3' and recipe == 'published' and selection == 'all' and baseline == 'none'"
        )["match_rate"].item()
    )
    # The explained model, the judge of its counterfactuals, and the reader of its concepts.
    assert set(tables["confusion"]["model"]) == {"pairs_resnet", "pairs_judge", "lenet"}
    taken = tables["confusion"].query("model == 'pairs_resnet'")
    right = taken.loc[taken["label"] == taken["predicted"], "n"].sum()
    assert taken["n"].sum() == 120
    assert metrics["pairs_resnet/accuracy"] == pytest.approx(right / 120)
    assert (finished.results / "figures" / "confusion" / "pairs_resnet.png").is_file()
    for study in ("pairs-layer3", "pairs-layer4"):
        cards = pd.read_csv(finished.results / "figures" / study / "cards.csv")
        explained = tables["studies"].set_index("study").loc[study, "n_classes"]
        assert len(cards) == (2 if study == "pairs-layer3" else explained)  # that study names its cards
        assert all((finished.results / "figures" / study / "cards" / name).is_file() for name in cards["file"])
    assert json.loads((finished.results / "tracked.json").read_text())["run_id"]
    pages = {path.relative_to(finished.results / "atlas").parts[0] for path in finished.results.glob("atlas/**/*.html")}
    assert {"index.html", "study", "class", "contrast", "counterfactuals", "maps", "dff", "concepts", "tables"} <= pages
    assert "is not finished" not in (finished.results / "atlas" / "index.html").read_text()
    assert (finished.folder / "mlflow.db").is_file()


def test_components_have_importance_fidelity_and_stability_beside_chance(finished: Copy) -> None:
    tables = {name: pd.read_csv(finished.results / "tables" / f"{name}.csv") for name in COMPONENTS}
    for name, table in tables.items():
        assert set(table["study"]) == {"pairs-layer3", "pairs-layer4"}, name
    importance = tables["importance"]
    assert importance.groupby(["study", "recipe", "class"])["component"].apply(len).eq(3).all()
    assert importance[["logit_drop", "low", "high", "logit_drop_random", "sobol_total"]].notna().all(axis=None)
    assert set(tables["fidelity"]["baseline"]) == {"none", "random_order"}
    assert set(tables["fidelity"]["rest"]) == {"left_out", "kept"}
    assert set(tables["reconstructed"]["baseline"]) == {"none", "other_class"}
    assert set(tables["stability"]["sample"]) == {"halves", "draws"}
    metrics = json.loads((finished.results / "metrics.json").read_text())
    everything = (
        tables["stability"]
        .query(
            "study == 'pairs-layer3' and class_name == 'all classes' and recipe == 'published' and sample == 'draws'"
        )
        .set_index("baseline")
    )
    assert metrics["pairs-layer3/cosine_published_draws"] == pytest.approx(everything.loc["none", "cosine"])
    assert metrics["pairs-layer3/back_published_draws_other_class"] == everything.loc["other_class", "back"]
    for study in ("pairs-layer3", "pairs-layer4"):
        assert (finished.results / "figures" / study / "fidelity.png").is_file()


def test_another_number_of_draws_reruns_stability_and_what_shows_it(copy: Copy) -> None:
    copy.edit("config/config.yaml", "stability: {draws: 2}", "stability: {draws: 1}")
    jobs = copy.planned()
    assert (jobs["stability"], jobs["figures"], jobs["component_tables"]) == (2, 2, 1)
    assert not {"importance", "attribute", "factorize", "prototypes"} & set(jobs)


def test_contrasts_have_tables_with_chance_rows_and_figures(finished: Copy) -> None:
    tables = {name: pd.read_csv(finished.results / "tables" / f"{name}.csv") for name in CONTRASTS}
    classes, solvers, shift = (tables[name] for name in ("contrast_classes", "hyperplanes", "shift"))
    assert set(classes["study"]) == {"pairs-layer4"}
    usable = int((classes["status"] == "ok").sum())
    assert usable >= 2, "the tiny run must name enough classes, or nothing is contrasted"
    assert solvers["hyperplane"].tolist() == ["zero", "random", "logistic"]
    pairs = usable * (usable - 1) // 2
    assert (solvers["n_pairs"] + solvers["n_skipped"]).tolist() == [pairs] * 3
    assert not solvers.drop(columns=["init", "reason"]).isna().to_numpy().any()
    assert set(zip(shift["hyperplane"], shift["baseline"], strict=True)) == {
        (solver, baseline) for solver in solvers["hyperplane"] for baseline in ("none", "random_direction")
    }
    assert not shift.drop(columns="reason").isna().to_numpy().any()
    assert set(tables["mask"]["baseline"]) == {"none", "random_order"}
    assert tables["mask"].groupby("baseline")["share"].apply(len).tolist() == [11, 11]
    assert set(tables["contrast_recovery"]["baseline"]) == {"none", "random_direction"}
    inserted = tables["insertion"]
    ok = inserted[inserted["status"] == "ok"]
    assert set(ok["condition"]) == {"none", "crop", "zeros", "shuffled", "crop-zeros", "crop-shuffled"}
    assert not ok[["change_first", "low_first", "high_first"]].isna().to_numpy().any()
    figures = finished.results / "figures"
    listed = pd.read_csv(figures / "pairs-layer4" / "contrasts.csv")
    named = tables["contrast_pairs"]
    assert len(listed) == int((named["status"] == "ok").sum())
    assert named.loc[named["status"] == "skipped", "reason"].notna().all()
    assert all((figures / "pairs-layer4" / "contrasts" / name).is_file() for name in listed["file"])
    for name in ("pairs-layer4/shift.png", "pairs-layer4/mask.png", "insertion/portrait.png"):
        assert (figures / name).is_file()
    metrics = json.loads((finished.results / "metrics.json").read_text())
    assert metrics["pairs-layer4/swap_rate_mean_zero_random_direction"] == pytest.approx(
        shift.query("hyperplane == 'zero' and baseline == 'random_direction'")["swap_rate_mean"].item()
    )


def test_views_have_maps_figures_and_tests_beside_chance(finished: Copy) -> None:
    tables = {name: pd.read_csv(finished.results / "tables" / f"{name}.csv") for name in SALIENCY}
    subjects = pd.read_csv(finished.results / "saliency" / "pairs.csv")
    usable = subjects[subjects["status"] == "ok"]
    maps = read_arrays(finished.results / "saliency" / "pairs.npz")
    assert {name: values.shape for name, values in maps.items()} == {"maps_grad_cam": (len(usable), 96, 96)}
    for name, table in tables.items():
        assert set(table["view"]) == {"pairs"}, name
        ok = table[table["status"] == "ok"].drop(columns="reason")
        assert not ok.isna().to_numpy().any(), name
    if len(usable):
        faithful = tables["saliency_faithfulness"]
        ok = faithful[faithful["status"] == "ok"]
        assert set(ok["target_kind"]) == {"class", "difference"}
        assert set(ok["baseline"]) == {"none", "random", "centre"}
        assert (ok["n_images"] == usable["image"].nunique()).all()
    for figure in ("maps.png", "tests.png"):
        assert (finished.results / "figures" / "saliency" / "pairs" / figure).is_file()


def test_a_second_run_has_nothing_to_do_and_says_so(copy: Copy) -> None:
    done = copy.snakemake()
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def test_another_value_reruns_what_reads_it(copy: Copy) -> None:
    copy.edit("config/config.yaml", "window: 0.4", "window: 0.3")
    jobs = copy.planned()
    assert {rule: jobs[rule] for rule in AFTER_PROTOTYPES} == AFTER_PROTOTYPES
    assert not {"index", "train", "predict", "attribute", "factorize"} & set(jobs)


def test_the_number_of_processes_that_decode_reruns_nothing(copy: Copy) -> None:
    copy.edit("config/config.yaml", "seed: 0\n", "seed: 0\nworkers: 1\n")
    assert copy.planned() == {}


def test_an_edited_factory_reruns_what_used_it(copy: Copy) -> None:
    (copy.folder / "networks.py").write_text(
        "from conceptrast.base.torchvision_ops import torchvision\n\n\n"
        "def build():\n    return torchvision.models.resnet18(num_classes=10)\n"
    )
    copy.edit("config/config.yaml", "models:\n", "models:\n  own: {factory: 'networks:build', input_size: 96}\n")
    copy.edit(
        "config/config.yaml", "studies:\n", "studies:\n  own: {model: own, dataset: digit_pairs, layer: layer3}\n"
    )
    name = "predictions/own/digit_pairs.parquet"
    assert copy.planned(name) == {"predict": 1}
    done = copy.snakemake(name)
    assert done.returncode == 0, done.stderr
    assert copy.planned(name) == {}
    with (copy.folder / "networks.py").open("a") as stream:
        stream.write("\n# edited\n")
    assert copy.planned(name) == {"predict": 1}


def test_pooling_of_one_study_leaves_the_other_alone(copy: Copy) -> None:
    copy.edit("config/config.yaml", "layer: layer4, pooling: {kernel: 1", "layer: layer4, pooling: {kernel: 2")
    jobs = copy.planned()
    assert jobs["prototypes"] == jobs["figures"] == 1
    assert not {"attribute", "factorize"} & set(jobs)


def test_an_edited_method_reruns_what_used_it(copy: Copy) -> None:
    with (copy.folder / "src/conceptrast/concepts/nmf.py").open("a") as stream:
        stream.write("\n# edited\n")
    jobs = copy.planned()
    assert jobs["factorize"] == 2
    assert not {"index", "train", "predict", "attribute"} & set(jobs)


def test_an_edited_contrast_reruns_contrasts_alone(copy: Copy) -> None:
    with (copy.folder / "src/conceptrast/contrast/shift.py").open("a") as stream:
        stream.write("\n# edited\n")
    jobs = copy.planned()
    assert jobs["shift"] == 2
    assert jobs["contrast_tables"] == 1
    assert not {"index", "train", "predict", "attribute", "factorize", "features", "hyperplanes", "tables"} & set(jobs)


def test_another_threshold_of_features_keeps_the_attributions(copy: Copy) -> None:
    copy.edit("config/config.yaml", "{attribution: rectified", "{threshold: 0.5, attribution: rectified")
    jobs = copy.planned()
    assert (jobs["features"], jobs["hyperplanes"], jobs["shift"]) == (2, 2, 2)
    assert jobs["insertion"] == 1  # of the contrast's components
    assert not {"attribute", "factorize", "prototypes"} & set(jobs)


def test_concepts_have_tables_with_chance_rows_and_figures(finished: Copy) -> None:
    tables = {name: pd.read_csv(finished.results / "tables" / f"{name}.csv") for name in CONCEPTS}
    assert set(tables["ace"]["study"]) == {"pairs-layer4"}
    ok = tables["ace"][tables["ace"]["status"] == "ok"]
    assert set(ok["baseline"]) == {"none", "random_segments"}
    assert set(ok["segments_as"]) == {"in_place", "resized"}
    assert not ok.drop(columns="reason").isna().to_numpy().any()
    assert tables["ace_recovery"].query("class_name == 'all classes'")["n_true"].tolist() == [2, 2, 2, 2]
    figures = finished.results / "figures" / "pairs-layer4"
    listed = pd.read_csv(figures / "ace.csv")
    assert listed["class_name"].tolist() == ["3+7"]
    assert all((figures / "ace" / name).is_file() for name in listed["file"])


def test_counterfactuals_have_tables_with_chance_rows_strips_and_animations(finished: Copy) -> None:
    tables = {name: pd.read_csv(finished.results / "tables" / f"{name}.csv") for name in COUNTERFACTUALS}
    assert tables["decoder"]["baseline"].tolist() == ["none", "mean_picture"]
    assert not tables["decoder"].isna().to_numpy().any()
    ways = tables["counterfactual"].query("to_name == 'all'")
    assert set(ways["baseline"]) == {"none", "random"}
    edits = {"transplant", "pasted_cells", "swap", "located", "uniform", "gradient_times", "gradient", "latent_shift"}
    assert set(ways["edit"]) == edits
    assert {"none", "means", "hyperplane", "component"} <= set(ways["direction"])
    assert set(ways["judge"]) == {"pairs_judge"}
    assert not ways[["n_images", "n_kept", "found", "lambda_median", "cells"]].isna().to_numpy().any()
    rows = pd.read_csv(finished.results / "studies" / "pairs-layer4" / "counterfactual.csv")
    ends = ["p_from", "p_to", "p_from_decoded", "p_to_decoded", "p_from_judge", "p_to_judge"]
    probabilities = rows.loc[rows["status"] == "ok", ends].to_numpy()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    figures = finished.results / "figures" / "pairs-layer4"
    listed = pd.read_csv(figures / "counterfactuals.csv")["file"]
    assert {name.rpartition(".")[2] for name in listed} == {"png", "gif"}
    # So small a decoder draws what the model does not recognise: the table says so, and only pasted cells are shown.
    decoded = rows["edit"] != "pasted_cells"
    starts = rows[(rows["fraction"] == 0) & decoded]
    if not (starts["predicted_decoded"] == starts["predicted"]).any():
        assert all(name.endswith((".png", "-pasted_cells.gif")) for name in listed)
        of_edits = ways[ways["edit"] != "pasted_cells"]
        assert of_edits["reason"].str.startswith("reconstruction not recognised").all()
    assert {path.name for path in (figures / "counterfactuals").glob("[!.]*")} == set(listed)
    assert all((figures / "counterfactuals" / name).stat().st_size < 1_000_000 for name in listed)


def test_factorizations_have_tables_with_chance_beside_arrays_and_figures(finished: Copy) -> None:
    tables = {name: pd.read_csv(finished.results / "tables" / f"{name}.csv") for name in FACTORIZATIONS}
    concepts = tables["dff_concepts"]
    assert set(concepts["dff"]) == {"pairs", "labels"}
    scores = {"suffix_class", "suffix_score", "blur_class", "blur_score", "blur_chance", "share", "agree"}
    assert not concepts.loc[concepts["status"] == "ok", sorted(scores)].isna().to_numpy().any()
    assert tables["dff_summary"][["dff", "n_components"]].to_numpy().tolist() == [
        ["pairs", 2],
        ["pairs", 3],
        ["labels", 2],
    ]
    for name in ("pairs", "labels"):
        listed = pd.read_csv(finished.results / "figures" / "dff" / f"{name}.csv")["file"]
        assert {path.name for path in (finished.results / "figures" / "dff" / name).glob("[!.]*")} == set(listed)
        assert (finished.results / "dff" / f"{name}.npz").is_file()
    summary = tables["dff_summary"].query("dff == 'labels'").iloc[0]
    metrics = json.loads((finished.results / "metrics.json").read_text())
    assert metrics["labels/blur_chance_k2"] == pytest.approx(summary["blur_chance"])


def test_another_number_of_concepts_reruns_its_factorization_alone(copy: Copy) -> None:
    copy.edit("config/config.yaml", "components: [2, 3]", "components: [2, 4]")
    assert copy.planned() == {"dff": 1, "dff_tables": 1, "metrics": 1, "atlas": 1, "track": 1}


def test_other_superpixels_rerun_concepts_and_what_moves_along_them(copy: Copy) -> None:
    copy.edit("config/config.yaml", "segments: [9]", "segments: [8]")
    moved = {"counterfactual": 1, "concept_pictures": 1, "counterfactual_tables": 1}
    assert copy.planned() == {"ace": 1, "ace_tables": 1, **moved, "metrics": 1, "atlas": 1, "track": 1}


def test_another_decoder_keeps_the_rest_of_the_study(copy: Copy) -> None:
    copy.edit("config/config.yaml", "decoder: {images: 32", "decoder: {images: 24")
    moved = {"decoder": 1, "counterfactual": 1, "concept_pictures": 1, "counterfactual_tables": 1}
    assert copy.planned() == {**moved, "metrics": 1, "atlas": 1, "track": 1}


def test_another_corner_reruns_the_insertion_test_alone(copy: Copy) -> None:
    copy.edit("config/config.yaml", "    crop: {photograph", "    corner: top_left\n    crop: {photograph")
    assert copy.planned() == {"insertion": 1, "insertion_tables": 1, "metrics": 1, "atlas": 1, "track": 1}


def test_an_edited_method_that_is_not_used_reruns_nothing(copy: Copy) -> None:
    with (copy.folder / "src/conceptrast/attribution/integrated_gradients.py").open("a") as stream:
        stream.write("\n# edited\n")
    assert copy.planned() == {}


def test_another_study_leaves_the_others_alone(copy: Copy) -> None:
    copy.edit(
        "config/config.yaml",
        "studies:\n",
        "studies:\n  again: {model: pairs_resnet, dataset: digit_pairs, layer: layer2}\n",
    )
    jobs = copy.planned()
    assert (jobs["attribute"], jobs["factorize"], jobs["prototypes"]) == (2, 1, 1)
    assert not {"index", "train", "predict"} & set(jobs)


def test_changes_of_several_kinds_are_all_seen(copy: Copy) -> None:
    copy.edit("config/config.yaml", "layer: layer3, labels", "layer: layer2, labels")
    copy.edit("config/config.yaml", "window: 0.4", "window: 0.3")
    jobs = copy.planned()
    assert (jobs["attribute"], jobs["factorize"], jobs["prototypes"], jobs["tables"]) == (2, 1, 2, 1)


def test_other_data_rerun_everything(copy: Copy) -> None:
    copy.edit("config/config.yaml", "validation: 120", "validation: 130")
    jobs = copy.planned()
    assert {"index", "train", "predict", "attribute"} <= set(jobs)


def test_a_lost_result_is_made_again_and_equals_the_first(copy: Copy) -> None:
    name = "studies/pairs-layer3/components.npz"
    before = (copy.results / name).read_bytes()
    (copy.results / name).unlink()
    done = copy.snakemake(name)
    assert done.returncode == 0, done.stderr
    assert (copy.results / name).read_bytes() == before
    assert copy.planned() == {}
