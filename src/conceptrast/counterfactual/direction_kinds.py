"""What directions there are, and who ends the way along them; without torch."""

from __future__ import annotations

DIRECTION_KINDS = {
    "gradient": "gradient of the class's log probability by the rest of the network",
    "latent_shift": "the same through decoder and whole network: the original latent shift",
    "hyperplane": "normal of the hyperplane between the two classes",
    "component": "component of the class along which its probability grows most",
    "cav": "concept activation vector of the class with the highest TCAV score",
}
"""What the names of directions mean, in the order of tables and figures."""

RANDOM_DIRECTIONS = ("random_vector", "random_map")
"""Names of random directions: chance for directions that are vectors, and for those that are maps."""

RANDOM_BASELINE = "random"
"""What the column ``baseline`` says of random directions."""

STOPS = ("suffix", "picture")
"""Who has to name the class: the rest of the network, or the whole network that is shown the decoded picture."""
