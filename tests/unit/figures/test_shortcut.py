"""What the figure of a shortcut says."""

from __future__ import annotations

import pandas as pd

from conceptrast.figures.shortcut import draw_shortcut
from conceptrast.shortcut.attack import shortcut_columns


def test_the_best_direction_is_at_the_top_and_the_attack_stands_beside():
    head = {"study": "s", "concept": "portrait", "planted": "3+7", "attacked": "3+8", "n_images": 95}
    rows = [
        head | {"kind": kind, "name": name, "cosine": 0.5, "auroc": 0.5}
        | {f"auroc_pasted{end}": area for end in ("", "_low", "_high")}
        for kind, name, area in (("cav", "weak", 0.6), ("component", "strong", 0.9), ("random", "chance", 0.5))
    ]  # fmt: skip
    rows += [
        head | {"kind": "model", "name": name, "accuracy": accuracy, "named_planted": 1 - accuracy}
        for name, accuracy in (("clean", 0.75), ("attacked", 0.5))
    ]
    figure = draw_shortcut(pd.DataFrame(rows).reindex(columns=shortcut_columns()))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert [text for text in texts if text in ("weak", "strong", "chance")] == ["strong", "weak", "chance"]
    assert "the model on 95 pictures of\n3+8 without the portrait" in texts
    assert texts[-6:-3] == ["as they are", "right: 75%", "named 3+7: 25%"]
    assert texts[-3:] == ["portrait pasted in", "right: 50%", "named 3+7: 50%"]
