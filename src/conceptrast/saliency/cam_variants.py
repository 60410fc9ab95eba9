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


class EigenCAM(pytorch_grad_cam.EigenCAM):
    r"""The package's EigenCAM, which here takes the first component from a reduced decomposition.

    .. math:: M = \bar a v_1, \qquad \bar a = U S V^T

    ``a̅`` ``[h w, C]`` are the activations less their mean over all positions. The package computes all ``C`` right
    singular vectors, but only ``h w`` of them can have a singular value. At 1,280 channels of 7×7 positions that takes
    thirty times as long.

    Source: Muhammad and Yeasin 2020, arXiv 2008.00299.
    """

    def get_cam_image(
        self,
        input_tensor: Tensor,  # noqa: ARG002 - the package's signature
        target_layer: Any,  # noqa: ARG002
        target_category: Sequence[Score],  # noqa: ARG002
        activations: np.ndarray,
        grads: np.ndarray,  # noqa: ARG002
        eigen_smooth: bool,  # noqa: ARG002
    ) -> np.ndarray:
        """``[N, h, w]``."""
        vectors = activations.reshape(*activations.shape[:2], -1).transpose(0, 2, 1)
        centred = vectors - vectors.mean(axis=1, keepdims=True)
        _, _, directions = np.linalg.svd(centred, full_matrices=False)
        maps = centred @ directions[:, 0, :, None]
        return maps.reshape(len(activations), *activations.shape[2:]).astype(np.float32)


class AblationCAM(pytorch_grad_cam.AblationCAM):
    r"""The weight of a channel is the loss of score when the channel is set to zero.

    .. math:: w_k = s(a) - s(a \text{ without } a_k)

    The suffix runs once for every channel and picture. On one core, one picture takes half a second at the 1,280
    channels of EfficientNet-Lite0's ``_swish``, and three seconds at the 672 channels of its ``_blocks.11._swish:0``.

    Source: Desai and Ramaswamy 2020, WACV, equation 5. The paper sets a channel to zero everywhere, and so do we. If an
    image's activations have no zero, the package lowers a channel to its minimum less ten million. The paper divides by
    :math:`s(a)`. This only changes the scale if the score is positive, but it would invert the map if the score is
    negative; a difference of classes can be. So the score that comes here is moved to :math:`s(a) = 1`.
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
            for image, (picture, target) in enumerate(zip(input_tensor, targets, strict=True)):
                score = target(self.model.suffix(picture[None], image)[0])
                batches = torch.arange(len(picture), device=picture.device).split(_BATCH)
                lower = (self.model.suffix(_without(picture, channels), image) for channels in batches)
                without = torch.cat([target(logits) for logits in lower])
                weights.append((score - without) / score)
        return torch.stack(weights).cpu().numpy()


def _without(activations: Tensor, channels: Tensor) -> Tensor:
    """``[n, C, h, w]``: the activations of one picture, in each copy one channel set to zero."""
    copies = activations.repeat(len(channels), 1, 1, 1)
    copies[torch.arange(len(channels)), channels] = 0
    return copies


class ScoreCAM(pytorch_grad_cam.ScoreCAM):
    r"""The weight of a channel is the score of the picture seen through this channel.

    .. math:: w_k = \mathrm{softmax}_k \, s(x \odot \mathrm{up}(a_k)), \quad \mathrm{up}(a_k) \in [0, 1]

    The *whole* network runs once for every channel and picture. On one core, one picture takes about a minute at the
    1,280 channels of EfficientNet-Lite0's ``_swish``; Grad-CAM takes a twentieth of a second. The package makes the
    masked pictures of all channels at once. That is more than a gigabyte for a picture of 224×224 pixels and 2,048
    channels. Here they come in batches.

    Source: Wang et al. 2020, arXiv 1910.01279. The paper subtracts the score of a blank picture. The package and we do
    not: it would not change the softmax.
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
                scores = [target(self.model.whole(pictures)) for pictures in masked]
                weights.append(torch.cat(scores).softmax(0))
        return torch.stack(weights).cpu().numpy()


def _masks(channels: Tensor, image: Tensor) -> Tensor:
    """``[n, 1, H, W]`` in [0, 1] from ``[n, h, w]``."""
    large = functional.interpolate(channels[:, None], image.shape[-2:], mode="bilinear", align_corners=True)
    low = large.amin((2, 3), keepdim=True)
    high = large.amax((2, 3), keepdim=True)
    return (large - low) / (high - low + 1e-8)


class ShapleyCAM(pytorch_grad_cam.ShapleyCAM):
    r"""The package's ShapleyCAM, which here also works if the rest of the network is linear.

    .. math:: w_k = \sum_p \frac{1}{h w} \Big( \frac{\partial s}{\partial a} - \tfrac{1}{2} H a \Big)_{kp}

    A linear suffix with frozen weights has no graph of second derivatives, so the package stops with an error. The
    Hessian ``H`` of such a suffix is zero, and the weights are those of Grad-CAM.

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
