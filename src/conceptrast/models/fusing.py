"""Run a convolution, and the sum and the ReLU behind it, as one operation of oneDNN. It is faster on a CPU.

Otherwise the sum and the ReLU read and write the convolution's whole output once more, and every call sorts the weights
(and rounds them, in bfloat16) anew.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from conceptrast.models.folding import convolutions_as_modules, has_hooks, part_of

_SUMS = (operator.add, operator.iadd, torch.add)
#: oneDNN's name and bounds of functions that rectify.
_RECTIFIERS: dict[Any, tuple[str, list[float]]] = {
    **dict.fromkeys((nn.ReLU, functional.relu, functional.relu_, torch.relu, torch.relu_), ("relu", [])),
    **dict.fromkeys((nn.ReLU6, functional.relu6), ("hardtanh", [0.0, 6.0])),
}
_NOTHING: tuple[str, list[float]] = ("none", [])


class FusedConvolution(nn.Module):
    r"""A convolution with what follows it; no gradients flow through it.

    .. math:: y = \sigma(W * x + b + z)

    Without a second input :math:`z` nothing is added.

    Args:
        convolution: gives weights and sizes; its weights are copied.
        dtype: number format of weights, inputs and outputs: float32 or bfloat16.
        rectifier: oneDNN's name and bounds of σ: ``("relu", [])``, ``("hardtanh", [low, high])`` or ``("none", [])``.

    Source: the operations are those that ``torch.compile`` uses for convolutions on a CPU. They need no compiler.
    oneDNN sorts the weights once, for the size of the first images. Images of other sizes are right too, but slower.

    Example:
        >>> convolution = nn.Conv2d(1, 1, 1)
        >>> _ = nn.init.constant_(convolution.weight, -2.0), nn.init.constant_(convolution.bias, 1.0)
        >>> fused = FusedConvolution(convolution, torch.float32, ("relu", []))
        >>> fused(torch.tensor([[[[3.0, -3.0]]]])), fused(torch.tensor([[[[3.0]]]]), torch.tensor([[[[9.0]]]]))
        (tensor([[[[0., 7.]]]]), tensor([[[[4.]]]]))
    """

    def __init__(
        self, convolution: nn.Conv2d, dtype: torch.dtype, rectifier: tuple[str, list[float]] = _NOTHING
    ) -> None:
        super().__init__()
        self.weight = convolution.weight.detach().to(dtype)
        self.bias = None if convolution.bias is None else convolution.bias.detach().to(dtype)
        padding = [int(pad) for pad in convolution.padding]
        self.sizes = (padding, list(convolution.stride), list(convolution.dilation), convolution.groups)
        self.dtype = dtype
        self.rectifier = rectifier

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """``[N, C, H, W]`` of ``x`` ``[N, D, H', W']`` and ``other``, which has the output's shape or spreads to it."""
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        if not self.weight.is_mkldnn:
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self.sizes, list(x.shape))
        weights = (self.weight, self.bias, *self.sizes)
        name, bounds = self.rectifier
        if other is None:
            return torch.ops.mkldnn._convolution_pointwise(x, *weights, name, bounds, "")
        # oneDNN adds tensors of one shape and format, and then knows of one rectifier.
        other = other.to(self.dtype)
        if tuple(other.shape) == self._shape(x) and name in {"relu", "none"}:
            other = other.contiguous(memory_format=torch.channels_last)
            after = (None if name == "none" else name, bounds, "")
            return torch.ops.mkldnn._convolution_pointwise.binary(x, other, *weights, "add", None, *after)
        y = torch.ops.mkldnn._convolution_pointwise(x, *weights, "none", [], "") + other
        return y if name == "none" else y.clamp_(0, *bounds[1:])

    def _shape(self, x: Tensor) -> tuple[int, ...]:
        padding, stride, dilation, _ = self.sizes
        room = [side + 2 * pad for side, pad in zip(x.shape[2:], padding, strict=True)]
        reach = [step * (size - 1) for step, size in zip(dilation, self.weight.shape[2:], strict=True)]
        sides = [(side - used - 1) // step + 1 for side, used, step in zip(room, reach, stride, strict=True)]
        return (len(x), self.weight.shape[0], *sides)


def fuse_convolutions(module: fx.GraphModule, dtype: torch.dtype) -> fx.GraphModule | None:
    """Put a :class:`FusedConvolution` in the place of every convolution of ``module`` that oneDNN can run.

    A sum and a ReLU are fused with a convolution if they follow it at once and nothing else uses what is between them.

    Args:
        module: a network in evaluation mode; it is not changed. The weights of its convolutions are copied.
        dtype: number format of the fused convolutions: float32 or bfloat16.

    Returns:
        The fused module, equal up to rounding; ``None`` if there is nothing to fuse, or if torch has no oneDNN or the
        processor no bfloat16.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.MaxPool2d(2)).eval()
        >>> fused = fuse_convolutions(fx.symbolic_trace(network), torch.float32)
        >>> fused is None or {type(part).__name__ for part in fused.children()} == {'FusedConvolution', 'MaxPool2d'}
        True
    """
    # Find the convolutions.
    if not _runs(dtype):
        return None
    fused = convolutions_as_modules(module)
    convolutions = [node for node in fused.graph.nodes if _can_run(fused, node)]
    # Replace each, with what follows it, by one operation.
    for number, convolution in enumerate(convolutions):
        chain = _chain(fused, convolution)
        name = f"fused_{number}"
        fused.add_module(name, FusedConvolution(part_of(fused, chain.nodes[0]), dtype, chain.rectifier))
        with fused.graph.inserting_before(chain.nodes[-1]):
            call = fused.graph.call_module(name, (chain.nodes[0].args[0], *chain.others))
        chain.nodes[-1].replace_all_uses_with(call)
        for node in reversed(chain.nodes):
            fused.graph.erase_node(node)
    if not convolutions:
        return None
    fused.delete_all_unused_submodules()
    fused.recompile()
    return fused


class _Chain(NamedTuple):
    """A convolution, maybe a sum, maybe a ReLU; what is added; and the ReLU as oneDNN knows it."""

    nodes: list[fx.Node]
    others: list[fx.Node]
    rectifier: tuple[str, list[float]]


def _runs(dtype: torch.dtype) -> bool:
    if not torch.backends.mkldnn.is_available() or not torch.backends.mkldnn.enabled:
        return False
    return dtype is torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _can_run(module: fx.GraphModule, node: fx.Node) -> bool:
    if node.op != "call_module" or len(node.args) != 1 or node.kwargs:
        return False
    part = part_of(module, node)
    if type(part) is not nn.Conv2d or has_hooks(part) or part.padding_mode != "zeros" or isinstance(part.padding, str):
        return False
    return part.weight.device.type == "cpu" and part.weight.dtype is torch.float32


def _chain(module: fx.GraphModule, convolution: fx.Node) -> _Chain:
    """The chain that starts at a convolution. Nodes are in the order in which they run."""
    chain = _Chain([convolution], [], _NOTHING)
    # The sum: it may write to the convolution's output, but not to what is added.
    node = convolution.next
    if node.op == "call_function" and node.target in _SUMS and _only_user(convolution, node) and not node.kwargs:
        others = [term for term in node.args if isinstance(term, fx.Node) and term is not convolution]
        writes_elsewhere = node.target is operator.iadd and node.args[0] is not convolution
        if len(node.args) == 2 and len(others) == 1 and not writes_elsewhere:
            chain = chain._replace(nodes=[convolution, node], others=others)
    # The ReLU.
    last = chain.nodes[-1]
    node = last.next
    rectifier = _RECTIFIERS.get(_function(module, node))
    if rectifier is not None and _only_user(last, node) and node.args[:1] == (last,):
        chain = chain._replace(nodes=[*chain.nodes, node], rectifier=rectifier)
    return chain


def _function(module: fx.GraphModule, node: fx.Node) -> Any:
    """The function that a node calls, or the type of the module if nothing is hooked to it."""
    if node.op == "call_function":
        return node.target
    if node.op != "call_module" or has_hooks(part_of(module, node)):
        return None
    return type(part_of(module, node))


def _only_user(node: fx.Node, user: fx.Node) -> bool:
    return list(node.users) == [user]
