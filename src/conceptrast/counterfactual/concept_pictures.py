r"""What a concept looks like: decoded alone on an empty background, and put into a picture that lacks it.

Notation: ``a`` activations ``[N, C, h, w]`` of a class's pictures; ``c`` how strongly a concept is in each window of
each picture ``[N, 1, y, x]``; ``T`` the concept's template, see :func:`~conceptrast.counterfactual.swap.template`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from conceptrast.base.statistics import wilson_interval
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.edits import Edit
from conceptrast.counterfactual.swap import ClassComponents, Corner, Windows, put_in, strongest_blocks, template
from conceptrast.models.inference import autocast, network_input
from conceptrast.models.model import Model

MOSTLY = 0.5
"""A concept shows a thing if at least this share of its strongest blocks holds it."""
NOTHING = "none"
"""What a block shows where nothing known lies."""
EXAMPLES = 6
"""Real patches of a concept, at most."""


@dataclass(frozen=True)
class ClassConcept:
    """A concept of a class, and how strongly each window of a picture holds it.

    Args:
        kind: ``component``, ``ace`` or ``hyperplane``.
        name: its name among those of its kind, e.g. ``3``.
        windows: the windows.
        strength: from activations ``[N, C, h, w]`` to ``c`` ``[N, 1, y, x]``, not negative.
    """

    kind: str
    name: str
    windows: Windows
    strength: Callable[[Tensor], Tensor]


def component_concepts(components: ClassComponents) -> list[ClassConcept]:
    """The components of a class: their strength is their code."""

    def strength(number: int) -> Callable[[Tensor], Tensor]:
        return lambda activations: components.codes(activations)[:, number : number + 1]

    return [
        ClassConcept("component", str(number + 1), components.windows, strength(number))
        for number in range(len(components.vectors))
    ]


def vector_concept(kind: str, name: str, vector: np.ndarray, activations: Tensor, windows: Windows) -> ClassConcept:
    r"""A concept that is a vector: it is strong where activations point along it, more than on average.

    .. math:: c = \max(\mathrm{pool}(\langle a, v \rangle) - \overline{\mathrm{pool}(\langle a, v \rangle)},\; 0)

    Args:
        kind: ``ace`` or ``hyperplane``.
        name: its name.
        vector: ``v`` ``[C]``.
        activations: ``a`` of the class's pictures, over which the mean is taken.
        windows: windows over whose positions is averaged.

    Example:
        >>> activations = torch.tensor([[1.0, 3.0]]).view(1, 1, 1, 2)
        >>> vector_concept("ace", "1", np.array([2.0]), activations, Windows()).strength(activations).flatten()
        tensor([0., 2.])
    """
    values = torch.as_tensor(vector, dtype=torch.float32)

    def pooled(of: Tensor) -> Tensor:
        along = torch.einsum("nchw,c->nhw", of.float().cpu(), values)
        return torch.nn.functional.avg_pool2d(along[:, None], windows.kernel, windows.stride)

    mean = pooled(activations).mean()
    return ClassConcept(kind, name, windows, lambda of: (pooled(of) - mean).clamp(min=0))


def background(activations: Tensor) -> Tensor:
    """An empty picture of a class ``[C, h, w]``: the median of its activations at each position.

    What lies elsewhere in each picture is in none of them.

    Args:
        activations: ``[N, C, h, w]``.
    """
    median, _ = activations.median(dim=0)
    return median


def middle(side: int, shape: tuple[int, int]) -> Corner:
    """The corner of the block in the middle of a layer (h, w).

    Example:
        >>> middle(2, (6, 6))
        Corner(top=2, left=2)
    """
    return Corner((shape[0] - side) // 2, (shape[1] - side) // 2)


def shown_thing(
    blocks: Sequence[tuple[Corner, int]], images: Sequence[int], things: Mapping[int, Mapping[Corner, str]]
) -> tuple[str, float]:
    """What most of a concept's strongest blocks hold, and the share of these blocks.

    Args:
        blocks: for every picture the block in which the concept is strongest.
        images: ids ``[N]`` of the pictures.
        things: by id, what lies where: the corner of a block, and the name of the thing.

    Example:
        >>> things = {7: {Corner(0, 0): "3"}, 8: {Corner(2, 2): "3"}}
        >>> shown_thing([(Corner(0, 0), 2), (Corner(2, 2), 2)], [7, 8], things)
        ('3', 1.0)
    """
    held = [things.get(image, {}).get(corner, NOTHING) for image, (corner, _) in zip(images, blocks, strict=True)]
    names, counts = np.unique(held, return_counts=True)
    most = int(counts.argmax())
    return str(names[most]), float(counts[most] / len(held))


@dataclass(frozen=True)
class ConceptPicture:
    """A concept as a picture.

    Args:
        concept: the concept.
        blocks: for every picture of the class the block in which it is strongest.
        alone: ``[H, W, 3]`` uint8: decoded on the class's background.
        patch: ``[p, q, 3]`` uint8: the part of it that shows the concept.
        added: ``[p, q]``: how much the concept changes this part of the empty picture, mean over colours, 0 to 255.
        examples: ``[E, p, q, 3]`` uint8: the parts of real pictures in which the concept is strongest.
        host: number of the other picture that lacks it most.
        edit: the concept put into that picture.
    """

    concept: ClassConcept
    blocks: list[tuple[Corner, int]]
    alone: np.ndarray
    patch: np.ndarray
    added: np.ndarray
    examples: np.ndarray
    host: int
    edit: Edit


@torch.inference_mode()
def concept_picture(
    layer: DecodableLayer,
    concept: ClassConcept,
    activations: Tensor,
    views: Tensor,
    others: Tensor,
    precision: str = "float32",
) -> ConceptPicture:
    """Decode a concept alone, and make the edit that puts it into a picture that lacks it, where it fits.

    Of the other pictures, the one in which the concept is weakest lacks it most. It fits where this picture is most
    like the background: elsewhere it would replace something.

    Args:
        layer: the layer that holds the concepts, and the one that is decoded. The network can be cut at both.
        concept: the concept.
        activations: ``[N, C, h, w]`` of the class's pictures.
        views: ``[N, 3, H, W]`` uint8, these pictures.
        others: ``[O, C, h, w]``, activations of pictures of other classes.
        precision: precision of the decoder.
    """
    shape = (activations.shape[2], activations.shape[3])
    strength = concept.strength(activations).to(activations.device)
    blocks = strongest_blocks(strength, 0, concept.windows, shape)
    part = template(activations, strength, 0, concept.windows)
    side = part.shape[1]
    # Alone, in the middle of an empty picture.
    corner = middle(side, shape)
    empty = background(activations)
    with autocast(precision, activations.device):
        decodable = layer.activations(torch.stack([empty, put_in(empty, part, corner)]))
        pictures, _ = layer.decoded_logits(decodable)
    without, alone = (_as_image(picture) for picture in pictures)
    # In a picture that lacks it.
    host = int(concept.strength(others).flatten(1).amax(dim=1).argmin())
    change = put_in(others[host], part, free_place(others[host], empty, side)) - others[host]
    best = strength.flatten(1).amax(dim=1).argsort(descending=True)[:EXAMPLES].tolist()
    return ConceptPicture(
        concept=concept,
        blocks=blocks,
        alone=alone,
        patch=cut(alone, corner, side, shape),
        added=cut(np.abs(alone.astype(float) - without), corner, side, shape).mean(axis=2),
        examples=np.stack([cut(_as_image(views[number]), blocks[number][0], side, shape) for number in best]),
        host=host,
        edit=Edit(
            "concept",
            concept.kind,
            origin=f"{concept.kind} {concept.name}",
            layer=layer.edited.layer,
            change=change.cpu(),
        ),
    )


def free_place(host: Tensor, empty: Tensor, side: int) -> Corner:
    """The block of a picture that is most like the background; blocks do not overlap.

    Args:
        host: ``[C, h, w]``.
        empty: ``[C, h, w]``, see :func:`background`.
        side: positions of a block a side.

    Example:
        >>> free_place(torch.tensor([[[5.0, 1.0, 9.0]]]), torch.zeros(1, 1, 3), side=1)
        Corner(top=0, left=1)
    """
    far = (host - empty).square().sum(dim=0)[None, None]
    sums = torch.nn.functional.avg_pool2d(far, side, side)[0, 0]
    row, column = divmod(int(sums.argmin()), sums.shape[1])
    return Corner(row * side, column * side)


def cut(image: np.ndarray, corner: Corner, side: int, shape: tuple[int, int]) -> np.ndarray:
    """The rectangle of a picture ``[H, W, 3]`` that a block of positions stands for.

    Example:
        >>> cut(np.zeros((96, 96, 3)), Corner(2, 4), 2, (6, 6)).shape
        (32, 32, 3)
    """
    height, width = image.shape[:2]
    top, bottom = (row * height // shape[0] for row in (corner.top, corner.top + side))
    left, right = (column * width // shape[1] for column in (corner.left, corner.left + side))
    return image[top:bottom, left:right]


@torch.inference_mode()
def read(reader: Model, added: np.ndarray) -> str:
    """The class that another network gives to what a concept adds to an empty picture, spread over the whole range.

    Args:
        reader: the network, which has not seen the explained one.
        added: ``[p, q]``, not negative.
    """
    spread = added / max(float(added.max()), 1e-9)
    image = Image.fromarray((255 * spread).round().astype(np.uint8)).convert("RGB")
    height, width = reader.preprocess.size
    view = reader.preprocess.view(image.resize((width, height), Image.Resampling.BILINEAR))
    logits = reader.module(network_input(reader, view[None]))
    return str(reader.class_names[int(logits.argmax())])


def reading_summary(rows: pd.DataFrame) -> pd.DataFrame:
    """How often a reader names what a concept shows, over the concepts that show one thing that the reader knows.

    Args:
        rows: kind, shows, share, readable (whether the reader has a class of that name), read.

    Returns:
        kind, n_concepts, right (share), low, high (95 % Wilson interval), chance (share that would be right if the
        reader always gave the most frequent answer).

    Example:
        >>> rows = pd.DataFrame({"kind": ["ace"] * 3, "shows": ["3", "7", "none"], "share": [0.9, 0.8, 1.0],
        ...     "readable": [True, True, False], "read": ["3", "1", "5"]})
        >>> reading_summary(rows)[["kind", "n_concepts", "right", "chance"]].to_dict("records")
        [{'kind': 'ace', 'n_concepts': 2, 'right': 0.5, 'chance': 0.5}]
    """
    clear = rows[(rows["share"] >= MOSTLY) & rows["readable"].astype(bool)]
    summaries = []
    for kind, group in clear.groupby("kind", sort=False):
        # A table that was read has numbers in place of digits.
        right = int((group["read"].astype(str) == group["shows"].astype(str)).sum())
        low, high = wilson_interval(right, len(group))
        frequent = float(group["shows"].value_counts(normalize=True).max())
        summaries.append([kind, len(group), right / len(group), low, high, frequent])
    return pd.DataFrame(summaries, columns=["kind", "n_concepts", "right", "low", "high", "chance"])


def _as_image(picture: Tensor) -> np.ndarray:
    image: np.ndarray = picture.expand(3, -1, -1).permute(1, 2, 0).cpu().numpy()
    return image
