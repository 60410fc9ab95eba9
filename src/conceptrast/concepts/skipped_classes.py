"""The classes of a study that have no components, and the reasons."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd


def reasons_to_skip(
    few: pd.DataFrame, min_images: int, components: Mapping[str, np.ndarray], n_images: Mapping[int, int]
) -> dict[int, tuple[int, str]]:
    """For every class without components, the number of images and the reason.

    Args:
        few: class, n_images: the classes with fewer than ``min_images`` predicted images.
        min_images: the least number of predicted images that a class needs.
        components: skipped ``[S]`` and skipped_reason ``[S]``: the classes in which there was nothing to factorize.
        n_images: the number of images predicted as each class.

    Example:
        >>> few = pd.DataFrame({"class": [4], "n_images": [2]})
        >>> components = {"skipped": np.array([7]), "skipped_reason": np.array(["its rows are zero"])}
        >>> for target, reason in reasons_to_skip(few, 3, components, {7: 12}).items():
        ...     print(target, reason)
        4 (2, 'fewer than min_images = 3 images are predicted as the class')
        7 (12, 'its rows are zero')
    """
    reason = f"fewer than min_images = {min_images} images are predicted as the class"
    reasons = {row["class"]: (row["n_images"], reason) for row in few.to_dict("records")}
    empty = zip(components["skipped"].tolist(), components["skipped_reason"].tolist(), strict=True)
    return reasons | {target: (n_images.get(target, 0), why) for target, why in empty}
