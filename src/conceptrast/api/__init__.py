"""The Python front door: the analyses of the workflow, for your own model and pictures."""
