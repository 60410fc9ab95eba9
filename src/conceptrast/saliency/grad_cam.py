r"""Class activation maps: where a layer's activations speak for a class.

Notation: ``a`` activations ``[N, C, h, w]`` of a layer, ``s`` the score of a target, ``w`` weights ``[N, C]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from conceptrast.base.errors import LayerError, ModelError
from conceptrast.base.registry import resolve
from conceptrast.base.streams import LibrarySeed, library_seed
from conceptrast.base.torchvision_ops import torchvision  # noqa: F401 - has to come before the grad-cam package
from conceptrast.models.activations import refuse_nowhere_to_look, refuse_unread_positions
from conceptrast.models.split import SplitModel
from conceptrast.saliency import CLASS_BLIND, METHODS
from conceptrast.saliency.cut_network import CutNetwork
from conceptrast.saliency.targets import Target, refuse_targets


def class_activation_maps(
    split: SplitModel, images: Tensor, targets: Sequence[Target], method: str = "grad_cam", seed: int = 0
) -> np.ndarray:
    r"""Maps of where each image speaks for its target, by a method of the grad-cam package.

    .. math:: M_n = \mathrm{up} \Big( \max \Big( 0, \sum_c w_{nc} a_{nc} \Big) \Big), \qquad
              w_{nc} = \frac{1}{h w} \sum_p \frac{\partial s_n}{\partial a_{ncp}}

    These weights are Grad-CAM's; other methods have other weights. The prefix runs once and records no gradients. The
    method runs only on the suffix, so every layer that can be cut will do. The exception is ``score_cam``: it needs
    masked pictures and runs the whole network for every channel. Class tokens have no place in the map; they stay those
    of the image, or of the masked picture. Network and images stay as they were, and no gradient reaches the weights.

    Args:
        split: the network, cut at the layer.
        images: ``[N, C, H, W]``, normalised, on any device.
        targets: one for each image.
        method: a key of :data:`~conceptrast.saliency.METHODS`. ``eigen_cam``, ``kpca_cam`` and ``fem`` do not look at
            the target, and the sign of the first two is arbitrary.
        seed: the seed for methods that draw numbers (``kpca_cam``, at layers of more than 200 positions).

    Returns:
        ``[N, H, W]`` float32. Each map is enlarged bilinearly from the layer's grid; then its minimum is subtracted,
        and it is divided by its maximum, so it lies between 0 and 1. A map is all zero if nothing speaks for the
        target, or if the map is the same everywhere.

    Raises:
        ConfigError: there is no such method, or the network has no such class.
        ShapeError: there are not as many targets as images, or the images do not fit the first convolution.
        LayerError: the layer has no positions or only one, or the logits do not depend on them, or all its activations
            are zero for an image.
        ModelError: a logit or a map is not finite.

    Source: Selvaraju et al. 2017, arXiv 1610.02391, equations 1 and 2; the package, jacobgil/pytorch-grad-cam, has the
    other methods. Like the package, and unlike the paper, we subtract the map's minimum.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2)).eval()
        >>> for weight in network.parameters():
        ...     _ = weight.data.fill_(1.0)
        >>> image = torch.tensor([[[[0.0, 1.0], [2.0, 4.0]]]])
        >>> class_activation_maps(SplitModel(network, "1"), image, [Target(1)])
        array([[[0.  , 0.25],
                [0.5 , 1.  ]]], dtype=float32)
    """
    return maps_by_method(split, images, targets, methods=[method], seed=seed)[method]


def maps_by_method(
    split: SplitModel, images: Tensor, targets: Sequence[Target], methods: Sequence[str], seed: int = 0
) -> dict[str, np.ndarray]:
    """Maps as :func:`class_activation_maps` makes them, by several methods. The prefix runs once for all.

    Args:
        split: the network, cut at the layer.
        images: ``[N, C, H, W]``, normalised, on any device.
        targets: one for each image.
        methods: keys of :data:`~conceptrast.saliency.METHODS`.
        seed: the seed for methods that draw numbers. Each starts from it anew.

    Returns:
        ``[N, H, W]`` float32 by method.

    Raises:
        ConfigError, ShapeError, LayerError, ModelError: as :func:`class_activation_maps` does.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2)).eval()
        >>> images = torch.rand(3, 1, 2, 2)
        >>> maps = maps_by_method(SplitModel(network, "0"), images, [Target(1)] * 3, ["fem", "grad_cam"])
        >>> {method: values.shape for method, values in maps.items()}
        {'fem': (3, 2, 2), 'grad_cam': (3, 2, 2)}
    """
    kinds = {method: resolve("CAM method", method, METHODS) for method in methods}
    images = images.to(next((weight.device for weight in split.network.parameters()), images.device))
    with torch.inference_mode(False), _frozen(split.network):
        # What all methods start from.
        with torch.no_grad():
            # The copy may record gradients, even if the caller is in inference mode.
            activations = split.prefix(images).clone()
            complete = split.complete.prefix(images).clone() if split.layout.class_tokens else activations
            class_tokens = split.complete.class_tokens_of(complete)
            _refuse_activations(activations, split.layer)
            if not CLASS_BLIND.issuperset(methods):
                refuse_unread_positions(split)
            logits = split.complete.suffix(complete)
        refuse_targets(targets, len(images), logits.shape[-1])
        _refuse_not_finite(logits.isfinite().all(1).cpu().numpy(), "logits that are")
        scores = [_positive(target, image_logits) for target, image_logits in zip(targets, logits, strict=True)]
        network = CutNetwork(split, images, class_tokens)
        # The maps of each method.
        maps = {}
        for method, kind in kinds.items():
            with _drawing_from(seed):
                on_the_grid = _on_the_grid(kind, network, activations.detach(), scores)
            _refuse_not_finite(np.isfinite(on_the_grid).all((1, 2)), f"a {method} map that is")
            maps[method] = enlarged(on_the_grid, (images.shape[2], images.shape[3]))
    return maps


def _on_the_grid(
    kind: Callable[..., Any],
    network: CutNetwork,
    activations: Tensor,
    scores: Sequence[Callable[[Tensor], Tensor]],
) -> np.ndarray:
    """Maps ``[N, h, w]`` by a class of the package. Its hooks are removed afterwards."""
    cam = kind(model=network, target_layers=[network.cut])
    try:
        # We do not use the package's context manager, because it hides an IndexError.
        with torch.enable_grad():
            maps: np.ndarray = cam(input_tensor=activations.requires_grad_(), targets=scores)
            return maps
    finally:
        cam.activations_and_grads.release()


def _positive(target: Target, logits: Tensor) -> Callable[[Tensor], Tensor]:
    """The target's score, moved so that the picture's own is 1.

    AblationCAM divides by the picture's score. This would invert its map if the score is negative, and a difference of
    classes can be negative. No other method notices an added constant.
    """
    score = target(logits)
    return lambda changed: target(changed) - score + 1


def enlarged(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge maps on a layer's grid to the size of the pictures.

    Args:
        maps: ``[N, h, w]``; negative values count as 0.
        size: ``(H, W)`` in pixels.

    Returns:
        ``[N, H, W]`` float32, by the package's interpolation (OpenCV's bilinear one). The minimum is subtracted, and
        the map is divided by its maximum. A map that is the same everywhere becomes all zero.

    Example:
        >>> enlarged(np.array([[[0.0, 8.0]]]), (1, 4)).round(4)
        array([[[0.  , 0.25, 0.75, 1.  ]]], dtype=float32)
    """
    from pytorch_grad_cam.utils.image import scale_cam_image

    scaled: np.ndarray = scale_cam_image(scale_cam_image(np.maximum(maps, 0), size[::-1]))
    scaled = scaled.reshape(len(maps), *size)  # also if there are no maps
    peaks = scaled.max((1, 2), keepdims=True)
    return np.divide(scaled, peaks, out=np.zeros_like(scaled), where=peaks > 0)


def _refuse_activations(activations: Tensor, layer: str) -> None:
    refuse_nowhere_to_look(activations.shape, layer)
    empty = ~activations.flatten(1).any(1)
    if empty.any():
        raise LayerError(
            f"layer {layer!r} gives activations that are zero throughout for image {int(empty.nonzero()[0])} "
            f"of {len(activations)}, counted from 0: no map can be made of them"
        )


def _refuse_not_finite(finite: np.ndarray, what: str) -> None:
    if not finite.all():
        raise ModelError(f"the network gives {what} not finite, first for image {int(np.argmin(finite))}, from 0")


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """The weights get no gradients while the block runs. The package's backward pass would leave some there."""
    trainable = [weight for weight in network.parameters() if weight.requires_grad]
    try:
        for weight in trainable:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in trainable:
            weight.requires_grad_(True)


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Make libraries that use numpy's global random state draw from the seed; restore the state afterwards."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(library_seed(LibrarySeed.CAM_LIBRARY, seed))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
