"""Is it still the same person: cosines of face embeddings before and after inversion, and after edits.

The embedding is that of a network which the user has, such as `faceres` of the npm package @vladmandic/human; nothing
of it comes with this project. An embedding of StyleGAN's aligned faces, whole crops: for `faceres` pairs of
photographs of one person had cosines above 0.8, of different persons 0.4 on average and up to 0.65. Pictures are
compared with the original as the generator's resolution shows it, so that a small picture is not blamed for its size.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_idinvert.errors import InputError
from tf_idinvert.evaluation import measures
from tf_idinvert.evaluation.papers import table2
from tf_idinvert.evaluation.papers.methods import METHODS, Missing
from tf_idinvert.evaluation.tables import Part, Table
from tf_idinvert.files.digests import file_digest
from tf_idinvert.formats import tfjs
from tf_idinvert.metrics import intervals

COMPARED = ("encoder", "inversion", "force")
BATCH = 16


class Embedding:
    """A face embedding from the files of a graph model: pictures -> unit vectors.

    Args:
        path: the .json file, or its folder; the widest of its outputs [N, K] is the embedding. It takes pictures in
            0..255, RGB.
    Attributes:
        key: SHA-256 of its files.
        about: one line.
    Raises:
        InputError: it cannot be read, or embeds nothing.
    """

    def __init__(self, path):
        model = tfjs.read(path)
        json_file = tfjs.json_file(Path(path))
        shapes = {name: shape for name, shape in model.output_shapes.items() if len(shape) == 2}
        if model.shape[2] != 3 or not shapes or max(shape[1] for shape in shapes.values()) < 2:
            raise InputError(f"{json_file}: expected pictures [N, H, W, 3] in, and vectors out; it takes "
                             f"{list(model.shape)} and gives {', '.join(map(str, shapes.values())) or 'no vectors'}")
        output = max(shapes, key=lambda name: shapes[name][1])
        self.key = " ".join(file_digest(each) for each in (json_file, *model.files))
        self.about = f"{json_file.name}, output {output} of {shapes[output][1]} numbers"

        def embed(pictures):
            x = tf.image.resize((pictures + 1.0) * 127.5, model.shape[:2], method="bilinear")
            return tf.math.l2_normalize(model(x)[output], axis=1)

        self._embed = tf.function(embed, autograph=False,
                                  input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])

    def __call__(self, pictures):
        """Pictures uint8 [N, R, R, 3] -> float32 [N, K], each of length 1."""
        return np.concatenate([self._embed(tf.constant(batch)).numpy() for batch in measures.batches(pictures, BATCH)])


def cosines(a, b):
    """[N, K], [N, K] of unit vectors -> [N]."""
    return np.sum(a * b, axis=1)


def identity(bench):
    """Cosine of every picture with its original, by method: inverted, and edited along each boundary.

    Args:
        bench: Bench, whose `faces` is an Embedding.
    """
    embed, count = bench.faces, bench.sizes.optimised
    originals = embed(np.asarray(bench.originals.pictures[:count]))
    numbers, summary, columns, found = {"embedding": embed.about}, [], ["picture"], []
    for method in COMPARED:
        label = METHODS[method].label
        try:
            inverted = bench.inverted(method, count)
        except Missing as error:
            summary.append([label, str(error), None, None])
            continue
        cosine = {"inverted": cosines(originals, embed(inverted.pictures))}
        moved = table2.manipulated(bench, method, inverted.codes) if bench.boundaries else ()
        for i, name in enumerate(bench.boundaries):
            cosine[name] = cosines(originals, embed(moved[i * count:(i + 1) * count]))
        numbers[method] = {name: values.tolist() for name, values in cosine.items()}
        summary += [[label, name, intervals.mean(values), float(values.min())] for name, values in cosine.items()]
        columns += [f"{label}, {name}" for name in cosine]
        found += list(cosine.values())
    others = [float(each) for i in range(1, min(count, 20)) for each in originals[i:] @ originals[i - 1]]
    numbers["others"] = float(np.mean(others))
    text = (f"Cosine of face embeddings ({embed.about}) between each of the first {count} originals, at the "
            "generator's resolution, and what is drawn of its code; manipulations as in Table 2. Different originals "
            f"have {numbers['others']:.2f} on average: 1 is the same picture, that is anyone.")
    names = bench.originals.files or [str(i + 1) for i in range(count)]
    rows = [[Path(names[i]).name, *(float(values[i]) for values in found)] for i in range(count)]
    return Part(numbers, [Table("Identity", text, ["method", "pictures", "cosine", "lowest"], summary),
                          Table("Identity, picture by picture", "Cosines with the original.", columns, rows)])
