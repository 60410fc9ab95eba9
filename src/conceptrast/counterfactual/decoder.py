"""A convolutional decoder of one layer: from activations back to the picture.

Notation: ``a`` activations ``[N, C, h, w]``, ``v`` pictures ``[N, 3, H, W]`` with values in [0, 1]; grey ones have
one channel.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from conceptrast.base.errors import LayerError, ModelError, ShapeError
from conceptrast.base.files import atomic
from conceptrast.models.inference import module_for_inference
from conceptrast.models.model import Model
from conceptrast.models.weights import fit, read_state

_KIND = "conceptrast decoder"

_Side = Annotated[int, Field(ge=1, lt=2**16)]


class _Description(BaseModel):
    """What the header of a decoder's file says of it."""

    model_config = ConfigDict(strict=True)
    layer: str
    shape: tuple[_Side, _Side, _Side]
    size: tuple[_Side, _Side]
    width: _Side


class UpBlock(nn.Module):
    r"""Nearest-neighbour up-sampling to a size, then a residual block.

    .. math:: y = \mathrm{relu}(s(u) + g(u)), \quad u = \mathrm{up}(x)

    Here ``s`` is a 1×1 convolution and ``g`` two 3×3 convolutions with batch norm.

    Args:
        channels: the number of channels of the input.
        width: the number of channels of the output.
        size: (height, width) of the output.
    """

    def __init__(self, channels: int, width: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self.skip = nn.Conv2d(channels, width, 1)
        self.residual = nn.Sequential(
            *(nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[N, channels, h, w]`` to ``[N, width, *size]``."""
        # A 1×1 convolution and nearest-neighbour up-sampling give the same in either order. This order is cheaper.
        shortcut = nn.functional.interpolate(self.skip(x), size=self.size)
        residual: Tensor = self.residual(nn.functional.interpolate(x, size=self.size))
        return torch.relu(shortcut + residual)


class Decoder(nn.Module):
    """Reconstructs the picture from the activations of a layer.

    Residual blocks double the resolution until it is half the picture's. Then bilinear up-sampling and two 3×3
    convolutions give the pixels, and a sigmoid keeps them in [0, 1].

    Args:
        layer: the name of the layer whose activations are decoded.
        shape: (C, h, w) of the activations.
        size: (height, width) of the picture, at least twice (h, w).
        width: the number of channels of the first block; each further block has half as many, but at least 16.
        channels: the number of channels of the picture: 3, or 1 for grey.

    Raises:
        ShapeError: the picture is smaller than twice the activations, so nothing would be left to decode.

    Source: our own, in the manner of the decoders of super-resolution networks. Gifsplanation (Cohen et al. 2021,
    arXiv 2102.09475) uses the decoder of a trained autoencoder, which a classifier does not have.

    Example:
        >>> decoder = Decoder("layer3", (8, 3, 3), (48, 48), width=32).eval()
        >>> decoder(torch.zeros(2, 8, 3, 3)).shape, len(decoder.blocks)
        (torch.Size([2, 3, 48, 48]), 3)
    """

    def __init__(
        self, layer: str, shape: tuple[int, int, int], size: tuple[int, int], width: int = 128, channels: int = 3
    ) -> None:
        super().__init__()
        # A picture needs more pixels than the layer has positions.
        wide, *positions = shape
        if size[0] < 2 * positions[0] or size[1] < 2 * positions[1]:
            raise ShapeError(
                f"activations of {layer} have {positions[0]}×{positions[1]} positions and the picture "
                f"{size[0]}×{size[1]} pixels: a decoder needs at least 2 pixels a position; choose a later layer"
            )
        # The facts about the decoder that a file holds.
        self.layer = layer
        self.shape = shape
        self.size = size
        self.width = width
        # Blocks up to the resolution of the picture, and the pixels.
        blocks = []
        for number, resolution in enumerate(resolutions((positions[0], positions[1]), size)):
            narrow = max(16, width >> number)
            blocks.append(UpBlock(wide, narrow, resolution))
            wide = narrow
        self.blocks = nn.Sequential(*blocks)
        self.to_pixels = nn.Sequential(
            nn.Upsample(size=size, mode="bilinear"),
            nn.Conv2d(wide, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, channels, 3, padding=1),
        )

    def forward(self, activations: Tensor) -> Tensor:
        """``[N, C, h, w]`` to pictures ``[N, channels, H, W]`` in [0, 1].

        Raises:
            ShapeError: the activations are not those of the layer.
        """
        if activations.shape[1:] != torch.Size(self.shape):
            raise ShapeError(
                f"the decoder of {self.layer} takes activations {list(self.shape)}, got {list(activations.shape[1:])}"
            )
        pixels: Tensor = self.to_pixels(self.blocks(activations))
        return pixels.sigmoid()

    def for_inference(self, precision: str) -> Decoder:
        """The same decoder in the fastest form for many passes without gradients; pictures are equal up to rounding."""
        fast = copy.copy(self)
        fast._modules = {
            name: module_for_inference(part, precision) for name, part in self._modules.items() if part is not None
        }
        return fast

    def check_layer(self, layer: str) -> None:
        """Refuse another layer than the decoder's.

        Raises:
            LayerError: ``layer`` is not the decoder's.
        """
        if layer != self.layer:
            raise LayerError(
                f"a direction in {layer!r} cannot be decoded by the decoder of {self.layer!r}: "
                f"train a decoder of {layer!r}, or find the direction in {self.layer!r}"
            )


def resolutions(positions: tuple[int, int], size: tuple[int, int]) -> list[tuple[int, int]]:
    """The resolutions of the blocks. They double until half the picture's size, rounded up.

    Args:
        positions: (h, w) of the activations.
        size: (H, W) of the picture, at least twice as large.

    Example:
        >>> resolutions((7, 7), (224, 224)), resolutions((2, 3), (4, 6))
        ([(14, 14), (28, 28), (56, 56), (112, 112)], [(2, 3)])
        >>> resolutions((7, 7), (120, 120))
        [(15, 15), (30, 30), (60, 60)]
    """
    sizes = [_half(size)]
    while all(side >= 2 * least for side, least in zip(_half(sizes[0]), positions, strict=True)):
        sizes.insert(0, _half(sizes[0]))
    return sizes


def _half(size: tuple[int, int]) -> tuple[int, int]:
    return -(-size[0] // 2), -(-size[1] // 2)


def decoded_input(model: Model, decoded: Tensor) -> Tensor:
    """Turn decoded pictures into the network's input; gradients flow through.

    Args:
        model: the model, for its normalisation.
        decoded: ``[N, 3, H, W]`` in [0, 1].

    Returns:
        ``[N, 3, H, W]``, normalised.
    """
    return model.preprocess.normalise(255 * decoded).contiguous(memory_format=torch.channels_last)


def write_decoder(decoder: Decoder, path: Path | str) -> None:
    """Write the weights as safetensors. The header says which layer and sizes the decoder is for.

    Raises:
        ModelError: the file's name does not end in ``.safetensors``.
    """
    if Path(path).suffix != ".safetensors":
        raise ModelError(f"a decoder is written as safetensors: {Path(path).name} must end in .safetensors")
    description = {"layer": decoder.layer, "shape": decoder.shape, "size": decoder.size, "width": decoder.width}
    state = {name: value.detach().cpu().contiguous() for name, value in decoder.state_dict().items()}
    content = save(state, metadata={_KIND: json.dumps(description)})
    with atomic(path) as part:
        part.write_bytes(content)


def read_decoder(path: Path | str) -> Decoder:
    """Read a decoder that :func:`write_decoder` wrote. It is frozen and in evaluation mode.

    Raises:
        ModelError: the file is missing or damaged, or it holds no decoder.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "decoder.safetensors")
        >>> write_decoder(Decoder("layer4", (8, 3, 3), (12, 12), width=16), path)
        >>> read_decoder(path).layer
        'layer4'
    """
    # The facts about the decoder.
    state = read_state(path)
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
        description = _Description.model_validate_json(header[_KIND])
        channels = len(state["to_pixels.3.bias"])
        # The sizes in the header decide how much memory is taken, so the tensors have to have them.
        first = (max(16, description.width), description.shape[0], 1, 1)
        if state["blocks.0.skip.weight"].shape != first:
            raise ValueError(f"the first block has another shape than {first}")
        decoder = Decoder(**description.model_dump(), channels=channels)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{path} holds no decoder: give the file that a decoder was written to") from error
    # Its weights.
    fit(decoder, state, "the decoder", str(path))
    return decoder.eval().requires_grad_(False)
