"""Options of all tools that take photographs as they are: whose faces are cut out of them first, and pasted back."""
from __future__ import annotations

import re
from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.errors import InputError
from tf_idinvert.portraits import embedded, framing

DOMAINS = ("auto", "faces", "portraits", "none")
CHECKED = 8             # pictures that are looked at for a warning
FAR = 0.15              # mean distance of corners from which a picture is not aligned, in sides of it
FACES = re.compile("face|ffhq|celeba|portrait", re.IGNORECASE)
OTHERS = re.compile("bedroom|tower|church|cat|dog|car|horse|kitchen|bridge|metface|anime", re.IGNORECASE)


def which(text):
    """argparse type: 'all', 'largest', or the number of a face, from 1."""
    return text if text in ("all", "largest") else str(command.number(int, 1)(text))


which.__name__ = "all, largest or a number"


def add_alignment_options(parser):
    """Add --align and what belongs to it, to a tool that inverts pictures."""
    group = parser.add_argument_group("photographs that are not aligned")
    group.add_argument("--align", nargs="?", const="auto", choices=DOMAINS, help="find the faces of photographs, and "
                       "cut them out as the network expects them: faces as in FFHQ, portraits as the rendered ones; "
                       "none: the pictures are aligned already; without a value, what suits the network")
    parser.bare = {"--align": (DOMAINS, "auto")}
    add_face_options(group)


def add_face_options(group):
    """Add the options that say which faces of a photograph are cut out, and how."""
    group.add_argument("--faces", type=which, default="all", metavar="all|largest|N",
                       help="faces taken of a photograph: all, the largest, or the Nth by size (all)")
    group.add_argument("--landmarks", metavar="FILE", help="points of the faces instead of the detector's, 5 or 68 "
                       "for a face: CSV (photograph,x1,y1,...) or JSON {photograph: points}; dlib: by dlib, if "
                       "installed")
    group.add_argument("--template", metavar="FILE", help="JSON list of 5 or 68 points [x, y] in sides of the crop: "
                       "where the faces' points are to be, for networks of another framing")
    group.add_argument("--smallest", type=command.number(float, 8), metavar="PIXELS", help="side of the smallest "
                       "squares looked for; less takes longer (40, or a 25th of the photograph's longer side)")
    group.add_argument("--min_confidence", type=command.number(float, 0, 1), default=0.5,
                       help="least confidence of a face, 0 to 1 (0.5)")


def add_paste_options(group):
    """Add the options of pasting edited faces back."""
    group.add_argument("--mode", choices=("difference", "replace"), help="difference: add what the edit changed; "
                       "replace: put the picture itself in, its colours matched at the seam (difference where the "
                       "picture before the edit is known, else replace)")
    group.add_argument("--mask", metavar="FILE", help="picture in the crop's frame, opaque, or white where it "
                       "has no transparent parts, where the edit is seen (around the face)")
    group.add_argument("--grow", type=command.number(float, 0), default=0.2, help="by how much the face's hull is "
                       "grown for the mask, in sides of the crop (0.2)")
    group.add_argument("--feather", type=command.number(float, 0), default=0.12, help="width of the mask's fade, in "
                       "sides of the crop (0.12)")
    group.add_argument("--format", choices=("own", "jpg", "png"), default="own", help="of the photographs written: a "
                       "JPEG keeps its quantisation tables; png loses nothing (own: the photograph's)")


def domain_of(model_path):
    """What a model draws: 'portraits' (embedded), 'faces' or 'other' by its file name; None where that does not say."""
    path = Path(model_path)
    if path.resolve().parent == embedded.CHECKPOINTS.resolve() or path.name.startswith("portraits64"):
        return "portraits"
    if OTHERS.search(path.name) or not FACES.search(path.name):
        return "other" if OTHERS.search(path.name) else None
    return "faces"


def framing_of(args, domain, side):
    """`jobs.align.Framing` for a domain, or for --template.

    Raises:
        InputError: nothing says how the faces are to be framed.
    """
    from tf_idinvert.alignment import point_files, quad
    from tf_idinvert.jobs.align import Framing
    if args.template:
        return Framing(side, Path(args.template).name, point_files.read_template(args.template))
    if domain == "portraits":
        return Framing(side, domain, quad.Template(framing.POINTS, framing.TURNED))
    if domain != "faces":
        raise InputError(f"--align: {Path(args.model_path).name} does not say what it draws: give --align faces, "
                         "--template FILE with the framing of its training pictures, or --align none")
    return Framing(side, domain)


def finder(args):
    """Function (path, pixels) -> faces, as the arguments ask: by a file, by the detector, by dlib after it."""
    from tf_idinvert.alignment import finding, point_files
    if args.landmarks and args.landmarks != "dlib":
        faces = point_files.read(args.landmarks)
        return lambda path, pixels: faces.get(Path(path).name, [])
    improve = None
    if args.landmarks:
        from tf_idinvert.alignment.dlib_points import DlibPoints
        improve = DlibPoints()
    find = finding.Finder(args.min_confidence, args.smallest)
    return lambda path, pixels: [improve(pixels, each) if improve else each for each in find(pixels)]


def aligned(args, listing, resolution, folder, log):
    """The listing of (name, path) of crops in `folder`/aligned where --align asks for it, else the listing itself.

    Without --align, a line warns of photographs that are not aligned as a network of faces expects them.

    Returns:
        The listing, and the number of photographs that were refused.
    Raises:
        InputError: no face in any of them, or it is not known how they are to be framed.
    """
    from tf_idinvert.jobs.align import Aligner
    domain = domain_of(args.model_path)
    if args.align is None:
        warn(domain, listing, log)
    if args.align in (None, "none") or args.align == "auto" and domain == "other" and not args.template:
        return listing, 0
    frame = framing_of(args, domain if args.align == "auto" else args.align, resolution)
    crops, refused = Aligner(finder(args), frame, log, args.faces)(listing, Path(folder) / "aligned")
    if not crops:
        raise InputError("no face was found in any of the photographs")
    return crops, refused


def warn(domain, listing, log):
    """Say in a line where photographs are given to a network of faces as they are; nothing where they look aligned."""
    if domain != "faces":
        return
    from tf_idinvert.alignment import finding, quad
    from tf_idinvert.files import images
    try:
        find = finding.Finder(smallest=1e9)     # on whole pictures alone
        far = []
        for _, path in listing[:CHECKED]:
            pixels = images.read(path)
            whole = quad.of_square((pixels.shape[1] - min(pixels.shape[:2])) / 2,
                                   (pixels.shape[0] - min(pixels.shape[:2])) / 2, min(pixels.shape[:2]))
            far += [path for each in find(pixels)[:1] if quad.corner_error(quad.ffhq(each.five), whole) > FAR]
    except InputError:          # no detector, or a picture that cannot be read: the tool will say so
        return
    if far:
        log.warning("warning: %s: its face is not where the network expects it; --align cuts it out and turns it "
                    "upright%s", far[0], f" (and so {len(far) - 1} more)" if len(far) > 1 else "")


def paster(args, log, photographs=()):
    """`jobs.paste.Paster` as the arguments ask."""
    import numpy as np

    from tf_idinvert.files import images
    from tf_idinvert.jobs.paste import PasteOptions, Paster
    mask = images.read_mask(args.mask).mean(axis=2).astype(np.uint8) if args.mask else None
    return Paster(PasteOptions(args.mode, mask, args.grow, args.feather,
                               None if args.format == "own" else f".{args.format}"), log, photographs)
