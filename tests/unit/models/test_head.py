"""A head that is fitted alone: what logistic regression gives, on any network that ends in a linear layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from conceptrast.base.errors import ModelError
from conceptrast.data.loose_pictures import OpenPictures
from conceptrast.models.head import fit_head, inputs_of
from conceptrast.models.inference import network_input
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.opening import load_model, open_model
from conceptrast.models.training_pictures import TrainingPictures
from conceptrast.models.weights import read_state, write_state

PREPROCESS = Preprocess(None, 4, (0.5,) * 3, (0.25,) * 3)
WEIGHTS = ("IMAGENET1K_V1", "IMAGENET1K_V2")
COLOURS = [(200, 60, 60), (60, 190, 70), (80, 60, 210)]


def coloured(n_classes: int, count: int, seed: int) -> tuple[OpenPictures, pd.DataFrame]:
    """Pictures of one colour each; their classes overlap."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % n_classes
    colours = np.clip(np.array(COLOURS)[labels] + draw.normal(0, 70, (count, 3)), 0, 255).astype(np.uint8)
    dataset = OpenPictures([Image.new("RGB", (4, 4), tuple(map(int, colour))) for colour in colours])
    return dataset, dataset.build_index().table.assign(label=labels)


def pictures(n_classes: int, count: int = 60, seed: int = 0) -> TrainingPictures:
    return TrainingPictures(*coloured(n_classes, count, seed), PREPROCESS, 16)


def of_means(n_classes: int, *after: nn.Module, bias: bool = True) -> Model:
    """A network whose features are the mean colour and one that never varies."""
    layers = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.ConstantPad1d((0, 1), 7.0), nn.Linear(4, n_classes, bias=bias)]
    return Model("means", nn.Sequential(*layers, *after), PREPROCESS, ["red", "green", "blue"][:n_classes])


def views(of: TrainingPictures) -> Tensor:
    return torch.cat([batch for batch, _ in of.batches(torch.arange(len(of)))])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_are_those_of_scikit_learns_pipeline(n_classes: int) -> None:
    model = of_means(n_classes)
    training = pictures(n_classes)
    validation = pictures(n_classes, 31, seed=1)
    history = fit_head(model, training, validation)
    splits = (training, validation)
    means = {part: network_input(model, views(part)).mean(dim=(2, 3)).numpy() for part in splits}
    expected = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    expected.fit(means[training], training.labels)
    for part, column in ((training, "train_accuracy"), (validation, "validation_accuracy")):
        probabilities = model.module(network_input(model, views(part))).softmax(dim=1)
        np.testing.assert_allclose(probabilities, expected.predict_proba(means[part]), atol=1e-3)
        assert history[column].item() == pytest.approx(expected.score(means[part], part.labels))
    assert 0.5 < history["validation_accuracy"].item() < 1  # the classes overlap: neither chance nor trivial
    right = expected.predict_proba(means[training])[np.arange(len(training)), training.labels]
    assert history["train_loss"].item() == pytest.approx(-np.log(right).mean(), abs=1e-3)
    assert list(history.columns) == ["epoch", "train_loss", "train_accuracy", "validation_accuracy", "seconds"]
    assert model.module[3].weight[:, 3].abs().max() < 1e-6  # what never varies says nothing


def test_two_classes_have_opposite_logits() -> None:
    model = of_means(2)
    fit_head(model, pictures(2), pictures(2))
    torch.testing.assert_close(model.module[3].weight[0], -model.module[3].weight[1])
    torch.testing.assert_close(model.module[3].bias[0], -model.module[3].bias[1])


def test_only_the_head_changes_and_nothing_stays_on_it() -> None:
    model = load_model("resnet10", class_names=["red", "green"], input_size=32, seed=1)
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    training = TrainingPictures(*coloured(2, 20, 0), model.preprocess, 16)
    fit_head(model, training, training)
    changed = {name for name, value in model.module.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"fc.weight", "fc.bias"}
    assert not any(part._forward_pre_hooks or part._forward_hooks for part in model.module.modules())
    assert not model.module.training
    assert not any(weight.requires_grad for weight in model.module.parameters())
    with pytest.raises(ZeroDivisionError), inputs_of(model.module.fc):
        raise ZeroDivisionError
    assert not model.module.fc._forward_pre_hooks


def test_the_same_pictures_give_the_same_weights() -> None:
    one = of_means(3)
    other = of_means(3)
    torch.manual_seed(5)
    for model in (one, other):
        fit_head(model, pictures(3), pictures(3, seed=1))
    assert torch.equal(one.module[3].weight, other.module[3].weight)


class Doubled(nn.Module):
    """Ends in a linear layer whose output is not the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return 2 * self.fc(x.mean(dim=(2, 3)))


@pytest.mark.parametrize(
    ("model", "training", "validation", "message"),
    [
        (of_means(2, bias=False), pictures(2), pictures(2), "where it is a torch.nn.Linear with a bias; .* is 3: Lin"),
        (of_means(2, nn.Unflatten(1, (2, 1, 1)), nn.Conv2d(2, 2, 1)), pictures(2), pictures(2), "is 5: Conv2d"),
        (of_means(2, nn.Softmax(dim=1)), pictures(2), pictures(2), "logits are not what its last layer Linear"),
        (Model("net", Doubled(), PREPROCESS, ["a", "b"]), pictures(2), pictures(2), "logits are not what its last"),
        (of_means(2), pictures(3), pictures(2), "means has 2 outputs, but the dataset has label 2"),
        (of_means(3), pictures(2), pictures(3), r"1 of 3 classes \(blue\) have no picture in the split 'train'"),
        (of_means(2), pictures(2), pictures(2, 0), "no pictures in its split 'validation'"),
    ],
)
def test_what_cannot_be_fitted_says_why(
    model: Model, training: TrainingPictures, validation: TrainingPictures, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        fit_head(model, training, validation)


def test_features_that_are_not_finite_are_refused() -> None:
    model = of_means(2)
    model.module[2].value = float("inf")
    with pytest.raises(ModelError, match="features that are not finite"):
        fit_head(model, pictures(2), pictures(2))


def test_published_weights_keep_their_body_and_preprocessing(tmp_path: Path) -> None:
    entry = {"architecture": "efficientnet_lite1", "weights": "package"}
    whole = open_model(entry)
    probe = open_model(entry, class_names=["a", "b"], new_head=True)
    assert (whole.module._fc.out_features, probe.module._fc.out_features) == (1000, 2)
    assert probe.class_names == ["a", "b"]
    assert torch.equal(probe.module._conv_head.weight, whole.module._conv_head.weight)
    write_state(probe.module.state_dict(), path := tmp_path / "probe.safetensors")
    again = open_model(entry | {"train": {"dataset": "d", "only": "head"}}, path, ["a", "b"])
    assert again.preprocess == whole.preprocess
    assert set(read_state(path)) == set(again.module.state_dict())


def test_the_recipe_of_published_weights_prepares_the_pictures_of_their_probe(tmp_path: Path) -> None:
    name = "mobilenet_v3_large"  # whose second weights were made on pictures resized to 232 in place of 256 pixels
    write_state(load_model(name, class_names=["a", "b"]).module.state_dict(), path := tmp_path / "probe.safetensors")
    resize = [load_model(name, weights, trained=path, class_names=["a", "b"]).preprocess.resize for weights in WEIGHTS]
    assert resize == [256, 232]
