"""Take the pictures of pages that the documents show: ``python docs/screenshot.py atlas``, after a default run.

``atlas`` is the first page of the default run's atlas, at its contrasts. ``plots`` is a part of the page that
``dvc plots diff`` has written, and ``compared`` is MLflow's page of the two newest runs. Both belong to
``docs/comparing.md``, which says how to make what they show. Each picture is ``docs/figures/<name>.png``.
"""

from __future__ import annotations

import io
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from mlflow import MlflowClient
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from conceptrast.base.files import atomic

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 1100
HEIGHT = 720
COLOURS = 192
"""In the palette of a picture; with more of them the file is larger and looks the same."""

STORE = "sqlite:///mlflow.db"
TABLES = 800
"""Width of MLflow's tables of two runs."""

UNFOLD = """
for (const part of document.querySelectorAll("div"))
  if (part.scrollHeight > part.clientHeight + 9 && part.clientHeight > 99 && part.clientHeight < 600)
    Object.assign(part.style, { maxHeight: "none", height: "auto" });
"""
"""Shows the whole of every table that has bars because its height is limited."""

PATIENCE = 120
"""Seconds that MLflow may take to start."""


def picture_of_atlas(page: Page) -> bytes:
    """The first page of the default run's atlas, from the disk, at its contrasts."""
    index = existing(ROOT / "results" / "default" / "atlas" / "index.html", "make reproduce")
    page.goto(f"{index.as_uri()}#contrasts")
    page.wait_for_load_state("networkidle")
    return page.screenshot()


def picture_of_plots(page: Page) -> bytes:
    """The curves of the shift test of two revisions, from the disk."""
    index = existing(ROOT / "dvc_plots" / "index.html", "dvc plots diff HEAD")
    page.goto(index.as_uri())
    plot = page.locator("#default-shift_curves svg")
    plot.wait_for()
    return plot.screenshot()


def picture_of_compared(page: Page) -> bytes:
    """What differs between the two newest runs that MLflow has recorded."""
    existing(ROOT / "mlflow.db", "make reproduce")
    with mlflow_server() as address:
        page.goto(f"{address}/#/compare-runs?{query_of_newest()}")
        switches = page.get_by_role("switch")
        switches.nth(1).wait_for(timeout=1000 * PATIENCE)
        # What both runs share, the plots above and the assistant beside the tables take the room of what differs.
        for switch in switches.all()[:2]:
            switch.click()
        page.get_by_text("Visualizations").click()
        page.get_by_label("Close").first.click()
        # The tables as long as they are.
        page.set_viewport_size({"width": WIDTH, "height": 4 * HEIGHT})
        page.evaluate(UNFOLD)
        page.wait_for_timeout(2000)
        title = page.get_by_text("Comparing 2 Runs").bounding_box()
        last = page.get_by_role("link").filter(has_text="/").last.bounding_box()
        top = title["y"] - 8
        area = {"x": title["x"] - 8, "y": top, "width": TABLES, "height": last["y"] + 32 - top}
        return page.screenshot(clip=area)


def existing(file: Path, command: str) -> Path:
    """The file, which a command writes.

    Raises:
        FileNotFoundError: it was not written.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist: {command} writes it")
    return file


def query_of_newest() -> str:
    """The part of the address that names the two newest runs.

    Raises:
        LookupError: there is only one run.
    """
    client = MlflowClient(tracking_uri=STORE)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, order_by=["attributes.start_time DESC"])
    newest = [run.info for run in runs if "mlflow.parentRunId" not in run.data.tags][:2]
    if len(newest) < 2:
        raise LookupError("one run is recorded, two are compared: docs/comparing.md says how to make another")
    names = json.dumps([run.run_id for run in reversed(newest)], separators=(",", ":"))
    return f"runs={names}&experiments={json.dumps([newest[0].experiment_id])}"


@contextmanager
def mlflow_server() -> Iterator[str]:
    """MLflow on a free port of 127.0.0.1; its address. It ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([*command, "--backend-store-uri", STORE], cwd=ROOT, **quiet)
    try:
        for _ in range(PATIENCE):
            try:
                urlopen(address).close()
                break
            except URLError:
                time.sleep(1)
        yield address
    finally:
        server.terminate()
        server.wait()


PICTURES = {"atlas": picture_of_atlas, "plots": picture_of_plots, "compared": picture_of_compared}


def main(name: str) -> None:
    """Take one of :data:`PICTURES`.

    Raises:
        FileNotFoundError: what it shows was not made, or there is no Chromium.
    """
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise FileNotFoundError("there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        content = PICTURES[name](browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}))
        browser.close()
    with atomic(ROOT / "docs" / "figures" / f"{name}.png") as part, Image.open(io.BytesIO(content)) as picture:
        picture.convert("RGB").quantize(COLOURS).save(part, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "atlas")
