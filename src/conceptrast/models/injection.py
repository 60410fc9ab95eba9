"""Put other values in place of a layer's output, and run the network's own forward pass on from there.

A network can only be cut where nothing goes around the layer. Values can be put in anywhere, inside a residual block
too: what goes around the layer then stays that of the picture.

Notation: ``v`` values of the layer ``[N, C, h, w]``, ``r`` what goes around it (for a layer inside a residual block:
the block's input, or what its skip connection makes of it), ``a`` activations of a later layer, at which the network
can be cut.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, fx, nn

from conceptrast.base.errors import LayerError, unknown_name
from conceptrast.models import graph_cut
from conceptrast.models.activations import refuse_without_positions
from conceptrast.models.graph_layouts import known_layouts, layout_of_module
from conceptrast.models.graph_nodes import is_arithmetic, is_size
from conceptrast.models.hook_cut import HookInjection, unreached
from conceptrast.models.inference import autocast, device_of, graph_for_inference, network_input
from conceptrast.models.layouts import Layout, layout_of, needs_class_tokens
from conceptrast.models.model import Model, shapes_explained
from conceptrast.models.split import SplitModel, noise_for

LOGGER = logging.getLogger("conceptrast")


class LayerValues(NamedTuple):
    """What pictures give at a layer.

    Attributes:
        activations: ``v`` ``[N, C, h, w]``.
        around: ``r``, tensors ``[N, …]``; none where the network can be cut at the layer.
    """

    activations: Tensor
    around: tuple[Tensor, ...] = ()


class Injection:
    r"""The part of a network between a layer whose values are changed and a later one at which it can be cut.

    .. math:: f(x) = \mathrm{suffix}(g(v, r)), \qquad (v, r) = \mathrm{prefix}(x)

    The network is traced with ``torch.fx``. If that is impossible, forward hooks replace the layer's output; ``r`` is
    then the image, and every pass starts there.

    Args:
        model: :class:`~conceptrast.models.model.Model` or a bare module, in evaluation mode.
        layer: name of the layer whose values are changed; it may lie inside a residual block.
        decode: name of a later layer, or the same one, at which the network can be cut.
        example: ``[N, C, H, W]`` normalised images, on which ``g`` is compared with the network's own activations. A
            ``Model`` knows its size and needs no example. A bare module without an example is not checked.

    Attributes:
        layer: name of the layer whose values are changed.
        split: the network, cut at ``decode``.

    Raises:
        LayerError: there is no such layer, the network cannot be cut at ``decode``, or ``decode`` comes first, so that
            values of the layer do not reach it.
        ModelError: the model is in training mode, or it cannot be traced and there is no example for a hook.

    Source: the code of Tegart 2023 (github.com/teg-lad/Concept-Based-Explainability-for-Mitotic-Figure-Detection-in-
    Whole-Slide-Images) adds values to the output of ``conv1`` in a stage's last block, in a ResNet of its own.
    Deviation: any layer of any network will do, and the network stays as it is.

    Example:
        >>> class Block(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.sum = nn.AvgPool2d(1, divisor_override=1)
        ...     def forward(self, x):
        ...         return x + self.sum(x)
        >>> network = nn.Sequential(Block(), nn.ReLU(), nn.Flatten()).eval()
        >>> injection = Injection(network, "0.sum", "1")
        >>> values, *around = injection.prefix(torch.full((1, 1, 1, 1), 3.0))
        >>> values.item(), [skipped.item() for skipped in around], injection.between(values + 1, *around).item()
        (3.0, [3.0], 7.0)
    """

    def __init__(self, model: Model | nn.Module, layer: str, decode: str, example: Tensor | None = None) -> None:
        module = model if isinstance(model, nn.Module) else model.module
        if example is None and not isinstance(model, nn.Module):
            example = noise_for(model.preprocess, module)
        self.layer = layer
        self.split = SplitModel(model, decode, example)
        self._prepared_for = ""
        try:
            traced = graph_cut.trace(module)
        except Exception as error:
            if example is None:
                raise
            LOGGER.debug("values are put into %r by a hook: %s", layer, error)
            hooks = HookInjection(module, layer, decode, example)
            self._prefix: Callable[..., Tensor | tuple[Tensor, ...]] = hooks.prefix
            self._between: Callable[..., Tensor] = hooks.between
            with torch.no_grad():
                self._rectified = bool((hooks.prefix(example)[0] >= 0).all())
            module_layout = layout_of_module(hooks.start.part)
        else:
            module_layout = self._by_graph(traced, module)
        self._layout = self._found_layout(module_layout, example)
        if example is not None:
            self._check(module, example)

    def _found_layout(self, module_layout: Layout | None, example: Tensor | None) -> Layout:
        """The layout of the layer's own activations, which has to be without class tokens.

        Raises:
            LayerError: it is not known, or it has class tokens.
        """
        layout = module_layout
        if example is not None:
            with torch.no_grad(), shapes_explained(self.split.network, example):
                output = self._own(example)[0]
            try:
                layout = layout_of(lambda images: self._own(images)[0], example, output, module_layout)
            except LayerError as error:
                raise LayerError(
                    f"values cannot be put into layer {self.layer!r}: it gives {list(output.shape)}, and which axes "
                    f"are positions is not known: {error}"
                ) from error
        if layout is None or (layout.kind == "tokens" and layout.grid == (0, 0)):
            raise LayerError(f"which axes of layer {self.layer!r} are positions has to be measured: give an example")
        if layout.class_tokens:
            raise LayerError(needs_class_tokens(self.layer, layout))
        return layout

    def _by_graph(self, traced: graph_cut.Trace, module: nn.Module) -> Layout | None:
        """Cut the graph, and see which layout the layer's modules tell."""
        if self.layer.partition(":")[0] not in traced.calls:
            raise LayerError(unknown_name("layer", self.layer, [name for name, _ in traced.names()]))
        node = graph_cut.find(traced, self.layer)
        end = graph_cut.find(traced, self.split.layer)
        if end not in graph_cut.descendants(node):
            raise unreached(self.layer, self.split.layer)
        cut = graph_cut.cut_at(traced, node, end)
        if cut.image_sizes or any(is_size(value) or is_arithmetic(value) for value in cut.around):
            raise LayerError(
                f"values cannot be put into layer {self.layer!r}: a number that depends on the image's size goes "
                "around it; choose the output of a whole block"
            )
        self._prefix = graph_cut.prefix_graph(traced, cut)
        self._between = graph_cut.suffix_graph(traced, cut)
        self._rectified = graph_cut.is_rectified(node, traced.targets)
        return known_layouts(traced, dict(module.named_modules(remove_duplicate=False))).get(node)

    def _check(self, module: nn.Module, example: Tensor) -> None:
        """Refuse a layer without positions, and one whose own values do not give the activations of the later one."""
        with torch.no_grad(), shapes_explained(module, example):
            values, *around = self.prefix(example)
            refuse_without_positions(values, self.layer)
            wanted = self.split.prefix(example)
            refuse_without_positions(wanted, self.split.layer)
            arrived = self.between(values, *around)
        scale = max(1e-6, float(wanted.abs().max()))
        if arrived.shape != wanted.shape or not torch.allclose(arrived, wanted, rtol=1e-3, atol=1e-3 * scale):
            raise LayerError(
                f"values cannot be put into layer {self.layer!r}: the network does not come to the activations of "
                f"{self.split.layer!r} from there; choose the output of a whole block"
            )

    def prefix(self, images: Tensor) -> tuple[Tensor, ...]:
        """``v`` ``[N, C, h, w]`` of normalised images ``[N, 3, H, W]``, then the tensors of ``r``."""
        values, *around = self._own(images)
        return (self._layout.maps(values), *around)

    def _own(self, images: Tensor) -> tuple[Tensor, ...]:
        """The same with the layer's own activations."""
        given = self._prefix(images)
        return given if isinstance(given, tuple) else (given,)

    def between(self, values: Tensor, *around: Tensor) -> Tensor:
        """``a`` ``[N, C', h', w']`` at the later layer, from ``v`` and ``r``, which are not changed."""
        return self.split.layout.maps(self._between(self._layout.output(values), *around))

    def suffix(self, values: Tensor, *around: Tensor) -> Tensor:
        """Logits ``[N, n_classes]`` of ``v`` and ``r``."""
        return self.split.suffix(self.between(values, *around))

    @property
    def rectified(self) -> bool:
        """Whether the layer's own output cannot be negative."""
        return self._rectified

    def for_inference(self, precision: str) -> Injection:
        """The same in the fastest form for many passes without gradients, as of a :class:`SplitModel`.

        Returns:
            Such an injection; the object itself if it was made by this method for this precision.
        """
        if self._prepared_for == precision:
            return self
        fast = copy.copy(self)
        fast._prepared_for = precision
        fast.split = self.split.for_inference(precision)
        if isinstance(self._prefix, fx.GraphModule) and isinstance(self._between, fx.GraphModule):
            fast._prefix = graph_for_inference(self._prefix, precision)
            fast._between = graph_for_inference(self._between, precision)
        return fast

    def __repr__(self) -> str:
        return f"Injection(layer={self.layer!r}, decode={self.split.layer!r}, rectified={self.rectified})"


def same_place(model: Model | nn.Module, layer: str, other: str) -> bool:
    """Whether two names mean the same place of a network, as those of a block and of its last module do.

    Args:
        model: :class:`~conceptrast.models.model.Model` or a bare module.
        layer: name of a layer.
        other: name of a layer.

    Raises:
        LayerError: there is no such layer.

    Example:
        >>> network = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), nn.Flatten()).eval()
        >>> same_place(network, "0", "0.1"), same_place(network, "0", "0.0")
        (True, False)
    """
    if layer == other:
        return True
    module = model if isinstance(model, nn.Module) else model.module
    try:
        traced = graph_cut.trace(module)
    except Exception:
        return False
    return graph_cut.find(traced, layer) is graph_cut.find(traced, other)


@torch.no_grad()  # in inference mode, what goes around could not be kept for gradients of the values
def layer_values(
    model: Model, injection: Injection, batches: Iterable[tuple[np.ndarray, Tensor]], precision: str = "float32"
) -> LayerValues:
    """What pictures give at the layer of an injection, and what goes around it, in float32 on the model's device.

    Args:
        model: gives the device and the normalisation.
        injection: the layer.
        batches: pairs of image ids ``[n]`` and views ``[n, 3, H, W]`` uint8; at least one.
        precision: ``float32`` or ``bfloat16``.
    """
    device = device_of(model)
    fast = injection.for_inference(precision)
    parts = []
    for _, views in batches:
        with autocast(precision, device):
            parts.append([part.float() for part in fast.prefix(network_input(model, views))])
    values, *around = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return LayerValues(values, tuple(around))
