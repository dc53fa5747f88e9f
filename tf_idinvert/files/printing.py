"""The one door for text on its way to a terminal, a log or a page: what comes from outside cannot act there.

File names and messages of other programs may hold control characters, which move the cursor, colour the terminal or
forge a line; they are shown escaped.
"""
from __future__ import annotations

import unicodedata


def printable(text):
    """Text without control characters: they, line ends and what is no valid Unicode are escaped, as in Python."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else c.encode("unicode_escape").decode()
                   for c in text)


def on_one_line(message):
    """Text of one line: white space is folded, control characters are escaped."""
    return printable(" ".join(str(message).split()))


def say(*lines, file=None):
    """Print lines, by default on the standard output, at once; line ends within a line are escaped."""
    for line in lines:
        print(printable(str(line)), file=file, flush=True)
