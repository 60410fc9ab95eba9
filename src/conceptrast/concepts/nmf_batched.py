r"""Non-negative matrix factorization of many classes at once, on a CPU or a GPU.

Notation: ``V`` are the rows of ``B`` classes ``[B, n, C]``, filled up with zeros; ``H`` their components ``[B, k, C]``;
``W`` their codes ``[B, k, n]``, with a row for each component; so :math:`V \approx W^T H`. ``F`` is either factor,
``[B, k, m]``. ``P`` are the products of the other factor with the rows, ``W V`` or ``H V^T``, and ``G`` are those of
the other factor with itself, ``W W^T`` or ``H H^T`` ``[B, k, k]``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from conceptrast.concepts.nmf import Factorization, as_rows, check_components
from conceptrast.concepts.nmf_start import nndsvda, sketch
from conceptrast.models.inference import default_device

BATCH_BYTES = 64 * 2**20
"""Rows of so many bytes are factorized at once; a larger class is factorized alone."""
SKETCH = 16
"""Directions of the sketch for each component."""
LEAST_SKETCH = 48
SMALL = 512
"""Up to so many rows or channels, sizes are rounded coarsely."""
PERIOD = 10
"""How many passes there are from one look at the change to the next."""
EXACT_GAIN = 1e-5
"""The passes over the rows themselves end when one lowers the error by less than this share of the rows' square."""


class Multiplied(Protocol):
    """Something that stands for the rows: it can be multiplied by codes and by components."""

    def with_codes(self, codes: Tensor) -> Tensor:
        """``W V`` ``[B, k, C]``."""

    def with_components(self, components: Tensor) -> Tensor:
        """``H V^T`` ``[B, k, n]``."""

    def of(self, kept: Tensor) -> Self:
        """The rows of some classes."""


class Rows(NamedTuple):
    """The rows themselves."""

    values: Tensor
    """``V`` ``[B, n, C]``."""

    def with_codes(self, codes: Tensor) -> Tensor:
        """``W V`` ``[B, k, C]``."""
        return codes @ self.values

    def with_components(self, components: Tensor) -> Tensor:
        """``H V^T`` ``[B, k, n]``."""
        return components @ self.values.mT

    def of(self, kept: Tensor) -> Rows:
        """The rows of some classes."""
        return Rows(self.values[kept])


class Factors(NamedTuple):
    """Both factors of a batch."""

    codes: Tensor
    """``W`` ``[B, k, n]``."""
    components: Tensor
    """``H`` ``[B, k, C]``."""


def batched_nmf(
    matrices: Sequence[np.ndarray | Tensor],
    n_components: int = 6,
    seed: int = 0,
    max_iter: int = 400,
    tolerance: float = 1e-4,
    device: torch.device | str | None = None,
) -> list[Factorization]:
    r"""Factorize the rows of many classes, each into ``n_components`` non-negative components.

    .. math:: \min_{W \ge 0, H \ge 0} \lVert V - W^T H \rVert_F^2 \quad \text{for each class}

    Both factors are updated in turn, component by component (:func:`hals_step`), from the start ``nndsvda``. These are
    the updates of scikit-learn's coordinate descent. The product of large rows with a factor costs more than all else.
    So most passes run on a sketch of the rows (:func:`~conceptrast.concepts.nmf_start.sketch`), whose products are
    some twenty times cheaper, and the last passes run on the rows themselves.

    *Stopping rule.* A class has finished when the projected gradient of both factors (:func:`projected_gradient`) is
    below ``tolerance`` of what it was in the first pass, as in scikit-learn. On the sketch, this ends the first stage.
    Then passes over the rows follow, until one lowers :math:`\lVert V - W^T H \rVert^2` by less than
    :data:`EXACT_GAIN` of :math:`\lVert V \rVert^2`.

    *Other classes do not matter.* Classes of the same size, rounded up (:func:`padded_size`), are factorized together.
    Rows and channels that are zero are left out where that makes a class smaller. A class that has finished is no
    longer changed. So the components of a class do not depend on the other classes: on the CPUs we tried not in a
    single bit.

    Args:
        matrices: the rows of each class ``[n, C]``, not negative, any unit; ``n`` and ``C`` may differ.
        n_components: ``k``, at most the smallest ``min(n, C)``.
        seed: the seed of the sketch.
        max_iter: the largest number of passes in each of the two stages.
        tolerance: see the stopping rule.
        device: where it is computed; a GPU if torch sees one, otherwise the CPU.

    Returns:
        For each class its components ``[k, C]`` and codes ``[n, k]``, in the unit of its rows.

    Raises:
        ShapeError, LayerError, NothingToFactorizeError, ConfigError, ConceptrastError: as
            :func:`~conceptrast.concepts.nmf.nmf`, for any of the matrices.

    Source: hierarchical alternating least squares, Cichocki and Phan 2009, in the form with Gram matrices of Gillis and
    Glineur 2012 (arXiv 1107.5194). Compression by random directions: Erichson et al. 2018 (arXiv 1711.02037); they
    also end there, we go on with the rows.

    Example:
        >>> rows = np.array([[2.0, 0.0], [0.0, 3.0], [4.0, 0.0]])
        >>> for components, codes in batched_nmf([rows, 10 * rows], n_components=2):
        ...     print((codes @ components).round(2).tolist())
        [[2.0, 0.0], [0.0, 3.0], [4.0, 0.0]]
        [[20.0, 0.0], [0.0, 30.0], [40.0, 0.0]]
    """
    # Classes by their size.
    place = default_device() if device is None else torch.device(device)
    packed = [_pack(matrix, n_components) for matrix in matrices]
    of_size: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for number, matrix in enumerate(packed):
        of_size[matrix.size].append(number)

    # Batches of one size.
    options = _Options(n_components, seed, max_iter, tolerance)
    results: dict[int, Factorization] = {}
    for size, numbers in of_size.items():
        at_once = max(1, BATCH_BYTES // (4 * size[0] * size[1]))
        for first in range(0, len(numbers), at_once):
            batch = numbers[first : first + at_once]
            factors = _factorize([packed[number] for number in batch], size, options, place)
            for number, codes, components in zip(batch, factors.codes.cpu(), factors.components.cpu(), strict=True):
                results[number] = packed[number].unpack(codes, components)
    return [results[number] for number in range(len(packed))]


class Step(NamedTuple):
    """What :func:`hals_step` gives."""

    factor: Tensor
    """The updated factor ``[B, k, m]``, not negative."""
    unbounded: Tensor
    """``[B, k, m]``: what each row would be if it could be negative."""


def hals_step(factor: Tensor, products: Tensor, gram: Tensor) -> Step:
    r"""Update one factor while the other is fixed, one component after the other.

    .. math:: F_j \leftarrow \max\Big(0, \frac{P_j - \sum_{l \ne j} G_{j l} F_l}{G_{j j}}\Big), \quad j = 1, \dots, k

    Each row is the exact minimum if all other rows are fixed, so no step raises the error. A component whose other
    factor is zero (:math:`G_{jj} = 0`) stays as it is.

    Args:
        factor: ``F`` ``[B, k, m]``; it is left as it was.
        products: ``P`` ``[B, k, m]``, the other factor times the rows.
        gram: ``G`` ``[B, k, k]``, the other factor times itself.

    Example:
        >>> rows = torch.tensor([[[4.0, 2.0], [2.0, 6.0]]])
        >>> components = torch.tensor([[[2.0, 0.0], [0.0, 2.0]]])
        >>> hals_step(torch.ones(1, 2, 2), components @ rows.mT, components @ components.mT).factor.tolist()
        [[[2.0, 1.0], [1.0, 3.0]]]
    """
    size = gram.diagonal(dim1=1, dim2=2)
    used = size > 0
    inverse = torch.where(used, 1 / size, 0)[:, :, None]
    others = -gram * inverse
    others.diagonal(dim1=1, dim2=2).copy_(~used)
    unbounded = products * inverse
    updated = factor.clone()
    for j in range(factor.shape[1]):
        row = unbounded[:, j : j + 1].baddbmm_(others[:, j : j + 1], updated)
        torch.clamp_min(row, 0, out=updated[:, j : j + 1])
    return Step(updated, unbounded)


def projected_gradient(factor: Tensor, unbounded: Tensor, gram: Tensor) -> Tensor:
    r"""How far a factor was from a minimum when it was updated.

    .. math:: \sum_{j i} |g_{j i}|, \qquad g_{j i} = G_{jj} (F_{ji} - F^*_{ji}), \quad
        \text{or 0 where } F_{ji} = 0 \text{ and } F^*_{ji} \le 0

    Args:
        factor: ``F`` before the update ``[B, k, m]``.
        unbounded: ``F*``, what each row would be if it could be negative ``[B, k, m]``.
        gram: ``G`` ``[B, k, k]``.

    Returns:
        ``[B]`` float64.

    Source: the violation by which scikit-learn's coordinate descent stops.

    Example:
        >>> factor = torch.tensor([[[0.0, 0.0, 4.0]]])
        >>> projected_gradient(factor, torch.tensor([[[-1.0, 2.0, -3.0]]]), torch.tensor([[[2.0]]])).tolist()
        [18.0]
    """
    moved = torch.where((factor > 0) | (unbounded > 0), (unbounded - factor).abs(), 0)
    return (moved.sum(dim=2) * gram.diagonal(dim1=1, dim2=2)).sum(dim=1).double()


def alternate(rows: Multiplied, start: Factors, max_iter: int, tolerance: float, left_out: Tensor | int = 0) -> Factors:
    """Update both factors in turn until every class has finished.

    Args:
        rows: the rows, or their sketch.
        start: both factors; they are left as they were.
        max_iter: the largest number of passes.
        tolerance: a class has finished when its projected gradient is below this share of that of the first pass.
        left_out: how many channels of zeros each class has that ``rows`` lack ``[B]``. In the first update, components
            have the start's 1 there; afterwards 0.

    Returns:
        Both factors.
    """
    codes, components = start
    results = Factors(codes.clone(), components.clone())
    running = torch.arange(len(codes), device=codes.device)
    first = torch.zeros(len(codes), dtype=torch.float64, device=codes.device)
    beyond = torch.as_tensor(left_out, device=codes.device).reshape(-1, 1, 1)
    for iteration in range(max_iter):
        # One pass.
        of_components = components @ components.mT
        if iteration == 0:
            of_components = of_components + beyond
        of_rows = hals_step(codes, rows.with_components(components), of_components)
        of_codes = of_rows.factor @ of_rows.factor.mT
        of_channels = hals_step(components, rows.with_codes(of_rows.factor), of_codes)
        before = Factors(codes, components)
        codes = of_rows.factor
        components = of_channels.factor
        if iteration % PERIOD:
            continue

        # Which classes have finished.
        gradient = projected_gradient(before.codes, of_rows.unbounded, of_components)
        gradient = gradient + projected_gradient(before.components, of_channels.unbounded, of_codes)
        if iteration == 0:
            first = gradient
        finished = gradient <= tolerance * first
        if finished.any():
            results.codes[running[finished]] = codes[finished]
            results.components[running[finished]] = components[finished]
            kept = ~finished
            rows = rows.of(kept)
            codes, components, running, first = (values[kept] for values in (codes, components, running, first))
            if not len(running):
                return results
    results.codes[running] = codes
    results.components[running] = components
    return results


def polish(rows: Rows, start: Factors, max_iter: int) -> Factors:
    """Update both factors on the rows themselves until that hardly lowers the error, see :data:`EXACT_GAIN`.

    Args:
        rows: the rows.
        start: both factors.
        max_iter: the largest number of passes.

    Returns:
        Both factors.
    """
    results = Factors(start.codes.clone(), start.components.clone())
    running = torch.arange(len(rows.values), device=rows.values.device)
    square = rows.values.square().sum(dim=(1, 2)).double()
    for _ in range(max_iter):
        # One pass, with the error before and after it, up to the same constant.
        codes = results.codes[running]
        components = results.components[running]
        products = rows.with_components(components)
        gram = components @ components.mT
        before = _error(codes, products, gram)
        codes = hals_step(codes, products, gram).factor
        products = rows.with_codes(codes)
        gram = codes @ codes.mT
        components = hals_step(components, products, gram).factor
        gain = before - _error(components, products, gram)
        results.codes[running] = codes
        results.components[running] = components

        # Which classes go on.
        kept = gain >= EXACT_GAIN * square
        if not kept.any():
            break
        if not kept.all():
            rows = rows.of(kept)
            running = running[kept]
            square = square[kept]
    return results


def padded_size(count: int) -> int:
    """A number of rows or channels, rounded up.

    Large numbers become one of eight between two powers of two, so little is computed in vain. Small ones become one of
    two, so that many small classes have the same size: there, the number of operations costs more than their size.

    Example:
        >>> [padded_size(count) for count in (1, 7, 9, 100, 540, 2940, 1280)]
        [1, 8, 12, 128, 576, 3072, 1280]
    """
    finer = 4 if count > SMALL else 2
    step = max(1, 2 ** (count.bit_length() - finer))
    return -(-count // step) * step


class _Options(NamedTuple):
    n_components: int
    seed: int
    max_iter: int
    tolerance: float


class _Packed(NamedTuple):
    """A class without those rows and channels of zeros that would make it larger."""

    values: Tensor
    """``[n, C]``."""
    scale: float
    """The mean of all rows."""
    rows: Tensor
    """The rows that are kept, by number."""
    channels: Tensor
    """The channels that are kept, by number."""
    shape: tuple[int, int]
    """Shape of the whole matrix."""

    @property
    def size(self) -> tuple[int, int]:
        n, channels = self.values.shape
        return padded_size(n), padded_size(channels)

    def unpack(self, codes: Tensor, components: Tensor) -> Factorization:
        """The factorization of the whole matrix in its unit, from factors ``[k, n]`` and ``[k, C]``."""
        whole_codes = codes.new_zeros(self.shape[0], len(codes))
        whole_codes[self.rows] = codes[:, : len(self.rows)].mT * self.scale
        whole_components = components.new_zeros(len(components), self.shape[1])
        whole_components[:, self.channels] = components[:, : len(self.channels)]
        return Factorization(whole_components.numpy(), whole_codes.numpy())


def _pack(matrix: np.ndarray | Tensor, n_components: int) -> _Packed:
    values = torch.from_numpy(as_rows(matrix))
    check_components(n_components, values.shape)
    kept = []
    for axis in (0, 1):
        sums = values.sum(dim=1 - axis)
        if axis == 0:
            scale = float(sums.sum(dtype=torch.float64) / values.numel())
        numbers = sums.nonzero()[:, 0]
        smaller = padded_size(len(numbers)) < padded_size(len(sums))
        kept.append(numbers if smaller else torch.arange(len(sums)))
    rows, channels = kept
    shape = (values.shape[0], values.shape[1])
    if len(rows) < shape[0]:
        values = values[rows]
    if len(channels) < shape[1]:
        values = values[:, channels]
    return _Packed(values=values, scale=scale, rows=rows, channels=channels, shape=shape)


def _factorize(classes: Sequence[_Packed], size: tuple[int, int], options: _Options, device: torch.device) -> Factors:
    # The rows, with a mean of 1: the start takes the smallest numbers as zero, and attributions may be that small.
    values = torch.zeros(len(classes), *size)
    for matrix, part in zip(classes, values, strict=True):
        n, channels = matrix.values.shape
        torch.div(matrix.values, matrix.scale, out=part[:n, :channels])
    rows = Rows(values.to(device))

    # The start.
    count = min(max(SKETCH * options.n_components, LEAST_SKETCH), *size)
    sketched = sketch(rows.values, count, options.seed)
    start = Factors(*nndsvda(sketched, options.n_components))
    left_out = []
    for number, matrix in enumerate(classes):
        n, channels = matrix.values.shape
        start.codes[number, :, n:] = 0
        start.components[number, :, channels:] = 0
        left_out.append(matrix.shape[1] - channels)

    # A sketch pays if its products are much cheaper.
    beyond = torch.tensor(left_out, dtype=torch.float32, device=device)
    if 2 * count * sum(size) > size[0] * size[1]:
        return alternate(rows, start, options.max_iter, options.tolerance, left_out=beyond)
    near = alternate(sketched, start, options.max_iter, options.tolerance, left_out=beyond)
    return polish(rows, near, options.max_iter)


def _error(factor: Tensor, products: Tensor, gram: Tensor) -> Tensor:
    fitted = (factor @ factor.mT).double() * gram.double()
    return fitted.sum(dim=(1, 2)) - 2 * (factor * products).sum(dim=2).double().sum(dim=1)
