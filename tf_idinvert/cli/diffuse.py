"""Semantic diffusion: put the middle of every target into every context and let the network make it one picture.

    python tools/diffuse.py network.pkl faces.list contexts.list
    python tools/diffuse.py network.pkl portrait.png photographs/ --crop_size 60 --center_x 64 --center_y 70
    python tools/diffuse.py                                     # the embedded model, on rendered portraits

A square of the target is copied into the context; the optimisation starts at the encoder's code of the stitched
picture, and its loss counts only inside the square (Zhu et al. 2020, section 3.4); there is no domain term. Targets and
contexts are folders of pictures, text lists, single pictures, or folders that invert.py wrote (their NAME_ori.png). The
square is 110 pixels around x 125, y 145 at 256 px, and is scaled for networks of other resolutions; what is given is
taken as it is.

Writes to the output folder, for a job TARGETS_TO_CONTEXTS: .html; a folder of that name with, for every pair,
TARGET_TO_CONTEXT_sti.png (stitched), _enc.png (G(E(stitched))) and _inv.png (the result); _encoded_codes.npy and
_inverted_codes.npy ([targets, contexts, L, D]; NaN where a run was ended early), _options.json and .log. Expect the
time of inversion for every pair.
"""
import dataclasses
import itertools
from pathlib import Path

from tf_idinvert.cli import command, inversion_options
from tf_idinvert.errors import InputError
from tf_idinvert.files.progress import progress


def parse_arguments():
    parser = command.parser(__doc__)
    parser.add_argument("model_path", nargs="?", help=inversion_options.MODEL_HELP)
    parser.add_argument("target_list", nargs="?", help=f"pictures to diffuse; {inversion_options.PICTURES_HELP}")
    parser.add_argument("context_list", nargs="?", help=f"pictures to diffuse into; {inversion_options.PICTURES_HELP}")
    command.add_option(parser, "--crop_size", "-s", type=command.number(int, 1),
                       help="side of the square (110 at 256 px)")
    command.add_option(parser, "--center_x", "-x", type=command.number(int, 0),
                       help="column of its centre (125 at 256 px)")
    command.add_option(parser, "--center_y", "-y", type=command.number(int, 0),
                       help="row of its centre (145 at 256 px)")
    command.add_output_options(parser, "results/diffusion")
    command.add_option(parser, "--batch_size", type=command.number(int, 1), default=4,
                       help="pairs optimised together (4)")
    inversion_options.add_optimisation_options(parser)
    return inversion_options.parse(parser, target_list=("others", 2), context_list=("portraits", 4))


def main():
    args = parse_arguments()
    command.choose_device(args.gpu_id)
    given = [listing(args.target_list), listing(args.context_list)]
    folder = Path(args.output_dir or "results/diffusion")
    base = folder / f"{command.title(args.target_list)}_TO_{command.title(args.context_list)}"
    log = command.open_log(f"{base}.log")

    command.import_tensorflow()
    from tf_idinvert import checkpoint, editing
    from tf_idinvert.files import results
    from tf_idinvert.inversion import Inversion
    models = checkpoint.load(args.model_path, only=("encoder", "generator"))
    if models.generator is None or models.encoder is None:
        missing = "encoder" if models.generator else "generator"
        raise InputError(f"{args.model_path}: holds no {missing}; diffusion needs both encoder and generator")
    box = editing.crop_box(models.generator.resolution, args.crop_size, args.center_x, args.center_y)
    top, left, side = box
    log.info("crop of %d px around x %d, y %d, in pictures of %d px", side, left + side // 2, top + side // 2,
             models.generator.resolution)
    features, note = inversion_options.load_features(args, log, models.generator.resolution)
    options = inversion_options.inversion_options(args, args.batch_size)
    inversion = Inversion(synthesis=models.generator.synthesis, encoder=models.encoder, features=features,
                          options=options)
    notes = [note] if note else []
    targets, contexts = (readable(each, models.generator.resolution, notes, log) for each in given)
    results.write_options(f"{base}_options.json", {
        "options": dataclasses.asdict(inversion.options), "arguments": vars(args),
        "crop": {"top": top, "left": left, "side": side}, "targets": dict(targets), "contexts": dict(contexts)})
    job = Job(base, targets, contexts, box, inversion, models.generator, args, notes, log)
    job.run()
    return 0 if (len(targets), len(contexts)) == tuple(map(len, given)) else 1


def listing(path):
    """(name, path) of the pictures at a path; those of inverted pictures are their originals."""
    from tf_idinvert.files import images, results
    if not results.is_results(path):
        return images.listing([path])
    names = results.read_list(Path(path) / results.LIST)
    if not names:
        raise InputError(f"{Path(path) / results.LIST}: names no pictures")
    return [(name, Path(path) / f"{name}_ori.png") for name in names]


def readable(pictures, resolution, notes, log):
    """Those (name, path) that can be read; the others are reported, and noted for the page. ValueError if none can."""
    from tf_idinvert.files import images
    from tf_idinvert.jobs import invert
    found = [(name, str(path)) for name, path, _ in invert.readable(pictures, resolution, log, notes)]
    if not found:
        raise images.ImageError(f"none of {len(pictures)} pictures could be read")
    return found


class Job:
    """All pairs of targets and contexts, batch by batch; what is done is kept however the run ends."""

    def __init__(self, base, targets, contexts, box, inversion, generator, args, notes, log):
        from tf_idinvert.files import spool
        self.base, self.targets, self.contexts, self.box = base, targets, contexts, box
        self.inversion, self.generator, self.args, self.notes, self.log = inversion, generator, args, notes, log
        self.steps = inversion.options.result_steps()
        side = generator.resolution
        self.spool = spool.Spool([4 + len(self.steps), side, side, 3])
        self.done = []      # (name, place in the spool, MSE) of a pair whose pictures and codes are written

    def run(self):
        from tf_idinvert.jobs import invert
        self.base.mkdir(exist_ok=True)
        invert.to_the_end(self.diffuse, self.write_page)

    def diffuse(self):
        from tf_idinvert import editing
        from tf_idinvert.files import arrays
        mask = editing.box_mask(self.generator.resolution, self.box)
        shape = [len(self.targets), len(self.contexts), self.generator.num_layers, self.generator.dlatent_size]
        pairs = itertools.product(self.targets, self.contexts)
        count, steps = len(self.targets) * len(self.contexts), max(self.inversion.options.steps, 1)
        with arrays.filling(f"{self.base}_encoded_codes.npy", shape, self.done) as encoded, \
                arrays.filling(f"{self.base}_inverted_codes.npy", shape, self.done) as inverted, \
                progress(count * steps, "diffusion", log=self.log) as bar:
            while batch := list(itertools.islice(pairs, self.args.batch_size)):
                done = len(self.done)

                def advance(share, loss):
                    bar.n = round((done + share * len(batch)) * steps)
                    bar.set_postfix_str(f"loss {loss:.4f}")

                targets, contexts, stitched = self.load(batch)
                result = self.inversion(stitched, mask=mask, progress=advance)
                for i, found in enumerate(self.saved(batch, targets, contexts, stitched, result)):
                    encoded.append(result.start_codes[i])
                    inverted.append(result.codes[i])
                    self.done.append(found)
                bar.n = len(self.done) * steps
                bar.refresh()

    def load(self, batch):
        """Targets, contexts and stitched pictures of a batch of pairs, each [N, R, R, 3] in [-1, 1]."""
        import numpy as np

        from tf_idinvert import editing
        from tf_idinvert.files import images
        loaded = {path: images.load(path, self.generator.resolution)[0] for pair in batch for _, path in pair}
        targets = np.stack([loaded[path] for (_, path), _ in batch])
        contexts = np.stack([loaded[path] for _, (_, path) in batch])
        return targets, contexts, editing.stitch(targets, contexts, self.box)

    def saved(self, batch, targets, contexts, stitched, result):
        """Write the pictures of each pair, then yield its record for `done`."""
        import numpy as np

        from tf_idinvert.files import images
        top, left, side = self.box
        for i, ((target, _), (context, _)) in enumerate(batch):
            name = f"{target}_TO_{context}"
            for suffix, picture in ("sti", stitched[i]), ("enc", result.start_images[i]), ("inv", result.images[i]):
                images.save(self.base / f"{name}_{suffix}.png", picture)
            place = self.spool.append(images.to_uint8(np.stack([
                targets[i], contexts[i], stitched[i], result.start_images[i],
                *(result.intermediate[step][i] for step in self.steps)])))
            inside = [np.square(np.clip(picture[i], -1, 1) - stitched[i])[top:top + side, left:left + side]
                      for picture in (result.start_images, result.images)]
            yield f"{target} to {context}", place, [float(np.mean(square)) for square in inside]

    def write_page(self):
        from tf_idinvert.files import report
        if not self.done:
            return
        headers = ["Names", "Target Image", "Context Image", "Stitched Image", "Encoder Output",
                   *(f"Step {step:06d}" for step in self.steps), "MSE start", "MSE diffused"]
        rows = ([name, *map(report.Picture, self.spool[place]), *mse] for name, place, mse in self.done)
        options, (top, left, side) = self.inversion.options, self.box
        summary = {"Model": Path(self.args.model_path).name, "Targets": len(self.targets),
                   "Contexts": len(self.contexts),
                   "Crop": f"{side} px around x {left + side // 2}, y {top + side // 2}", "Iterations": options.steps,
                   "Optimizer": options.optimizer, "Learning rate": options.learning_rate,
                   "λ_vgg": options.feature_weight}
        notes = ["MSE: mean of squared differences to the stitched picture inside the crop, values in [-1, 1].",
                 *self.notes]
        report.write(f"{self.base}.html", "Semantic diffusion", headers, rows, summary=summary, notes=notes,
                     viz_size=self.args.viz_size)
        self.log.info("%d of %d pairs diffused -> %s.html", len(self.done), len(self.targets) * len(self.contexts),
                      self.base)


if __name__ == "__main__":
    command.run(main)
