r"""Parameter randomisation: if a map stays the same under random weights, it does not show what was learnt.

Notation: ``M`` the trained network's map ``[H, W]`` of an image; ``M_s`` the map after stage ``s``. By then all weights
from the output down to some module have been drawn anew.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from conceptrast.base.errors import LayerError, ModelError
from conceptrast.base.progress import counted, progress
from conceptrast.base.streams import Stream, generator
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel
from conceptrast.saliency.grad_cam import maps_by_method
from conceptrast.saliency.randomisation_stages import stages
from conceptrast.saliency.targets import Target

_WINDOW = 7  # side in pixels of the windows that SSIM compares


def parameter_randomisation(
    model: Model | nn.Module,
    layer: str,
    images: Tensor,
    targets: Sequence[Target],
    methods: Sequence[str],
    most: int = 6,
    seed: int = 0,
) -> pd.DataFrame:
    r"""How much maps change as a network's weights are drawn anew, stage by stage from the output down.

    .. math:: \mathrm{rank\_correlation} = \rho_{\mathrm{Spearman}}(M, M_s), \qquad
              \mathrm{ssim} = \mathrm{SSIM}(M, M_s)

    Both measures use all pixels of the enlarged maps, as a reader sees them. The targets stay those of the trained
    network. The model itself stays as it is: weights are drawn in a copy.

    A tensor of weights becomes normal noise with the tensor's own mean and standard deviation. The running statistics
    of batch norms stay.

    Args:
        model: :class:`~conceptrast.models.model.Model` or a bare module, in evaluation mode.
        layer: the layer where maps are made.
        images: ``[N, C, H, W]``, normalised.
        targets: one target for each image.
        methods: the keys of :data:`~conceptrast.saliency.METHODS`.
        most: the largest number of stages.
        seed: the seed of the weights; a tensor's draw does not depend on the stages.

    Returns:
        position (0 to N - 1), method, stage (from 1), reaches (the last module that is random), above_layer (all random
        weights lie above the layer, so that its activations are the trained network's), rank_correlation, ssim, flat.
        A flat map is the same everywhere and has no ranks: its correlation is given as 0, and ``flat`` is true. A
        random network without a map is treated the same way; its activations are zero, or its logits are not finite.

    Raises:
        LayerError, ModelError, ShapeError, ConfigError: as
            :func:`~conceptrast.saliency.randomisation_stages.stages` and
            :func:`~conceptrast.saliency.grad_cam.class_activation_maps` do for the trained network.

    Source: Adebayo et al. 2018, arXiv 1810.03292, section 4.1 (cascading randomisation). They draw from a layer's own
    initialisation. We cannot, because a tensor does not say how it was initialised. Since we keep the scale, no
    activations vanish or explode.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 2)).eval()
        >>> image = torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
        >>> rows = parameter_randomisation(network, "1", image, [Target(0)], ["eigen_cam"])
        >>> rows[["stage", "reaches", "above_layer"]].values.tolist()
        [[1, '3', True], [2, '0', False]]
        >>> bool(rows["rank_correlation"][0] > 0.999)  # eigen_cam does not look above the layer
        True
    """
    # The trained network's maps.
    groups = stages(model, layer, most)
    trained = SplitModel(model, layer)
    trained_maps = maps_by_method(trained, images, targets, methods=methods, seed=seed)

    # The maps of a copy that becomes random, stage by stage.
    network = copy.deepcopy(trained.network)
    split = SplitModel(network, layer, images[:1])
    rows = []
    what = f"maps of {counted(len(images), 'pictures')} with random weights"
    for number, stage in enumerate(progress(groups, what, len(groups), "stages"), start=1):
        _draw_anew(network, stage.parameters, seed)
        head = {"stage": number, "reaches": stage.name, "above_layer": stage.above_layer}
        random_maps = _maps_or_flat(split, images, targets, methods=methods, seed=seed)
        for method in methods:
            for position, pair in enumerate(zip(trained_maps[method], random_maps[method], strict=True)):
                rows.append({"position": position, "method": method} | head | similarity(*pair))
    return pd.DataFrame(rows)


def _draw_anew(network: nn.Module, names: Sequence[str], seed: int) -> None:
    numbers = {name: number for number, (name, _) in enumerate(network.named_parameters())}
    with torch.no_grad():
        for name in names:
            weight = network.get_parameter(name)
            noise = generator(Stream.RANDOM_WEIGHTS, seed, numbers[name]).standard_normal(tuple(weight.shape))
            weight.copy_(weight.mean() + weight.std(correction=0) * torch.as_tensor(noise).to(weight))


def _maps_or_flat(
    split: SplitModel, images: Tensor, targets: Sequence[Target], methods: Sequence[str], seed: int
) -> dict[str, np.ndarray]:
    """The maps ``[N, H, W]`` of a random network by method; zero where it has none."""
    try:
        return maps_by_method(split, images, targets, methods=methods, seed=seed)
    except (LayerError, ModelError):  # other errors would have come up with the trained network
        if len(images) == len(methods) == 1:
            return {methods[0]: np.zeros((1, *images.shape[2:]), np.float32)}
    # Some image or some method has no map: each for itself.
    if len(methods) > 1:
        alone = [_maps_or_flat(split, images, targets, methods=[method], seed=seed) for method in methods]
        return {method: maps for part in alone for method, maps in part.items()}
    [method] = methods
    parts = [
        _maps_or_flat(split, image[None], [target], methods=methods, seed=seed)[method]
        for image, target in zip(images, targets, strict=True)
    ]
    return {method: np.concatenate(parts)}


def similarity(one: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """Rank correlation and structural similarity of two maps, and whether one of them is flat.

    Args:
        one: ``[H, W]`` in [0, 1].
        other: ``[H, W]`` in [0, 1].

    Returns:
        rank_correlation (-1 to 1; 0 if a map is flat), ssim (-1 to 1, over windows of 7×7 pixels, or as many as there
        are), flat.

    Example:
        >>> ramp = np.linspace(0, 1, 64).reshape(8, 8)
        >>> round(similarity(ramp, ramp**2)["rank_correlation"], 6), similarity(ramp, 0 * ramp)["flat"]
        (1.0, True)
    """
    flat = any(bool(values.min() == values.max()) for values in (one, other))
    window = min(_WINDOW, *(side - 1 + side % 2 for side in one.shape))
    return {
        "rank_correlation": 0.0 if flat else float(spearmanr(one.ravel(), other.ravel()).statistic),
        "ssim": float(structural_similarity(one, other, win_size=window, data_range=1.0)),
        "flat": flat,
    }
