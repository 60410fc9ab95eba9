r"""How much of the rotation a whole latent space holds: a linear reading of it, within each class.

Notation: ``C`` codes of a class's training pictures, centred, ``V`` those of its validation pictures, ``T`` cosine and
sine of the training pictures' angles, centred, ``λ`` a small penalty.

.. math:: \hat T_V = V (C^\top C + \lambda I)^{-1} C^\top T, \qquad
          R^2 = 1 - \frac{\lVert T_V - \hat T_V \rVert^2}{\lVert T_V - \bar T_V \rVert^2}
"""

from __future__ import annotations

import numpy as np

from conceptrast.base.streams import Stream, generator

PENALTY = 0.01
"""λ in units of the number of pictures times the mean variance of a code's places. Dead places then do no harm."""
PERMUTATIONS = 200


def rotation_content(
    codes: tuple[np.ndarray, np.ndarray],
    rotations: tuple[np.ndarray, np.ndarray],
    labels: tuple[np.ndarray, np.ndarray],
    seed: int = 0,
) -> dict[str, float]:
    """R² of cosine and sine of θ, and of 2θ, within the classes, with the interval that chance gives.

    2θ is the same for a picture and the picture upside down.

    Args:
        codes: ``[N, C]`` of training and ``[n, C]`` of validation pictures.
        rotations: ``[N]`` and ``[n]``, degrees.
        labels: ``[N]`` and ``[n]``, 0 or 1.
        seed: the seed of the permutations.

    Returns:
        r2_turn and r2_double_turn, means over both classes, each with ``_chance_low`` and ``_chance_high``: percentiles
        of 200 fits to angles that are permuted within each class.
    """
    rng = generator(Stream.SHUFFLED_ROTATIONS, seed)
    orders = [np.argsort(rng.random((PERMUTATIONS, int((labels[0] == label).sum()))), axis=1) for label in (0, 1)]
    row = {}
    for name, factor in (("r2_turn", 1), ("r2_double_turn", 2)):
        fits = []
        chances = []
        for label in (0, 1):
            training, validation = (given == label for given in labels)
            angles = [
                np.deg2rad(factor * given[rows]) for given, rows in zip(rotations, (training, validation), strict=True)
            ]
            targets = [np.stack([np.cos(angle), np.sin(angle)], axis=1) for angle in angles]
            readout = ridge_readout(codes[0][training], codes[1][validation])
            fits.append(explained(readout, targets[0], targets[1]))
            chances.append([explained(readout, targets[0][order], targets[1]) for order in orders[label]])
        row[name] = float(np.mean(fits))
        low, high = np.quantile(np.mean(chances, axis=0), [0.025, 0.975]).tolist()
        row |= {f"{name}_chance_low": low, f"{name}_chance_high": high}
    return row


def ridge_readout(training: np.ndarray, validation: np.ndarray) -> np.ndarray:
    """The matrix ``[n, N]`` that turns centred targets of training pictures into predictions for validation pictures.

    Args:
        training: codes ``[N, C]``.
        validation: codes ``[n, C]``.
    """
    mean = training.mean(axis=0, dtype=np.float64)
    around = training - mean
    gram = around.T @ around
    penalty = PENALTY * max(float(np.trace(gram)) / len(gram), 1e-12)  # where all codes are the same
    return (validation - mean) @ np.linalg.solve(gram + penalty * np.eye(len(gram)), around.T)


def explained(readout: np.ndarray, training: np.ndarray, validation: np.ndarray) -> float:
    """R² on validation targets ``[n, 2]`` of a readout ``[n, N]`` that is fitted to training targets ``[N, 2]``."""
    mean = training.mean(axis=0)
    missed = validation - mean - readout @ (training - mean)
    total = ((validation - validation.mean(axis=0)) ** 2).sum()
    return float(1 - (missed**2).sum() / total) if total > 0 else 0.0
