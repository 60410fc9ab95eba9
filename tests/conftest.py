"""Real photographs for the tests that need them; elsewhere those tests are skipped and say why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_no_real_data()
    if reason:
        for item in items:
            if item.get_closest_marker("real_data"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder that holds the archives of photographs."""
    reason = why_no_real_data()
    if reason:
        pytest.skip(reason)
    return Path(os.environ[MIRROR]).resolve()
