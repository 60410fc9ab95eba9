"""What the steps that decode a study's concepts and edits open beside its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import read_arrays, read_table
from conceptrast.concepts.attributed_images import read_attributions
from conceptrast.contrast.hyperplane_shards import Planes
from conceptrast.contrast.pairs import Pair
from conceptrast.counterfactual.study_knowledge import class_components
from conceptrast.counterfactual.swap import ClassComponents, Windows
from conceptrast.steps.opening import PictureInputs


@dataclass(frozen=True, kw_only=True)
class DecodedStudyInputs(PictureInputs):
    """Also the predictions, the decoder, the study's components, hyperplanes and concepts, and what is known.

    Args:
        predictions: what the model says of the pictures.
        decoder: decoder of the study's layer.
        components: components of all classes, as arrays.
        attribution: attributions of all shards.
        hyperplanes: hyperplanes of all shards; none if the study fits none.
        ace: concept vectors; ``None`` if the study looks for none.
        truth: what lies where in the pictures; ``None`` if that is not known.
    """

    predictions: Path
    decoder: Path
    components: Path
    attribution: list[Path]
    hyperplanes: list[Path]
    ace: Path | None = None
    truth: Path | None = None

    def read_components(self, settings: Mapping[str, Any]) -> dict[int, ClassComponents]:
        """The components of every class. Settings: components, weighting, pooling."""
        return class_components(
            read_arrays(self.components),
            name=settings["components"],
            attribution=read_attributions(self.attribution),
            weighting=settings["weighting"],
            windows=Windows(**settings["pooling"]),
        )

    def read_planes(self, settings: Mapping[str, Any], pairs: Sequence[Pair]) -> Planes | None:
        """The hyperplanes of some pairs, if the study fits any. Settings: hyperplane."""
        return Planes(self.hyperplanes, settings["hyperplane"], list(pairs)) if self.hyperplanes else None

    def read_truth(self) -> pd.DataFrame | None:
        """What lies where, if that is known."""
        return None if self.truth is None else read_table(self.truth)
