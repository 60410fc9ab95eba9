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

from conceptrast.base.errors import LayerError, ModelError, ShapeError
from conceptrast.models import graph_cut
from conceptrast.models.folding import fold_batch_norms
from conceptrast.models.fusing import fuse_convolutions
from conceptrast.models.graph_layouts import known_layouts, layout_of_module
from conceptrast.models.hook_cut import HookCut
from conceptrast.models.layouts import Layout, layout_of, needs_class_tokens
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
    cut is taken from the activations; an image's height or width that crosses it is that of the example, and other
    images are refused. The caller decides whether gradients flow.

    If a network cannot be traced, it is cut by a forward hook and a warning is logged. This is slower, because the
    suffix then runs the whole network on a blank image.

    Activations are maps ``[N, C, h, w]``, whatever the layer's own layout is: the prefix turns channels-last
    activations and tokens into maps, and the suffix turns maps back. The layout is known from the modules, or measured
    by moving a spot in a picture (:func:`~conceptrast.models.layouts.measured`). Class tokens are left out of the maps.
    The suffix needs them; :attr:`complete` is the same cut with class tokens among the activations.

    Args:
        model: :class:`~conceptrast.models.model.Model` or a bare module, in evaluation mode.
        layer: name of the layer.
        example: ``[N, C, H, W]`` normalised images; on them, the two halves are compared with the whole network. A
            ``Model`` knows its size and needs no example. A bare module without an example is not checked, and a layout
            that has to be measured is measured with the first images that the prefix sees.

    Attributes:
        layer: name of the layer.
        network: the whole network, as it was given.

    Raises:
        LayerError: there is no such layer, or another tensor goes around it, or its layout is not known; the message
            names the nearest layers that can be cut.
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
        refuse_training(module)
        if example is None and not isinstance(model, nn.Module):
            example = noise_for(model.preprocess, module)
        self.layer = layer
        self.network = module
        self._prepared_for = ""
        self._image_shape: tuple[int, ...] = ()
        self._layout: Layout | None = None
        self._reads_positions = True
        self._with_class_tokens = False
        self._complete: SplitModel | None = None
        try:
            traced = graph_cut.trace(module)
        except Exception as error:
            self._cut_by_hook(module, example, error)
        else:
            self._cut_by_graph(traced, example)
        # The layout, and whether the halves are the network.
        if self._module_layout is not None and self._module_layout.kind != "tokens":
            self._layout = self._module_layout
        if example is not None:
            self._check(module, example)

    def _cut_by_graph(self, traced: graph_cut.Trace, example: Tensor | None) -> None:
        cut = graph_cut.cut_at(traced, graph_cut.find(traced, self.layer))
        if cut.around or (cut.image_sizes and example is None):
            raise graph_cut.refusal(traced, self.layer, cut)
        if cut.image_sizes and example is not None:
            self._image_shape = tuple(example.shape[1:])
        self._prefix: Half = graph_cut.prefix_graph(traced, cut)
        self._suffix: Half = graph_cut.suffix_graph(traced, cut, self._image_shape)
        self._rectified = graph_cut.is_rectified(cut.node, traced.targets)
        modules = dict(self.network.named_modules(remove_duplicate=False))
        self._module_layout = known_layouts(traced, modules).get(cut.node)

    def _cut_by_hook(self, module: nn.Module, example: Tensor | None, error: Exception) -> None:
        # A hook needs an image to run.
        if example is None:
            raise ModelError(
                f"the network cannot be traced ({first_line(error)}); give SplitModel an example image, so that it "
                "can be cut by a hook"
            ) from error
        LOGGER.warning(
            "the network cannot be traced (%s): cutting at %r by a hook, so every suffix pass runs the whole network",
            first_line(error),
            self.layer,
        )
        # Both halves, and whether the layer is rectified.
        with shapes_explained(module, example):
            halves = HookCut(module, self.layer, example)
        self._prefix = halves.prefix
        self._suffix = halves.suffix
        self._module_layout = layout_of_module(halves.part)
        with torch.no_grad():
            self._rectified = bool((halves.prefix(example) >= 0).all())

    def _check(self, module: nn.Module, example: Tensor) -> None:
        with torch.no_grad(), shapes_explained(module, example):
            whole = module(example)
            output = self._prefix(example)
            self._refuse_first_axis(output, example)
            halves = self._suffix(output)
        if whole.shape != halves.shape or not torch.allclose(whole, halves, rtol=1e-3, atol=1e-3 * _scale(whole)):
            raise LayerError(
                f"cannot cut at layer {self.layer!r}: the two halves do not give the logits of the whole network, so "
                "another tensor goes around the layer; choose the output of a whole block"
            )
        if self._layout is None:
            self._find_layout(output, example)

    def _find_layout(self, output: Tensor, images: Tensor) -> None:
        """Find the layout of the layer's own activations of some images, and whether anything reads its positions.

        Raises:
            LayerError: it cannot be found; the message says why, and names layers whose layout is known.
        """
        try:
            layout = layout_of(self._prefix, images, output, self._module_layout)
        except LayerError as error:
            raise self._unknown_layout(output, str(error)) from error
        if layout.class_tokens:
            self._reads_positions = self._do_patches_matter(output, layout.class_tokens)
        self._layout = layout

    def _refuse_first_axis(self, output: Tensor, images: Tensor) -> None:
        """Refuse windows and other activations that are not counted by images: the suffix counts images by them."""
        if not isinstance(output, Tensor):
            raise LayerError(
                f"layer {self.layer!r} gives a {type(output).__name__}, not one tensor: choose another layer"
            )
        if output.ndim in (3, 4) and len(output) != len(images):
            raise self._unknown_layout(output, f"its first axis is not that of the {len(images)} images")

    def _unknown_layout(self, output: Tensor, reason: str) -> LayerError:
        near = ", ".join(_known_near(self.network, self.layer)) or "none"
        return LayerError(
            f"layer {self.layer!r} gives {list(output.shape)}, and it is not known which axes are positions: {reason}; "
            f"nearest layers whose layout is known: {near}"
        )

    def _do_patches_matter(self, output: Tensor, class_tokens: int) -> bool:
        """Whether anything after the layer reads its patches: whatever does becomes NaN with them."""
        spoilt = output.detach().clone()
        spoilt[:, class_tokens:] = float("nan")
        with torch.no_grad():
            return bool(self._suffix(spoilt).isnan().any())

    @property
    def layout(self) -> Layout:
        """The layout of the layer's own activations.

        Raises:
            LayerError: it has to be measured, and the network has seen no image so far.
        """
        if self._layout is None:
            raise LayerError(
                f"which axes of layer {self.layer!r} are positions has to be measured: give SplitModel an example image"
            )
        return self._layout

    @property
    def reads_positions(self) -> bool:
        """Whether the logits depend on the maps. After its last attention block, a ViT reads only its class token."""
        return self._reads_positions

    @property
    def complete(self) -> SplitModel:
        """The same cut with class tokens: a layer that has some keeps its own activations ``[N, t + h w, C]``.

        Other layers have maps here as well, and the object itself is returned. :meth:`patches` and :meth:`shifted` act
        on the activations of both.

        Example:
            >>> split = SplitModel(nn.Sequential(nn.ReLU(), nn.Flatten()).eval(), "0")
            >>> split.complete is split
            True
        """
        if self._with_class_tokens or not self.layout.class_tokens:
            return self
        # Always the same object: activations are kept by it.
        if self._complete is None:
            self._complete = copy.copy(self)
            self._complete._with_class_tokens = True
        return self._complete

    def patches(self, values: Tensor) -> Tensor:
        """Maps ``[N, C, h, w]`` of values in the shape of this cut's activations: class tokens are left out."""
        return self.layout.maps(values) if self._with_class_tokens else values

    def class_tokens_of(self, activations: Tensor) -> Tensor | None:
        """Class tokens ``[N, t, C]`` among activations of this cut; ``None`` if it leaves them out, or has none."""
        return self.layout.class_tokens_of(activations) if self._with_class_tokens else None

    def shifted(self, activations: Tensor, vectors: Tensor, positions: Tensor | None = None) -> Tensor:
        """Activations of this cut with a vector added at positions of each; class tokens stay.

        Args:
            activations: ``[N, C, h, w]``, or as :attr:`complete` has them.
            vectors: ``[N, C]``.
            positions: ``[N, h, w]`` bool; all if ``None``.
        """
        change = vectors[:, :, None, None]
        if positions is not None:
            change = change * positions[:, None]
        if not self._with_class_tokens:
            return activations + change
        change = change.expand(-1, -1, *self.layout.grid)
        return activations + self.layout.output(change, torch.zeros_like(self.layout.class_tokens_of(activations)))

    def prefix(self, images: Tensor) -> Tensor:
        """Activations ``[N, C, h, w]`` of normalised ``images`` ``[N, 3, H, W]``, or ``[N, 1, H, W]`` in grey.

        Raises:
            ShapeError: the network takes another number of channels, or larger images; or what comes after the layer
                was made for the example's size.
        """
        if self._image_shape and tuple(images.shape[1:]) != self._image_shape:
            sizes = ("×".join(map(str, shape)) for shape in (self._image_shape, images.shape[1:]))
            raise ShapeError("layer {!r} was cut for images of {}; these are {}".format(self.layer, *sizes))
        with shapes_explained(self.network, images):
            output = self._prefix(images)
            if self._layout is None:
                self._refuse_first_axis(output, images)
                self._find_layout(output, images)
        return output if self._with_class_tokens else self.layout.maps(output)

    def prefix_copy(self) -> nn.Module:
        """The prefix as a network of its own, from images to the layer's own activations; it can be trained and saved.

        Its weights are copies that have the model's names. :attr:`layout` makes maps of what it gives.

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

    def suffix(self, activations: Tensor, class_tokens: Tensor | None = None) -> Tensor:
        """Logits ``[N, n_classes]`` of ``activations`` ``[N, C, h, w]``, which are not changed.

        Args:
            activations: ``[N, C, h, w]``, or as :attr:`complete` has them.
            class_tokens: ``[N, t, C]``, the class tokens that go with maps; for layers that have some.

        Raises:
            LayerError: the layer has class tokens, and they are not given.
        """
        if self._with_class_tokens:
            return self._suffix(activations)
        if self.layout.class_tokens and class_tokens is None:
            raise LayerError(needs_class_tokens(self.layer, self.layout))
        return self._suffix(self.layout.output(activations, class_tokens))

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
        other._complete = None
        return other

    @property
    def rectified(self) -> bool:
        """Whether the layer's output cannot be negative, as after a ReLU."""
        return self._rectified

    def __repr__(self) -> str:
        return f"SplitModel(layer={self.layer!r}, rectified={self.rectified})"


def _known_near(network: nn.Module, layer: str) -> list[str]:
    """The three layers nearest to a layer that can be cut and whose modules tell the layout."""
    try:
        traced = graph_cut.trace(network)
        cut = graph_cut.find(traced, layer)
    except Exception:  # a network that cannot be traced
        return []
    module_layout = known_layouts(traced, dict(network.named_modules(remove_duplicate=False)))
    order = {node: position for position, node in enumerate(traced.graph.nodes)}
    places = {name: node for name, node in graph_cut.places_from_output(traced).items() if node in module_layout}
    return sorted(places, key=lambda name: abs(order[places[name]] - order[cut]))[:3]


def _folded(half: Half) -> Half:
    folded = fold_batch_norms(half) if isinstance(half, fx.GraphModule) else None
    return half if folded is None else folded


def _fused(half: Half, precision: str) -> Half:
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    fused = fuse_convolutions(half, dtype) if isinstance(half, fx.GraphModule) else None
    return half if fused is None else fused


def refuse_training(module: nn.Module) -> None:
    """Refuse a network of which some part is in training mode.

    Raises:
        ModelError: the message names the part.
    """
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


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its kind if it has none.

    Example:
        >>> first_line(ValueError("no\\nreally not")), first_line(KeyError())
        ('no', 'KeyError')
    """
    return str(error).partition("\n")[0] or type(error).__name__
