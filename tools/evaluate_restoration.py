"""Measure restoration by multi-code inversion (Gu et al. 2020): how good, against what, at what cost.

    python tools/evaluate_restoration.py                                # the embedded model, 50 held-out portraits
    python tools/evaluate_restoration.py network.h5 --photographs faces/ --parts codes layers photographs
    python tools/evaluate_restoration.py --quick                        # tiny settings: whether it runs

Parts: `codes`, error of inversion against N; `layers`, against the composing layer (the article's figure 11); `tasks`,
each task against the picture without a network (bicubic, grey, mean fill, Gaussian blur) and against one code, without
and with the domain term; `photographs`, one code and several out of the model's domain (figure 13); `cost`, seconds an
iteration and memory against N, with this model and with published StyleGAN at 256 px.

Writes to the output folder: tables.md, tables.json, codes.png, layers.png, cost.png, restoration.html with pictures of
every part, and what was computed in `cells`: a run that was ended goes on from there, and a run with other settings
computes anew what they change. Expect two hours for all parts on two processor cores.
"""
import functools
import hashlib
import json
import multiprocessing
import time
from pathlib import Path

from tf_idinvert.cli import command, inversion_options
from tf_idinvert.cli.command import number
from tf_idinvert.errors import InputError
from tf_idinvert.files.progress import progress

PARTS = ("codes", "layers", "tasks", "photographs", "cost")
TASKS = ("colorize", "super-resolve", "inpaint", "denoise")
SCORES = ("mse", "psnr", "ssim")
DOMAIN_WEIGHT = 2.0         # of one code with the domain term, as in inversion
PUBLISHED = 256             # px, of the published network whose cost is measured
SHOWN = 8                   # pictures of each part in the page


def parse_arguments():
    parser = command.parser(__doc__)
    parser.add_argument("model_path", nargs="?", help="network file; default: the embedded model")
    command.add_output_options(parser, "results/restoration_evaluation")
    parser.set_defaults(viz_size=0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="(all)")
    parser.add_argument("--pictures", help="picture, folder or list; default: held-out rendered portraits")
    parser.add_argument("--photographs", help="picture, folder or list out of the model's domain, for that part")
    parser.add_argument("--count", type=number(int, 1), default=50, help="pictures at most (50)")
    parser.add_argument("--codes", type=number(int, 1), nargs="+", default=[1, 5, 10, 20, 30], help="(1 5 10 20 30)")
    parser.add_argument("--layers", type=number(int, 1), nargs="+", default=[2, 4, 6, 8, 10],
                        help="those that the model has are taken (2 4 6 8 10)")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), help="of the part tasks (all)")
    command.add_option(parser, "--num_codes", "-N", type=number(int, 1), default=20, help="in the other parts (20)")
    command.add_option(parser, "--composing_layer", "-l", type=number(int, 1), default=6, help="in the other parts (6)")
    command.add_option(parser, "--num_iterations", type=number(int, 1), default=200, help="(200)")
    command.add_option(parser, "--learning_rate", type=number(float, 0, exclusive=True), default=0.05, help="(0.05)")
    parser.add_argument("--optimizer", choices=("adam", "cosine", "lbfgs"), default="cosine", help="(cosine)")
    command.add_option(parser, "--batch_size", type=number(int, 1), default=5, help="pictures together (5)")
    command.add_option(parser, "--loss_weight_feat", type=number(float, 0),
                       help="lambda_vgg (5e-5; of an attribute network 20)")
    parser.add_argument("--features", help="feature network: 'imagenet' (VGG16), a VGG16 notop .h5 file, an attribute "
                        "network of ours, or 'none'; default: the attribute network with the embedded model, else "
                        "imagenet if it can be had, else none, with a warning")
    parser.add_argument("--factor", type=number(int, 2, 16), default=4, help="of super-resolution (4)")
    parser.add_argument("--noise", type=number(float, 0), default=0.2, help="of denoising, values in [-1, 1] (0.2)")
    parser.add_argument("--blur", type=number(float, 0), default=0.7, help="of denoising, pixels (0.7)")
    parser.add_argument("--seed", type=number(int, 0, 2 ** 31 - 1), default=0, help="of start codes and noise (0)")
    parser.add_argument("--quick", action="store_true", help="4 pictures, 20 iterations, N of 1 and 3, two layers")
    args = parser.parse_args()
    if args.quick:
        args.count, args.num_iterations, args.codes, args.layers, args.num_codes = 4, 20, [1, 3], [4, 6], 3
    return args


def main():
    args = parse_arguments()
    command.choose_device(args.gpu_id)
    from tf_idinvert.files import images
    from tf_idinvert.portraits import embedded
    folder = Path(args.output_dir or "results/restoration_evaluation")
    args.model_path = args.model_path or embedded.model_path()
    listings = {name: images.listing([path]) for name in ("pictures", "photographs") if (path := getattr(args, name))}
    (folder / "cells").mkdir(parents=True, exist_ok=True)
    log = command.open_log(folder / "evaluation.log")
    if "pictures" not in listings:
        listings["pictures"] = images.listing([embedded.sample_pictures(folder / "pictures", args.count)])

    command.import_tensorflow()
    import tensorflow as tf

    from tf_idinvert import checkpoint
    tf.get_logger().setLevel("ERROR")       # every search is another graph, of which it would warn
    models = checkpoint.load(args.model_path, only=("encoder", "generator"))
    if models.generator is None:
        raise InputError(f"{args.model_path}: holds no generator")
    features, note = inversion_options.load_features(args, log, models.generator.resolution)
    evaluation = Evaluation(folder, models, features, args, log)
    evaluation.notes.append(note or f"Feature term: {args.features or 'the default for this model'}, weight "
                            f"{args.loss_weight_feat:g}.")
    for name, listing in listings.items():
        evaluation.load(name, listing[:args.count])
    for part in args.parts:
        evaluation.run(part)
        evaluation.write()
    log.info("-> %s, %s", folder / "tables.md", folder / "restoration.html")


class Evaluation:
    """The parts: each fills rows of a table and of the page."""

    def __init__(self, folder, models, features, args, log):
        self.folder, self.models, self.features, self.args, self.log = folder, models, features, args, log
        self.model = hashlib.sha256(Path(args.model_path).read_bytes()).hexdigest()
        self.pictures, self.tables, self.shown, self.notes = {}, {}, [], []
        self.last_layer = models.generator.synthesis.last_start
        if models.encoder is None:
            self.notes.append("The model has no encoder: searches start at w_avg, none has a domain term.")

    def load(self, name, listing):
        import numpy as np

        from tf_idinvert.files import images
        self.pictures[name] = np.stack([images.load(path, self.models.generator.resolution)[0] for _, path in listing])

    def run(self, part):
        if part == "photographs" and part not in self.pictures:
            self.log.warning("warning: the part photographs is left out: give --photographs")
            return
        self.tables[part] = getattr(self, part)()

    # ---- the parts: each returns the rows of its table

    def codes(self):
        cells = {f"N = {n}": self.search("inversion", codes=n) for n in self.args.codes}
        self.show("inversion, number of codes", "pictures", cells)
        first, *_ = cells.values()
        return [{"N": n, **means(cell), f"better than N = {self.args.codes[0]}": better(cell, first)}
                for n, cell in zip(self.args.codes, cells.values())]

    def layers(self):
        layers = [layer for layer in self.args.layers if layer <= self.last_layer]
        cells = {f"l = {layer}": self.search("inversion", layer=layer) for layer in layers}
        self.show("inversion, composing layer", "pictures", cells)
        return [{"layer": layer, **means(cell)} for layer, cell in zip(layers, cells.values())]

    def tasks(self):
        rows = []
        for task in self.args.tasks:
            cells = self.methods(task, "pictures")
            self.show(task, "pictures", cells)
            for method, cell in cells.items():
                rows.append({"task": task, "method": method, **means(cell),
                             "better than one code": better(cell, cells["one code"])})
                if "composite" in cell["scores"]:
                    rows.append({"task": task, "method": f"{method}, composite", **means(cell, "composite"),
                                 "better than one code": better(cell, cells["one code"], "composite")})
        return rows

    def photographs(self):
        cells = self.methods("inversion", "photographs")
        self.show("out of domain", "photographs", cells)
        return [{"method": method, **means(cell), "better than one code": better(cell, cells["one code"])}
                for method, cell in cells.items()]

    def cost(self):
        rows, layer, codes = [], self.args.composing_layer, sorted({1, *self.args.codes})
        networks = [("model", str(self.args.model_path), self.models.generator.resolution),
                    ("published", PUBLISHED, PUBLISHED)]
        for name, network, resolution in networks[:1 if self.args.quick else 2]:
            cells = [self.cell(f"cost-{name}-{n}", {"network": name, "codes": n, "layer": layer},
                               functools.partial(self.measure, network, n)) for n in codes]
            rows += [{"network": name, "resolution": resolution, "N": n, "seconds an iteration": cell["seconds"],
                      "of N single searches": cell["seconds"] / (n * cells[0]["seconds"]),
                      "megabytes": cell["megabytes"]} for n, cell in zip(codes, cells)]
        return rows

    # ---- what the parts are made of

    def methods(self, task, pictures):
        """{method: cell}: without a network (but for inversion, where that is the picture), one code, several."""
        cells = {} if task == "inversion" else {"without a network": self.plain(task, pictures)}
        cells["one code"] = self.search(task, pictures, codes=1)
        if self.models.encoder is not None:
            cells["one code, domain term"] = self.search(task, pictures, codes=1, domain_weight=DOMAIN_WEIGHT)
        cells[f"{self.args.num_codes} codes"] = self.search(task, pictures)
        return cells

    def degrade(self, task, pictures):
        """(degradation, the degraded pictures, the observations)."""
        import numpy as np

        from tf_idinvert.restoration import degradations
        from tf_idinvert.restoration import tasks as restoration
        side = self.models.generator.resolution
        phi = restoration.degradation(task, side, factor=self.args.factor, known=restoration.box_known(side),
                                      sigma=self.args.blur)
        given = self.pictures[pictures]
        if task == "denoise":
            given = degradations.add_noise(given, self.args.noise, self.args.seed)
        observed = np.asarray(phi(given))
        return phi, given if task == "denoise" else observed, observed

    def plain(self, task, pictures):
        import numpy as np
        phi, _, observed = self.degrade(task, pictures)
        return self.scored({"restored": np.clip(phi.plain(observed), -1, 1)}, self.pictures[pictures])

    def search(self, task, pictures="pictures", codes=None, layer=None, domain_weight=0.0):
        """The cell of one search over all pictures."""
        import dataclasses

        from tf_idinvert.losses import feature_weight
        from tf_idinvert.restoration.multi_code import MultiCodeOptions
        args = self.args
        options = MultiCodeOptions(
            codes=codes or args.num_codes, layer=layer or args.composing_layer, steps=args.num_iterations,
            learning_rate=args.learning_rate, optimizer=args.optimizer, domain_weight=domain_weight,
            feature_weight=feature_weight(self.features, args.loss_weight_feat), batch_size=args.batch_size)
        settings = {"task": task, "options": dataclasses.asdict(options), "seed": args.seed, "features": args.features,
                    "pictures": hashlib.sha256(self.pictures[pictures].tobytes()).hexdigest(),
                    "degradation": [args.factor, args.noise, args.blur]}
        name = f"{task}-{pictures}-{options.codes}-{options.layer}-{domain_weight:g}"
        return self.cell(name, settings, lambda: self.restore(name, task, pictures, options))

    def restore(self, name, task, pictures, options):
        import numpy as np

        from tf_idinvert.restoration import tasks as restoration
        from tf_idinvert.restoration.multi_code import MultiCode
        phi, _, observed = self.degrade(task, pictures)
        start = restoration.start_codes(self.models.generator, self.models.encoder,
                                        np.asarray(phi.plain(observed), "float32"), options.codes, self.args.seed)
        search = MultiCode(synthesis=self.models.generator.synthesis, degrade=phi, encoder=self.models.encoder,
                           features=self.features, options=options)
        started = time.time()
        with progress(len(observed) * options.steps, name, log=self.log) as bar:
            def advance(share, loss):
                bar.n = round(share * bar.total)
                bar.set_postfix_str(f"loss {loss:.4f}")
                bar.refresh()

            made = {"restored": np.clip(search(observed, start, progress=advance).images, -1, 1)}
        composite = phi.composite(made["restored"], observed)
        if composite is not None:
            made["composite"] = np.clip(composite, -1, 1)
        return dict(self.scored(made, self.pictures[pictures]), seconds=time.time() - started)

    def scored(self, made, references):
        import numpy as np

        from tf_idinvert.files import images
        from tf_idinvert.restoration import tasks as restoration
        scores = {kind: {score: values.tolist() for score, values in restoration.scores(found, references).items()}
                  for kind, found in made.items()}
        return {"scores": scores, "images": np.stack([images.to_uint8(found) for found in made.values()])}

    def measure(self, network, codes):
        """Cost of an iteration, measured in a process of its own, but on a GPU, which this process holds."""
        import tensorflow as tf

        from tf_idinvert.evaluation.quality import restoration_cost
        arguments = network, codes, self.args.composing_layer
        if tf.config.list_physical_devices("GPU"):
            return restoration_cost.measure(*arguments)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(restoration_cost.measure, arguments)

    def cell(self, name, settings, compute):
        """What `compute` returns, a dict, its 'images' uint8; read from the folder if it was computed before."""
        import numpy as np

        from tf_idinvert.files import arrays, results
        path, settings = self.folder / "cells" / f"{name}.json", dict(settings, model=self.model)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found.pop("settings") == json.loads(json.dumps(settings)):
                if "scores" in found:
                    found["images"] = arrays.read(path.with_suffix(".npy"))
                return found
        except (OSError, ValueError, KeyError):         # absent or damaged: computed anew
            pass
        found = compute()
        if "images" in found:
            arrays.write(path.with_suffix(".npy"), np.asarray(found["images"]))
        results.write_options(path, {"settings": settings, **{k: v for k, v in found.items() if k != "images"}})
        self.log.info("%s: %s", name, ", ".join(
            f"{key} {value:.4g}" for key, value in (means(found) if "scores" in found else found).items() if value))
        return found

    # ---- what is written

    def show(self, what, pictures, cells):
        """A table of the page: the first pictures, what was done to them, what the cells made of that."""
        from tf_idinvert.files import report
        task = what if what in TASKS else "inversion"
        _, degraded, _ = self.degrade(task, pictures)
        factor = self.models.generator.resolution // degraded.shape[1]
        degraded = degraded.repeat(factor, axis=1).repeat(factor, axis=2)       # small ones as large as the rest
        headers, rows = ["Name", "Original", *["Degraded"] * (task != "inversion")], []
        for name, cell in cells.items():
            headers += [name if kind == "restored" else f"{name}, {kind}" for kind in cell["scores"]]
        for i, original in enumerate(self.pictures[pictures][:SHOWN]):
            row = [str(i + 1), report.Picture(original)]
            row += [report.Picture(degraded[i])] * (task != "inversion")
            for cell in cells.values():
                row += [report.Picture(made[i], f"{scores['psnr'][i]:.1f} dB, SSIM {scores['ssim'][i]:.3f}")
                        for made, scores in zip(cell["images"], cell["scores"].values())]
            rows.append(row)
        self.shown.append(report.Section(headers, rows, what.capitalize()))

    def write(self):
        from tf_idinvert.files import images, report, results
        results.write_options(self.folder / "tables.json",
                              {"arguments": vars(self.args), "model": self.model, **self.tables})
        self.write_markdown()
        drawn = (("codes", "N", "mse", None), ("layers", "layer", "mse", None),
                 ("cost", "N", "seconds an iteration", "resolution"))
        figures = [figure(self.folder / f"{part}.png", self.tables[part], *axes) for part, *axes in drawn
                   if part in self.tables]
        sections = [report.Section(list(rows[0]), [list(row.values()) for row in rows], part.capitalize())
                    for part, rows in self.tables.items()]
        if figures:
            sections.insert(0, report.Section(["", *(path.stem for path in figures)], [
                ["Figures", *(report.Picture(images.read(path)) for path in figures)]]))
        summary = {"Model": Path(self.args.model_path).name, "Pictures": len(self.pictures["pictures"]),
                   "Iterations": self.args.num_iterations, "Optimizer": self.args.optimizer,
                   "Learning rate": self.args.learning_rate}
        report.write_sections(self.folder / "restoration.html", "Restoration, measured", sections + self.shown,
                              summary=summary, notes=self.notes, viz_size=self.args.viz_size)

    def write_markdown(self):
        from tf_idinvert.files import atomic
        lines = [f"Model {Path(self.args.model_path).name}, {len(self.pictures['pictures'])} pictures, "
                 f"{self.args.num_iterations} iterations ({self.args.optimizer}, {self.args.learning_rate}); means "
                 "over the pictures, ± their standard error; MSE on values in [-1, 1]. Better: how many pictures have "
                 "a smaller error (composites: than the composite of one code).", *self.notes]
        for part, rows in self.tables.items():
            lines += ["", f"## {part}", "", "| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
            lines += ["| " + " | ".join(f"{value:.4g}" if isinstance(value, float) else str(value)
                                        for value in row.values()) + " |" for row in rows]
        atomic.write_text(self.folder / "tables.md", "\n".join(lines) + "\n")


def means(cell, kind="restored"):
    """{'mse': mean, ..., '± mse': standard error of the mean}."""
    import numpy as np
    scores = cell["scores"][kind]
    errors = {f"± {score}": float(np.std(scores[score]) / np.sqrt(len(scores[score]))) for score in SCORES}
    return {**{score: float(np.mean(scores[score])) for score in SCORES}, **errors}


def better(cell, other, kind="restored"):
    """Pictures that have a smaller error than in another cell, of how many: text."""
    errors = [each["scores"][kind]["mse"] for each in (cell, other)]
    return f"{sum(a < b for a, b in zip(*errors))} of {len(errors[0])}"


def figure(path, rows, x, y, group):
    """Draw a column of a table against another, a line for each value of `group` -> `path`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from tf_idinvert.files import atomic
    drawing = Figure(figsize=(6, 4), dpi=100, layout="tight")
    axes = drawing.add_subplot()
    for value in dict.fromkeys(row.get(group) for row in rows):
        line = [row for row in rows if row.get(group) == value]
        axes.errorbar([row[x] for row in line], [row[y] for row in line], [row.get(f"± {y}", 0.0) for row in line],
                      marker="o", capsize=3, label=None if value is None else f"{value} px")
    axes.set(xlabel="composing layer" if x == "layer" else x, ylabel=y.upper() if y in SCORES else y, ylim=(0, None))
    axes.grid(alpha=0.3)
    if group:
        axes.legend()
    with atomic.replacing(path) as temporary:
        FigureCanvasAgg(drawing).print_png(temporary)
    return path


if __name__ == "__main__":
    command.run(main)
