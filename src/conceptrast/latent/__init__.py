"""What a direction among a layer's activations means: concept activation vectors, counterfactuals, autoencoders."""
