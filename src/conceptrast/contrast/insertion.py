r"""The insertion test: we paste a thing into images of B; does the model say A?

Notation: ``x`` are normalised images ``[N, 3, H, W]`` that the model names B. ``q`` is a crop ``[3, h, w]`` that is
pasted into the same box of every image. Two controls fill the same box. The first is zeros in normalised space. The
second is the crop with its pixels shuffled: it keeps the colours but no longer shows the thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from conceptrast.base.statistics import bootstrap_interval
from conceptrast.base.streams import Stream, generator
from conceptrast.concepts.card_evidence import patch_of
from conceptrast.contrast.cards import InsertionExample
from conceptrast.contrast.crops import corner_box, resized
from conceptrast.data.view_pixels import pixels
from conceptrast.models.inference import autocast, device_of, network_input
from conceptrast.models.model import Model
from conceptrast.models.pictures import Pictures

CONDITIONS = ("none", "crop", "zeros", "shuffled")
CONTROLS = ("zeros", "shuffled")
KEYS = ("first", "second", "component")
"""The columns that say which test a row belongs to."""
HEADS = ("first", "first_name", "second", "second_name", "component", "status", "reason")


def inserted_views(
    views: Tensor, images: np.ndarray, crop: np.ndarray, box: Sequence[int], condition: str, model: Model, seed: int = 0
) -> Tensor:
    """Fill the box in every view as a condition says.

    Args:
        views: ``[n, 3, H, W]`` uint8, or ``[n, 1, H, W]`` uint8; then the crop is pasted in grey.
        images: ``[n]`` ids; the shuffle of each image is drawn from the seed and its id.
        crop: ``[h, w, 3]`` uint8.
        box: top, left, height, width.
        condition: one of :data:`CONDITIONS`: nothing, the crop, zeros in normalised space (in bytes the nearest is the
            mean colour), or the crop with its pixels shuffled.
        model: the model, for its normalisation.
        seed: the seed of the shuffles.

    Returns:
        New views, uint8, of the same shape. The given views stay as they were.
    """
    top, left, height, width = box
    pasted = views.clone()
    place = pasted[:, :, top : top + height, left : left + width]
    if condition == "zeros":
        place[:] = (255 * torch.tensor(model.preprocess.mean)).round().to(torch.uint8)[:, None, None]
    elif condition != "none":
        crop = crop if views.shape[1] == 3 else np.asarray(Image.fromarray(crop).convert("L"))[..., None]
        flat = crop.reshape(-1, crop.shape[2])
        for filled, image in zip(place, images.tolist(), strict=True):
            order = generator(Stream.SHUFFLED_CROP, seed, image).permutation(len(flat))
            filling = flat[order].reshape(crop.shape) if condition == "shuffled" else crop
            filled[:] = torch.from_numpy(filling.transpose(2, 0, 1).copy())
    return pasted


@torch.inference_mode()
def insertion_rows(
    model: Model,
    batches: Iterable[tuple[np.ndarray, Tensor]],
    crop: np.ndarray,
    corner: str,
    pair: tuple[int, int],
    seed: int = 0,
    precision: str = "float32",
) -> pd.DataFrame:
    """The model's probabilities for every image under every condition.

    Args:
        model: the classifier.
        batches: pairs of image ids ``[n]`` and views ``[n, 3, H, W]`` uint8 of images predicted as ``pair[1]``.
        crop: ``[h, w, 3]`` uint8.
        corner: one of :data:`~conceptrast.contrast.crops.CORNERS`.
        pair: A, which the crop may speak for, and B.
        seed: the seed of the shuffles.
        precision: ``float32`` or ``bfloat16``; the softmax is float64.

    Returns:
        first (A), first_name, second (B), second_name, status, reason, image, condition, p_first, p_second.

    Raises:
        ConfigError: there is no such corner, or the crop is larger than the views.

    Source: arXiv 2502.03422, insertion test (a person pasted beside huskies). The shuffled control is ours.
    """
    box = corner_box((crop.shape[0], crop.shape[1]), model.preprocess.size, corner)
    device = device_of(model)
    parts = [_head(model, pair, status="ok").iloc[:0]]
    for images, views in batches:
        for condition in CONDITIONS:
            with autocast(precision, device):
                inputs = _inputs(views, images=images, crop=crop, box=box, condition=condition, model=model, seed=seed)
                logits = model.module(inputs)
            probabilities = logits.double().softmax(1)[:, list(pair)].cpu().numpy()
            columns = {"image": images, "condition": condition}
            columns |= {"p_first": probabilities[:, 0], "p_second": probabilities[:, 1]}
            parts.append(_head(model, pair, status="ok").merge(pd.DataFrame(columns), how="cross"))
    return pd.concat(parts, ignore_index=True)


def skipped_insertion(model: Model, pair: tuple[int, int], reason: str) -> pd.DataFrame:
    """The single row of a pair that cannot be tested: both classes with their names, and the reason.

    Args:
        model: the model, for its class names.
        pair: A and B.
        reason: why it cannot be tested.
    """
    return _head(model, pair, status="skipped", reason=reason)


def _head(model: Model, pair: tuple[int, int], status: str, reason: str = "") -> pd.DataFrame:
    ends = zip(("first", "second"), pair, strict=True)
    names = [(end, f"{end}_name", target, model.class_names[target]) for end, target in ends]
    row: dict[str, Any] = {
        key: value for end, name, target, called in names for key, value in ((end, target), (name, called))
    }
    return pd.DataFrame([row | {"status": status, "reason": reason}])


def _inputs(
    views: Tensor, images: np.ndarray, crop: np.ndarray, box: Sequence[int], condition: str, model: Model, seed: int
) -> Tensor:
    """The input of the network: normalised views, in which the zeros are exactly zero."""
    pasted = inserted_views(views, images=images, crop=crop, box=box, condition=condition, model=model, seed=seed)
    inputs = network_input(model, pasted)
    if condition == "zeros":
        top, left, height, width = box
        inputs[:, :, top : top + height, left : left + width] = 0
    return inputs


def patch_crops(pictures: Pictures, patches: pd.DataFrame, size: int | tuple[int, int] | None) -> dict[int, np.ndarray]:
    """The nearest patch of each component, as a crop that can be pasted.

    Args:
        pictures: the images that the patches lie in.
        patches: component, rank, image, top, left, height, width (pixels of the view) of one side of one pair.
        size: (height, width) of the crop in pixels, or only the height; ``None`` keeps the patch as large as it is.

    Returns:
        ``[h, w, 3]`` uint8 by component, in the order of the components.

    Source: arXiv 2502.03422, insertion of a component's nearest patch.
    """
    nearest = patches[patches["rank"] == 0].sort_values("component")
    views = pictures.by_id(np.unique(nearest["image"]))
    return {
        int(row["component"]): resized(Image.fromarray(pixels(patch_of(row, views))), size)
        for _, row in nearest.iterrows()
    }


def insertion_examples(
    pictures: Pictures, rows: pd.DataFrame, crop: np.ndarray, corner: str, seed: int
) -> list[InsertionExample]:
    """Two example images: those with the median and the largest change, up or down, of A's probability by the crop.

    Args:
        pictures: the images and the model.
        rows: image, condition, p_first, p_second of one pair.
        crop: ``[h, w, 3]`` uint8.
        corner: the corner where the crop is pasted.
        seed: the seed of the shuffled control.
    """
    # The two images.
    probabilities = rows.pivot_table(index="image", columns="condition", values=["p_first", "p_second"])
    change = (probabilities["p_first"]["crop"] - probabilities["p_first"]["none"]).sort_values(kind="stable")
    images = list(dict.fromkeys([change.index[len(change) // 2], change.abs().idxmax()]))

    # Each of them under every condition.
    box = corner_box((crop.shape[0], crop.shape[1]), pictures.model.preprocess.size, corner)
    examples = []
    for image, view in pictures.by_id(np.array(images)).items():
        views = {
            condition: inserted_views(
                view[None],
                images=np.array([image]),
                crop=crop,
                box=box,
                condition=condition,
                model=pictures.model,
                seed=seed,
            )
            for condition in CONDITIONS
        }
        of_image = probabilities.loc[image]
        examples.append(
            InsertionExample(
                pictures={condition: pixels(pasted[0]) for condition, pasted in views.items()},
                probabilities={name: (of_image["p_first"][name], of_image["p_second"][name]) for name in CONDITIONS},
            )
        )
    return examples


def insertion_summary(rows: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Table 4: mean probabilities under each condition, their change, and the crop's effect beyond the controls.

    Args:
        rows: as :func:`insertion_rows` and :func:`skipped_insertion` give; with a column ``component`` where the crops
            are patches of components, which then has rows of its own for each.
        seed: the seed of the bootstrap.

    Returns:
        first, first_name, second, second_name, component (if the rows have it), status, reason, condition, n_images,
        p_first, p_second, and for both classes the mean paired change with its 95 % bootstrap interval (change_first,
        low_first, high_first, ...). The rows ``none``, ``crop``, ``zeros`` and ``shuffled`` give the probabilities
        under a condition and their difference from ``none``. The rows ``crop-zeros`` and ``crop-shuffled`` give the
        effect: how much more the crop changes than a control.
    """
    summary: list[dict[str, Any]] = []
    heads = [name for name in HEADS if name in rows]
    for _, group in rows.groupby([name for name in KEYS if name in rows], sort=False, dropna=False):
        head: dict[str, Any] = {name: group[name].iloc[0] for name in heads}
        if head["status"] == "skipped":
            summary.append(head)
            continue

        # The probabilities of both classes: one row for each image, one column for each condition.
        table = {
            name: group.pivot_table(index="image", columns="condition", values=name) for name in ("p_first", "p_second")
        }

        # The change by each condition, and how much more the crop changes than a control.
        for condition in CONDITIONS:
            row = head | {"condition": condition, "n_images": len(table["p_first"])}
            row |= {name: float(values[condition].mean()) for name, values in table.items()}
            summary.append(row | _changes(table, condition, "none", seed))
        for control in CONTROLS:
            row = head | {"condition": f"crop-{control}", "n_images": len(table["p_first"])}
            summary.append(row | _changes(table, "crop", control, seed))
    return pd.DataFrame(summary)


def _changes(table: Mapping[str, pd.DataFrame], condition: str, other: str, seed: int) -> dict[str, float]:
    """For both probabilities, the mean paired difference of two conditions with its interval."""
    changes: dict[str, float] = {}
    for name, values in table.items():
        difference = (values[condition] - values[other]).to_numpy(float)
        low, high = bootstrap_interval(difference, seed=seed)
        end = name.removeprefix("p_")
        changes |= {f"change_{end}": float(difference.mean()), f"low_{end}": low, f"high_{end}": high}
    return changes
