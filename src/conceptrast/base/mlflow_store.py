"""Is MLflow's store usable? Asked before MLflow is, which tries again for minutes and answers with tracebacks."""

from __future__ import annotations

import os
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from conceptrast.base.errors import ConceptrastError
from conceptrast.base.files import special_kind

PATIENCE = 4
"""Seconds that a locked database or a server gets."""

CHECKED_BYTES = 2**28
"""A larger database is not read through to see whether it is whole."""


class StoreError(ConceptrastError):
    """MLflow's store cannot be used."""


def refuse_unusable(store: str) -> None:
    """Refuse a store that cannot be used, within seconds. Stores of other kinds than these two are not looked at.

    Args:
        store: ``sqlite:///<path>`` or ``http://…``.

    Raises:
        StoreError: one line that says what is wrong with it.

    Example:
        >>> refuse_unusable("sqlite:////dev/null/mlflow.db")
        Traceback (most recent call last):
        conceptrast.base.mlflow_store.StoreError: MLflow's store /dev/null/mlflow.db: /dev/null is no folder
    """
    if store.startswith("sqlite:///"):
        _refuse_file(Path(store.removeprefix("sqlite:///")))
    elif store.startswith(("http://", "https://")):
        _refuse_server(store)


def _refuse_file(path: Path) -> None:
    what = f"MLflow's store {path}"
    if path.parent.exists() and not path.parent.is_dir():
        raise StoreError(f"{what}: {path.parent} is no folder")
    if not path.exists():
        return
    if kind := special_kind(path.stat().st_mode):
        raise StoreError(f"{what} is {kind}, not a database: move it away")
    if not os.access(path, os.W_OK):
        raise StoreError(f"{what} cannot be written: its permissions forbid it")
    if not path.stat().st_size:
        return
    try:
        with closing(sqlite3.connect(path, timeout=PATIENCE)) as database:
            database.execute("begin immediate")
            whole = path.stat().st_size > CHECKED_BYTES or database.execute("pragma quick_check(1)").fetchone() == (
                "ok",
            )
            version = database.execute("select version_num from alembic_version").fetchone() if whole else None
            database.rollback()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise StoreError(f"{what} is locked by another program: end it, and run again") from error
        if "no such table" in str(error):
            raise StoreError(f"{what} is a database of something else than MLflow: move it away") from error
        raise StoreError(f"{what} cannot be written: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{what} is damaged ({error}): move it away, and run again") from error
    if not whole:
        raise StoreError(f"{what} is damaged: move it away, and run again")
    if version and version[0] not in _known_versions():
        raise StoreError(f"{what} was written by a newer MLflow (schema {version[0]}): update MLflow, or move it away")


def _known_versions() -> set[str]:
    """Versions of the database that the installed MLflow knows; MLflow itself is not imported."""
    package = find_spec("mlflow")
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent / "store" / "db_migrations" / "versions"
    return {file.name.partition("_")[0] for file in folder.glob("*.py")}


def _refuse_server(address: str) -> None:
    try:
        urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=PATIENCE).close()
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            raise StoreError(f"MLflow's server {address} answers with error {error.code}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise StoreError(
            f"MLflow's server {address} does not answer ({reason}): start it, or unset MLFLOW_TRACKING_URI"
        ) from error
