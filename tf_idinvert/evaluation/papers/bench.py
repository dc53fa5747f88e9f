"""Inversions of the same held-out pictures by all methods; every inversion is computed once and stored."""
from __future__ import annotations

import dataclasses
import time

import numpy as np
import tensorflow as tf

from tf_idinvert import apart
from tf_idinvert.codes import random_codes
from tf_idinvert.evaluation.papers.methods import METHODS, ROLES, VERSION, Inverted, Missing, Sizes
from tf_idinvert.evaluation.papers.originals import Originals
from tf_idinvert.evaluation.store import Store
from tf_idinvert.files import images
from tf_idinvert.files.digests import array_digest
from tf_idinvert.inversion import Inversion, InversionOptions
from tf_idinvert.metrics import distances

BATCH = 50                  # pictures per call of an encoder or a generator
MEAN_CODES = 1000           # number of codes for the mean and standard deviation of W


@dataclasses.dataclass
class Bench:
    """The networks and pictures of an evaluation.

    Attributes:
        store: Store.
        originals: Originals, the input of all methods.
        others: as many other Originals, whose distance to `originals` is a lower limit; None: there are none.
        networks: {role: Networks}, at least one.
        missing: {role: reason why it is missing}.
        features: F, see `Inversion`, or None.
        features_key: key of F in the store.
        feature_weight: lambda_vgg.
        judge: `measures.Judge`, or None.
        likeness: `measures.PairDistance` of picture and reconstruction, besides their error; or None.
        boundaries: {name: Boundary}.
        sizes: Sizes.
        seed: seed of all random numbers.
        progress: function (total, what) -> context manager with `update`.
        baseline_features: whether the optimisation from the mean of W has the feature term, too.
        faces: `identity.Embedding`, or None.
    """

    store: Store
    originals: Originals
    others: Originals | None
    networks: dict
    missing: dict
    features: callable
    features_key: str
    feature_weight: float
    judge: object
    boundaries: dict
    sizes: Sizes
    seed: int
    progress: callable
    likeness: object = None
    baseline_features: bool = False
    faces: object = None

    def __post_init__(self):
        self._inversions, self._functions, self._mapped = {}, {}, {}

    # --------------------------------------------------------------------------------------------- networks

    def of(self, role):
        """Return the Networks of a role ('': the first that exists); Missing if they do not exist."""
        role = role or next(each for each in ROLES if each in self.networks)
        if role not in self.networks:
            raise Missing(self.missing.get(role, f"no {role} encoder was given"))
        return self.networks[role]

    def generator(self, method):
        return self.of(METHODS[method].role).generator

    def draw(self, generator, codes):
        """Yield the pictures of codes in batches, float32 [n, R, R, 3]."""
        synthesize = self._traced(generator.synthesis, [None, generator.num_layers, generator.dlatent_size])
        for start in range(0, len(codes), BATCH):
            yield synthesize(tf.constant(np.asarray(codes[start:start + BATCH], np.float32))).numpy()

    def encode(self, networks, pictures):
        """Encode pictures float32 [n, R, R, 3]; return codes float32 [n, L, D]."""
        return self._traced(networks.encoder, [None, *self.originals.pictures.shape[1:]])(tf.constant(pictures)).numpy()

    def _traced(self, network, shape):
        """Return the network as a function of one input of this shape, traced once."""
        if id(network) not in self._functions:
            self._functions[id(network)] = tf.function(
                network, input_signature=[tf.TensorSpec(shape, tf.float32)], autograph=False)
        return self._functions[id(network)]

    def mapped(self, generator, count=MEAN_CODES):
        """Return the codes of random z, float32 [count, L, D]; code number i does not depend on `count`."""
        known = self._mapped.get(id(generator))
        if known is None or len(known) < count:     # in batches of one size: the last bits depend on the size
            known = self._mapped[id(generator)] = np.concatenate([
                random_codes(generator, self.seed, first, MEAN_CODES) for first in range(0, count, MEAN_CODES)])
        return known[:count]

    def strangeness(self, generator, codes):
        """Return the distances [N] of codes from the mean of W: root mean square over components, in standard
        deviations of W. Codes of W have about 1.
        """
        mapped = self.mapped(generator)
        mean, deviation = mapped.mean(axis=0), mapped.std(axis=0, ddof=1)
        deviation = np.where(deviation > 0, deviation, 1)
        squares = [np.square((codes[start:start + BATCH] - mean) / deviation).mean(axis=(1, 2))
                   for start in range(0, len(codes), BATCH)]
        return np.sqrt(np.concatenate(squares))

    # --------------------------------------------------------------------------------------------- inversions

    def size(self, method):
        """Return the number of originals that a method inverts."""
        if method in ("lambda0", "lambda40"):
            return self.sizes.ablated
        return self.sizes.optimised if METHODS[method].optimises else self.sizes.count

    def inverted(self, method, count=None):
        """Return the first `count` originals (None: all of the method), inverted by a method; Missing if impossible."""
        pictures = self.chosen(method)
        return self.invert(method, pictures).first(count or len(pictures))

    def chosen(self, method):
        """Return the originals that a method inverts, uint8 [N, R, R, 3]."""
        return self.originals.pictures[:self.size(method)]

    def invert(self, method, pictures):
        """Invert pictures by a method.

        Args:
            method: a name of METHODS.
            pictures: uint8 [N, R, R, 3].
        Returns:
            Inverted.
        """
        return _read(self.store.entry(method, self._key(method, pictures),
                                      lambda entry: self._fill(entry, method, pictures)))

    def known(self, method, pictures):
        """Return the result of `invert` if it is stored already, else None."""
        entry = self.store.known(method, self._key(method, pictures))
        return entry and _read(entry)

    def join(self, method, shares):
        """Store the inversions of all of a method's originals, whose shares, lists of pictures, are stored already."""
        def fill(entry):
            parts = [self.invert(method, share) for share in shares]
            for name, each in self._shapes(method, self.chosen(method)).items():
                entry.create(name, *each)[...] = np.concatenate([getattr(part, name) for part in parts])
            seconds = [part.seconds for part in parts if part.seconds is not None]
            return {"seconds": float(np.mean(seconds)) if seconds else None}

        self.store.entry(method, self._key(method, self.chosen(method)), fill)

    def _key(self, method, pictures):
        how = METHODS[method]
        options = dataclasses.asdict(self._options(how)) if how.optimises else None
        features = self.features_key if how.optimises and self._uses_features(how) else None
        networks = self.of(how.role)        # without encoder, another one beside the same generator changes nothing
        by = networks.generator_digest() if how.from_mean else networks.sha256
        return [VERSION, method, by, options, features, self.seed, array_digest(pictures)]

    def _fill(self, entry, method, pictures):
        """Invert the pictures into an entry, after the batches that an interrupted run has done; return its numbers."""
        how, networks = METHODS[method], self.of(METHODS[method].role)
        (codes, drawn, mse), seconds = entry.resume(self._shapes(method, pictures))
        seconds = seconds or []         # for a picture, of every batch; None if it includes tracing
        batch = apart.together(self.sizes.inversion_batch) if how.optimises else BATCH
        first = len(seconds) * batch
        with self.progress(len(pictures), how.label) as bar:
            bar.update(min(first, len(pictures)))
            for start in range(first, len(pictures), batch):
                rows, began = slice(start, start + batch), time.perf_counter()
                originals = images.to_float(np.asarray(pictures[rows]))
                codes[rows], found = self._invert(method, networks, originals)
                seconds.append((time.perf_counter() - began) / len(found) if start > first else None)
                mse[rows] = distances.mse(found.clip(-1, 1), originals)
                drawn[rows] = images.to_uint8(found)
                entry.note(seconds)
                bar.update(len(found))
        known = [each for each in seconds if each is not None]
        usual = [each for each in seconds[:-1] if each is not None] or known        # the last one may be padded
        return {"seconds": float(np.mean(usual)) if usual else None}

    def _shapes(self, method, pictures):
        """Return {name: (shape, dtype)} of the arrays of an entry."""
        generator = self.generator(method)
        return {"codes": ((len(pictures), generator.num_layers, generator.dlatent_size), np.float32),
                "pictures": (pictures.shape, np.uint8), "mse": ((len(pictures),), np.float32)}

    def _options(self, how):
        return InversionOptions(
            steps=self.sizes.mse_steps if how.from_mean else self.sizes.steps,
            feature_weight=self.feature_weight if self._uses_features(how) else 0.0,
            domain_weight=how.domain_weight or 0.0, batch_size=self.sizes.inversion_batch)

    def _uses_features(self, how):
        return self.features is not None and (self.baseline_features or not how.from_mean)

    def _invert(self, method, networks, originals):
        """Invert a batch; return (codes, pictures), pictures float32 in [-1, 1]."""
        how, generator = METHODS[method], networks.generator
        if not how.optimises:
            codes = self.encode(networks, originals)
            return codes, next(self.draw(generator, codes))
        if method not in self._inversions:
            self._inversions[method] = Inversion(
                synthesis=generator.synthesis, encoder=None if how.from_mean else networks.encoder,
                features=self.features, options=self._options(how))
        start = None
        if how.from_mean:
            start = np.repeat(self.mapped(generator).mean(axis=0, keepdims=True), len(originals), axis=0)
        result = self._inversions[method](originals, start=start)
        return result.codes, result.images


def _read(entry):
    return Inverted(entry.array("codes"), entry.array("pictures"), np.array(entry.array("mse")),
                    entry.numbers["seconds"])
