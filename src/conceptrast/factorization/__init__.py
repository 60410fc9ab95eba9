"""Factorizations of activations into components, one file per method."""
