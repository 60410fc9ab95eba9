"""Models by name: weights from files, shapes of activations, and what bad names get."""

import urllib.request
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from conceptrast.base.errors import ConfigError, ModelError
from conceptrast.base.files import file_md5
from conceptrast.models.opening import load_model, missing, open_model
from conceptrast.models.weights import write_state

IMAGES = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
NAMES = [f"class {number}" for number in range(5)]


@pytest.fixture(scope="module")
def source():
    return load_model("resnet10", class_names=NAMES, seed=5)


def test_resnet10_has_the_positions_that_the_studies_need(source):
    shapes = {}
    for layer in ("layer3", "layer4"):
        getattr(source.module, layer).register_forward_hook(
            lambda _module, _inputs, output, layer=layer: shapes.update({layer: tuple(output.shape[2:])})
        )
    source.module(IMAGES)
    assert shapes == {"layer3": (6, 6), "layer4": (3, 3)}


def test_fresh_weights_follow_the_seed_and_leave_the_global_state_alone():
    before = torch.get_rng_state()
    one, same, other = (load_model("resnet10", class_names=NAMES, seed=seed).module for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.conv1.weight, same.conv1.weight)
    assert not torch.equal(one.conv1.weight, other.conv1.weight)


@pytest.mark.parametrize("nest", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "module.model."])
def test_weights_come_back_from_torch_files(tmp_path, source, nest, prefix):
    state = {prefix + name: value for name, value in source.module.state_dict().items()}
    torch.save(state if nest is None else {nest: state, "epoch": 3}, path := tmp_path / "weights.pth")
    model = load_model("resnet10", path, class_names=NAMES)
    assert torch.equal(model.module(IMAGES), source.module(IMAGES))
    assert model.digest == file_md5(path)


def test_weights_come_back_from_safetensors(tmp_path, source):
    state = {name: value.contiguous() for name, value in source.module.state_dict().items()}
    save_file(state, path := tmp_path / "weights.safetensors")
    model = load_model("resnet10", str(path), class_names=NAMES)
    assert torch.equal(model.module(IMAGES), source.module(IMAGES))


def test_checkpoint_of_the_robustness_package_gives_its_plain_network(tmp_path, source):
    state = {}
    for name, value in source.module.state_dict().items():
        state[f"module.model.{name}"] = value
        state[f"module.attacker.model.{name}"] = value + 1
    for where in ("normalizer", "attacker.normalize"):
        state |= {f"module.{where}.new_mean": torch.zeros(3, 1, 1), f"module.{where}.new_std": torch.ones(3, 1, 1)}
    torch.save({"model": state, "optimizer": {}, "epoch": 105}, path := tmp_path / "robust.pt")
    model = load_model("resnet10", path, class_names=NAMES)
    assert torch.equal(model.module(IMAGES), source.module(IMAGES))


class Opaque:
    """What a training script may leave in its checkpoint."""


def test_file_with_python_objects_is_not_unpickled(tmp_path, source):
    torch.save({"model": source.module.state_dict(), "args": Opaque()}, path := tmp_path / "weights.pt")
    with pytest.raises(ModelError, match=r"no plain torch checkpoint.*convert it once.*\.safetensors"):
        load_model("resnet10", path, class_names=NAMES)


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 cut off"])
def test_damaged_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=name):
        load_model("resnet10", tmp_path / name, class_names=NAMES)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"model": {}}])
def test_file_without_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"weights\.pth holds"):
        load_model("resnet10", tmp_path / "weights.pth", class_names=NAMES)


def test_weights_of_another_architecture_name_what_differs(tmp_path, source):
    torch.save(source.module.state_dict(), path := tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"do not fit vgg11: .*missing \(features.0.weight.*unexpected \(conv1.weight"):
        load_model("vgg11", path, class_names=NAMES)
    with pytest.raises(ModelError, match=r"do not fit resnet18: .* missing \(layer1.1.conv1.weight"):
        load_model("resnet18", path, class_names=NAMES)


def test_weights_of_another_shape_name_both_shapes(tmp_path, source):
    state = source.module.state_dict() | {"conv1.weight": torch.zeros(64, 1, 7, 7)}
    torch.save(state, path := tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"conv1.weight \(64, 1, 7, 7\) instead of \(32, 3, 7, 7\)"):
        load_model("resnet10", path, class_names=NAMES)


def test_outputs_of_a_file_are_counted(tmp_path, source):
    torch.save(source.module.state_dict(), path := tmp_path / "weights.pth")
    with pytest.raises(ModelError, match="has 5 outputs, but 3 class names are given"):
        load_model("resnet10", path, class_names=["a", "b", "c"])
    big = load_model("resnet18", seed=1)
    torch.save(big.module.state_dict(), path)
    # a data set of ten ImageNet classes does not make a model of ten outputs
    assert len(open_model({"architecture": "resnet18", "weights": str(path)}, class_names=NAMES).class_names) == 1000


def test_old_checkpoints_without_batch_counters_fit(tmp_path, source):
    state = {key: value for key, value in source.module.state_dict().items() if "num_batches" not in key}
    torch.save(state, path := tmp_path / "weights.pth")
    assert torch.equal(load_model("resnet10", path, class_names=NAMES).module(IMAGES), source.module(IMAGES))


@pytest.mark.parametrize(
    ("architecture", "weights", "message"),
    [
        ("resnet51", None, "unknown model 'resnet51'; nearest: resnet50"),
        ("efficientnet_light0", None, "nearest: efficientnet_lite0"),
        ("resnet50", "IMAGENET1K_V3", "unknown weights of resnet50 'IMAGENET1K_V3'; nearest: IMAGENET1K_V2"),
        ("resnet10", "IMAGENET1K_V1", "unknown weights of resnet10"),
        ("efficientnet_lite0", "IMAGENET1K_V1", "valid: package; or a .pth"),
        ("resnet50", "no/such/file.pth", "no/such/file.pth does not exist"),
        ("resnet10", None, "no class names of its own"),
    ],
)
def test_bad_names_are_answered_with_good_ones(architecture, weights, message):
    with pytest.raises(ModelError, match=message):
        load_model(architecture, weights)


@pytest.mark.parametrize(
    ("architecture", "options", "message"),
    [
        ("resnet18", {}, r"extract: unknown detector 'resnet18'; valid: fasterrcnn_resnet50_fpn, "),
        ("resnet18", {"weights": "IMAGENET1K_V1"}, "extract: unknown detector 'resnet18'"),
        (
            "fasterrcnn_resnet50_fpn",
            {},
            "fasterrcnn_resnet50_fpn needs 'weights', a .pth .*and 'extract: backbone.body'",
        ),
        ("fasterrcnn_resnet50_fpn", {"extract": None}, "needs 'weights', a .pth .*and 'extract: backbone.body'"),
        ("fasterrcnn_resnet50_fpn", {"extract": "backbone"}, "it needs 'extract: backbone.body', got 'backbone'"),
    ],
)
def test_a_part_that_cannot_be_taken_is_refused_as_in_the_configuration(architecture, options, message):
    with pytest.raises(ModelError, match=message):
        load_model(architecture, **{"extract": "backbone.body", "class_names": NAMES, **options})


def test_weights_that_cannot_be_downloaded_say_to_give_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(
        urllib.request, "_opener", None
    )  # it keeps the proxies of its first use, for all later tests too
    for variable in ("http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # the discard port: nobody answers
    with pytest.raises(ModelError, match=r"cannot be downloaded .*give the \.pth file as `weights`"):
        load_model("squeezenet1_1", "IMAGENET1K_V1")


def test_preprocessing_options_replace_the_models_own():
    settings = {"architecture": "resnet50", "resize": 224, "crop": 224, "mean": [0.1, 0.2, 0.3]}
    preprocess = open_model(settings, class_names=NAMES).preprocess
    assert (preprocess.resize, preprocess.size, preprocess.mean) == (224, (224, 224), (0.1, 0.2, 0.3))
    bytes_as_they_are = {"architecture": "resnet50", "resize": None, "interpolation": "nearest"}
    assert open_model(bytes_as_they_are, class_names=NAMES).preprocess.resize is None
    with pytest.raises(ConfigError, match="unknown option of a model 'resise'; nearest: resize"):
        load_model("resnet10", class_names=NAMES, resise=3)


def test_a_model_that_the_workflow_trains_needs_its_weights(tmp_path, source):
    entry = {"architecture": "resnet10", "train": {"dataset": "digit_pairs"}}
    with pytest.raises(ModelError, match="trained by the workflow"):
        open_model(entry, class_names=NAMES)
    torch.save(source.module.state_dict(), path := tmp_path / "weights.pth")
    assert open_model(entry, path, NAMES).class_names == NAMES


@pytest.mark.parametrize(
    ("content", "message"), [(None, "does not exist"), ("{", "is not JSON"), ("[1]", "must hold a JSON list")]
)
def test_a_file_of_class_names_holds_a_list_of_names(tmp_path, content, message):
    path = tmp_path / "names.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ModelError, match=rf"names\.json {message}"):
        open_model({"architecture": "resnet10", "class_names": str(path)})


@pytest.mark.parametrize("entry", [{}, {"architecture": "resnet10", "factory": "a:b"}])
def test_an_entry_says_what_it_is(entry):
    with pytest.raises(ConfigError, match="either `architecture`"):
        open_model(entry)


def test_preflight_names_what_is_missing(tmp_path):
    path = tmp_path / "weights.pth"
    entry = {"architecture": "resnet50", "weights": str(path)}
    assert missing(entry) == f"resnet50: weights file {path} does not exist"
    (tmp_path / "weights.pth.dvc").write_text("outs:\n- md5: 0123456789abcdef0123456789abcdef\n  path: weights.pth\n")
    assert missing(entry).endswith("`dvc pull` brings it")
    path.write_bytes(b"weights")
    assert missing(entry) is None
    assert "unknown model" in missing({"architecture": "resnet51"})


@pytest.mark.parametrize("text", ["hello text", "<html>404</html>", "version https://git-lfs.github.com/spec/v1"])
def test_a_text_in_place_of_weights_is_said_to_be_no_checkpoint(tmp_path: Path, text: str) -> None:
    path = tmp_path / "weights.pth"
    path.write_text(text)
    with pytest.raises(ModelError, match="is no torch checkpoint: it starts with") as error:
        load_model("resnet10", path, class_names=["a", "b"])
    assert "weights_only" not in str(error.value)


@pytest.mark.parametrize("architecture", ["lenet", "squeezenet1_1", "mobilenet_v3_small"])
def test_every_weight_of_an_opened_network_comes_from_its_file(tmp_path, architecture):
    """What a network draws at first is left out where a file replaces it, so nothing else may be left in its place."""
    drawn = load_model(architecture, class_names=NAMES, seed=3)
    write_state(drawn.module.state_dict(), path := tmp_path / "weights.safetensors")
    opened = load_model(architecture, path, class_names=NAMES)
    state = opened.module.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in drawn.module.state_dict().items())
    images = torch.zeros(1, drawn.preprocess.channels, *drawn.preprocess.size)
    assert torch.equal(opened.module(images), drawn.module(images))
