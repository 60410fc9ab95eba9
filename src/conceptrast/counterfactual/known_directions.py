"""The directions that the other parts of a study have found: hyperplanes, components and concept vectors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from conceptrast.ace.cav_arrays import strongest_cav
from conceptrast.contrast.hyperplane_shards import Planes
from conceptrast.contrast.pairs import Pair, skipped_rows
from conceptrast.counterfactual.direction_kinds import DIRECTION_KINDS
from conceptrast.counterfactual.directions import Direction
from conceptrast.counterfactual.pair_counterfactuals import PairCounterfactuals
from conceptrast.counterfactual.pair_directions import (
    PairVectors,
    components_of,
    directions_towards,
    missing_directions,
)


@dataclass(frozen=True, kw_only=True)
class KnownDirections:
    """The directions of a study.

    Args:
        planes: the hyperplanes of the study's pairs; ``None`` if the study fits none.
        components: the components of the study's classes, as arrays by name.
        components_name: the name of the array with the components to move along.
        cavs: the concept vectors of the study's classes; ``None`` if the study looks for none.
    """

    planes: Planes | None
    components: Mapping[str, np.ndarray]
    components_name: str
    cavs: Mapping[str, np.ndarray] | None

    def towards(self, counterfactuals: PairCounterfactuals) -> dict[str, list[Direction]]:
        """Every known kind of direction for a pair, with one direction for each image that is moved."""
        second = counterfactuals.pair[1]
        vectors = PairVectors(
            plane=None if self.planes is None else self.planes.get(counterfactuals.pair),
            components=components_of(self.components, self.components_name, second),
            cav=None if self.cavs is None else strongest_cav(self.cavs, second),
        )
        return directions_towards(
            counterfactuals.layer,
            counterfactuals.activations,
            counterfactuals.pair,
            vectors,
            precision=counterfactuals.options.precision,
            batch_size=counterfactuals.options.batch_size,
        )

    def missing(self, directions: Collection[str], pair: Pair) -> list[pd.DataFrame]:
        """A row for each kind of direction that could exist but is missing for a pair, with the reason."""
        without = {"hyperplane": self.planes is None, "cav": self.cavs is None}
        kinds = [kind for kind in DIRECTION_KINDS if not without.get(kind, False)]
        why_no_plane = None if self.planes is None else self.planes.skipped.get(pair)
        reasons = missing_directions(directions, kinds, why_no_plane)
        return [skipped_rows({pair: reason}).assign(direction=kind) for kind, reason in reasons.items()]
