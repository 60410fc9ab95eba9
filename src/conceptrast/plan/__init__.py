"""Plan a run: what it consists of, worked out from its configuration before anything is computed."""
