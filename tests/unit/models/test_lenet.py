"""LeNet: the layers of the paper, sizes other than its own, and that it learns to read digits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from torch.nn.functional import conv2d, linear, max_pool2d

from conceptrast.base.errors import ConfigError
from conceptrast.data.dataset import open_dataset
from conceptrast.data.packaged import handwritten_digits
from conceptrast.models.layers import cuttable_layers
from conceptrast.models.opening import load_model
from conceptrast.models.split import SplitModel
from conceptrast.models.training import TrainOptions, train
from conceptrast.models.training_pictures import TrainingPictures
from conceptrast.models.weights import write_state

CONFIG = yaml.safe_load((Path(__file__).resolve().parents[3] / "config" / "config.yaml").read_text())


LAYERS = ("conv1", "pool1", "relu2", "pool2")


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        *(("conv1", (6, 28, 28)), ("relu1", (6, 28, 28)), ("pool1", (6, 14, 14)), ("conv2", (16, 10, 10))),
        *(("relu2", (16, 10, 10)), ("pool2", (16, 5, 5)), ("flatten", (400,)), ("fc1", (120,)), ("fc2", (84,))),
    ],
)
def test_every_layer_has_the_shape_of_the_paper_and_can_be_cut_at(layer, shape):
    model = load_model("lenet")
    split = SplitModel(model, layer)
    assert split.prefix(torch.zeros(2, 1, 28, 28)).shape[1:] == shape
    assert split.rectified == (layer in ("relu1", "pool1", "relu2", "pool2", "flatten"))
    assert layer in cuttable_layers(model)


def test_logits_are_those_of_the_formula():
    model = load_model("lenet", seed=4)
    w = model.module.state_dict()
    images = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    # the paper's own way: the digit in the middle of 32×32 pixels, of the value that the padding has
    maps = max_pool2d(conv2d(torch.nn.functional.pad(images, (2,) * 4), w["conv1.weight"], w["conv1.bias"]).relu(), 2)
    maps = max_pool2d(conv2d(maps, w["conv2.weight"], w["conv2.bias"]).relu(), 2)
    hidden = linear(linear(maps.flatten(1), w["fc1.weight"], w["fc1.bias"]).relu(), w["fc2.weight"], w["fc2.bias"])
    expected = linear(hidden.relu(), w["fc3.weight"], w["fc3.bias"])
    torch.testing.assert_close(model.module(images), expected)


@pytest.mark.parametrize("size", [12, 13, 32, 33, (28, 40)])
def test_other_sizes_and_numbers_of_classes_get_layers_that_fit(size):
    side = {"input_size": size} if isinstance(size, int) else {"resize": None, "crop": size}
    model = load_model("lenet", class_names=["a", "b", "c"], **side)
    assert model.module(torch.zeros(2, 1, *model.preprocess.size)).shape == (2, 3)


def test_without_padding_the_layers_have_the_shapes_of_28_pixels():
    """28 → 24 → 12 → 8 → 4: Grad-CAM at ``relu2`` has 8×8 positions."""
    model = load_model("lenet", options={"padding": 0})
    shapes = {layer: tuple(SplitModel(model, layer).prefix(torch.zeros(1, 1, 28, 28)).shape[1:]) for layer in LAYERS}
    assert shapes == {"conv1": (6, 24, 24), "pool1": (6, 12, 12), "relu2": (16, 8, 8), "pool2": (16, 4, 4)}
    assert model.module(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    # Inside, far from the edges, the padded network computes the same.
    padded = load_model("lenet", seed=1).module
    plain = load_model("lenet", seed=1, options={"padding": 0}).module
    plain.conv1.load_state_dict(padded.conv1.state_dict())
    images = torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain.conv1(images), padded.conv1(images)[:, :, 2:-2, 2:-2])


def test_other_paddings_and_options_are_refused():
    for padding in (1, True, "2"):
        with pytest.raises(ConfigError, match="lenet: padding must be 0 or 2, got"):
            load_model("lenet", options={"padding": padding})
    with pytest.raises(ConfigError, match="unknown option of lenet 'pading'; nearest: padding"):
        load_model("lenet", options={"pading": 0})
    with pytest.raises(ConfigError, match="lenet needs pictures of 16 pixels a side or more; got 15×15"):
        load_model("lenet", options={"padding": 0}, input_size=15)


def test_pictures_too_small_for_it_are_refused():
    with pytest.raises(ConfigError, match="lenet needs pictures of 12 pixels a side or more; got 11×11"):
        load_model("lenet", input_size=11)


def test_mean_and_std_are_those_of_the_digits_whatever_is_held_out():
    (mean,) = load_model("lenet").preprocess.mean
    (std,) = load_model("lenet").preprocess.std
    pictures, _ = handwritten_digits()
    table = open_dataset({"kind": "digits"}).build_index().table
    learnt = [int(path.partition(":")[2]) for path in table[table["split"] == "train"]["path"]]
    for part in (pictures, pictures[learnt]):
        assert (round(float(part.mean()) / 255, 2), round(float(part.std()) / 255, 2)) == (mean, std)


def test_a_file_of_ten_outputs_reads_digits_and_others_need_names(tmp_path):
    path = tmp_path / "lenet.safetensors"
    write_state(load_model("lenet", seed=3).module.state_dict(), path)
    assert load_model("lenet", path).class_names == [str(digit) for digit in range(10)]
    assert load_model("lenet", path, class_names=list("abcdefghij")).class_names == list("abcdefghij")


def test_the_default_run_trains_it_to_read_at_least_96_percent_of_held_out_digits():
    entry = CONFIG["models"]["lenet"]
    dataset = open_dataset(CONFIG["datasets"][entry["train"]["dataset"]], CONFIG["seed"])
    table = dataset.build_index().table
    model = load_model(entry["architecture"], seed=CONFIG["seed"])
    options = TrainOptions.of(entry["train"], CONFIG["precision"])
    parts = (
        TrainingPictures(dataset, table[table["split"] == split], model.preprocess, options.batch_size)
        for split in ("train", "validation")
    )
    history = train(model, *parts, options, seed=CONFIG["seed"])
    assert (table["split"] == "validation").sum() == 1000
    assert history["validation_accuracy"].iloc[-1] >= 0.96
