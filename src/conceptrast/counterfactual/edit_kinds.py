"""The kinds of edits, and the tests that end a way. This module does not import torch."""

from __future__ import annotations

EDIT_KINDS = {
    "transplant": "cells of a picture of the other class, as few as it takes, in place of the class's own",
    "pasted_cells": "the cells of the transplant as pixels: rectangles of the other picture, pasted",
    "swap": "what a component of the class holds becomes a component of the other class",
    "located": "a vector, added where the class's evidence lies",
    "uniform": "a vector, added at all positions",
    "gradient_times": "the gradient of the other class's log probability, times a vector channel by channel",
    "map": "a direction of the caller's own for every position",
    "gradient": "the gradient of the other class's log probability by the rest of the network",
    "latent_shift": "the same gradient through decoder and whole network: the original latent shift",
}
"""The meaning of the names of edits, in the order of tables and figures."""

VECTORS = {
    "means": "mean activation where the other class's evidence lies, minus that where the class's own lies",
    "hyperplane": "normal of the hyperplane between the two classes",
    "component": "component of the class along which its probability grows most",
    "cav": "concept activation vector of the class with the highest TCAV score",
}
"""The vectors that some edits go along."""

NO_VECTOR = "none"
"""The direction of an edit that goes along no vector."""

RANDOM_BASELINE = "random"
"""The value of the column ``baseline`` for random edits of the same place."""

STOPS = ("suffix", "picture")
"""The network that has to name the class: its rest, after the layer, or the whole network on the decoded picture."""
