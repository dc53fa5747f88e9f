"""Trial: seconds and memory of SeFa and PCA for a generator of official size, 1024 px, with random weights.

    python tests/trials/directions_cost.py [CODES]
"""
from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path[:0] = [str(Path(__file__).parents[2])]

import keras  # noqa: E402

from tf_idinvert.directions import sefa  # noqa: E402
from tf_idinvert.jobs import directions  # noqa: E402
from tf_idinvert.networks.generator import Generator  # noqa: E402


def measure(name, task):
    start = time.perf_counter()
    task()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{name}: {time.perf_counter() - start:.1f} s, {peak:.2f} GB at the largest so far", flush=True)


def main():
    codes = int(sys.argv[1]) if len(sys.argv) > 1 else 10 ** 6
    keras.utils.set_random_seed(0)
    generator = Generator()
    layers = list(range(generator.num_layers))
    matrices = generator.synthesis.style_matrices()
    measure("SeFa", lambda: sefa.factorize(matrices, 10))
    measure("SeFa with the deviations of W", lambda: directions.by_sefa(generator, layers, 10, "random"))
    for samples in codes // 10, codes:
        measure(f"PCA of {samples:,} codes",
                lambda samples=samples: directions.by_pca(generator, layers, 10, "random", samples=samples))


if __name__ == "__main__":
    main()
