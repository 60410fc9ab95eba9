"""Cut a network that cannot be traced: a forward hook reads the layer's output, or replaces it.

The prefix stops the network at the layer. The suffix has to run the whole network on a blank image, so this way is
slower. Where other tensors go around the layer, a blank image gives wrong ones; :class:`HookInjection` runs the image
itself.
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
    """While the block runs, let ``act`` read and replace the output of call ``position`` of ``part``."""
    calls = iter(range(position + 1))

    def hook(_: nn.Module, __: Any, output: Tensor) -> Any:
        return act(output) if next(calls, None) == position else None

    handle = part.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


class HookCut:
    """The two halves of a network. They use forward hooks, which are removed after each call.

    Args:
        module: the network, in evaluation mode.
        layer: name of the layer; ``name:i`` is its call ``i``, ``name`` its last call.
        example: ``[N, C, H, W]``; the blank image gets its size.

    Raises:
        LayerError: there is no such layer, or the network never calls it.
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
        """Run images ``[N, C, H, W]`` up to the layer's output."""

        def leave(output: Tensor) -> None:
            raise _Reached(output)

        try:
            with _at_call(self.part, self.position, leave):
                self.module(images)
        except _Reached as reached:
            return reached.output
        raise LayerError("the network did not reach the layer for this input")

    def suffix(self, activations: Tensor) -> Tensor:
        """Run the layer's output up to the logits. It is copied, because the network may overwrite it."""
        images = self.blank.to(activations.device).expand(len(activations), -1, -1, -1).contiguous()
        with _at_call(self.part, self.position, lambda _: activations.clone()):
            return self.module(images)


def unreached(layer: str, decode: str) -> LayerError:
    """The error for a layer whose values do not reach the one that is decoded.

    Example:
        >>> print(unreached("layer4", "layer3"))
        values added at layer 'layer4' do not reach layer 'layer3': decode at the same layer or at a later one
    """
    return LayerError(
        f"values added at layer {layer!r} do not reach layer {decode!r}: decode at the same layer or at a later one"
    )


class HookInjection:
    """The part of a network between a layer whose output is replaced and a later one, by forward hooks.

    Args:
        module: the network, in evaluation mode.
        layer: name of the layer whose output is replaced.
        decode: name of the layer at which the network stops.
        example: ``[N, C, H, W]``.

    Raises:
        LayerError: there is no such layer, the network never calls it, or it calls ``decode`` before it.
    """

    def __init__(self, module: nn.Module, layer: str, decode: str, example: Tensor) -> None:
        self.start = HookCut(module, layer, example)
        self.end = HookCut(module, decode, example)
        calls: list[Tensor] = []
        with torch.no_grad(), _at_call(self.start.part, self.start.position, calls.append):
            self.end.prefix(example)
        if not calls:
            raise unreached(layer, decode)

    def prefix(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's output for images ``[N, C, H, W]``, and the images, which go around it."""
        return self.start.prefix(images), images

    def between(self, values: Tensor, images: Tensor) -> Tensor:
        """The output of ``decode`` for the images, with other values in place of the layer's output."""
        with _at_call(self.start.part, self.start.position, lambda _: values.clone()):
            return self.end.prefix(images)
