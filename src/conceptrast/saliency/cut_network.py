"""A network from a layer's activations on, in the form in which the grad-cam package takes networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from conceptrast.models.split import SplitModel


class CutNetwork(nn.Module):
    r"""The suffix of a cut network, behind a module ``cut`` that does nothing and can be hooked.

    The package puts forward hooks on a module of the user's network. There they see the wrong call where a module is
    called several times (EfficientNet-Lite's ``_swish``, torchvision's ReLUs), and values that a later module has
    overwritten in place. ``cut`` is called once, and the suffix leaves what it is given as it was.

    The halves are no submodules of this one, so that the package, which sets its network's mode and takes the gradients
    off its weights, does not reach the user's. A parameter without values tells it the device.

    Args:
        split: the network, cut at the layer.
        images: ``[N, C, H, W]`` normalised, on the network's device, for methods that change pictures.

    Attributes:
        prefix: images to activations, past the hook.
        suffix: activations to logits, past the hook, which keeps every activation that it sees.

    Example:
        >>> network = nn.Sequential(nn.AvgPool2d(2), nn.ReLU(), nn.Flatten()).eval()
        >>> cut = CutNetwork(SplitModel(network, "0"), torch.ones(1, 3, 2, 2))
        >>> cut(torch.full((1, 3, 1, 1), 5.0)), cut.suffix(cut.prefix(cut.images))
        (tensor([[5., 5., 5.]]), tensor([[1., 1., 1.]]))
    """

    def __init__(self, split: SplitModel, images: Tensor) -> None:
        super().__init__()
        self.cut = nn.Identity()
        self.images = images
        self.device = nn.Parameter(torch.empty(0, device=images.device), requires_grad=False)
        self.prefix = split.prefix
        self.suffix = split.suffix

    def forward(self, activations: Tensor) -> Tensor:
        """Logits ``[N, n_classes]`` of ``activations`` ``[N, C, h, w]``."""
        return self.suffix(self.cut(activations))
