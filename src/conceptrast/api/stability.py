"""Do the concepts of a class come back in redrawn images?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from conceptrast.api.components import ClassFactorization
from conceptrast.api.evidence import Evidence
from conceptrast.api.result import Result
from conceptrast.concepts.stability import CardComponents, comes_back, stability_rows, stability_table
from conceptrast.concepts.stability_samples import Fitting, Redraws, class_samples, sample_components
from conceptrast.figures.component_bars import draw_component_bars


@dataclass(frozen=True, repr=False)
class Stability(Result):
    """Whether the concepts of a class come back in redrawn images: the answer of
    :meth:`Study.stability <conceptrast.api.study.Study.stability>`.

    Attributes:
        class_name: the class.
        layer: the layer where the model was looked into.
        samples: of each sample and component, see :data:`~conceptrast.concepts.stability.COLUMNS`.
        components: of each component, as :func:`~conceptrast.concepts.stability.comes_back` gives; no rows if the class
            has one image.
    """

    class_name: str
    layer: str
    samples: pd.DataFrame
    components: pd.DataFrame

    @property
    def reason(self) -> str:
        """Why nothing is known; empty if something is."""
        return "" if len(self.components) else str(self.samples["reason"].iloc[0])

    def plot(self) -> Figure:
        """A bar for each concept."""
        tested = self.samples[self.samples["status"] == "ok"]
        cosines = tested.astype({"cosine": float}).groupby("component")["cosine"]
        words = ["comes back" if returns else "not in redrawn images" for returns in self.components["returns"]]
        bars = self.components[["component"]].assign(value=self.components["cosine"].astype(float), words=words)
        ends = cosines.agg(low="min", high="max").reset_index()
        note = self.reason or "cosine with the match in redrawn images; line: lowest to highest of all samples"
        title = f"{self.class_name} at {self.layer}: stability"
        return draw_component_bars(bars.merge(ends, on="component").assign(chance=np.nan), title, note, "cosine")

    def table(self) -> pd.DataFrame:
        """Means of the halves and of the draws: see :func:`~conceptrast.concepts.stability.stability_table`."""
        table = stability_table(self.samples)
        return table[table["class_name"] == self.class_name].reset_index(drop=True)

    def __str__(self) -> str:
        lines = [f"{self.class_name} at {self.layer}: do its components come back in redrawn images?"]
        if self.reason:
            lines.append(f"  not known: {self.reason}")
        for row in self.components.to_dict("records"):
            answer = "yes" if row["returns"] else "no"
            back = f"cosine {row['cosine']:.2f}, {100 * row['back']:.0f} % of samples"
            lines.append(f"  component {row['component'] + 1}: {answer} ({back})")
        return "\n".join(lines)


def match_samples(evidence: Evidence, of_class: ClassFactorization, draws: int) -> pd.DataFrame:
    """Factorize other images of a class, and match its components with theirs; computed once.

    Args:
        evidence: the evidence of the study.
        of_class: the class's factorization.
        draws: draws of other pictures; 0: both halves of its own alone.

    Returns:
        :data:`~conceptrast.concepts.stability.COLUMNS`. There is no chance row: only this class is factorized.
    """
    key = ("stability", of_class.target, of_class.recipe.factors, draws)
    return evidence.table(key, lambda: _match_samples(evidence, of_class, draws)).assign(recipe=of_class.recipe.name)


def _match_samples(evidence: Evidence, of_class: ClassFactorization, draws: int) -> pd.DataFrame:
    options = evidence.options
    redraws = Redraws(
        attribution={"method": options.attribution, "samples": options.samples, "noise": options.noise},
        draws=draws,
        seed=options.seed,
        precision=options.precision,
        batch_size=options.batch_size,
    )
    recipe = of_class.recipe
    fitting = Fitting([recipe.factors], options.seed, options.rectify)
    pictures = evidence.pictures
    classes = class_samples(
        pictures,
        evidence.layer,
        of_class.attribution,
        evidence.predictions,
        targets=[of_class.target],
        redraws=redraws,
    )
    components = sample_components(pictures, evidence.split, classes, fitting, precision=options.precision)
    card = CardComponents.of(of_class.sets, [recipe.factors])
    names = evidence.model.class_names
    return stability_rows(card, components, classes, [recipe], class_names=names, seed=options.seed)


def stability(evidence: Evidence, of_class: ClassFactorization, draws: int) -> Stability:
    """The answer of the study, see :func:`match_samples`."""
    samples = match_samples(evidence, of_class, draws)
    return Stability(
        class_name=evidence.model.class_names[of_class.target],
        layer=evidence.layer,
        samples=samples,
        components=comes_back(samples),
    )
