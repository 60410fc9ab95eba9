"""The layers of a network: where it can be cut, what their maps look like, and which one is the default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from conceptrast.base.errors import LayerError, ModelError
from conceptrast.models import graph_cut
from conceptrast.models.graph_layouts import known_layouts
from conceptrast.models.layouts import Layout, measured, spots, without_measuring
from conceptrast.models.model import Model, shapes_explained
from conceptrast.models.split import SplitModel, first_line, noise_for, refuse_training


def cuttable_layers(model: Model | nn.Module) -> list[str]:
    """Names of all layers that ``model`` can be cut at, in the order of the network.

    Args:
        model: :class:`~conceptrast.models.model.Model` or a bare module, in evaluation mode.

    Raises:
        ModelError: the network cannot be traced, so that nothing is known about its layers.

    Example:
        >>> cuttable_layers(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval())
        ['0', '1']
    """
    return graph_cut.cuttable_names(_traced(model))


def rectified_layers(model: Model | nn.Module) -> list[str]:
    """Those of :func:`cuttable_layers` whose output cannot be negative.

    Args:
        model: :class:`~conceptrast.models.model.Model` or a bare module, in evaluation mode.

    Raises:
        ModelError: the network cannot be traced, so that nothing is known about its layers.

    Example:
        >>> rectified_layers(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval())
        ['1']
    """
    traced = _traced(model)
    nodes = dict(traced.names())
    return [name for name in graph_cut.cuttable_names(traced) if graph_cut.is_rectified(nodes[name], traced.targets)]


class LayerMap(NamedTuple):
    """What a layer gives for one image: the shape of its maps, and its own layout.

    Attributes:
        shape: ``(C, h, w)`` if the layer has positions.
        layout: of its own activations.
    """

    shape: tuple[int, ...]
    layout: Layout


def layer_maps(model: Model | nn.Module, example: Tensor | None = None) -> dict[str, LayerMap]:
    """The layers that ``model`` can be cut at, from its output down, with the shapes of their maps for one image.

    If a place has several names, e.g. those of a block and of its last module, the shortest is listed. Layers whose
    layout is not known are left out.

    Args:
        model: :class:`~conceptrast.models.model.Model` or a bare module, in evaluation mode.
        example: ``[N, C, H, W]`` normalised images; a ``Model`` knows its size and needs none.

    Raises:
        ModelError: the network cannot be traced, so that nothing is known about its layers; or a bare module comes
            without an example.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        >>> {name: layer.shape for name, layer in layer_maps(network, torch.zeros(1, 3, 8, 8)).items()}
        {'3': (4,), '2': (4, 1, 1), '1': (4, 6, 6), '0': (4, 6, 6)}
    """
    if example is None:
        if isinstance(model, nn.Module):
            raise ModelError("a bare network has no size of its own: give an example image")
        example = noise_for(model.preprocess, model.module)
    module = model if isinstance(model, nn.Module) else model.module
    traced = _traced(model)
    network = fx.GraphModule(traced.targets, traced.graph)
    network.training = False
    places = graph_cut.places_from_output(traced)
    # The layouts that modules and shapes tell.
    shapes = _Values(network, lambda values: tuple(values.shape))
    with torch.no_grad(), shapes_explained(model, example):
        shapes.run(example)
    module_layout = known_layouts(traced, dict(module.named_modules(remove_duplicate=False)))
    size = tuple(example.shape[2:])
    layouts: dict[fx.Node, Layout | None] = {}
    for node in places.values():
        shape = shapes.by_node[node]
        if shape[:1] != (len(example),) and len(shape) in (3, 4):
            continue  # windows
        with suppress(LayerError):
            layouts[node] = without_measuring(shape, module_layout.get(node), size)
    # The others are measured, all in the same passes.
    unknown = {node for node, layout in layouts.items() if layout is None}
    if unknown:
        pictures, spot_places = spots(size, example.shape[1], example)
        responses = _Values(network, lambda output: _measured_or_none(output, spot_places, size), only=unknown)
        with torch.no_grad():
            responses.run(pictures)
        layouts |= responses.by_node
    listed = {name: (shapes.by_node[node], layouts.get(node)) for name, node in places.items()}
    return {name: LayerMap(_map_shape(shape, layout), layout) for name, (shape, layout) in listed.items() if layout}


def _measured_or_none(output: Tensor, places: Tensor, size: Sequence[int]) -> Layout | None:
    try:
        return measured(output, places, size)
    except LayerError:
        return None


def _map_shape(shape: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    """The shape of one image's map."""
    return tuple(layout.maps(torch.empty(shape, device="meta")).shape[1:])


class _Values(fx.Interpreter):
    """Runs a graph and remembers something of every tensor in it.

    Args:
        module: the graph.
        remember: what is remembered of a tensor.
        only: the nodes; all of them if ``None``.
    """

    def __init__(
        self, module: fx.GraphModule, remember: Callable[[Tensor], Any], only: set[fx.Node] | None = None
    ) -> None:
        super().__init__(module)
        self.remember = remember
        self.only = only
        self.by_node: dict[fx.Node, Any] = {}

    def run_node(self, node: fx.Node) -> object:
        """The node's value."""
        value = super().run_node(node)
        if isinstance(value, Tensor) and (self.only is None or node in self.only):
            self.by_node[node] = self.remember(value)
        return value


def last_spatial_layer(model: Model | nn.Module, example: Tensor | None = None) -> str:
    """The last layer that still has positions. Usually one asks here where a model looks.

    Args:
        model: :class:`~conceptrast.models.model.Model` or a bare module, in evaluation mode.
        example: ``[N, C, H, W]`` normalised images; a ``Model`` knows its size and needs none.

    Raises:
        LayerError: no layer that can be cut gives maps with more than one position, on which the logits depend.
        ModelError: the network cannot be traced, so that nothing is known about its layers; or a bare module comes
            without an example.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        >>> last_spatial_layer(network, torch.zeros(1, 3, 8, 8))
        '1'
    """
    if example is None:
        if isinstance(model, nn.Module):
            raise ModelError("a bare network has no size of its own: name the layer, or give an example image")
        example = noise_for(model.preprocess, model.module)
    try:
        names = cuttable_layers(model)
    except ModelError as error:
        module = model if isinstance(model, nn.Module) else model.module
        parts = ", ".join(name for name, _ in list(module.named_modules())[1:][-5:])
        raise ModelError(f"{error}, so name the layer to look into yourself, e.g. one of {parts}") from error
    for last in reversed(names):
        try:
            split = SplitModel(model, last, example)
        except LayerError:  # which axes are positions is not known
            continue
        with torch.no_grad():
            shape = split.prefix(example).shape
        if len(shape) == 4 and shape[2] * shape[3] > 1 and split.reads_positions:
            # The name of a module alone means its last call.
            plain, _, call = last.partition(":")
            return plain if call and f"{plain}:{int(call) + 1}" not in names else last
    raise LayerError("no layer of the network gives activations with more than one position: there is nowhere to look")


def _traced(model: Model | nn.Module) -> graph_cut.Trace:
    """The graph of a network.

    Raises:
        ModelError: it cannot be traced.
    """
    module = model if isinstance(model, nn.Module) else model.module
    refuse_training(module)
    try:
        return graph_cut.trace(module)
    except Exception as error:
        raise ModelError(f"the network cannot be traced ({first_line(error)})") from error
