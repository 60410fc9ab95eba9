"""How much does each concept of a class matter, and how much do all of them carry?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from conceptrast.api.components import ClassFactorization
from conceptrast.api.evidence import Evidence
from conceptrast.api.result import Result
from conceptrast.concepts.fidelity import fidelity_table, mean_curves, reconstruction_table
from conceptrast.concepts.importance import importance_table
from conceptrast.concepts.removals import RemovalOptions, Removals, removal_images, study_components, study_removals
from conceptrast.figures.component_bars import draw_component_bars
from conceptrast.figures.fidelity import draw_fidelity
from conceptrast.models.activations import activations_of


@dataclass(frozen=True, repr=False)
class Importance(Result):
    """What a class loses without each concept: the answer of
    :meth:`Study.importance <conceptrast.api.study.Study.importance>`.

    Attributes:
        class_name: the class.
        layer: the layer where the model was looked into.
        images: of each image and component, see :data:`~conceptrast.concepts.importance.IMPORTANCE_COLUMNS`.
        means: as :func:`~conceptrast.concepts.importance.importance_table` gives.
    """

    class_name: str
    layer: str
    images: pd.DataFrame
    means: pd.DataFrame

    def plot(self) -> Figure:
        """A bar for each concept, the most important first."""
        rows = self.table()
        shares = [f"{100 * share:.0f} % of the whole" if pd.notna(share) else "" for share in rows["share"]]
        bars = rows.assign(value=rows["logit_drop"], chance=rows["logit_drop_random"], words=shares)
        n = int(rows["n_images"].iloc[0])
        note = f"mean over {n} image{'s' * (n != 1)}; dotted: as much activation taken out at random"
        title = f"{self.class_name} at {self.layer}: importance"
        return draw_component_bars(bars, title, note, "what the logit loses without the component")

    def table(self) -> pd.DataFrame:
        """:attr:`means`, the most important component first."""
        return self.means.sort_values("rank").reset_index(drop=True)

    def __str__(self) -> str:
        lines = [f"{self.class_name} at {self.layer}: what its logit ({self.means['logit'].iloc[0]:.1f}) loses"]
        for row in self.table().to_dict("records"):
            share = f", {100 * row['share']:.0f} %" if pd.notna(row["share"]) else ""
            interval = f"{row['low']:.2f} to {row['high']:.2f}"
            lines.append(f"  without component {row['component'] + 1}: {row['logit_drop']:.2f} ({interval}){share}")
        return "\n".join(lines)


@dataclass(frozen=True, repr=False)
class Fidelity(Result):
    """What is left of a class without its concepts: the answer of
    :meth:`Study.fidelity <conceptrast.api.study.Study.fidelity>`.

    Attributes:
        class_name: the class.
        layer: the layer where the model was looked into.
        curves: of each image, see :data:`~conceptrast.concepts.fidelity.CURVE_COLUMNS`.
        reconstructed: as :func:`~conceptrast.concepts.fidelity.reconstruction_table` gives.
    """

    class_name: str
    layer: str
    curves: pd.DataFrame
    reconstructed: pd.DataFrame

    def plot(self) -> Figure:
        """The curves of C-deletion and C-insertion."""
        return draw_fidelity(mean_curves(self.curves), f"{self.class_name} at {self.layer}")

    def table(self) -> pd.DataFrame:
        """Areas under the curves, beside random orders: see :func:`~conceptrast.concepts.fidelity.fidelity_table`."""
        return fidelity_table(self.curves)

    def __str__(self) -> str:
        facts = self.reconstructed.iloc[0]
        whole = f"{facts['accuracy_before']:.2f} as they are, {facts['accuracy']:.2f} made of components alone"
        lines = [f"{self.class_name} at {self.layer}: share of {facts['n_images']} images named so: {whole}"]
        for row in self.table().to_dict("records"):
            order = "by importance" if row["baseline"] == "none" else "in random orders"
            rest = "components alone" if row["rest"] == "left_out" else "with the rest"
            areas = f"deletion {row['deletion']:.2f}, insertion {row['insertion']:.2f}"
            lines.append(f"  {rest}, {order}: {areas}")
        return "\n".join(lines)


def take_out(evidence: Evidence, of_class: ClassFactorization, options: RemovalOptions) -> Removals:
    """Take the components of a class out of its images.

    Args:
        evidence: the evidence of the study.
        of_class: the class's factorization.
        options: how they are taken out.
    """
    target = of_class.target
    of_images = of_class.attribution["image"]
    images = removal_images(of_images, target, options)
    # The class's images in their batches: these activations are kept.
    pictures = evidence.pictures.of(of_images, "taking components out")
    batches = activations_of(evidence.model, evidence.split.complete, pictures, evidence.options.precision)
    activations = torch.cat([values for _, values in batches])[np.isin(of_images, images)]
    return study_removals(
        [(target, images, activations)],
        {of_class.recipe.name: study_components(of_class.sets, of_class.attribution, of_class.recipe)},
        evidence.split,
        options,
        class_names=evidence.model.class_names,
        precision=evidence.options.precision,
        batch_size=evidence.options.batch_size,
    )


def image_importance(evidence: Evidence, of_class: ClassFactorization, options: RemovalOptions) -> pd.DataFrame:
    """Importance of each component in each image, computed once for the same options."""
    key = ("importance", of_class.target, of_class.recipe.factors, options)
    return evidence.table(key, lambda: take_out(evidence, of_class, options).importance).assign(
        recipe=of_class.recipe.name
    )


def importance(evidence: Evidence, of_class: ClassFactorization, options: RemovalOptions) -> Importance:
    """The answer of the study, see :func:`take_out`."""
    images = image_importance(evidence, of_class, options)
    name = evidence.model.class_names[of_class.target]
    return Importance(class_name=name, layer=evidence.layer, images=images, means=importance_table(images))


def fidelity(evidence: Evidence, of_class: ClassFactorization, options: RemovalOptions) -> Fidelity:
    """The answer of the study, see :func:`take_out`."""
    removals = take_out(evidence, of_class, options)
    return Fidelity(
        class_name=evidence.model.class_names[of_class.target],
        layer=evidence.layer,
        curves=removals.curves,
        reconstructed=reconstruction_table(removals.answers),
    )
