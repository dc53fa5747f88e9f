"""Tiny networks, boundaries and a bench for the tests of the evaluation."""
from __future__ import annotations

import contextlib

import numpy as np
import tiny

from tf_idinvert import boundaries, checkpoint
from tf_idinvert.evaluation import measures, store
from tf_idinvert.evaluation.papers import bench, methods, originals
from tf_idinvert.portraits import portrait

NAMES = ("age", "gender", "eyeglasses", "pose")
SIZES = dict(count=12, optimised=5, steps=2, mse_steps=2, ablated=3, diffused=2, codes=30, projected=20)


@contextlib.contextmanager
def silent(total, what):
    """A progress bar that shows nothing."""
    class Bar:
        def update(self, count):
            """Nothing to show."""
    yield Bar()


def network(role, seed):
    encoder, generator = tiny.encoder(seed=seed), tiny.generator()
    return methods.Networks(f"{role}.h5", f"digest of {role}", encoder, generator)


def make(folder, roles=methods.ROLES, judged=True, with_boundaries=True, **sizes):
    """A bench of tiny networks, on pictures of noise with random attributes."""
    rng, kept = np.random.default_rng(3), store.Store(folder)
    sizes = methods.Sizes(**{**SIZES, **sizes})
    sets = [originals.Originals(rng.integers(0, 256, [sizes.count, 16, 16, 3], np.uint8),
                                {name: rng.random(sizes.count) for name in NAMES[:2]}, [i], "12 pictures of noise")
            for i in range(2)]
    judge = None
    if judged:
        attributes = tiny.attributes(names=NAMES, binary=("eyeglasses",))
        judge = measures.Judge("FD", "a tiny network", attributes.embedding, attributes.predict_attributes,
                               ("eyeglasses",))
    found = {name: boundaries.Boundary(normal(i), (0, 1) if i else None) for i, name in enumerate(NAMES[:2])}
    return bench.Bench(store=kept, originals=sets[0], others=sets[1],
                         networks={role: network(role, 10 + i) for i, role in enumerate(roles)},
                         missing={role: f"portraits64-{role}.h5 is not there" for role in methods.ROLES
                                  if role not in roles},
                         features=None, features_key="none", feature_weight=0.0, judge=judge,
                         boundaries=found if with_boundaries else {}, sizes=sizes, seed=5, progress=silent)


def normal(seed, num_layers=6):
    values = np.random.default_rng(seed).standard_normal([1, num_layers, 8]).astype("float32")
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def write_files(folder, prefix="portraits64", resolution=16, num_layers=6):
    """A folder as `checkpoints`, with everything but the encoder without batch norm."""
    (folder / "boundaries").mkdir(parents=True)
    for i, role in enumerate(("traditional", "in-domain", "force-in-domain")):
        checkpoint.save(checkpoint.Models(
            encoder=tiny.encoder(seed=20 + i, resolution=resolution, num_layers=num_layers),
            generator=tiny.generator(resolution=resolution)), folder / f"{prefix}-{role}.h5")
    names = portrait.ATTRIBUTES
    checkpoint.save(checkpoint.Models(attributes=tiny.attributes(names=names, binary=("eyeglasses",),
                                                             resolution=resolution)),
                    folder / f"{prefix}-attributes.h5")
    for i, name in enumerate(names):
        boundaries.write(folder / "boundaries" / f"{name}.npz", boundaries.Boundary(normal(i, num_layers)))
    return folder


def write_wild_files(folder):
    """The files of the wild portraits, of 32 px, the least they are drawn at; one of half the side judges."""
    wild = write_files(folder / "training", "wild64", resolution=32, num_layers=8)
    checkpoint.save(checkpoint.Models(attributes=tiny.attributes(seed=9, names=("hat",), binary=())),
                    wild / "wild64-judge.h5")
    return folder
