r"""Do concepts split by object? Where the things in the pictures are known, how much of a concept's heat lies in one.

Notation: ``H_j`` ``[N, h, w]`` the heat of concept ``j``, not negative; ``B_c`` the boxes of thing ``c``.

.. math:: s_{jc} = \frac{\sum_n \sum_{p \in B_{nc}} H_{jnp}}{\sum_{n, p} H_{jnp}}, \qquad
          c(j) = \arg\max_c s_{jc}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from conceptrast.models.inference import autocast, device_of, network_input
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.pictures import Pictures

COLUMNS = ("thing", "thing_share", "thing_area", "own_class", "other_class")
LEAST_AREA = 0.25
"""A thing that fills less of a view is not shown to the model alone: enlarged so much, it is no picture of its kind."""
TOP = 5
"""Most probable classes of a thing alone, among which a concept's class is looked for."""

Box = tuple[float, float, float, float]
"""Top, left, bottom, right in pixels of a view."""


def box_in_view(box: Sequence[float], size: tuple[int, int], preprocess: Preprocess) -> Box:
    """Where a box of a picture lies in the model's view of it: resized and cropped, cut off at the edge.

    Args:
        box: top, left, height, width in pixels of the picture.
        size: (height, width) of the picture.
        preprocess: the model's, with the resizing and the crop.

    Example:
        >>> box_in_view((0, 200, 400, 200), (400, 400), Preprocess(256, 224, (0.5,) * 3, (0.25,) * 3))
        (0.0, 112.0, 224.0, 224.0)
    """
    scale = 1.0 if preprocess.resize is None else preprocess.resize / min(size)
    offsets = [(side * scale - wanted) / 2 for side, wanted in zip(size, preprocess.size, strict=True)]
    ends = []
    for start, length, offset, wanted in zip(box[:2], box[2:], offsets, preprocess.size, strict=True):
        low, high = (min(max(edge * scale - offset, 0.0), float(wanted)) for edge in (start, start + length))
        ends.append((low, high))
    (top, bottom), (left, right) = ends
    return top, left, bottom, right


@dataclass(frozen=True)
class KnownThings:
    """The things in some pictures.

    Args:
        boxes: for each picture, by thing, the box in pixels of its view.
        size: (H, W) of the views.
        classes: by thing, the names of the most probable classes that the model gives it alone; a thing that fills too
            little of its view has none.
    """

    boxes: Sequence[Mapping[str, Box]]
    size: tuple[int, int]
    classes: Mapping[str, Sequence[str]]

    @classmethod
    def of(
        cls, pictures: Pictures, images: np.ndarray, views: Tensor, truth: pd.DataFrame, precision: str
    ) -> KnownThings:
        """The things of some pictures of a dataset.

        Args:
            pictures: the dataset and the model.
            images: ids ``[N]``.
            views: ``[N, C, H, W]`` uint8 of the same pictures.
            truth: image, concept, top, left, height, width in pixels of the pictures.
            precision: ``float32`` or ``bfloat16``.
        """
        index = pictures.table.set_index("image", drop=False)
        boxes: list[dict[str, Box]] = []
        for image in images.tolist():
            width, height = pictures.dataset.picture(index.loc[image]).size
            known = truth[truth["image"] == image]
            boxes.append(
                {
                    str(thing["concept"]): box_in_view(
                        [thing[side] for side in ("top", "left", "height", "width")],
                        (height, width),
                        pictures.model.preprocess,
                    )
                    for thing in known.to_dict("records")
                }
            )
        size = pictures.model.preprocess.size
        return cls(boxes, size, _classes_alone(pictures.model, views, boxes, precision))

    def rows(self, heat: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
        """Where the heat of concepts lies.

        Args:
            heat: ``[N, k, h, w]``, not negative.
            classes: the class of each concept.

        Returns:
            One row for each concept: concept (from 1); thing, thing_share (of the concept's heat in its boxes),
            thing_area (the share of a heat that is everywhere alike); own_class and other_class (whether the concept's
            class is among the most probable ones of that thing alone, or of another thing; no value where no thing was
            shown alone). A concept without heat in any thing has no values.
        """
        names = sorted({name for boxes in self.boxes for name in boxes})
        masks = np.stack([self._masks(name) for name in names]) if names else np.zeros((0, len(heat), *self.size))
        rows = []
        for number in range(heat.shape[1]):
            values = interpolate(torch.from_numpy(heat[:, number : number + 1]).double(), self.size, mode="bilinear")[
                :, 0
            ].numpy()
            shares = (masks * values).sum(axis=(1, 2, 3)) / max(values.sum(), 1e-30)
            row: dict[str, object] = {"concept": number + 1}
            if len(names) and shares.max() > 0:
                best = int(shares.argmax())
                others = [self.classes[name] for name in names if name != names[best] and name in self.classes]
                row |= {"thing": names[best], "thing_share": shares[best], "thing_area": masks[best].mean()}
                if names[best] in self.classes and pd.notna(classes[number]):
                    row["own_class"] = float(classes[number] in self.classes[names[best]])
                    row["other_class"] = float(any(classes[number] in listed for listed in others))
            rows.append(row)
        return pd.DataFrame(rows).reindex(columns=["concept", *COLUMNS])

    def _masks(self, name: str) -> np.ndarray:
        """``[N, H, W]``: 1 in the boxes of a thing."""
        masks = np.zeros((len(self.boxes), *self.size))
        for number, boxes in enumerate(self.boxes):
            if name in boxes:
                top, left, bottom, right = (round(edge) for edge in boxes[name])
                masks[number, top:bottom, left:right] = 1
        return masks


@torch.inference_mode()
def _classes_alone(
    model: Model, views: Tensor, boxes: Sequence[Mapping[str, Box]], precision: str
) -> dict[str, list[str]]:
    """By thing, the most probable classes of its box, enlarged to a whole view; of the first picture that has it."""
    listed: dict[str, list[str]] = {}
    for view, things in zip(views, boxes, strict=True):
        for name, (top, left, bottom, right) in things.items():
            if name in listed or (bottom - top) * (right - left) < LEAST_AREA * view[0].numel():
                continue
            patch = view[None, :, round(top) : round(bottom), round(left) : round(right)].float()
            alone = interpolate(patch, model.preprocess.size, mode="bilinear", antialias=True).clamp(0, 255)
            with autocast(precision, device_of(model)):
                logits = model.module(network_input(model, alone)).float()[0]
            best = logits.topk(min(TOP, len(logits))).indices.tolist()
            listed[name] = [model.class_names[index] for index in best]
    return listed
