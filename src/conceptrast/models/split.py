"""Cut a network in two at a named layer. Everything else builds on this.

Methods that work on activations (attribution, shifting, masking, scores of concepts) only run the suffix, so the prefix
runs once.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, fx, nn

from conceptrast.base.errors import LayerError, ModelError
from conceptrast.models import graph_cut
from conceptrast.models.folding import fold_batch_norms
from conceptrast.models.fusing import fuse_convolutions
from conceptrast.models.hook_cut import HookCut
from conceptrast.models.model import shapes_explained

if TYPE_CHECKING:
    from conceptrast.models.model import Model, Preprocess

Half = Callable[[Tensor], Tensor]
LOGGER = logging.getLogger("conceptrast")


class SplitModel:
    r"""``model`` cut in two at ``layer``.

    .. math:: f(x) = \mathrm{suffix}(\mathrm{prefix}(x))

    The network is traced with ``torch.fx`` and its graph is cut at the layer's output. A layer is a module's name
    (``layer3.5``). If a module is called several times, its name means the last call, and ``name:0`` means the first.
    The parts share the model's weights; the model itself is neither changed nor hooked. A batch size that crosses the
    cut is taken from the activations. The caller decides whether gradients flow.

    If a network cannot be traced, it is cut by a forward hook and a warning is logged. This is slower, because the
    suffix then runs the whole network on a blank image.

    Args:
        model: :class:`~conceptrast.models.model.Model` or a bare module, in evaluation mode.
        layer: name of the layer.
        example: ``[N, C, H, W]`` normalised images; on them, the two halves are compared with the whole network. A
            ``Model`` knows its size and needs no example. A bare module without an example is not checked.

    Attributes:
        layer: name of the layer.
        network: the whole network, as it was given.

    Raises:
        LayerError: there is no such layer, or another tensor goes around it; the message names the nearest layers
            that can be cut.
        ShapeError: the example has another number of channels than the network takes, or is too small for it.
        ModelError: the model is in training mode, or it cannot be traced and there is no example for a hook.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()
        >>> split = SplitModel(network, "1")
        >>> activations = split.prefix(torch.ones(5, 3, 8, 8))
        >>> activations.shape, split.suffix(activations).shape, split.rectified
        (torch.Size([5, 4, 6, 6]), torch.Size([5, 2]), True)
    """

    def __init__(self, model: Model | nn.Module, layer: str, example: Tensor | None = None) -> None:
        module = model if isinstance(model, nn.Module) else model.module
        _refuse_training(module)
        if example is None and not isinstance(model, nn.Module):
            example = noise_for(model.preprocess, module)
        self.layer = layer
        self.network = module
        self._prepared_for = ""
        try:
            traced = graph_cut.trace(module)
        except Exception as error:
            self._cut_by_hook(module, example, error)
        else:
            self._cut_by_graph(traced)
        if example is not None:
            self._check(module, example)

    def _cut_by_graph(self, traced: graph_cut.Trace) -> None:
        cut = graph_cut.cut_at(traced, graph_cut.find(traced, self.layer))
        if cut.around:
            raise graph_cut.refusal(traced, self.layer, cut)
        self._prefix: Half = graph_cut.prefix_graph(traced, cut)
        self._suffix: Half = graph_cut.suffix_graph(traced, cut)
        self._rectified = graph_cut.is_rectified(cut.node, traced.targets)

    def _cut_by_hook(self, module: nn.Module, example: Tensor | None, error: Exception) -> None:
        # A hook needs an image to run.
        if example is None:
            raise ModelError(
                f"the network cannot be traced ({_first_line(error)}); give SplitModel an example image, so that it "
                "can be cut by a hook"
            ) from error
        LOGGER.warning(
            "the network cannot be traced (%s): cutting at %r by a hook, so every suffix pass runs the whole network",
            _first_line(error),
            self.layer,
        )
        # Both halves, and whether the layer is rectified.
        with shapes_explained(module, example):
            halves = HookCut(module, self.layer, example)
        self._prefix = halves.prefix
        self._suffix = halves.suffix
        with torch.no_grad():
            self._rectified = bool((halves.prefix(example) >= 0).all())

    def _check(self, module: nn.Module, example: Tensor) -> None:
        with torch.no_grad(), shapes_explained(module, example):
            whole = module(example)
            halves = self.suffix(self.prefix(example))
        if whole.shape != halves.shape or not torch.allclose(whole, halves, rtol=1e-3, atol=1e-3 * _scale(whole)):
            raise LayerError(
                f"cannot cut at layer {self.layer!r}: the two halves do not give the logits of the whole network, so "
                "another tensor goes around the layer; choose the output of a whole block"
            )

    def prefix(self, images: Tensor) -> Tensor:
        """Activations ``[N, C, h, w]`` of normalised ``images`` ``[N, 3, H, W]``, or ``[N, 1, H, W]`` in grey.

        Raises:
            ShapeError: the network takes another number of channels, or larger images.
        """
        with shapes_explained(self.network, images):
            return self._prefix(images)

    def prefix_copy(self) -> nn.Module:
        """The prefix as a network of its own, from images to activations; it can be trained and saved.

        Its weights are copies that have the model's names.

        Raises:
            ModelError: the network was cut by a hook, so its first layers have no network of their own.

        Example:
            >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()
            >>> list(SplitModel(network, "1").prefix_copy().state_dict())
            ['0.weight', '0.bias']
        """
        if not isinstance(self._prefix, nn.Module):
            raise ModelError("the network cannot be traced, so its first layers cannot become a network of their own")
        return copy.deepcopy(self._prefix)

    def suffix(self, activations: Tensor) -> Tensor:
        """Logits ``[N, n_classes]`` of ``activations`` ``[N, C, h, w]``, which are not changed."""
        return self._suffix(activations)

    def folded(self) -> SplitModel:
        """The same cut with batch norms folded into the convolutions before them: faster if there are many passes.

        Activations and logits are equal up to rounding. The folded convolutions are copies, so later changes of the
        model's weights do not reach them. If there is nothing to fold, the method returns the object itself.
        """
        return self._with_halves(_folded(self._prefix), _folded(self._suffix))

    def with_fused_prefix(self, precision: str) -> SplitModel:
        """The same cut with the fastest prefix for many passes; gradients still flow through the suffix.

        Batch norms are folded into convolutions. In the prefix, on a CPU, sums and ReLUs are fused with them.
        Activations are equal up to rounding. Later changes of the model's weights do not reach the halves.

        Args:
            precision: ``float32`` or ``bfloat16``; the prefix has to run in it.

        Example:
            >>> network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()).eval()
            >>> split = SplitModel(network, "2")
            >>> images = torch.ones(1, 3, 2, 2)
            >>> with torch.no_grad():
            ...     torch.allclose(split.with_fused_prefix("float32").prefix(images), split.prefix(images))
            True
        """
        folded = self.folded()
        return folded._with_halves(_fused(folded._prefix, precision), folded._suffix)

    def for_inference(self, precision: str) -> SplitModel:
        """The same cut with the fastest halves for many passes that need no gradients.

        Both halves are made like the prefix of :meth:`with_fused_prefix`.

        Args:
            precision: ``float32`` or ``bfloat16``; both halves have to run in it.

        Returns:
            The cut with such halves; the object itself if it was made by this method for this precision.
        """
        if self._prepared_for == precision:
            return self
        folded = self.folded()
        prepared = copy.copy(folded._with_halves(_fused(folded._prefix, precision), _fused(folded._suffix, precision)))
        prepared._prepared_for = precision
        return prepared

    def _with_halves(self, prefix: Half, suffix: Half) -> SplitModel:
        if prefix is self._prefix and suffix is self._suffix:
            return self
        other = copy.copy(self)
        other._prefix = prefix
        other._suffix = suffix
        return other

    @property
    def rectified(self) -> bool:
        """Whether the layer's output cannot be negative, as after a ReLU."""
        return self._rectified

    def __repr__(self) -> str:
        return f"SplitModel(layer={self.layer!r}, rectified={self.rectified})"


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


def _traced(model: Model | nn.Module) -> graph_cut.Trace:
    """The graph of a network.

    Raises:
        ModelError: it cannot be traced.
    """
    module = model if isinstance(model, nn.Module) else model.module
    _refuse_training(module)
    try:
        return graph_cut.trace(module)
    except Exception as error:
        raise ModelError(f"the network cannot be traced ({_first_line(error)})") from error


def layer_shapes(model: Model | nn.Module, example: Tensor | None = None) -> dict[str, tuple[int, ...]]:
    """The layers that ``model`` can be cut at, from its output down, with the shapes of their outputs for one image.

    If a place has several names, e.g. those of a block and of its last module, the shortest is listed.

    Args:
        model: :class:`~conceptrast.models.model.Model` or a bare module, in evaluation mode.
        example: ``[N, C, H, W]`` normalised images; a ``Model`` knows its size and needs none.

    Returns:
        Shapes by name, without the axis of images: ``(C, h, w)`` if the layer has positions.

    Raises:
        ModelError: the network cannot be traced, so that nothing is known about its layers; or a bare module comes
            without an example.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        >>> layer_shapes(network, torch.zeros(1, 3, 8, 8))
        {'3': (4,), '2': (4, 1, 1), '1': (4, 6, 6), '0': (4, 6, 6)}
    """
    if example is None:
        if isinstance(model, nn.Module):
            raise ModelError("a bare network has no size of its own: give an example image")
        example = noise_for(model.preprocess, model.module)
    traced = _traced(model)
    network = fx.GraphModule(traced.targets, traced.graph)
    network.training = False
    shapes = _Shapes(network)
    with torch.no_grad(), shapes_explained(model, example):
        shapes.run(example)
    return {name: shapes.by_node[node][1:] for name, node in graph_cut.places_from_output(traced).items()}


class _Shapes(fx.Interpreter):
    """Runs a graph and remembers the shape of every tensor in it."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.by_node: dict[fx.Node, tuple[int, ...]] = {}

    def run_node(self, node: fx.Node) -> object:
        """The node's value; its shape is kept."""
        value = super().run_node(node)
        if isinstance(value, Tensor):
            self.by_node[node] = tuple(value.shape)
        return value


def last_spatial_layer(model: Model | nn.Module, example: Tensor | None = None) -> str:
    """The last layer that still has positions. Usually one asks here where a model looks.

    Args:
        model: :class:`~conceptrast.models.model.Model` or a bare module, in evaluation mode.
        example: ``[N, C, H, W]`` normalised images; a ``Model`` knows its size and needs none.

    Raises:
        LayerError: no layer that can be cut gives ``[N, C, h, w]`` with more than one position.
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
    names = cuttable_layers(model)
    for last in reversed(names):
        with torch.no_grad():
            shape = SplitModel(model, last, example).prefix(example).shape
        if len(shape) == 4 and shape[2] * shape[3] > 1:
            # The name of a module alone means its last call.
            plain, _, call = last.partition(":")
            return plain if call and f"{plain}:{int(call) + 1}" not in names else last
    raise LayerError("no layer of the network gives activations with more than one position: there is nowhere to look")


def _folded(half: Half) -> Half:
    folded = fold_batch_norms(half) if isinstance(half, fx.GraphModule) else None
    return half if folded is None else folded


def _fused(half: Half, precision: str) -> Half:
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    fused = fuse_convolutions(half, dtype) if isinstance(half, fx.GraphModule) else None
    return half if fused is None else fused


def _refuse_training(module: nn.Module) -> None:
    training = next((name or "the model" for name, part in module.named_modules() if part.training), None)
    if training is not None:
        raise ModelError(
            f"{training} is in training mode, where dropout and batch norm act otherwise: call .eval() first"
        )


def noise_for(preprocess: Preprocess, module: nn.Module) -> Tensor:
    """Two images of noise, on the device and in the number format of the network."""
    like = next((weight for weight in module.parameters() if weight.is_floating_point()), torch.zeros(()))
    noise = torch.randn(2, preprocess.channels, *preprocess.size, generator=torch.Generator().manual_seed(0))
    return noise.to(like.device, like.dtype)


def _scale(values: Tensor) -> float:
    return max(1e-6, float(values.abs().max()))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
