"""Training a decoder: it learns, resumes to the same bits, stops when it diverges; how pictures are measured."""

from __future__ import annotations

import pytest
import torch

from conceptrast.base.errors import ModelError
from conceptrast.counterfactual import decoder_training
from conceptrast.counterfactual.decoder import decoded_input
from conceptrast.counterfactual.decoder_reconstruction import mean_picture, reconstruction_rows, reconstruction_summary
from conceptrast.counterfactual.decoder_training import DecoderOptions, reconstruction_errors, train_decoder
from conceptrast.data.dataset import open_dataset
from conceptrast.models.opening import load_model
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel
from conceptrast.models.training_pictures import TrainingPictures

DATASET = open_dataset({"kind": "digit_pairs", "train": 32, "validation": 8}, seed=2)
TABLE = DATASET.build_index().table
OPTIONS = DecoderOptions(epochs=3, batch_size=16, width=16, precision="float32")


@pytest.fixture(scope="module")
def model():
    return load_model("resnet10", class_names=DATASET.class_names, input_size=32, seed=1)


@pytest.fixture(scope="module")
def split(model):
    return SplitModel(model, "layer2")


def trained(model, split, options=OPTIONS, checkpoint=None, seed=0):
    train = TABLE[TABLE["split"] == "train"]
    pictures = TrainingPictures(DATASET, train, model.preprocess, options.batch_size)
    return train_decoder(model=model, split=split, training=pictures, options=options, checkpoint=checkpoint, seed=seed)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_it_learns_what_it_is_shown(model):
    split = SplitModel(model, "layer1")
    options = DecoderOptions(epochs=60, batch_size=16, width=16, learning_rate=0.02, precision="float32")
    decoder, history = trained(model, split, options)
    assert history["loss"].iloc[-1] < history["loss"].iloc[0] / 2
    for name in ("pixels", "perceptual", "moved", "verdict"):
        assert history[name].iloc[-1] < history[name].iloc[0], name
    pictures = Pictures(DATASET, TABLE, model, batch_size=16)
    ids = TABLE[TABLE["split"] == "train"]["image"].to_numpy()
    rows = reconstruction_rows(
        model=model,
        split=split,
        decoder=decoder,
        batches=pictures.of(ids),
        mean=mean_picture(views for _, views in pictures.of(ids)),
    )
    summary = reconstruction_summary(rows).set_index("baseline")
    assert summary.loc["none", "psnr_mean"] > summary.loc["mean_picture", "psnr_mean"] + 1
    assert summary.loc["none", "ssim_mean"] > summary.loc["mean_picture", "ssim_mean"] + 0.05


def test_the_perceptual_term_brings_the_activations_nearer(model, split):
    plain, seen = (
        trained(model, split, DecoderOptions(epochs=8, batch_size=16, width=16, perceptual=w, precision="float32"))[0]
        for w in (0.0, 3.0)
    )
    pictures = Pictures(DATASET, TABLE, model, batch_size=32)
    [(_, views)] = pictures.of(TABLE[TABLE["split"] == "train"]["image"].to_numpy())
    activations = split.prefix(model.preprocess.normalise(views))

    def error(decoder):
        again = split.prefix(decoded_input(model, decoder(activations)))
        return float((again - activations).abs().mean())

    assert error(seen) < 0.9 * error(plain)


def test_errors_are_means_and_the_second_is_relative():
    one = torch.rand(2, 3, 4, 4)
    other = torch.rand(2, 3, 4, 4)
    activations = torch.full((2, 1, 1, 1), 4.0)
    pixels, seen = reconstruction_errors(one, other, activations, activations - 1)
    assert float(pixels) == pytest.approx(float((one - other).abs().mean()))
    assert float(seen) == pytest.approx(0.25)


class Killed(BaseException):
    """Stands for a signal: nothing in the code may catch it."""


def test_a_killed_training_resumes_to_the_same_bits(model, split, tmp_path, monkeypatch):
    whole, epochs = trained(model, split)
    path = tmp_path / "c.pt"
    real = decoder_training._step
    steps = iter(range(100))

    def dying(*arguments):
        if next(steps) == 3:
            raise Killed
        return real(*arguments)

    monkeypatch.setattr(decoder_training, "_step", dying)
    with pytest.raises(Killed):
        trained(model, split, checkpoint=path)
    monkeypatch.setattr(decoder_training, "_step", real)
    resumed, history = trained(model, split, checkpoint=path)
    assert same(resumed, whole)
    assert history.drop(columns="seconds").equals(epochs.drop(columns="seconds"))


def test_the_seed_decides_and_neither_the_global_state_nor_the_model_is_touched(model, split):
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    torch.manual_seed(99)
    state = torch.get_rng_state()
    one, other = (
        trained(model, split, DecoderOptions(1, 16, width=16, precision="float32"), seed=s)[0] for s in (0, 1)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert not same(one, other)
    assert all(torch.equal(before[name], value) for name, value in model.module.state_dict().items())
    assert not model.module.training


def test_a_diverging_training_stops_and_keeps_the_last_good_epoch(model, split, tmp_path, monkeypatch):
    path = tmp_path / "c.pt"
    rate = decoder_training.learning_rate_at
    monkeypatch.setattr(
        decoder_training, "learning_rate_at", lambda step, *rest: 1e30 if step >= 2 else rate(step, *rest)
    )
    with pytest.raises(
        ModelError, match=r"decoder of layer2 diverged: loss (nan|inf) in epoch 2, step \d.*lower learning"
    ):
        trained(model, split, checkpoint=path)
    kept = torch.load(path, weights_only=True)
    assert [row["epoch"] for row in kept["history"]] == [1]
    assert all(value.isfinite().all() for value in kept["parts"]["decoder"].values())


def test_no_pictures_are_refused(model, split):
    nothing = TrainingPictures(DATASET, TABLE[TABLE["split"] == "test"], model.preprocess, 8)
    with pytest.raises(ModelError, match="no pictures to learn from"):
        train_decoder(model, split, nothing, OPTIONS)


def test_every_epoch_has_an_order_of_its_own(model, split):
    class Recorded(TrainingPictures):
        def batches(self, order):
            orders.append(order.tolist())
            return super().batches(order)

    orders: list[list[int]] = []
    pictures = Recorded(DATASET, TABLE[TABLE["split"] == "train"], model.preprocess, OPTIONS.batch_size)
    train_decoder(model, split, pictures, OPTIONS)
    assert len({tuple(order) for order in orders}) == OPTIONS.epochs
    assert all(sorted(order) == list(range(32)) for order in orders)
