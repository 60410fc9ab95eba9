"""The directions of a study: what its other parts have found, as one list for a pair of classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from conceptrast.contrast.hyperplanes import Hyperplane
from conceptrast.counterfactual.directions import (
    Direction,
    latent_shift_gradients,
    log_probability_gradients,
    strongest_component,
)
from conceptrast.counterfactual.search import DecodableLayer

KINDS = {
    "gradient": "gradient of the class's log probability by the rest of the network",
    "latent_shift": "the same through decoder and whole network: the original latent shift",
    "hyperplane": "normal of the hyperplane between the two classes",
    "component": "component of the class along which its probability grows most",
    "cav": "concept activation vector of the class with the highest TCAV score",
}
"""What the names of directions mean, in the order of tables and figures."""


def directions_towards(
    layer: DecodableLayer,
    activations: Tensor,
    pair: tuple[int, int],
    *,
    plane: Hyperplane | None = None,
    components: np.ndarray | None = None,
    cav: tuple[str, np.ndarray] | None = None,
    precision: str = "float32",
    batch_size: int = 64,
) -> dict[str, list[Direction]]:
    """For every kind of direction that is known, one direction for each image.

    Args:
        layer: whose activations are moved.
        activations: ``[N, C, h, w]`` of images of the first class of the pair.
        pair: class that images are taken from, class that they are moved towards.
        plane: hyperplane whose normal points from the first to the second.
        components: ``[k, C]`` of the second class.
        cav: name and concept activation vector ``[C]`` of the second class.
        precision: of the gradients.
        batch_size: images whose gradients are found at once.

    Returns:
        By name of :data:`KINDS`, in that order; gradients are left out where that of an image is zero throughout.
    """
    target, where, names = pair[1], layer.split.layer, layer.model.class_names
    gradients = log_probability_gradients(layer.split, activations, target, precision, batch_size)
    shifts = latent_shift_gradients(layer.model, layer.decoder, activations, target, precision, batch_size)
    maps = {"gradient": (f"log p({names[target]})", gradients)}
    maps["latent_shift"] = (f"log p({names[target]}), decoded", shifts)
    found = {
        kind: [Direction(kind, origin, where, each) for each in values.cpu()]
        for kind, (origin, values) in maps.items()
        if values.flatten(1).any(dim=1).all()
    }
    known = _vectors(plane, components, cav, gradients, [names[each] for each in pair])
    for kind, (origin, values) in known.items():
        vector = torch.as_tensor(np.asarray(values), dtype=torch.float32)
        found[kind] = [Direction(kind, origin, where, vector)] * len(activations)
    return {kind: found[kind] for kind in KINDS if kind in found}


def _vectors(
    plane: Hyperplane | None,
    components: np.ndarray | None,
    cav: tuple[str, np.ndarray] | None,
    gradients: Tensor,
    names: Sequence[str],
) -> Mapping[str, tuple[str, np.ndarray]]:
    """Origin and vector of every direction that is the same for all images."""
    found: dict[str, tuple[str, np.ndarray]] = {}
    if plane is not None:
        found["hyperplane"] = (f"{names[0]} to {names[1]}", plane.normal)
    if components is not None and len(components):
        best = strongest_component(torch.from_numpy(components).to(gradients), gradients)
        found["component"] = (f"component {best + 1} of {names[1]}", components[best])
    if cav is not None:
        found["cav"] = cav
    return found


def missing_directions(
    found: Collection[str], wanted: Collection[str], why_no_plane: str | None = None
) -> dict[str, str]:
    """Why directions that a study could have had are not there for a pair of classes.

    Args:
        found: kinds that are there.
        wanted: kinds that the study knows.
        why_no_plane: why the pair has no hyperplane, where that is known.

    Example:
        >>> missing_directions(["gradient"], ["gradient", "cav"])
        {'cav': 'no significant concept of the second class speaks for it'}
    """
    few = "a class has no features: fewer than min_images images are predicted as it, or they speak for it nowhere"
    reasons = {
        "gradient": "the gradient of an image is zero throughout",
        "latent_shift": "the gradient of an image is zero throughout",
        "hyperplane": why_no_plane or few,
        "component": "the second class has no components: fewer than min_images images are predicted as it",
        "cav": "no significant concept of the second class speaks for it",
    }
    return {kind: reasons[kind] for kind in wanted if kind not in found}


def components_of(sets: Mapping[str, np.ndarray], name: str, target: int) -> np.ndarray | None:
    """Components ``[k, C]`` of a class among those of a study; ``None`` if it has none.

    Args:
        sets: classes ``[K]`` and, by name, ``[K, k, C]``.
        name: of the array.
        target: class index.

    Example:
        >>> components_of({"classes": np.array([4]), "components_position_k1": np.ones((1, 1, 2))},
        ...     "components_position_k1", 4)
        array([[1., 1.]])
    """
    place = np.flatnonzero(sets["classes"] == target)
    return sets[name][place[0]] if len(place) else None
