"""Find the final activation of a generator in the source text of an official pickle, without executing the text.

The source text is the code that built the network. A released network may end in a tanh that no constructor argument
mentions, so only the text shows it. NVIDIA's modules name none of the activations that are searched for here; a text
that names one was changed by its author.
"""
from __future__ import annotations

import re

from tf_idinvert.errors import InputError

BUILT = {"tanh": "tf.tanh", "sigmoid": "tf.sigmoid", "softsign": "tf.nn.softsign"}  # as in the original
NOT_BUILT = {"atan", "arctan", "erf", "hard_sigmoid", "hard_tanh", "hardtanh", "relu6", "softplus", "softmax", "elu",
             "selu", "gelu", "swish", "sin"}
_STRING_OR_COMMENT = re.compile(r"""(\"\"\"|''')[\s\S]*?\1 | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | \#[^\n]*""",
                                re.VERBOSE)
_TABLE_ENTRY = re.compile(r"\btext_\w+\s*:\s*\(?[\w.]+")     # an entry 'tanh': tf.tanh in a table only offers a choice
_WORD = re.compile(r"[A-Za-z_]\w*")
_OF_THE_IMAGE = re.compile(r"\breturn\b|image|rgb", re.IGNORECASE)


def final_activation(text, builder, module):
    """Return the activation that a synthesis network applies last to its image, according to its source text.

    Args:
        text: source text of the network's module.
        builder: name of the function in the text that built the network.
        module: name of the published module, which has no final activation; a text may just import it.
    Returns:
        (name in BUILT or None, line on what the text leaves open or None).
    Raises:
        InputError: the image passes through an activation that is not supported.
    """
    code = _TABLE_ENTRY.sub("", _STRING_OR_COMMENT.sub(_without_content, text))
    lines, shown = _relevant(code, builder)
    words, of_the_image = _words(lines), _words(line for line in lines if _OF_THE_IMAGE.search(line))
    if of_the_image & NOT_BUILT:
        raise InputError(f"the source text of {builder} passes the image through {min(of_the_image & NOT_BUILT)!r}, "
                         "which is not built here; choose another final activation, or none, to load it all the same")
    named, where = sorted(words & set(BUILT)), f"the source text of {builder}"
    hints = sorted(word[:40] for word in words if word not in BUILT and any(name in word.lower() for name in BUILT))
    if not named and not hints:
        decided = shown or code.split() == ["from", module, "import", "*"]
        return None, None if decided else (f"there is no source text of {builder}, which alone could show a final "
                                           "activation; none is applied")
    if len(named) != 1:
        return None, f"{where} names {' and '.join(named) or hints[0]}; which is applied last is unclear, so none is"
    if hints:
        return named[0], f"{where} names {named[0]} and {hints[0]}, which may decide whether; it is applied last"
    if named[0] not in of_the_image:
        return named[0], f"{where} names {named[0]}, but not where it makes the image; it is applied last"
    return named[0], None


def _without_content(match):
    """Replace a comment by nothing, and a string by the word text_NAME if it is an activation's name, else text_."""
    content = match[0].strip("\"'")
    return "" if match[0].startswith("#") else f"text_{content}" if content in BUILT else "text_"


def _words(lines):
    return {word for line in lines for word in _WORD.findall(line)}


def _relevant(code, builder):
    """Return (lines of the builder and of all top-level definitions that it uses, whether the text has the builder)."""
    blocks, places = [], {}
    for line in code.splitlines():
        if blocks and (not line[:1].strip() or line[0] in ")]}"):
            blocks[-1].append(line)
            continue
        for name in _bound(line):
            places.setdefault(name, []).append(len(blocks))
        blocks.append([line])
    if not any(re.match(rf"def\s+{re.escape(builder)}\s*\(", blocks[place][0]) for place in places.get(builder, ())):
        return code.splitlines(), False
    wanted, seen = [builder], set()
    while wanted:
        for place in places.pop(wanted.pop(), ()):
            if place not in seen:
                seen.add(place)
                wanted += _WORD.findall("\n".join(blocks[place]))
    return [line for place in sorted(seen) for line in blocks[place]], True


def _bound(line):
    """Return the names that a top-level line binds by definition, import or assignment."""
    words = _WORD.findall(line)
    if words[:1] in (["def"], ["class"]):
        return words[1:2]
    if words[:1] in (["import"], ["from"]):
        return words[words.index("import") + 1:] if "import" in words else []
    return _WORD.findall(line.partition("=")[0]) if "=" in line else []


def with_final_activation(module, builder, name):
    """Return source text that builds the published synthesis network followed by the activation `name` (None: none).

    The original loader executes it in a checkout of the original code, and `final_activation` recognises it.
    """
    text = f"from {module} import *\n"
    if name is None:
        return text
    return text + (f"import tensorflow as tf\n"
                   f"as_published = {builder}\n"
                   f"def {builder}(dlatents_in, **kwargs):\n"
                   f"    return {BUILT[name]}(as_published(dlatents_in, **kwargs), name='images_out')\n")
