"""Change an attribute of a face in a video.

The face is followed through the frames, its codes are found frame by frame, and the edit is pasted back.

    python tools/video.py network.pkl holiday.mp4 boundaries/age.npy --distance 2
    python tools/video.py network.pkl holiday.mp4 smile.npz --keys 0:0,30:3,90:3,120:0      # FRAME:DISTANCE
    python tools/video.py network.pkl crops.mp4 smile.npz --align none         # frames that are aligned squares already
    python tools/video.py           # the embedded model, on a rendered portrait that turns its head

The search of a frame starts at the codes of the frame before, and takes --steps steps; the first one takes those of
invert.py. The squares around the face tremble as they are found; they are smoothed over time (--smooth). The sound is
copied. Writes to the output folder NAME.mp4 (H.264), NAME.html with some frames, squares.npy ([T, 4, 2], corners in
pixels), codes.npy ([T, L, D]), options.json and video.log. A run that was stopped goes on. Memory does not grow with
the length of the clip. Needs PyAV: pip install 'tf_idinvert[video]'.
"""
from __future__ import annotations

import dataclasses
from pathlib import Path

from tf_idinvert.cli import command, inversion_options, loading
from tf_idinvert.cli.command import number
from tf_idinvert.errors import InputError

STEPS = {"adam": 20, "cosine": 20, "lbfgs": 8}      # of a frame that starts at the codes of the one before
DISTANCE = number(float, -1e6, 1e6)     # `editing.LARGEST_DISTANCE`, which would import NumPy
DEFAULT, SAMPLE, FRAMES, RATE = "results/video", "expression", 24, 12


def parse_arguments(argv):
    parser = command.parser(__doc__)
    command.add_model_arguments(parser, inversion_options.MODEL_HELP)
    parser.add_argument("clip", nargs="?", help="video file; default: a rendered portrait")
    parser.add_argument("boundary_path", nargs="?", help="boundary: .npy of the original, or .npz")
    parser.add_argument("--distance", type=DISTANCE, default=2.0, help="along the boundary's normal (2)")
    parser.add_argument("--keys", type=keys, help="distances over time, FRAME:DISTANCE,...; straight between them")
    parser.add_argument("--manipulate_layers", default="", help="layers to move, such as 0,1,2-5 (those of the "
                        "boundary's file, else all)")
    parser.add_argument("--align", choices=["faces", "none"], help="faces: find and follow one; none: the frames are "
                        "aligned squares (none for square clips up to twice the network's side, else faces)")
    parser.add_argument("--face", type=number(int, 1), default=1, help="which face, 1 being the largest of the first "
                        "frame that has any (1)")
    parser.add_argument("--smooth", type=number(float, 0), default=2.0, help="sigma of the smoothing of its square, in "
                        "frames; 0: none (2)")
    parser.add_argument("--mode", choices=["difference", "replace"], default="difference", help="difference: add what "
                        "the edit changes, which keeps all else but shows double lines where shapes move; replace: put "
                        "the edited face in place of the frame's (difference)")
    parser.add_argument("--steps", type=number(int, 0), help="of a frame after the first (20; with lbfgs 8)")
    parser.add_argument("--quality", type=number(int, 0, 51), default=18, help="constant rate factor of H.264 (18)")
    command.add_output_options(parser, DEFAULT)
    group = parser.add_argument_group("inversion")
    inversion_options.add_optimisation_options(group)
    inversion_options.add_domain_options(group)
    args = parser.parse_intermixed_args(argv)
    if args.model_path and args.clip and not args.boundary_path and not args.model:
        args.model_path, args.clip, args.boundary_path = None, args.model_path, args.clip
    if (args.clip or args.model_path) and not args.boundary_path:
        parser.error("expected a clip and a boundary, or none of both")
    return inversion_options.completed(parser, args)


def keys(text):
    """argparse type: '0:0,30:2.5' -> ((0, 0.0), (30, 2.5)), frames rising, counted from 0."""
    found = tuple((int(frame), DISTANCE(distance)) for frame, distance in (part.split(":") for part in text.split(",")))
    if [frame for frame, _ in found] != sorted({frame for frame, _ in found}) or found[0][0] < 0:
        raise ValueError("frames must rise")
    return found


keys.__name__ = "FRAME:DISTANCE,..., frames rising from 0,"


def main(argv=None):
    args = parse_arguments(argv)
    command.choose_device(args.gpu_id)
    from tf_idinvert import boundaries
    from tf_idinvert.files import clips
    from tf_idinvert.portraits import embedded
    folder = Path(args.output_dir or DEFAULT)
    log = command.open_log(folder / "video.log")
    if args.clip is None:
        args.clip, args.boundary_path, args.mode = sample(folder), embedded.boundary_paths()[SAMPLE], "replace"
    clip, boundary = clips.read(args.clip), boundaries.read(args.boundary_path)

    command.import_tensorflow()
    from tf_idinvert import checkpoint
    models = loading.load_models(args, only=("encoder", "generator"))
    checkpoint.require(models, args.model_path, "generator", "encoder", why="; video needs both encoder and generator")
    make_editor(args, models, clip, boundary, log)(clip, folder, f"{command.title(args.boundary_path).upper()}_"
                                                   f"{command.title(args.clip)}")
    return 0


def make_editor(args, models, clip, boundary, log):
    """`jobs.video.VideoEditor` as the arguments ask; InputError where the boundary does not fit."""
    from tf_idinvert import editing
    from tf_idinvert.inversion import Inversion
    from tf_idinvert.jobs.video import VideoEditor, VideoOptions
    generator = models.generator
    layers = editing.parse_layers(args.manipulate_layers, generator.num_layers)
    if layers is not None:      # they overrule what the file says, which then need not fit
        boundary = dataclasses.replace(boundary, layers=None)
    try:
        boundary = boundary.for_network(generator.num_layers, generator.dlatent_size, generator.synthesis.style_widths)
    except InputError as error:
        raise InputError(f"{args.boundary_path}: {error}") from error
    if boundary.styles is not None:
        raise InputError(f"{args.boundary_path}: changes channels of styles; video takes boundaries that move codes")
    layers = boundary.layers if layers is None else layers
    features, _ = inversion_options.load_features(args, log, generator.resolution)
    options = inversion_options.inversion_options(
        args, 1, domain_weight=args.loss_weight_enc if args.domain_regularizer else 0.0)
    following = dataclasses.replace(options, steps=STEPS[args.optimizer] if args.steps is None else args.steps)
    first, others = (Inversion(synthesis=generator.synthesis, encoder=models.encoder, features=features, options=each)
                     for each in (options, following))
    around = VideoOptions(keys=args.keys or ((0, args.distance),), sigma=args.smooth, face=args.face - 1,
                          mode=args.mode, quality=args.quality)
    record = {"model": str(args.model_path), "clip": str(args.clip), "boundary": str(args.boundary_path),
              "files": list(inversion_options.digests(args).values()),
              "inversion": [dataclasses.asdict(each) for each in (first.options, others.options)]}
    return VideoEditor(
        generator, first, others,
        lambda codes, distance: editing.manipulate(codes, boundary.normal, [distance], layers, boundary.centre)[0],
        finder(args, clip, generator.resolution), around, log=log, record=record, viz_size=args.viz_size)


def finder(args, clip, resolution):
    """Callable, frame -> squares of its faces, the largest first; None where the frames are aligned."""
    square = clip.width == clip.height and clip.width <= 2 * resolution
    if args.align == "none" or args.align is None and square:
        return None
    from tf_idinvert.alignment import finding, quad
    find = finding.Finder()
    return lambda pixels: [quad.ffhq(each.five) for each in find(pixels)]


def sample(folder):
    """Write a clip of a rendered portrait that turns its head, if it is not there -> its path."""
    import math

    from tf_idinvert.files import clips
    from tf_idinvert.portraits import portrait
    path = folder / "portrait.mp4"
    if not path.exists():
        sitter = dict(age=0.3, gender=0.2, eyeglasses=0, expression=-0.2, skin=0.3, hair=0.5, background=0.6)
        frames = (portrait.render(pose=0.7 * math.sin(2 * math.pi * i / FRAMES), **sitter) for i in range(FRAMES))
        clips.write(path, frames, RATE, quality=8)
    return path
