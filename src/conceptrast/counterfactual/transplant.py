r"""Transplants: cells of real pictures of another class, put in place of the cells that speak against it.

Notation: ``a`` activations ``[C, h, w]`` of a picture of class ``A``, ``b`` those of ``D`` donors ``[D, C, h, w]``,
pictures of class ``B``; ``z`` the logits by the rest of the network. The margin of activations is
:math:`m(a) = z_B(a) - z_A(a)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from conceptrast.base.errors import ConceptrastError
from conceptrast.counterfactual.editable_layer import EditableLayer, batches_of
from conceptrast.models.inference import autocast

FIRST_CELLS = 4
"""Positions of the picture that are tried as the first one, those with most evidence."""
DONOR_CELLS = 4
"""Positions of each donor that are tried as the first one, those with most evidence."""
BEAM = 6
"""Transplants that are carried on after their first cell."""
AT_ONCE = 256
"""Pictures whose activations go through the rest of the network at once, at most."""
VALUES_AT_ONCE = 2**26
"""Numbers in these activations, at most: 256 MiB in float32."""


class NoEvidenceError(ConceptrastError):
    """No position of the donors speaks for their class."""


@dataclass(frozen=True)
class Transplant:
    """Cells of a donor in place of cells of a picture.

    Args:
        donor: number of the donor.
        change: ``[C, h, w]``: the donor's cells minus the picture's, 0 elsewhere.
        order: ``[h, w]`` int: the order in which cells are replaced; positions that stay have 0 too.
        cells: the replaced positions in their order, each with the donor's position that goes there. Both are numbers
            in a row-major grid.
    """

    donor: int
    change: Tensor
    order: Tensor
    cells: Sequence[tuple[int, int]]


def margin_evidence(
    layer: EditableLayer,
    activations: Tensor,
    pair: tuple[int, int],
    precision: str = "float32",
    batch_size: int = 64,
    around: Sequence[Tensor] = (),
) -> Tensor:
    r"""How much each position speaks for the first class of a pair and against the second.

    .. math:: e_p = \max(\langle \nabla_{a_p} (z_A - z_B),\, a_p \rangle,\, 0)

    Args:
        layer: the model, cut at the layer, or an injection.
        activations: ``[N, C, h, w]``.
        pair: ``A`` and ``B``.
        precision: precision of the rest of the network.
        batch_size: pictures whose gradients are computed at once.
        around: tensors that go around the layer, each ``[N, …]``.

    Returns:
        ``[N, h, w]``.

    Source: the positive part of HiResCAM (Draelos and Carin 2020), of the difference of two logits.

    Example:
        >>> from conceptrast.models.split import SplitModel
        >>> network = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Flatten()).eval()
        >>> margin_evidence(SplitModel(network, "0"), torch.tensor([[[[3.0]], [[4.0]]]]), (0, 1)).flatten()
        tensor([0.])
    """
    first, second = pair
    evidence = []
    for batch, around_batch in batches_of(activations, around, batch_size):
        with torch.enable_grad(), autocast(precision, batch.device):
            leaf = batch.detach().clone().requires_grad_()
            logits = layer.suffix(leaf, *around_batch).double()
            gradient = torch.autograd.grad((logits[:, first] - logits[:, second]).sum(), leaf)[0]
        evidence.append((gradient * batch).sum(dim=1).clamp(min=0))
    return torch.cat(evidence)


@torch.inference_mode()
def transplant(
    layer: EditableLayer,
    activations: Tensor,
    donors: Tensor,
    evidence: tuple[Tensor, Tensor],
    pair: tuple[int, int],
    *,
    cells: int,
    precision: str = "float32",
) -> Transplant:
    r"""The transplant of at most so many cells that brings a picture nearest to another class.

    The first cell: of the positions with most evidence, and of those of each donor, the pairs with the largest margin.
    Each further cell comes from the same donor, in the same place relative to the first one, and touches a cell that is
    replaced already; it is the one with the largest margin. Of a few transplants that are carried on in this way, the
    one with the largest margin counts.

    .. math:: \arg\max_p\; m\big(a + \textstyle\sum_{p' \in S \cup \{p\}} (b_{p' + s} - a_{p'})\big)

    Args:
        layer: the model, cut at the layer, or an injection for the picture.
        activations: ``a`` ``[C, h, w]``.
        donors: ``b`` ``[D, C, h, w]``.
        evidence: of the picture for its class ``[h, w]``, and of the donors for theirs ``[D, h, w]``.
        pair: ``A`` and ``B``.
        cells: the largest number of cells.
        precision: precision of the rest of the network.

    Raises:
        NoEvidenceError: no position of the donors speaks for their class.

    Source: Goyal et al. 2019 (arXiv 1904.07451), section 3.2, with one donor and one shift for all cells.
    """

    at_once = max(1, min(AT_ONCE, VALUES_AT_ONCE // activations.numel()))

    def margins(candidates: Sequence[tuple[int, list[tuple[int, int]]]]) -> Tensor:
        """Margins of transplants: the donor of each, and its cells."""
        answers = []
        for first in range(0, len(candidates), at_once):
            part = candidates[first : first + at_once]
            batch = torch.stack([_replaced(activations, donors[donor], cells) for donor, cells in part])
            with autocast(precision, batch.device):
                logits = layer.suffix(batch.contiguous(memory_format=torch.channels_last)).float()
            answers.append(logits[:, pair[1]] - logits[:, pair[0]])
        return torch.cat(answers)

    # The first cell: its place, its donor, and its place there.
    height, width = activations.shape[1:]
    of_picture, of_donors = evidence
    if not (of_donors > 0).any():
        raise NoEvidenceError("no position of the pictures of the other class speaks for it: nothing to transplant")
    places = of_picture.flatten().topk(min(FIRST_CELLS, height * width)).indices
    sources = of_donors.flatten(1).topk(min(DONOR_CELLS, height * width), dim=1).indices
    firsts = [
        (int(place), donor, int(source)) for place in places for donor, row in enumerate(sources) for source in row
    ]
    tried = [(donor, [(place, source)]) for place, donor, source in firsts]
    best = margins(tried).topk(min(BEAM, len(firsts))).indices.tolist()

    # The other cells, one by one.
    started = []
    for number in best:
        place, donor, source = firsts[number]
        shift = (source // width - place // width, source % width - place % width)
        started.append(_Started(donor, shift, [place]))
    for _ in range(cells - 1):
        options = [(start, place) for start in started for place in start.neighbours(height, width)]
        if not options:
            break
        gained = margins([(start.donor, start.sources(width, place)) for start, place in options]).tolist()
        for start in started:
            margins_here = [(margin, place) for margin, (s, place) in zip(gained, options, strict=True) if s is start]
            if margins_here:
                start.places.append(max(margins_here)[1])

    # The best of all.
    ends = margins([(start.donor, start.sources(width)) for start in started])
    winner = started[int(ends.argmax())]
    replaced = winner.sources(width)
    change = _replaced(activations, donors[winner.donor], replaced) - activations
    order = torch.zeros(height * width, dtype=torch.long)
    for number, place in enumerate(winner.places):
        order[place] = number
    return Transplant(winner.donor, change, order.view(height, width), replaced)


@dataclass(eq=False)
class _Started:
    """A transplant that is carried on: its donor, the shift to the donor's positions, and the places in their order."""

    donor: int
    shift: tuple[int, int]
    places: list[int]

    def sources(self, width: int, *further: int) -> list[tuple[int, int]]:
        """Places, each with the donor's position that goes there."""
        return [(place, place + self.shift[0] * width + self.shift[1]) for place in (*self.places, *further)]

    def neighbours(self, height: int, width: int) -> list[int]:
        """Places that touch a replaced one and have a position of the donor."""
        near = set()
        for place in self.places:
            row, column = divmod(place, width)
            for y in range(max(row - 1, 0), min(row + 2, height)):
                for x in range(max(column - 1, 0), min(column + 2, width)):
                    if 0 <= y + self.shift[0] < height and 0 <= x + self.shift[1] < width:
                        near.add(y * width + x)
        return sorted(near - set(self.places))


def _replaced(activations: Tensor, donor: Tensor, cells: list[tuple[int, int]]) -> Tensor:
    """Activations with cells of the donor: pairs of a place and the donor's position that goes there."""
    places = [place for place, _ in cells]
    sources = [source for _, source in cells]
    moved = activations.flatten(1).clone()
    moved[:, places] = donor.flatten(1)[:, sources]
    return moved.view_as(activations)
