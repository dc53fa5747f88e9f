"""Put edited faces back into their photographs.

At the photograph's full size, with its orientation, profile, transparency and metadata.

    python tools/paste.py results/manipulation/AGE_holiday      # -> results/pasted/AGE_holiday/
    python tools/paste.py results/manipulation/AGE_holiday --mode replace --format png
    python tools/paste.py my_edits/ --record aligned/aligned.json       # NAME.png or NAME_VARIANT.png of any program

Takes folders that tools have written from photographs aligned by align.py or --align. By default the difference that an
edit made to the network's picture is added to the photograph, under a soft mask around the face: where nothing was
edited the photograph keeps its bits. --mode replace puts the network's picture itself in. Writes
PHOTOGRAPH_VARIANT.jpg, .png or whatever the photograph is, with all the faces that were edited in it. A photograph
takes a second.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import alignment_options, command


def parse_arguments(argv):
    parser = command.parser(__doc__)
    parser.add_argument("results", nargs="*", help="folders of results; default: those in results/manipulation, else "
                        "results/inversion")
    parser.add_argument("--output_dir", "-o", default="", help="output folder (results/pasted/NAME OF FOLDER)")
    parser.add_argument("--record", metavar="FILE", help="aligned.json of the faces, for pictures of other programs")
    parser.add_argument("--photographs", nargs="+", default=[], metavar="FOLDER", help="where the photographs are "
                        "now, if not where they were aligned")
    alignment_options.add_paste_options(parser)
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_arguments(argv)
    folders = args.results or latest()
    done, refused = 0, 0
    for folder in folders:
        target = Path(args.output_dir or Path("results/pasted") / command.title(folder))
        if args.output_dir and len(folders) > 1:
            target = target / command.title(folder)
        log = command.open_log(target / "paste.log")
        paster = alignment_options.paster(args, log, args.photographs)
        found = paster(folder, target, args.record)
        done, refused = done + found[0], refused + found[1]
    return command.outcome(done, not refused)


def latest():
    """Folders of results with a record that the tools have written by default."""
    from tf_idinvert.alignment import record
    from tf_idinvert.errors import InputError
    for base in "results/manipulation", "results/inversion":
        found = sorted(path.parent for path in Path(base).glob(f"*/{record.NAME}"))
        if found:
            return found
    raise InputError("no results of aligned photographs in results/; first: "
                     f"{command.call_of('manipulate')} --align --paste")
