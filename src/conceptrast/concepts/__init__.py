"""What a class consists of: factorized activations, their patches, and a test of them."""
