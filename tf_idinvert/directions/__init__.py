"""Directions of edits found without labels, or from a dozen pictures: one paper a file, on a generator and arrays."""
