"""A new picture, seen with the components of a class: where each is, how much it matters here, and does it fit?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from PIL import Image

from conceptrast.api.components import ClassFactorization
from conceptrast.api.evidence import Evidence
from conceptrast.api.result import Result
from conceptrast.base.progress import counted
from conceptrast.concepts.component_removal import ClassSuffix, ComponentParts, channel_weights
from conceptrast.concepts.outliers import OutlierReference, outlier_reference
from conceptrast.concepts.removals import picture_importance
from conceptrast.concepts.verdict_error import FEW_IMAGES
from conceptrast.data.decoding import open_rgb
from conceptrast.data.view_pixels import pixels
from conceptrast.figures.application import ComponentInPicture, draw_application
from conceptrast.models.inference import autocast, device_of, network_input
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel

UNLIKE = 0.95
"""From this quantile on, the text says that the picture is unlike those of the class."""


@dataclass(frozen=True, repr=False)
class Application(Result):
    """The components of a class in a new picture: the answer of
    :meth:`Explanation.apply <conceptrast.api.explanation.Explanation.apply>`.

    Attributes:
        name: the file, or ``picture``.
        class_name: the class.
        layer: the layer where the model was looked into.
        view: ``[H, W, 3]`` uint8, the picture as the model sees it.
        predicted: the class that the model names.
        probability: of the class that the components are of.
        maps: ``[k, h, w]``, the codes of the components.
        rows: component, strength (mean code), logit_drop and p_drop (what the class loses without it, here),
            logit_drop_random (without as much activation that chance chooses).
        quantile: by components of one half of the class's images, the share of the other half that is less unlike the
            class than this picture; not a number if the class has too few images.
        n_compared: the number of these images.
    """

    name: str
    class_name: str
    layer: str
    view: np.ndarray
    predicted: str
    probability: float
    maps: np.ndarray
    rows: pd.DataFrame
    quantile: float
    n_compared: int

    def table(self) -> pd.DataFrame:
        """:attr:`rows`, the most important component first, with the picture, the class and the quantile."""
        facts = {"picture": self.name, "class_name": self.class_name, "layer": self.layer, "predicted": self.predicted}
        table = self.rows.sort_values("logit_drop", ascending=False, kind="stable").reset_index(drop=True)
        table = table.assign(**facts, probability=self.probability, outlier_quantile=self.quantile)
        return table[[*facts, "probability", "outlier_quantile", *self.rows.columns]]

    def plot(self) -> Figure:
        """The picture, and where each component is, the most important first."""
        rows = self.table().to_dict("records")
        parts = [
            ComponentInPicture(int(row["component"]), self.maps[int(row["component"])], float(row["logit_drop"]))
            for row in rows
        ]
        answer = f"{self.predicted}, p({self.class_name}) = {self.probability:.2f}"
        title = f"{self.name}: {self.class_name} at {self.layer}"
        return draw_application(self.view, parts, title, answer=answer, fit=self._fit())

    def _fit(self) -> str:
        if not self.n_compared:
            return "the class has too few images to say whether this picture is like them"
        unlike = self.quantile >= UNLIKE and self.n_compared >= FEW_IMAGES // 2
        words = "unlike the images of the class: " if unlike else ""
        others = counted(self.n_compared, "other images of the class")
        return f"{words}{100 * self.quantile:.0f} % of {others} fit better"

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.predicted}, p({self.class_name}) = {self.probability:.2f}"]
        for row in self.table().head(3).to_dict("records"):
            lines.append(f"  without component {row['component'] + 1} the logit loses {row['logit_drop']:.2f}")
        lines.append(f"  {self._fit()}")
        return "\n".join(lines)


@dataclass(frozen=True, repr=False)
class Applicable:
    """What a new picture is looked at with.

    Args:
        model: the model.
        split: the model, cut at the layer.
        components: the components of the class.
        reference: what says whether a picture fits.
        target: class index.
        precision: ``float32`` or ``bfloat16``.
        seed: the seed of what chance takes out.
    """

    model: Model
    split: SplitModel
    components: ComponentParts
    reference: OutlierReference | None
    target: int
    precision: str
    seed: int

    @classmethod
    def of(cls, evidence: Evidence, of_class: ClassFactorization) -> Applicable:
        """The components of a class, and the halves of its images."""
        attribution = of_class.attribution
        batches = [values for _, values in evidence.activations(attribution["image"], "")]
        return cls(
            model=evidence.model,
            split=evidence.split,
            components=ComponentParts(of_class.components, channel_weights(attribution, of_class.recipe.weighting)),
            reference=outlier_reference(
                torch.cat(batches),
                attribution,
                of_class.recipe,
                target=of_class.target,
                seed=evidence.options.seed,
            ),
            target=of_class.target,
            precision=evidence.options.precision,
            seed=evidence.options.seed,
        )

    def apply(self, picture: Image.Image | Path | str) -> Application:
        """Look at a picture, see :meth:`Explanation.apply <conceptrast.api.explanation.Explanation.apply>`."""
        # The picture, and what the model says of it.
        model = self.model
        split = self.split.complete
        name = "picture" if isinstance(picture, Image.Image) else str(picture)
        view = model.preprocess.view(picture if isinstance(picture, Image.Image) else open_rgb(picture))
        with torch.inference_mode(), autocast(self.precision, device_of(model)):
            complete = split.prefix(network_input(model, view[None])).float()
            probabilities = split.suffix(complete).float().softmax(dim=1)[0].cpu()
        activations = split.patches(complete)[0].cpu()
        # Its components.
        codes = self.components.codes(activations[None])[0]
        suffix = ClassSuffix(self.split, self.target, precision=self.precision)
        suffix = suffix.with_class_tokens(split.class_tokens_of(complete))
        importance = picture_importance(suffix, activations, self.components, codes=codes, seed=self.seed)
        rows = pd.DataFrame(
            {
                "component": np.arange(len(codes)),
                "strength": codes.mean(dim=(1, 2)).numpy(),
                "logit_drop": importance.logit_drop,
                "p_drop": importance.p_drop,
                "logit_drop_random": importance.logit_drop_random,
            }
        )
        return Application(
            name=name,
            class_name=model.class_names[self.target],
            layer=self.split.layer,
            view=pixels(view),
            predicted=model.class_names[int(probabilities.argmax())],
            probability=float(probabilities[self.target]),
            maps=codes.numpy(),
            rows=rows,
            quantile=float("nan") if self.reference is None else self.reference.quantile(activations),
            n_compared=0 if self.reference is None else len(self.reference.scores),
        )
