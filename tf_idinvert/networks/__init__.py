"""The networks as Keras models, one network per file."""
