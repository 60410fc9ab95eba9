"""Models that see grey: what works in three channels works in one, and what does not fit is named with both numbers.

A network of three channels whose first convolution takes their mean says of grey pictures what the network of one
channel says, and so does everything that is found out about it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import conceptrast as cc
from conceptrast.ace.superpixels import segment_views
from conceptrast.attribution.images import attribute_images
from conceptrast.base.errors import ConfigError, ModelError, ShapeError
from conceptrast.concepts.recipes import Recipe
from conceptrast.contrast.insertion import inserted_views
from conceptrast.contrast.mask import MaskOptions, masked_pictures, masked_probabilities
from conceptrast.counterfactual.decoder import Decoder, read_decoder, write_decoder
from conceptrast.data.dataset import Dataset, open_dataset
from conceptrast.data.view_pixels import pixels
from conceptrast.models.inference import network_input, predict
from conceptrast.models.layers import last_spatial_layer
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.opening import as_model, load_model
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel
from conceptrast.models.training import TrainOptions, train
from conceptrast.models.training_pictures import TrainingPictures

GREY = Preprocess(28, 28, (0.13,), (0.31,))
COLOUR = Preprocess(28, 28, (0.13,) * 3, (0.31,) * 3)
DIGITS = [str(digit) for digit in range(10)]


@pytest.fixture(scope="module")
def models() -> tuple[Model, Model]:
    """LeNet, trained a little, and its twin of three channels."""
    dataset = open_dataset({"kind": "digits", "train": 500, "validation": 10}, seed=1)
    table = dataset.build_index().table
    grey, colour = (load_model("lenet", seed=6) for _ in range(2))
    parts = (TrainingPictures(dataset, part, GREY, 20) for _, part in table.groupby("split"))
    train(grey, *parts, TrainOptions(epochs=4, batch_size=20, learning_rate=0.05, precision="float32"), seed=6)
    colour.module.load_state_dict(grey.module.state_dict())
    colour.module.conv1 = nn.Conv2d(3, 6, 5, padding=2).eval().requires_grad_(False)
    colour.module.conv1.weight.copy_(grey.module.conv1.weight.expand(-1, 3, -1, -1) / 3)
    colour.module.conv1.bias.copy_(grey.module.conv1.bias)
    return grey, Model("lenet", colour.module, COLOUR, grey.class_names)


@pytest.fixture(scope="module")
def images() -> tuple[Dataset, pd.DataFrame]:
    dataset = open_dataset({"kind": "digits", "train": 0, "validation": 200}, seed=1)
    return dataset, dataset.build_index().table


@pytest.fixture(scope="module")
def predictions(models, images) -> pd.DataFrame:
    return predict(models[0], Pictures(*images, models[0]).of(images[1]["image"].to_numpy()))


@pytest.fixture(scope="module")
def frequent(predictions) -> list[int]:
    """The two classes that most pictures are predicted as."""
    counts = predictions["predicted"].value_counts()
    assert counts.iloc[1] >= 8, "the pictures must be of two classes at least"
    return [int(index) for index in counts.index[:2]]


def test_a_coloured_picture_becomes_grey_by_its_luma_and_a_grey_one_keeps_its_bytes():
    preprocess = Preprocess(None, 2, (0.5,), (0.25,))
    assert (preprocess.channels, Preprocess(None, 2, (0.5,) * 3, (0.25,) * 3).channels) == (1, 3)
    for colour, luma in (((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29), ((9, 9, 9), 9)):
        view = preprocess.view(Image.new("RGB", (2, 2), colour))
        assert view.shape == (1, 2, 2)
        assert view.unique().tolist() == [luma]
    bytes_in = np.arange(256, dtype=np.uint8).reshape(16, 16)
    whole = Preprocess(16, 16, (0.5,), (0.25,))
    for picture in (Image.fromarray(bytes_in), Image.fromarray(bytes_in).convert("RGB")):
        assert np.array_equal(whole.view(picture)[0].numpy(), bytes_in)
    assert preprocess.normalise(torch.full((1, 1, 2, 2), 255.0)).unique().tolist() == [2.0]


@pytest.mark.parametrize(("channels", "given"), [(1, 3), (3, 1)])
def test_views_of_another_number_of_channels_are_not_spread_over_the_models(channels, given):
    preprocess = Preprocess(None, 2, (0.5,) * channels, (0.25,) * channels)
    with pytest.raises(
        ShapeError, match=rf"views have {given} channels?, but mean and std of the model are of {channels}"
    ):
        preprocess.normalise(torch.zeros(1, given, 2, 2))


@pytest.mark.parametrize("place", [0, 1])
def test_a_split_of_a_model_refuses_images_of_the_other_and_names_both_numbers(models, place):
    split = SplitModel(models[place], "relu2")
    (channels, other) = ((1, 3), (3, 1))[place]
    for half in (split, split.folded()):
        assert half.prefix(torch.zeros(2, channels, 28, 28)).shape == (2, 16, 10, 10)
        with pytest.raises(
            ShapeError, match=rf"images have {other} channels?, but the network takes {channels} .*conv1"
        ):
            half.prefix(torch.zeros(2, other, 28, 28))
    small = nn.Sequential(nn.Conv2d(channels, 2, 5), nn.ReLU()).eval()
    with pytest.raises(ShapeError, match=r"a picture of 3×3 pixels is smaller than the 5×5 kernel of 0$"):
        SplitModel(small, "1").prefix(torch.zeros(1, channels, 3, 3))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):  # what goes wrong further on stays what it is
        SplitModel(models[place], "fc2").prefix(torch.zeros(1, channels, 40, 40))


def test_an_example_of_another_number_of_channels_is_refused_by_both_ways_to_cut():
    class Untraceable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 2, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.first(images) if float(images.sum()) >= 0 else self.first(-images)

    for network, layer in ((nn.Sequential(nn.Conv2d(1, 2, 3)).eval(), "0"), (Untraceable().eval(), "first")):
        assert SplitModel(network, layer, torch.zeros(2, 1, 8, 8)).prefix(torch.zeros(2, 1, 8, 8)).shape[1] == 2
        with pytest.raises(ShapeError, match="images have 3 channels, but the network takes 1"):
            SplitModel(network, layer, torch.zeros(2, 3, 8, 8))


def test_a_network_that_makes_its_pictures_grey_itself_is_left_alone():
    class Mean(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.mean(1, keepdim=True)

    network = nn.Sequential(Mean(), nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    model = as_model(network, Preprocess(8, 8, (0.5,) * 3, (0.5,) * 3))
    assert SplitModel(model, "2").prefix(torch.zeros(2, 3, 8, 8)).shape == (2, 2, 6, 6)


def test_a_bare_network_and_preprocessing_that_do_not_fit_are_refused():
    grey, colour = (nn.Sequential(nn.Conv2d(channels, 2, 8), nn.Flatten()).eval() for channels in (1, 3))
    one, three = (Preprocess(8, 8, (0.5,) * channels, (0.5,) * channels) for channels in (1, 3))
    assert as_model(grey, one).class_names == ["0", "1"]
    for network, preprocess, message in (
        (grey, three, "images have 3 channels, but the network takes 1"),
        (colour, one, "images have 1 channel, but the network takes 3"),
    ):
        with pytest.raises(ShapeError, match=message):
            as_model(network, preprocess)
        bare = Model("bare", network, preprocess, ["a", "b"])
        views = torch.zeros(1, preprocess.channels, 8, 8, dtype=torch.uint8)
        with pytest.raises(ShapeError, match=message):
            predict(bare, [(np.array([0]), views)])


def test_mean_and_std_of_other_channels_than_the_architectures_are_refused():
    with pytest.raises(ConfigError, match=r"resnet10: images have 1 channel, but the network takes 3 .*`mean` and"):
        load_model("resnet10", class_names=["a"], mean=[0.5], std=[0.5])
    with pytest.raises(ConfigError, match="lenet: images have 3 channels, but the network takes 1"):
        load_model("lenet", mean=[0.5] * 3, std=[0.5] * 3)


def test_training_pictures_are_grey_also_where_they_are_streamed_and_fit_in_a_third_of_the_memory(images):
    dataset, table = images
    kept = TrainingPictures(dataset, table, GREY, 40, memory=len(table) * 28 * 28)
    streamed = TrainingPictures(dataset, table, GREY, 40, memory=len(table) * 28 * 28 - 1)
    order = torch.arange(len(table)).flip(0)
    for (one, labels), (other, again) in zip(kept.batches(order), streamed.batches(order), strict=True):
        assert one.shape == (40, 1, 28, 28)
        assert torch.equal(one, other)
        assert torch.equal(labels, again)
    assert kept._kept is not None
    assert streamed._kept is None


def test_training_a_grey_network_on_views_of_three_channels_names_both(images):
    model = Model("grey", load_model("lenet").module, COLOUR, DIGITS)
    pictures = TrainingPictures(*images, COLOUR, 40)
    with pytest.raises(ShapeError, match="images have 3 channels, but the network takes 1"):
        train(model, pictures, pictures, TrainOptions(epochs=1, precision="float32"))


def test_the_last_spatial_layer_of_a_grey_model_is_found(models):
    assert last_spatial_layer(models[0]) == "pool2"


def test_predictions_and_attributions_are_those_of_the_twin(models, images, predictions):
    grey, colour = models
    ids = images[1]["image"].to_numpy()
    again = predict(colour, Pictures(*images, colour).of(ids))
    pd.testing.assert_frame_equal(predictions, again, rtol=1e-4)
    targets = dict(zip(predictions["image"].tolist(), predictions["predicted"].tolist(), strict=True))
    one, other = (
        attribute_images(model, "relu2", Pictures(*images, model).of(ids[:20]), targets, samples=0) for model in models
    )
    assert float(np.abs(one["raw"]).max()) > 1e-3
    for name, values in one.items():
        np.testing.assert_allclose(values, other[name], rtol=1e-3, atol=1e-4, err_msg=name)
    assert one["completeness_gap"].max() < 1e-3
    noisy = attribute_images(grey, "relu2", Pictures(*images, grey).of(ids[:4]), targets, samples=2, noise=0.2)
    assert np.isfinite(noisy["raw"]).all()


def test_an_explanation_is_that_of_the_twin_and_shows_grey_pixels(models, images, frequent):
    recipe = Recipe("small", components=3, kernel=2, stride=2, window=0.5, layout="grid", distinct=True)
    one, other = (
        cc.Study(model, images, layer="relu2", samples=0).explain(frequent[0], recipe=recipe) for model in models
    )
    assert one.prototypes.drop(columns="similarity").equals(other.prototypes.drop(columns="similarity"))
    pd.testing.assert_frame_equal(one.prediction, other.prediction, rtol=1e-3)
    for name, picture in one.assembled.items():
        assert np.array_equal(picture, other.assembled[name])
        assert picture.shape[2] == 3
        assert (picture == picture[..., :1]).all()
    assert one.plot().axes


def test_a_combined_image_of_another_size_than_a_network_with_linear_layers_takes_is_refused(models, images, frequent):
    recipe = Recipe("strip", components=3, kernel=2, stride=2, window=0.3, layout="strip")
    study = cc.Study(models[0], images, layer="relu2", samples=0)
    with pytest.raises(ModelError, match=r"lenet takes no combined image of 24×8 pixels .*`resize: input`.* 28×28$"):
        study.explain(frequent[0], recipe=recipe)
    explanation = study.explain(frequent[0], recipe=dataclasses.replace(recipe, resize="input"))
    assert explanation.assembled["all"].shape == (24, 8, 3)


def test_a_contrast_is_that_of_the_twin(models, images, frequent):
    one, other = (cc.Study(model, images, layer="relu2", samples=0).contrast(*frequent) for model in models)
    numbers = one.table().select_dtypes("number")
    pd.testing.assert_frame_equal(numbers, other.table().select_dtypes("number"), rtol=0.02, atol=1e-3)
    assert one.plot().axes


def test_concepts_are_found_among_superpixels_of_grey_pictures(models, images, frequent):
    few = {"random_images": 10, "clusters": 3, "min_segments": 4, "draws": 4}
    explanations = [
        cc.Study(model, images, layer="relu2", images_per_class=10).concepts(
            frequent[0], segments=[6], segments_as=shape, **few
        )
        for shape in ("in_place", "resized")
        for model in models
    ]
    for one, other in (explanations[:2], explanations[2:]):
        assert len(one.table()) > 0
        numbers = ["n_segments", "n_images"]
        pd.testing.assert_frame_equal(one.table()[numbers], other.table()[numbers])
        assert one.plot().axes


def test_a_segment_of_a_grey_view_is_that_of_the_coloured_one():
    view = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (1, 12, 12), np.uint8))
    masks = np.zeros((2, 12, 12), bool)
    masks[0, 2:7, 3:9] = True
    masks[1, 5:, :4] = True
    for shape in ("in_place", "resized"):
        grey = segment_views(view, masks, (0.4,), shape)
        assert grey.shape == (2, 1, 12, 12)
        coloured = segment_views(view.expand(3, -1, -1), masks, (0.4,) * 3, shape)
        assert torch.equal(grey.expand(-1, 3, -1, -1), coloured)


def test_a_crop_is_pasted_in_grey(models):
    views = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    crop = np.zeros((2, 1, 3), np.uint8)
    crop[0, 0] = (255, 0, 0)
    crop[1, 0] = (0, 255, 0)
    ids = np.array([3, 8])
    box = (1, 2, 2, 1)
    pasted = inserted_views(views, ids, crop=crop, box=box, condition="crop", model=models[0])
    assert pasted[:, 0, 1:3, 2].tolist() == [[76, 150]] * 2
    assert int(pasted.sum()) == 2 * (76 + 150)
    shuffled = inserted_views(views, ids, crop=crop, box=box, condition="shuffled", model=models[0])
    assert sorted(shuffled[0, 0, 1:3, 2].tolist()) == [76, 150]
    assert inserted_views(views, ids, crop=crop, box=box, condition="zeros", model=models[0])[
        0, 0, 1:3, 2
    ].tolist() == [33, 33]


def test_what_is_hidden_in_a_grey_picture_gets_the_value(models, images):
    grey = models[0]
    ids = images[1]["image"].to_numpy()[:3]
    views = next(Pictures(*images, grey).of(ids))[1]
    ranks = np.arange(3 * 4).reshape(3, 2, 2)
    inputs = [network_input(model, views.expand(-1, model.preprocess.channels, -1, -1)) for model in models]
    both = [
        masked_probabilities(
            model=model, images=images_of_model, ranks=ranks, classes=[0, 1], options=MaskOptions(fill=0.5)
        )
        for model, images_of_model in zip(models, inputs, strict=True)
    ]
    np.testing.assert_allclose(*both, rtol=1e-4)
    examples = {"pair": np.array([[0, 1]]), "image": ids[:1], "positions": np.array([4]), "ranks": ranks[:1]}
    masked = masked_pictures(Pictures(*images, grey), examples, fill=0.5)[0, 1]
    last = masked[max(masked)]
    assert last.shape == (28, 28, 3)
    assert last[0, 0].tolist() == [73, 73, 73]  # 255 (0.13 + 0.5 · 0.31)


def test_a_view_in_grey_is_shown_in_three_equal_channels():
    assert pixels(torch.tensor([[[5], [6]]], dtype=torch.uint8)).tolist() == [[[5, 5, 5]], [[6, 6, 6]]]


def test_a_decoder_of_grey_pictures_comes_back_from_its_file_and_moves_them(models, images, tmp_path, predictions):
    grey = models[0]
    decoder = cc.Study(grey, images, layer="relu2").decoder(
        cc.DecoderOptions(epochs=2, batch_size=20, precision="float32")
    )
    write_decoder(decoder, tmp_path / "decoder.safetensors")
    again = read_decoder(tmp_path / "decoder.safetensors")
    activations = torch.rand(2, 16, 10, 10, generator=torch.Generator().manual_seed(0))
    assert again(activations).shape == (2, 1, 28, 28)
    torch.testing.assert_close(again(activations), decoder(activations))
    assert Decoder("relu2", (16, 10, 10), (28, 28))(activations).shape == (2, 3, 28, 28)
    dataset, table = images
    picture = dataset.picture(table.iloc[0])
    other = next(index for index in range(10) if index != int(predictions["predicted"].iloc[0]))
    counterfactual = cc.Study(grey, layer="relu2").counterfactual(picture, other, decoder=again, frames=2)
    for story in counterfactual.stories:
        assert story.frames.shape == (2, 28, 28, 3)
        assert story.original.shape == (28, 28, 3)
    assert counterfactual.plot().axes
    counterfactual.save_gif(tmp_path / "way.gif", "gradient")
