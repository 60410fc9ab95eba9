r"""Transplants in pixels: the rectangles of a real picture of another class, pasted into a picture.

A transplant puts cells of a donor's activations in the place of a picture's. What it shows is decoded, so it depends on
the decoder. Here the same cells are exchanged in the picture itself, and nothing is decoded. Notation: ``v`` a picture
``[C, H, W]``, ``b`` its donor, ``R_p`` the rectangle of position ``p`` of a layer of ``h × w`` positions, ``s(p)`` the
donor's position that goes to ``p``:

.. math:: v'_x = b_{x + R_{s(p)} - R_p} \quad \text{for } x \in R_p, \text{ else } v_x
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.edit_kinds import NO_VECTOR, RANDOM_BASELINE
from conceptrast.counterfactual.edits import Edit
from conceptrast.counterfactual.pair_edits import TRANSPLANT, Name, PairEdits, random_donor
from conceptrast.counterfactual.search import DEFAULTS, FRACTIONS, SearchOptions, Walk
from conceptrast.models.inference import autocast, device_of, network_input

PASTED: Name = ("pasted_cells", NO_VECTOR)


@dataclass(frozen=True)
class PastedCells:
    """A picture, and what is pasted into it.

    Args:
        edit: the transplant in activations, under the name of pasted cells.
        picture: ``v`` uint8.
        donor: ``b`` uint8, of the same shape.
        cells: pairs of a position and the donor's position that goes there, in their order.
        grid: (h, w) of the layer.
    """

    edit: Edit
    picture: Tensor
    donor: Tensor
    cells: Sequence[tuple[int, int]]
    grid: tuple[int, int]

    def frames(self) -> Tensor:
        """The picture with none of the cells, with the first, with the first two, …: ``[n + 1, C, H, W]`` uint8.

        Example:
            >>> edit = Edit(*PASTED, origin="cells of cat", layer="layer3", change=torch.ones(1, 1, 2))
            >>> black, white = torch.zeros(1, 1, 4, dtype=torch.uint8), torch.full((1, 1, 4), 255, dtype=torch.uint8)
            >>> PastedCells(edit, black, white, cells=[(1, 0)], grid=(1, 2)).frames()[:, 0, 0].tolist()
            [[0, 0, 0, 0], [0, 0, 255, 255]]
        """
        frames = [self.picture]
        for place, source in self.cells:
            top, left, height, width = self._rectangle(place)
            from_top, from_left, *_ = self._rectangle(source)
            # Where positions do not divide pixels, a rectangle may be a pixel smaller at the far edge of the donor.
            patch = self.donor[:, from_top : from_top + height, from_left : from_left + width]
            pasted = frames[-1].clone()
            pasted[:, top : top + patch.shape[1], left : left + patch.shape[2]] = patch
            frames.append(pasted)
        return torch.stack(frames)

    def _rectangle(self, position: int) -> tuple[int, int, int, int]:
        """Top, left, height and width in pixels."""
        row, column = divmod(position, self.grid[1])
        (top, bottom), (left, right) = (
            (place * side // positions, (place + 1) * side // positions)
            for place, side, positions in zip((row, column), self.picture.shape[1:], self.grid, strict=True)
        )
        return top, left, bottom - top, right - left


@dataclass(frozen=True)
class PairViews:
    """What the model sees of the pictures of a pair, beside their activations.

    Args:
        pictures: ``[N, C, H, W]`` uint8, of the first class.
        donors: ``[D, C, H, W]``, of the second class.
        others: ``[O, C, H, W]``, of neither class; without any, pasted cells have no random twins.
    """

    pictures: Tensor
    donors: Tensor
    others: Tensor


def pasted_cells(
    edits: PairEdits, views: PairViews, images: Sequence[int], seed: int
) -> tuple[list[PastedCells], list[PastedCells]]:
    """The transplants of a pair in pixels, and their random twins: the same rectangles of a picture of neither class.

    Args:
        edits: the edits of the pair's pictures.
        views: the pictures.
        images: ids ``[N]``.
        seed: the seed of the twins, which have the donors of the twins in activations.

    Returns:
        Two lists with an entry for each picture. Without transplants both are empty, without other pictures the second.
    """
    pasted: list[PastedCells] = []
    twins: list[PastedCells] = []
    if not edits.transplants:
        return pasted, twins
    for number, (made, image) in enumerate(zip(edits.transplants, images, strict=True)):
        edit = replace(edits.edits[TRANSPLANT][number], kind=PASTED[0])
        one = PastedCells(
            edit=edit,
            picture=views.pictures[number],
            donor=views.donors[made.donor],
            cells=made.cells,
            grid=(edit.change.shape[1], edit.change.shape[2]),
        )
        pasted.append(one)
        if len(views.others):
            twins.append(
                replace(
                    one,
                    edit=replace(edit, origin=RANDOM_BASELINE),
                    donor=views.others[random_donor(seed, image, len(views.others))],
                    cells=[(place, place) for place, _ in made.cells],
                )
            )
    return pasted, twins


@torch.inference_mode()
def pasted_walk(
    layer: DecodableLayer,
    pasted: Sequence[PastedCells],
    target: int,
    *,
    cells: np.ndarray | None = None,
    fractions: Sequence[float] = FRACTIONS,
    options: SearchOptions = DEFAULTS,
) -> Walk:
    r"""Paste cells one after the other, until the model gives the picture another class.

    .. math:: n^* = \min \{n : \mathrm{softmax}(\mathrm{model}(v'_n))_c \ge p\}

    Args:
        layer: the layer whose positions are meant; nothing is decoded.
        pasted: pictures, and what is pasted into them.
        target: the class ``c``.
        cells: the number of cells for each picture ``[N]``; without it, as few as it takes.
        fractions: the fractions of the way at which the networks are asked.
        options: the probability, the precision and the batch size.

    Returns:
        The walk. Its pictures are the pasted ones, and ``suffix`` and ``decoded`` are both the whole model's answer.
    """
    # What the model says of every number of cells.
    frames = [one.frames() for one in pasted]
    answers = [_answers(layer, of_picture, options) for of_picture in frames]
    most = np.array([len(of_picture) - 1 for of_picture in frames])
    if cells is None:
        enough = [np.flatnonzero(p[1:, target] >= options.probability) for p, _ in answers]
        ends = np.array([int(first[0]) + 1 if len(first) else n for first, n in zip(enough, most, strict=True)])
    else:
        ends = np.minimum(cells, most)
    reached = np.array([p[end, target] >= options.probability for (p, _), end in zip(answers, ends, strict=True)])
    # The numbers of cells on the way.
    counts = np.round(ends[:, None] * np.asarray(fractions)).astype(int)
    seen = torch.stack([of_picture[row] for of_picture, row in zip(frames, counts, strict=True)])
    probabilities = np.stack([p[row] for (p, _), row in zip(answers, counts, strict=True)])
    return Walk(
        done=ends / most,
        reached=reached,
        fractions=np.asarray(fractions, float),
        lambdas=np.stack([way[row] for (_, way), row in zip(answers, counts, strict=True)]),
        cells=counts,
        probabilities={"suffix": probabilities, "decoded": probabilities} | _judged(layer, seen, options),
        frames=seen,
    )


def _answers(layer: DecodableLayer, frames: Tensor, options: SearchOptions) -> tuple[np.ndarray, np.ndarray]:
    """The model's probabilities ``[F, n_classes]`` of pictures, and how far their activations are from the first's."""
    probabilities = []
    activations = []
    for batch in frames.split(options.batch_size):
        inputs = network_input(layer.model, batch)
        with autocast(options.precision, inputs.device):
            values, around = layer.values(inputs)
            logits = layer.split.suffix(layer.activations(values, *around))
        probabilities.append(logits.double().softmax(dim=1).cpu())
        activations.append(values.flatten(1).cpu())
    values = torch.cat(activations).double()
    lambdas = (values - values[:1]).norm(dim=1) / values[0].norm().clamp(min=1e-30)
    return torch.cat(probabilities).numpy(), lambdas.numpy()


def _judged(layer: DecodableLayer, frames: Tensor, options: SearchOptions) -> dict[str, np.ndarray]:
    """The judge's probabilities ``[N, F, n_classes]`` of pictures ``[N, F, C, H, W]``, by its name."""
    answers: dict[str, list[Tensor]] = {}
    device = device_of(layer.model)
    for batch in frames.flatten(0, 1).split(options.batch_size):
        with autocast(options.precision, device):
            logits = layer.judged_logits(batch.to(device))
        for name, values in logits.items():
            answers.setdefault(name, []).append(values.double().softmax(dim=1).cpu())
    count, steps = frames.shape[:2]
    return {name: torch.cat(parts).view(count, steps, -1).numpy() for name, parts in answers.items()}
