"""Trace a network's graph with ``torch.fx``, and record the node that each call of each module gave."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import fx, nn


class _CallTracer(fx.Tracer):
    """A tracer that records the output of every call of every module, whether it is a leaf or not."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, list[fx.Node | None]] = {}
        self._weights: dict[int, str] = {}

    def trace(self, root: nn.Module, concrete_args: dict[str, Any] | None = None) -> fx.Graph:  # type: ignore[override]
        self._weights = {id(weight): name for name, weight in root.named_parameters()}
        return super().trace(root, concrete_args)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """A weight that ``forward`` reads. torch.fx would walk through all weights to find its name."""
        name = self._weights.get(id(attr_val))
        if name is None:
            return super().getattr(attr, attr_val, parameter_proxy_cache)
        if name not in parameter_proxy_cache:
            parameter_proxy_cache[name] = self.create_proxy("get_attr", name, (), {})
        return parameter_proxy_cache[name]

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        output = super().call_module(m, forward, args, kwargs)
        self.calls.setdefault(self.path_of_module(m), []).append(getattr(output, "node", None))
        return output


@dataclass(frozen=True)
class Trace:
    """The graph of a network, and the node that each call of each module gave.

    Attributes:
        graph: the graph of the whole network.
        targets: the objects that the graph refers to by name: submodules, parameters and constants of the network.
        calls: output nodes by module name, in the order of the calls; ``None`` for an output that is not one tensor.
    """

    graph: fx.Graph
    targets: dict[str, Any]
    calls: dict[str, list[fx.Node | None]]

    def names(self) -> Iterator[tuple[str, fx.Node]]:
        """All names that a layer may have, with their nodes, in the order of the network."""
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
    # Arguments with a default keep it: the graph belongs to a call with images only.
    tracer = _CallTracer()
    before = set(vars(module))
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(module.forward).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    try:
        graph = tracer.trace(module, concrete_args=defaults or None)
        targets = {node.target: _attribute(module, str(node.target)) for node in graph.nodes if refers(node)}
    finally:
        # torch.fx stores tensors that are made inside forward on the module that it traces.
        for name in set(vars(module)) - before:
            delattr(module, name)
    # If a module has several names, its calls are recorded under the first. A user may ask for any of them.
    calls = dict(tracer.calls)
    canonical = {id(part): name for name, part in module.named_modules()}
    for name, part in module.named_modules(remove_duplicate=False):
        if name not in calls and canonical[id(part)] in calls:
            calls[name] = calls[canonical[id(part)]]
    return Trace(graph=graph, targets=targets, calls=calls)


def refers(node: fx.Node) -> bool:
    """Whether the node stands for a module, a parameter or a constant of the network."""
    return node.op in {"call_module", "get_attr"}


def _attribute(module: nn.Module, path: str) -> Any:
    value: Any = module
    for name in path.split("."):
        value = getattr(value, name)
    return value
