"""Take the picture of the atlas that the README shows: ``python docs/screenshot.py``, after a default run.

It opens the first page in Chromium, from the disk, at its contrasts, and writes ``docs/figures/atlas.png``.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from conceptrast.base.files import atomic

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 1100
HEIGHT = 720
COLOURS = 192
"""In the palette of the picture; with more of them the file is larger and looks the same."""


def screenshot(index: Path, target: Path) -> None:
    """Write what a window of 1100 × 720 pixels shows of a page.

    Args:
        index: the page.
        target: a PNG file.

    Raises:
        FileNotFoundError: there is no such page, or no Chromium.
    """
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None or not index.is_file():
        raise FileNotFoundError(
            f"{index} does not exist: make reproduce writes it" if chromium else "there is no Chromium"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(f"{index.as_uri()}#contrasts")
        page.wait_for_load_state("networkidle")
        content = page.screenshot()
        browser.close()
    with atomic(target) as part, Image.open(io.BytesIO(content)) as picture:
        picture.convert("RGB").quantize(COLOURS).save(part, optimize=True)


if __name__ == "__main__":
    default = ROOT / "results" / "default" / "atlas" / "index.html"
    screenshot(Path(sys.argv[1]) if len(sys.argv) > 1 else default, ROOT / "docs" / "figures" / "atlas.png")
