"""Cutting a network in two on its ``torch.fx`` graph.

Notation:
    cut: the graph node whose value is the layer's output.
    prefix: the graph from the image up to ``cut``; suffix: from ``cut`` to the logits.
    crossing: a value that is made from the image, not from ``cut``, and is used after it.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx, nn

from conceptrast.base.errors import LayerError, unknown_name

_SIZE_METHODS = {"size", "dim", "numel"}
_SIZE_ATTRIBUTES = {"shape", "ndim", "dtype", "device"}


class _CallTracer(fx.Tracer):
    """Tracer that remembers what every call of every module, leaf or not, gave."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, list[fx.Node | None]] = {}

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        output = super().call_module(m, forward, args, kwargs)
        self.calls.setdefault(self.path_of_module(m), []).append(getattr(output, "node", None))
        return output


@dataclass(frozen=True)
class Trace:
    """The graph of a network and which node each call of each module gave.

    Attributes:
        graph: the graph of the whole network.
        targets: what the graph refers to by name: submodules, parameters, constants; shared with the network.
        calls: output nodes by module name, in the order of the calls; ``None`` for an output that is not one tensor.
    """

    graph: fx.Graph
    targets: dict[str, Any]
    calls: dict[str, list[fx.Node | None]]

    def names(self) -> Iterator[tuple[str, fx.Node]]:
        """All names a layer can be asked for by, with their nodes, in the order of the network."""
        order = {node: position for position, node in enumerate(self.graph.nodes)}
        named = [(name, nodes[-1]) for name, nodes in self.calls.items() if nodes[-1] is not None]
        for name, nodes in self.calls.items():
            if len(nodes) > 1:
                named += [(f"{name}:{call}", node) for call, node in enumerate(nodes) if node is not None]
        return iter(sorted(((name, node) for name, node in named if node), key=lambda pair: order[pair[1]]))


def trace(module: nn.Module) -> Trace:
    """Trace ``module`` and leave it as it was.

    Raises:
        Exception: whatever ``torch.fx`` raises for a network whose control flow depends on values.
    """
    tracer = _CallTracer()
    before = set(vars(module))
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(module.forward).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    try:
        graph = tracer.trace(module, concrete_args=defaults or None)
        targets = {node.target: _attribute(module, str(node.target)) for node in graph.nodes if _refers(node)}
    finally:
        # torch.fx parks tensors that are made inside forward on the module it traces.
        for name in set(vars(module)) - before:
            delattr(module, name)
    calls = dict(tracer.calls)
    canonical = {id(part): name for name, part in module.named_modules()}
    for name, part in module.named_modules(remove_duplicate=False):
        if name not in calls and canonical[id(part)] in calls:
            calls[name] = calls[canonical[id(part)]]
    return Trace(graph, targets, calls)


def _refers(node: fx.Node) -> bool:
    return node.op in {"call_module", "get_attr"}


def _attribute(module: nn.Module, path: str) -> Any:
    value: Any = module
    for name in path.split("."):
        value = getattr(value, name)
    return value


def find(traced: Trace, layer: str) -> fx.Node:
    """The node of ``layer``: the last call of the module, or call ``i`` of ``name:i``.

    Raises:
        LayerError: no such layer or call, or its output is not one tensor; the message lists the nearest names.
    """
    name, colon, call = layer.partition(":")
    nodes = traced.calls.get(name)
    position = int(call) if call.isdecimal() else -1
    if nodes is None or (colon and not 0 <= position < len(nodes)):
        raise LayerError(unknown_name("layer", layer, names_from_output(traced)))
    node = nodes[position]
    if node is None:
        near = unknown_name("tensor-valued layer", layer, names_from_output(traced))
        raise LayerError(f"layer {layer!r} does not give one tensor; {near}")
    return node


@dataclass
class Cut:
    """What a cut separates.

    Attributes:
        node: the layer's output.
        after: nodes that the suffix computes.
        batch_sizes: crossing numbers that equal the batch size; the suffix takes them from the activations.
        around: crossing values that the activations cannot give; the cut is clean if there are none.
    """

    node: fx.Node
    after: set[fx.Node] = field(default_factory=set)
    batch_sizes: set[fx.Node] = field(default_factory=set)
    around: list[fx.Node] = field(default_factory=list)


def cut_at(traced: Trace, node: fx.Node) -> Cut:
    """Walk back from the logits to ``node`` and sort what is met on the way."""
    image = next(each for each in traced.graph.nodes if each.op == "placeholder")
    from_image, from_layer = _descendants(image), _descendants(node)
    cut = Cut(node)
    # A write in place whose result nobody reads still changes what others read.
    waiting = [each for each in traced.graph.nodes if each.op == "output"]
    waiting += [each for each in from_layer if each is not node and writes_in_place(each, traced.targets)]
    while waiting:
        current = waiting.pop()
        if current is node or current in cut.after:
            continue
        if current in from_layer or current not in from_image or _is_arithmetic(current):
            cut.after.add(current)
            waiting += current.all_input_nodes
        elif _is_batch_size(current):
            cut.batch_sizes.add(current)
        elif current not in cut.around:
            cut.around.append(current)
    return cut


def _descendants(node: fx.Node) -> set[fx.Node]:
    found, waiting = {node}, [node]
    while waiting:
        for user in waiting.pop().users:
            if user not in found:
                found.add(user)
                waiting.append(user)
    return found


def _is_size(node: fx.Node) -> bool:
    """Whether the node reads a size, or another thing that is not a tensor, off a tensor."""
    if node.op == "call_method":
        return str(node.target) in _SIZE_METHODS
    return node.op == "call_function" and node.target is getattr and str(node.args[1]) in _SIZE_ATTRIBUTES


def _is_number(node: fx.Node) -> bool:
    return _is_size(node) or _is_batch_size(node) or _is_arithmetic(node)


def _is_arithmetic(node: fx.Node) -> bool:
    """Whether the node computes a number from numbers only, and not the batch size."""
    if node.op != "call_function" or not node.all_input_nodes or node.target is getattr or _is_batch_size(node):
        return False
    return all(_is_number(each) for each in node.all_input_nodes)


def _is_batch_size(node: fx.Node) -> bool:
    if node.op == "call_method" and node.target == "size":
        return [*node.args[1:], *node.kwargs.values()] == [0]
    if node.op == "call_function" and node.target is operator.getitem and isinstance(node.args[0], fx.Node):
        whole = node.args[0]
        whole_size = whole.op == "call_method" and whole.target == "size" and len(whole.all_input_nodes) == 1
        shape = whole.op == "call_function" and whole.target is getattr and whole.args[1] == "shape"
        first = bool(node.args[1] == 0)
        return first and (shape or (whole_size and len(whole.args) == 1 and not whole.kwargs))
    return False


def writes_in_place(node: fx.Node, targets: dict[str, Any]) -> bool:
    """Whether the node overwrites its input."""
    if node.op == "call_module":
        return bool(getattr(targets[str(node.target)], "inplace", False))
    if node.op == "call_method":
        return str(node.target).endswith("_") and not str(node.target).endswith("__")
    if node.op == "call_function":
        name = getattr(node.target, "__name__", "")
        augmented = getattr(node.target, "__module__", "") == "_operator" and name in _AUGMENTED
        return bool(node.kwargs.get("inplace")) or augmented or (name.endswith("_") and not name.endswith("__"))
    return False


_AUGMENTED = {"iadd", "isub", "imul", "itruediv", "ifloordiv", "ipow", "iand", "ior", "ixor"}


def cuttable_names(traced: Trace) -> list[str]:
    """Names of the layers that the network can be cut at, in its order."""
    clean: dict[fx.Node, bool] = {}
    for _, node in traced.names():
        if node not in clean:
            clean[node] = not cut_at(traced, node).around
    return [name for name, node in traced.names() if clean[node]]


def places_from_output(traced: Trace) -> dict[str, fx.Node]:
    """Every place that the network can be cut at, from its output down, by the shortest of its names."""
    nodes = dict(traced.names())
    shortest: dict[fx.Node, str] = {}
    for name in reversed(cuttable_names(traced)):
        if len(name) < len(shortest.setdefault(nodes[name], name)):
            shortest[nodes[name]] = name
    return {name: node for node, name in shortest.items()}


def names_from_output(traced: Trace) -> list[str]:
    """Names of the layers that the network can be cut at: one for each place from its output down, then all others."""
    places = places_from_output(traced)
    return [*places, *(name for name in cuttable_names(traced) if name not in places)]


def refusal(traced: Trace, layer: str, cut: Cut) -> LayerError:
    """The error for a cut that is not clean, with the reason and the nearest layers that can be cut."""
    value = cut.around[0]
    if value.op == "placeholder":
        reason = "the image itself also reaches the logits around it"
    elif _is_size(value):
        reason = f"the value {value.format_node()!r} depends on the image's size and is used after it"
    else:
        reason = f"the output of {_label(traced, value)!r} also reaches the logits around it, as a skip connection does"
    order = {node: position for position, node in enumerate(traced.graph.nodes)}
    nodes = dict(traced.names())
    clean = set(cuttable_names(traced))
    block = [name for name in _around(layer) if name in clean][:1]
    others = {nodes[name] for name in clean} - {nodes[name] for name in block}
    near = sorted(others, key=lambda node: abs(order[node] - order[cut.node]))
    found = [f"{name} (the whole block)" for name in block] + [_label(traced, node) for node in near]
    listed = ", ".join(found[:3]) or "none"
    return LayerError(f"cannot cut at layer {layer!r}: {reason}; nearest layers that can be cut: {listed}")


def _around(layer: str) -> Iterator[str]:
    """Names of the modules that a layer lies in, from inside to outside."""
    parts = layer.partition(":")[0].split(".")
    return (".".join(parts[:depth]) for depth in range(len(parts) - 1, 0, -1))


def _label(traced: Trace, node: fx.Node) -> str:
    """The shortest name of the node: that of the whole block rather than of its last module."""
    return min((name for name, each in traced.names() if each is node), key=len, default=node.name)


def prefix_graph(traced: Trace, cut: Cut) -> fx.GraphModule:
    """The network from the image to the layer's output."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in traced.graph.nodes:
        copies[node] = graph.node_copy(node, copies.__getitem__)
        if node is cut.node:
            break
    graph.output(copies[cut.node])
    return _module(traced, graph, "Prefix")


def suffix_graph(traced: Trace, cut: Cut) -> fx.GraphModule:
    """The network from the layer's output to the logits."""
    graph = fx.Graph()
    activations = graph.placeholder("activations", type_expr=Tensor)
    copies = {cut.node: activations}
    if any(writes_in_place(node, traced.targets) for node in cut.after):
        copies[cut.node] = graph.call_method("clone", (activations,))  # the caller's activations stay as they were
    for node in cut.batch_sizes:
        copies[node] = graph.call_method("size", (activations, 0))
    for node in traced.graph.nodes:
        if node in cut.after:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    return _module(traced, graph, "Suffix")


def _module(traced: Trace, graph: fx.Graph, name: str) -> fx.GraphModule:
    targets = {str(node.target): traced.targets[str(node.target)] for node in graph.nodes if _refers(node)}
    module = fx.GraphModule(targets, graph, class_name=name)
    # The parts are shared with the user's network, so its mode is set on the new shell alone.
    module.training = False
    return module


_RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Hardsigmoid, nn.Softplus, nn.Softmax)
_RECTIFYING = {"relu", "relu_", "relu6", "sigmoid", "sigmoid_", "hardsigmoid", "softplus", "softmax"}
_KEEPING = (nn.Dropout, nn.Dropout2d, nn.Identity, nn.Flatten, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
_KEEPING_NAMES = {"dropout", "flatten", "add", "iadd", "cat", "concat", "view", "reshape", "max_pool2d", "avg_pool2d"}
_KEEPING_NAMES |= {"adaptive_avg_pool2d", "stochastic_depth", "boolean_dispatch"}


def is_rectified(node: fx.Node, targets: dict[str, Any]) -> bool:
    """Whether the node's value cannot be negative: it comes from ReLU or its like, maybe through pooling."""
    if node.op == "call_module":
        part = targets[str(node.target)]
        if isinstance(part, _RECTIFIERS):
            return True
        keeps = isinstance(part, _KEEPING)
    elif node.op in {"call_function", "call_method"}:
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
        if name in _RECTIFYING:
            return True
        keeps = name in _KEEPING_NAMES
    else:
        return False
    inputs = [each for each in node.all_input_nodes if not _is_number(each)]
    return keeps and bool(inputs) and all(is_rectified(each, targets) for each in inputs)


__all__ = [
    "Cut",
    "Trace",
    "cut_at",
    "cuttable_names",
    "find",
    "is_rectified",
    "names_from_output",
    "places_from_output",
    "prefix_graph",
    "refusal",
    "suffix_graph",
]
