r"""The losses of the adversarial autoencoder and its critic, and the rule by which one of the two rests.

Notation: ``R`` Huber loss of the decoded pictures (δ = 0.5), ``A`` the encoder's adversarial loss, ``C`` binary cross
entropy of the labels, ``D`` the critic's own loss; ``d(·)`` the critic's logit of a batch's statistics.

.. math:: D = 0.6\,\mathrm{BCE}(d(z), 1) + 0.4\,\mathrm{BCE}(d(c), 0), \qquad A = \mathrm{BCE}(d(c), 1),
          \qquad z \sim N(0, 1)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, huber_loss

from conceptrast.bias.autoencoder import Passed, batch_statistics
from conceptrast.bias.autoencoder_phases import Phase

DELTA = 0.5  # here the Huber loss turns from a square into a straight line, in units of a pixel's range
REAL = 0.6  # weights of both halves of the critic's loss
FAKE = 0.4
AHEAD = math.log(2) / 2  # a player rests if its recent loss is below half the loss of a coin: it is ahead
MEMORY = 0.9  # weight of the past in the recent losses


class Balance(nn.Module):
    """The recent losses of critic and encoder in the game between them, and which of them rests.

    A player that is ahead rests, so that the other can catch up. Its loss is still watched. It plays again as soon as
    it is no longer ahead. Both start with the loss of a coin.

    Example:
        >>> balance = Balance()
        >>> balance.critic_rests, balance.encoder_rests
        (False, False)
        >>> for _ in range(20):
        ...     balance.observe(critic=0.1, encoder=2.0)
        >>> balance.critic_rests, balance.encoder_rests
        (True, False)
    """

    recent: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("recent", torch.full((2,), math.log(2), dtype=torch.float64))

    def observe(self, critic: float, encoder: float) -> None:
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


def critic_loss(judge: nn.Module, codes: Tensor, normal: Tensor) -> Tensor:
    """``D``: how badly the critic tells normal samples ``[N, 128]`` from codes ``[N, 128]``. Codes get no gradient.

    Example:
        >>> bool(critic_loss(lambda _: torch.zeros(1, 1), torch.zeros(4, 2), torch.ones(4, 2)) - math.log(2) < 1e-6)
        True
    """
    real = judge(batch_statistics(normal))
    fake = judge(batch_statistics(codes.detach()))
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


def weighted(losses_by_name: dict[str, Tensor], phase: Phase) -> Tensor:
    """The loss of a phase: the sum of the losses by its weights.

    Args:
        losses_by_name: as :func:`losses` gives them.
        phase: the phase whose weights count; a loss of weight 0 is left out.

    Example:
        >>> from conceptrast.bias.autoencoder_phases import PHASES
        >>> one = torch.tensor(1.0)
        >>> weighted({"reconstruction": one, "adversarial": one, "classification": one}, PHASES[2])
        tensor(1.)
    """
    parts = [getattr(phase, name) * loss for name, loss in losses_by_name.items() if getattr(phase, name)]
    return torch.stack(parts).sum()
