"""What a person reads: one card per class, one overview per study."""
