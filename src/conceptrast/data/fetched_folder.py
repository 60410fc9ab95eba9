"""Folders of pictures that are fetched, from a mirror or by a download, when they are first needed."""

from __future__ import annotations

from abc import abstractmethod

from conceptrast.base.errors import DataError
from conceptrast.data.dataset import Index
from conceptrast.data.image_folder import ImageFolder


class FetchedFolder(ImageFolder):
    """An image folder whose pictures are put below ``root`` before they are indexed."""

    def build_index(self, workers: int = 0) -> Index:
        """Fetch the photographs if needed, and decode every one."""
        if lacking := self.missing():
            raise DataError(lacking)
        self.fetch()
        return super().build_index(workers)

    @abstractmethod
    def fetch(self) -> None:
        """Put the missing photographs below ``root``.

        Raises:
            DataError: neither the mirror nor the download has them.
        """
