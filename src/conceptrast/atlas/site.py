"""A folder of pages: templates are filled, pictures come along, and links are relative: it opens from a disk."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from conceptrast.atlas.curves import halfway
from conceptrast.atlas.numbers import (
    cell,
    counts_from_zero,
    decimal,
    decimals,
    empty_in,
    equals,
    has_numbers,
    heading,
    same_in_all,
    share,
)
from conceptrast.base.files import atomic
from conceptrast.base.progress import counted
from conceptrast.figures.canvas import component_colour
from conceptrast.figures.picture_strip import save_webp

STATIC = Path(__file__).parent / "static"

WIDEST = 1400
"""Largest width of a whole figure on a page, in pixels: that of most figures, so that their text is legible."""


@dataclass(frozen=True)
class Figure:
    """A figure on a page.

    Args:
        src: its picture in the atlas, at most :data:`WIDEST` pixels wide.
        full: the same in full size, in the atlas too.
        width: of the picture, in pixels.
        height: likewise.
    """

    src: str
    full: str
    width: int
    height: int


@dataclass
class Site:
    """The folder of an atlas.

    Args:
        folder: where the pages go.
        run: the folder of the run.
        shared: what every template may use.

    Attributes:
        search: what the search finds: for each group its label, the folder of its pages, and names with files.
        missing: pictures and figures that pages ask for and the run has not.
    """

    folder: Path
    run: Path
    shared: Mapping[str, Any]
    search: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def write(self, path: str, template: str, **values: Any) -> None:
        """Fill a template and write the page.

        Args:
            path: of the page, from the atlas's folder.
            template: name of the file in ``templates/``.
            values: what the template shows.
        """
        depth = path.count("/")
        text = environment().get_template(template).render(self.shared, **values, path=path, root="../" * depth)
        with atomic(self.folder / path) as part:
            part.write_text(text, encoding="utf-8")

    def picture(self, source: str) -> str:
        """Take a picture of the run along; its path in the atlas, empty if it is missing."""
        file = self.run / source
        if not file.is_file():
            self.missing.append(source)
            return ""
        target = f"pictures/{source.removeprefix('pages/')}"
        place = self.folder / target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
        return target

    def figure(self, source: str) -> Figure | None:
        """Take a figure of the run along, as a page shows it and in full; ``None`` if it is missing or no picture."""
        picture = self._opened(source)
        if picture is None:
            return None
        if picture.width <= WIDEST:
            src = full = self._saved(picture, source, ".webp")
        else:
            full = self._saved(picture, source, ".full.webp")
            picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.HAMMING)
            src = self._saved(picture, source, ".webp")
        return Figure(src=src, full=full, width=picture.width, height=picture.height)

    def full_figure(self, source: str) -> str:
        """Take a figure of the run along in full; its path in the atlas, empty if it is missing or no picture."""
        picture = self._opened(source)
        return "" if picture is None else self._saved(picture, source, ".full.webp")

    def _opened(self, source: str) -> Image.Image | None:
        """A figure of the run; ``None`` if it is missing or no picture."""
        try:
            with Image.open(self.run / source) as image:
                return image.convert("RGB")
        except OSError:
            self.missing.append(source)
            return None

    def _saved(self, picture: Image.Image, source: str, ending: str) -> str:
        """Write a figure as WebP; its path in the atlas."""
        target = f"pictures/{Path(source).with_suffix(ending)}"
        save_webp(picture, self.folder / target, effort=2)
        return target

    def finish(self) -> None:
        """Write the style, the script and the search's index."""
        for file in sorted(STATIC.iterdir()):
            shutil.copyfile(file, self.folder / file.name)
        index = json.dumps(self.search, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        with atomic(self.folder / "search.js") as part:
            part.write_text(f"window.ATLAS = {index};\n", encoding="utf-8")


def prose(sentence: str) -> Markup:
    """A sentence of the documents: names of files and keys as code, stressed words in italics, all else escaped.

    Example:
        >>> str(prose("In `a.csv`, *beyond* is < 0."))
        'In <code>a.csv</code>, <em>beyond</em> is &lt; 0.'
    """
    coded = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(sentence)))
    return Markup(re.sub(r"\*(\S[^*]*)\*", r"<em>\1</em>", coded))


def breakable(code: str) -> Markup:
    """Code whose lines break after a separator, and not inside a name or number.

    Example:
        >>> str(breakable("a.csv:b[c=d,e=<]"))
        'a.csv:<wbr>b[<wbr>c=d,<wbr>e=&lt;]'
    """
    return Markup("<wbr>").join(re.split(r"(?<=[:,|\[])", code))


@cache
def environment() -> Environment:
    """Jinja's environment: everything that comes from data is escaped, and a name that is missing is an error."""
    loader = PackageLoader("conceptrast.atlas")
    jinja = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    jinja.filters |= {"share": share, "decimal": decimal, "cell": cell, "counted": counted, "has_numbers": has_numbers}
    jinja.filters |= {"prose": prose, "equals": equals, "decimals": decimals, "heading": heading}
    jinja.filters |= {"counts_from_zero": counts_from_zero, "breakable": breakable, "halfway": halfway}
    jinja.tests |= {"empty_in": empty_in, "same_in_all": same_in_all}
    jinja.globals |= {"component_colour": component_colour}
    return jinja
