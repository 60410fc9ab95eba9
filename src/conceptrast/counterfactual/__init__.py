"""What would have to be different: activations moved towards another class, and decoded into pictures."""
