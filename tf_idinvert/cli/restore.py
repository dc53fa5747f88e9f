"""Restore pictures with a generator as prior: multi-code inversion (Gu et al. 2020, mGANprior), here for StyleGAN.

    python tools/restore.py                                  # inpaints rendered portraits with the embedded model
    python tools/restore.py colorize network.pkl old_photographs/
    python tools/restore.py super-resolve network.pkl small/ --factor 4
    python tools/restore.py inpaint network.pkl photographs/ --mask scratches.png --degrade

Tasks: inversion, colorize, super-resolve, inpaint, denoise. Pictures are taken as what is left: small ones to
super-resolve (fitted to the network's side / factor), noisy ones to denoise. With --degrade they are intact: they are
degraded first, and the results are compared with them. N codes are composed at a layer of the generator; more codes fit
closer, a lower layer stays closer to what the generator knows. The original (for PGGAN) takes 20 to 30 codes, layer 4
to 8, and 1,500 to 3,000 steps of gradient descent at rate 1.

Writes to the output folder, for every picture NAME: NAME_deg.png (the degraded picture), NAME_res.png (restored),
NAME_com.png (restored, with what is known put back: for inpaint, and with --keep_input), NAME_ori.png (with --degrade);
and codes.npy [pictures, N, l, D], shared_codes.npy [pictures, L - l, D], alphas.npy [pictures, N, channels], in the
order of options.json; restoration.html with all of it, and restoration.log. Expect some ten seconds a picture with the
embedded model on two processor cores, and with published StyleGAN at 256 px some minutes.
"""
import dataclasses
import time
from pathlib import Path

from tf_idinvert.cli import command, inversion_options
from tf_idinvert.cli.command import number
from tf_idinvert.errors import InputError
from tf_idinvert.files.progress import progress

TASKS = ("inversion", "colorize", "super-resolve", "inpaint", "denoise")
EXAMPLES = 4        # rendered portraits, where no pictures are given


def parse_arguments():
    parser = command.parser(__doc__)
    parser.add_argument("task", nargs="?", choices=TASKS, default="inpaint", help=f"{', '.join(TASKS)} (inpaint)")
    parser.add_argument("model_path", nargs="?", help="network file with a generator: official pickle, or ours (.h5); "
                        "its encoder, if any, gives the start; default: the embedded model")
    parser.add_argument("image_list", nargs="*", help="pictures, folders, or text lists with one path a line; default: "
                        f"{EXAMPLES} rendered portraits, degraded")
    command.add_output_options(parser, "results/restoration/TASK")
    command.add_option(parser, "--batch_size", type=number(int, 1), default=4, help="pictures restored together (4)")
    add_task_options(parser.add_argument_group("the task"))
    add_search_options(parser.add_argument_group("the search"))
    args = parser.parse_args()
    if args.mask and args.box:
        parser.error("--mask and --box exclude each other")
    if args.keep_input and args.task in ("inversion", "denoise"):
        parser.error(f"--keep_input: in the task {args.task} no part of the picture is known exactly")
    return args


def add_task_options(group):
    group.add_argument("--degrade", action="store_true", help="the pictures are intact: degrade them first")
    command.add_option(group, "--keep_input", action="store_true",
                       help="put back what is known: the pixels outside the mask (inpaint does so anyway), the grey "
                       "values (colorize), what the small picture tells (super-resolve)")
    group.add_argument("--factor", type=number(int, 2, 16), default=4, help="of super-resolve, 2 to 16 (4)")
    group.add_argument("--mask", help="picture, white where the others are to be inpainted")
    group.add_argument("--box", type=box, help="the same as LEFT,TOP,WIDTH,HEIGHT in the network's pixels; default: a "
                       "third of the side, in the middle")
    group.add_argument("--noise", type=number(float, 0), default=0.2,
                       help="standard deviation added by denoise --degrade, values in [-1, 1] (0.2)")
    group.add_argument("--blur", type=number(float, 0), default=0.7,
                       help="denoise compares pictures after this Gaussian blur, in pixels (0.7)")


def add_search_options(group):
    command.add_option(group, "--num_codes", "-N", type=number(int, 1), default=20,
                       help="codes (20; original: 20 to 30)")
    command.add_option(group, "--composing_layer", "-l", type=number(int, 1),
                       help="layer at which the codes are composed: 2 is at 4x4, 4 at 8x8, 6 at 16x16, 8 at 32x32, ... "
                       "(6, for inpaint 4, as the original; inversion there: up to 8)")
    group.add_argument("--optimizer", choices=("adam", "cosine", "lbfgs"), default="cosine",
                       help="cosine: Adam, its rate falling to 0 (cosine; original: gradient descent at rate 1)")
    command.add_option(group, "--learning_rate", type=number(float, 0, exclusive=True), default=0.05, help="(0.05)")
    command.add_option(group, "--num_iterations", type=number(int, 0), default=200, help="(200; original: up to 3,000)")
    command.add_option(group, "--num_results", type=number(int, 0), default=4, help="steps shown in the page (4)")
    command.add_option(group, "--loss_weight_feat", type=number(float, 0),
                       help="lambda_vgg, weight of the feature term (5e-5; of an attribute network 20)")
    group.add_argument("--features", help="feature network: 'imagenet' (VGG16, fetched once), the path of Keras' VGG16 "
                       "notop .h5, or 'none'; default: imagenet if it can be had, else none, with a warning")
    command.add_option(group, "--loss_weight_enc", type=number(float, 0), default=0.0,
                       help="lambda_dom, weight of the domain term; needs an encoder (0: none, as the original)")
    group.add_argument("--seed", type=number(int, 0, 2 ** 31 - 1), default=0, help="of start codes and noise (0)")


def box(text):
    values = tuple(int(value) for value in text.split(","))
    if len(values) != 4:
        raise ValueError
    return values


def main():
    args = parse_arguments()
    command.choose_device(args.gpu_id)
    from tf_idinvert.files import images
    from tf_idinvert.portraits import embedded
    folder = Path(args.output_dir or Path("results/restoration") / args.task)
    args.model_path = args.model_path or embedded.model_path()
    listing = images.listing(args.image_list) if args.image_list else None
    log = command.open_log(folder / "restoration.log")
    if listing is None:
        args.degrade = True
        listing = images.listing([embedded.sample_pictures(folder / "pictures", EXAMPLES)])

    command.import_tensorflow()
    from tf_idinvert import checkpoint
    from tf_idinvert.restoration import tasks
    from tf_idinvert.restoration.multi_code import MultiCode, MultiCodeOptions
    models = checkpoint.load(args.model_path, only=("encoder", "generator"))
    if models.generator is None:
        raise InputError(f"{args.model_path}: holds no generator")
    degrade = tasks.degradation(args.task, models.generator.resolution, factor=args.factor, sigma=args.blur,
                                known=known_part(args, models.generator.resolution))
    features, note = inversion_options.load_features(args, log, models.generator.resolution)
    options = MultiCodeOptions(
        codes=args.num_codes, layer=args.composing_layer or (4 if args.task == "inpaint" else 6),
        steps=args.num_iterations, learning_rate=args.learning_rate, optimizer=args.optimizer,
        batch_size=args.batch_size, results=args.num_results, domain_weight=args.loss_weight_enc,
        feature_weight=args.loss_weight_feat)
    search = MultiCode(synthesis=models.generator.synthesis, degrade=degrade, encoder=models.encoder,
                       features=features, options=options)
    job = Job(folder, listing, models, degrade, search, args, [note] if note else [], log)
    return 0 if job.run() == len(listing) else 1


def known_part(args, resolution):
    """[R, R], 1 where the pictures to be inpainted are known; None for the other tasks."""
    from tf_idinvert.files import images
    from tf_idinvert.restoration import tasks
    if args.task != "inpaint":
        return None
    if not args.mask:
        return tasks.box_known(resolution, args.box)
    return (images.load(args.mask, resolution)[0].mean(axis=-1) < 0).astype("float32")


@dataclasses.dataclass(frozen=True)
class Done:
    """A picture whose files are written; what codes.npy and the page say of it."""

    name: str
    path: str
    place: int          # of its pictures for the page, in the spool
    found: tuple        # codes, shared codes, alphas
    scores: list        # none where the original is not known


class Job:
    """All pictures, batch by batch; what is done is kept however the run ends."""

    def __init__(self, folder, listing, models, degrade, search, args, notes, log):
        from tf_idinvert.files import spool
        self.folder, self.listing, self.models, self.degrade = folder, listing, models, degrade
        self.search, self.args, self.notes, self.log = search, args, notes, log
        self.steps = search.options.result_steps()[:-1]         # the last is the result
        side = models.generator.resolution
        self.has_original = args.degrade or args.task == "inversion"
        self.has_composite = args.keep_input or args.task == "inpaint"
        self.kinds = ["plain", "restored"] + ["composite"] * self.has_composite         # what is scored
        count = self.has_original + 1 + len(self.steps) + len(self.kinds)
        self.spool = spool.Spool([count, side, side, 3])
        self.done = []          # `Done` of each picture whose files are written

    def run(self):
        """Restore everything -> number of pictures done."""
        from tf_idinvert.jobs import invert
        started = time.time()
        invert.to_the_end(self.restore, lambda: self.finish(time.time() - started))
        return len(self.done)

    def restore(self):
        size, steps = self.args.batch_size, max(self.args.num_iterations, 1)
        with progress(len(self.listing) * steps, self.args.task, log=self.log) as bar:
            for first in range(0, len(self.listing), size):
                batch = self.load(first, self.listing[first:first + size])
                if batch:
                    def advance(share, loss):
                        bar.n = round((first + share * len(batch)) * steps)
                        bar.set_postfix_str(f"loss {loss:.4f}")

                    self.restore_batch(batch, advance)
                bar.n = min(first + size, len(self.listing)) * steps
                bar.refresh()

    def load(self, first, listing):
        """(name, path, picture, degraded picture, observation) of those that can be read."""
        import numpy as np

        from tf_idinvert.files import images
        from tf_idinvert.restoration import degradations
        task, side = self.args.task, self.models.generator.resolution
        small = task == "super-resolve" and not self.args.degrade
        batch = []
        for i, (name, path) in enumerate(listing):
            try:
                picture, note = images.load(path, side // self.args.factor if small else side)
            except images.ImageError as error:
                self.log.error("skipped: %s", error)
                self.notes.append(f"skipped: {error}")
                continue
            if note:
                self.log.info("%s: %s", path, note)
                self.notes.append(f"{name}: {note}")
            given = picture[None]
            if task == "denoise" and self.args.degrade:
                given = degradations.add_noise(given, self.args.noise, self.args.seed, first + i)
            seen = given if small else np.asarray(self.degrade(given))
            batch.append((name, str(path), picture, (given if task == "denoise" else seen)[0], seen[0]))
        return batch

    def restore_batch(self, batch, progress):
        import numpy as np

        from tf_idinvert.restoration import tasks
        names, paths, originals, degraded, observed = zip(*batch)
        observed = np.stack(observed)
        plain = np.asarray(self.degrade.plain(observed), "float32")
        start = tasks.start_codes(self.models.generator, self.models.encoder, plain, self.args.num_codes,
                                  self.args.seed)
        result = self.search(observed, start, progress=progress)
        made = {"plain": plain, "restored": np.clip(result.images, -1, 1)}
        if self.has_composite:
            made["composite"] = np.clip(self.degrade.composite(made["restored"], observed), -1, 1)
        scores = [[]] * len(names)
        if self.has_original:
            found = {kind: tasks.scores(made[kind], np.stack(originals)) for kind in self.kinds}
            scores = [[found[kind][score][i] for score in ("psnr", "ssim") for kind in self.kinds]
                      for i in range(len(names))]
        for i, name in enumerate(names):
            pictures = {kind: values[i] for kind, values in made.items()}
            place = self.save(name, originals[i], degraded[i], pictures,
                              [result.intermediate[s][i] for s in self.steps])
            self.done.append(Done(name, paths[i], place, (result.codes[i], result.shared[i], result.alphas[i]),
                                  scores[i]))

    def save(self, name, original, degraded, made, steps):
        """Write the pictures of one -> the place of those for the page in the spool."""
        import numpy as np

        from tf_idinvert.files import images
        files = {"deg": degraded, "res": made["restored"], "com": made.get("composite"),
                 "ori": original if self.has_original else None}
        for suffix, picture in files.items():
            if picture is not None:
                images.save(self.folder / f"{name}_{suffix}.png", picture)
        times = self.models.generator.resolution // len(degraded)
        enlarged = degraded.repeat(times, axis=0).repeat(times, axis=1)
        shown = [original] * self.has_original + [enlarged, made["plain"], *steps, *list(made.values())[1:]]
        return self.spool.append(images.to_uint8(np.stack(shown)))

    def finish(self, seconds):
        import numpy as np

        from tf_idinvert.files import arrays, results
        if self.done:
            for name, values in zip(("codes", "shared_codes", "alphas"), zip(*(each.found for each in self.done))):
                arrays.write(self.folder / f"{name}.npy", np.stack(values))
            results.write_options(self.folder / "options.json", {
                "options": dataclasses.asdict(self.search.options), "seconds": round(seconds, 1),
                "arguments": vars(self.args), "pictures": {each.name: each.path for each in self.done}})
            self.write_page()
        self.log.info("%d of %d pictures restored in %.1f s -> %s", len(self.done), len(self.listing), seconds,
                      self.folder / "restoration.html" if self.done else self.folder)

    def write_page(self):
        import numpy as np

        from tf_idinvert.files import report
        scored = [f"{score} {kind}" for score in ("PSNR", "SSIM") for kind in self.kinds] if self.has_original else []
        headers = ["Name", *["Original"] * self.has_original, "Degraded", "Without a network",
                   *(f"Step {step:06d}" for step in self.steps), *(kind.title() for kind in self.kinds[1:]), *scored]
        rows = ([each.name, *map(report.Picture, self.spool[each.place]), *each.scores] for each in self.done)
        options = self.search.options
        summary = {"Task": self.args.task, "Model": Path(self.args.model_path).name, "Pictures": len(self.done),
                   "Codes": options.codes, "Composing layer": options.layer, "Iterations": options.steps,
                   "Optimizer": options.optimizer, "Learning rate": options.learning_rate,
                   "λ_vgg": options.feature_weight, "λ_dom": options.domain_weight}
        means = np.mean([each.scores for each in self.done], axis=0).tolist()
        summary.update({f"Mean {name}": mean for name, mean in zip(scored, means)})
        notes = ["PSNR (dB) and SSIM are to the original. Plain: without a network, by interpolation at best."]
        report.write(self.folder / "restoration.html", "Restoration", headers, rows, summary=summary,
                     notes=(notes if self.has_original else []) + self.notes, viz_size=self.args.viz_size)


if __name__ == "__main__":
    command.run(main)
