"""Directions in which activations are moved: one form for concept vectors, components, normals and gradients.

Notation: ``a`` activations ``[N, C, h, w]`` of a layer, ``f`` the rest of the network, ``D`` a decoder of the layer,
``c`` the class that is moved towards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from conceptrast.base.errors import ShapeError
from conceptrast.base.streams import Stream, generator
from conceptrast.counterfactual.decoder import Decoder
from conceptrast.counterfactual.decoder_training import decoded_input
from conceptrast.models.inference import autocast
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel

CHANCE = "random"
RANDOM = ("random_vector", "random_map")
"""Names of random directions: chance for directions that are vectors, and for those that are maps."""


@dataclass(frozen=True)
class Direction:
    """Where activations of a layer are moved to.

    Args:
        name: its kind, e.g. ``hyperplane``; what tables compare.
        origin: where it comes from, for a reader.
        layer: whose activations it moves.
        values: ``[C]``, added at every position, or a map ``[C, h, w]``; only its direction counts.

    Raises:
        ShapeError: the values have another number of axes, or are zero throughout.

    Example:
        >>> Direction("hyperplane", "normal from 3 to 7", "layer3", torch.tensor([3.0, 4.0])).unit((2, 1, 1)).flatten()
        tensor([0.6000, 0.8000])
    """

    name: str
    origin: str
    layer: str
    values: Tensor

    def __post_init__(self) -> None:
        if self.values.ndim not in (1, 3):
            raise ShapeError(f"direction {self.name} is [C] or [C, h, w], got {list(self.values.shape)}")
        if not self.values.any():
            raise ShapeError(f"direction {self.name} ({self.origin}) is zero throughout: it leads nowhere")

    def unit(self, shape: Sequence[int]) -> Tensor:
        """The direction over all positions of activations ``shape`` (C, h, w), of length 1.

        Raises:
            ShapeError: it does not fit; the message names both shapes.
        """
        spread = self.values[:, None, None] if self.values.ndim == 1 else self.values
        if spread.shape[0] != shape[0] or (self.values.ndim == 3 and spread.shape != torch.Size(shape)):
            raise ShapeError(
                f"direction {self.name} {list(self.values.shape)} does not fit activations {list(shape)} "
                f"of {self.layer}"
            )
        whole = spread.expand(*shape).double()
        return (whole / whole.norm()).float()


def strongest_component(components: Tensor, gradients: Tensor) -> int:
    r"""The component along which the class gains most.

    .. math:: k^* = \arg\max_k \sum_{n,p} \langle \nabla_{a_{np}} \log p_c, \; u_k / \lVert u_k \rVert \rangle

    Args:
        components: ``u`` ``[k, C]``, of the class.
        gradients: ``[N, C, h, w]`` of the log probability of the class, as :func:`log_probability_gradients` gives.

    Example:
        >>> strongest_component(torch.tensor([[2.0, 0.0], [0.0, 0.5]]), torch.tensor([[[[1.0]], [[3.0]]]]))
        1
    """
    lengths = components.norm(dim=1).clamp(min=1e-30)
    return int((components @ gradients.sum(dim=(0, 2, 3)) / lengths).argmax())


def log_probability_gradients(
    split: SplitModel, activations: Tensor, target: int, precision: str = "float32", batch_size: int = 64
) -> Tensor:
    r"""Gradient of the class's log probability by the rest of the network.

    .. math:: g_n = \nabla_a \log \mathrm{softmax}(f(a_n))_c

    It points where the gradient of the probability points, and does not vanish where the probability is nearly zero.

    Args:
        split: the network, cut at the layer.
        activations: ``[N, C, h, w]``.
        target: ``c``.
        precision: of the suffix.
        batch_size: images whose gradients are found at once.

    Returns:
        ``[N, C, h, w]``.
    """
    return _gradients(split.suffix, activations, target, precision, batch_size)


def latent_shift_gradients(
    model: Model,
    decoder: Decoder,
    activations: Tensor,
    target: int,
    precision: str = "float32",
    batch_size: int = 64,
) -> Tensor:
    r"""Gradient of the class's log probability in the *decoded* picture: the original latent shift.

    .. math:: g_n = \nabla_a \log \mathrm{softmax}(\mathrm{model}(D(a_n)))_c

    Args:
        model: the whole classifier.
        decoder: of the layer.
        activations: ``[N, C, h, w]``.
        target: ``c``.
        precision: of both networks.
        batch_size: images whose gradients are found at once.

    Returns:
        ``[N, C, h, w]``.

    Source: Cohen et al. 2021, arXiv 2102.09475, equation 1, with the logarithm as above.
    """

    def network(batch: Tensor) -> Tensor:
        logits: Tensor = model.module(decoded_input(model, decoder(batch).float()))
        return logits

    return _gradients(network, activations, target, precision, batch_size)


def _gradients(
    network: Callable[[Tensor], Tensor], activations: Tensor, target: int, precision: str, batch_size: int
) -> Tensor:
    found = []
    for batch in activations.split(batch_size):
        with torch.enable_grad(), autocast(precision, batch.device):
            leaf = batch.detach().clone().requires_grad_()
            logits = network(leaf).double()
            found += torch.autograd.grad(logits.log_softmax(dim=1)[:, target].sum(), leaf)
    return torch.cat(found)


def random_directions(layer: str, shape: Sequence[int], seed: int, images: Sequence[int]) -> dict[str, list[Direction]]:
    """Chance: for every image a random vector and a random map, by the names of :data:`RANDOM`.

    Args:
        layer: whose activations are moved.
        shape: (C, h, w) of the activations.
        seed: of the draws.
        images: ids ``[N]``; each draws for itself.

    Example:
        >>> found = random_directions("layer3", (2, 3, 3), seed=0, images=[4])
        >>> [(name, tuple(each[0].values.shape)) for name, each in found.items()]
        [('random_vector', (2,)), ('random_map', (2, 3, 3))]
    """
    found: dict[str, list[Direction]] = {}
    for number, (name, sizes) in enumerate(zip(RANDOM, (tuple(shape[:1]), tuple(shape)), strict=True)):
        draws = [
            generator(Stream.RANDOM_DIRECTIONS, seed, image, number).standard_normal(tuple(sizes)) for image in images
        ]
        found[name] = [Direction(name, CHANCE, layer, torch.from_numpy(drawn).float()) for drawn in draws]
    return found
