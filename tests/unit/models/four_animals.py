"""Ten predictions of four classes, six of them right, for tests of what is taken for what."""

from __future__ import annotations

import pandas as pd

PREDICTIONS = pd.DataFrame({"label": [0] * 4 + [1] * 2 + [3] * 4, "predicted": [0, 0, 0, 1, 1, 2, 3, 3, 0, 0]})
NAMES = ["ant", "bee", "cat", "dog"]
