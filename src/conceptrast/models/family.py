"""What every family of architectures has to provide. Each family has its own file beside this one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from conceptrast.base.errors import ModelError, unknown_name
from conceptrast.models.model import Preprocess


@dataclass(frozen=True)
class Published:
    """Weights that a family can fetch by name.

    Args:
        state: the tensors by name.
        class_names: what the outputs mean.
        digest: MD5 of the file that they were read from.
    """

    state: dict[str, Tensor]
    class_names: list[str]
    digest: str


class Family(ABC):
    """Architectures that share how they are built, how their pictures are prepared and how weights are fetched.

    Args:
        name: the architecture, as in ``architecture:`` of the configuration.
        weights: name of the published weights that the network will get, one of :meth:`published_names`; ``None`` if
            it gets other weights, or keeps its first ones.
        options: ``options:`` of the configuration, for families that have any.

    Raises:
        ModelError: there are no published weights of that name; the message lists the nearest ones.
    """

    #: default number of outputs of a network; if it is ``None``, the caller has to give the number.
    default_classes: int | None = 1000

    #: whether a fresh network has weights that are not drawn from the seed.
    brings_weights: bool = False

    def __init__(self, name: str, weights: str | None = None, options: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.weights = weights
        self.options = dict(options or {})
        if weights is not None and weights not in self.published_names():
            known = unknown_name(f"weights of {name}", weights, self.published_names())
            raise ModelError(f"{known}; or a .pth or .safetensors file")

    @abstractmethod
    def network(self, n_classes: int, size: tuple[int, int]) -> nn.Module:
        """A network for pictures of ``size`` (height, width) with fresh random weights."""

    @abstractmethod
    def preprocess(self, input_size: int | None) -> Preprocess:
        """How pictures are prepared: as the published weights need it, or as is usual for the family."""

    def default_class_names(self) -> list[str]:
        """Names of the outputs if the user gives none.

        Raises:
            ModelError: the family has none.
        """
        raise ModelError(f"{self.name} has no class names of its own: set `class_names`")

    def published_names(self) -> list[str]:
        """Names under which the family can fetch weights."""
        return []

    def published(self) -> Published:
        """Fetch the published weights."""
        raise ModelError(f"{self.name} has no published weights: give a .pth or .safetensors file")

    def missing(self) -> str | None:
        """Says what is missing to fetch the published weights, or ``None``. It is quick and does not go online."""
        return None
