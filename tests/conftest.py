"""What all tests share: how they are dealt out, one server for steps, and pictures.

These are real photographs, or the reason to skip, and a small set in the format of MIDOG.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from conceptrast.base.memory import keep_memory
from conceptrast.steps.fork_server import SERVER, start_server
from tests.workflow.copies import made_once

MIRROR = "CONCEPTRAST_MIRROR"
ARCHIVE = "imagenette-160-val.tar"


def why_no_real_data() -> str | None:
    """The reason why the photographs cannot be used, or ``None``."""
    folder = os.environ.get(MIRROR)
    if not folder:
        return f"{MIRROR} is not set: it names the folder that holds {ARCHIVE}"
    if not (Path(folder) / ARCHIVE).is_file():
        return f"{MIRROR} = {folder} does not hold {ARCHIVE}"
    return None


def pytest_configure() -> None:
    keep_memory()


class FileScheduling(LoadScopeScheduling):
    """Deals out whole files, so that what the tests of a file share is made once; tests of the workflow one by one."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith("tests/workflow/") else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling | None:
    if config.getvalue("dist") != "load":
        return None
    config.option.loadscopereorder = False  # the order is that of `workflow/conftest.py`
    return FileScheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays: looking through it for garbage would take a tenth of the tests' time.

    Afterwards Python looks for garbage less often than usual; that took 2 % of it.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(5_000, 10, 50)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_no_real_data()
    if reason:
        for item in items:
            if item.get_closest_marker("real_data"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Files of tests without a prompt hold no example: every worker would look through each object of each of them."""
    collectors = yield
    if b">>> " in file_path.read_bytes():
        return collectors
    return [collector for collector in collectors if type(collector) is pytest.Module]


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder that holds the archives of photographs."""
    reason = why_no_real_data()
    if reason:
        pytest.skip(reason)
    return Path(os.environ[MIRROR]).resolve()


@pytest.fixture(scope="session")
def step_server(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Socket of one server for the steps of all tests: most steps take less time than the import of torch."""

    def start(place: Path) -> None:
        start_server()
        place.write_text(os.environ.pop(SERVER))

    return made_once(tmp_path_factory, "server", start).read_text()


@cache
def slide_of_tissue(number: int, cells: int) -> tuple[np.ndarray, list[list[list[int]]]]:
    """A slide, and the middles of its brown and of its blue spots, y first."""
    from skimage.color import rgb2hed
    from skimage.data import immunohistochemistry
    from skimage.feature import peak_local_max
    from skimage.filters import gaussian

    part = np.rot90(np.roll(immunohistochemistry(), 97 * number, axis=(0, 1)), number)
    slide = np.block([[[part], [part[:, ::-1]]], [[part[::-1]], [part[::-1, ::-1]]]])
    blue, _, brown = np.moveaxis(gaussian(rgb2hed(slide), 3, channel_axis=2), 2, 0)
    stains = (brown, blue - 2 * brown)
    return slide, [peak_local_max(stain, min_distance=20, num_peaks=cells).tolist() for stain in stains]


def write_midog(folder: Path, slides: int = 4, cells: int = 8, side: int = 30) -> Path:
    """Slides of 1024×1024 pixels made of scikit-image's stained tissue, and `MIDOG.json` with their cells.

    Brown spots (DAB) are the mitotic figures, blue ones without any brown the hard negatives: `cells` of each a slide,
    with boxes of `side` pixels.
    """
    import tifffile

    folder.mkdir(parents=True, exist_ok=True)
    names = {1: "mitotic figure", 2: "hard negative"}
    images = []
    annotations = []
    for number in range(1, slides + 1):
        slide, spots = slide_of_tissue(number, cells)
        tifffile.imwrite(folder / f"{number:03d}.tiff", slide, photometric="rgb", tile=(256, 256), compression="zlib")
        images.append({"id": number, "file_name": f"{number:03d}.tiff", "width": 1024, "height": 1024})
        for category, middles in enumerate(spots, start=1):
            for y, x in middles:
                box = [x - side // 2, y - side // 2, x + side // 2, y + side // 2]
                annotations.append({"id": len(annotations), "image_id": number, "category_id": category, "bbox": box})
    content = {"images": images, "annotations": annotations}
    content["categories"] = [{"id": key, "name": name} for key, name in names.items()]
    (folder / "MIDOG.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="session")
def midog() -> Callable[..., Path]:
    """`midog(folder, slides=4, cells=8, side=30)` writes such a set and gives the folder."""
    return write_midog
