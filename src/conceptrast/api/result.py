"""The base of all answers of a study: each can write its figure to a file and show itself in a notebook."""

from __future__ import annotations

import base64
import html
import io
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from conceptrast.figures.canvas import DPI, save_figure

ROWS = 20
"""Rows of a table that a notebook shows."""


class Result(ABC):
    """An answer: a figure, a table and a text."""

    #: Dots per inch of the figure's file.
    dpi = DPI

    #: Whether the figure's colours fit into a palette of 256.
    palette = True

    @abstractmethod
    def plot(self) -> Figure:
        """The figure."""

    @abstractmethod
    def table(self) -> pd.DataFrame:
        """The numbers."""

    def save(self, path: Path | str, **which: Any) -> None:
        """Write the figure.

        Args:
            path: ends in .png, .pdf or .svg.
            which: the choice among several figures, as for :meth:`plot`.

        Raises:
            ConfigError: another ending.
        """
        save_figure(self.plot(**which), path, self.dpi, self.palette)

    def __repr__(self) -> str:
        """The text: a Python prompt shows it, and not all arrays."""
        return str(self)

    def _repr_html_(self) -> str:
        """Text, figure and table for a notebook; names of classes and files are escaped."""
        table = self.table().head(ROWS).to_html(index=False, escape=True, border=0)
        return f"<pre>{html.escape(str(self))}</pre>\n{self._figure()}\n{table}"

    def _figure(self) -> str:
        """The figure as HTML."""
        picture = io.BytesIO()
        self.plot().savefig(picture, format="png", dpi=self.dpi)
        encoded = base64.b64encode(picture.getvalue()).decode()
        return f'<img alt="figure" style="max-width: 100%" src="data:image/png;base64,{encoded}">'
