"""Cut the faces out of photographs, aligned as networks expect them.

Finds every face, upright to upside down, and cuts a square around it as the pictures of FFHQ were cut.

    python tools/align.py holiday.jpg                           # -> results/aligned/
    python tools/align.py photographs/ -o aligned --resolution 1024 --faces largest
    python tools/align.py photographs/ --landmarks points.csv   # with points that another program has found
    python tools/align.py                                       # a scene of rendered portraits

Writes to the output folder, for every face, NAME.png (NAME_face1.png, NAME_face2.png, ... of photographs with several,
the largest first), and aligned.json: photograph, square, points and confidence of each. Tools that are given that
folder carry the record on, so that paste.py can put their results back into the photographs. Photographs without a face
are named; the exit status is then 1. A photograph takes half a second.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import alignment_options, command, inversion_options
from tf_idinvert.portraits import embedded


def parse_arguments(argv):
    parser = command.parser(__doc__)
    parser.add_argument("photographs", nargs="*", help="photographs, folders, or text lists with one path per line; "
                        "default: a scene of rendered portraits")
    parser.add_argument("--output_dir", "-o", default="", help="output folder (results/aligned)")
    parser.add_argument("--resolution", type=command.number(int, 4, 4096), help="side of the squares, in pixels (256; "
                        "of portraits 64)")
    parser.add_argument("--domain", choices=alignment_options.DOMAINS[1:3], help="framing: faces as in FFHQ, portraits "
                        "as the rendered ones (faces; without photographs: portraits)")
    alignment_options.add_face_options(parser)
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_arguments(argv)
    from tf_idinvert.files import finding
    domain = args.domain or ("faces" if args.photographs else "portraits")
    given = args.photographs or [embedded.sample_scene(Path(inversion_options.SAMPLES))]
    listing = finding.listing(given)
    folder = Path(args.output_dir or "results/aligned")
    log = command.open_log(folder / "align.log")
    if not args.landmarks or args.landmarks == "dlib":
        command.import_tensorflow()
    from tf_idinvert.jobs.align import Aligner
    frame = alignment_options.framing_of(args, domain, args.resolution or (64 if domain == "portraits" else 256))
    crops, refused = Aligner(alignment_options.finder(args), frame, log, args.faces)(listing, folder)
    return command.outcome(crops, not refused)
