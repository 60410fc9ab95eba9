"""The procedure of arXiv 2502.03422, written plainly after the paper: one sample, one image and one class at a time.

It calls the libraries that the paper uses as their documentation shows: Captum's ``LayerDeepLift``, scikit-learn's
``NMF``, torch's cosine similarity, linear layer, loss and SGD, and forward hooks. Only the noise is drawn by our
library, so that both procedures see the same copies of an image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations

import numpy as np
import torch
from captum.attr import LayerDeepLift
from sklearn.decomposition import NMF
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cosine_similarity

from conceptrast.attribution.noise import Smoothing

Pair = tuple[int, int]

SAMPLES = 20
"""Noisy copies of each image."""
NOISE = 0.25
"""Standard deviation of the noise, in normalised units."""
BASELINE = 1.0
"""Value of the baseline image, in normalised units."""
COMPONENTS = 6
"""Components of each class."""
KERNEL = 2
"""Kernel and stride of the pooling that makes patches."""
THRESHOLD = 0.25
"""A position speaks for the class if its attribution exceeds this share of the largest in its image."""
STEPS = 100
"""Steps of gradient descent for each hyperplane."""
LEARNING_RATE = 0.01
OFFSETS = (0.0, 0.5, 1.0, 2.0, 10.0, 15.0, 20.0, 35.0, 50.0, 200.0)
"""Offsets along a normal."""


@torch.no_grad()
def probabilities(network: nn.Module, images: Tensor) -> Tensor:
    """Probability ``[N]`` of the most probable class of each image ``[N, 3, H, W]``."""
    return torch.cat([network(image[None]).softmax(1).amax(1) for image in images])


def attribution(network: nn.Module, layer: str, images: Tensor, targets: np.ndarray) -> tuple[Tensor, Tensor]:
    """Raw and rectified channel means ``[N, h, w]`` of the attribution, averaged over noisy copies of each image."""
    explain = LayerDeepLift(network, network.get_submodule(layer))
    blank = torch.full_like(images[:1], BASELINE)
    smoothing = Smoothing(samples=SAMPLES, noise=NOISE)
    raw = []
    rectified = []
    for number, target in enumerate(targets.tolist()):
        image = images[number][None]
        [copies] = smoothing.noisy(image, smoothing.draw(np.array([number]), image.shape[1:]))
        total = torch.zeros(())
        for copy in copies:
            total = total + explain.attribute(copy[None], blank, target=target).detach()
        mean = total / SAMPLES
        raw.append(mean.mean(1))
        rectified.append(mean.clamp(min=0).mean(1))
    return torch.cat(raw), torch.cat(rectified)


@torch.no_grad()
def activations(network: nn.Module, layer: str, images: Tensor) -> Tensor:
    """Activations ``[N, C, h, w]`` of each image at the layer, caught by a hook."""
    caught: list[Tensor] = []
    handle = network.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: caught.append(output))
    for image in images:
        network(image[None])
    handle.remove()
    return torch.cat(caught)


def components(values: Tensor, rectified: Tensor, targets: np.ndarray) -> np.ndarray:
    """Components ``[K, k, C]`` of the activations ``[N, C, h, w]`` of each class, weighted by their attribution."""
    factorizations = []
    for target in np.unique(targets):
        of_class = torch.from_numpy(targets == target)
        weighted = values[of_class] * rectified[of_class][:, None]
        rows = weighted.permute(0, 2, 3, 1).flatten(0, 2).numpy()
        # The start takes everything below 1e-6 for zero, and attributions may be that small.
        solver = NMF(COMPONENTS, init="nndsvda", random_state=0, max_iter=400).fit(rows / rows.mean())
        factorizations.append(solver.components_)
    return np.stack(factorizations)


def prototypes(values: Tensor, of_classes: np.ndarray) -> np.ndarray:
    """Image, row and column ``[K, k, 3]`` of the patch that is most like each component ``[K, k, C]``."""
    pooled = avg_pool2d(values, KERNEL, KERNEL)
    patches = pooled.permute(0, 2, 3, 1).flatten(0, 2)
    best = [
        [int(cosine_similarity(patches, component[None]).argmax()) for component in of_class]
        for of_class in torch.from_numpy(of_classes)
    ]
    return np.stack(np.unravel_index(np.array(best), (len(values), *pooled.shape[2:])), axis=-1)


@torch.no_grad()
def prediction_test(
    network: nn.Module, normalise: Callable[[Tensor], Tensor], views: Tensor, patches: np.ndarray, cell: int
) -> np.ndarray:
    """Probability ``[K]`` of each class for the strip of its components' patches, of ``cell`` pixels each."""
    answers = []
    for target, places in enumerate(patches.tolist()):
        cells = [
            views[image, :, cell * row : cell * (row + 1), cell * column : cell * (column + 1)]
            for image, row, column in places
        ]
        strip = normalise(torch.cat(cells, dim=1)[None])
        answers.append(float(network(strip).softmax(1)[0, target]))
    return np.array(answers)


def features(values: Tensor, raw: Tensor, targets: np.ndarray) -> dict[int, Tensor]:
    """The activation vectors ``[n, C]`` that speak for each class."""
    telling = raw > THRESHOLD * raw.amax(dim=(1, 2), keepdim=True)
    rows = values.permute(0, 2, 3, 1)
    classes = np.unique(targets).tolist()
    return {target: rows[telling & torch.from_numpy(targets == target)[:, None, None]] for target in classes}


def hyperplanes(of_classes: Mapping[int, Tensor]) -> dict[Pair, Tensor]:
    """Normals ``[C]`` of all ordered pairs, by gradient descent on one pair after the other."""
    return {pair: normal(of_classes, pair) for pair in permutations(of_classes, 2)}


def normal(of_classes: Mapping[int, Tensor], pair: Pair) -> Tensor:
    """Normal ``[C]`` of one ordered pair: a linear layer that starts from zero, the whole batch, SGD."""
    rows = torch.cat([of_classes[target] for target in pair])
    labels = torch.cat([torch.full((len(of_classes[target]), 1), float(label)) for label, target in enumerate(pair)])
    layer = nn.Linear(rows.shape[1], 1)
    loss = nn.BCEWithLogitsLoss()
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    descent = torch.optim.SGD(layer.parameters(), lr=LEARNING_RATE)
    for _ in range(STEPS):
        descent.zero_grad()
        loss(layer(rows), labels).backward()
        descent.step()
    return layer.weight.detach()[0]


@torch.inference_mode()
def shift(network: nn.Module, layer: str, images: Tensor, direction: Tensor, classes: Sequence[int]) -> Tensor:
    """Probabilities ``[T, N, K]`` of classes, one pass of the whole network for each offset along the direction."""
    answers = []
    for offset in OFFSETS:
        handle = network.get_submodule(layer).register_forward_hook(
            lambda _module, _inputs, output, offset=offset: torch.relu(output + offset * direction[:, None, None])
        )
        try:
            answers.append(network(images).double().softmax(1)[:, list(classes)])
        finally:
            handle.remove()
    return torch.stack(answers)
