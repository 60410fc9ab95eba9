"""Whether a run bears out what the documents say: claims, and metrics beside committed ones."""
