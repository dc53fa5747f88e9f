"""Photographs to aligned squares and back: faces found, squares cut out as FFHQ's are, edits pasted back."""
