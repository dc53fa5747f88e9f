"""Invert pictures: domain-regularized optimization from the encoder's codes (Zhu et al. 2020, section 2.2).

    python tools/invert.py network.pkl photographs/
    python tools/invert.py network.pkl images.list -o results/mine --num_iterations 200

Writes to the output folder, for every picture NAME: NAME_ori.png (as the network sees it), NAME_enc.png (G(E(x))) and
NAME_inv.png (after the optimisation); and encoded_codes.npy, inverted_codes.npy ([N, L, D], in the order of
image_list.txt), inversion.html with all of it, inversion.log, and options.json. Expect 100 iterations to take some
seconds a picture at 64 px on a processor, minutes at 256 px, and a few seconds on a GPU.
"""
import argparse
import dataclasses
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from tf_idinvert import cli


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("model_path", help="network file: official pickle (E, G, D, Gs) or (G, D, Gs), or ours (.h5)")
    add("image_list", nargs="+", help="pictures, folders of pictures, or text lists with one path a line")
    add("-o", "--output_dir", "--output-dir", default="", help="default: results/inversion/NAME OF LIST")
    add("--batch_size", "--batch-size", type=cli.number(int, 1), default=4, help="pictures optimised together (4)")
    add("--learning_rate", "--learning-rate", type=cli.number(float, 0, exclusive=True), default=0.01, help="(0.01)")
    add("--num_iterations", "--num-iterations", type=cli.number(int, 0), default=100, help="Adam steps (100)")
    add("--num_results", "--num-results", type=cli.number(int, 0), default=5, help="steps shown in the page (5)")
    add("-R", "--random_init", "--random-init", action="store_true",
        help="start from the mapped code of a random z, not from the encoder's")
    add("-E", "--domain_regularizer", "--no-domain-regularizer", dest="domain_regularizer", action="store_false",
        help="leave the domain term out (the original's flag -E switches it off; --no-domain-regularizer says so)")
    add("--loss_weight_feat", "--loss-weight-feat", type=cli.number(float, 0), default=5e-5,
        help="lambda_vgg, weight of the feature term (5e-5)")
    add("--loss_weight_enc", "--loss-weight-enc", type=cli.number(float, 0), default=2.0,
        help="lambda_dom, weight of the domain term (2.0)")
    add("--features", help="feature network: 'imagenet' (VGG16, fetched once), the path of Keras' VGG16 notop .h5, or "
        "'none'; default: imagenet if it can be had, else none, with a warning")
    add("--viz_size", "--viz-size", type=cli.number(int, 0), default=256, help="size in the page, 0: as is (256)")
    add("--gpu_id", "--gpu-id", default="0", help="CUDA_VISIBLE_DEVICES (0)")
    add("--seed", type=cli.number(int, 0, 2 ** 31 - 1), default=0, help="of --random_init (0)")
    return parser.parse_args()


def main():
    args = parse_arguments()
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", args.gpu_id)
    from tf_idinvert import images
    listing = images.listing(args.image_list)
    folder = output_folder(args)
    log = open_log(folder / "inversion.log")

    from tf_idinvert import checkpoint
    from tf_idinvert.inversion import Inversion, InversionOptions
    models = checkpoint.load(args.model_path, only=("encoder", "generator"))
    check(models, args)
    features, features_note = load_features(args, log)
    options = InversionOptions(
        steps=args.num_iterations, learning_rate=args.learning_rate, batch_size=args.batch_size,
        results=args.num_results, feature_weight=args.loss_weight_feat if features else 0.0,
        domain_weight=args.loss_weight_enc if args.domain_regularizer else 0.0)
    inversion = Inversion(synthesis=models.generator.synthesis, encoder=models.encoder, features=features,
                          options=options)
    results = Results(folder, options, models.generator, len(listing), args.viz_size, [features_note])
    started, interrupted = time.time(), False
    try:
        invert_all(listing, inversion, models, args, results, log)
    except KeyboardInterrupt:
        interrupted = True
    seconds = time.time() - started
    results.finish(args, {"options": dataclasses.asdict(options), "seconds": round(seconds, 1)}, str(args.model_path))
    done = len(results.names)
    log.info("%d of %d pictures inverted in %.1f s -> %s", done, len(listing), seconds,
             folder / "inversion.html" if done else folder)
    if interrupted:
        raise KeyboardInterrupt
    return 0 if done == len(listing) else 1


def output_folder(args):
    """The output folder, made where it is not there yet."""
    folder = Path(args.output_dir or Path("results/inversion") / (Path(args.image_list[0]).stem or "images"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def open_log(path):
    """A logger to the terminal and to a file that starts afresh."""
    log = logging.Logger("invert", logging.INFO)      # of this run alone
    log.addHandler(logging.StreamHandler(sys.stderr))
    log.addHandler(logging.FileHandler(path, mode="w", encoding="utf-8"))
    return log


def check(models, args):
    """ValueError where the model cannot do what the arguments ask."""
    if models.generator is None:
        raise ValueError(f"{args.model_path}: holds no generator")
    needs_encoder = [] if args.random_init else ["to start from (else give --random_init)"]
    if args.domain_regularizer and args.loss_weight_enc:
        needs_encoder.append("for the domain term (else give --no-domain-regularizer)")
    if models.encoder is None and needs_encoder:
        raise ValueError(f"{args.model_path}: holds no encoder, which is needed {' and '.join(needs_encoder)}")


def load_features(args, log):
    """The feature network and a note about it; without --features it is done without where VGG16 cannot be had."""
    if args.features == "none" or not args.loss_weight_feat:
        return None, "The feature term was left out, as asked."
    from tf_idinvert.networks.perceptual import FeaturesError, VGG16Features
    try:
        return VGG16Features(args.features or "imagenet"), ""
    except FeaturesError as error:
        if args.features:
            raise
        log.warning("warning: inverting without the feature term (--features none does so silently): %s", error)
        return None, f"The feature term was left out: {error}"


def invert_all(listing, inversion, models, args, results, log):
    """Invert the pictures batch by batch; a picture that cannot be read is reported and left out."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm
    with logging_redirect_tqdm(loggers=[log]), tqdm(total=len(listing) * max(args.num_iterations, 1), unit="it", desc="inversion", smoothing=0.1,
              bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}", disable=None) as bar:
        for first in range(0, len(listing), args.batch_size):
            batch = readable(listing[first:first + args.batch_size], models.generator.resolution, results, log)
            if batch:
                names, pictures = zip(*batch)

                def progress(share, loss):
                    bar.n = round((first + share * len(names)) * max(args.num_iterations, 1))
                    bar.set_postfix_str(f"loss {loss:.4f}")

                start = random_codes(models.generator, args.seed, first, len(names)) if args.random_init else None
                results.add(names, pictures, inversion(pictures, start=start, progress=progress))
            bar.n = min(first + args.batch_size, len(listing)) * max(args.num_iterations, 1)
            bar.refresh()


def readable(listing, resolution, results, log):
    """(name, float image) of the pictures that can be read."""
    from tf_idinvert import images
    batch = []
    for name, path in listing:
        try:
            picture, note = images.load(path, resolution)
        except images.ImageError as error:
            log.error("skipped: %s", error)
            results.notes.append(f"skipped: {error}")
            continue
        if note:
            log.info("%s: %s", path, note)
            results.notes.append(f"{name}: {note}")
        results.paths[name] = str(path)
        batch.append((name, picture))
    return batch


def random_codes(generator, seed, first, count):
    """W codes of z ~ N(0, I), [count, L, D]; picture i of a list always gets the same."""
    import numpy as np
    rows = [np.random.default_rng([seed, first + i]) for i in range(count)]
    z = np.stack([rng.standard_normal(generator.latent_size) for rng in rows]).astype("float32")
    labels = None
    if generator.label_size:
        labels = np.stack([np.eye(generator.label_size, dtype="float32")[rng.integers(generator.label_size)]
                           for rng in rows])
    return np.asarray(generator.mapping(z, labels=labels))


class Results:
    """The output folder: pictures are written as they are done, codes and the page at the end.

    The page's pictures wait in a temporary file, so that memory does not grow with their number.
    """

    def __init__(self, folder, options, generator, count, viz_size, notes):
        import numpy as np
        self.folder, self.viz_size, self.notes = folder, viz_size, [note for note in notes if note]
        self.shown_steps = options.result_steps()
        self.spool = tempfile.TemporaryFile()
        side = generator.resolution
        self.pictures = np.memmap(self.spool, np.uint8, "w+",
                                  shape=(count, 2 + len(self.shown_steps), side, side, 3))
        self.names, self.paths, self.encoded, self.inverted, self.mse = [], {}, [], [], []

    def add(self, names, originals, result):
        import numpy as np
        from tf_idinvert import images
        for i, name in enumerate(names):
            for suffix, picture in (("ori", originals[i]), ("enc", result.start_images[i]), ("inv", result.images[i])):
                images.save(self.folder / f"{name}_{suffix}.png", picture)
            shown = [originals[i], result.start_images[i], *(result.intermediate[s][i] for s in self.shown_steps)]
            self.pictures[len(self.names)] = images.to_uint8(np.stack(shown))
            self.names.append(name)
            self.encoded.append(result.start_codes[i])
            self.inverted.append(result.codes[i])
            self.mse.append([float(np.mean(np.square(np.clip(picture[i], -1, 1) - originals[i])))
                             for picture in (result.start_images, result.images)])

    def finish(self, args, record, model):
        import numpy as np
        from tf_idinvert import atomic
        if not self.names:
            return
        for name, codes in (("encoded", self.encoded), ("inverted", self.inverted)):
            with atomic.replacing(self.folder / f"{name}_codes.npy") as temporary:
                np.save(temporary, np.stack(codes), allow_pickle=False)
        names = [name + Path(self.paths[name]).suffix for name in self.names]
        record = dict(record, arguments=vars(args), pictures={name: self.paths[name] for name in self.names})
        for file, text in (("image_list.txt", "".join(f"{name}\n" for name in names)),
                           ("options.json", json.dumps(record, indent=2) + "\n")):
            with atomic.replacing(self.folder / file) as temporary:
                Path(temporary).write_text(text, encoding="utf-8")
        self.write_page(record, model)

    def write_page(self, record, model):
        from tf_idinvert import report
        start = "Random Start" if record["arguments"]["random_init"] else "Encoder Output"
        headers = ["Name", "Original Image", start, *(f"Step {step:06d}" for step in self.shown_steps),
                   "MSE start", "MSE inverted"]
        rows = ([name, *map(report.Picture, pictures), *mse]
                for name, pictures, mse in zip(self.names, self.pictures, self.mse))
        mean = [sum(column) / len(self.mse) for column in zip(*self.mse)]
        options = record["options"]
        summary = {"Model": Path(model).name, "Pictures": len(self.names), "Iterations": options["steps"],
                   "Learning rate": options["learning_rate"], "λ_vgg": options["feature_weight"],
                   "λ_dom": options["domain_weight"], "Mean MSE, start": mean[0], "Mean MSE, inverted": mean[1]}
        notes = ["MSE: mean of squared differences to the original, values in [-1, 1].", *self.notes]
        report.write(self.folder / "inversion.html", "Inversion", headers, rows, summary=summary, notes=notes,
                     viz_size=self.viz_size)


if __name__ == "__main__":
    cli.run(main)
