"""The part of a network after a layer, in the form that the grad-cam package needs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from conceptrast.models.layouts import CHANNELS_FIRST
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
        class_tokens: ``[N, t, C]`` of the images, if the layer has class tokens: they stay as they are.

    Example:
        >>> network = nn.Sequential(nn.AvgPool2d(2), nn.ReLU(), nn.Flatten()).eval()
        >>> cut = CutNetwork(SplitModel(network, "0"), torch.ones(1, 3, 2, 2))
        >>> cut(torch.full((1, 3, 1, 1), 5.0)), cut.whole(cut.images)
        (tensor([[5., 5., 5.]]), tensor([[1., 1., 1.]]))
    """

    def __init__(self, split: SplitModel, images: Tensor, class_tokens: Tensor | None = None) -> None:
        super().__init__()
        self.cut = nn.Identity()
        self.images = images
        self.device = nn.Parameter(torch.empty(0, device=images.device), requires_grad=False)
        self.split = split
        self.class_tokens = class_tokens

    def forward(self, activations: Tensor) -> Tensor:
        """Logits ``[N, n_classes]`` of ``activations`` ``[N, C, h, w]`` of the images."""
        activations = self.cut(activations)
        if self.split.layout != CHANNELS_FIRST:
            # Their gradient would be a view, and the package detaches it in place.
            activations = activations * 1
        return self.split.suffix(activations, self.class_tokens)

    def suffix(self, activations: Tensor, image: int) -> Tensor:
        """Logits of ``activations`` ``[n, C, h, w]``, all made from those of one image.

        The hook is left out, because it would keep every activation that it sees.
        """
        tokens = self.class_tokens
        return self.split.suffix(
            activations, None if tokens is None else tokens[image].expand(len(activations), -1, -1)
        )

    def whole(self, images: Tensor) -> Tensor:
        """Logits of images ``[n, C, H, W]``, without the hook."""
        split = self.split.complete
        return split.suffix(split.prefix(images))
