"""Measurements of speed and memory, each a function that returns plain numbers."""
