"""Mistakes in a configuration: one line each, which names the key, what it got and what is right."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from conceptrast.base.errors import ConfigError
from conceptrast.plan.configuration import checked, seen_from

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "conceptrast"
CONFIG: dict[str, Any] = {
    "run": "small",
    "datasets": {"pairs": {"kind": "digit_pairs", "train": 20, "validation": 10}},
    "models": {"net": {"architecture": "resnet10", "train": {"dataset": "pairs"}}},
    "studies": {"first": {"model": "net", "dataset": "pairs", "layer": "layer3"}},
}
INSERTION: dict[str, Any] = {
    "model": "net",
    "dataset": "pairs",
    "pairs": [["a", "b"]],
    "crop": {"photograph": "cat"},
}
VIEW: dict[str, Any] = {"model": "net", "dataset": "pairs", "layer": "layer4"}
DFF: dict[str, Any] = {"model": "net", "dataset": "pairs", "layer": "layer3"}
NO_PACKAGE = "there is no installed package"

NO_CLASSES = "'models.other': a detector explains no classes of its own"
DETECTOR = {
    "architecture": "fasterrcnn_resnet50_fpn",
    "weights": "data/detector.pth",
    "extract": "backbone.body",
    "train": {"dataset": "pairs", "only": "head"},
}


def with_value(where: str, value: Any) -> dict[str, Any]:
    """The configuration with one value put in, at a path of keys."""
    config = copy.deepcopy(CONFIG)
    part = config
    *folders, last = where.split("/")
    for key in folders:
        part = part.setdefault(key, {})
    part[last] = value
    return config


def refused(config: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        checked(config, SOURCE)
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("studies/first/model", "nett", "'studies.first.model': unknown model 'nett'; nearest: net"),
        ("studies/first/dataset", "pears", "'studies.first.dataset': unknown dataset 'pears'; nearest: pairs"),
        ("studies/first/predicted_by", "nat", "'studies.first.predicted_by': unknown model 'nat'; nearest: net"),
        ("counterfactual/judge", "nett", "'counterfactual.judge': unknown model 'nett'; nearest: net"),
        ("counterfactual/reader", "nett", "'counterfactual.reader': unknown model 'nett'; nearest: net"),
        ("counterfactual/judge", 3, "key 'counterfactual.judge' got 3 (int); expected string"),
        ("counterfactual/cells", 0, "key 'counterfactual.cells': 0 "),
        ("counterfactual/limit", float("nan"), "key 'counterfactual.limit': nan "),
        ("counterfactual/limit", float("inf"), "key 'counterfactual.limit': inf is no finite number"),
        ("saliency/v", {**VIEW, "model": "nett"}, "'saliency.v.model': unknown model 'nett'; nearest: net"),
        (
            "saliency/v",
            {**VIEW, "methods": ["gradcam"]},
            "'saliency.v.methods': unknown CAM method 'gradcam'; nearest: grad_cam",
        ),
        ("saliency/v", {**VIEW, "pairs": [["a", "a"]]}, "'saliency.v.pairs': a pair needs two classes, got 'a' twice"),
        (
            "saliency/v",
            {**VIEW, "pairs": [["a", "b"]], "target": "a"},
            "'saliency.v': 'pairs' and 'target' both say what is looked at: keep one",
        ),
        (
            "saliency/v",
            {**VIEW, "pairs": [["a", "b"]], "labels": ["a"]},
            "'saliency.v': 'pairs' and 'labels' both say what is looked at: keep one",
        ),
        ("saliency/v", {**VIEW, "percentiles": [100]}, "key 'saliency.v.percentiles.0'"),
        ("saliency/v", {**VIEW, "picturs": 3}, "unknown key of a saliency view 'picturs'"),
        (
            "models/net",
            {"architecture": "lenet", "mean": [0.1, 0.2], "std": [0.1, 0.2]},
            "'models.net': got mean [0.1, 0.2] and std [0.1, 0.2]; expected one value each (grey), or three",
        ),
        (
            "models/net",
            {"architecture": "lenet", "mean": [0.1], "std": [0.1, 0.2, 0.3]},
            "'models.net': got mean [0.1] and std [0.1, 0.2, 0.3]; expected one value each",
        ),
        ("device", "cudo", "unknown value of 'device' 'cudo'; nearest: cuda"),
        ("factorization/solver", "batch", "unknown value of 'factorization.solver' 'batch'; nearest: batched"),
        ("factorization/solvr", "batched", "unknown key 'solvr'; nearest: solver (in 'factorization')"),
        ("attribution/method", "deplift", "'attribution.method': unknown method 'deplift'; nearest: deeplift"),
        ("datasets/pairs/kind", "digit_pair", "'datasets.pairs.kind': unknown kind 'digit_pair'; nearest: digit_pairs"),
        ("datasets/pairs/trian", 5, "unknown key 'trian'; nearest: train (in 'datasets.pairs')"),
        ("models/net/train", None, "'models.net.train' is empty: name a dataset, or leave out 'train'"),
        ("models/net/train/dataset", "pear", "'models.net.train.dataset': unknown dataset 'pear'; nearest: pairs"),
        ("models/net/weights", "V1", "'models.net': it has 'weights' and 'train': keep the one that is meant"),
        ("models/net/train/only", "hed", "unknown value of 'models.net.train.only' 'hed'; nearest: head"),
        (
            "models/net/train",
            {"dataset": "pairs", "only": "head", "epochs": 3},
            "unknown key beside 'only' 'epochs'; valid: dataset, only, batch_size, precision (in 'models.net.train')",
        ),
        ("models/net/extract", "body", "'models.net': extract: unknown detector 'resnet10'; nearest: "),
        ("models/other", DETECTOR | {"extract": "backbone"}, f"{NO_CLASSES}: it needs 'extract: backbone.body', got "),
        ("models/other", {"architecture": DETECTOR["architecture"]}, f"{NO_CLASSES}: it needs 'extract: backbone."),
        ("models/other", DETECTOR | {"weights": "COCO_V1"}, "'models.other': fasterrcnn_resnet50_fpn needs 'weights'"),
        ("models/other", DETECTOR | {"train": {"dataset": "pairs"}}, "'models.other': it has 'weights' and 'train': "),
        (
            "models/other",
            DETECTOR | {"train": {"dataset": "pear", "only": "head"}},
            "'models.other.train.dataset': unknown ",
        ),
        (
            "models/other",
            {key: DETECTOR[key] for key in ("architecture", "weights", "extract")},
            "'models.other': what is extracted of a detector has no head: fit one, 'train: {dataset: …, only: head}'",
        ),
        ("models/net/architecture", "resnet_10", "'models.net': unknown architecture 'resnet_10'; nearest: resnet10"),
        ("models/net/architecture", "resnet51", "'models.net': unknown architecture 'resnet51'; nearest: resnet"),
        (
            "models/other",
            {"architecture": "resnet50", "weights": "package"},
            f"'models.other': weights 'package' of resnet50: {NO_PACKAGE} resnet50-pytorch-model",
        ),
        (
            "models/other",
            {"factory": "networks:build", "weights": "package"},
            f"'models.other': weights 'package' of a factory: {NO_PACKAGE}",
        ),
        ("models/net/weights", "", "key 'models.net.weights': '' "),
        ("models/net/crop", [96], "key 'models.net.crop': [96] is too short"),
        ("models/net/crop", [96, 96, 3], "key 'models.net.crop': [96, 96, 3] is too long"),
        ("models/net/crop", [96, 1.5], "key 'models.net.crop.1' got 1.5 (float); expected integer"),
        ("models/-net", {"architecture": "resnet10"}, "key 'models': '-net' does not match"),
        ("studies/first/contrast", [["a", "a"]], "'studies.first.contrast': a pair needs two classes, got 'a' twice"),
        ("studies/first/contrast", [["a"]], "key 'studies.first.contrast.0': ['a'] is too short"),
        ("contrast/atribution", "raw", "unknown key 'atribution'; nearest: attribution (in 'contrast')"),
        ("contrast/attribution", "row", "unknown value of 'contrast.attribution' 'row'; nearest: raw"),
        ("contrast/offsets", [1, 2], "'contrast.offsets' got [1, 2]: they start with 0 and rise"),
        ("contrast/offsets", [0, 2, 1], "'contrast.offsets' got [0, 2, 1]: they start with 0 and rise"),
        ("contrast/heldout", 1, "key 'contrast.heldout': 1 "),
        ("contrast/hyperplanes", {"a": {"solver": "svm"}}, "unknown value of 'contrast.hyperplanes.a.solver' 'svm'"),
        ("contrast/hyperplanes", {"a": {"int": "zero"}}, "unknown key 'int'; nearest: init"),
        ("ace/segments", [1], "key 'ace.segments.0': 1 "),
        ("ace/segments_as", ["inplace"], "unknown value of 'ace.segments_as.0' 'inplace'; nearest: in_place"),
        ("ace/max_segments", 5, "'ace.max_segments' got 5, which is less than 'ace.min_segments' (20)"),
        ("studies/first/ace", [], "key 'studies.first.ace': [] "),
        ("insertions/x", INSERTION | {"model": "nett"}, "'insertions.x.model': unknown model 'nett'; nearest: net"),
        ("insertions/x", INSERTION | {"dataset": "pear"}, "'insertions.x.dataset': unknown dataset 'pear'"),
        ("insertions/x", INSERTION | {"pairs": [["a", "a"]]}, "'insertions.x.pairs': a pair needs two classes"),
        ("insertions/x", INSERTION | {"corner": "left"}, "unknown value of 'insertions.x.corner' 'left'"),
        (
            "insertions/x",
            INSERTION | {"crop": {"component": "studdy"}},
            "'insertions.x.crop.component': unknown study 'studdy'",
        ),
        (
            "insertions/x",
            INSERTION | {"crop": {"component": "first", "photograph": "cat"}},
            "'insertions.x.crop': it has 'component' and 'photograph': what is pasted is either a patch or a part of",
        ),
        (
            "insertions/x",
            INSERTION | {"crop": {"component": "first"}},
            "'insertions.x.pairs': study 'first' does not contrast ['a', 'b']: name the pair in its 'contrast'",
        ),
        ("insertions/x", INSERTION | {"crop": {}}, "'insertions.x.crop': a crop needs either 'photograph' or 'file'"),
        (
            "insertions/x",
            INSERTION | {"crop": {"photograph": "cats"}},
            "'insertions.x.crop': unknown photograph 'cats'; nearest: cat",
        ),
        ("dff/x", DFF | {"model": "nett"}, "'dff.x.model': unknown model 'nett'; nearest: net"),
        ("dff/x", DFF | {"dataset": "pear"}, "'dff.x.dataset': unknown dataset 'pear'"),
        ("dff/x", DFF | {"labels": ["a"], "class": 3}, "'dff.x': it has 'labels' and 'class': choose pictures by what"),
        ("dff/x", DFF | {"labels": [3]}, "key 'dff.x.labels.0' got 3 (int); expected string"),
        ("dff/x", DFF | {"components": [0]}, "key 'dff.x.components.0': 0 "),
        ("dff/x", DFF | {"components": []}, "key 'dff.x.components': [] "),
        ("dff/x", DFF | {"images": 0}, "key 'dff.x.images': 0 "),
        ("dff/x", DFF | {"layer": ""}, "key 'dff.x.layer': '' "),
        ("dff/x", DFF | {"class": -1}, "key 'dff.x.class': -1 "),
        ("dff/x", DFF | {"component": [2]}, "unknown key 'component'; nearest: components (in 'dff.x')"),
        ("dff/x", {"model": "net", "dataset": "pairs"}, "key 'layer' is missing in 'dff.x'"),
        ("studies/.first", CONFIG["studies"]["first"], "key 'studies': '.first' does not match"),
        ("datasets/_", {"kind": "digit_pairs"}, "key 'datasets': '_' does not match"),
        ("salience", {}, "unknown key 'salience'; nearest: saliency"),
        ("max_rejected", float("nan"), "key 'max_rejected': nan "),
        ("attribution/noise", float("inf"), "key 'attribution.noise': inf is no finite number"),
        ("attribution/samples", True, "key 'attribution.samples' got True (bool); expected integer"),
        ("attribution", [], "key 'attribution' got [] (list); expected object"),
        ("recipes", {"a": {"components": 6}}, "key 'layout' is missing in 'recipes.a'"),
        (
            "studies/first/window",
            "cel",
            "key 'studies.first.window' got 'cel' (str); expected 'cell' or a number",
        ),
        ("studies/first/classes", [1.5], "key 'studies.first.classes.0' got 1.5 (float); expected string or integer"),
        ("studies/first/ace", ["a", "a"], "key 'studies.first.ace': ['a', 'a'] has non-unique elements"),
        ("studies/first/inject", 3, "key 'studies.first.inject' got 3 (int); expected string"),
        ("studies/first/decode", "", "key 'studies.first.decode': '' is too short"),
        ("studies/first/injekt", "layer3", "unknown key 'injekt'; nearest: inject"),
        ("studies/first/inject", "layer2", "'studies.first.inject' is for counterfactuals, and the study has none"),
        ("models/other", {"weights": "a"}, "key 'models.other' needs either 'architecture' or 'factory'"),
    ],
)
def test_a_mistake_names_its_key_and_what_is_right(where: str, value: Any, message: str) -> None:
    assert refused(with_value(where, value))[0].startswith(f"config: {message}")


def test_a_judge_is_another_model_than_the_explained_one() -> None:
    config = with_value("counterfactual/judge", "net")
    assert checked(config, SOURCE)["counterfactual"]["judge"] == "net"  # no study asks it
    config["studies"]["first"]["counterfactual"] = [["3+7", "3+8"]]
    message = "config: 'counterfactual.judge': 'net' is the explained model of 'studies.first': name another model"
    assert refused(config) == [message]


@pytest.mark.parametrize("entry", [{}, {"architecture": "resnet50", "weights": "IMAGENET1K_V1", "extract": None}])
def test_a_head_is_fitted_to_weights_of_any_kind(entry: dict[str, Any]) -> None:
    wanted = {key: value for key, value in (DETECTOR | entry).items() if value is not None}
    filled = checked(with_value("models/other", wanted), SOURCE)["models"]["other"]["train"]
    assert filled == {"dataset": "pairs", "only": "head", "batch_size": 64, "precision": "bfloat16"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("rectify", True, "'studies.first.rectify': semi-NMF factorizes negative activations, and rectify: true sets"),
        ("contrast", [["3+7", "3+8"]], "'studies.first.contrast': its components must not be negative; take"),
        ("counterfactual", [["3+7", "3+8"]], "'studies.first.counterfactual': its components must not be negative"),
    ],
)
def test_semi_nmf_is_refused_where_components_must_not_be_negative(key: str, value: Any, message: str) -> None:
    config = with_value("factorization/solver", "semi_nmf")
    assert checked(config, SOURCE)["factorization"] == {"solver": "semi_nmf"}
    config["studies"]["first"][key] = value
    [line] = refused(config)
    assert line.startswith(f"config: {message}")


def test_every_mistake_is_said_at_once() -> None:
    config = with_value("studies/first/model", "nett")
    config["attribution"] = {"method": "deplift"}
    assert len(refused(config)) == 2


@pytest.mark.parametrize("crop", [96, [96, 64]])
@pytest.mark.parametrize("architecture", ["resnet10", "efficientnet_lite1", "vit_b_16"])
def test_what_is_right_passes(crop: Any, architecture: str) -> None:
    config = with_value("models/net/crop", crop)
    config["models"]["net"]["architecture"] = architecture
    assert checked(config, SOURCE)["models"]["net"]["crop"] == crop


def test_files_of_a_model_are_seen_from_the_run_and_names_stay() -> None:
    models = {
        "file": {"weights": "data/mine", "class_names": "data/names.txt"},
        "suffix": {"weights": "mine.tar", "class_names": ["a"]},
        "name": {"weights": "IMAGENET1K_V1"},
    }
    seen = seen_from({"datasets": {}, "models": models}, "results/x", SOURCE)["models"]
    assert seen["file"] == {"weights": "../../data/mine", "class_names": "../../data/names.txt"}
    assert seen["suffix"] == {"weights": "../../mine.tar", "class_names": ["a"]}
    assert seen["name"] == {"weights": "IMAGENET1K_V1"}


def test_the_second_half_of_the_method_has_defaults_and_solvers_too() -> None:
    filled = checked(with_value("contrast/hyperplanes", {"mine": {"init": "random"}}), SOURCE)
    assert filled["contrast"]["offsets"][0] == 0
    assert filled["contrast"]["hyperplanes"]["mine"] == {
        "solver": "gradient_descent",
        "init": "random",
        "steps": 100,
        "learning_rate": 0.01,
    }
    defaults = checked(CONFIG, SOURCE)["contrast"]["hyperplanes"]
    assert list(defaults) == ["zero", "random", "logistic"]
    assert checked(CONFIG, SOURCE)["insertions"] == {}


def test_the_file_of_a_crop_is_seen_from_the_run() -> None:
    entry = {"crop": {"file": "data/person.png"}}
    seen = seen_from({"datasets": {}, "models": {}, "insertions": {"x": entry}}, "results/x", SOURCE)
    assert seen["insertions"]["x"]["crop"]["file"] == "../../data/person.png"


ROTATED = {
    "run": "small",
    "datasets": {
        "turned": {"kind": "rotated_pair"},
        "free": {"kind": "rotated_pair", "biased": False},
        "pairs": {"kind": "digit_pairs"},
    },
    "latent_bias": {"digits": {"biased": "turned", "control": "free"}},
}


def test_a_run_may_do_without_studies_and_models():
    resolved = checked(ROTATED, SOURCE)
    assert resolved["studies"] == resolved["models"] == {}
    entry = resolved["latent_bias"]["digits"]
    assert (entry["size"], entry["seeds"], entry["resnet"]["architecture"]) == (32, [0], "resnet10")
    assert set(entry["autoencoder"]["epochs"]) == {"reconstruction", "adversarial", "classification"}


def test_a_run_may_consist_of_a_factorization_alone_which_has_defaults():
    config = {"run": "small", "datasets": CONFIG["datasets"], "models": CONFIG["models"], "dff": {"x": DFF}}
    entry = checked(config, SOURCE)["dff"]["x"]
    assert entry == {**DFF, "images": 4, "components": [2, 5, 10], "shared": False}
    assert checked(CONFIG, SOURCE)["dff"] == {}


def test_a_run_without_anything_to_do_is_refused():
    with pytest.raises(ConfigError, match="key 'studies' is missing: the run has nothing to do"):
        checked({**ROTATED, "latent_bias": {}}, SOURCE)


@pytest.mark.parametrize("architecture", ["resnet10", "resnet34", "resnext50_32x4d", "wide_resnet50_2"])
def test_a_comparison_of_latent_spaces_takes_any_resnet(architecture):
    entry = {**ROTATED["latent_bias"]["digits"], "resnet": {"architecture": architecture}}
    assert checked({**ROTATED, "latent_bias": {"digits": entry}}, SOURCE)


RESNET = "'latent_bias.digits.resnet.architecture': unknown ResNet or EfficientNet"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"biased": "trned"}, "'latent_bias.digits.biased': unknown dataset 'trned'; nearest: turned"),
        (
            {"control": "pairs"},
            "'latent_bias.digits.control': dataset 'pairs' is of kind digit_pairs; it needs rotated",
        ),
        ({"control": "turned"}, "'latent_bias.digits.control': dataset 'turned' needs `biased: false`"),
        ({"biased": "free"}, "'latent_bias.digits.biased': dataset 'free' needs `biased: true`"),
        ({"size": 64}, "'latent_bias.digits.size': size 64: strides 2, 4, 4, … bring only 8, 32, 128, 512 pixels"),
        ({"resnet": {"architecture": "resnet35"}}, f"{RESNET} 'resnet35'; nearest: resnet"),
        ({"resnet": {"architecture": "mobilenet_v2"}}, f"{RESNET} 'mobilenet_v2'; nearest: wide_resnet50_2"),
        (
            {"resnet": {"architecture": "resnet10", "weights": "package"}},
            "resnet.weights': weights 'package' of resnet10",
        ),
        ({"resnet": {"weights": ""}}, "latent_bias.digits.resnet.weights"),
        ({"autoencoder": {"keep": "first"}}, "latent_bias.digits.autoencoder.keep"),
        (
            {"autoencoder": {"decoder": "publishd"}},
            "'latent_bias.digits.autoencoder.decoder' 'publishd'; nearest: published",
        ),
        (
            {"autoencoder": {"encoder": {"model": "nett", "layer": "layer3"}}},
            "'latent_bias.digits.autoencoder.encoder.model': unknown model 'nett'; nearest: net",
        ),
        (
            {"autoencoder": {"encoder": {"model": "net"}}},
            "key 'layer' is missing in 'latent_bias.digits.autoencoder.encoder'",
        ),
        ({"redraw": "often"}, "latent_bias.digits.redraw"),
        ({"resnet": {"architecture": "fasterrcnn_resnet50_fpn"}}, f"{RESNET} 'fasterrcnn_resnet50_fpn'; nearest: wide"),
        ({"seeds": []}, "key 'latent_bias.digits.seeds': [] "),
        ({"autoencoder": {"epoch": 3}}, "unknown key 'epoch'; nearest: epochs (in 'latent_bias.digits.autoencoder')"),
    ],
)
def test_mistakes_in_a_comparison_of_latent_spaces_are_named(change, message):
    entry = {**ROTATED["latent_bias"]["digits"], **change}
    with pytest.raises(ConfigError) as error:
        checked({**ROTATED, "models": CONFIG["models"], "latent_bias": {"digits": entry}}, SOURCE)
    assert message in str(error.value)


def test_options_of_a_dataset_inside_another_are_checked_and_its_root_moves():
    inner = {"kind": "pets", "root": "data/pets"}
    config = copy.deepcopy(ROTATED)
    config["datasets"]["turned"]["pictures"] = inner
    moved = seen_from(checked(config, SOURCE), "results/x", SOURCE)
    assert moved["datasets"]["turned"]["pictures"]["root"] == "../../data/pets"
    config["datasets"]["turned"]["pictures"] = {"kind": "pets", "rot": "data/pets"}
    with pytest.raises(ConfigError, match=r"unknown key 'rot'; nearest: root \(in 'datasets.turned.pictures'\)"):
        checked(config, SOURCE)


SHORTCUT = {
    "concept": "portrait",
    "planted": "3+7",
    "attacked": "3+8",
    "crop": {"photograph": "astronaut", "size": 32},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attacked": "3+7"}, "'studies.s.shortcut.attacked': it is the class in which the thing was planted"),
        ({"corner": "middle"}, "studies.s.shortcut.corner"),
        ({"crop": {}}, "'studies.s.shortcut.crop': a crop needs either 'photograph' or 'file'"),
        ({"concpt": "x"}, "unknown key 'concpt'; nearest: concept"),
    ],
)
def test_mistakes_in_a_shortcut_are_named(change, message):
    study = {"model": "m", "dataset": "pairs", "layer": "layer3", "shortcut": {**SHORTCUT, **change}}
    config = {"run": "r", "datasets": {"pairs": {"kind": "digit_pairs"}}, "models": {"m": {"architecture": "resnet10"}}}
    with pytest.raises(ConfigError, match=re.escape(message)):
        checked({**config, "studies": {"s": study}}, SOURCE)


def test_a_shortcut_needs_pictures_whose_things_are_known():
    study = {"model": "m", "dataset": "d", "layer": "layer3", "shortcut": SHORTCUT}
    config = {"run": "r", "datasets": {"d": {"kind": "digits"}}, "models": {"m": {"architecture": "resnet10"}}}
    with pytest.raises(ConfigError, match="it is not known what pictures of kind digits show"):
        checked({**config, "studies": {"s": study}}, SOURCE)
