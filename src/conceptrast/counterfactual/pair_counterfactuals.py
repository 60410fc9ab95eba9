"""The counterfactuals of one pair of classes: by every edit and random ones, to both stops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from torch import Tensor

from conceptrast.base.progress import counted, progress
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.edit_kinds import EDIT_KINDS, STOPS
from conceptrast.counterfactual.edits import Edit
from conceptrast.counterfactual.pair_edits import TRANSPLANT, PairEdits
from conceptrast.counterfactual.pasted_cells import PASTED, PairViews, PastedCells, pasted_cells, pasted_walk
from conceptrast.counterfactual.search import DEFAULTS, SearchOptions, Walk, counterfactuals, walks_of_length
from conceptrast.counterfactual.story import Story, story_of
from conceptrast.counterfactual.table import Box, counterfactual_rows


@dataclass(frozen=True)
class PairCounterfactuals:
    """Pictures of A, and how they are moved towards B.

    Args:
        layer: the layer whose activations are edited, and the one that is decoded, in their form for inference.
        images: the ids ``[N]`` of the pictures.
        activations: ``[N, C, h, w]``, on the model's device.
        pair: A and B.
        options: how pictures are moved, and how far.
        boxes: by id, where the picture holds what tells A from B, if that is known.
        views: what the model sees of the pictures and of those of B; without them no cells are pasted.
        seed: the seed of random edits.
    """

    layer: DecodableLayer
    images: np.ndarray
    activations: Tensor
    pair: tuple[int, int]
    options: SearchOptions = DEFAULTS
    boxes: Mapping[int, Box] = field(default_factory=dict)
    views: PairViews | None = None
    seed: int = 0

    def rows(self, edits: PairEdits) -> pd.DataFrame:
        """What all networks say on every way, by edit and stop, beside random edits of the same place.

        Args:
            edits: the edits of the pictures.

        Returns:
            The rows of :func:`~conceptrast.counterfactual.table.counterfactual_rows`.
        """
        kinds = list(edits.edits)
        first, second = (self.layer.model.class_names[target] for target in self.pair)
        what = f"moving {counted(len(self.images), 'pictures')} of {first} towards {second}"
        parts = []
        for stop in progress(STOPS, what, len(STOPS), "stops"):
            walks = counterfactuals(
                self.layer,
                self.activations,
                [edits.edits[name] for name in kinds],
                self.pair[1],
                stop=stop,
                options=self.options,
            )
            chance = walks_of_length(
                self.layer,
                self.activations,
                [edits.twins[name] for name in kinds],
                [walk.done for walk in walks],
                fractions=(0.0, 1.0),
                options=self.options,
            )
            for name, walk, twin in zip(kinds, walks, chance, strict=True):
                ended = twin.judged(stop, self.pair[1], self.options.probability)
                parts += [
                    self._rows(walk, edits.edits[name][0], stop, is_random=False),
                    self._rows(ended, edits.twins[name][0], stop, is_random=True),
                ]
                if name == TRANSPLANT:
                    parts += self._pasted_rows(edits, stop, walk.cells[:, -1] if stop == "suffix" else None)
        return pd.concat(parts, ignore_index=True)

    def _pasted_rows(self, edits: PairEdits, stop: str, cells: np.ndarray | None) -> list[pd.DataFrame]:
        """What the networks say where so many cells are pasted, or as few as it takes; as many of the random twins."""
        pasted, twins = self._pasted(edits)
        if not pasted:
            return []
        walk = pasted_walk(self.layer, pasted, self.pair[1], cells=cells, options=self.options)
        parts = [self._rows(walk, pasted[0].edit, stop, is_random=False)]
        if twins:
            chance = pasted_walk(self.layer, twins, self.pair[1], cells=walk.cells[:, -1], options=self.options)
            parts.append(self._rows(chance, twins[0].edit, stop, is_random=True))
        return parts

    def _pasted(self, edits: PairEdits) -> tuple[list[PastedCells], list[PastedCells]]:
        if self.views is None:
            return [], []
        return pasted_cells(edits, self.views, self.images.tolist(), self.seed)

    def _rows(self, walk: Walk, edit: Edit, stop: str, *, is_random: bool) -> pd.DataFrame:
        return counterfactual_rows(
            self.images.tolist(),
            walk,
            edit=edit,
            pair=self.pair,
            stop=stop,
            is_random=is_random,
            boxes=self.boxes,
        )

    def stories(
        self, edits: PairEdits, image: int, view: np.ndarray, frames: int, *, recognised: bool = True
    ) -> list[Story]:
        """The way of one picture by every edit, until the model names the picture B.

        Args:
            edits: the edits of the pictures.
            image: the id of the picture.
            view: ``[H, W, 3]`` uint8, the picture.
            frames: the number of pictures on the way.
            recognised: whether the model recognises the class in the decoded start; if not, nothing decoded is shown.
        """
        place = self.images.tolist().index(image)
        steps = np.linspace(0, 1, frames).tolist()
        stories = []
        for one in self._pasted(edits)[0][place : place + 1]:
            walk = pasted_walk(self.layer, [one], self.pair[1], fractions=steps, options=self.options)
            stories.append(story_of(walk, one.edit, view, self.pair))
        kinds = [[of_pictures[place]] for of_pictures in edits.edits.values()]
        if recognised and kinds:
            walks = counterfactuals(
                self.layer,
                self.activations[place : place + 1],
                kinds,
                self.pair[1],
                stop="picture",
                fractions=steps,
                options=self.options,
            )
            stories += [story_of(walk, edit, view, self.pair) for walk, [edit] in zip(walks, kinds, strict=True)]
        return sorted(stories, key=lambda story: list(EDIT_KINDS).index(story.edit.kind))


def recognised_images(rows: pd.DataFrame) -> np.ndarray:
    """The pictures whose decoded start has the class of the picture: of others, nothing can be shown.

    Args:
        rows: the rows of one pair, as :meth:`PairCounterfactuals.rows` gives.

    Example:
        >>> rows = pd.DataFrame({"image": [4, 5], "edit": "swap", "fraction": 0.0, "predicted": [1, 1],
        ...     "predicted_decoded": [1, 0]})
        >>> recognised_images(rows)
        array([4])
    """
    starts = rows[(rows["fraction"] == 0) & (rows["edit"] != PASTED[0])]
    kept: np.ndarray = starts.loc[starts["predicted_decoded"] == starts["predicted"], "image"].unique()
    return kept


def example_image(rows: pd.DataFrame) -> int:
    """The picture for the figures: by its mean way over all edits, neither the easiest nor the hardest.

    Args:
        rows: the rows of one pair, as :meth:`PairCounterfactuals.rows` gives.

    Example:
        >>> rows = pd.DataFrame({"image": [4, 5, 6], "baseline": "none", "stop": "picture", "fraction": 1.0,
        ...     "done": [0.2, 0.7, 0.5]})
        >>> example_image(rows)
        6
    """
    ends = rows[(rows["baseline"] == "none") & (rows["stop"] == "picture") & (rows["fraction"] == 1)]
    ways = ends.groupby("image")["done"].mean().sort_values(kind="stable")
    return int(ways.index[(len(ways) - 1) // 2])
