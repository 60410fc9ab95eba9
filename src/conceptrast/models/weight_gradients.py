r"""Gradients of a convolution's weights where the kernel sees nothing but padding.

On a picture of few pixels, some places of a kernel never lie on a pixel: with a kernel of 3, stride 2 and padding 1, a
picture of one pixel only ever meets the kernel's middle. What such a place is multiplied with is zero, so its gradient
is zero. But oneDNN, which torch calls on a CPU, does not write it in bfloat16 on processors with AMX: it is what the
memory held before. So the weights differ from run to run, and some are no numbers. Measured with torch 2.13: strides
of 2 and 4, plain, transposed and depthwise; outputs and all other gradients are right.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor, nn

Convolution = nn.Conv2d | nn.ConvTranspose2d


@lru_cache
def seen_places(pixels: int, steps: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[bool, ...]:
    r"""Which places of a kernel lie on a pixel at least once, in one dimension.

    At step ``o``, place ``i`` lies on pixel :math:`o s - p + i d`.

    Args:
        pixels: the number of pixels: of the input, or of a transposed convolution's output.
        steps: the number of steps of the kernel: of the output, or of a transposed convolution's input.
        kernel: the number of places.
        stride: ``s``.
        padding: ``p``, on either side.
        dilation: ``d``.

    Example:
        >>> seen_places(1, steps=1, kernel=3, stride=2, padding=1, dilation=1)
        (False, True, False)
        >>> seen_places(6, steps=3, kernel=3, stride=2, padding=1, dilation=1)
        (True, True, True)
    """
    return tuple(any(0 <= o * stride - padding + i * dilation < pixels for o in range(steps)) for i in range(kernel))


@contextmanager
def exact_weight_gradients(network: nn.Module) -> Iterator[None]:
    """While the context lasts, gradients are zero at the places of convolutions that see nothing but padding.

    Args:
        network: the network that is trained. Its convolutions that pad with zeros and have a stride are watched.

    Example:
        >>> convolution = nn.Conv2d(1, 1, kernel_size=3, stride=2, padding=1)
        >>> with exact_weight_gradients(convolution):
        ...     convolution(torch.ones(1, 1, 1, 1)).sum().backward()
        >>> convolution.weight.grad.flatten().tolist()
        [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """
    unseen: dict[nn.Module, Tensor] = {}

    def look(convolution: Convolution, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not convolution.weight.requires_grad:
            return
        if convolution not in unseen:
            hooks.append(
                convolution.weight.register_hook(lambda gradient: gradient.masked_fill(unseen[convolution], 0.0))
            )
        unseen[convolution] = _unseen(convolution, inputs[0], output)

    # Pixels beside the picture that are not zeros have gradients.
    watched = [
        part
        for part in network.modules()
        if isinstance(part, Convolution) and max(part.stride) > 1 and part.padding_mode == "zeros"
    ]
    hooks = [convolution.register_forward_hook(look) for convolution in watched]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _unseen(convolution: Convolution, pictures: Tensor, output: Tensor) -> Tensor:
    """``[kh, kw]`` bool: the places of the kernel that see nothing but padding."""
    fine, coarse = (output, pictures) if isinstance(convolution, nn.ConvTranspose2d) else (pictures, output)
    rows, columns = (
        torch.tensor(
            seen_places(
                fine.shape[dimension],
                steps=coarse.shape[dimension],
                kernel=convolution.kernel_size[dimension],
                stride=convolution.stride[dimension],
                padding=int(convolution.padding[dimension]),
                dilation=convolution.dilation[dimension],
            )
        )
        for dimension in (-2, -1)
    )
    return ~(rows[:, None] & columns[None]).to(pictures.device)
