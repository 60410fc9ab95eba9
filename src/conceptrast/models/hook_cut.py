"""Cutting a network that cannot be traced: a forward hook takes the layer's output, or puts another in its place.

The prefix stops the network at the layer; the suffix must run the whole network on a blank image, which is why this
is the slower way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from conceptrast.base.errors import LayerError, unknown_name


class _Reached(Exception):
    """Carries the layer's output out of the network."""

    def __init__(self, output: Tensor) -> None:
        super().__init__("layer reached")
        self.output = output


@contextmanager
def _at_call(part: nn.Module, position: int, act: Callable[[Tensor], Any]) -> Iterator[None]:
    """Let ``act`` see, and replace, the output of call ``position`` of ``part`` while the block runs."""
    calls = iter(range(position + 1))

    def hook(_: nn.Module, __: Any, output: Tensor) -> Any:
        return act(output) if next(calls, None) == position else None

    handle = part.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


class HookCut:
    """The two halves of a network, by forward hooks that are gone after each call.

    Args:
        module: the network, in evaluation mode.
        layer: name of the layer; ``name:i`` is its call ``i``, ``name`` its last.
        example: ``[N, C, H, W]``; its size is that of the blank image.

    Raises:
        LayerError: no such layer, or the network never calls it.
    """

    def __init__(self, module: nn.Module, layer: str, example: Tensor) -> None:
        name, _, call = layer.partition(":")
        parts = dict(module.named_modules())
        if name not in parts or not name:
            raise LayerError(unknown_name("layer", name, [part for part in parts if part]))
        self.module = module
        self.part = parts[name]
        self.blank = torch.zeros_like(example[:1])
        calls = self._count(example)
        self.position = int(call) if call.isdecimal() else calls - 1
        if not 0 <= self.position < calls:
            raise LayerError(f"unknown layer {layer!r}: the network calls {name!r} {calls} times")

    def _count(self, example: Tensor) -> int:
        outputs: list[Any] = []
        handle = self.part.register_forward_hook(lambda _, __, output: outputs.append(type(output)))
        try:
            with torch.no_grad():
                self.module(example)
        finally:
            handle.remove()
        return len(outputs)

    def prefix(self, images: Tensor) -> Tensor:
        """``[N, C, H, W]`` images to the layer's output."""

        def leave(output: Tensor) -> None:
            raise _Reached(output)

        try:
            with _at_call(self.part, self.position, leave):
                self.module(images)
        except _Reached as reached:
            return reached.output
        raise LayerError("the network did not reach the layer for this input")

    def suffix(self, activations: Tensor) -> Tensor:
        """The layer's output to logits; ``activations`` are copied, since the network may overwrite them."""
        images = self.blank.to(activations.device).expand(len(activations), -1, -1, -1).contiguous()
        with _at_call(self.part, self.position, lambda _: activations.clone()):
            return self.module(images)
