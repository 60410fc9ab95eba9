"""Tell a layer's layout from the modules and operations of a ``torch.fx`` graph, without running it.

Convolutions and pooling give channels first. Operations on single elements keep the layout, ``permute`` changes it in a
known way, and torchvision's blocks of ViT and Swin have their own. Of everything else nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import fx, nn

from conceptrast.models.graph_trace import Trace
from conceptrast.models.layouts import CHANNELS_FIRST, CHANNELS_LAST, Layout

_VIT = "torchvision.models.vision_transformer"
_SWIN = "torchvision.models.swin_transformer"

#: Modules whose output has one layout, by their classes' full names.
BLOCKS: dict[str, Layout] = {
    f"{_VIT}.Encoder": Layout("tokens", class_tokens=1),
    f"{_VIT}.EncoderBlock": Layout("tokens", class_tokens=1),
    f"{_SWIN}.PatchMerging": CHANNELS_LAST,
    f"{_SWIN}.PatchMergingV2": CHANNELS_LAST,
    f"{_SWIN}.SwinTransformerBlock": CHANNELS_LAST,
    f"{_SWIN}.SwinTransformerBlockV2": CHANNELS_LAST,
}
_FIRST = (
    *(nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.InstanceNorm2d, nn.LocalResponseNorm, nn.PixelShuffle),
    *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.LPPool2d, nn.UpsamplingBilinear2d),
    *(nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.Dropout2d),
)
_FIRST_NAMES = {"conv2d", "batch_norm2d", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"}
_KEEPING = (
    *(nn.Dropout, nn.Identity, nn.GroupNorm, nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Hardswish, nn.Hardsigmoid),
    *(nn.Sigmoid, nn.Tanh, nn.ELU, nn.SELU, nn.CELU, nn.LeakyReLU, nn.PReLU, nn.Mish, nn.Softplus, nn.Hardtanh),
)
_KEEPING_NAMES = {
    *("add", "iadd", "sub", "isub", "mul", "imul", "truediv", "itruediv", "neg", "pow", "abs", "sqrt", "exp", "square"),
    *("relu", "relu6", "gelu", "silu", "hardswish", "hardsigmoid", "sigmoid", "tanh", "elu", "leaky_relu", "mish"),
    *("softplus", "hardtanh", "clamp", "dropout", "stochastic_depth", "contiguous", "clone", "float", "detach", "to"),
}
#: They act on the last axis: they keep a layout whose last axis is channels, and break another.
_ON_LAST_AXIS = (nn.Linear, nn.LayerNorm)
_ON_LAST_AXIS_NAMES = {"linear", "layer_norm", "shifted_window_attention", "shifted_window_attention_v2"}
_PERMUTATIONS = {
    (CHANNELS_FIRST, (0, 2, 3, 1)): CHANNELS_LAST,
    (CHANNELS_LAST, (0, 3, 1, 2)): CHANNELS_FIRST,
}


def known_layouts(traced: Trace, modules: Mapping[str, nn.Module]) -> dict[fx.Node, Layout]:
    """The layouts of nodes, as far as modules and operations tell them.

    Args:
        traced: the graph of the network, whose input is ``[N, C, H, W]``.
        modules: the network's modules by name.

    Returns:
        Layouts by node. Grids of tokens are not filled in; nothing is said about nodes that are missing. Pooling to a
        single position counts as channels first.

    Example:
        >>> from conceptrast.models.graph_trace import trace
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(2))
        >>> layouts = known_layouts(trace(network), dict(network.named_modules()))
        >>> {str(node.target): str(layout) for node, layout in layouts.items() if node.op == "call_module"}
        {'0': 'channels first', '1': 'channels first'}
    """
    blocks = {
        node: BLOCKS[_full_name(modules[name])]
        for name, nodes in traced.calls.items()
        if name in modules and _full_name(modules[name]) in BLOCKS
        for node in nodes
        if node is not None
    }
    layouts: dict[fx.Node, Layout] = {}
    for node in traced.graph.nodes:
        layout = blocks.get(node) or _layout(node, layouts, traced.targets)
        if layout is not None:
            layouts[node] = layout
    return layouts


def layout_of_module(part: nn.Module) -> Layout | None:
    """The layout that a module alone tells of its output, or ``None``.

    Example:
        >>> str(layout_of_module(nn.Conv2d(3, 4, 1))), layout_of_module(nn.ReLU())
        ('channels first', None)
    """
    return CHANNELS_FIRST if isinstance(part, _FIRST) else BLOCKS.get(_full_name(part))


def _full_name(part: nn.Module) -> str:
    return f"{type(part).__module__}.{type(part).__qualname__}"


def _layout(node: fx.Node, layouts: Mapping[fx.Node, Layout], targets: Mapping[str, Any]) -> Layout | None:
    """The layout of one node; those of the nodes before it are known, or missing."""
    if node.op == "placeholder":
        return CHANNELS_FIRST
    part = targets[str(node.target)] if node.op == "call_module" else None
    name = _name(node)
    if isinstance(part, _FIRST) or name in _FIRST_NAMES:
        return CHANNELS_FIRST
    # What it computes from: tensors that depend on the image.
    tensors = [source for source in node.all_input_nodes if source.op != "get_attr"]
    sources = {layouts.get(source) for source in tensors}
    if len(sources) != 1:
        return None
    [layout] = sources
    if layout is None:
        return None
    if isinstance(part, _ON_LAST_AXIS) or name in _ON_LAST_AXIS_NAMES:
        return None if layout == CHANNELS_FIRST else layout
    if name == "permute":
        return _PERMUTATIONS.get((layout, _dimensions(node)))
    if name in {"cat", "concat", "concatenate"}:
        axis = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
        along_channels = {CHANNELS_FIRST: (1, -3), CHANNELS_LAST: (3, -1)}
        return layout if axis in along_channels.get(layout, (2, -1)) else None
    keeps = isinstance(part, _KEEPING) or name in _KEEPING_NAMES
    return layout if keeps else None


def _name(node: fx.Node) -> str:
    """What a call of a function or method is called, without the underscore of a write in place."""
    if node.op == "call_method":
        return str(node.target).rstrip("_")
    return getattr(node.target, "__name__", "").rstrip("_") if node.op == "call_function" else ""


def _dimensions(node: fx.Node) -> tuple[Any, ...]:
    """The axes that a call of ``permute`` names, counted from the front."""
    axes = node.kwargs.get("dims", node.args[1:])
    if isinstance(axes, (tuple, list)) and len(axes) == 1 and isinstance(axes[0], (tuple, list)):
        axes = axes[0]
    axes = tuple(axes) if isinstance(axes, (tuple, list)) else (axes,)
    return tuple(axis % len(axes) if isinstance(axis, int) else axis for axis in axes)
