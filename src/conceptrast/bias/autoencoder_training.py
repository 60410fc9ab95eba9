"""Training the adversarial autoencoder, phase after phase.

Each epoch draws the order of the pictures and the normal samples from the seed and its own number. So a checkpoint only
needs the networks, the optimisers, the recent losses and the number of epochs done. On a CPU, a resumed training ends
with the same bits as an undisturbed one.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from conceptrast.base.errors import ModelError
from conceptrast.base.progress import progress
from conceptrast.base.streams import Stream, generator
from conceptrast.bias.adversarial_losses import Balance, critic_loss, losses, weighted
from conceptrast.bias.autoencoder import Autoencoder, as_input, critic
from conceptrast.bias.autoencoder_phases import AutoencoderOptions, Phase, best_epoch, next_phase
from conceptrast.bias.encoders import CODE
from conceptrast.models.checkpoints import Checkpoint
from conceptrast.models.inference import autocast
from conceptrast.models.training_pictures import TrainingPictures
from conceptrast.models.weight_gradients import exact_weight_gradients

LOGGER = logging.getLogger("conceptrast")

HELD_OUT = 0.1
"""Share of the training pictures that are held out. They only tell when a phase has ended."""


class Rows(NamedTuple):
    """Rows of the training pictures."""

    training: np.ndarray
    """To learn from."""
    held_out: np.ndarray
    """They only tell when a phase has ended, and which epoch is the best."""


class Players:
    """The networks of a training with their optimisers."""

    def __init__(self, autoencoder: Autoencoder, options: AutoencoderOptions, seed: int) -> None:
        self.autoencoder = autoencoder
        self.critic = critic(seed)
        self.balance = Balance()
        self.critic.to(next(autoencoder.parameters()).device)
        rate = options.learning_rate
        self.optimiser = torch.optim.Adam(autoencoder.parameters(), lr=rate)
        self.critics_optimiser = torch.optim.Adam(self.critic.parameters(), lr=rate)
        self.best = copy.deepcopy(autoencoder) if options.keep == "best" else None

    def forget(self) -> None:
        """Clear the optimisers' memory. If it held losses a hundred times smaller, their first steps would be huge."""
        self.optimiser.state.clear()
        self.critics_optimiser.state.clear()

    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        """The parts of a checkpoint."""
        networks: dict[str, nn.Module] = {
            "autoencoder": self.autoencoder,
            "critic": self.critic,
            "balance": self.balance,
        }
        if self.best is not None:
            networks["best"] = self.best
        return {**networks, "optimiser": self.optimiser, "critics_optimiser": self.critics_optimiser}


def train_autoencoder(
    autoencoder: Autoencoder,
    pictures: TrainingPictures,
    options: AutoencoderOptions,
    checkpoint: Path | None = None,
    seed: int = 0,
    key: str = "",
) -> pd.DataFrame:
    """Train the weights of ``autoencoder`` in place, phase after phase.

    Args:
        autoencoder: the autoencoder, on the device where it is trained. It ends frozen and in evaluation mode.
        pictures: the pictures to learn from. A tenth of them, drawn by the seed, only tells when a phase has ended, and
            which epoch is the best.
        options: how to train; every phase starts with fresh optimisers.
        checkpoint: the file that is written after every epoch, and from which training resumes. The caller removes it
            after keeping the weights.
        seed: the seed of the critic's weights, of all orders and of the normal samples.
        key: everything else that the result depends on; a checkpoint with another key is ignored.

    Returns:
        One row per epoch: epoch (1-based, over all phases), phase, reconstruction, adversarial, classification, critic
        (mean losses while learning; 0 where the phase has none), critic_rested, encoder_rested (shares of the steps),
        train_accuracy, held_out_loss (of the phase), held_out_accuracy, seconds.

    Raises:
        ModelError: there are too few pictures, or a loss is not finite. The message names phase, epoch and loss. The
            checkpoint of the last good epoch stays.

    Source: the phases, their weights and the critic follow the published autoencoder. Three things are ours: separate
    numbers of epochs for the phases, the held-out tenth, and the rule by which a player rests (docs/method.md).
    """
    # The pictures to learn from, and the held-out pictures.
    rows = split_held_out(len(pictures), seed)
    if len(rows.training) < 2 or not len(rows.held_out):
        raise ModelError(f"the autoencoder needs 3 training pictures at least, got {len(pictures)}")
    # The players, in the state of the last checkpoint.
    players = Players(autoencoder, options, seed)
    key = f"{key} {options} {seed} {autoencoder.size} {len(pictures)}"
    resumable = Checkpoint(checkpoint, key, players.parts())
    history = resumable.resume()
    # Epoch after epoch. A new phase starts with fresh optimisers.
    try:
        while (phase := next_phase(history, options)) is not None:
            if history and history[-1]["phase"] != phase.name:
                players.forget()
            with exact_weight_gradients(autoencoder):
                history.append(
                    _epoch(
                        players,
                        pictures,
                        rows,
                        phase=phase,
                        options=options,
                        epoch=len(history) + 1,
                        seed=seed,
                    )
                )
            if players.best is not None and best_epoch(history) == len(history):
                players.best.load_state_dict(autoencoder.state_dict())
            resumable.save(history)
        if players.best is not None and (epoch := best_epoch(history)) is not None:
            LOGGER.info("the weights of epoch %d are kept", epoch)
            autoencoder.load_state_dict(players.best.state_dict())
    finally:
        autoencoder.eval().requires_grad_(False)
    return pd.DataFrame(history)


def split_held_out(n: int, seed: int) -> Rows:
    """Split ``n`` pictures into rows to learn from and rows that tell when a phase has ended.

    Example:
        >>> rows = split_held_out(20, seed=0)
        >>> len(rows.training), len(rows.held_out), sorted([*rows.training, *rows.held_out]) == list(range(20))
        (18, 2, True)
    """
    order = generator(Stream.WATCHED_PICTURES, seed).permutation(n)
    held_out = max(1, round(HELD_OUT * n))
    return Rows(training=order[held_out:], held_out=order[:held_out])


def _epoch(
    players: Players,
    pictures: TrainingPictures,
    rows: Rows,
    phase: Phase,
    options: AutoencoderOptions,
    epoch: int,
    seed: int,
) -> dict[str, Any]:
    """One epoch and its row of the history."""
    # The order of the pictures, and the normal samples.
    start = time.monotonic()
    order = rows.training[generator(Stream.AUTOENCODER_ORDER, seed, epoch).permutation(len(rows.training))]
    drawn = int(generator(Stream.NORMAL_CODES, seed, epoch).integers(2**62))
    normal_samples = torch.Generator().manual_seed(drawn)
    # Full batches only: batch norm and the critic cannot learn from a last batch of one.
    size = min(options.batch_size, len(order))
    used = torch.from_numpy(order[: len(order) // size * size])
    batches = progress(
        pictures.of_epoch(epoch).batches(used), f"epoch {epoch}, {phase.name}", len(used) // size, "batches"
    )

    # A step of both players for every batch.
    players.autoencoder.train().requires_grad_(True)
    steps = []
    for number, (views, labels) in enumerate(batches, 1):
        step = _step(
            players,
            views,
            labels,
            phase=phase,
            precision=options.precision,
            normal_samples=normal_samples,
        )
        if not math.isfinite(step["loss"]):
            raise ModelError(
                f"training of the autoencoder diverged: loss {step['loss']} in epoch {epoch} ({phase.name}), step "
                f"{number}; lower learning_rate (it is {options.learning_rate:g}); epoch {epoch - 1} is kept"
            )
        steps.append(step)

    # Means of the steps, and the pictures held out.
    means = {name: float(np.mean([step[name] for step in steps])) for name in steps[0] if name != "loss"}
    loss, accuracy = _held_out(players, pictures, rows.held_out, phase=phase, precision=options.precision)
    held_out = f"held out: loss {loss:.4f}, accuracy {accuracy:.4f}"
    LOGGER.info("epoch %d, %s: %s", epoch, phase.name, f"{means}; {held_out}")
    row = {"epoch": epoch, "phase": phase.name, **means}
    return row | {"held_out_loss": loss, "held_out_accuracy": accuracy, "seconds": time.monotonic() - start}


def _step(
    players: Players, views: Tensor, labels: Tensor, phase: Phase, precision: str, normal_samples: torch.Generator
) -> dict[str, float]:
    """One step of both players, and its losses."""
    # Which player rests.
    balance = players.balance
    game = phase.adversarial > 0
    critic_rests = game and balance.critic_rests
    encoder_rests = game and balance.encoder_rests

    # The pictures through the autoencoder.
    device = next(players.autoencoder.parameters()).device
    pictures = as_input(views, device)
    labels = labels.to(device)
    with autocast(precision, device):
        passed = players.autoencoder(pictures)

    # The critic's step, then the autoencoder's.
    critic_step_loss = 0.0
    if game:
        normal = torch.randn(len(labels), CODE, generator=normal_samples).to(device)
        critic_step_loss = _critics_step(players, passed.codes.float(), normal, critic_rests)
    by_name = losses(passed, players.autoencoder.target(pictures), labels, players.critic if game else None)
    aims = {name: loss for name, loss in by_name.items() if name != "adversarial" or not encoder_rests}
    loss = weighted(aims, phase)
    players.optimiser.zero_grad()
    loss.backward()
    players.optimiser.step()
    if game:
        balance.observe(critic_step_loss, float(by_name["adversarial"].detach()))

    # The losses for the history.
    right = ((passed.logits > 0) == (labels > 0)).float().mean()
    row = {name: float(loss_tensor.detach()) for name, loss_tensor in by_name.items()}
    row |= {"critic": critic_step_loss}
    row |= {"critic_rested": float(critic_rests), "encoder_rested": float(encoder_rests)}
    return row | {"train_accuracy": float(right), "loss": float(loss.detach()) + critic_step_loss}


def _critics_step(players: Players, codes: Tensor, normal: Tensor, rests: bool) -> float:
    """The critic's loss before its step. A resting critic takes no step."""
    loss = critic_loss(players.critic, codes, normal)
    if not rests:
        players.critics_optimiser.zero_grad()
        loss.backward()
        players.critics_optimiser.step()
    return float(loss.detach())


@torch.no_grad()
def _held_out(
    players: Players, pictures: TrainingPictures, rows: np.ndarray, phase: Phase, precision: str
) -> tuple[float, float]:
    """Mean loss of the phase and accuracy on held-out pictures."""
    players.autoencoder.eval()
    judge = players.critic if phase.adversarial else None
    device = next(players.autoencoder.parameters()).device
    total = 0.0
    hits = 0
    for views, labels in pictures.batches(torch.from_numpy(rows)):
        inputs = as_input(views, device)
        targets = labels.to(device)
        with autocast(precision, device):
            passed = players.autoencoder(inputs)
        by_name = losses(passed, players.autoencoder.target(inputs), targets, judge)
        total += float(weighted(by_name, phase)) * len(labels)
        hits += int(((passed.logits > 0) == (targets > 0)).sum())
    return total / len(rows), hits / len(rows)
