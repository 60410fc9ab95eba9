r"""Activations without some of their components, and what the rest of a network says of them.

Notation: ``a`` activations ``[N, C, h, w]`` of images of a class; ``h_i`` the components of the class ``[k, C]``, found
in activations that are weighted with ``m``, the weights of the class's channels ``[C]``; ``u_i`` their codes ``[N, k,
h, w]``; ``p_i`` their parts ``[N, k, C, h, w]``; ``s`` shares ``[S, k]``, how much of each part stays in ``S`` cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from conceptrast.concepts.class_factorization import class_weights, settled_weighting
from conceptrast.concepts.nmf_codes import map_codes
from conceptrast.models.inference import autocast
from conceptrast.models.split import SplitModel


@dataclass(frozen=True)
class ComponentParts:
    r"""The components of a class, and what each of them holds of activations.

    .. math:: u = \arg\min_{u \ge 0} \lVert m \odot \max(a, 0) - \sum_i u_i h_i \rVert^2, \qquad
        p_{i c} = u_i \, h_{i c} / m_c \quad (0 \text{ where } m_c = 0)

    The components were found in weighted activations, so their parts are divided by the weights. Weights of positions
    scale all channels of a position alike. They change how much a position counts in the factorization and not what
    it holds, so :math:`m = 1` there. Components of semi-NMF may be negative; then codes are those of :math:`m \odot a`,
    with its negative values.

    Args:
        vectors: ``h`` ``[k, C]``, not negative; of any sign if they are of semi-NMF.
        weights: ``m`` ``[C]``, not negative; see :func:`channel_weights`.
    """

    vectors: np.ndarray
    weights: np.ndarray

    @property
    def directions(self) -> Tensor:
        """The components among the layer's channels, ``h / m`` ``[k, C]`` float32."""
        weights = np.asarray(self.weights, np.float64)
        inverse = np.divide(1, weights, out=np.zeros_like(weights), where=weights > 0)
        return torch.from_numpy((self.vectors * inverse).astype(np.float32))

    def codes(self, activations: Tensor) -> Tensor:
        """How much of each component each position holds.

        Args:
            activations: ``[N, C, h, w]``; negative values count as zero if no component is negative.

        Returns:
            ``[N, k, h, w]`` float32.
        """
        values = activations.float().cpu()
        if (self.vectors >= 0).all():
            values = values.clamp(min=0)
        return map_codes(values * torch.from_numpy(self.weights).float()[:, None, None], self.vectors)

    def parts(self, codes: Tensor) -> Tensor:
        """The parts of all components.

        Args:
            codes: ``[N, k, h, w]``.

        Returns:
            ``[N, k, C, h, w]``, in the unit of the activations.

        Example:
            >>> components = ComponentParts(np.array([[2.0, 0.0], [0.0, 3.0]]), np.array([2.0, 1.0]))
            >>> activations = torch.tensor([4.0, 6.0]).view(1, 2, 1, 1)
            >>> components.parts(components.codes(activations)).flatten(2).round(decimals=3).tolist()
            [[[4.0, 0.0], [0.0, 6.0]]]
        """
        return torch.einsum("nkyx,kc->nkcyx", codes, self.directions)


def channel_weights(attribution: Mapping[str, np.ndarray], weighting: str) -> np.ndarray:
    """The weights of a class's channels ``[C]``: ones where positions are weighted.

    Args:
        attribution: multiplier ``[n, C]`` of the class's images, and linear_share ``[n]`` for ``"auto"``.
        weighting: ``"position"``, ``"channel"`` or ``"auto"``; see
            :func:`~conceptrast.concepts.class_factorization.class_weights`.
    """
    if settled_weighting(attribution, weighting) == "position":
        return np.ones(attribution["multiplier"].shape[1], np.float32)
    return class_weights(attribution, weighting).ravel()


def with_rest(activations: Tensor, parts: Tensor, shares: Tensor) -> Tensor:
    r"""Activations of an image in which some share of each part is left, and all that belongs to no part.

    .. math:: a' = \min(a, 0) + \max\Big(\max(a, 0) - \sum_i (1 - s_i) \, p_i, 0\Big)

    No positive activation becomes negative. Parts of semi-NMF may be negative; then nothing is held back, and
    :math:`a' = a - \sum_i (1 - s_i) \, p_i`.

    Args:
        activations: ``[C, h, w]``.
        parts: ``[k, C, h, w]``.
        shares: ``[S, k]`` in 0..1.

    Returns:
        ``[S, C, h, w]``.

    Example:
        >>> activations, parts = torch.tensor([5.0]).view(1, 1, 1), torch.tensor([4.0, 2.0]).view(2, 1, 1, 1)
        >>> with_rest(activations, parts, torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])).ravel().tolist()
        [5.0, 1.0, 0.0]
    """
    taken = torch.tensordot(1 - shares, parts, dims=1)
    if (parts < 0).any():
        return activations - taken
    return activations.clamp(max=0) + (activations.clamp(min=0) - taken).clamp(min=0)


def without_rest(parts: Tensor, shares: Tensor) -> Tensor:
    r"""The same from the parts alone: what belongs to no part is left out.

    .. math:: a' = \sum_i s_i \, p_i

    Args:
        parts: ``[k, C, h, w]``.
        shares: ``[S, k]`` in 0..1.

    Returns:
        ``[S, C, h, w]``.

    Example:
        >>> parts = torch.tensor([4.0, 2.0]).view(2, 1, 1, 1)
        >>> without_rest(parts, torch.tensor([[1.0, 1.0], [0.0, 1.0]])).ravel().tolist()
        [6.0, 2.0]
    """
    return torch.tensordot(shares, parts, dims=1)


def as_much_at_random(activations: Tensor, without: Tensor, drawn: Tensor) -> Tensor:
    r"""Activations that have lost as much as others did, at places and in channels that chance chooses.

    .. math:: a'_{s c y x} = \begin{cases} \min(a_{c y x}, 0) & \xi_{c y x} < q_s \\ a_{c y x} & \text{otherwise}
        \end{cases}, \qquad q_s = \frac{\sum (a - a_s)}{\sum \max(a, 0)}

    If the others have gained anything, as they may without a component of semi-NMF, sizes count:
    :math:`q_s = \sum |a - a_s| / \sum |a|`, and what chance chooses becomes 0.

    Args:
        activations: ``a`` ``[C, h, w]``.
        without: ``a_s`` ``[S, C, h, w]``, the activations after a removal.
        drawn: ``ξ`` ``[C, h, w]``, uniform in 0..1.

    Returns:
        ``[S, C, h, w]``; in the mean they have lost as much as ``without``.

    Example:
        >>> activations, drawn = torch.full((1, 1, 4), 2.0), torch.tensor([[[0.1, 0.6, 0.3, 0.9]]])
        >>> as_much_at_random(activations, torch.full((1, 1, 1, 4), 1.0), drawn).tolist()
        [[[[0.0, 2.0, 0.0, 2.0]]]]
    """
    signed = bool((without > activations).any())
    positive = activations.abs() if signed else activations.clamp(min=0)
    whole = positive.sum().clamp(min=torch.finfo(torch.float32).tiny)
    change = (activations - without).abs() if signed else activations - without
    lost = change.flatten(1).sum(dim=1) / whole
    left = torch.zeros_like(activations) if signed else activations.clamp(max=0)
    return torch.where(drawn < lost.view(-1, 1, 1, 1), left, activations)


@dataclass(frozen=True)
class Answers:
    """What the rest of the network says of ``S`` activations.

    Attributes:
        logit: ``[S]`` float64, of one class.
        probability: ``[S]`` float64, of this class.
        predicted: ``[S]`` int64, the class that it names.
    """

    logit: np.ndarray
    probability: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True)
class ClassSuffix:
    """The rest of a network, asked about one class.

    Args:
        split: the model, cut at the layer.
        target: class index.
        precision: precision of the rest of the network.
        batch_size: activations that go through it at once.
        class_tokens: ``[1, t, C]`` or ``[S, t, C]``, the class tokens of the activations, if the layer has some.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
        >>> suffix = ClassSuffix(SplitModel(network, "0"), target=0)
        >>> answers = suffix.answers(torch.tensor([1.0, 3.0]).view(1, 2, 1, 1))
        >>> answers.logit.tolist(), answers.probability.round(3).tolist(), answers.predicted.tolist()
        ([1.0], [0.119], [1])
    """

    split: SplitModel
    target: int
    precision: str = "float32"
    batch_size: int = 64
    class_tokens: Tensor | None = None

    def with_class_tokens(self, class_tokens: Tensor | None) -> ClassSuffix:
        """The same for activations of images with these class tokens; the object itself if there are none."""
        return self if class_tokens is None else replace(self, class_tokens=class_tokens)

    @torch.inference_mode()
    def answers(self, activations: Tensor) -> Answers:
        """What it says of activations ``[S, C, h, w]``."""
        device = next(self.split.network.parameters(), activations).device
        parts = []
        for rows in torch.arange(len(activations)).split(self.batch_size):
            tokens = self.class_tokens
            if tokens is not None:
                tokens = tokens.expand(len(activations), -1, -1)[rows].to(device)
            with autocast(self.precision, device):
                logits = self.split.suffix(activations[rows[0] : rows[-1] + 1].to(device), tokens)
            parts.append(logits.float().cpu())
        logits = torch.cat(parts).double()
        return Answers(
            logit=logits[:, self.target].numpy(),
            probability=logits.softmax(dim=1)[:, self.target].numpy(),
            predicted=logits.argmax(dim=1).numpy(),
        )
