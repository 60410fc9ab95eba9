"""Fold batch norms into the convolutions before them. The function stays the same, with fewer passes over memory."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any, cast

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

#: Arguments of ``torch.conv2d`` behind the input, with their defaults.
_ARGUMENTS = {"weight": None, "bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}


def fold_batch_norms(module: fx.GraphModule) -> fx.GraphModule | None:
    r"""Fold every batch norm of ``module`` into the convolution before it, if that is possible.

    .. math:: \gamma \, \frac{(W x + b) - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta = W' x + b', \qquad
        W' = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} \, W

    A convolution may also be a call of ``torch.conv2d`` with weights of the network, as in EfficientNet-Lite.

    Args:
        module: a network in evaluation mode; it is not changed. Folded convolutions are copies; the rest is shared.

    Returns:
        The folded module, equal up to rounding; ``None`` if there is nothing to fold. A pair is not folded if one of
        the two is also called elsewhere, has hooks or belongs to a subclass, or if the batch norm keeps no statistics.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval()
        >>> [type(part).__name__ for part in fold_batch_norms(fx.symbolic_trace(network)).children()]
        ['Conv2d']
    """
    # Find the pairs that can be folded.
    folded = convolutions_as_modules(module)
    calls = Counter(id(part_of(folded, node)) for node in folded.graph.nodes if node.op == "call_module")
    pairs = [node for node in folded.graph.nodes if _can_fold(folded, node, calls)]
    # Replace each pair by its folded convolution.
    for number, node in enumerate(pairs):
        before = cast(fx.Node, node.args[0])
        name = f"folded_{number}"
        folded.add_module(name, fuse_conv_bn_eval(part_of(folded, before), part_of(folded, node)))
        before.target = name
        node.replace_all_uses_with(before)
        folded.graph.erase_node(node)
    if not pairs:
        return None
    folded.delete_all_unused_submodules()
    folded.recompile()
    return folded


def convolutions_as_modules(module: fx.GraphModule) -> fx.GraphModule:
    """A copy of the graph in which every call of ``torch.conv2d`` with weights of the network calls a ``Conv2d``.

    Zeros that a module adds around the call's input, as many on each side, become the convolution's padding.

    Args:
        module: a network; it is not changed, and its weights are shared.

    Example:
        >>> class Called(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.pad, self.weight = nn.ZeroPad2d(1), nn.Parameter(torch.ones(2, 3, 3, 3))
        ...     def forward(self, x):
        ...         return torch.conv2d(self.pad(x), self.weight)
        >>> convolutions_as_modules(fx.symbolic_trace(Called())).convolution_0
        Conv2d(3, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    """
    changed = fx.GraphModule(module, copy.deepcopy(module.graph))
    changed.training = False
    calls = [node for node in changed.graph.nodes if node.op == "call_function" and node.target is torch.conv2d]
    for number, node in enumerate(calls):
        convolution = _called_convolution(changed, node)
        if convolution is None:
            continue
        # Zeros around the input.
        source = cast(fx.Node, node.args[0])
        border = _equal_border(changed, source)
        if border is not None:
            convolution.padding = (int(convolution.padding[0]) + border[0], int(convolution.padding[1]) + border[1])
        # The module in the place of the call.
        name = f"convolution_{number}"
        changed.add_module(name, convolution)
        with changed.graph.inserting_before(node):
            called = changed.graph.call_module(name, (source if border is None else source.args[0],))
        node.replace_all_uses_with(called)
        changed.graph.erase_node(node)
        if border is not None:
            changed.graph.erase_node(source)
    if calls:
        changed.graph.eliminate_dead_code(is_impure_node=lambda node: node.op != "get_attr")
        changed.recompile()
    return changed


def _called_convolution(module: fx.GraphModule, node: fx.Node) -> nn.Conv2d | None:
    """The convolution that a call of ``torch.conv2d`` computes; ``None`` if its weights are not the network's own."""
    if not node.args or not isinstance(node.args[0], fx.Node):
        return None
    arguments: dict[str, Any] = {**_ARGUMENTS, **dict(zip(_ARGUMENTS, node.args[1:], strict=False)), **node.kwargs}
    weight = _parameter(module, arguments.pop("weight"))
    bias = arguments.pop("bias")
    if weight is None or (bias is not None and _parameter(module, bias) is None):
        return None
    n_out, n_in, height, width = weight.shape
    n_in *= arguments["groups"]
    convolution = nn.Conv2d(n_in, n_out, (height, width), bias=False, device="meta", **arguments)
    if isinstance(convolution.padding, str):
        return None
    convolution.weight = weight
    convolution.bias = None if bias is None else _parameter(module, bias)
    convolution.training = False
    return convolution


def _parameter(module: fx.GraphModule, node: Any) -> nn.Parameter | None:
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    value: Any = module
    for name in str(node.target).split("."):
        value = getattr(value, name)
    return value if type(value) is nn.Parameter else None


def _equal_border(module: fx.GraphModule, node: fx.Node) -> tuple[int, int] | None:
    """Rows and columns of zeros that a node adds on each side; ``None`` if it does anything else."""
    if node.op != "call_module" or len(node.users) > 1:
        return None
    part = part_of(module, node)
    if type(part) is not nn.ZeroPad2d or has_hooks(part):
        return None
    left, right, top, bottom = part.padding
    return (top, left) if (left, top) == (right, bottom) and min(left, top) >= 0 else None


def _can_fold(module: fx.GraphModule, node: fx.Node, calls: Counter[int]) -> bool:
    if node.op != "call_module" or len(node.args) != 1 or not isinstance(node.args[0], fx.Node):
        return False
    before = node.args[0]
    if before.op != "call_module" or len(before.users) > 1:
        return False
    convolution = part_of(module, before)
    norm = part_of(module, node)
    if type(convolution) is not nn.Conv2d or type(norm) is not nn.BatchNorm2d or norm.running_mean is None:
        return False
    return all(calls[id(part)] == 1 and not has_hooks(part) for part in (convolution, norm))


def part_of(module: fx.GraphModule, node: fx.Node) -> Any:
    """The module that a node calls."""
    return module.get_submodule(str(node.target))


def has_hooks(part: nn.Module) -> bool:
    """Whether something is hooked to a module, so that its call must stay."""
    return bool(part._forward_hooks or part._forward_pre_hooks)
