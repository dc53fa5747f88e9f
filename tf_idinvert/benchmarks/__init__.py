"""Measurements of speed and memory, as functions that return plain numbers."""
