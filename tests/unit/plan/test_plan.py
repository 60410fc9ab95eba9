"""The plan of a run: what its models bring along, what is missing, which classes do not exist."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from conceptrast.base.errors import ConfigError
from conceptrast.models.published import torchvision_classifiers
from conceptrast.plan.analyses.bias import backbone_of, networks
from conceptrast.plan.before_start import judges_of_other_classes, missing, too_many_shards, unknown_classes
from conceptrast.plan.plan import Plan, prepare_environment

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "conceptrast"
PAIRS = "0+1, 0+3, 0+7, 0+8, 1+3, 1+7, 1+8, 3+7, 3+8, 7+8"
JOB = [{"study": "first", "shard": "0"}]


def plan_of(model: dict[str, Any], source: Path = SOURCE, dataset: dict[str, Any] | None = None, **study: Any) -> Plan:
    """A run of one study of a model on digit pairs."""
    config = {
        "run": "small",
        "datasets": {"pairs": dataset or {"kind": "digit_pairs", "train": 20, "validation": 10}},
        "models": {"net": model},
        "studies": {"first": {"model": "net", "dataset": "pairs", "layer": "layer3", **study}},
    }
    return Plan.read(config, source)


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with nothing but the library; the process works in the folder of a run, as in Snakemake."""
    (tmp_path / "results" / "small").mkdir(parents=True)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "conceptrast").symlink_to(SOURCE)
    monkeypatch.chdir(tmp_path / "results" / "small")
    return tmp_path


def test_an_edit_of_the_module_of_a_factory_changes_the_fingerprint(inside: Path) -> None:
    entry = {"factory": "own.networks:build", "input_size": 32, "class_names": ["a", "b"]}
    source = inside / "src" / "conceptrast"
    assert plan_of(entry, source).model_fingerprints == {}
    (inside / "own").mkdir()
    (inside / "own" / "networks.py").write_text("one = 1\n")
    one = plan_of(entry, source).model_fingerprints["net"]
    (inside / "own" / "networks.py").write_text("two = 2\n")
    assert plan_of(entry, source).model_fingerprints["net"] != one


def test_a_file_of_class_names_is_missed_and_its_content_counts(inside: Path) -> None:
    entry = {"architecture": "resnet10", "class_names": "names.json"}
    assert missing(plan_of(entry), JOB) == [f"model 'net': file of class names {inside}/names.json does not exist"]
    (inside / "names.json").write_text(json.dumps(["a", "b"]))
    before = plan_of(entry).model_fingerprints["net"]
    assert missing(plan_of(entry), JOB) == []
    (inside / "names.json").write_text(json.dumps(["b", "a"]))
    assert plan_of(entry).model_fingerprints["net"] != before


def test_the_fingerprint_of_a_missing_file_is_the_recorded_one(inside: Path) -> None:
    entry = {"architecture": "resnet10", "weights": "data/mine"}
    assert plan_of(entry).model_fingerprints == {"net": "missing"}
    recorded = inside / "results" / "small" / "predictions" / "net" / "pairs.weights.txt"
    recorded.parent.mkdir(parents=True)
    recorded.write_text("abc")
    assert plan_of(entry).model_fingerprints == {"net": "abc"}


@pytest.mark.parametrize(
    ("entry", "classes", "message"),
    [
        ({"architecture": "resnet10"}, ["3+77", "3+7"], ["unknown class '3+77'; nearest: 3+7"]),
        ({"architecture": "resnet10"}, [9, 10], ["unknown class '10'"]),
        ({"architecture": "resnet10", "class_names": "names.json"}, ["cats"], ["unknown class 'cats'; nearest: cat"]),
        ({"architecture": "resnet10", "class_names": ["cat", "dog"]}, ["dog", 0], []),
        ({"architecture": "resnet50", "weights": "IMAGENET1K_V1"}, ["tenhc", "tench"], ["unknown class 'tenhc'; near"]),
        ({"architecture": "resnet50", "weights": "mine.pth"}, ["whatever"], []),
    ],
)
def test_classes_that_a_model_does_not_have_are_named(
    inside: Path, entry: dict[str, Any], classes: list[Any], message: list[str]
) -> None:
    (inside / "names.json").write_text(json.dumps(["cat", "dog"]))
    plan = plan_of(entry, classes=classes)
    lines = unknown_classes(plan, JOB)
    assert len(lines) == len(message)
    assert all(line.startswith(f"'studies.first.classes': {start}") for line, start in zip(lines, message, strict=True))
    assert unknown_classes(plan, [{"dataset": "pairs"}]) == []


@pytest.mark.parametrize(
    ("entry", "n_classes"),
    [
        ({"architecture": "resnet10"}, 10),
        ({"architecture": "resnet10", "class_names": ["cat"]}, 1),
        ({"architecture": "resnet50", "weights": "IMAGENET1K_V1"}, 1000),
    ],
)
def test_more_jobs_than_classes_are_refused_with_both_numbers(
    inside: Path, entry: dict[str, Any], n_classes: int
) -> None:
    plan = plan_of(entry, classes=[0])
    fits = Plan({**plan.resolved, "class_shards": n_classes}, SOURCE)
    assert too_many_shards(fits, JOB) == []
    [line] = too_many_shards(Plan({**plan.resolved, "class_shards": n_classes + 1}, SOURCE), JOB)
    assert line.startswith(f"'class_shards' is {n_classes + 1}, but the model of 'studies.first' has {n_classes} class")
    assert line.endswith(f": set it to {n_classes} at most")


def test_jobs_are_not_counted_against_classes_that_nobody_knows_yet(inside: Path) -> None:
    plan = plan_of({"architecture": "resnet50", "weights": "mine.pth"})
    assert too_many_shards(Plan({**plan.resolved, "class_shards": 5000}, SOURCE), JOB) == []


@pytest.mark.parametrize(("device", "there", "wanted"), [
    ("auto", True, True), ("auto", False, False), ("cpu", True, False), ("cuda", False, True),
])  # fmt: skip
def test_steps_take_a_gpu_if_the_run_asks_for_one_or_leaves_it_open(
    monkeypatch: pytest.MonkeyPatch, device: str, there: bool, wanted: bool
) -> None:
    monkeypatch.setattr("conceptrast.plan.plan.has_gpu", lambda: there)
    plan = plan_of({"architecture": "resnet10"})
    assert Plan({**plan.resolved, "device": device}, SOURCE).wants_gpu == wanted


def test_classes_of_pairs_that_a_model_does_not_have_are_named(inside: Path) -> None:
    plan = plan_of({"architecture": "resnet10"}, contrast=[["3+7", "3+9"], [0, 10]])
    assert unknown_classes(plan, JOB) == [
        "'studies.first.contrast': unknown class '3+9'; nearest: 3+8, 3+7",
        "'studies.first.contrast': unknown class '10'; nearest: 1, 0",
    ]


def test_classes_of_a_probe_are_those_of_its_dataset(inside: Path) -> None:
    head = {"dataset": "pairs", "only": "head"}
    plan = plan_of({"architecture": "resnet50", "weights": "IMAGENET1K_V1", "train": head}, classes=["3+7", "tench"])
    assert unknown_classes(plan, JOB) == ["'studies.first.classes': unknown class 'tench'; valid: " + PAIRS]
    assert plan.trained_models == ["net"]
    assert plan.model_fingerprints == {"net": "resnet50/IMAGENET1K_V1"}
    assert "epochs" not in plan.settings("train", model="net")["model"]["train"]


def test_the_run_on_midog_is_planned_and_says_what_it_lacks(inside: Path, midog: Callable[..., Path]) -> None:
    plan = Plan.read(yaml.safe_load((ROOT / "config" / "midog.yaml").read_text()), SOURCE)
    job = [{"model": "midog_body"}]
    assert plan.trained_models == ["midog_body"]
    assert list(plan.entries("contrast")) == list(plan.studies)
    assert [line.partition(" does not exist")[0] for line in missing(plan, job)] == [
        f"dataset 'midog': root: the folder {inside}/data/midog",
        f"model 'midog_body': fasterrcnn_resnet50_fpn: weights file {inside}/data/midog-fasterrcnn.pth",
    ]
    midog(inside / "data" / "midog", slides=1, cells=1)
    (inside / "data" / "midog-fasterrcnn.pth").write_bytes(b"weights")
    assert missing(plan, job) == []
    assert unknown_classes(plan, [{"study": name} for name in plan.studies]) == []


def test_classes_whose_concepts_are_wanted_are_checked_and_opt_their_study_in(inside: Path) -> None:
    plan = plan_of({"architecture": "resnet10"}, ace=["3+7", "3+77", 10])
    assert unknown_classes(plan, JOB) == [
        "'studies.first.ace': unknown class '3+77'; nearest: 3+7, 3+8, 1+7, 0+7",
        "'studies.first.ace': unknown class '10'; nearest: 1, 0",
    ]
    assert list(plan.entries("ace")) == ["first"]
    assert plan.tables["ace_tables"] == ["ace", "ace_recovery"]
    assert plan.settings("ace", study="first")["ace"]["segments"] == [15, 50, 80]
    assert "ace_tables" not in plan_of({"architecture": "resnet10"}).tables


def test_the_same_class_by_name_and_index_is_named(inside: Path) -> None:
    plan = plan_of({"architecture": "resnet10"}, contrast=[["3+7", 7], ["3+7", 8]])
    assert unknown_classes(plan, JOB) == [
        "'studies.first.contrast': a pair needs two classes, got '3+7' and 7, which are the same"
    ]


def inserting(crop: dict[str, Any], pairs: list[list[Any]]) -> Plan:
    """A run of one study and one insertion test."""
    config = {
        "run": "small",
        "datasets": {"pairs": {"kind": "digit_pairs", "train": 20, "validation": 10}},
        "models": {"net": {"architecture": "resnet10", "train": {"dataset": "pairs"}}},
        "studies": {"first": {"model": "net", "dataset": "pairs", "layer": "layer3"}},
        "insertions": {"thing": {"model": "net", "dataset": "pairs", "pairs": pairs, "crop": crop}},
    }
    return Plan.read(config, SOURCE)


def test_a_crops_file_is_missed_and_its_content_counts(inside: Path) -> None:
    plan = inserting({"file": "data/person.png"}, [["3+7", "3+8"]])
    job = [{"insertion": "thing"}]
    assert missing(plan, job) == [f"'insertions.thing.crop.file': file {inside}/data/person.png does not exist"]
    assert plan.file_fingerprints(insertion="thing") == "missing"
    (inside / "data").mkdir()
    (inside / "data" / "person.png").write_bytes(b"one")
    first = plan.file_fingerprints(insertion="thing")
    (inside / "data" / "person.png").write_bytes(b"two")
    assert missing(plan, job) == []
    assert plan.file_fingerprints(insertion="thing") != first


def test_the_same_class_by_name_and_index_is_named_in_an_insertion_test_too(inside: Path) -> None:
    plan = inserting({"photograph": "astronaut"}, [[7, "3+7"]])
    assert unknown_classes(plan, [{"insertion": "thing"}]) == [
        "'insertions.thing.pairs': a pair needs two classes, got 7 and '3+7', which are the same"
    ]


def test_an_insertion_test_needs_its_model_and_names_its_classes(inside: Path) -> None:
    plan = inserting({"photograph": "astronaut"}, [["3+7", "3+77"]])
    assert plan.trained_models == ["net"]
    assert plan.model_of(insertion="thing") == "net"
    assert plan.dataset_of(insertion="thing") == "pairs"
    assert plan.file_fingerprints(insertion="thing") == ""
    assert unknown_classes(plan, [{"insertion": "thing"}]) == [
        "'insertions.thing.pairs': unknown class '3+77'; nearest: 3+7, 3+8, 1+7, 0+7"
    ]
    assert plan.tables["insertion_tables"] == ["insertion"]
    assert "contrast_tables" not in plan.tables


def test_trained_models_have_a_confusion_table_on_the_pictures_held_out_of_their_own_training(inside: Path) -> None:
    config = {
        "run": "small",
        "datasets": {
            "pairs": {"kind": "digit_pairs", "train": 20, "validation": 10},
            "others": {"kind": "digit_pairs", "train": 20, "validation": 20},
        },
        "models": {
            "first": {"architecture": "resnet10", "train": {"dataset": "others"}, "class_names": ["a", "b"]},
            "second": {"architecture": "resnet10", "train": {"dataset": "pairs"}},
            "third": {"architecture": "resnet10", "train": {"dataset": "pairs"}},
            "unused": {"architecture": "lenet", "train": {"dataset": "pairs"}},
            "random": {"architecture": "resnet10"},
        },
        "studies": {
            "one": {"model": "first", "dataset": "pairs", "layer": "layer3"},
            "two": {"model": "random", "predicted_by": "second", "dataset": "pairs", "layer": "layer3"},
        },
        "insertions": {
            "thing": {"model": "third", "dataset": "others", "pairs": [[0, 1]], "crop": {"photograph": "cat"}}
        },
    }
    plan = Plan.read(config, SOURCE)
    assert plan.trained_models == ["first", "second", "third"]
    assert plan.tables["confusion"] == ["confusion"]
    assert [plan.held_out_file(model) for model in plan.trained_models] == [
        *("predictions/first/others.parquet", "predictions/second/pairs.parquet", "predictions/third/pairs.parquet"),
    ]
    assert plan.settings("confusion")["models"] == [
        {"name": "first", "dataset": "others", "class_names": ["a", "b"]},
        {"name": "second", "dataset": "pairs", "class_names": None},
        {"name": "third", "dataset": "pairs", "class_names": None},
    ]
    assert "confusion" not in plan_of({"architecture": "resnet10"}).tables


def factorizing(**entry: Any) -> Plan:
    """A run of nothing but one deep feature factorization."""
    config = {
        "run": "small",
        "datasets": {"pairs": {"kind": "digit_pairs", "train": 20, "validation": 10}},
        "models": {"net": {"architecture": "resnet10", "train": {"dataset": "pairs"}}},
        "dff": {"parts": {"model": "net", "dataset": "pairs", "layer": "layer3", **entry}},
    }
    return Plan.read(config, SOURCE)


def test_a_factorization_needs_its_model_and_names_its_class_and_labels(inside: Path) -> None:
    plan = factorizing(**{"class": "3+77"})
    job = [{"dff": "parts"}]
    assert plan.trained_models == ["net"]
    assert (plan.model_of(dff="parts"), plan.dataset_of(dff="parts")) == ("net", "pairs")
    assert unknown_classes(plan, job) == ["'dff.parts.class': unknown class '3+77'; nearest: 3+7, 3+8, 1+7, 0+7"]
    assert unknown_classes(plan, [{"model": "net"}]) == []
    assert unknown_classes(factorizing(**{"class": 10}), job) == [
        "'dff.parts.class': unknown class '10'; nearest: 1, 0"
    ]
    assert unknown_classes(factorizing(labels=["3+7", "3+9"]), job) == [
        "'dff.parts.labels': unknown label '3+9'; nearest: 3+8, 3+7"
    ]
    assert unknown_classes(factorizing(**{"class": 9}), job) == unknown_classes(factorizing(labels=["3+8"]), job) == []
    assert plan.tables == {
        "tables": ["models", "training_curves"],
        "dff_tables": ["dff_concepts", "dff_summary"],
        "confusion": ["confusion"],
    }


def test_labels_that_are_counted_apart_have_a_table_and_are_labels_of_the_dataset(inside: Path) -> None:
    net = {"architecture": "resnet10"}
    table = "component_prediction_by_labels"
    plan = plan_of(net, labels_apart=["3+7", "0+1"])
    assert table in plan.tables["tables"]
    [study] = plan.settings("tables")["studies"]
    assert study["labels_apart"] == ["3+7", "0+1"]
    assert table not in plan_of(net).tables["tables"]
    assert unknown_classes(plan_of(net, labels_apart=["3+9"]), JOB) == [
        "'studies.first.labels_apart': unknown label '3+9'; nearest: 3+8, 3+7"
    ]


def test_settings_of_a_factorization_are_its_own(inside: Path) -> None:
    plan = factorizing(labels=["3+7"], images=3)
    settings = plan.settings("dff", dff="parts")
    assert settings["labels"] == ["3+7"]
    assert "class" not in settings
    assert (settings["images"], settings["components"], settings["shared"]) == (3, [2, 5, 10], False)
    assert (settings["dff"], settings["layer"], settings["dataset"]["train"]) == ("parts", "layer3", 20)
    assert not {"images_per_class", "min_images", "attribution"} & set(settings)
    for job in ({"dff": "parts"}, {"model": "net"}):
        due = plan.settings("check_layers", jobs=[job])
        [check] = due["checks"]
        assert (check["where"], check["entry"]) == ("dff.parts", plan.entries("dff")["parts"])
        assert check["functions"] == ["conceptrast.dff.before_start:check_entry"]
        assert list(due["models"]) == ["net"]
    assert plan.settings("check_layers", jobs=[{"dataset": "pairs"}])["checks"] == []
    assert plan.settings("dff_tables") == {"dffs": ["parts"], "seed": 0}


def test_weights_that_a_factorization_misses_are_named(inside: Path) -> None:
    config = {
        "run": "small",
        "datasets": {"pairs": {"kind": "digit_pairs", "train": 20, "validation": 10}},
        "models": {"net": {"architecture": "resnet10", "weights": "mine.pth"}},
        "dff": {"parts": {"model": "net", "dataset": "pairs", "layer": "layer3"}},
    }
    plan = Plan.read(config, SOURCE)
    assert missing(plan, [{"dff": "parts"}]) == [
        f"model 'net': resnet10: weights file {inside}/mine.pth does not exist"
    ]


def test_an_edit_of_the_factorization_reruns_factorizations(inside: Path) -> None:
    plan = factorizing()
    copied = inside / "copied" / "conceptrast"
    shutil.copytree(SOURCE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (
        "dff/factorization.py",
        "saliency/blur.py",
        "figures/dff.py",
        "models/resnet10.py",
        "data/digit_pairs.py",
    ):
        before = Plan(plan.resolved, copied).code("dff", dff="parts")
        with (copied / name).open("a") as file:
            file.write("\n# changed\n")
        assert Plan(plan.resolved, copied).code("dff", dff="parts") != before, name


@pytest.mark.parametrize("options", [{"kind": "digit_pairs", "train": "many"}, {"kind": "imagenet"}])
def test_options_that_a_dataset_refuses_name_the_dataset(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^config: 'datasets\.pairs': .*(train|root)"):
        plan_of({"architecture": "resnet10"}, dataset=options)


def test_workers_are_in_no_settings() -> None:
    plan = plan_of({"architecture": "resnet10", "train": {"dataset": "pairs"}})
    assert "workers" in plan.config
    settings = [
        plan.settings("index", dataset="pairs"),
        plan.settings("train", model="net"),
        plan.settings("predict", model="net", dataset="pairs"),
        plan.settings("attribute", study="first", shard="0"),
        plan.settings("figures", study="first"),
        plan.settings("track")["config"],
    ]
    assert not any("workers" in part for part in settings)


def test_steps_find_the_library_and_modules_of_the_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["elsewhere", str(tmp_path)]))
    monkeypatch.setenv("PATH", os.environ["PATH"])
    prepare_environment(tmp_path)
    assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(tmp_path / "src"), str(tmp_path), "elsewhere"]


def test_names_of_classifiers_are_those_of_torchvision() -> None:
    from conceptrast.models.torchvision_family import architectures  # imports torch, which no plan needs

    assert set(architectures()) == torchvision_classifiers()


def rotating(**change: Any) -> Plan:
    """A run of nothing but a comparison of latent spaces on another dataset's pictures."""
    pictures = {"kind": "image_folder", "root": "data/mine", "train_share": 0.5}
    config = {
        "run": "small",
        "seed": 3,
        "datasets": {
            "turned": {"kind": "rotated_pair", "pictures": pictures},
            "free": {"kind": "rotated_pair", "biased": False, **change},
        },
        "latent_bias": {"digits": {"biased": "turned", "control": "free", "seeds": [4, 1]}},
    }
    return Plan.read(config, SOURCE)


def test_a_run_without_studies_has_the_tables_of_its_other_parts_alone(inside: Path) -> None:
    plan = rotating()
    names = ("latent_bias", "latent_bias_directions", "latent_bias_summary", "latent_bias_curves")
    assert plan.tables == {"latent_bias_tables": list(names)}
    assert networks(plan, "digits") == [
        *("biased/autoencoder-4", "biased/autoencoder-1", "biased/resnet-4", "biased/resnet-1"),
        *("control/autoencoder-4", "control/autoencoder-1", "control/resnet-4", "control/resnet-1"),
    ]
    assert plan.settings("track")["config"]["studies"] == {}


def test_jobs_of_a_comparison_read_the_dataset_of_their_condition(inside: Path) -> None:
    plan = rotating()
    job = {"bias": "digits", "condition": "control", "seed": "1"}
    assert plan.datasets_of(**job) == ["free"]
    assert plan.datasets_of(bias="digits") == ["turned", "free"]
    assert missing(plan, [{"bias": "digits"}])[0].startswith("dataset 'turned': root: the folder")
    assert missing(plan, [job]) == []


def test_seeds_of_a_comparison_vary_the_training_and_not_the_pictures(inside: Path) -> None:
    plan = rotating()
    job = {"bias": "digits", "condition": "control", "seed": "1"}
    resnet = plan.settings("train_latent_resnet", **job)
    autoencoder = plan.settings("train_autoencoder", **job)
    assert (resnet["seed"], resnet["model"]["seed"], resnet["model"]["input_size"]) == (3, 1, 32)
    assert (autoencoder["seed"], autoencoder["network_seed"]) == (3, 1)


ENCODER = {"model": "net", "layer": "layer3"}


def starting_from(model: dict[str, Any]) -> Plan:
    """The same with digits, whose autoencoder's encoder starts from a model."""
    config = {
        "run": "small",
        "datasets": {
            "turned": {"kind": "rotated_pair"},
            "free": {"kind": "rotated_pair", "biased": False},
            "pairs": {"kind": "digit_pairs"},
        },
        "models": {"net": model},
        "latent_bias": {
            "digits": {"biased": "turned", "control": "free", "autoencoder": {"encoder": ENCODER}},
            "plain": {"biased": "turned", "control": "free"},
            "read": {"biased": "turned", "control": "free", "regressor": {"encoder": ENCODER}},
        },
    }
    return Plan.read(config, SOURCE)


def test_a_model_that_an_encoder_starts_from_is_trained_checked_and_part_of_the_code(inside: Path) -> None:
    plan = starting_from({"architecture": "resnet10", "train": {"dataset": "pairs"}})
    job = {"bias": "digits", "condition": "biased", "seed": "0"}
    network = plan.settings("train_autoencoder", **job)["network"]
    assert plan.trained_models == ["net"]
    assert network == {"size": 32, "decoder": "mirrored", "backbone": {"model": plan.models["net"], "layer": "layer3"}}
    assert plan.settings("latent_bias", bias="digits")["network"] == network
    assert plan.settings("train_autoencoder", **{**job, "bias": "plain"})["network"]["backbone"] is None
    assert backbone_of(plan, "digits", "autoencoder") == "net"
    assert backbone_of(plan, "digits", "regressor") is backbone_of(plan, "plain", "autoencoder") is None
    [check] = plan.settings("check_layers", jobs=[job])["checks"]
    assert check["where"] == "latent_bias.digits.autoencoder.encoder"
    assert (check["entry"]["model"], check["entry"]["layer"], check["entry"]["size"]) == ("net", "layer3", 32)
    assert plan.settings("check_layers", jobs=[{**job, "bias": "plain"}])["checks"] == []
    regressor = plan.settings("train_rotation_regressor", bias="read")
    assert regressor["network"] == {"size": 32, "backbone": network["backbone"]}
    assert "encoder" not in regressor["regressor"]
    [check] = plan.settings("check_layers", jobs=[{**job, "bias": "read"}])["checks"]
    assert check["where"] == "latent_bias.read.regressor.encoder"


def test_missing_weights_of_a_model_that_an_encoder_starts_from_are_named(inside: Path) -> None:
    plan = starting_from({"architecture": "resnet10", "weights": "net.safetensors"})
    [line] = missing(plan, [{"bias": "digits", "condition": "biased", "seed": "0"}])
    assert line.startswith("model 'net': resnet10: weights file ")
    assert line.endswith("net.safetensors does not exist")


def test_an_edit_of_the_kind_inside_another_reruns_what_shows_its_pictures(inside: Path) -> None:
    plan = rotating()
    job = {"bias": "digits", "condition": "biased", "seed": "1"}
    copied = inside / "copied" / "conceptrast"
    shutil.copytree(SOURCE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    changed = Plan(plan.resolved, copied)
    assert changed.code("train_autoencoder", **job) == plan.code("train_autoencoder", **job)
    with (copied / "data" / "image_folder.py").open("a") as file:
        file.write("\n# changed\n")
    again = Plan(plan.resolved, copied)
    assert again.code("train_autoencoder", **job) != plan.code("train_autoencoder", **job)
    assert again.code("train_autoencoder", **{**job, "condition": "control"}) == plan.code(
        "train_autoencoder", **{**job, "condition": "control"}
    )


def test_the_rules_know_the_figures_of_a_comparison_without_torch(inside: Path) -> None:
    code = "import sys, conceptrast.bias.comparison as c; print(*c.FIGURES, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    figures = ["cause", "visibility", "maps", "navigation-biased", "navigation-control"]
    assert done.stdout.split() == [*figures, "False"]


def looking(**entry: Any) -> Plan:
    """A run of nothing but one view by class activation maps."""
    config = {
        "run": "small",
        "datasets": {"pairs": {"kind": "digit_pairs", "train": 20, "validation": 10}},
        "models": {"net": {"architecture": "resnet10", "train": {"dataset": "pairs"}}},
        "saliency": {"maps": {"model": "net", "dataset": "pairs", "layer": "layer3", **entry}},
    }
    return Plan.read(config, SOURCE)


def test_a_view_needs_its_model_and_names_its_classes_and_labels(inside: Path) -> None:
    plan = looking(target="3+9")
    job = [{"view": "maps"}]
    assert plan.trained_models == ["net"]
    assert (plan.model_of(view="maps"), plan.dataset_of(view="maps")) == ("net", "pairs")
    assert unknown_classes(plan, job) == ["'saliency.maps.target': unknown class '3+9'; nearest: 3+8, 3+7"]
    assert unknown_classes(plan, [{"model": "net"}]) == []
    assert unknown_classes(looking(), job) == unknown_classes(looking(target=9), job) == []
    assert unknown_classes(looking(labels=["3+9"]), job) == [
        "'saliency.maps.labels': unknown label '3+9'; nearest: 3+8, 3+7"
    ]
    paired = looking(pairs=[["3+7", 7], ["3+8", "3+88"]])
    assert unknown_classes(paired, job) == [
        "'saliency.maps.pairs': unknown class '3+88'; nearest: 3+8, 7+8, 3+7, 1+8, 0+8",
        "'saliency.maps.pairs': a pair needs two classes, got '3+7' and 7, which are the same",
    ]


def test_tables_and_settings_of_a_view(inside: Path) -> None:
    plan = looking(labels=["3+7"], percentiles=[40], tested=2)
    assert plan.tables["saliency_tables"] == ["saliency_faithfulness", "saliency_randomisation"]
    assert looking(pairs=[["3+7", "3+8"]]).tables["saliency_tables"][-1] == "saliency_truth"
    settings = plan.settings("saliency", view="maps")
    assert settings["view"] == {
        "images": 4,
        "labels": ["3+7"],
        "methods": ["grad_cam"],
        "target": "predicted",
        "pairs": [],
    }
    assert not {"percentiles", "tested", "images_per_class"} & set(settings)
    tests = plan.settings("saliency_tests", view="maps")
    assert (tests["percentiles"], tests["tested"], tests["layer"]) == ([40], 2, "layer3")
    for job in ({"view": "maps"}, {"model": "net"}):
        due = plan.settings("check_layers", jobs=[job])
        [check] = due["checks"]
        assert (check["where"], check["entry"]["model"], check["entry"]["layer"]) == ("saliency.maps", "net", "layer3")
        assert check["functions"] == ["conceptrast.saliency.before_start:check_entry"]
    assert plan.settings("check_layers", jobs=[{"dataset": "pairs"}])["checks"] == []


def test_an_edit_of_a_test_of_maps_reruns_the_tests_and_not_the_maps(inside: Path) -> None:
    plan = looking()
    copied = inside / "copied" / "conceptrast"
    shutil.copytree(SOURCE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    before = {step: Plan(plan.resolved, copied).code(step, view="maps") for step in ("saliency", "saliency_tests")}
    with (copied / "saliency" / "road.py").open("a") as file:
        file.write("\n# changed\n")
    after = {step: Plan(plan.resolved, copied).code(step, view="maps") for step in ("saliency", "saliency_tests")}
    assert after["saliency"] == before["saliency"]
    assert after["saliency_tests"] != before["saliency_tests"]


def test_an_edit_of_a_method_reruns_the_views_that_use_it(inside: Path) -> None:
    copied = inside / "copied" / "conceptrast"
    shutil.copytree(SOURCE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    plans = [Plan(looking(methods=[method]).resolved, copied) for method in ("grad_cam", "ablation_cam")]
    before = [(plan.code("saliency", view="maps"), plan.run_code()) for plan in plans]
    with (copied / "saliency" / "cam_variants.py").open("a") as file:
        file.write("\n# changed\n")
    after = [(plan.code("saliency", view="maps"), plan.run_code()) for plan in plans]
    assert after[0] == before[0]
    assert after[1][0] != before[1][0]
    assert after[1][1] != before[1][1]


def judged(judge: dict[str, Any]) -> Plan:
    """A run whose counterfactuals another model judges."""
    config = {
        "run": "small",
        "datasets": {
            "pairs": {"kind": "digit_pairs", "train": 20, "validation": 10},
            "digits": {"kind": "digits", "train": 20, "validation": 10},
        },
        "models": {"net": {"architecture": "resnet10", "train": {"dataset": "pairs"}}, "other": judge},
        "studies": {
            "first": {"model": "net", "dataset": "pairs", "layer": "layer3", "counterfactual": [["3+7", "3+8"]]},
            "second": {"model": "net", "dataset": "pairs", "layer": "layer3"},
        },
        "counterfactual": {"judge": "other"},
    }
    return Plan.read(config, SOURCE)


def test_a_judge_of_other_classes_is_refused_before_the_start(inside: Path) -> None:
    message = (
        "'counterfactual.judge': 'other' has other classes than 'net', the model of 'studies.first': a judge needs the "
        "same classes in the same order"
    )
    backwards = list(reversed(PAIRS.split(", ")))
    for other in (
        {"architecture": "lenet", "train": {"dataset": "digits"}},
        {"architecture": "resnet10", "class_names": backwards},
        {"architecture": "resnet50", "weights": "IMAGENET1K_V1"},
    ):
        assert judges_of_other_classes(judged(other), JOB) == [message]
    for same in ({"architecture": "resnet10", "train": {"dataset": "pairs"}}, {"architecture": "resnet10"}):
        assert judges_of_other_classes(judged(same), JOB) == []
    assert judges_of_other_classes(judged({"architecture": "lenet", "train": {"dataset": "digits"}}), []) == []


def test_a_judge_is_trained_missed_and_counted_like_the_explained_model(inside: Path) -> None:
    trained = judged({"architecture": "resnet10", "seed": 1, "train": {"dataset": "pairs"}})
    assert trained.trained_models == ["net", "other"]
    assert trained.settings("counterfactual", study="first")["judge_name"] == "other"
    assert "conceptrast.models.lenet" in judged({"architecture": "lenet"})._modules("counterfactual", study="first")
    lacking = judged({"architecture": "resnet10", "weights": "mine.pth"})
    assert [line.partition(":")[0] for line in missing(lacking, JOB)] == ["model 'other'"]
    assert missing(lacking, [{"dataset": "pairs"}]) == []


def test_without_counterfactuals_nobody_is_asked(inside: Path) -> None:
    plan = plan_of({"architecture": "resnet10"}, counterfactual=[["3+7", "3+8"]])
    settings = plan.settings("counterfactual", study="first")
    assert (settings["judge"], settings["judge_name"]) == (None, "")
    assert plan.settings("concept_pictures", study="first")["reader"] is None
    assert judges_of_other_classes(plan, JOB) == []


def test_a_study_edits_and_decodes_its_own_layer_unless_it_names_others(inside: Path) -> None:
    plain = plan_of({"architecture": "resnet10"}, layer="layer3", counterfactual=[["3+7", "3+8"]])
    others = plan_of(
        {"architecture": "resnet10"}, layer="layer3", inject="layer2", decode="layer4", counterfactual=[["3+7", "3+8"]]
    )
    for plan, inject, decode in ((plain, "layer3", "layer3"), (others, "layer2", "layer4")):
        settings = plan.settings("counterfactual", study="first")
        assert (settings["layer"], settings["inject"], settings["decode"]) == ("layer3", inject, decode)
        assert plan.settings("decoder", study="first")["layer"] == decode
        concepts = plan.settings("concept_pictures", study="first")
        assert (concepts["layer"], concepts["decode"]) == ("layer3", decode)
        assert plan.settings("attribute", study="first", shard="0")["layer"] == "layer3"
        [check] = plan.settings("check_layers", jobs=[{"study": "first"}])["checks"]
        assert check["functions"] == ["conceptrast.counterfactual.before_start:check_entry"]
    without = plan_of({"architecture": "resnet10"}, layer="layer3")
    [check] = without.settings("check_layers", jobs=[{"study": "first"}])["checks"]
    assert check["functions"] == []
