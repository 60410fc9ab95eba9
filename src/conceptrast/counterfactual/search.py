r"""Counterfactuals: activations are moved along a direction until the class changes, and decoded on the way.

Notation: ``a`` activations ``[N, C, h, w]``, ``u`` unit directions of the same shape, ``λ`` how far, relative to the
length of the activations:

.. math:: a(\lambda) = a + \lambda \lVert a \rVert u

with negative values set to zero where the layer's own output cannot be negative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.errors import ConfigError, unknown_name
from conceptrast.base.statistics import wilson_interval
from conceptrast.counterfactual.decoder import Decoder
from conceptrast.counterfactual.decoder_training import decoded_input
from conceptrast.counterfactual.directions import CHANCE, RANDOM, Direction
from conceptrast.models.inference import autocast
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel

STOPS = ("suffix", "picture")
PAIR = ["from_class", "from_name", "to_class", "to_name"]
DOUBLINGS = 7
BISECTIONS = 5
ALL = -1
"""In place of both classes: all pairs together."""

WEAK = "no decoded start has the class of its image: the decoder is too weak"


@dataclass(frozen=True)
class DecodableLayer:
    """A layer of a model whose activations can be decoded.

    Args:
        model: the whole classifier.
        split: the same, cut at the layer.
        decoder: of the layer.

    Raises:
        LayerError: cut and decoder do not belong to one layer.
    """

    model: Model
    split: SplitModel
    decoder: Decoder

    def __post_init__(self) -> None:
        self.decoder.check_layer(self.split.layer)


def moved(split: SplitModel, activations: Tensor, units: Tensor, lambdas: Tensor) -> Tensor:
    r"""Activations at some distance along their directions.

    .. math:: a_n + \lambda_n \lVert a_n \rVert u_n

    Args:
        split: says whether the layer's output is rectified; then negative values become zero.
        activations: ``[N, C, h, w]``.
        units: ``[N, C, h, w]``, each of length 1.
        lambdas: ``[N]``.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Flatten()).eval()
        >>> a, u = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1), torch.tensor([-1.0, 0.0]).view(1, 2, 1, 1)
        >>> moved(SplitModel(network, "0"), a, u, torch.tensor([1.0])).flatten()
        tensor([0., 4.])
    """
    lengths = activations.flatten(1).norm(dim=1)
    step = (lambdas.to(activations) * lengths)[:, None, None, None] * units.to(activations)
    found = activations + step
    return found.clamp_(min=0) if split.rectified else found


def seen(layer: DecodableLayer, activations: Tensor) -> tuple[Tensor, Tensor]:
    """Decoded pictures, and what the whole network says of them, as the bytes that are shown.

    Args:
        layer: of the activations.
        activations: ``[N, C, h, w]``.

    Returns:
        Pictures uint8 ``[N, 3, H, W]`` and logits ``[N, n_classes]``.
    """
    shown = (255 * layer.decoder(activations).float()).round().to(torch.uint8)
    return shown, layer.model.module(decoded_input(layer.model, shown.float() / 255))


Reached = Callable[[Tensor], Tensor]


def by_suffix(
    split: SplitModel, activations: Tensor, units: Tensor, target: int, probability: float, precision: str = "float32"
) -> Reached:
    """Whether the rest of the network gives moved activations the class: of ``λ`` ``[N]``, ``[N]`` bool."""

    def reached(lambdas: Tensor) -> Tensor:
        with autocast(precision, activations.device):
            logits = split.suffix(moved(split, activations, units, lambdas))
        return logits.double().softmax(dim=1)[:, target] >= probability

    return reached


def by_picture(
    layer: DecodableLayer,
    activations: Tensor,
    units: Tensor,
    target: int,
    probability: float,
    precision: str = "float32",
) -> Reached:
    """Whether the whole network gives the decoded picture the class: as :func:`by_suffix`, and as :func:`seen` says."""

    def reached(lambdas: Tensor) -> Tensor:
        with autocast(precision, activations.device):
            _, logits = seen(layer, moved(layer.split, activations, units, lambdas))
        return logits.double().softmax(dim=1)[:, target] >= probability

    return reached


@torch.inference_mode()
def search(reached: Reached, count: int, limit: float, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    r"""The way after which each image has reached its class, to within 1/32 of it (limit/2048 below limit/64).

    ``λ`` doubles from ``limit / 64``; the step in which the class is reached first is halved five times.

    Args:
        reached: function of ``λ`` ``[N]`` that says for each image whether it has.
        count: ``N``.
        limit: largest ``λ``.
        device: of ``λ``.

    Returns:
        ``λ`` ``[N]``, ``limit`` where the class is not reached; and whether it is, ``[N]`` bool.

    Example:
        >>> lambdas, found = search(lambda way: way >= torch.tensor([0.3, 5.0]), count=2, limit=1.0)
        >>> [round(way, 2) for way in lambdas.tolist()], found.tolist()
        ([0.3, 1.0], [True, False])
    """
    low, high = torch.zeros(count, device=device), torch.full((count,), limit, device=device)
    found = torch.zeros(count, dtype=torch.bool, device=device)
    for doubling in range(1 - DOUBLINGS, 1):
        here = torch.full((count,), limit * 2.0**doubling, device=device)
        now = reached(here) & ~found
        high = torch.where(now, here, high)
        found |= now
        low = torch.where(found, low, here)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        enough = reached(middle)
        high, low = torch.where(found & enough, middle, high), torch.where(found & ~enough, middle, low)
    return high, found


@dataclass(frozen=True)
class Walk:
    """Images on their way along directions.

    Args:
        lambdas: ``[N]`` how far each goes.
        found: ``[N]`` bool, whether the class was reached.
        fractions: ``[F]`` of the way, from 0 to 1.
        suffix: ``[N, F, n_classes]`` probabilities by the rest of the network.
        decoded: ``[N, F, n_classes]`` probabilities of the decoded pictures by the whole network.
        frames: ``[N, F, 3, H, W]`` uint8 decoded pictures.
    """

    lambdas: np.ndarray
    found: np.ndarray
    fractions: np.ndarray
    suffix: np.ndarray
    decoded: np.ndarray
    frames: Tensor


@torch.inference_mode()
def walk(
    layer: DecodableLayer,
    activations: Tensor,
    units: Tensor,
    lambdas: Tensor,
    found: Tensor,
    fractions: Sequence[float],
    precision: str = "float32",
) -> Walk:
    """Decode images at fractions of their way and ask the whole network about the decoded pictures.

    Args:
        layer: whose activations are moved.
        activations, units: ``[N, C, h, w]``.
        lambdas, found: as :func:`search` gives.
        fractions: of ``λ``, from 0 to 1.
        precision: ``float32`` or ``bfloat16``; softmax in float64.
    """
    suffix, decoded, frames = [], [], []
    for fraction in fractions:
        with autocast(precision, activations.device):
            at = moved(layer.split, activations, units, fraction * lambdas)
            said = layer.split.suffix(at)
            shown, again = seen(layer, at)
        suffix.append(said.double().softmax(dim=1).cpu().numpy())
        decoded.append(again.double().softmax(dim=1).cpu().numpy())
        frames.append(shown.cpu())
    return Walk(
        lambdas.cpu().numpy(), found.cpu().numpy(), np.asarray(fractions, float),
        np.stack(suffix, axis=1), np.stack(decoded, axis=1), torch.stack(frames, dim=1),
    )  # fmt: skip


def counterfactuals(
    layer: DecodableLayer,
    activations: Tensor,
    directions: Sequence[Direction],
    target: int,
    *,
    stop: str = "suffix",
    fractions: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    probability: float = 0.5,
    limit: float = 1.0,
    precision: str = "float32",
    batch_size: int = 64,
) -> Walk:
    r"""Move images until they have another class, and decode them on the way.

    .. math:: \lambda_n = \min \{\lambda : p_c(a_n(\lambda)) \ge p\}, \qquad
              p_c = \mathrm{softmax}(f(a))_c \text{ or } \mathrm{softmax}(\mathrm{model}(D(a)))_c

    Args:
        layer: whose activations are moved.
        activations: ``[N, C, h, w]`` of the images, on the model's device.
        directions: one for each image.
        target: the class that is moved towards.
        stop: who has to give the class: ``suffix``, the rest of the network to the moved activations, or ``picture``,
            the whole network to the decoded picture.
        fractions: of the way at which pictures are decoded.
        probability: of the class at which the way ends.
        limit: longest way, relative to the length of the activations.
        precision: ``float32`` or ``bfloat16``.
        batch_size: images that are moved and decoded at once.

    Returns:
        Distances, and at every fraction of them decoded pictures and what both networks say.

    Raises:
        ConfigError: there is no such stop.
        LayerError: a direction belongs to another layer.
        ShapeError: a direction does not fit the activations.

    Source: latent shift (Cohen et al. 2021, arXiv 2102.09475), along any direction; lengths relative to the
    activations' are ours, so that directions of different origin can be compared.

    Example: see :func:`conceptrast.api.study.Study.counterfactual`, which takes a picture.
    """
    for name in dict.fromkeys(direction.layer for direction in directions):
        layer.decoder.check_layer(name)
    if stop not in STOPS:
        raise ConfigError(unknown_name("stop", stop, STOPS))
    ways = []
    for batch, units in zip(
        activations.split(batch_size), _units(activations, directions).split(batch_size), strict=True
    ):
        reached = (
            by_suffix(layer.split, batch, units, target, probability, precision)
            if stop == "suffix"
            else by_picture(layer, batch, units, target, probability, precision)
        )
        lambdas, found = search(reached, len(batch), limit, batch.device)
        ways.append(walk(layer, batch, units, lambdas, found, fractions, precision))
    return _together(ways)


def _together(ways: Sequence[Walk]) -> Walk:
    """The walks of several batches of images as one."""
    arrays = {
        name: np.concatenate([getattr(way, name) for way in ways]) for name in ("lambdas", "found", "suffix", "decoded")
    }
    return Walk(**arrays, fractions=ways[0].fractions, frames=torch.cat([way.frames for way in ways]))


def _units(activations: Tensor, directions: Sequence[Direction]) -> Tensor:
    shape = tuple(activations.shape[1:])
    return torch.stack([direction.unit(shape) for direction in directions]).to(activations)


def counterfactual_rows(
    images: Sequence[int], way: Walk, direction: Direction, pair: tuple[int, int], stop: str
) -> pd.DataFrame:
    """What is said of every image at every fraction of its way.

    Args:
        images: ids ``[N]``.
        way: of these images.
        direction: that the first of them took; its name tells chance from the others.
        pair: class that they are taken from, class that they are moved towards.
        stop: who ended the way.

    Returns:
        image, from_class, to_class, direction, origin, stop, baseline, found, fraction, lambda, p_from, p_to, predicted
        (by the rest of the network), p_from_decoded, p_to_decoded, predicted_decoded (the picture, by all of it).
    """
    count, steps = len(images), len(way.fractions)
    first, second = pair
    columns: dict[str, Any] = {
        "image": np.repeat(np.asarray(images), steps),
        "from_class": first,
        "to_class": second,
        "direction": direction.name,
        "origin": direction.origin,
        "stop": stop,
        "baseline": CHANCE if direction.name in RANDOM else "none",
        "found": np.repeat(way.found, steps),
        "fraction": np.tile(way.fractions, count),
        "lambda": (way.lambdas[:, None] * way.fractions).ravel(),
    }
    for said, ending in ((way.suffix, ""), (way.decoded, "_decoded")):
        columns |= {f"p_from{ending}": said[..., first].ravel(), f"p_to{ending}": said[..., second].ravel()}
        columns[f"predicted{ending}"] = said.argmax(axis=-1).ravel()
    return pd.DataFrame(columns)


def with_names(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Rows with the names of their classes: from_name, to_name.

    Example:
        >>> with_names(pd.DataFrame({"from_class": [1], "to_class": [0]}), ["cat", "dog"]).columns.tolist()
        ['from_class', 'from_name', 'to_class', 'to_name']
    """
    found = rows.copy()
    for end in ("from", "to"):
        found.insert(
            list(found).index(f"{end}_class") + 1, f"{end}_name", [names[each] for each in rows[f"{end}_class"]]
        )
    return found


def counterfactual_summary(rows: pd.DataFrame) -> pd.DataFrame:
    """How often the decoded picture changes its class: per pair, direction, stop and baseline, and over all pairs.

    Args:
        rows: as :func:`counterfactual_rows` gives, with names, status and reason; a pair that was skipped, or one
            direction of a pair, has one row.

    Returns:
        from_class, from_name, to_class, to_name (:data:`ALL` and ``all``: all pairs), direction, stop, baseline,
        n_images, n_kept (images whose decoded start has the class that the model gives the image), lambda_median, found
        (share that reach the class within the limit, by what stops them), changed (share of the kept whose decoded end
        has another class), low, high (95 % Wilson interval), reached (share of the kept whose decoded end has the class
        moved towards), p_to_before, p_to_after (means over the kept, decoded), status, reason.
    """
    skipped = rows[rows["status"] == "skipped"]
    skipped = skipped[[name for name in (*PAIR, "direction", "status", "reason") if name in skipped]]
    if len(skipped) == len(rows):
        return skipped.reset_index(drop=True)
    ends = _ends(rows[rows["status"] == "ok"])
    ends = pd.concat([ends, ends.assign(from_class=ALL, from_name="all", to_class=ALL, to_name="all")])
    keys = [*PAIR, "direction", "stop", "baseline"]
    found = [dict(zip(keys, key, strict=True)) | _summary(group) for key, group in ends.groupby(keys, sort=False)]
    return pd.DataFrame([*found, *skipped.to_dict("records")])


def _ends(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for every image's way: its start beside its end."""
    keys = ["image", *PAIR, "direction", "stop", "baseline"]
    start, end = (rows[rows["fraction"] == at] for at in (0, 1))
    found = start.merge(end, on=keys, suffixes=("_start", ""), validate="1:1")
    kept = found["predicted_decoded_start"] == found["predicted_start"]
    changed = found["predicted_decoded"] != found["predicted_decoded_start"]
    return found.assign(kept=kept, changed=changed, reached=found["predicted_decoded"] == found["to_class"])


def _summary(group: pd.DataFrame) -> dict[str, Any]:
    kept = group[group["kept"]]
    row: dict[str, Any] = {
        "n_images": len(group),
        "n_kept": len(kept),
        "lambda_median": float(group["lambda"].median()),
        "found": float(group["found"].mean()),
    }
    if kept.empty:
        return row | {"status": "skipped", "reason": WEAK}
    changed = int(kept["changed"].sum())
    low, high = wilson_interval(changed, len(kept))
    row |= {"changed": changed / len(kept), "low": low, "high": high, "reached": float(kept["reached"].mean())}
    row |= {"p_to_before": float(kept["p_to_decoded_start"].mean()), "p_to_after": float(kept["p_to_decoded"].mean())}
    return row | {"status": "ok", "reason": ""}
