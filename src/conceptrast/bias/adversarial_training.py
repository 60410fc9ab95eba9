r"""Training the adversarial autoencoder in three phases.

Notation: ``R`` Huber loss of the decoded pictures (δ = 0.5), ``A`` the encoder's adversarial loss, ``C`` binary cross
entropy of the labels, ``D`` the critic's own loss; ``d(·)`` the critic's logit of a batch's statistics.

.. math:: D = 0.6\,\mathrm{BCE}(d(z), 1) + 0.4\,\mathrm{BCE}(d(c), 0), \qquad A = \mathrm{BCE}(d(c), 1),
          \qquad z \sim N(0, 1)

Each epoch draws the order of the pictures and the normal samples from the seed and its own number. So a checkpoint
needs the networks, the optimisers, the recent losses and the number of epochs done, and on a CPU a resumed training
ends with the same bits as an undisturbed one.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, huber_loss

from conceptrast.base.errors import ModelError
from conceptrast.base.progress import progress
from conceptrast.base.streams import Stream, generator
from conceptrast.bias.autoencoder import CODE, Autoencoder, Passed, as_input, batch_statistics, critic
from conceptrast.models.checkpoints import Checkpoint, History
from conceptrast.models.inference import autocast
from conceptrast.models.training_pictures import TrainingPictures

LOGGER = logging.getLogger("conceptrast")

DELTA = 0.5  # where the Huber loss turns from a square into a straight line, in units of a pixel's range
REAL, FAKE = 0.6, 0.4  # weights of both halves of the critic's loss
HELD_OUT = 0.1  # share of the training pictures that only say when a phase has ended
AHEAD = math.log(2) / 2  # a player whose recent loss is below half of that of a coin has the upper hand, and rests
MEMORY = 0.9  # of the recent losses: weight of what was before
LEAST_GAIN = 0.01  # share of the best loss by which an epoch must be better to count as progress


@dataclass(frozen=True)
class Phase:
    """Weights of the losses of one phase, and whether it can end early.

    The loss of the adversarial phase rises whenever the critic gets better: it says nothing about progress.
    """

    name: str
    reconstruction: float
    adversarial: float
    classification: float
    can_end_early: bool = True


PHASES = (
    Phase("reconstruction", 1.0, 0.0, 0.001),
    Phase("adversarial", 0.1, 1.0, 0.001, can_end_early=False),
    Phase("classification", 0.01, 0.24, 0.75),
)


@dataclass(frozen=True)
class AutoencoderOptions:
    """How to train: Adam, one optimiser for encoder, decoder and classifier and one for the critic.

    Args:
        reconstruction: epochs of the first phase at most.
        adversarial: epochs of the second phase at most.
        classification: epochs of the third phase at most.
        patience: the first or third phase ends early when this many epochs in a row have not lowered its loss on
            held-out pictures by at least 1 % of the best so far.
        batch_size: pictures of a step.
        learning_rate: of both optimisers.
        precision: ``float32`` or ``bfloat16``.
    """

    reconstruction: int = 10
    adversarial: int = 5
    classification: int = 10
    patience: int = 3
    batch_size: int = 64
    learning_rate: float = 0.001
    precision: str = "float32"

    def epochs(self, phase: Phase) -> int:
        """Epochs of a phase at most."""
        return int(getattr(self, phase.name))

    @property
    def planned(self) -> int:
        """Epochs of all phases at most."""
        return sum(self.epochs(phase) for phase in PHASES)


class Balance(nn.Module):
    """Recent losses of critic and encoder in the game between them, and who rests.

    A player that is ahead rests, so that the other can catch up; its loss is still watched, and it plays again as soon
    as it is no longer ahead. Both start where a coin would be.

    Example:
        >>> balance = Balance()
        >>> balance.critic_rests, balance.encoder_rests
        (False, False)
        >>> for _ in range(20):
        ...     balance.saw(critic=0.1, encoder=2.0)
        >>> balance.critic_rests, balance.encoder_rests
        (True, False)
    """

    recent: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("recent", torch.full((2,), math.log(2), dtype=torch.float64))

    def saw(self, critic: float, encoder: float) -> None:
        """Take in the losses of a step."""
        self.recent.mul_(MEMORY).add_((1 - MEMORY) * torch.tensor([critic, encoder], dtype=torch.float64))

    @property
    def critic_rests(self) -> bool:
        """Whether the critic is ahead."""
        return float(self.recent[0]) < AHEAD

    @property
    def encoder_rests(self) -> bool:
        """Whether the encoder is ahead."""
        return float(self.recent[1]) < AHEAD


class Players:
    """The networks of a training with their optimisers."""

    def __init__(self, autoencoder: Autoencoder, options: AutoencoderOptions, seed: int) -> None:
        self.autoencoder, self.critic, self.balance = autoencoder, critic(seed), Balance()
        self.critic.to(next(autoencoder.parameters()).device)
        rate = options.learning_rate
        self.optimiser = torch.optim.Adam(autoencoder.parameters(), lr=rate)
        self.critics_optimiser = torch.optim.Adam(self.critic.parameters(), lr=rate)

    def forget(self) -> None:
        """Clear what the optimisers remember: after losses a hundred times smaller, their first steps would be huge."""
        self.optimiser.state.clear()
        self.critics_optimiser.state.clear()

    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        """What a checkpoint holds."""
        networks = {"autoencoder": self.autoencoder, "critic": self.critic, "balance": self.balance}
        return {**networks, "optimiser": self.optimiser, "critics_optimiser": self.critics_optimiser}


def critic_loss(judge: nn.Module, codes: Tensor, normal: Tensor) -> Tensor:
    """``D``: whether the critic tells normal samples ``[N, 128]`` from codes ``[N, 128]``, which get no gradient.

    Example:
        >>> bool(critic_loss(lambda _: torch.zeros(1, 1), torch.zeros(4, 2), torch.ones(4, 2)) - math.log(2) < 1e-6)
        True
    """
    real, fake = judge(batch_statistics(normal)), judge(batch_statistics(codes.detach()))
    return REAL * _cross_entropy(real, 1.0) + FAKE * _cross_entropy(fake, 0.0)


def losses(passed: Passed, pictures: Tensor, labels: Tensor, judge: nn.Module | None) -> dict[str, Tensor]:
    """``R``, ``A`` (0 without a critic) and ``C`` of a batch, by the names of a phase's weights.

    Args:
        passed: what the autoencoder made of the pictures.
        pictures: ``[N, 3, s, s]`` in 0 to 1.
        labels: ``[N]``, 0 or 1.
        judge: the critic.
    """
    codes = passed.codes.float()
    return {
        "reconstruction": huber_loss(passed.decoded.float(), pictures, delta=DELTA),
        "adversarial": codes.new_zeros(()) if judge is None else _cross_entropy(judge(batch_statistics(codes)), 1.0),
        "classification": binary_cross_entropy_with_logits(passed.logits.float(), labels.float()),
    }


def _cross_entropy(logit: Tensor, target: float) -> Tensor:
    return binary_cross_entropy_with_logits(logit, torch.full_like(logit, target))


def weighted(found: dict[str, Tensor], phase: Phase) -> Tensor:
    """The loss of a phase."""
    parts = [getattr(phase, name) * value for name, value in found.items() if getattr(phase, name)]
    return torch.stack(parts).sum()


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
        autoencoder: on the device where it is trained; ends frozen and in eval mode.
        pictures: to learn from; a tenth of them, drawn by the seed, only says when a phase has ended.
        options: how to train; every phase starts with fresh optimisers.
        checkpoint: written after every epoch and resumed from; the caller removes it when it has kept the weights.
        seed: of the critic's weights, of all orders and of the normal samples.
        key: what else the result depends on; a checkpoint of another key is ignored.

    Returns:
        One row per epoch: epoch (1-based, over all phases), phase, reconstruction, adversarial, classification, critic
        (mean losses while learning; 0 where the phase has none), critic_rested, encoder_rested (shares of the steps),
        train_accuracy, held_out_loss (of the phase), held_out_accuracy, seconds.

    Raises:
        ModelError: too few pictures, or a loss that is not finite; it names phase, epoch and loss, and the checkpoint
            of the last good epoch stays.

    Source: the phases, their weights and the critic follow the published autoencoder; that each phase has epochs of its
    own, the held-out tenth and the rule by which a player rests are ours (docs/method.md).
    """
    learnt, watched = split_held_out(len(pictures), seed)
    if len(learnt) < 2 or not len(watched):
        raise ModelError(f"the autoencoder needs 3 training pictures at least, got {len(pictures)}")
    players = Players(autoencoder, options, seed)
    key = f"{key} {options} {seed} {autoencoder.size} {len(pictures)}"
    kept = Checkpoint(checkpoint, key, players.parts())
    history = kept.resume()
    try:
        while (phase := next_phase(history, options)) is not None:
            if history and history[-1]["phase"] != phase.name:
                players.forget()
            history.append(_epoch(players, pictures, (learnt, watched), phase, options, len(history) + 1, seed))
            kept.save(history)
    finally:
        autoencoder.eval().requires_grad_(False)
    return pd.DataFrame(history)


def split_held_out(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows that say when a phase has ended.

    Example:
        >>> learnt, watched = split_held_out(20, seed=0)
        >>> len(learnt), len(watched), sorted([*learnt, *watched]) == list(range(20))
        (18, 2, True)
    """
    order = generator(Stream.WATCHED_PICTURES, seed).permutation(n)
    held_out = max(1, round(HELD_OUT * n))
    return order[held_out:], order[:held_out]


def next_phase(history: History, options: AutoencoderOptions) -> Phase | None:
    """The phase of the epoch after those of ``history``; ``None`` when all have ended.

    Example:
        >>> options = AutoencoderOptions(reconstruction=1, adversarial=0, classification=2)
        >>> next_phase([{"phase": "reconstruction", "held_out_loss": 0.1}], options).name
        'classification'
    """
    reached = [phase.name for phase in PHASES].index(history[-1]["phase"]) if history else 0
    for phase in PHASES[reached:]:
        losses_so_far = [row["held_out_loss"] for row in history if row["phase"] == phase.name]
        ended = phase.can_end_early and has_ended(losses_so_far, options.patience)
        if len(losses_so_far) < options.epochs(phase) and not ended:
            return phase
    return None


def has_ended(losses_so_far: Iterable[float], patience: int) -> bool:
    """Whether the last ``patience`` epochs of a phase brought no progress.

    Example:
        >>> has_ended([1.0, 0.5, 0.499, 0.6], patience=2), has_ended([1.0, 0.5, 0.499, 0.4], patience=2)
        (True, False)
    """
    best, since = math.inf, 0
    for loss in losses_so_far:
        if loss < best * (1 - LEAST_GAIN) or best == math.inf:
            best, since = loss, 0
        else:
            since += 1
    return since >= patience


def _epoch(
    players: Players,
    pictures: TrainingPictures,
    rows: tuple[np.ndarray, np.ndarray],
    phase: Phase,
    options: AutoencoderOptions,
    epoch: int,
    seed: int,
) -> dict[str, Any]:
    """One epoch and its row of the history."""
    start = time.monotonic()
    learnt, watched = rows
    order = learnt[generator(Stream.AUTOENCODER_ORDER, seed, epoch).permutation(len(learnt))]
    drawn = int(generator(Stream.NORMAL_CODES, seed, epoch).integers(2**62))
    normal_samples = torch.Generator().manual_seed(drawn)
    players.autoencoder.train().requires_grad_(True)
    steps = []
    # Full batches only: batch norm and the critic cannot learn from a last batch of one.
    size = min(options.batch_size, len(order))
    used = torch.from_numpy(order[: len(order) // size * size])
    batches = progress(pictures.batches(used), f"epoch {epoch}, {phase.name}", len(used) // size, "batches")
    for step, (views, labels) in enumerate(batches, 1):
        steps.append(_step(players, views, labels, phase, options.precision, normal_samples))
        if not math.isfinite(steps[-1]["loss"]):
            raise ModelError(
                f"training of the autoencoder diverged: loss {steps[-1]['loss']} in epoch {epoch} ({phase.name}), step "
                f"{step}; lower learning_rate (it is {options.learning_rate:g}); epoch {epoch - 1} is kept"
            )
    means = {name: float(np.mean([each[name] for each in steps])) for name in steps[0] if name != "loss"}
    loss, accuracy = _held_out(players, pictures, watched, phase, options.precision)
    LOGGER.info("epoch %d, %s: %s; held out: loss %.4f, accuracy %.4f", epoch, phase.name, means, loss, accuracy)
    told = {"held_out_loss": loss, "held_out_accuracy": accuracy, "seconds": time.monotonic() - start}
    return {"epoch": epoch, "phase": phase.name, **means, **told}


def _step(
    players: Players, views: Tensor, labels: Tensor, phase: Phase, precision: str, generator: torch.Generator
) -> dict[str, float]:
    """One step of both players; what it saw."""
    balance, game = players.balance, phase.adversarial > 0
    rests = {"critic_rested": game and balance.critic_rests, "encoder_rested": game and balance.encoder_rests}
    device = next(players.autoencoder.parameters()).device
    pictures, labels = as_input(views, device), labels.to(device)
    with autocast(precision, device):
        passed = players.autoencoder(pictures)
    judged = 0.0
    if game:
        normal = torch.randn(len(labels), CODE, generator=generator).to(device)
        judged = _critics_step(players, passed.codes.float(), normal, rests["critic_rested"])
    found = losses(passed, pictures, labels, players.critic if game else None)
    aims = {name: value for name, value in found.items() if name != "adversarial" or not rests["encoder_rested"]}
    loss = weighted(aims, phase)
    players.optimiser.zero_grad()
    loss.backward()
    players.optimiser.step()
    if game:
        balance.saw(judged, float(found["adversarial"].detach()))
    right = ((passed.logits > 0) == (labels > 0)).float().mean()
    said = {name: float(value.detach()) for name, value in found.items()}
    rested = {name: float(value) for name, value in rests.items()}
    return {**said, "critic": judged, **rested, "train_accuracy": float(right), "loss": float(loss.detach()) + judged}


def _critics_step(players: Players, codes: Tensor, normal: Tensor, rests: bool) -> float:
    """The critic's loss before its step, which it leaves out where it rests."""
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
    total, hits = 0.0, 0
    for views, labels in pictures.batches(torch.from_numpy(rows)):
        inputs, wanted = as_input(views, device), labels.to(device)
        with autocast(precision, device):
            passed = players.autoencoder(inputs)
        total += float(weighted(losses(passed, inputs, wanted, judge), phase)) * len(labels)
        hits += int(((passed.logits > 0) == (wanted > 0)).sum())
    return total / len(rows), hits / len(rows)
