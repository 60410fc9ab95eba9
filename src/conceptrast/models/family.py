"""What a family of architectures has to say about itself; one file beside this one holds each family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from conceptrast.errors import ModelError
from conceptrast.models.model import Preprocess


@dataclass(frozen=True)
class Published:
    """Weights that a family can fetch by name.

    Args:
        state: the tensors by name.
        class_names: what the outputs mean.
        digest: md5 of the file they were read from.
    """

    state: dict[str, Tensor]
    class_names: list[str]
    digest: str


class Family(ABC):
    """Architectures that are built, prepared for and fetched the same way.

    Args:
        name: the architecture, as in ``architecture:`` of the configuration.
    """

    #: outputs of a network when nobody says how many; ``None`` asks the caller to say it.
    default_classes: int | None = 1000

    #: whether a fresh network comes with weights that are not drawn from the seed.
    brings_weights: bool = False

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def network(self, n_classes: int, size: tuple[int, int], weights: str | None) -> nn.Module:
        """A network with fresh random weights; ``weights`` names the published ones that it will get, if any."""

    @abstractmethod
    def preprocess(self, input_size: int | None, weights: str | None) -> Preprocess:
        """How pictures are prepared: as for the published ``weights``, or as usual for the family."""

    def default_class_names(self) -> list[str]:
        """Names of the outputs when nobody gives any."""
        from conceptrast.models.torchvision_family import imagenet_class_names

        return imagenet_class_names()

    def published_names(self) -> list[str]:
        """Names under which the family can fetch weights."""
        return []

    def published(self, weights: str) -> Published:
        """Fetch weights by one of :meth:`published_names`."""
        raise ModelError(f"{self.name} has no published weights: give a .pth or .safetensors file")

    def fingerprint(self, weights: str) -> str:
        """What identifies published weights, without fetching them."""
        return f"{self.name}/{weights}"

    def missing(self, weights: str) -> str | None:
        """What is missing to fetch published weights, or ``None``; quick, and without the network."""
        return None
