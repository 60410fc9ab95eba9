"""What every room stands on: errors, files, registries, progress, statistics."""
