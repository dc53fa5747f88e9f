"""Training: one Keras Model subclass per published objective, recipes, the training loop and its callbacks."""
