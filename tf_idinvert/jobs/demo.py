"""The page of the demonstration, made from the files that the tools wrote for a few portraits."""
from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from tf_idinvert.files import images, report

STEPS = 5           # pictures of a manipulation
DISTANCE = 2.0      # of its ends, about one standard deviation of W along most normals; DISTANCES has the others
DISTANCES = {"expression": 1.0, "gender": 3.0}
DEVIATIONS = 3.0    # distance of the ends along directions that were found without labels
BETWEEN = 7         # pictures of an interpolation, including its ends


def distance(attribute):
    """Return the largest distance by which codes are moved along the normal of an attribute's boundary."""
    return DISTANCES.get(attribute, DISTANCE)


@dataclasses.dataclass(frozen=True)
class Demo:
    """The folders of the demonstration.

    Attributes:
        folder: folder of all results: inversion/some, inversion/others, diffusion, interpolation, manipulation and
            style_mixing, as the tools wrote them.
        some: names of the portraits that are edited.
        others: names of the portraits that they are combined with, equally many.
    """

    folder: Path
    some: list
    others: list

    def write_page(self, attributes, directions, seconds):
        """Write index.html.

        Args:
            attributes: names of the boundaries along which codes were moved.
            directions: {name of the file: what to call it} of directions that were found without labels.
            seconds: total time of the demonstration.
        Returns:
            (path of the page, mean squared error of the encoder's pictures, mean squared error of the inverted ones).
        """
        inversion, (encoder, inverted) = self._inversion()
        sections = [inversion, self._diffusion(), self._interpolation(), *map(self._manipulation, attributes),
                    *self._directions(directions), self._style_mixing()]
        path, names = self.folder / "index.html", self.some + self.others
        report.write_sections(path, "In-domain GAN inversion of rendered portraits", sections, summary={
            "Portraits": len(names), "Mean MSE, encoder": encoder, "Mean MSE, inverted": inverted,
            "Seconds": round(seconds)})
        return path, encoder, inverted

    def _picture(self, *parts):
        """Return a picture of the page that links to its file."""
        path = Path(*parts)
        return report.Picture(images.read(self.folder / path), href=path.as_posix())

    def _inverted(self, name, kind):
        return self._picture("inversion", "some" if name in self.some else "others", f"{name}_{kind}.png")

    def _inversion(self):
        """Return (the section, mean errors of its two columns)."""
        rows, errors = [], []
        for name in self.some + self.others:
            original, *redrawn = (self._inverted(name, kind) for kind in ("ori", "enc", "inv"))
            errors.append([_error(original, each) for each in redrawn])
            rows.append([name, original, *redrawn, *errors[-1]])
        headers = ["Name", "Portrait", "Encoder, G(E(x))", "Inverted", "MSE encoder", "MSE inverted"]
        text = ("Every portrait as the encoder reconstructs it, and after "
                "100 steps of domain-regularized optimization.")
        return report.Section(headers, rows, "Inversion", text), [sum(each) / len(errors) for each in zip(*errors)]

    def _diffusion(self):
        headers = ["Name", "Target", *(title for name in self.others for title in (f"Into {name}", "Result"))]
        rows = [[name, self._inverted(name, "ori"),
                 *(self._picture("diffusion", "some_TO_others", f"{name}_TO_{other}_{kind}.png")
                   for other in self.others for kind in ("sti", "inv"))] for name in self.some]
        return report.Section(headers, rows, "Semantic diffusion", "The middle of a target is pasted into a context; "
                              "inversion makes the two one natural picture.")

    def _interpolation(self):
        headers = ["Names", "Source", *(f"{i}" for i in range(BETWEEN)), "Target"]
        rows = [[f"{name} to {other}", self._inverted(name, "ori"),
                 *(self._picture("interpolation", "some_TO_others", f"{name}_TO_{other}_{i:02d}.png")
                   for i in range(BETWEEN)),
                 self._inverted(other, "ori")] for name, other in zip(self.some, self.others)]
        return report.Section(headers, rows, "Interpolation", "Codes along the line from one inversion to the other.")

    def _manipulation(self, attribute):
        distances = np.linspace(-distance(attribute), distance(attribute), STEPS)
        rows = [[name, self._inverted(name, "inv"),
                 *(self._picture("manipulation", f"{attribute.upper()}_some", f"{name}_{i + 1:02d}.png")
                   for i in range(STEPS))] for name in self.some]
        return report.Section(["Name", "Inverted", *(f"{far:+.2f}" for far in distances)], rows,
                              f"Manipulation: {attribute}")

    def _directions(self, directions):
        """Return a list of one section, a row for each direction; an empty one if there are no directions."""
        name = self.some[0]
        rows = [[title, *(self._picture("manipulation", f"{file.upper()}_some", f"{name}_{i + 1:02d}.png")
                          for i in range(STEPS))] for file, title in directions.items()]
        headers = ["Direction", *(f"{far:+.1f}" for far in np.linspace(-DEVIATIONS, DEVIATIONS, STEPS))]
        text = ("Principal components of W+ (GANSpace) and eigenvectors of the style matrices (SeFa), by standard "
                "deviations. A name is that of the attribute that changes at least twice as much as any other.")
        return [report.Section(headers, rows, "Directions without labels", text)] if rows else []

    def _style_mixing(self):
        rows = [["", None, *(self._inverted(name, "ori") for name in self.others)]]
        rows += [[name, self._inverted(name, "ori"),
                  *(self._picture("style_mixing", "some_STYLIZE_others", f"{name}_STYLIZE_{other}.png")
                    for other in self.others)] for name in self.some]
        return report.Section(["Style", "", *(f"Content {name}" for name in self.others)], rows, "Style mixing",
                              "Coarse layers of the content, fine layers of the style.")


def _error(original, picture):
    """Return the mean squared difference of two pictures of the page, values in [-1, 1]."""
    return float(np.mean(np.square(images.to_float(original.pixels) - images.to_float(picture.pixels))))
