"""What a run consists of, worked out of its configuration before anything is computed."""
