"""The kinds of directions, and the tests that end a way along them. This module does not import torch."""

from __future__ import annotations

DIRECTION_KINDS = {
    "gradient": "gradient of the class's log probability by the rest of the network",
    "latent_shift": "the same through decoder and whole network: the original latent shift",
    "hyperplane": "normal of the hyperplane between the two classes",
    "component": "component of the class along which its probability grows most",
    "cav": "concept activation vector of the class with the highest TCAV score",
}
"""The meaning of the names of directions, in the order of tables and figures."""

RANDOM_DIRECTIONS = ("random_vector", "random_map")
"""The names of random directions: one is the chance row of directions that are vectors, one of those that are maps."""

RANDOM_BASELINE = "random"
"""The value of the column ``baseline`` for random directions."""

STOPS = ("suffix", "picture")
"""The network that has to name the class: its rest, after the layer, or the whole network on the decoded picture."""
