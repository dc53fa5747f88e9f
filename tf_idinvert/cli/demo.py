"""The whole method on the embedded model, offline: a page with everything the tools make of a few portraits.

    python tools/demo.py [-o results/demo]

Renders portraits that no network was trained on, inverts them, diffuses the face of one into another, interpolates,
moves each attribute, mixes styles; each by the tool of that name, whose command it prints, so that you can go on from
there. Expect a minute or two on two processor cores, and the page results/demo/index.html.
"""
import argparse
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.errors import InputError

PORTRAITS = 6
EDITED = 3          # of the portraits, the ones that are edited; the next ones are what they are mixed with
STEPS = 5           # of manipulation
DISTANCE = 2.0      # of its ends, about the deviation of W along a boundary's normal; else where W is of another width
DISTANCES = {"expression": 1.0, "gender": 3.0}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output_dir", type=Path, default=Path("results/demo"), help="(results/demo)")
    return parser.parse_args()


def main():
    folder, started = parse_arguments().output_dir, time.time()
    from tf_idinvert.portraits import embedded
    model, boundaries = embedded.model_path(), embedded.boundary_paths()
    features = ["--features", embedded.attributes_path()]
    portraits = embedded.sample_pictures(folder / "portraits", PORTRAITS)
    names = [f"portrait{i + 1}" for i in range(PORTRAITS)]
    some, others = folder / "some.list", folder / "others.list"
    write_list(some, portraits, names[:EDITED])
    write_list(others, portraits, names[EDITED:2 * EDITED])
    edited = [folder / "inversion" / part for part in ("some", "others")]
    for pictures, place in zip((some, others), edited):
        run("invert", model, pictures, "-o", place, "--batch_size", EDITED, *features)
    run("diffuse", model, *edited, "-o", folder / "diffusion", *features)
    run("interpolate", model, *edited, "-o", folder / "interpolation")
    for name, path in boundaries.items():
        distance = DISTANCES.get(name, DISTANCE)
        run("manipulate", model, edited[0], path, "--step", STEPS, "--start_distance", -distance, "--end_distance",
            distance, "-o", folder / "manipulation")
    run("mix_style", model, *edited, "-o", folder / "style_mixing")
    page = write_page(folder, names, list(boundaries), time.time() - started)
    print(f"\n{time.time() - started:.0f} s -> {page}")


def write_list(path, portraits, names):
    path.write_text("".join(f"{(portraits / name).resolve()}.png\n" for name in names), encoding="utf-8")


def run(tool, *arguments):
    """Run a tool, its command printed first; InputError where it fails, after what it said itself."""
    arguments = [os.path.relpath(each) if isinstance(each, Path) else str(each) for each in arguments]
    print("\n$", shlex.join(["python", f"tools/{tool}.py", *arguments]), flush=True)
    code = subprocess.call([sys.executable, Path(__file__).with_name(f"{tool}.py"), *arguments])
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise InputError(f"tools/{tool}.py failed with exit code {code}; see above")


def write_page(folder, names, attributes, seconds):
    """Write index.html from the files of the tools -> its path."""
    from tf_idinvert.files import report
    some, others = names[:EDITED], names[EDITED:2 * EDITED]
    sections, mse = [], []

    def picture(*parts):
        return cell(folder, Path(*parts))

    def inverted(name, kind):
        return picture("inversion", "some" if name in some else "others", f"{name}_{kind}.png")

    rows = []
    for name in names:
        original, *redrawn = (inverted(name, kind) for kind in ("ori", "enc", "inv"))
        mse.append([error(original, each) for each in redrawn])
        rows.append([name, original, *redrawn, *mse[-1]])
    sections.append(report.Section(
        ["Name", "Portrait", "Encoder, G(E(x))", "Inverted", "MSE encoder", "MSE inverted"], rows, "Inversion",
        "Each portrait as the encoder redraws it at once, and after 100 steps of domain-regularized optimization."))
    sections.append(report.Section(
        ["Name", "Target", *(title for name in others for title in (f"Into {name}", "Result"))],
        [[name, inverted(name, "ori"),
          *(picture("diffusion", "some_TO_others", f"{name}_TO_{other}_{kind}.png")
            for other in others for kind in ("sti", "inv"))] for name in some], "Semantic diffusion",
        "The middle of a target is pasted into a context; the network makes one person of the two."))
    sections.append(report.Section(
        ["Names", "Source", *(f"{i}" for i in range(7)), "Target"],
        [[f"{name} to {other}", inverted(name, "ori"),
          *(picture("interpolation", "some_TO_others", f"{name}_TO_{other}_{i:02d}.png") for i in range(7)),
          inverted(other, "ori")] for name, other in zip(some, others)], "Interpolation",
        "Codes along the line from one inversion to the other."))
    for attribute in attributes:
        distance = DISTANCES.get(attribute, DISTANCE)
        sections.append(report.Section(
            ["Name", "Inverted", *(f"{distance * (2 * i / (STEPS - 1) - 1):+.2f}" for i in range(STEPS))],
            [[name, inverted(name, "inv"),
              *(picture("manipulation", f"{attribute.upper()}_some", f"{name}_{i + 1:02d}.png")
                for i in range(STEPS))] for name in some], f"Manipulation: {attribute}"))
    sections.append(report.Section(
        ["Style", "", *(f"Content {name}" for name in others)],
        [["", None, *(inverted(name, "ori") for name in others)]] +
        [[name, inverted(name, "ori"),
          *(picture("style_mixing", "some_STYLIZE_others", f"{name}_STYLIZE_{other}.png") for other in others)]
         for name in some], "Style mixing", "Coarse layers of the content, fine layers of the style."))
    encoder, inverted = (sum(column) / len(mse) for column in zip(*mse))
    print(f"\nmean squared error of {len(mse)} portraits, values in [-1, 1]: encoder {encoder:.4f}, "
          f"inverted {inverted:.4f}")
    report.write_sections(folder / "index.html", "In-domain GAN inversion of rendered portraits", sections, summary={
        "Portraits": len(names), "Mean MSE, encoder": encoder, "Mean MSE, inverted": inverted,
        "Seconds": round(seconds)})
    return folder / "index.html"


def cell(folder, path):
    """A picture of the page, which opens its file."""
    from tf_idinvert.files import images, report
    return report.Picture(images.read(folder / path), href=path.as_posix())


def error(original, picture):
    """Mean squared difference of two pictures of the page, values in [-1, 1]."""
    import numpy as np

    from tf_idinvert.files import images
    return float(np.mean(np.square(images.to_float(original.pixels) - images.to_float(picture.pixels))))


if __name__ == "__main__":
    command.run(main)
