"""The part of a network after a layer, in the form that the grad-cam package needs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from conceptrast.models.split import SplitModel


class CutNetwork(nn.Module):
    r"""The suffix of a cut network, behind a module ``cut`` that does nothing but can be hooked.

    The package puts forward hooks on a module of the user's network. If a module is called several times
    (EfficientNet-Lite's ``_swish``, torchvision's ReLUs), such hooks see the wrong call. They may also see values that
    a later module has overwritten in place. ``cut`` is called once, and the suffix does not change its input.

    The package sets the mode of its network and clears the gradients of its weights. It must not do so to the user's
    network, so the two halves are not submodules of this module. A parameter without values tells the package the
    device.

    Args:
        split: the network, cut at the layer.
        images: ``[N, C, H, W]`` normalised, on the network's device, for methods that change pictures.

    Attributes:
        prefix: from images to activations, without the hook.
        suffix: from activations to logits, without the hook, which would keep every activation that it sees.

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
