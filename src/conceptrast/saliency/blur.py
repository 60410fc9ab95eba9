r"""How the model's answer changes when a region of the picture is blurred.

Notation: ``x`` normalised images ``[N, c, H, W]``, ``G`` their blurred copies, ``m`` a region ``[H, W]``, 1 inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from conceptrast.base.errors import ConfigError, ModelError, ShapeError
from conceptrast.base.streams import Stream, generator
from conceptrast.models.inference import autocast, device_of
from conceptrast.models.model import Model

BLUR = 0.05
"""Standard deviation of the Gaussian, as a share of the picture's shorter side."""


def blurred(images: np.ndarray, share: float = BLUR) -> np.ndarray:
    """Blur pictures by a Gaussian whose width grows with their size. Pictures are mirrored at their border.

    Args:
        images: ``[..., H, W]``, in any unit; every plane is blurred by itself.
        share: the standard deviation of the Gaussian, as a share of the shorter side.

    Returns:
        Blurred images, of the same size, type and unit as ``images``.

    Raises:
        ConfigError: ``share`` is not above 0.

    Example:
        >>> blurred(np.array([[0.0, 0.0, 1.0, 0.0, 0.0]] * 5), 0.1)[0].round(2).tolist()
        [0.0, 0.11, 0.79, 0.11, 0.0]
    """
    if not share > 0:
        raise ConfigError(f"a blur needs a standard deviation above 0, got {share}")
    pixels = share * min(images.shape[-2:])
    return gaussian_filter(images, (*(0,) * (images.ndim - 2), pixels, pixels), mode="reflect")


@dataclass(frozen=True)
class BlurTest:
    """Images, their blurred copies, and the model's probabilities for the images; made by :meth:`of`."""

    model: Model
    images: Tensor
    blurred: Tensor
    probabilities: np.ndarray
    """``[N, K]`` float64."""
    precision: str = "float32"
    batch_size: int = 32

    @classmethod
    def of(
        cls, model: Model, images: Tensor, share: float = BLUR, precision: str = "float32", batch_size: int = 32
    ) -> BlurTest:
        """Blur all images, and ask the model about the original images.

        Args:
            model: the classifier.
            images: ``[N, c, H, W]`` normalised, on the model's device.
            share: as :func:`blurred` takes it.
            precision: ``float32`` or ``bfloat16``; the softmax is float64.
            batch_size: images in a batch.

        Returns:
            The images with their blurred copies and their probabilities, ready for :meth:`drops`.

        Raises:
            ConfigError: ``share`` is not above 0.
            ModelError: a logit is not finite.

        Example:
            >>> from conceptrast.models.model import Preprocess
            >>> network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
            >>> model = Model("two", network, Preprocess(None, 4, (0.0,) * 3, (1.0,) * 3), ["red", "other", "none"])
            >>> BlurTest.of(model, torch.zeros(1, 3, 4, 4)).probabilities.round(2).tolist()
            [[0.33, 0.33, 0.33]]
        """
        soft = torch.from_numpy(blurred(images.cpu().numpy(), share)).to(images)
        soft = soft.contiguous(memory_format=torch.channels_last)
        probabilities = [_probabilities(model, batch, precision) for batch in images.split(batch_size)]
        return cls(
            model=model,
            images=images,
            blurred=soft,
            probabilities=np.concatenate(probabilities),
            precision=precision,
            batch_size=batch_size,
        )

    def drops(self, places: Sequence[int] | np.ndarray, regions: Tensor) -> np.ndarray:
        r"""How much less probable every class becomes when a region is blurred.

        .. math:: D_c = p_c(x) - p_c\big(m \odot G + (1 - m) \odot x\big)

        Args:
            places: ``[P]``, the number of the image of each region.
            regions: ``[P, H, W]`` bool.

        Returns:
            ``[P, K]`` float64, −1 to 1; negative if the class becomes more probable.

        Raises:
            ShapeError: the regions are not as large as the images, or not as many as the places.
            ModelError: a logit is not finite.

        Source: we take the region of a concept out of the picture, after Fong and Vedaldi 2017 (arXiv 1704.03296). They
        blur with a standard deviation of 10 pixels in 224.

        Example:
            >>> from conceptrast.models.model import Preprocess
            >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2, bias=False))
            >>> network[1].weight.data = torch.stack([torch.eye(16)[5], torch.zeros(16)])
            >>> model = Model("one pixel", network, Preprocess(None, 4, (0.0,) * 3, (1.0,) * 3), ["bright", "dark"])
            >>> image = torch.zeros(1, 1, 4, 4)
            >>> image[0, 0, 1, 1] = 4.0
            >>> test = BlurTest.of(model, image, share=0.5)
            >>> test.drops([0], image[:, 0] > 0).round(2).tolist()
            [[0.41, -0.41]]
        """
        if len(places) != len(regions) or regions.shape[1:] != self.images.shape[2:]:
            got = f"{len(places)} places and regions {list(regions.shape)} of images {list(self.images.shape)}"
            raise ShapeError(f"every region needs a place and the size of the images; got {got}")
        numbers = torch.as_tensor(np.asarray(places, np.int64))
        probabilities = [np.empty((0, self.probabilities.shape[1]))]
        for batch in torch.arange(len(numbers)).split(self.batch_size):
            images = numbers[batch].to(self.images.device)
            mask = regions[batch].to(self.images.device)[:, None]
            changed = torch.where(mask, self.blurred[images], self.images[images])
            probabilities.append(_probabilities(self.model, changed, self.precision))
        return self.probabilities[numbers.numpy()] - np.concatenate(probabilities)


def elsewhere(region: Tensor, key: Sequence[int]) -> Tensor:
    """Move the region to a random place. The part that leaves the picture on one side comes in on the other.

    Args:
        region: ``[H, W]`` bool.
        key: the numbers that the place is drawn from: a seed, and numbers that tell this draw from others.

    Returns:
        ``[H, W]`` bool, as large as ``region``.

    Example:
        >>> elsewhere(torch.tensor([[True, True, False, False, False, False]]), [0, 3]).int().tolist()
        [[0, 0, 1, 1, 0, 0]]
    """
    draw = generator(Stream.MOVED_REGION, *key)
    return region.roll([int(draw.integers(size)) for size in region.shape], (0, 1))


@torch.inference_mode()
def _probabilities(model: Model, images: Tensor, precision: str) -> np.ndarray:
    with autocast(precision, device_of(model)):
        logits = model.module(images.contiguous(memory_format=torch.channels_last)).double()
    return finite(model, logits).softmax(dim=1).cpu().numpy()


def finite(model: Model, logits: Tensor) -> Tensor:
    """The logits themselves.

    Raises:
        ModelError: a logit is not finite.
    """
    if not logits.isfinite().all():
        raise ModelError(f"{model.name} gives logits that are not finite")
    return logits
