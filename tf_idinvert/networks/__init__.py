"""The published networks as Keras models, one file a network."""
