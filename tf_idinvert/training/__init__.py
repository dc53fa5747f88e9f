"""Training: one Keras Model subclass for each published objective, and the callbacks they share."""
