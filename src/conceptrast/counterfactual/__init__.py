"""What would have to be different: activations are moved towards another class and decoded into pictures."""
