"""Our cost beside the peer's, in one run."""
