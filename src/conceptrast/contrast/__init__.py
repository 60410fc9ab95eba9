"""Why A and not B: hyperplanes between the activations of two classes, and what they say."""
