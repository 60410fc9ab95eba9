"""Concepts among superpixels of a class's pictures (ACE), tested with concept activation vectors (TCAV)."""
