r"""Total effects of components by Sobol indices: how much of the logit's variance each has a part in.

Notation: ``A`` and ``B`` independent shares ``[D, k]``, uniform in 0..1; ``C_i`` is ``A`` with the column ``i`` of
``B``; ``y`` the logits of activations with such shares of each component.
"""

from __future__ import annotations

import numpy as np

from conceptrast.base.streams import Stream, generator


def designs(n_designs: int, k: int, seed: int = 0) -> np.ndarray:
    """Shares at which the effects of ``k`` components are measured.

    Args:
        n_designs: ``D``, the number of rows of ``A`` and of ``B``; a power of two gives the best spread.
        k: the number of components.
        seed: the seed of the sequence's scrambling.

    Returns:
        ``[(k + 2) D, k]`` float32: ``A``, ``B``, ``C_1``, …, ``C_k``.

    Source: Saltelli et al., Computer Physics Communications 181 (2010). ``A`` and ``B`` are the halves of one scrambled
    Sobol sequence in ``2 k`` dimensions. CRAFT takes Halton's sequence.

    Example:
        >>> shares = designs(4, k=2)
        >>> shares.shape, np.array_equal(shares[8:12, 0], shares[4:8, 0])
        ((16, 2), True)
    """
    # This import takes half a second, and only few runs ask for total effects.
    from scipy.stats import qmc

    sampler = qmc.Sobol(2 * k, rng=generator(Stream.SOBOL_DESIGNS, seed))
    both = sampler.random_base2(int(np.ceil(np.log2(max(n_designs, 1)))))[:n_designs]
    first = both[:, :k]
    second = both[:, k:]
    replaced = np.repeat(first[None], k, axis=0)
    for component in range(k):
        replaced[component, :, component] = second[:, component]
    return np.concatenate([first, second, replaced.reshape(-1, k)]).astype(np.float32)


def total_effects(answers: np.ndarray, k: int) -> np.ndarray | None:
    r"""Jansen's estimate of the total effect of each component.

    .. math:: S_i = \frac{\frac{1}{2 D} \sum_d \big(y(A)_d - y(C_i)_d\big)^2}{\operatorname{Var}\big(y(A), y(B)\big)}

    Args:
        answers: ``y`` ``[(k + 2) D]``, in the order of :func:`designs`.
        k: the number of components.

    Returns:
        ``[k]``: 0 for a component without effect. The sum is 1 if the components add up, and more if they interact.
        ``None`` if the logit does not change at all: then no share of its change is known.

    Source: Jansen, Computer Physics Communications 117 (1999), as in CRAFT (Fel et al., CVPR 2023, section 3.3). CRAFT
    takes the variance of ``y(A)`` alone.

    Example:
        >>> shares = designs(1024, k=2)
        >>> total_effects(shares @ np.array([2.0, 1.0]), k=2).round(2).tolist()  # 4 : 1
        [0.8, 0.2]
    """
    first, second, *replaced = np.asarray(answers, np.float64).reshape(k + 2, -1)
    variance = np.concatenate([first, second]).var(ddof=1)
    if variance <= 1e-12 * max(1.0, float(np.square(first).mean())):
        return None
    return np.square(first - np.array(replaced)).mean(axis=1) / (2 * variance)
