"""Diffuse the middle of pictures into other pictures.

Semantic diffusion (Zhu et al. 2020, section 3.4): copy the middle of every target into every context, and find the
natural picture closest to it.

    python tools/diffuse.py network.pkl faces.list contexts.list
    python tools/diffuse.py network.pkl portrait.png photographs/ --crop_size 60 --center_x 64 --center_y 70
    python tools/diffuse.py                                     # the embedded model, on rendered portraits

A square of the target is copied into the context. The optimisation starts at the encoder's code of this stitched
picture; its loss counts only inside the square, and there is no domain term. Targets and contexts are folders of
pictures, text lists, single pictures, or folders that invert.py wrote (their NAME_ori.png). By default the square has
110 pixels around x 125, y 145 at 256 px, scaled for other resolutions; the options below are not scaled.

Writes to the output folder, for a job TARGETS_TO_CONTEXTS: .html; a folder of that name with, for every pair,
TARGET_TO_CONTEXT_sti.png (stitched), _enc.png (G(E(stitched))) and _inv.png (the result); _encoded_codes.npy and
_inverted_codes.npy ([targets, contexts, L, D]; NaN for pairs that an interrupted run did not reach), _options.json and
.log. A pair takes as long as the inversion of a picture.
"""
from __future__ import annotations

import dataclasses
from pathlib import Path

from tf_idinvert.cli import alignment_options, command, devices, inversion_options, loading
from tf_idinvert.errors import InputError


def parse_arguments(argv):
    parser = command.parser(__doc__)
    command.add_model_arguments(parser, inversion_options.MODEL_HELP)
    parser.add_argument("target_list", nargs="?", help=f"pictures to diffuse; {inversion_options.PICTURES_HELP}")
    parser.add_argument("context_list", nargs="?", help=f"pictures to diffuse into; {inversion_options.PICTURES_HELP}")
    parser.add_argument("--crop_size", "-s", type=command.number(int, 1),
                        help="side of the square in pixels (110 at 256 px)")
    parser.add_argument("--center_x", "-x", type=command.number(int, 0),
                        help="column of its centre in pixels (125 at 256 px)")
    parser.add_argument("--center_y", "-y", type=command.number(int, 0),
                        help="row of its centre in pixels (145 at 256 px)")
    command.add_output_options(parser, "results/diffusion", gpu=False)
    devices.add(parser.add_argument)
    parser.add_argument("--batch_size", type=command.number(int, 1), default=4,
                        help="pairs optimised together on a device (4)")
    alignment_options.add_alignment_options(parser)
    inversion_options.add_optimisation_options(parser)
    inversion_options.add_num_results(parser)
    return inversion_options.parse(parser, argv, target_list=("others", 2), context_list=("portraits", 4))


def main(argv=None):
    args = parse_arguments(argv)
    devices.choose(args)
    worker = devices.worker_of(args)
    given = [listing(args.target_list), listing(args.context_list)]
    folder = Path(args.output_dir or "results/diffusion")
    base = folder / f"{command.title(args.target_list)}_TO_{command.title(args.context_list)}"
    log = devices.open_log(f"{base}.log", worker)
    command.import_tensorflow()
    with devices.scope(args):
        return run(args, given, base, log, worker)


def run(args, given, base, log, worker):
    """Diffuse the pictures of two listings; return the exit status."""
    from tf_idinvert import checkpoint, editing
    from tf_idinvert.files import results
    from tf_idinvert.inversion import Inversion
    from tf_idinvert.jobs import diffuse
    models = loading.load_models(args, only=("encoder", "generator"))
    checkpoint.require(models, args.model_path, "generator", "encoder",
                       why="; diffusion needs both encoder and generator")
    box = editing.crop_box(models.generator.resolution, args.crop_size, args.center_x, args.center_y)
    top, left, side = box
    log.info("crop of %d px around x %d, y %d, in pictures of %d px", side, left + side // 2, top + side // 2,
             models.generator.resolution)
    features, note = inversion_options.load_features(args, log, models.generator.resolution)
    options = inversion_options.inversion_options(args, args.batch_size)
    inversion = Inversion(synthesis=models.generator.synthesis, encoder=models.encoder, features=features,
                          options=options)
    notes = [*models.notes, note]
    crops = [alignment_options.aligned(args, each, models.generator.resolution, f"{base}_{part}", log)
             for part, each in zip(("targets", "contexts"), given)]
    targets, contexts = (diffuse.readable_pictures(each, models.generator.resolution, log, notes) for each, _ in crops)
    about = {"options": dataclasses.asdict(inversion.options), "arguments": vars(args),
             "crop": {"top": top, "left": left, "side": side}, "targets": dict(targets), "contexts": dict(contexts)}
    results.write_options(f"{base}_options.json", about)
    diffuse.Diffusion(base, targets, contexts, box, inversion, models.generator, model=Path(args.model_path).name,
                      viz_size=args.viz_size, log=log, notes=notes, worker=worker,
                      record={**about, "sha256": inversion_options.digests(args)}).run()
    return 0 if [(len(targets), 0), (len(contexts), 0)] == [(len(each), refused) for each, refused in crops] else 1


def listing(path):
    """Return (name, path) of the pictures at a path; for folders of invert.py, the original pictures."""
    from tf_idinvert.files import finding, results
    if not results.is_results(path):
        return finding.listing([path])
    names = results.read_list(Path(path) / results.LIST)
    if not names:
        raise InputError(f"{Path(path) / results.LIST}: names no pictures")
    return [(name, Path(path) / f"{name}_ori.png") for name in names]
