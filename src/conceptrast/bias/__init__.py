"""Does a latent space show a planted bias: an adversarial autoencoder and a plain classifier beside it."""
