"""Cut a network in two on its ``torch.fx`` graph.

Notation:
    cut: the graph node whose value is the layer's output.
    prefix: the graph from the image up to ``cut``; suffix: from ``cut`` to the logits.
    end: a later node at which the suffix stops in place of the logits.
    crossing: a value that is computed from the image and not from ``cut``, but is used after ``cut``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx

from conceptrast.base.errors import LayerError, unknown_name
from conceptrast.models.graph_nodes import (
    is_arithmetic,
    is_batch_size,
    is_image_size,
    is_rectified,
    is_size,
    writes_in_place,
)
from conceptrast.models.graph_trace import Trace, refers, trace


def find(traced: Trace, layer: str) -> fx.Node:
    """The node of ``layer``: the last call of the module, or call ``i`` of ``name:i``.

    Raises:
        LayerError: there is no such layer or call, or its output is not one tensor; the message lists the nearest
            names.
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
    """The parts of a network that a cut separates.

    Attributes:
        node: the layer's output.
        end: the node at which the suffix stops; ``None`` for the logits.
        after: nodes that the suffix computes.
        batch_sizes: crossing numbers that equal the batch size; the suffix takes them from the activations.
        image_sizes: crossing sizes of the image; the suffix knows them if the size of the images is known.
        around: crossing values that the activations cannot give; the cut is clean if there are none.
    """

    node: fx.Node
    end: fx.Node | None = None
    after: set[fx.Node] = field(default_factory=set)
    batch_sizes: set[fx.Node] = field(default_factory=set)
    image_sizes: list[fx.Node] = field(default_factory=list)
    around: list[fx.Node] = field(default_factory=list)


def cut_at(traced: Trace, node: fx.Node, end: fx.Node | None = None) -> Cut:
    """Walk back from the logits, or from ``end``, to ``node``, and sort the nodes on the way."""
    nodes = list(traced.graph.nodes)
    image = next(input_node for input_node in nodes if input_node.op == "placeholder")
    from_image = descendants(image)
    from_layer = descendants(node)
    cut = Cut(node, end)
    # A write in place changes what other nodes read, even if no node reads its result.
    waiting = [last for last in nodes if last.op == "output"] if end is None else [end]
    until_end = nodes if end is None else nodes[: nodes.index(end)]
    waiting += [
        later
        for later in until_end
        if later in from_layer and later is not node and writes_in_place(later, traced.targets)
    ]
    while waiting:
        current = waiting.pop()
        if current is node or current in cut.after:
            continue
        if current in from_layer or current not in from_image or is_arithmetic(current):
            cut.after.add(current)
            waiting += current.all_input_nodes
        elif is_batch_size(current):
            cut.batch_sizes.add(current)
        elif is_image_size(current, image):
            cut.image_sizes.append(current)
        elif current not in cut.around:
            cut.around.append(current)
    return cut


def descendants(node: fx.Node) -> set[fx.Node]:
    """The node, and all nodes that its value reaches."""
    reached = {node}
    waiting = [node]
    while waiting:
        for user in waiting.pop().users:
            if user not in reached:
                reached.add(user)
                waiting.append(user)
    return reached


def cuttable_names(traced: Trace) -> list[str]:
    """Names of the layers that the network can be cut at, in the network's order.

    At some of them, the size of the images has to be known.
    """
    clean: dict[fx.Node, bool] = {}
    for _, node in traced.names():
        if node not in clean:
            clean[node] = not cut_at(traced, node).around
    return [name for name, node in traced.names() if clean[node]]


def places_from_output(traced: Trace) -> dict[str, fx.Node]:
    """Every place that the network can be cut at, from its output down. The shortest of a place's names is the key."""
    nodes = dict(traced.names())
    shortest: dict[fx.Node, str] = {}
    for name in reversed(cuttable_names(traced)):
        if len(name) < len(shortest.setdefault(nodes[name], name)):
            shortest[nodes[name]] = name
    return {name: node for node, name in shortest.items()}


def names_from_output(traced: Trace) -> list[str]:
    """Names of layers that the network can be cut at: first one for each place, from the output down, then the rest."""
    places = places_from_output(traced)
    return [*places, *(name for name in cuttable_names(traced) if name not in places)]


def refusal(traced: Trace, layer: str, cut: Cut) -> LayerError:
    """The error for a cut that is not clean. It gives the reason and the nearest layers that can be cut."""
    # The reason: the first value that goes around the layer.
    value = [*cut.around, *cut.image_sizes][0]
    if not cut.around:
        reason = (
            f"the value {value.format_node()!r} depends on the image's size and is used after it: give an example "
            "image, whose size all images then have to have"
        )
    elif value.op == "placeholder":
        reason = "the image itself also reaches the logits around it"
    elif is_size(value):
        reason = f"the value {value.format_node()!r} depends on the image's size and is used after it"
    else:
        reason = f"the output of {_label(traced, value)!r} also reaches the logits around it, as a skip connection does"
    # Other places to cut: the block that contains the layer, then the nearest layers.
    order = {node: position for position, node in enumerate(traced.graph.nodes)}
    nodes = dict(traced.names())
    clean = set(cuttable_names(traced))
    block = [name for name in _around(layer) if name in clean][:1]
    others = {nodes[name] for name in clean} - {nodes[name] for name in block}
    near = sorted(others, key=lambda node: abs(order[node] - order[cut.node]))
    suggestions = [f"{name} (the whole block)" for name in block] + [_label(traced, node) for node in near]
    listed = ", ".join(suggestions[:3]) or "none"
    # An injection takes what goes around the layer with it, unless sizes do.
    if cut.image_sizes or any(is_size(value) or is_arithmetic(value) for value in cut.around):
        hint = ""
    else:
        hint = f"; counterfactuals can still add values there, by the study's key 'inject: {layer}'"
    return LayerError(f"cannot cut at layer {layer!r}: {reason}; nearest layers that can be cut: {listed}{hint}")


def _around(layer: str) -> Iterator[str]:
    """Names of the modules that contain a layer, from inside to outside."""
    parts = layer.partition(":")[0].split(".")
    return (".".join(parts[:depth]) for depth in range(len(parts) - 1, 0, -1))


def _label(traced: Trace, node: fx.Node) -> str:
    """The shortest name of the node. A block's name is shorter than the name of its last module."""
    return min((name for name, named in traced.names() if named is node), key=len, default=node.name)


def prefix_graph(traced: Trace, cut: Cut) -> fx.GraphModule:
    """The network from the image to the layer's output; to a tuple of it and all that goes around it, if anything."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    outputs = (cut.node, *cut.around)
    later = descendants(cut.node) - {cut.node}
    for node in traced.graph.nodes:
        if node not in later:
            copies[node] = graph.node_copy(node, copies.__getitem__)
        if all(output in copies for output in outputs):
            break
    graph.output(tuple(copies[output] for output in outputs) if cut.around else copies[cut.node])
    return _module(traced, graph, "Prefix")


def suffix_graph(traced: Trace, cut: Cut, image_shape: Sequence[int] = ()) -> fx.GraphModule:
    """The network from the layer's output, and from what goes around it, to the logits or to the cut's end.

    Args:
        traced: the graph of the network.
        cut: the cut.
        image_shape: ``C, H, W`` of the images, if sizes of the image cross the cut.
    """
    graph = fx.Graph()
    activations = graph.placeholder("activations", type_expr=Tensor)
    around = {node: graph.placeholder(f"around_{number}", type_expr=Tensor) for number, node in enumerate(cut.around)}
    copies: dict[fx.Node, Any] = {cut.node: activations} | around
    if any(writes_in_place(node, traced.targets) for node in cut.after):
        # Do not change the caller's tensors.
        copies = {node: graph.call_method("clone", (given,)) for node, given in copies.items()}
    for node in cut.batch_sizes:
        copies[node] = graph.call_method("size", (activations, 0))
    for node in cut.image_sizes:
        copies[node] = _image_size(node, image_shape)
    for node in traced.graph.nodes:
        if node in cut.after:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    if cut.end is not None:
        graph.output(copies[cut.end])
    return _module(traced, graph, "Suffix")


def _image_size(node: fx.Node, image_shape: Sequence[int]) -> int | tuple[int, ...]:
    """What a node reads of an image of known shape; the number of images is never read there."""
    shape = (-1, *image_shape)
    if node.target == "dim" or (node.op == "call_function" and node.args[1] == "ndim"):
        return len(shape)
    dimension = [*node.args[1:], *node.kwargs.values()] if node.op == "call_method" else []
    return shape[int(str(dimension[0]))] if dimension else shape


def _module(traced: Trace, graph: fx.Graph, name: str) -> fx.GraphModule:
    targets = {str(node.target): traced.targets[str(node.target)] for node in graph.nodes if refers(node)}
    module = fx.GraphModule(targets, graph, class_name=name)
    # The user's network shares the parts, so only the new outer module gets the mode.
    module.training = False
    return module


__all__ = [
    "Cut",
    "Trace",
    "cut_at",
    "cuttable_names",
    "descendants",
    "find",
    "is_rectified",
    "names_from_output",
    "places_from_output",
    "prefix_graph",
    "refusal",
    "suffix_graph",
    "trace",
]
