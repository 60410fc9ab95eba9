"""Steps along the direction between the classes: decoded pictures, and the real pictures nearest to each step.

Real pictures are turned by any angle, so that a direction that knows the class alone does not sort their angles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from conceptrast.bias.autoencoder import Autoencoder, plain_preprocess
from conceptrast.bias.comparison import NETWORKS
from conceptrast.bias.latent_space import ConditionPictures, LatentSpace
from conceptrast.bias.rotation_regressor import RotationRegressor
from conceptrast.bias.visibility import readings_of_codes
from conceptrast.data.view_pixels import pixels

STEPS = 10
PER_STEP = 2
"""Number of real pictures at each step."""


@dataclass(frozen=True)
class DecodedSteps:
    """Pictures ``[S, s, s, 3]`` uint8 that the autoencoder decodes, one for each step.

    Args:
        straight: decoded from the codes on the line itself.
        typical: decoded from the typical code at each position (see
            :class:`~conceptrast.bias.discriminant.Discriminant`).
        reconstructed: decoded from the code of the nearest real picture.
        straight_angles: ``[S]``, degrees: what the regressor reads off the pictures on the line.
        typical_angles: ``[S]``, the same for the typical codes.
    """

    straight: np.ndarray
    typical: np.ndarray
    reconstructed: np.ndarray
    straight_angles: np.ndarray
    typical_angles: np.ndarray


@dataclass(frozen=True)
class NetworkSteps:
    """Steps along the direction of one network.

    Args:
        positions: ``[S]``.
        nearest: for each step, the real pictures ``[H, W, 3]`` whose positions are nearest.
        labels: ``[S, n]`` the labels of these pictures, 0 or 1.
        rotations: ``[S, n]`` how far they are turned, in degrees.
        decoded: the decoded pictures at the steps, if the network has a decoder.
    """

    positions: np.ndarray
    nearest: Sequence[Sequence[np.ndarray]]
    labels: np.ndarray
    rotations: np.ndarray
    decoded: DecodedSteps | None = None


@dataclass(frozen=True)
class Navigation:
    """Steps along the directions of all networks of a condition.

    Args:
        condition: ``biased`` or ``control``.
        class_names: the names of class 1 and class 2.
        networks: the networks by name, in the order of :data:`~conceptrast.bias.comparison.NETWORKS`.
    """

    condition: str
    class_names: tuple[str, str]
    networks: Mapping[str, NetworkSteps]


def navigation(
    spaces: Mapping[str, LatentSpace],
    autoencoder: Autoencoder,
    regressor: RotationRegressor,
    pictures: ConditionPictures,
    condition: str,
) -> Navigation:
    """:data:`STEPS` steps along the direction of each network of a condition.

    Args:
        spaces: the spaces by network.
        autoencoder: the autoencoder; it decodes, and its size is the size of the drawn pictures.
        regressor: reads how far decoded pictures are turned.
        pictures: the pictures of the condition.
        condition: ``biased`` or ``control``.
    """
    decoders = {"autoencoder": (autoencoder, regressor)}
    return Navigation(
        condition=condition,
        class_names=spaces[NETWORKS[0]].class_names,
        networks={
            network: _network_steps(spaces[network], pictures, autoencoder.size, decoders.get(network))
            for network in NETWORKS
        },
    )


def _network_steps(
    space: LatentSpace,
    pictures: ConditionPictures,
    size: int,
    decoder: tuple[Autoencoder, RotationRegressor] | None,
) -> NetworkSteps:
    # The steps, and the pictures nearest to them.
    unbiased = space.turned[space.turned["turned"] == "unbiased"]
    positions = unbiased["position"].to_numpy()
    steps = steps_along(positions, min(STEPS, len(positions)))
    rows = nearest_pictures(positions, steps, PER_STEP)
    nearest = unbiased.iloc[rows.ravel()]

    # Their pictures, turned as they are there.
    table = pictures.part("validation").set_index("image", drop=False).loc[nearest["image"]]
    table = table.assign(rotation=nearest["rotation"].to_numpy())
    preprocess = plain_preprocess(size)
    views = [pixels(preprocess.view(pictures.dataset.picture(row))) for row in table.itertuples()]
    per_step = rows.shape[1]
    return NetworkSteps(
        positions=steps,
        nearest=[views[step * per_step : (step + 1) * per_step] for step in range(len(steps))],
        labels=nearest["label"].to_numpy().reshape(rows.shape),
        rotations=nearest["rotation"].to_numpy().reshape(rows.shape),
        decoded=None if decoder is None else _decoded_steps(space, *decoder, steps=steps, rows=rows),
    )


def _decoded_steps(
    space: LatentSpace, autoencoder: Autoencoder, regressor: RotationRegressor, steps: np.ndarray, rows: np.ndarray
) -> DecodedSteps:
    straight = space.direction.codes(steps)
    typical = space.direction.typical_codes(steps)
    return DecodedSteps(
        straight=decoded_pictures(autoencoder, straight),
        typical=decoded_pictures(autoencoder, typical),
        reconstructed=decoded_pictures(autoencoder, space.unbiased[rows[:, 0]]),
        straight_angles=readings_of_codes(autoencoder, regressor, straight),
        typical_angles=readings_of_codes(autoencoder, regressor, typical),
    )


@torch.inference_mode()
def decoded_pictures(autoencoder: Autoencoder, codes: np.ndarray) -> np.ndarray:
    """Decode codes ``[n, 128]`` into pictures uint8 ``[n, s, s, 3]``. Negative values count as 0, as in real codes."""
    device = next(autoencoder.parameters()).device
    pictures = autoencoder.decode(torch.from_numpy(codes).float().clamp(min=0).to(device))
    return (255 * pictures).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def steps_along(positions: np.ndarray, n_steps: int = 10) -> np.ndarray:
    """``n_steps`` equally spaced positions from the 1st to the 99th percentile of ``positions`` ``[n]``.

    Example:
        >>> steps_along(np.arange(101.0), 3).tolist()
        [1.0, 50.0, 99.0]
    """
    low, high = np.quantile(positions, [0.01, 0.99]).tolist()
    return np.linspace(low, high, n_steps)


def nearest_pictures(positions: np.ndarray, steps: np.ndarray, per_step: int) -> np.ndarray:
    """For each step, the pictures whose positions are nearest to it. Steps take turns, and no picture comes twice.

    Args:
        positions: ``[n]``.
        steps: ``[S]``.
        per_step: the number of pictures for each step. If there are fewer than ``S · per_step`` pictures, steps get
            fewer.

    Returns:
        Rows ``[S, per_step]`` of ``positions``.

    Example:
        >>> nearest_pictures(np.array([0.0, 0.1, 1.0, 0.9]), np.array([0.0, 1.0]), 2).tolist()
        [[0, 1], [2, 3]]
    """
    distance = np.abs(np.asarray(positions)[None] - np.asarray(steps)[:, None])
    pictures: list[list[int]] = [[] for _ in steps]
    for _ in range(min(per_step, len(positions) // len(steps))):
        for distances_of_step, chosen_of_step in zip(distance, pictures, strict=True):
            nearest = int(distances_of_step.argmin())
            chosen_of_step.append(nearest)
            distance[:, nearest] = np.inf
    return np.array(pictures, dtype=np.int64).reshape(len(steps), -1)
