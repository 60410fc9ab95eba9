"""Classes of the grad-cam package that need a change to run on any layer of any network.

Notation: ``a`` activations ``[N, C, h, w]``, ``s`` the score of the target, ``w`` weights of the channels ``[N, C]``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from conceptrast.base.torchvision_ops import torchvision  # noqa: F401 - has to come before the grad-cam package
from conceptrast.saliency.cut_network import CutNetwork

# isort: split
import pytorch_grad_cam

Score = Callable[[Tensor], Tensor]
_BATCH = 32  # channels that go through a network at once


class AblationCAM(pytorch_grad_cam.AblationCAM):
    r"""Weights by what the score loses when a channel is set to zero.

    .. math:: w_k = s(a) - s(a \text{ without } a_k)

    One pass of the suffix for every channel and picture: half a second for one picture at the 1,280 channels of
    EfficientNet-Lite0's ``_swish``, three at the 672 of its ``_blocks.11._swish:0``, on one core.

    Source: Desai and Ramaswamy 2020, WACV, equation 5. The package's own lowers a channel to its minimum less ten
    million where an image's activations have no zero; the paper sets it to zero everywhere, as we do. The paper divides
    by :math:`s(a)`, which changes the scale alone where the score is positive, and would turn the map round where it is
    negative, as differences of classes are: the score that comes here is moved so that :math:`s(a) = 1`.
    """

    model: CutNetwork

    def get_cam_weights(
        self,
        input_tensor: Tensor,
        target_layer: Any,  # noqa: ARG002 - the package's signature
        targets: Sequence[Score],
        activations: np.ndarray,  # noqa: ARG002
        grads: np.ndarray,  # noqa: ARG002
    ) -> np.ndarray:
        """``w`` ``[N, C]`` of ``input_tensor``, the activations."""
        weights = []
        with torch.no_grad():
            for picture, target in zip(input_tensor, targets, strict=True):
                score = target(self.model.suffix(picture[None])[0])
                batches = torch.arange(len(picture), device=picture.device).split(_BATCH)
                without = torch.cat([target(self.model.suffix(_without(picture, channels))) for channels in batches])
                weights.append((score - without) / score)
        return torch.stack(weights).cpu().numpy()


def _without(activations: Tensor, channels: Tensor) -> Tensor:
    """``[n, C, h, w]``: the activations of one picture, in each copy one channel set to zero."""
    copies = activations.repeat(len(channels), 1, 1, 1)
    copies[torch.arange(len(channels)), channels] = 0
    return copies


class ScoreCAM(pytorch_grad_cam.ScoreCAM):
    r"""Weights by the score of the picture seen through each channel.

    .. math:: w_k = \mathrm{softmax}_k \, s(x \odot \mathrm{up}(a_k)), \quad \mathrm{up}(a_k) \in [0, 1]

    One pass of the *whole* network for every channel and picture: about a minute for one picture at the 1,280 channels
    of EfficientNet-Lite0's ``_swish``, on one core, where Grad-CAM takes a twentieth of a second. The package makes the
    masked pictures of all channels at once, more than a gigabyte for a picture of 224×224 pixels and 2,048 channels;
    here they come in batches.

    Source: Wang et al. 2020, arXiv 1910.01279. As the package does, and other than the paper, the score of a blank
    picture is not taken off: the softmax does not see it.
    """

    model: CutNetwork

    def get_cam_weights(
        self,
        input_tensor: Tensor,
        target_layer: Any,  # noqa: ARG002 - the package's signature
        targets: Sequence[Score],
        activations: np.ndarray,  # noqa: ARG002
        grads: np.ndarray,  # noqa: ARG002
    ) -> np.ndarray:
        """``w`` ``[N, C]`` of ``input_tensor``, the activations."""
        weights = []
        with torch.no_grad():
            for image, channels, target in zip(self.model.images, input_tensor, targets, strict=True):
                masked = (image * _masks(batch, image) for batch in channels.split(_BATCH))
                scores = [target(self.model.suffix(self.model.prefix(pictures))) for pictures in masked]
                weights.append(torch.cat(scores).softmax(0))
        return torch.stack(weights).cpu().numpy()


def _masks(channels: Tensor, image: Tensor) -> Tensor:
    """``[n, 1, H, W]`` in [0, 1] from ``[n, h, w]``."""
    large = functional.interpolate(channels[:, None], image.shape[-2:], mode="bilinear", align_corners=True)
    low = large.amin((2, 3), keepdim=True)
    high = large.amax((2, 3), keepdim=True)
    return (large - low) / (high - low + 1e-8)


class ShapleyCAM(pytorch_grad_cam.ShapleyCAM):
    r"""The package's ShapleyCAM, also where the rest of the network is linear.

    .. math:: w_k = \sum_p \frac{1}{h w} \Big( \frac{\partial s}{\partial a} - \tfrac{1}{2} H a \Big)_{kp}

    A linear suffix with frozen weights leaves no graph of second derivatives, where the package stops with an error.
    Its Hessian ``H`` is zero, and the weights are those of Grad-CAM.

    Source: Cai 2025, arXiv 2501.06261.
    """

    def get_cam_weights(
        self, input_tensor: Tensor, target_layer: Any, targets: Sequence[Score], activations: Tensor, grads: Tensor
    ) -> np.ndarray:
        """``w`` ``[N, C]``."""
        if not grads.requires_grad:
            return grads.mean((2, 3)).cpu().numpy()
        weights: np.ndarray = super().get_cam_weights(
            input_tensor,
            target_layer,
            targets,  # the package's ShapleyCAM has another name for it than its other methods
            activations=activations,
            grads=grads,
        )
        return weights
