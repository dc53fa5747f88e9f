"""Quality and cost of restoration by multi-code inversion (Gu et al. 2020), compared with simpler methods.

Every search over a set of pictures is made once and stored. The scores are the error, PSNR and SSIM of the pictures,
with 95 % intervals over the pictures.
"""
from __future__ import annotations

import dataclasses
import time

import numpy as np

from tf_idinvert.evaluation.store import Store
from tf_idinvert.files import images
from tf_idinvert.files.digests import array_digest
from tf_idinvert.files.progress import progress
from tf_idinvert.metrics import intervals
from tf_idinvert.restoration import degradations, tasks
from tf_idinvert.restoration.multi_code import MultiCode, MultiCodeOptions

VERSION = 1                 # version of the stored entries; older ones are ignored
TASKS = ("colorize", "super-resolve", "inpaint", "denoise")
SCORES = ("mse", "psnr", "ssim")
DOMAIN_WEIGHT = 2.0         # lambda_dom for one code with the domain term, as in inversion
PUBLISHED = 256             # resolution in pixels of the published network whose cost is measured
SHOWN = 8                   # pictures per part in the page


@dataclasses.dataclass(frozen=True)
class Degraded:
    """How pictures are made worse: factor of super-resolution; deviation of the noise, on values in [-1, 1]; deviation
    in pixels of the blur after which noisy pictures are compared."""

    factor: int = 4
    noise: float = 0.2
    blur: float = 0.7


@dataclasses.dataclass(frozen=True)
class Cell:
    """Results of one method for a set of pictures.

    Attributes:
        scores: {'restored' or 'composite': {one of SCORES: [N]}}.
        pictures: {'restored' or 'composite': uint8 [N, R, R, 3]}.
    """

    scores: dict
    pictures: dict

    def means(self, kind="restored"):
        """Return {one of SCORES: [mean, low, high]}."""
        return {score: intervals.mean(self.scores[kind][score]) for score in SCORES}

    def better(self, other, kind="restored"):
        """Return the number of pictures with a smaller error than in another cell, as text 'k of N'."""
        errors = [each.scores[kind]["mse"] for each in (self, other)]
        return f"{sum(a < b for a, b in zip(*errors))} of {len(errors[0])}"


@dataclasses.dataclass(frozen=True)
class Sheet:
    """Pictures uint8 [r, c, R, R, 3], names of the columns, and captions of the pictures ('' for none)."""

    title: str
    pictures: np.ndarray
    columns: list
    captions: list


@dataclasses.dataclass(frozen=True)
class Bench:
    """The model and the pictures of an evaluation.

    Attributes:
        store: Store.
        generator, encoder, features: see `MultiCode`; encoder and features may be None.
        key: key of model and features in the store.
        files: paths of the model's files.
        pictures: {name of a set: float32 [N, R, R, 3] in [-1, 1]}; sets are 'pictures' and optionally 'photographs'.
        options: MultiCodeOptions of all searches, except for what the parts vary.
        degraded: Degraded.
        seed: seed of initial codes and noise.
        log: logging.Logger.
    """

    store: Store
    generator: object
    encoder: object
    features: callable
    key: list
    files: list
    pictures: dict
    options: MultiCodeOptions
    degraded: Degraded
    seed: int
    log: object

    def methods(self, task, pictures):
        """Return {method: Cell}: without a network (not for inversion), with one code, with several codes."""
        cells = {} if task == "inversion" else {"without a network": self.plain(task, pictures)}
        cells["one code"] = self.search(task, pictures, codes=1)
        if self.encoder is not None:
            cells["one code, domain term"] = self.search(task, pictures, codes=1, domain_weight=DOMAIN_WEIGHT)
        cells[f"{self.options.codes} codes"] = self.search(task, pictures)
        return cells

    def degrade(self, task, pictures):
        """Return (degradation, the degraded pictures, the observations)."""
        side, given = self.generator.resolution, self.pictures[pictures]
        phi = tasks.degradation(task, side, factor=self.degraded.factor, known=tasks.box_known(side),
                                sigma=self.degraded.blur)
        if task == "denoise":
            noisy = degradations.add_noise(given, self.degraded.noise, self.seed)
            return phi, noisy, np.asarray(phi(noisy))
        observed = np.asarray(phi(given))
        return phi, observed, observed

    def plain(self, task, pictures):
        """Return the Cell of the method without a network."""
        phi, _, observed = self.degrade(task, pictures)
        made = np.clip(phi.plain(observed), -1, 1)
        return Cell({"restored": scores(made, self.pictures[pictures])}, {"restored": images.to_uint8(made)})

    def search(self, task, pictures="pictures", **changes):
        """Return the Cell of a search over all pictures of a set; `changes` are changes of `options`."""
        options = dataclasses.replace(self.options, **changes)

        def fill(entry):
            started = time.time()
            made = self._restore(task, pictures, options)
            for kind, found in made.items():
                entry.create(kind, found.shape, np.uint8)[...] = images.to_uint8(found)
            found = {kind: scores(each, self.pictures[pictures]) for kind, each in made.items()}
            self.log.info("%s, %d codes, layer %d: MSE %.4g, %.0f s", task, options.codes, options.layer,
                          np.mean(found["restored"]["mse"]), time.time() - started)
            return {"scores": found}

        entry = self.store.entry(f"{task}-{pictures}-{options.codes}-{options.layer}", [
            VERSION, task, dataclasses.asdict(options), dataclasses.asdict(self.degraded), self.seed, self.key,
            array_digest(self.pictures[pictures])], fill)
        found = entry.numbers["scores"]
        return Cell(found, {kind: entry.array(kind) for kind in found})

    def _restore(self, task, pictures, options):
        """Return {'restored' or 'composite': float32 [N, R, R, 3] in [-1, 1]}."""
        phi, _, observed = self.degrade(task, pictures)
        start = tasks.start_codes(self.generator, self.encoder, np.asarray(phi.plain(observed), "float32"),
                                  options.codes, self.seed)
        search = MultiCode(synthesis=self.generator.synthesis, degrade=phi, encoder=self.encoder,
                           features=self.features, options=options)
        with progress(len(observed) * options.steps, f"{task}, {options.codes} codes", log=self.log) as bar:
            def advance(share, loss):
                bar.n = round(share * bar.total)
                bar.set_postfix_str(f"loss {loss:.4f}")
                bar.refresh()

            made = {"restored": np.clip(search(observed, start, progress=advance).images, -1, 1)}
        composite = phi.composite(made["restored"], observed)
        return made if composite is None else {**made, "composite": np.clip(composite, -1, 1)}

    def cost(self, network, codes, measure):
        """Return {'seconds' per iteration, 'megabytes'} with N codes, for one image and the pixel term only.

        Args:
            network: paths of the files of a network, or a resolution: StyleGAN as published, with random weights.
            codes: N.
            measure: `restoration_cost.measure_apart`.
        """
        def fill(entry):
            return measure(network, codes, self.options.layer)

        key = network if isinstance(network, int) else self.key
        return self.store.entry(f"cost-{codes}", [VERSION, key, codes, self.options.layer], fill).numbers


def scores(made, references):
    """Score pictures float32 [N, R, R, 3] in [-1, 1]: {one of SCORES: list of N numbers}."""
    return {score: values.tolist() for score, values in tasks.scores(made, references).items()}


# ------------------------------------------------------------------------------------------------- the parts

def by_codes(bench, codes):
    """Measure inversion for several numbers of codes; return (rows of the table, [Sheet])."""
    cells = {f"N = {n}": bench.search("inversion", codes=n) for n in codes}
    first = next(iter(cells.values()))
    rows = [{"N": n, **cell.means(), f"better than N = {codes[0]}": cell.better(first)}
            for n, cell in zip(codes, cells.values())]
    return rows, [sheet(bench, "inversion, number of codes", "inversion", "pictures", cells)]


def by_layers(bench, layers):
    """Measure inversion for the composing layers that the network has; return (rows of the table, [Sheet])."""
    layers = [layer for layer in layers if layer <= bench.generator.synthesis.last_start]
    cells = {f"l = {layer}": bench.search("inversion", layer=layer) for layer in layers}
    rows = [{"layer": layer, **cell.means()} for layer, cell in zip(layers, cells.values())]
    return rows, [sheet(bench, "inversion, composing layer", "inversion", "pictures", cells)]


def by_tasks(bench, names):
    """Measure every task with every method; if parts of the input are known exactly, also with these put back."""
    rows, sheets = [], []
    for task in names:
        cells = bench.methods(task, "pictures")
        sheets.append(sheet(bench, task, task, "pictures", cells))
        for method, cell in cells.items():
            for kind in cell.scores:
                rows.append({"task": task, "method": method if kind == "restored" else f"{method}, {kind}",
                             **cell.means(kind), "better than one code": cell.better(cells["one code"], kind)})
    return rows, sheets


def out_of_domain(bench):
    """Measure inversion of photographs outside the model's domain."""
    cells = bench.methods("inversion", "photographs")
    rows = [{"method": method, **cell.means(), "better than one code": cell.better(cells["one code"])}
            for method, cell in cells.items()]
    return rows, [sheet(bench, "out of domain", "inversion", "photographs", cells)]


def costs(bench, codes, measure, published=True):
    """Measure seconds and memory for several N, for the model and optionally published StyleGAN at PUBLISHED px.

    For `measure`, see `Bench.cost`.
    """
    rows, codes = [], sorted({1, *codes})
    networks = [("model", bench.files, bench.generator.resolution), ("published", PUBLISHED, PUBLISHED)]
    for name, network, resolution in networks[:2 if published else 1]:
        cells = [bench.cost(network, n, measure) for n in codes]
        rows += [{"network": name, "resolution": resolution, "N": n, "seconds an iteration": cell["seconds"],
                  "of N single searches": cell["seconds"] / (n * cells[0]["seconds"]),
                  "megabytes": cell["megabytes"]} for n, cell in zip(codes, cells)]
    return rows, []


def sheet(bench, title, task, pictures, cells):
    """Return a Sheet with the first pictures, the degraded ones, and the results of the cells."""
    originals = images.to_uint8(bench.pictures[pictures][:SHOWN])
    columns, shown, captions = ["original"], [originals], [[""] * len(originals)]
    if task != "inversion":
        degraded = images.to_uint8(bench.degrade(task, pictures)[1][:SHOWN])
        factor = originals.shape[1] // degraded.shape[1]
        columns.append("degraded")
        shown.append(degraded.repeat(factor, axis=1).repeat(factor, axis=2))        # enlarge small pictures
        captions.append([""] * len(originals))
    for name, cell in cells.items():
        for kind, found in cell.scores.items():
            columns.append(name if kind == "restored" else f"{name}, {kind}")
            shown.append(np.array(cell.pictures[kind][:SHOWN]))
            captions.append([f"{psnr:.1f} dB, SSIM {ssim:.3f}"
                             for psnr, ssim in zip(found["psnr"][:SHOWN], found["ssim"])])
    return Sheet(title, np.stack(shown, axis=1), columns, list(map(list, zip(*captions))))
