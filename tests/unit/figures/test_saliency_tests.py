"""The curves of the tests of maps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from conceptrast.figures.saliency_tests import draw_saliency_tests


@pytest.mark.parametrize("stages", [2, 3])
def test_curves_show_means_over_pictures_and_chance(stages: int) -> None:
    shares = [0.0, 0.5, 1.0]
    faithful = pd.DataFrame(
        [
            (method, baseline, metric, share, score)
            for method, baseline in (("grad_cam", "none"), ("none", "random"), ("none", "centre"))
            for metric in ("deletion", "insertion", "road_most", "road_least")
            for share in shares
            for score in ((0.2, 0.6) if baseline == "none" else (0.1, 0.1))
        ],
        columns=["method", "baseline", "metric", "share", "score"],
    ).assign(target_kind="predicted")
    others = faithful.assign(target_kind="class", score=0.9)
    random = pd.DataFrame(
        {
            "method": "grad_cam",
            "stage": range(1, stages + 1),
            "reaches": [f"part{number}" for number in range(stages)],
            "above_layer": [True] + [False] * (stages - 1),
            "rank_correlation": 0.5,
        }
    )
    panels = draw_saliency_tests(faithful, random, "title", "note").axes[1:]
    assert len(panels) == 4
    of_pairs = pd.concat([faithful.assign(target_kind="difference"), others])
    paired = draw_saliency_tests(of_pairs, random, "title", "note").axes[1]
    assert np.allclose(paired.lines[0].get_ydata(), 0.4)
    for axes in panels[:2]:
        assert [line.get_label() for line in axes.lines] == ["grad_cam", "random", "centre"]
        assert np.allclose(axes.lines[0].get_ydata(), 0.4)
    assert panels[2].get_title(loc="left") == "ROAD: half of (least − most removed)"
    assert np.allclose(panels[2].lines[0].get_ydata(), 0.0)
    assert np.allclose(panels[3].lines[0].get_ydata(), [1.0] + [0.5] * stages)
    assert [label.get_text() for label in panels[3].get_xticklabels()] == ["trained", *random["reaches"]]
