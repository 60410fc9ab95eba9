"""Find concepts among superpixels of a class's pictures (ACE), and test them with concept activation vectors (TCAV)."""
