"""Push results with DVC, and look for each file in the remote.

``dvc push`` may end with 0 though files are missing. It writes down which files it has to push; if it is killed
meanwhile, the next one takes that part for the whole. It may then push the list of a folder without the folder's files,
and from then on every ``dvc push`` and ``dvc status --cloud`` takes these files for pushed, because their list is
(dvc-data 3.18: ``index/collect.py`` goes through nothing again that it has begun; ``hashfile/status.py`` looks for a
folder's list alone). So here DVC gets no index: it asks the remote for each file.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conceptrast.base.errors import DataError


def push(repository: Path, targets: Sequence[str] = (), remote: str | None = None) -> int:
    """Push what DVC has recorded in a repository.

    Args:
        repository: its root.
        targets: stages and files to push; all that is recorded if empty.
        remote: name of a remote; ``None``: the default one.

    Returns:
        How many files were not yet in the remote.

    Raises:
        DataError: DVC cannot use the remote, or the remote lacks something afterwards.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    logging.getLogger("dvc").propagate = False  # DVC prints its warnings itself
    try:
        with Repo(str(repository)) as repo, repo.lock:
            # Stages of runs that nobody has recorded have nothing to push, and DVC would warn of each of their folders.
            recorded = [output.fs_path for output in repo.index.outs if output.hash_info]
            chosen = list(targets) or recorded
            outputs = repo.used_objs(chosen, remote=remote, push=True) if chosen else {}
            return sum(
                _push_to(repo.cache.local, place or repo.cloud.get_remote_odb(remote, "push"), objects)
                for place, objects in outputs.items()
                if objects
            )
    except DvcException as error:
        raise DataError(f"DVC: {error}") from error


def _push_to(cache: Any, place: Any, objects: set[Any]) -> int:
    """Push objects from DVC's cache to the objects of a remote.

    Raises:
        DataError: the remote lacks an object afterwards.
    """
    from dvc_data.callbacks import TqdmCallback
    from dvc_data.hashfile.status import compare_status
    from dvc_data.hashfile.transfer import transfer

    with TqdmCallback(desc=f"pushing to {place.path}", unit="file") as callback:
        pushed = transfer(cache, place, objects, cache_odb=cache, callback=callback)
    status = compare_status(cache, place, objects, check_deleted=False, cache_odb=cache)
    lacking = sorted(f"{entry.obj_name or ''} ({entry.value})" for entry in status.new | status.missing)
    if lacking:
        named = ", ".join(lacking[:3]) + (", …" if len(lacking) > 3 else "")
        raise DataError(
            f"{place.path} lacks {len(lacking)} files, and they are not in DVC's cache either: {named}; make them again"
        )
    return len(pushed.transferred)
