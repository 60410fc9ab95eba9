"""Headline numbers of tables, as the descriptors of their analyses say where they are."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from conceptrast.plan.analyses import headlines
from conceptrast.tables import headline_metrics


def headline_metrics_of(tables: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Metrics of these tables by name."""
    return headline_metrics(tables, headlines(tables))
