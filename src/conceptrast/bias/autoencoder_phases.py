"""The three phases in which the adversarial autoencoder is trained, and when each of them ends."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from conceptrast.models.checkpoints import History

LEAST_GAIN = 0.01
"""An epoch counts as progress if it is better than the best loss by at least this share of it."""


@dataclass(frozen=True)
class Phase:
    """Weights of the losses of one phase, and whether it can end early.

    The adversarial phase cannot end early: its loss rises whenever the critic gets better, so it says nothing about
    progress.
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
    """How to train: with Adam. Encoder, decoder and classifier share one optimiser; the critic has its own.

    Args:
        reconstruction: the largest number of epochs of the first phase.
        adversarial: the largest number of epochs of the second phase.
        classification: the largest number of epochs of the third phase.
        patience: the first or third phase ends early when this many epochs in a row have not lowered its loss on
            held-out pictures by at least 1 % of the best so far.
        batch_size: the number of pictures in a step.
        learning_rate: the learning rate of both optimisers.
        precision: ``float32`` or ``bfloat16``.
        keep: ``last`` keeps the weights of the last epoch, ``best`` those of :func:`best_epoch`.
    """

    reconstruction: int = 10
    adversarial: int = 5
    classification: int = 10
    patience: int = 3
    batch_size: int = 64
    learning_rate: float = 0.001
    precision: str = "float32"
    keep: str = "last"

    def epochs(self, phase: Phase) -> int:
        """The largest number of epochs of a phase."""
        return int(getattr(self, phase.name))

    @property
    def planned(self) -> int:
        """The largest number of epochs of all phases together."""
        return sum(self.epochs(phase) for phase in PHASES)


def next_phase(history: History, options: AutoencoderOptions) -> Phase | None:
    """The phase of the epoch that follows ``history``; ``None`` when all phases have ended.

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


def best_epoch(history: History) -> int | None:
    """Number of the epoch of the last phase that is right most often on held-out pictures; in a tie, the lower loss.

    Returns:
        The epoch, 1-based; ``None`` before the last phase.

    Example:
        >>> rows = [("adversarial", 0.9, 0.1), ("classification", 0.7, 0.6), ("classification", 0.7, 0.5)]
        >>> best_epoch([dict(zip(("phase", "held_out_accuracy", "held_out_loss"), row)) for row in rows])
        3
    """
    rows = [
        (row["held_out_accuracy"], -row["held_out_loss"], -epoch)
        for epoch, row in enumerate(history, start=1)
        if row["phase"] == PHASES[-1].name
    ]
    return -max(rows)[-1] if rows else None


def has_ended(losses_so_far: Iterable[float], patience: int) -> bool:
    """Whether the last ``patience`` epochs of a phase brought no progress.

    Example:
        >>> has_ended([1.0, 0.5, 0.499, 0.6], patience=2), has_ended([1.0, 0.5, 0.499, 0.4], patience=2)
        (True, False)
    """
    best = math.inf
    without_progress = 0
    for loss in losses_so_far:
        if loss < best * (1 - LEAST_GAIN) or best == math.inf:
            best = loss
            without_progress = 0
        else:
            without_progress += 1
    return without_progress >= patience
