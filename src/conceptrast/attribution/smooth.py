r"""Attribution averaged over noisy copies of an image (SmoothGrad), in batches.

Notation:
    x: normalised images ``[N, 3, H, W]``; S: number of noisy copies of each; x0: the constant baseline image.
    a: activations of the copies ``[N · S, C, h, w]``, the copies of one image in a row; a0: those of x0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from conceptrast.attribution import FROM_ZERO, METHODS
from conceptrast.attribution.completeness import completeness_gap, warn_if_incomplete
from conceptrast.attribution.noise import Smoothing
from conceptrast.base.errors import LayerError, ShapeError
from conceptrast.base.registry import resolve
from conceptrast.models.activations import refuse_unread_positions
from conceptrast.models.batches import prepared
from conceptrast.models.inference import autocast
from conceptrast.models.split import SplitModel

Method = Callable[[SplitModel, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Attribution:
    """The parts of an attribution of images that later steps need.

    Attributes:
        raw: ``[N, h, w]`` float32, mean over channels, in units of the logit.
        rectified: ``[N, h, w]`` float32, mean over channels of the positive part.
        multiplier: ``[N, C]`` float32, mean multiplier of each channel: attribution per unit of activation.
        linear_share: ``[N]`` float32, share of the attribution's square that the multipliers explain.
        gap: ``[N]`` float32, relative completeness gap.
    """

    raw: Tensor
    rectified: Tensor
    multiplier: Tensor
    linear_share: Tensor
    gap: Tensor

    @classmethod
    def together(cls, parts: Sequence[Attribution]) -> Attribution:
        """Join attributions of several groups of images into one, in their order."""
        return cls(**{field.name: torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)})


def smooth_attribution(
    split: SplitModel,
    images: Tensor,
    target: int | Tensor,
    method: str = "deeplift",
    *,
    samples: int = 5,
    noise: float = 0.25,
    baseline: float | Tensor = 1.0,
    seed: int = 0,
    image_ids: np.ndarray | None = None,
    precision: str = "float32",
    batch_size: int = 64,
    warn: bool = True,
) -> Attribution:
    r"""Mean attribution over noisy copies of each image, reduced to one map per image.

    .. math:: \bar A = \frac{1}{S} \sum_s A\big(\mathrm{prefix}(x + \epsilon_s)\big), \quad
        \epsilon_s \sim \mathcal N(0, \sigma^2), \qquad
        \mathrm{raw} = \frac{1}{C} \sum_c \bar A_c, \quad
        \mathrm{rectified} = \frac{1}{C} \sum_c \max(\bar A_c, 0), \qquad
        m_c = \frac{\sum_{s,y,x} A_{s c y x} \operatorname{sign}(\Delta a_{s c y x})}{\sum_{s,y,x} |\Delta a_{s c y x}|}

    Args:
        split: the network, cut at a layer with activations ``[N, C, h, w]``.
        images: ``[N, 3, H, W]`` normalised.
        target: one class index, or ``[N]`` of them.
        method: a name of :data:`conceptrast.attribution.METHODS`.
        samples: number S of noisy copies of each image; 0 attributes the image itself.
        noise: standard deviation σ in normalised units; 0 attributes the image itself, once.
        baseline: value of the constant baseline image, in normalised units; or its activations ``[1, C, h, w]`` from
            :func:`baseline_activations`, which many calls can share.
        seed: seed of the noise. An image's noise depends on the seed and the image's id, not on its batch.
        image_ids: ``[N]`` integers that tell images apart; the images' positions if ``None``.
        precision: ``float32`` or ``bfloat16`` (autocast); sums and the gap are float32 in both.
        batch_size: number of copies that run at once; all copies of one image always run together.
        warn: log a warning if the median gap is above 1 %. A stream of batches logs one for all batches instead.

    Returns:
        Raw and rectified maps, the channels' multipliers, how much of the attribution they explain
        (:func:`linear_share`), and the gap of each image's first copy (measuring the gap of all copies would cost
        another pass of the suffix).

        :math:`\Delta a` is the difference from the baseline, or from zero for the methods in
        :data:`conceptrast.attribution.FROM_ZERO`. If a channel never differs, its multiplier is 0. For a linear suffix,
        the multiplier is the channel's weight.

    Raises:
        ConfigError: the method or the precision is not known, or the number of samples or the noise is negative.
        ShapeError: ``image_ids`` or ``target`` does not fit the images.
        LayerError: the layer's activations are not ``[N, C, h, w]``.

    Activations equal the network's up to rounding, because the prefix is prepared by
    :meth:`conceptrast.models.split.SplitModel.with_fused_prefix`.

    Source: Smilkov et al., *SmoothGrad: removing noise by adding noise*, 2017; here it averages DeepLift. The baseline
    gets no noise, so its activations are computed once.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.ReLU(), torch.nn.Flatten()).eval()
        >>> images = torch.full((1, 3, 2, 2), 4.0)
        >>> attribution = smooth_attribution(SplitModel(network, "0"), images, target=0, samples=0)
        >>> attribution.raw, attribution.rectified, attribution.multiplier
        (tensor([[[1.]]]), tensor([[[1.]]]), tensor([[1., 0., 0.]]))
        >>> attribution.linear_share, attribution.gap
        (tensor([1.]), tensor([0.]))
    """
    # Check the arguments.
    smoothing = Smoothing(samples=samples, noise=noise, seed=seed, batch_size=batch_size)
    if not len(images):
        raise ShapeError("no images to attribute")
    ids = np.arange(len(images)) if image_ids is None else np.asarray(image_ids)
    targets = torch.as_tensor(target, device=images.device).expand(len(images))
    if len(ids) != len(images):
        raise ShapeError(f"{len(ids)} image_ids for {len(images)} images")
    resolve("attribution method", method, METHODS)
    # Prepare what all images share.
    split = split.with_fused_prefix(precision)
    start = baseline_activations(split, images, baseline, precision)
    attributor = Attributor(split, start, method=method, precision=precision, smoothing=smoothing)
    # Attribute a few images at a time, with all their copies.
    parts: list[Attribution] = []
    done = 0
    for some_ids, some_images, drawn in prepared(smoothing.chunks([(ids, images)]), images.device):
        rows = slice(done, done + len(some_ids))
        parts.append(attributor.attribute(some_images, drawn, targets[rows]))
        done = rows.stop
    attribution = Attribution.together(parts)
    if warn:
        warn_if_incomplete(attribution.gap, method, split.layer)
    return attribution


@dataclass(frozen=True)
class Attributor:
    """Attributes images, a few at a time; what it has is the same for all of them.

    Args:
        split: the cut network, prepared for the precision.
        start: activations of the baseline, as :func:`baseline_activations` gives them.
        method: a name of :data:`conceptrast.attribution.METHODS`.
        precision: ``float32`` or ``bfloat16``.
        smoothing: how noisy copies are made.
    """

    split: SplitModel
    start: Tensor
    method: str
    precision: str
    smoothing: Smoothing

    def attribute(self, images: Tensor, drawn: Tensor, targets: Tensor) -> Attribution:
        """Attribution of images ``[n, 3, H, W]`` with their noise, each towards its own target ``[n]``.

        Class tokens are attributed, too, so that the sum is complete; the maps leave them out.
        """
        noisy = self.smoothing.noisy(images, drawn)
        copies = noisy.shape[1]
        explain: Method = resolve("attribution method", self.method, METHODS)
        split = self.split.complete
        # Compute one attribution for each copy.
        with autocast(self.precision, noisy.device):
            with torch.no_grad():
                activations = split.prefix(noisy.flatten(0, 1).contiguous(memory_format=torch.channels_last))
            attribution = explain(split, activations, self.start, targets.repeat_interleave(copies))
        # Average over the copies, and measure the gap of the first.
        start = self.start.float()
        gap = completeness_gap(
            split,
            attribution=attribution[::copies],
            activations=activations[::copies].float(),
            baseline=start,
            target=targets,
        )
        way = split.patches(activations.float() if self.method in FROM_ZERO else activations.float() - start)
        attribution = split.patches(attribution)
        mean = attribution.float().unflatten(0, (-1, copies)).mean(1)
        multiplier = channel_multiplier(attribution, way, copies)
        return Attribution(
            raw=mean.mean(1),
            rectified=mean.clamp(min=0).mean(1),
            multiplier=multiplier,
            linear_share=linear_share(attribution, way, multiplier),
            gap=gap,
        )


def channel_multiplier(attribution: Tensor, difference: Tensor, copies: int) -> Tensor:
    """Mean multiplier of each channel over copies and positions, weighted by the size of the difference.

    Args:
        attribution: ``[N · S, C, h, w]``.
        difference: activations minus the baseline, or minus zero; of the same shape.
        copies: number S of copies of each image.

    Returns:
        ``[N, C]`` float32; 0 if a channel never differs.

    Example:
        >>> difference = torch.tensor([[1.0, -3.0], [0.0, 0.0]]).reshape(1, 2, 1, 2)
        >>> channel_multiplier(2 * difference, difference, copies=1)
        tensor([[2., 0.]])
    """
    change = (attribution.float() * difference.sign()).unflatten(0, (-1, copies)).sum(dim=(1, 3, 4))
    size = difference.abs().unflatten(0, (-1, copies)).sum(dim=(1, 3, 4))
    return torch.where(size > 0, change / size, 0.0)


def linear_share(attribution: Tensor, difference: Tensor, multiplier: Tensor) -> Tensor:
    r"""Share of an image's attribution that one multiplier for each channel explains.

    .. math:: 1 - \frac{\sum_{s,c,y,x} (A_{s c y x} - m_c \, \Delta a_{s c y x})^2}{\sum_{s,c,y,x} A_{s c y x}^2}

    The rest of the network is described by one multiplier for each channel where this is 1: what a channel adds to the
    logit does not depend on the position or on other channels. It is so for a mean over positions and a linear layer.

    Args:
        attribution: ``A`` ``[N · S, C, h, w]``, the copies of one image in a row.
        difference: ``Δa``, of the same shape.
        multiplier: ``m`` ``[N, C]``.

    Returns:
        ``[N]`` float32, at most 1; below 0 where the multipliers describe worse than zeros do, and 1 where all
        attribution is zero.

    Source: ours.

    Example:
        >>> difference = torch.tensor([1.0, 2.0]).view(1, 1, 1, 2)
        >>> linear_share(3 * difference, difference, torch.tensor([[3.0]]))
        tensor([1.])
        >>> linear_share(torch.tensor([2.0, 0.0]).view(1, 1, 1, 2), difference, torch.tensor([[1.0]]))
        tensor([-0.2500])
    """
    values = attribution.float().unflatten(0, (len(multiplier), -1))
    fitted = difference.float().unflatten(0, (len(multiplier), -1)) * multiplier[:, None, :, None, None]
    square = values.square().sum(dim=(1, 2, 3, 4))
    missed = (values - fitted).square().sum(dim=(1, 2, 3, 4))
    return torch.where(square > 0, 1 - missed / square, 1.0)


def baseline_activations(split: SplitModel, images: Tensor, baseline: float | Tensor, precision: str) -> Tensor:
    """Activations of the baseline.

    Args:
        split: the network, cut at the layer.
        images: ``[N, 3, H, W]``, for their size.
        baseline: value of a constant image, or activations ``[1, C, h, w]``, which are returned as they are.
        precision: ``float32`` or ``bfloat16``.

    Returns:
        ``[1, C, h, w]``; with class tokens ``[1, t + h w, C]``, as
        :attr:`~conceptrast.models.split.SplitModel.complete` has them.

    Raises:
        LayerError: the layer's output has no positions, or the logits do not depend on them.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.Flatten()).eval()
        >>> images = torch.ones(5, 1, 2, 2)
        >>> baseline_activations(SplitModel(network, "0"), images, 0.5, "float32")
        tensor([[[[0.5000]]]])
    """
    if isinstance(baseline, Tensor):
        return baseline
    blank = images.new_full((1, *images.shape[1:]), baseline).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), autocast(precision, images.device):
        maps = split.prefix(blank)
        activations = split.complete.prefix(blank) if split.layout.class_tokens else maps
    if maps.ndim != 4:
        raise LayerError(f"layer {split.layer!r} gives {list(maps.shape)}; attribution maps need [N, C, h, w]")
    refuse_unread_positions(split)
    return activations
