"""The body of a detector as a plain classifier: the same activations, from checkpoints as people save them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from conceptrast.base.errors import ConfigError, LayerError, ModelError
from conceptrast.base.torchvision_ops import torchvision
from conceptrast.models import DETECTORS
from conceptrast.models.opening import family_of, load_model, open_model
from conceptrast.models.split import SplitModel
from conceptrast.models.weights import write_state

from .faster_rcnn import faster_rcnn, narrow_bottlenecks

NAME = "fasterrcnn_resnet50_fpn"
NAMES = ["mitotic figure", "hard negative"]
IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def narrow() -> Iterator[pytest.MonkeyPatch]:
    """Both the detector's body and the plain network have narrow blocks; `narrow.undo()` gives the whole one."""
    with narrow_bottlenecks() as patch:
        yield patch


@pytest.fixture(scope="module")
def source() -> nn.Module:
    with narrow_bottlenecks(), torch.random.fork_rng():
        torch.manual_seed(0)
        return faster_rcnn()


@pytest.fixture(scope="module")
def checkpoint(source: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.save(source.state_dict(), path := tmp_path_factory.mktemp("detector") / "detector.pth")
    return path


def opened(path: Path, **options):
    return load_model(NAME, path, class_names=NAMES, extract="backbone.body", input_size=64, **options)


def stages(network: nn.Module) -> dict[str, Tensor]:
    """What the four stages of a ResNet give."""
    outputs: dict[str, Tensor] = {}
    names = [f"layer{number}" for number in range(1, 5)]
    hooks = [
        getattr(network, name).register_forward_hook(lambda _, __, output, name=name: outputs.update({name: output}))
        for name in names
    ]
    with torch.no_grad():
        network(IMAGES)
    for hook in hooks:
        hook.remove()
    return outputs


def test_activations_are_those_of_the_detectors_body(source: nn.Module, checkpoint: Path) -> None:
    expected = stages(source.backbone.body)
    outputs = stages(opened(checkpoint).module)
    for name in expected:
        assert expected[name].std() > 1e-3
        scale = float(expected[name].abs().max())
        torch.testing.assert_close(outputs[name], expected[name], rtol=1e-4, atol=1e-5 * scale)


def test_batch_norms_that_add_nothing_are_an_option(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        bare = faster_rcnn(eps=0.0)
    bare.backbone.body.bn1.running_var.fill_(1e-5)  # where the addend matters most
    torch.save(bare.state_dict(), path := tmp_path / "coco.pth")
    expected = stages(bare.backbone.body)["layer4"]
    plain, exact = (stages(opened(path, options=options).module)["layer4"] for options in ({}, {"norm_eps": 0}))
    torch.testing.assert_close(exact, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert (plain - expected).abs().max() > 0.01 * expected.abs().max()
    with pytest.raises(ConfigError, match=r"unknown option of fasterrcnn_resnet50_fpn 'eps'; .*norm_eps"):
        opened(path, options={"eps": 0})
    with pytest.raises(ConfigError, match=r"norm_eps of .* 0 or more; got -1"):
        opened(path, options={"norm_eps": -1})


@pytest.mark.parametrize(("nest", "prefix"), [("model", ""), (None, "module."), ("state_dict", "model.")])
def test_checkpoints_as_people_save_them(source: nn.Module, tmp_path: Path, nest: str | None, prefix: str) -> None:
    whole = source.state_dict()
    state = {prefix + name: value for name, value in whole.items() if not name.startswith("roi_heads.box_head.fc6")}
    torch.save(state if nest is None else {nest: state, "epoch": 3}, path := tmp_path / "detector.pth")
    body = source.backbone.body.state_dict()
    weights = opened(path).module.state_dict()
    assert all(torch.equal(weights[name], body[name]) for name in body)


def test_safetensors_and_batch_norms_that_were_trained(tmp_path: Path) -> None:
    body = torchvision.models.resnet50(num_classes=1).state_dict()  # counters of batches included
    state = {f"backbone.body.{name}": value for name, value in body.items() if not name.startswith("fc.")}
    write_state(state | {"head.regression_head.bbox_reg.bias": torch.ones(36)}, path := tmp_path / "net.safetensors")
    part = {"extract": "backbone.body", "input_size": 64}
    model = load_model("retinanet_resnet50_fpn_v2", path, class_names=NAMES, **part)
    assert torch.equal(model.module.layer4[2].conv3.weight, body["layer4.2.conv3.weight"])


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_has_this_body_and_prepares_pictures_so(name: str, narrow: pytest.MonkeyPatch) -> None:
    narrow.undo()
    family = family_of(name)
    with torch.device("meta"):  # shapes without values
        whole = torchvision.models.get_model(name, weights=None, weights_backbone=None)
        module = family.network(2, (800, 800))
    shapes = {key: value.shape for key, value in module.state_dict().items() if not key.startswith("fc.")}
    body = whole.get_submodule(DETECTORS[name]).state_dict()
    assert {key: value.shape for key, value in body.items()} == shapes
    assert shapes["layer4.2.conv2.weight"] == (512, 512, 3, 3)
    transform = whole.transform
    preprocess = family.preprocess(None)
    assert preprocess.resize == preprocess.crop == transform.min_size[-1]
    assert [list(preprocess.mean), list(preprocess.std)] == [transform.image_mean, transform.image_std]


def test_a_tile_is_prepared_as_the_detector_prepares_it(source: nn.Module) -> None:
    smooth = np.add.outer(np.arange(512), np.arange(512)) / 4  # no detail below a pixel of either grid
    tile = np.stack([smooth, smooth[::-1], 255 - smooth], axis=2).astype(np.uint8)
    images, _ = source.transform([torch.from_numpy(tile.transpose(2, 0, 1)).float() / 255])
    preprocess = family_of(NAME).preprocess(None)
    normalised = preprocess.normalise(preprocess.view(Image.fromarray(tile))[None])
    assert images.tensors.shape == normalised.shape
    assert (images.tensors - normalised).abs().max() < 1.5 / 255 / 0.22  # rounding to bytes, in units of the deviation


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["backbone.body2.conv1.weight", "rpn.head.weight"], "they hold backbone, rpn; nearest: backbone.body2, back"),
        (["features.0.weight", "classifier.1.bias"], "they hold classifier, features; valid: classifier"),
        (["module.backbone.bodies.conv1.weight"], "they hold backbone; nearest: backbone.bodies"),
    ],
)
def test_a_checkpoint_without_a_body_says_what_it_holds(tmp_path: Path, names: list[str], message: str) -> None:
    torch.save({name: torch.ones(1) for name in names}, path := tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"other\.pth have no part 'backbone\.body', .*whole network") as error:
        opened(path)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (NAME, r"own: set 'extract: backbone\.body'$"),
        (
            "resnet50",
            r"own: set 'extract: backbone\.body' and name the detector as 'architecture', e\.g\. fasterrcnn_resnet50",
        ),
    ],
)
def test_a_whole_detector_without_its_part_is_told_what_to_extract(
    checkpoint: Path, architecture: str, message: str
) -> None:
    with pytest.raises(ModelError, match=r"detector\.pth are those of a whole detector, .* " + message):
        load_model(architecture, checkpoint, class_names=NAMES)


def test_a_head_that_was_fitted_is_opened_by_its_file_alone(checkpoint: Path, tmp_path: Path) -> None:
    fitted = opened(checkpoint)
    write_state(fitted.module.state_dict(), path := tmp_path / "fitted.safetensors")
    again = load_model(NAME, path, class_names=NAMES, input_size=64)
    assert torch.equal(again.module(IMAGES), fitted.module(IMAGES))


def test_a_classifier_in_place_of_the_detector_is_said_to_be_one(tmp_path: Path) -> None:
    state = {name: torch.zeros(1) for name in family_of(NAME).network(2, (64, 64)).state_dict()}
    torch.save(state, path := tmp_path / "classifier.pth")
    with pytest.raises(ModelError, match="they are the part itself, or the network made of it"):
        opened(path)


def test_a_body_that_lacks_a_stage_is_refused(source: nn.Module, tmp_path: Path) -> None:
    state = {name: value for name, value in source.state_dict().items() if ".layer4." not in name}
    torch.save(state, path := tmp_path / "cut.pth")
    with pytest.raises(ModelError, match=r"do not fit fasterrcnn_resnet50_fpn: \d+ missing \(layer4\.0\.conv1"):
        opened(path)


def test_a_new_head_follows_the_seed(checkpoint: Path) -> None:
    one, other = (opened(checkpoint, seed=seed).module.fc.weight for seed in (1, 2))
    assert one.shape == (2, 2048)
    assert not torch.equal(one, other)


def test_weights_that_were_fitted_further_are_those_of_the_plain_network(checkpoint: Path, tmp_path: Path) -> None:
    entry = {"architecture": NAME, "weights": str(checkpoint), "extract": "backbone.body", "input_size": 64}
    first = open_model(entry, class_names=NAMES)
    first.module.fc.weight.fill_(0.5)
    write_state(first.module.state_dict(), path := tmp_path / "fitted.safetensors")
    entry["weights"] = "not/here/any/more.pth"
    again = open_model(entry | {"train": {"dataset": "d", "only": "head"}}, path, NAMES)
    assert torch.equal(again.module(IMAGES), first.module(IMAGES))


def test_a_study_cuts_whole_blocks_and_is_told_which(checkpoint: Path) -> None:
    model = opened(checkpoint)
    for layer, positions in (("layer4.2", 2), ("layer3.5", 4)):
        split = SplitModel(model, layer)
        activations = split.prefix(IMAGES)
        assert activations.shape[2:] == (positions, positions)
        assert split.rectified
        torch.testing.assert_close(split.suffix(activations), model.module(IMAGES), rtol=1e-4, atol=1e-4)
    with pytest.raises(LayerError, match=r"'layer4\.1' also .* can be cut: layer4\.2 \(the whole block\), layer4\.1,"):
        SplitModel(model, "layer4.2.conv1")
