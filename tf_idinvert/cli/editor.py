"""Edit pictures in the browser, on this machine.

Open a picture, let the encoder answer, refine its code, drag sliders, keep what you like.

    python tools/editor.py                                  # the embedded model, its boundaries, rendered portraits
    python tools/editor.py network.pkl --boundaries boundaries/ --samples photographs/
    python tools/editor.py --host 0.0.0.0 --port 8080       # for others in your network, too: there is no password

Prints the address to open; Ctrl-C ends it. It needs Gradio, which is an extra: pip install 'tf-idinvert[editor]', on
Python 3.10 or newer. Only this machine can reach it unless --host says otherwise, and it fetches nothing from others.
What a visitor opens stays in memory, and goes when the page is closed. docs/editor.md shows it.
"""
from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path

from tf_idinvert.cli import alignment_options, command, inversion_options, loading
from tf_idinvert.cli.command import number
from tf_idinvert.errors import InputError, reason
from tf_idinvert.files.printing import say

SAMPLES = 6
STEPS_A_PREVIEW = 3
OFFLINE = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def parse_arguments(argv):
    parser = command.parser(__doc__)
    add = parser.add_argument
    command.add_model_arguments(parser, inversion_options.MODEL_HELP)
    add("--boundaries", nargs="+", type=Path, metavar="PATH", help="files (.npy, .npz) and folders of them; every "
        "folder is a group of sliders (those of the embedded model, for it)")
    add("--samples", nargs="+", metavar="PATH", help="pictures to begin with: files, folders, text lists (rendered "
        "portraits, for the embedded model)")
    add("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0: for other machines, too (127.0.0.1)")
    add("--port", type=number(int, 1, 65535), help="(7860, or the next that is free)")
    add("--queue", type=number(int, 1), default=64, help="events that may wait; more are turned away (64)")
    add("--sessions", type=number(int, 1), default=64, help="visitors whose pictures are kept; the one that was idle "
        "longest makes room (64)")
    add("--optimizer", choices=inversion_options.OPTIMIZERS, default="lbfgs", help="of refining (lbfgs)")
    add("--num_iterations", type=number(int, 1), help="its steps (33; of adam 100, of cosine 75)")
    command.add_features_option(add, "the embedded attribute network for the embedded model, else imagenet if it can "
                                "be had, else none")
    alignment_options.add_alignment_options(parser)
    add("--open", action="store_true", help="open the page in the browser")
    add("--gpu_id", default="0", help="CUDA_VISIBLE_DEVICES (0)")
    args = parser.parse_args(argv)
    args.align = args.align or "auto"
    args.embedded, args.loss_weight_feat = args.model_path is None, None
    args.model_path = args.model_path or inversion_options.embedded.model_path()
    return args


def main(argv=None):
    args = parse_arguments(argv)
    command.choose_device(args.gpu_id)
    with tempfile.TemporaryDirectory(prefix="editor-") as folder:
        os.environ.update(OFFLINE, GRADIO_TEMP_DIR=folder)
        require_gradio()
        require_address(args.host, args.port)
        log = command.open_log()
        samples, groups = sample_files(args, folder), boundary_groups(args, log)
        command.import_tensorflow()
        from tf_idinvert.editor import limits, page
        studio = make_studio(args, groups, log)
        pictures = read_samples(samples, studio.generator.resolution)
        bounds = limits.Limits(waiting=args.queue, sessions=args.sessions)
        log.info("compiling the networks for %d px", studio.generator.resolution)
        studio.warm_up()
        shown, url = page.serve(studio, pictures, bounds, folder, f"{Path(args.model_path).name}, "
                                f"{studio.generator.resolution} px", args.host, args.port, inbrowser=args.open)
        say(f"the editor is open at {url} (Ctrl-C ends it)")
        threading.Thread(target=studio.warm_up_search, daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        shown.close(verbose=False)
        say("the editor is closed, and what visitors had opened is gone")
    return 0


def require_address(host, port):
    """InputError where nothing can listen; Gradio would look a wrong name up for each of a hundred ports."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except (OSError, UnicodeError) as error:
        where = f"--host {host}{f' --port {port}' if port else ''}"
        raise InputError(f"cannot listen at {where}: {reason(error)}") from error


def require_gradio():
    """InputError, with how to install it, where Gradio is absent."""
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        if sys.version_info < (3, 10):
            raise InputError("the editor needs Python 3.10 or newer, for Gradio") from error
        raise InputError(f"the editor needs Gradio ({error}): pip install 'tf-idinvert[editor]', or in a checkout "
                         "make editor") from error


def sample_files(args, folder):
    """(name, path) of the pictures to begin with."""
    from tf_idinvert.files import finding
    if args.samples:
        return finding.listing(args.samples)
    if not args.embedded:
        return []
    return finding.listing([inversion_options.embedded.sample_pictures(Path(folder) / "samples", SAMPLES)])


def read_samples(listing, resolution):
    """{name: uint8 [R, R, 3]}"""
    from tf_idinvert.files import images
    return {name: images.fit(images.read(path), resolution)[0] for name, path in listing}


def boundary_groups(args, log):
    """{heading: {name: Boundary}} of the sliders."""
    from tf_idinvert import boundaries
    if args.boundaries:
        groups = {}
        for path in args.boundaries:
            group = groups.setdefault(path.resolve().name if path.is_dir() else "Attributes", {})
            group.update(movable(boundaries.read_all([path]), log))
        return groups
    if not args.embedded:
        return {}
    embedded = inversion_options.embedded
    found = {"Attributes": embedded.boundary_paths(), "Found without labels": embedded.direction_paths()}
    return {group: movable({name: boundaries.read(path) for name, path in paths.items()}, log)
            for group, paths in found.items() if paths}


def movable(found, log):
    """Those of {name: Boundary} that move codes along a normal; where a file has another name for it, with both."""
    names = {}
    for name, boundary in found.items():
        if boundary.styles is None and boundary.centre is None:
            names[name if boundary.about.name in ("", name) else f"{name}: {boundary.about.name}"] = boundary
        else:
            log.warning("%s: left out; the editor moves codes along a normal, not styles or to a centre", name)
    return names


def make_studio(args, groups, log):
    """The networks, as `editor.studio.Studio`."""
    from tf_idinvert import checkpoint, optimizers
    from tf_idinvert.editor import recipe, studio
    from tf_idinvert.inversion import InversionOptions
    files = command.model_files(args)
    models = loading.load_models(args, only=("encoder", "generator"))
    checkpoint.require(models, args.model_path, "generator", "encoder", why=", which the editor begins with")
    features, _ = inversion_options.load_features(args, log, models.generator.resolution)
    suits = optimizers.recommended(args.optimizer)
    steps = args.num_iterations or suits.steps
    options = InversionOptions(steps=steps, optimizer=args.optimizer, learning_rate=suits.learning_rate, batch_size=1,
                               results=-(-steps // STEPS_A_PREVIEW))
    identity = None
    if args.embedded:
        attributes = checkpoint.load(inversion_options.embedded.attributes_path(), only=("attributes",)).attributes
        identity = attributes.embedding
    return studio.Studio(models, recipe.model_of(files), studio.directions(groups, models.generator),
                         features=features, faces=face_finder(args, models.generator.resolution, log),
                         identity=identity, options=options)


def face_finder(args, side, log):
    """Function of a photograph -> Places of its faces. By default only networks that draw faces have them found."""
    from tf_idinvert.editor.session import Place
    domain = alignment_options.domain_of(args.model_path) if args.align == "auto" else args.align
    if args.align == "none" or args.align == "auto" and domain != "faces" and not args.template:
        return lambda pixels: ()
    framing, find = alignment_options.framing_of(args, domain, side), alignment_options.finder(args)
    alone = threading.Lock()        # the detector's interpreter is for one photograph at a time
    log.info("faces of photographs are found and framed for %s; --align none takes pictures as they are", domain)

    def places(pixels):
        with alone:
            return [Place(pixels, framing.quad_of(face), face.outline) for face in find("", pixels)]

    return places
