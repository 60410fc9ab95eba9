"""The atlas of a run: a folder of pages that opens from the disk, offline, in any browser."""
