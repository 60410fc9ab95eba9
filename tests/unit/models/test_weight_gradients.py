"""Gradients of a convolution's weights: zero where the kernel sees only padding, untouched everywhere else."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from conceptrast.models.weight_gradients import exact_weight_gradients, seen_places

SHAPES = [
    (size, kernel, stride, padding, dilation)
    for size, kernel, stride, padding, dilation in itertools.product((1, 2, 5), (1, 3, 4, 7), (1, 2), (0, 1, 3), (1, 2))
    if padding <= kernel // 2 and size + 2 * padding >= dilation * (kernel - 1) + 1
]
CONVOLUTIONS = {
    "plain": lambda: nn.Conv2d(3, 4, kernel_size=3, stride=2, padding=1),
    "transposed": lambda: nn.ConvTranspose2d(3, 4, kernel_size=5, stride=4, padding=1, output_padding=1),
}


@pytest.mark.parametrize(("size", "kernel", "stride", "padding", "dilation"), SHAPES)
@pytest.mark.parametrize("transposed", [False, True])
def test_a_place_is_seen_where_its_gradient_is_not_zero(transposed, size, kernel, stride, padding, dilation) -> None:
    if transposed and (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 < 1:
        return  # torch refuses it: nothing is left of the output
    kind = nn.ConvTranspose1d if transposed else nn.Conv1d
    convolution = kind(1, 1, kernel, stride=stride, padding=padding, dilation=dilation)
    output = convolution(torch.ones(1, 1, size))
    output.sum().backward()
    pixels, steps = (output.shape[-1], size) if transposed else (size, output.shape[-1])
    seen = seen_places(pixels, steps=steps, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    assert list(seen) == (convolution.weight.grad.flatten() != 0).tolist()


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (2, 1), (6, 6)])
@pytest.mark.parametrize("kind", list(CONVOLUTIONS))
def test_garbage_is_zeroed_where_only_padding_is_seen(kind: str, size: tuple[int, int]) -> None:
    network = nn.Sequential(CONVOLUTIONS[kind](), nn.Flatten())
    weight = network[0].weight
    pictures = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    network(pictures).sum().backward()
    exact = weight.grad.clone()
    network.zero_grad(set_to_none=True)
    # What a processor leaves in memory that it does not write. Hooks run in the order in which they are added.
    weight.register_hook(lambda gradient: gradient.masked_fill((exact == 0).all(0).all(0), float("nan")))
    with exact_weight_gradients(network):
        network(pictures).sum().backward()
    assert torch.equal(weight.grad, exact)


def test_gradients_in_bfloat16_do_not_depend_on_what_memory_held() -> None:
    convolution = nn.Conv2d(32, 64, kernel_size=3, stride=2, padding=1)
    pictures = torch.randn(8, 32, 1, 1, generator=torch.Generator().manual_seed(0))
    gradients = []
    for fill in (float("nan"), 1e30, 1.0):
        litter = [torch.full((size,), fill) for size in (64, 4096, *[convolution.weight.numel()] * 4)]
        del litter
        convolution.zero_grad(set_to_none=True)
        with exact_weight_gradients(convolution), torch.autocast("cpu", torch.bfloat16):
            convolution(pictures).sum().backward()
        gradients.append(convolution.weight.grad.clone())
    assert gradients[0].isfinite().all()
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)


def test_nothing_is_left_on_the_network() -> None:
    network = nn.Sequential(CONVOLUTIONS["plain"](), nn.Conv2d(4, 4, 3, padding="same"))
    with exact_weight_gradients(network):
        network(torch.ones(1, 3, 1, 1)).sum().backward()
    assert not network[0]._forward_hooks
    assert not network[0].weight._backward_hooks


def test_pixels_that_stand_beside_the_picture_keep_their_gradients() -> None:
    convolution = nn.Conv2d(1, 1, 3, stride=2, padding=1, padding_mode="replicate")
    with exact_weight_gradients(convolution):
        convolution(torch.ones(1, 1, 1, 1)).sum().backward()
    assert (convolution.weight.grad == 1).all()


def test_frozen_convolutions_are_left_alone() -> None:
    convolution = CONVOLUTIONS["plain"]().requires_grad_(False)
    with exact_weight_gradients(convolution):
        assert convolution(torch.ones(1, 3, 1, 1)).shape == (1, 4, 1, 1)
