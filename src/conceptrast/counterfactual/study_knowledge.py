"""What a study knows of the ways between its classes: hyperplanes, components, concept vectors, and other pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.ace.cav_arrays import strongest_cav
from conceptrast.ace.tcav import fit_cavs
from conceptrast.base.streams import Stream, generator
from conceptrast.concepts.attributed_images import weighing
from conceptrast.concepts.component_removal import channel_weights
from conceptrast.contrast.hyperplane_shards import Planes
from conceptrast.contrast.pairs import Pair
from conceptrast.counterfactual.pair_edits import Name, PairKnowledge, without
from conceptrast.counterfactual.swap import ClassComponents, Windows
from conceptrast.models.injection import LayerValues

OTHERS = 20
"""Pictures of neither class, from which random transplants and swaps are made."""
DONORS = 20
"""Pictures of the second class whose cells may be transplanted, at most."""
FEWEST_EXAMPLES = 2
"""Pictures on either side that a concept vector of a class needs."""
NO_CLASS_CAV = "a concept vector of the second class needs two pictures of it and two others"


@dataclass(frozen=True, kw_only=True)
class StudyKnowledge:
    """The results of a study that edits are made of.

    Args:
        planes: the hyperplanes of the study's pairs; ``None`` if the study fits none.
        components: by class, the components to swap and to move along.
        cavs: the concept vectors of the study's classes; ``None`` if the study looks for none.
        donors: by class, activations ``[D, C, h, w]`` of pictures that the model gives the class, and what goes around
            the edited layer in them.
        others: activations ``[O, C, h, w]`` of drawn pictures of all classes.
        predicted: the class that the model gives each of the others ``[O]``.
        elsewhere: why hyperplanes, components and concept vectors cannot be used, if another layer is edited than the
            study's; then a concept vector of the class itself stands in for those of its concepts.
    """

    planes: Planes | None
    components: Mapping[int, ClassComponents]
    cavs: Mapping[str, np.ndarray] | None
    donors: Mapping[int, LayerValues]
    others: Tensor
    predicted: np.ndarray
    elsewhere: str = ""

    def of_pair(self, pair: Pair) -> PairKnowledge:
        """What is known of the way from the first class to the second."""
        first, second = pair
        both = (self.components.get(first), self.components.get(second))
        neither = ~np.isin(self.predicted, pair)
        pictures = PairKnowledge(
            donors=self.donors.get(second),
            others=self.others[torch.from_numpy(neither)] if neither.any() else None,
        )
        if self.elsewhere:
            return replace(pictures, cav=self._class_cav(second))
        return replace(
            pictures,
            plane=None if self.planes is None else self.planes.get(pair),
            components=None if both[0] is None or both[1] is None else (both[0], both[1]),
            cav=None if self.cavs is None else strongest_cav(self.cavs, second),
        )

    def _class_cav(self, target: int) -> tuple[str, np.ndarray] | None:
        """The concept vector of a class: its pictures are the examples, and those of other classes the random ones."""
        others = self.others[torch.from_numpy(self.predicted != target)]
        if target not in self.donors or min(len(self.donors[target].activations), len(others)) < FEWEST_EXAMPLES:
            return None
        examples = (self.donors[target].activations, others)
        means = [values.float().mean(dim=(2, 3))[None].cpu().numpy() for values in examples]
        [vector] = fit_cavs(*means).vectors
        return ("its pictures against others", vector) if vector.any() else None

    def reasons(self, missing: Mapping[Name, str], pair: Pair) -> dict[Name, str]:
        """Why edits of a pair are missing, without those that the study does not look for.

        Args:
            missing: the reasons by kind and direction, from what the pair alone shows.
            pair: the pair, whose hyperplane may have a reason of its own.
        """
        unknown = [name for name, source in (("hyperplane", self.planes), ("cav", self.cavs)) if source is None]
        if self.elsewhere:
            reasons = without(missing, set(unknown) - {"cav"})
            reasons |= {name: self.elsewhere for name in reasons if name[1] in ("hyperplane", "component")}
            if self._class_cav(pair[1]) is None:
                reasons |= {name: NO_CLASS_CAV for name in reasons if name[1] == "cav"}
            return reasons
        reasons = without(missing, unknown)
        why = None if self.planes is None else self.planes.skipped.get(pair)
        if why:
            reasons |= {name: why for name in reasons if name[1] == "hyperplane"}
        return reasons


def class_components(
    sets: Mapping[str, np.ndarray], name: str, attribution: Mapping[str, np.ndarray], weighting: str, windows: Windows
) -> dict[int, ClassComponents]:
    """The components of every class, with the weights of the class's channels.

    Args:
        sets: classes ``[K]`` and, by name, ``[K, k, C]``.
        name: the name of the array.
        attribution: target ``[M]``, rectified, multiplier and linear_share of the attributed images.
        weighting: ``channel``, ``position`` or ``auto``. Weights of positions belong to a picture and not to a
            class, so pictures that were not attributed are looked at without weights.
        windows: whose means were factorized.

    Example:
        >>> sets = {"classes": np.array([4]), "components_position_k1": np.ones((1, 1, 2), np.float32)}
        >>> class_components(sets, "components_position_k1", {}, "position", Windows())[4].weights
        array([1., 1.])
    """
    components = {}
    for number, target in enumerate(sets["classes"].tolist()):
        vectors = sets[name][number]
        weights = np.ones(vectors.shape[1])
        if weighting != "position":
            weights = channel_weights(weighing(attribution, attribution["target"] == target), weighting)
        components[target] = ClassComponents(vectors, weights, windows)
    return components


def drawn_others(predictions: pd.DataFrame, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures drawn from all that were predicted, and the classes that the model gives them.

    Args:
        predictions: image, predicted.
        seed: the seed of the draw.

    Returns:
        Ids ``[O]`` and classes ``[O]``.

    Example:
        >>> drawn_others(pd.DataFrame({"image": [4, 6], "predicted": [0, 1]}), seed=0)[0].tolist()
        [4, 6]
    """
    count = min(OTHERS, len(predictions))
    rows = np.sort(generator(Stream.OTHER_PICTURES, seed).choice(len(predictions), count, replace=False))
    chosen = predictions.iloc[rows]
    return chosen["image"].to_numpy(np.int64), chosen["predicted"].to_numpy(np.int64)
