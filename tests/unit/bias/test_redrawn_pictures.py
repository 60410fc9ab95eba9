"""Angles that are drawn anew in every epoch: their ranges, their seed, and who sees them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conceptrast.base.errors import ConfigError
from conceptrast.bias.autoencoder import Autoencoder, plain_preprocess
from conceptrast.bias.autoencoder_phases import AutoencoderOptions
from conceptrast.bias.autoencoder_training import split_held_out, train_autoencoder
from conceptrast.bias.redrawn_pictures import RedrawnPictures, training_pictures
from conceptrast.data.dataset import open_dataset
from conceptrast.models.training_pictures import TrainingPictures


def redrawn(biased=True, seed=0, n=40):
    dataset = open_dataset({"kind": "rotated_pair", "train": n, "validation": 0, "biased": biased})
    return RedrawnPictures(dataset, dataset.build_index().table, plain_preprocess(8), batch_size=8, seed=seed)


@pytest.mark.parametrize("biased", [True, False])
def test_angles_of_every_epoch_stay_in_the_ranges_of_the_condition(biased):
    pictures = redrawn(biased, n=200)
    for epoch in (1, 2):
        table = pictures.of_epoch(epoch).table
        for label, low, high in ((0, 0, 90 if biased else 180), (1, 90 if biased else 0, 180)):
            rotation = table.loc[table["label"] == label, "rotation"]
            assert rotation.between(low, high).all()
            assert rotation.max() - rotation.min() > 0.9 * (high - low)
        assert table.drop(columns="rotation").equals(pictures.table.drop(columns="rotation"))


def test_angles_follow_seed_and_epoch_and_views_follow_the_angles():
    one = redrawn(seed=3)
    again = redrawn(seed=3)
    other = redrawn(seed=4)
    assert one.of_epoch(2).table.equals(again.of_epoch(2).table)
    assert not one.of_epoch(2).table.equals(one.of_epoch(1).table)
    assert not one.of_epoch(2).table.equals(other.of_epoch(2).table)
    first, second = (torch.cat(list(one.of_epoch(epoch).in_order())) for epoch in (1, 2))
    assert not torch.equal(first, second)
    views = torch.cat(list(one.in_order()))
    plain = TrainingPictures(one.dataset, one.table, one.preprocess, 8)
    assert torch.equal(views, torch.cat(list(plain.in_order())))
    assert plain.of_epoch(7) is plain


def test_an_autoencoder_learns_from_new_angles_and_is_watched_at_those_of_the_index(monkeypatch):
    seen = []
    real = TrainingPictures.batches

    def noted(self, order):
        seen.append((self.table["rotation"].to_numpy(), order.numpy()))
        return real(self, order)

    monkeypatch.setattr(TrainingPictures, "batches", noted)
    pictures = redrawn()
    train_autoencoder(Autoencoder(8), pictures, AutoencoderOptions(2, 0, 0, batch_size=12))
    rows = split_held_out(40, 0)
    learnt = seen[0::2]
    watched = seen[1::2]
    for epoch, (rotation, order) in enumerate(learnt, start=1):
        assert np.array_equal(rotation, pictures.of_epoch(epoch).table["rotation"])
        assert set(order) == set(rows.training)
    for rotation, order in watched:
        assert np.array_equal(rotation, pictures.table["rotation"])
        assert set(order) == set(rows.held_out)


def test_other_kinds_of_pictures_are_refused_and_without_a_seed_nothing_is_redrawn():
    pairs = open_dataset({"kind": "digit_pairs", "train": 4, "validation": 0})
    table = pairs.build_index().table
    with pytest.raises(ConfigError, match="rotated_pair alone"):
        training_pictures(pairs, table, plain_preprocess(8), 2, redraw_seed=0)
    assert type(training_pictures(pairs, table, plain_preprocess(8), 2)) is TrainingPictures
