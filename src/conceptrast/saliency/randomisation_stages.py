"""The weights of a network in groups, from its output down to the image, with a layer between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import fx, nn

from conceptrast.base.errors import ConfigError, ModelError
from conceptrast.models import graph_cut
from conceptrast.models.model import Model

_LISTS = (nn.Sequential, nn.ModuleList)
Block = tuple[str, list[str]]  # its name, and the names of its weights


@dataclass(frozen=True)
class Stage:
    """A group of weights that are drawn anew together, after those of all stages before it.

    Args:
        name: the last module that the stage reaches on the way from the output to the image.
        parameters: the names of the stage's weights in the network.
        above_layer: whether the weights of this and all earlier stages lie above the layer. If so, the layer's
            activations do not depend on them.
    """

    name: str
    parameters: tuple[str, ...]
    above_layer: bool


def stages(model: Model | nn.Module, layer: str, most: int = 6) -> list[Stage]:
    """Groups of weights from the output down to the image: those above the layer, then those below.

    A block is a part of the network's lists and sequences, or a module beside these. Blocks are kept whole, except the
    block that contains the layer. Blocks are grouped evenly. Each side of the layer gets stages in proportion to its
    blocks, and at least one if it has weights. After the last stage, all weights that logits depend on are random.

    Args:
        model: :class:`~conceptrast.models.model.Model` or a bare module, in evaluation mode.
        layer: the layer where maps are made.
        most: largest number of stages, at least 2.

    Raises:
        ConfigError: ``most`` is less than 2.
        LayerError: there is no such layer.
        ModelError: the network cannot be traced, so the order of its layers is unknown.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3), nn.Linear(3, 2))
        >>> for stage in stages(network.eval(), "1"):
        ...     print(stage.name, stage.parameters, stage.above_layer)
        4 ('4.weight', '4.bias') True
        3 ('3.weight', '3.bias') True
        0 ('0.weight', '0.bias') False
    """
    if most < 2:
        raise ConfigError(f"most is {most}: weights above and below a layer need at least 2 stages")
    # Uses of weights, from the output to the image.
    network = model if isinstance(model, nn.Module) else model.module
    try:
        traced = graph_cut.trace(network)
    except Exception as error:
        raise ModelError(f"the network cannot be traced, so the order of its weights is not known: {error}") from error
    cut = graph_cut.cut_at(traced, graph_cut.find(traced, layer))
    uses = list(dict.fromkeys(_weights(network, traced.graph)))

    # Blocks above and below the layer.
    low = {name for name, node in uses if node not in cut.after}
    names = list(dict.fromkeys(name for name, _ in uses))
    above = _blocks(network, [name for name in names if name not in low])
    below = _blocks(network, [name for name in names if name in low])

    # Stages on each side.
    share = round(most * len(above) / max(1, len(above) + len(below)))
    n_above = min(len(above), max(1, min(share, most - 1)))
    also_below = {name for name, _ in below}
    stages_above = [_stage(group, True, also_below) for group in _groups(above, n_above)]
    return stages_above + [_stage(group, False, set()) for group in _groups(below, most - n_above)]


def _weights(network: nn.Module, graph: fx.Graph) -> Iterator[tuple[str, fx.Node]]:
    """Every use of a weight, from the output to the image. A weight with several names gets the first one."""
    name_of = {id(weight): name for name, weight in network.named_parameters()}
    by_module = {
        name: [name_of[id(weight)] for weight in part.parameters()]
        for name, part in network.named_modules(remove_duplicate=False)
    }
    alone = {name: name_of[id(weight)] for name, weight in network.named_parameters(remove_duplicate=False)}
    for node in reversed(graph.nodes):
        if node.op == "call_module":
            yield from ((name, node) for name in by_module[str(node.target)])
        elif node.op == "get_attr" and str(node.target) in alone:
            yield alone[str(node.target)], node


def _blocks(network: nn.Module, names: Sequence[str]) -> list[Block]:
    """Weights by their block, both in the order in which they are met."""
    blocks: dict[str, list[str]] = {}
    for name in names:
        blocks.setdefault(_block(network, name), []).append(name)
    return list(blocks.items())


def _block(network: nn.Module, weight: str) -> str:
    """The outermost module around a weight that is no list or sequence, nor the only part of another."""
    outside = network
    path: list[str] = []
    for name in weight.split(".")[:-1]:
        inside = outside.get_submodule(name)
        lone = len(list(outside.children())) == 1
        path.append(name)
        if type(inside) not in _LISTS and not lone:
            break
        outside = inside
    return ".".join(path) or weight


def _groups(blocks: Sequence[Block], n: int) -> list[list[Block]]:
    n = min(n, len(blocks))
    if not n:
        return []
    return [[blocks[number] for number in numbers] for numbers in np.array_split(np.arange(len(blocks)), n)]


def _stage(blocks: Sequence[Block], above_layer: bool, also_below: set[str]) -> Stage:
    """A stage named for its last block, or, where the layer lies in this, for the last module with weights above it."""
    name, weights = blocks[-1]
    if name in also_below:
        name = weights[-1].rpartition(".")[0] or name
    return Stage(name, tuple(weight for _, names in blocks for weight in names), above_layer)
