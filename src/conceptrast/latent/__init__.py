"""Latent spaces: decoders and counterfactuals, concept activation vectors, the autoencoder."""
