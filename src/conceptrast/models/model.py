"""A classifier together with how its pictures are prepared and what its outputs mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from conceptrast.base.errors import ConfigError, ModelError, ShapeError, unknown_name

_TOO_SMALL = ("Output size is too small", "Kernel size can't be greater than actual input size")
"""What torch says if nothing is left of an image before the last convolution or pooling."""

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclass(frozen=True)
class Preprocess:
    """Turn a picture into a model's input: resize the short side, crop the centre, normalise.

    A *view* is the picture after resizing and cropping, as bytes. Patches are windows of views. A model with one
    channel sees grey; a model with three channels sees red, green and blue. The length of ``mean`` is their number.

    Args:
        resize: length of the short side after resizing, in pixels; ``None`` leaves the size alone.
        crop: side of the centre crop, or ``(height, width)``, in pixels.
        mean: mean of each channel, one or three, for values in [0, 1].
        std: standard deviation of each channel, in the same units.
        interpolation: ``nearest``, ``bilinear`` or ``bicubic``; the last two are antialiased.

    Raises:
        ConfigError: the interpolation is not known, the crop is larger than ``resize``, a std is not positive, or there
            are not one or three channels.

    Example:
        >>> preprocess = Preprocess(resize=4, crop=4, mean=(0.5,) * 3, std=(0.25,) * 3)
        >>> view = preprocess.view(Image.new("RGB", (8, 4), (0, 255, 0)))
        >>> view.shape, view.dtype
        (torch.Size([3, 4, 4]), torch.uint8)
        >>> preprocess.normalise(view[None])[0, :, 0, 0]
        tensor([-2.,  2., -2.])
    """

    resize: int | None
    crop: int | tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if self.interpolation not in _FILTERS:
            raise ConfigError(unknown_name("interpolation", self.interpolation, _FILTERS))
        if self.resize is not None and self.resize < max(self.size):
            raise ConfigError(
                f"resize {self.resize} is smaller than crop {self.crop}: a crop cannot exceed the picture"
            )
        are_finite = all(map(math.isfinite, (*self.mean, *self.std)))
        if len(self.mean) not in (1, 3) or len(self.std) != len(self.mean) or not are_finite or min(self.std) <= 0:
            raise ConfigError(
                "mean and std need one value each, or three, and std positive ones, "
                f"got {list(self.mean)} and {list(self.std)}"
            )

    @property
    def channels(self) -> int:
        """Number of channels of a view: 1 for grey, or 3 for red, green and blue."""
        return len(self.mean)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a view."""
        return (self.crop, self.crop) if isinstance(self.crop, int) else (self.crop[0], self.crop[1])

    def view(self, image: Image.Image) -> Tensor:
        """The picture as the model sees it before normalisation.

        If the short side is already ``resize``, the picture is not resampled and its bytes do not change. If the model
        has one channel, a coloured picture becomes grey (ITU-R 601: 0.299 red, 0.587 green, 0.114 blue). If it has
        three, a grey picture gets three equal channels.

        Returns:
            uint8 ``[channels, H, W]``.

        Raises:
            ModelError: the picture is smaller than the crop and ``resize`` is ``None``.
        """
        image = self._resized(image.convert("L" if self.channels == 1 else "RGB"))
        height, width = self.size
        if image.height < height or image.width < width:
            raise ModelError(
                f"a picture of {image.height}×{image.width} pixels is smaller than the model's {height}×{width}: "
                "set the model's `resize`"
            )
        # The same rounding as torchvision's CenterCrop, so that published accuracies hold.
        top = round((image.height - height) / 2.0)
        left = round((image.width - width) / 2.0)
        pixels = np.asarray(image.crop((left, top, left + width, top + height)))
        return torch.from_numpy(pixels.reshape(height, width, self.channels).transpose(2, 0, 1).copy())

    def _resized(self, image: Image.Image) -> Image.Image:
        short, long = sorted(image.size)
        if self.resize is None or short == self.resize:
            return image
        long = int(self.resize * long / short)
        size = (self.resize, long) if image.width <= image.height else (long, self.resize)
        return image.resize(size, _FILTERS[self.interpolation])

    def normalise(self, views: Tensor) -> Tensor:
        """Views in model units.

        .. math:: x_{c} = \\frac{v_{c} / 255 - \\mathrm{mean}_c}{\\mathrm{std}_c}

        Args:
            views: ``[N, channels, h, w]`` of any height and width, uint8, or float in 0 to 255.

        Returns:
            float32 ``[N, channels, h, w]`` on the device of ``views``.

        Raises:
            ShapeError: the views have another number of channels than the model.
        """
        if views.shape[-3] != self.channels:
            raise ShapeError(
                f"views have {_channels(views.shape[-3])}, but mean and std of the model are of {self.channels}"
            )
        mean = torch.tensor(self.mean, device=views.device).view(-1, 1, 1)
        std = torch.tensor(self.std, device=views.device).view(-1, 1, 1)
        return (views.float() / 255 - mean) / std


@dataclass
class Model:
    """A frozen classifier, its preprocessing, the names of its outputs and a digest of its weights.

    Args:
        name: the model's name in messages and tables.
        module: a network from ``[N, channels, H, W]`` to logits ``[N, n_classes]``; it is put into eval mode without
            gradients.
        preprocess: how pictures become its input.
        class_names: one per output, by index.
        digest: MD5 of the weights, or ``"untrained"``.

    Example:
        >>> preprocess = Preprocess(2, 2, (0.5,) * 3, (0.5,) * 3)
        >>> model = Model("toy", nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), preprocess, ["cat", "dog"])
        >>> model.class_index("dog"), model.class_index(0)
        (1, 0)
    """

    name: str
    module: nn.Module
    preprocess: Preprocess
    class_names: list[str] = field(default_factory=list)
    digest: str = "untrained"

    def __post_init__(self) -> None:
        self.module.eval().requires_grad_(False)

    def class_index(self, name: str | int) -> int:
        """Output index of a class given by name or index.

        Raises:
            ConfigError: there is no such class; the message lists the nearest names.
        """
        if isinstance(name, (int, np.integer)):
            if 0 <= name < len(self.class_names):
                return int(name)
            raise ConfigError(f"class {name} does not exist: {self.name} has classes 0 to {len(self.class_names) - 1}")
        if name in self.class_names:
            return self.class_names.index(name)
        raise ConfigError(unknown_name("class", name, self.class_names))

    def class_indices(self, names: Sequence[str | int] | None) -> list[int] | None:
        """Output indices of classes given by name or index; ``None``, which stands for all classes, stays ``None``."""
        return None if names is None else [self.class_index(name) for name in names]


def refuse_channels(model: Model | nn.Module, images: Tensor) -> None:
    """Refuse images that the first convolution of a network cannot take.

    The first convolution is the first in the order of the network's modules. Nothing is refused if there is none.
    Padding that another module adds is not taken into account.

    Args:
        model: :class:`Model` or a bare module.
        images: ``[N, C, H, W]``, normalised.

    Raises:
        ShapeError: the images have another number of channels than the convolution, or are smaller than its kernel even
            after padding; the message names both.

    Example:
        >>> refuse_channels(nn.Sequential(nn.Conv2d(1, 6, 5)), torch.zeros(2, 3, 28, 28))
        Traceback (most recent call last):
        conceptrast.base.errors.ShapeError: images have 3 channels, but the network takes 1 (its convolution 0)
    """
    network = model if isinstance(model, nn.Module) else model.module
    convolutions = ((name, part) for name, part in network.named_modules() if isinstance(part, nn.Conv2d))
    name, first = next(convolutions, (None, None))
    if first is None:
        return
    if images.ndim != 4:
        raise ShapeError(f"images have 4 axes, [N, C, H, W]; got the shape {list(images.shape)}")
    if images.shape[1] != first.in_channels:
        needed = f"the network takes {first.in_channels} (its convolution {name or 'itself'})"
        raise ShapeError(f"images have {_channels(images.shape[1])}, but {needed}")
    # A kernel cannot reach beyond the padded picture.
    height, width = images.shape[2:]
    room = [side + 2 * pad for side, pad in zip((height, width), _padding(first), strict=True)]
    reach = [step * (size - 1) + 1 for step, size in zip(first.dilation, first.kernel_size, strict=True)]
    if room[0] < reach[0] or room[1] < reach[1]:
        kernel = f"the {reach[0]}×{reach[1]} kernel of {name or 'its convolution'}"
        padded = f", even padded to {room[0]}×{room[1]}" if room != [height, width] else ""
        raise ShapeError(f"a picture of {height}×{width} pixels is smaller than {kernel}{padded}")


@contextmanager
def shapes_explained(model: Model | nn.Module, images: Tensor) -> Iterator[None]:
    """If the block fails because the network cannot take the images, raise an error that says so.

    The images are not checked before, because a network may prepare them itself before its first convolution.

    Args:
        model: :class:`Model` or a bare module.
        images: ``[N, C, H, W]``, normalised.

    Raises:
        ShapeError: see :func:`refuse_channels`; or the images are too small for a later layer.

    Example:
        >>> with shapes_explained(network := nn.Conv2d(1, 6, 5), images := torch.zeros(2, 1, 3, 3)):
        ...     network(images)
        Traceback (most recent call last):
        conceptrast.base.errors.ShapeError: a picture of 3×3 pixels is smaller than the 5×5 kernel of its convolution
    """
    try:
        yield
    except RuntimeError as error:
        try:
            refuse_channels(model, images)
        except ShapeError as explained:
            raise explained from error
        if any(words in str(error) for words in _TOO_SMALL):
            height, width = images.shape[-2:]
            raise ShapeError(f"a picture of {height}×{width} pixels is too small for the network") from error
        raise


def _channels(number: int) -> str:
    return "1 channel" if number == 1 else f"{number} channels"


def _padding(convolution: nn.Conv2d) -> tuple[int, ...]:
    """Rows and columns that are added on each side; ``same`` adds as many as a picture needs."""
    if convolution.padding == "same":
        return tuple(step * size for step, size in zip(convolution.dilation, convolution.kernel_size, strict=True))
    return (0, 0) if convolution.padding == "valid" else tuple(int(pad) for pad in convolution.padding)
