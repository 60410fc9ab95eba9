"""The directions from one class to another that the other parts of a study know, as one list for a pair of classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from conceptrast.contrast.hyperplanes import Hyperplane
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.direction_kinds import DIRECTION_KINDS
from conceptrast.counterfactual.directions import Direction, strongest_component
from conceptrast.counterfactual.latent_shift import latent_shift_gradients
from conceptrast.counterfactual.log_probability import log_probability_gradients


@dataclass(frozen=True)
class PairVectors:
    """Vectors that lead from the first class of a pair to the second. They are the same for all images.

    Args:
        plane: the hyperplane whose normal points from the first class to the second.
        components: ``[k, C]``, the components of the second class.
        cav: the name and the concept activation vector ``[C]`` of a concept of the second class.
    """

    plane: Hyperplane | None = None
    components: np.ndarray | None = None
    cav: tuple[str, np.ndarray] | None = None


NO_VECTORS = PairVectors()


def directions_towards(
    layer: DecodableLayer,
    activations: Tensor,
    pair: tuple[int, int],
    vectors: PairVectors = NO_VECTORS,
    *,
    precision: str = "float32",
    batch_size: int = 64,
) -> dict[str, list[Direction]]:
    """For every known kind of direction, one direction for each image.

    Args:
        layer: the layer whose activations are moved.
        activations: ``[N, C, h, w]`` of images of the first class of the pair.
        pair: the class of the images, and the class that they are moved towards.
        vectors: the known vectors, beside the gradients.
        precision: the precision of the gradients.
        batch_size: the number of images whose gradients are computed at once.

    Returns:
        Directions by their name in :data:`~conceptrast.counterfactual.direction_kinds.DIRECTION_KINDS`, in that order.
        A gradient is left out if it is zero everywhere for one of the images.
    """
    # Gradients: every image has its own.
    first, second = (layer.model.class_names[target] for target in pair)
    gradients = log_probability_gradients(
        layer.split,
        activations,
        pair[1],
        precision=precision,
        batch_size=batch_size,
    )
    shifts = latent_shift_gradients(
        layer.model,
        layer.decoder,
        activations,
        pair[1],
        precision=precision,
        batch_size=batch_size,
    )
    maps = {"gradient": (f"log p({second})", gradients), "latent_shift": (f"log p({second}), decoded", shifts)}
    layer_name = layer.split.layer
    directions = {
        kind: [Direction(kind, origin, layer_name, image_values) for image_values in values.cpu()]
        for kind, (origin, values) in maps.items()
        if values.flatten(1).any(dim=1).all()
    }

    # Vectors: they are the same for all images.
    for kind, (origin, values) in _named_vectors(vectors, gradients, first, second).items():
        vector = torch.as_tensor(np.asarray(values), dtype=torch.float32)
        directions[kind] = [Direction(kind, origin, layer_name, vector)] * len(activations)
    return {kind: directions[kind] for kind in DIRECTION_KINDS if kind in directions}


def _named_vectors(
    vectors: PairVectors, gradients: Tensor, first: str, second: str
) -> Mapping[str, tuple[str, np.ndarray]]:
    """The origin and the vector of every direction that all images share; ``first`` and ``second`` name the pair."""
    named: dict[str, tuple[str, np.ndarray]] = {}
    if vectors.plane is not None:
        named["hyperplane"] = (f"{first} to {second}", vectors.plane.normal)
    components = vectors.components
    if components is not None and len(components):
        best = strongest_component(torch.from_numpy(components).to(gradients), gradients)
        named["component"] = (f"component {best + 1} of {second}", components[best])
    if vectors.cav is not None:
        named["cav"] = vectors.cav
    return named


def missing_directions(
    present: Collection[str], wanted: Collection[str], why_no_plane: str | None = None
) -> dict[str, str]:
    """The reasons why possible directions are missing for a pair of classes.

    Args:
        present: the kinds that are there.
        wanted: the kinds that the study knows.
        why_no_plane: the reason why the pair has no hyperplane, if that is known.

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
    return {kind: reasons[kind] for kind in wanted if kind not in present}


def components_of(sets: Mapping[str, np.ndarray], name: str, target: int) -> np.ndarray | None:
    """The components ``[k, C]`` of one class of a study; ``None`` if the class has none.

    Args:
        sets: classes ``[K]`` and, by name, ``[K, k, C]``.
        name: the name of the array.
        target: class index.

    Example:
        >>> components_of({"classes": np.array([4]), "components_position_k1": np.ones((1, 1, 2))},
        ...     "components_position_k1", 4)
        array([[1., 1.]])
    """
    place = np.flatnonzero(sets["classes"] == target)
    return sets[name][place[0]] if len(place) else None
