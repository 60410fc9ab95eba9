"""The Python front door: the same analyses as the workflow's, on one's own model and pictures."""
