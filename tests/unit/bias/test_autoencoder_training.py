"""Training in three phases: losses by hand, who rests, when a phase ends, resuming, divergence."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch

from conceptrast.base.errors import ModelError
from conceptrast.bias import adversarial_losses
from conceptrast.bias import autoencoder_training as module_under_test
from conceptrast.bias.adversarial_losses import Balance, critic_loss, losses, weighted
from conceptrast.bias.autoencoder import Autoencoder, Passed, plain_preprocess
from conceptrast.bias.autoencoder_phases import PHASES, AutoencoderOptions, Phase, best_epoch, next_phase
from conceptrast.bias.autoencoder_training import Players, split_held_out, train_autoencoder
from conceptrast.data.dataset import open_dataset
from conceptrast.models.training_pictures import TrainingPictures

ENTRY = {"kind": "rotated_pair", "train": 44, "validation": 4}
DATASET = open_dataset(ENTRY)
TABLE = DATASET.build_index().table
OPTIONS = AutoencoderOptions(reconstruction=2, adversarial=1, classification=2, batch_size=16)
LN2 = math.log(2)


def pictures(batch_size: int = OPTIONS.batch_size) -> TrainingPictures:
    return TrainingPictures(DATASET, TABLE[TABLE["split"] == "train"], plain_preprocess(8), batch_size)


def trained(checkpoint=None, options=OPTIONS, seed=0, key=""):
    network = Autoencoder(8, seed)
    history = train_autoencoder(
        autoencoder=network,
        pictures=pictures(options.batch_size),
        options=options,
        checkpoint=checkpoint,
        seed=seed,
        key=key,
    )
    return network, history.drop(columns="seconds")


@pytest.fixture(scope="module")
def undisturbed():
    return trained()


def same_weights(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


def test_the_weights_of_the_phases_are_the_published_ones():
    weights = {phase.name: (phase.reconstruction, phase.adversarial, phase.classification) for phase in PHASES}
    assert weights == {
        "reconstruction": (1, 0, 0.001),
        "adversarial": (0.1, 1, 0.001),
        "classification": (0.01, 0.24, 0.75),
    }


def test_losses_of_a_batch_by_hand():
    wanted = torch.zeros(2, 3, 1, 1)
    decoded = torch.tensor([0.2, 1.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    passed = Passed(torch.tensor([[1.0], [3.0]]), decoded, torch.tensor([0.0, 2.0]))
    # The critic's logit for a mean of 2 is 1.
    loss_terms = losses(passed, wanted, torch.tensor([0, 1]), lambda statistics: statistics[:, :1] - 1)
    # Huber: a square below 0.5, a straight line above it
    assert float(loss_terms["reconstruction"]) == pytest.approx((0.5 * 0.2**2 + 0.5 * (1.0 - 0.25)) / 2)
    assert float(loss_terms["adversarial"]) == pytest.approx(math.log(1 + math.exp(-1)))
    assert float(loss_terms["classification"]) == pytest.approx((LN2 + math.log(1 + math.exp(-2))) / 2)
    total = weighted(loss_terms, Phase("any", 2.0, 3.0, 5.0))
    expected = 2 * loss_terms["reconstruction"] + 3 * loss_terms["adversarial"] + 5 * loss_terms["classification"]
    assert float(total) == pytest.approx(float(expected))
    assert float(losses(passed, wanted, torch.tensor([0, 1]), None)["adversarial"]) == 0


def test_the_critics_loss_weighs_real_samples_six_to_four_and_gives_codes_no_gradient():
    codes = torch.full((4, 1), 3.0, requires_grad=True)
    normal = torch.zeros(4, 1)
    loss = critic_loss(lambda statistics: statistics[:, :1], codes, normal)  # logits: 0 for real ones, 3 for codes
    assert float(loss) == pytest.approx(0.6 * LN2 + 0.4 * math.log(1 + math.exp(3)))
    assert not loss.requires_grad


def test_a_player_that_is_ahead_rests_until_it_is_not():
    balance = Balance()
    for _ in range(30):
        balance.observe(critic=LN2, encoder=0.1)
    assert (balance.critic_rests, balance.encoder_rests) == (False, True)
    for _ in range(30):
        balance.observe(critic=LN2, encoder=1.0)
    assert not balance.encoder_rests
    balance.observe(critic=0.0, encoder=1.0)
    assert not balance.critic_rests  # one step is not a lead


@pytest.mark.parametrize(("ahead", "moves"), [("critic", "autoencoder"), ("encoder", "critic")])
def test_who_rests_is_not_moved_by_the_game(ahead, moves):
    players = Players(Autoencoder(8), OPTIONS, seed=0)
    players.autoencoder.train()
    players.balance.recent.copy_(torch.tensor([0.0, 1.0] if ahead == "critic" else [1.0, 0.0]))
    before = {
        name: [part.clone() for part in getattr(players, name).parameters()] for name in ("autoencoder", "critic")
    }
    only_game = Phase("adversarial", 0.0, 1.0, 0.0) if ahead == "critic" else Phase("adversarial", 0.1, 1.0, 0.0)
    views = torch.randint(0, 255, (8, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(8) % 2
    seen = module_under_test._step(
        players=players,
        views=views,
        labels=labels,
        phase=only_game,
        precision="float32",
        normal_samples=torch.Generator().manual_seed(1),
    )
    moved = {
        name: any(not torch.equal(a, b) for a, b in zip(before[name], getattr(players, name).parameters(), strict=True))
        for name in before
    }
    assert moved[moves]
    assert moved["critic"] == (ahead == "encoder")
    assert seen["critic_rested"] == (ahead == "critic")
    assert seen["encoder_rested"] == (ahead == "encoder")


def test_an_encoder_that_rests_gets_no_gradient_of_the_game():
    views = torch.randint(0, 255, (8, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(8) % 2
    without = Phase("adversarial", 0.1, 0.0, 0.001)
    results = []
    for phase, recent in ((PHASES[1], [1.0, 0.0]), (without, [1.0, 1.0])):
        players = Players(Autoencoder(8), OPTIONS, seed=0)
        players.autoencoder.train()
        players.balance.recent.copy_(torch.tensor(recent))
        module_under_test._step(
            players=players,
            views=views,
            labels=labels,
            phase=phase,
            precision="float32",
            normal_samples=torch.Generator().manual_seed(1),
        )
        results.append(players.autoencoder)
    assert same_weights(*results)


def rows(phase: str, *held_out: float) -> list[dict[str, object]]:
    return [{"phase": phase, "held_out_loss": loss} for loss in held_out]


def test_phases_follow_each_other_and_end_early_without_progress():
    options = AutoencoderOptions(reconstruction=5, adversarial=3, classification=4, patience=2)
    assert next_phase([], options).name == "reconstruction"
    flat = rows("reconstruction", 1.0, 0.5, 0.499, 0.498)  # less than 1 % better twice
    assert next_phase(flat[:3], options).name == "reconstruction"
    assert next_phase(flat, options).name == "adversarial"
    rising = flat + rows("adversarial", 1.0, 2.0)
    assert next_phase(rising, options).name == "adversarial"  # its loss says nothing about progress
    over = rising + rows("adversarial", 3.0)
    assert next_phase(over, options).name == "classification"
    assert next_phase(over + rows("classification", 1.0, 1.0, 1.0), options) is None
    assert next_phase(over + rows("classification", 4.0, 3.0, 2.0, 1.0), options) is None


def test_held_out_pictures_are_not_learnt_from_and_follow_the_seed():
    (learnt, watched), (_, again), (_, other) = (split_held_out(44, seed) for seed in (0, 0, 1))
    assert not set(learnt) & set(watched)
    assert len(watched) == 4
    assert np.array_equal(watched, again)
    assert not np.array_equal(watched, other)


def test_history_has_a_row_per_epoch_and_the_network_ends_frozen(undisturbed):
    network, history = undisturbed
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert history["phase"].tolist() == ["reconstruction"] * 2 + ["adversarial"] + ["classification"] * 2
    assert (history["critic"] > 0).tolist() == [False, False, True, True, True]
    assert history.notna().all().all()
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())


def test_it_learns_to_draw_and_to_tell_apart_what_it_is_shown():
    _, history = trained(options=AutoencoderOptions(15, 1, 10, patience=30, batch_size=10, learning_rate=0.003))
    drawn = history[history["phase"] == "reconstruction"]["reconstruction"]
    assert drawn.iloc[-1] < drawn.iloc[0] / 2
    assert history["train_accuracy"].iloc[-1] > 0.95  # chance is 0.5


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(undisturbed):
    again, history = trained()
    assert same_weights(again, undisturbed[0])
    pd.testing.assert_frame_equal(history, undisturbed[1])
    assert not same_weights(trained(seed=1)[0], undisturbed[0])


class Killed(BaseException):
    """Stands for a signal: nothing in the code may catch it."""


@pytest.mark.parametrize("steps_before", [1, 3, 5, 9])
def test_a_killed_training_resumes_to_the_same_bits(tmp_path, monkeypatch, undisturbed, steps_before):
    checkpoint = tmp_path / "c.pt"
    real = module_under_test._step
    calls = itertools.count()

    def killing(*arguments, **options):
        if next(calls) == steps_before:
            raise Killed
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module_under_test, "_step", killing)
        with pytest.raises(Killed):
            trained(checkpoint)
    assert checkpoint.exists() == (steps_before >= 2)  # two steps an epoch
    resumed, history = trained(checkpoint)
    assert same_weights(resumed, undisturbed[0])
    pd.testing.assert_frame_equal(history, undisturbed[1])


def test_a_checkpoint_of_other_settings_is_ignored(tmp_path, undisturbed):
    trained(tmp_path / "c.pt", key="another data set")
    assert same_weights(trained(tmp_path / "c.pt")[0], undisturbed[0])


def test_divergence_names_phase_epoch_and_loss_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    checkpoint = tmp_path / "c.pt"
    real = adversarial_losses.huber_loss
    calls = itertools.count()
    # Two steps and one look at the held-out pictures an epoch: the second step of epoch 3 is call 7.
    monkeypatch.setattr(
        adversarial_losses, "huber_loss", lambda *a, **k: real(*a, **k) * (math.nan if next(calls) == 7 else 1)
    )
    with pytest.raises(ModelError, match=r"diverged: loss nan in epoch 3 \(adversarial\), step 2; lower learning_rate"):
        trained(checkpoint)
    kept = torch.load(checkpoint, weights_only=True)
    assert len(kept["history"]) == 2
    assert all(value.isfinite().all() for value in kept["parts"]["autoencoder"].values())


def test_too_few_pictures_are_refused():
    few = TrainingPictures(DATASET, TABLE.iloc[:2], plain_preprocess(8), 2)
    with pytest.raises(ModelError, match="3 training pictures at least, got 2"):
        train_autoencoder(Autoencoder(8), few, OPTIONS)


def test_every_phase_starts_with_fresh_optimisers(tmp_path):
    """40 of 44 pictures in batches of 16 are two steps an epoch: what the optimiser has counted is the phase's own."""
    for epochs, counted in (((2, 0, 0), 4), ((2, 1, 0), 2), ((2, 1, 2), 4)):
        path = tmp_path / f"{epochs}.pt"
        trained(path, AutoencoderOptions(*epochs, batch_size=16))
        state = torch.load(path, weights_only=True)["parts"]["optimiser"]["state"]
        assert {int(moments["step"]) for moments in state.values()} == {counted}


def history_of(*rows):
    return [{"phase": phase, "held_out_accuracy": accuracy, "held_out_loss": loss} for phase, accuracy, loss in rows]


def test_the_best_epoch_is_of_the_last_phase_and_ties_go_to_the_lower_loss_then_the_earlier():
    assert best_epoch(history_of(("reconstruction", 1.0, 0.0), ("adversarial", 1.0, 0.0))) is None
    rows = history_of(("adversarial", 1.0, 0.0), ("classification", 0.6, 0.2), ("classification", 0.8, 0.5))
    assert best_epoch(rows) == 3
    assert best_epoch([*rows, *history_of(("classification", 0.8, 0.4))]) == 4
    assert best_epoch([*rows, *history_of(("classification", 0.8, 0.5))]) == 3


def test_the_best_weights_are_kept_also_when_a_training_is_resumed(tmp_path, monkeypatch):
    options = dataclasses.replace(OPTIONS, keep="best", classification=5, patience=9)
    network, history = trained(options=options)
    best = best_epoch(history.to_dict("records"))
    assert 3 < best < len(history)  # the test would say nothing if the last epoch were the best
    until_best = dataclasses.replace(options, classification=best - 3, keep="last")
    assert same_weights(network, trained(options=until_best)[0])

    checkpoint = tmp_path / "c.pt"
    real = module_under_test._epoch

    def killed(*arguments, epoch, **options):
        if epoch == len(history):
            raise KeyboardInterrupt
        return real(*arguments, epoch=epoch, **options)

    monkeypatch.setattr(module_under_test, "_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(checkpoint, options=options)
    monkeypatch.undo()
    resumed, again = trained(checkpoint, options=options)
    assert same_weights(resumed, network)
    assert again.equals(history)
