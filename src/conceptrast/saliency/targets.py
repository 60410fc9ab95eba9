r"""The target of a saliency map: a class, or a class and not another one.

Notation: ``z`` logits, ``A`` the class that the map speaks for, ``B`` the class that it is compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from conceptrast.base.errors import ConfigError, ShapeError


@dataclass(frozen=True)
class Target:
    r"""The question: why ``toward``? With ``versus``: why ``toward`` and not ``versus``?

    .. math:: s(z) = z_A \qquad \text{or} \qquad s(z) = z_A - z_B

    Args:
        toward: class index A.
        versus: class index B; ``None`` for A alone.

    Raises:
        ConfigError: A and B are the same class.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[1.0, 3.0, 0.0]])
        >>> Target(1)(logits), Target(1, versus=0)(logits)
        (tensor([3.]), tensor([2.]))
        >>> Target(1, versus=0).probability(logits)
        tensor([0.8808])
    """

    toward: int
    versus: int | None = None

    def __post_init__(self) -> None:
        if self.toward == self.versus:
            raise ConfigError(f"class {self.toward} cannot be held against itself: toward and versus have to differ")

    def __call__(self, logits: Tensor) -> Tensor:
        """The score ``s``, which class activation maps differentiate.

        Args:
            logits: ``[n_classes]`` or ``[N, n_classes]``.

        Returns:
            A number, or ``[N]``.
        """
        toward = logits[..., self.toward]
        return toward if self.versus is None else toward - logits[..., self.versus]

    def probability(self, logits: Tensor) -> Tensor:
        r"""The probability of A; with ``versus``, as if A and B were the only classes.

        .. math:: p = \mathrm{softmax}(z)_A \qquad \text{or} \qquad p = \sigma(z_A - z_B)

        Args:
            logits: ``[n_classes]`` or ``[N, n_classes]``.

        Returns:
            A number, or ``[N]``, in [0, 1].
        """
        return logits.softmax(-1)[..., self.toward] if self.versus is None else self(logits).sigmoid()


def refuse_targets(targets: Sequence[Target], n_images: int, n_classes: int) -> None:
    """Refuse targets that do not fit the images or the network.

    Args:
        targets: one target for each image.
        n_images: number of images.
        n_classes: number of the network's logits.

    Raises:
        ShapeError: there are more or fewer targets than images.
        ConfigError: a target names a class that the network does not have.

    Example:
        >>> refuse_targets([Target(2)], n_images=1, n_classes=2)
        Traceback (most recent call last):
        conceptrast.base.errors.ConfigError: class 2 does not exist: the network has classes 0 to 1
    """
    if len(targets) != n_images:
        raise ShapeError(f"{len(targets)} targets for {n_images} images: every image needs one")
    classes = {index for target in targets for index in (target.toward, target.versus) if index is not None}
    for index in sorted(classes):
        if not 0 <= index < n_classes:
            raise ConfigError(f"class {index} does not exist: the network has classes 0 to {n_classes - 1}")
