"""An encoder that starts from layers of a classifier: its start, its pictures, its training, what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from conceptrast.base.errors import ConfigError, LayerError, ModelError
from conceptrast.bias.autoencoder import Autoencoder, as_input
from conceptrast.bias.autoencoder_phases import AutoencoderOptions
from conceptrast.bias.autoencoder_training import train_autoencoder
from conceptrast.bias.backbone import Backbone, BackboneEncoder, blank_backbone, open_backbone
from conceptrast.bias.encoders import CODE
from conceptrast.data.dataset import open_dataset
from conceptrast.models import load_model
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.split import SplitModel
from conceptrast.models.training_pictures import TrainingPictures
from conceptrast.models.weights import fit, write_state

ENTRY = {"architecture": "resnet10", "input_size": 32, "seed": 3}
LAYER = "layer3"


def backbone(**changed) -> Backbone:
    return open_backbone({"model": ENTRY | changed, "layer": LAYER})


def noise(n: int = 4, size: int = 32) -> Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_it_sees_large_pictures_and_decodes_small_ones():
    network = Autoencoder(8, backbone=backbone()).eval()
    assert network.preprocess.size == (32, 32)
    passed = network(noise())
    assert passed.codes.shape == (4, CODE)
    assert passed.decoded.shape == (4, 3, 8, 8)
    assert passed.codes.min() >= 0


def test_the_target_of_decoding_is_the_mean_of_the_pixels_that_it_covers():
    pictures = noise()
    blocks = pictures.view(4, 3, 8, 4, 8, 4).mean(dim=(3, 5))
    torch.testing.assert_close(Autoencoder(8, backbone=backbone()).target(pictures), blocks)
    assert Autoencoder(32).target(pictures) is pictures


def test_it_starts_from_the_weights_of_the_classifier():
    start = backbone()
    state = start.model.module.state_dict()
    trunk = BackboneEncoder(start).trunk.state_dict()
    assert "conv1.weight" in trunk
    assert not [name for name in trunk if name.startswith(("layer4", "fc"))]
    assert all(torch.equal(value, state[name]) for name, value in trunk.items())


def test_pictures_are_normalised_as_for_the_classifier():
    start = backbone()
    views = (255 * noise()).round().to(torch.uint8)
    encoder = BackboneEncoder(start).eval()
    expected = SplitModel(start.model, LAYER).prefix(start.model.preprocess.normalise(views))
    torch.testing.assert_close(encoder(as_input(views)), encoder.head(expected))


def test_nothing_of_a_picture_is_cropped():
    start = backbone(resize=40, crop=32)
    assert (start.preprocess.resize, start.preprocess.size) == (32, (32, 32))
    assert backbone(interpolation="bicubic").preprocess.interpolation == "bicubic"


def test_the_gradient_reaches_its_first_layer_and_a_step_leaves_the_classifier_alone():
    start = backbone()
    before = {name: value.clone() for name, value in start.model.module.state_dict().items()}
    network = Autoencoder(8, backbone=start).train()
    passed = network(noise(8))
    (passed.decoded.mean() + passed.logits.sum()).backward()
    gradients = {name: part.grad for name, part in network.encoder.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    assert gradients["trunk.conv1.weight"].abs().sum() > 0
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    assert not torch.equal(network.encoder.trunk.state_dict()["conv1.weight"], before["conv1.weight"])
    assert all(torch.equal(value, before[name]) for name, value in start.model.module.state_dict().items())


def test_seeds_share_the_backbone_and_differ_in_the_rest():
    one, other = (Autoencoder(8, seed, backbone=backbone()).state_dict() for seed in (0, 1))
    differing = {name.split(".")[1] for name in one if not torch.equal(one[name], other[name])}
    assert "trunk" not in differing
    assert not torch.equal(one["encoder.head.0.weight"], other["encoder.head.0.weight"])


def test_weights_come_from_the_file_of_a_trained_model(tmp_path: Path):
    trained = load_model("resnet10", class_names=list("abcde"), input_size=32, seed=9)
    write_state(trained.module.state_dict(), tmp_path / "trained.safetensors")
    expected = trained.module.state_dict()["conv1.weight"]
    entry = ENTRY | {"train": {"dataset": "pairs"}}
    by_workflow = open_backbone({"model": entry, "layer": LAYER}, tmp_path / "trained.safetensors")
    by_user = backbone(weights=str(tmp_path / "trained.safetensors"))
    assert all(
        torch.equal(start.model.module.state_dict()["conv1.weight"], expected) for start in (by_workflow, by_user)
    )


def test_where_the_head_alone_was_fitted_the_weights_are_those_below_it(tmp_path: Path):
    published, fitted = (load_model("resnet10", class_names=["a", "b"], input_size=32, seed=seed) for seed in (1, 2))
    write_state(published.module.state_dict(), tmp_path / "published.safetensors")
    write_state(fitted.module.state_dict(), tmp_path / "fitted.safetensors")
    entry = ENTRY | {"weights": str(tmp_path / "published.safetensors"), "train": {"dataset": "pairs", "only": "head"}}
    start = open_backbone({"model": entry, "layer": LAYER}, tmp_path / "fitted.safetensors")
    state = start.model.module.state_dict()
    assert torch.equal(state["conv1.weight"], published.module.state_dict()["conv1.weight"])


def test_published_weights_start_an_encoder():
    settings = {
        "model": {"architecture": "efficientnet_lite0", "weights": "package", "input_size": 32},
        "layer": "_blocks.4",
    }
    start = open_backbone(settings)
    trunk = BackboneEncoder(start).trunk.state_dict()
    published = load_model("efficientnet_lite0", "package").module.state_dict()
    assert all(torch.equal(value, published[name]) for name, value in trunk.items())
    assert start.preprocess.interpolation == "bicubic"


def test_a_trained_one_is_read_into_a_network_of_random_weights(tmp_path: Path):
    trained = Autoencoder(8, seed=4, decoder="published", backbone=backbone()).eval()
    blank = Autoencoder(8, decoder="published", backbone=blank_backbone({"model": ENTRY, "layer": LAYER}))
    fit(blank, trained.state_dict(), "the autoencoder", "a file")
    for part, expected in zip(blank.eval()(noise()), trained(noise()), strict=True):
        torch.testing.assert_close(part, expected)


def test_training_changes_the_backbone_and_is_resumed_with_the_same_bits(tmp_path: Path):
    dataset = open_dataset({"kind": "rotated_pair", "train": 44, "validation": 4})
    table = dataset.build_index().table
    options = AutoencoderOptions(1, 1, 2, batch_size=16, keep="best")

    def trained(options: AutoencoderOptions) -> dict[str, Tensor]:
        network = Autoencoder(8, backbone=backbone())
        pictures = TrainingPictures(dataset, table[table["split"] == "train"], network.preprocess, options.batch_size)
        train_autoencoder(network, pictures, options, checkpoint=tmp_path / "checkpoint.pt")
        return network.state_dict()

    state = trained(options)
    again = trained(options)
    assert all(torch.equal(value, again[name]) for name, value in state.items())
    start = backbone().model.module.state_dict()["conv1.weight"]
    assert not torch.equal(state["encoder.trunk.conv1.weight"], start)


def test_a_model_whose_pictures_the_autoencoder_does_not_have_is_refused():
    grey = Backbone(load_model("lenet", class_names=["a", "b"]), "relu2")
    with pytest.raises(ConfigError, match="takes grey pictures"):
        BackboneEncoder(grey)
    with pytest.raises(ConfigError, match="32×48 pixels; the autoencoder's are squares"):
        BackboneEncoder(backbone(resize=48, crop=[32, 48]))
    with pytest.raises(ConfigError, match="pictures of 32 pixels, fewer than the 128 that are decoded: raise"):
        Autoencoder(128, backbone=backbone())


def test_a_layer_that_cannot_end_an_encoder_is_refused():
    model = backbone().model
    with pytest.raises(LayerError, match=r"layer 'fc' gives activations \[2\] without positions"):
        BackboneEncoder(Backbone(model, "fc"))
    with pytest.raises(LayerError, match="unknown layer 'layer33'; nearest: layer3"):
        BackboneEncoder(Backbone(model, "layer33"))


class Branching(nn.Module):
    """A network whose control flow depends on values, so that it cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, pictures: Tensor) -> Tensor:
        activations = self.convolution(pictures)
        if activations.sum() > 0:
            activations = -activations
        return self.head(activations.mean(dim=(2, 3)))


def test_a_network_that_cannot_be_traced_is_refused():
    model = Model("branching", Branching(), Preprocess(8, 8, (0.5,) * 3, (0.5,) * 3), ["a", "b"])
    with pytest.raises(ModelError, match="cannot be traced, so its first layers cannot become a network"):
        BackboneEncoder(Backbone(model, "convolution"))
