"""What does a layer hold of pictures? Their concepts by Deep Feature Factorization, and the classes they speak for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from conceptrast.api.evidence import Evidence
from conceptrast.api.result import Result
from conceptrast.base.progress import counted
from conceptrast.dff.factorized_pictures import FactorizedPictures, PictureCaptions, factorized_pictures
from conceptrast.dff.picture_groups import FactorizationOptions
from conceptrast.figures.dff import dff_sheet, draw_dff
from conceptrast.models.pictures import Pictures


@dataclass(frozen=True, repr=False)
class Factorization(FactorizedPictures, Result):
    """What a layer holds of pictures: the answer of :meth:`Study.dff <conceptrast.api.study.Study.dff>`."""

    palette = False
    __repr__ = Result.__repr__

    def plot(self, number: int = 0) -> Figure:
        """The concepts over the pictures, as the workflow draws them.

        Args:
            number: the number of the picture, from 0, where each was factorized by itself.

        Raises:
            ConfigError: there is no such picture.
        """
        return draw_dff(dff_sheet(self.view(number)))


def factorize(evidence: Evidence, pictures: Pictures, components: Sequence[int], shared: bool) -> Factorization:
    """Find the concepts that a layer holds of pictures, and which classes each of them speaks for.

    Args:
        evidence: the evidence of the study.
        pictures: all of them are in memory.
        components: numbers of concepts.
        shared: whether the pictures share their concepts, or each has its own.

    Raises:
        LayerError: the layer's activations have no positions.
        ConfigError: a number of concepts that is not possible.
    """
    names = pictures.table["path"].astype(str).tolist()
    labels = [Path(name).stem for name in names]
    plain = factorized_pictures(
        pictures,
        pictures.table["image"].to_numpy(np.int64),
        evidence.layer,
        captions=PictureCaptions(names=names, labels=labels, title=counted(len(names), "pictures")),
        options=FactorizationOptions(
            n_components=components,
            shared=shared,
            seed=evidence.options.seed,
            precision=evidence.options.precision,
        ),
    )
    return Factorization(**{field.name: getattr(plain, field.name) for field in fields(plain)})
