"""The page of inverted pictures; of a large collection, an index and pages of at most ROWS rows."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from tf_idinvert.files import images, report

ROWS = 200          # of a page
MOST_NOTES = 20     # on the index of a large collection, besides pictures that were skipped
INDEX = "inversion.html"


class Pages:
    """Pages in a folder of results.

    Args:
        folder: path.
        many: whether there are more than ROWS pictures, which gives an index of pages.
        side: R of the pictures in px.
        start: header of the column with the initial pictures.
        steps: shown steps of the optimisation.
        summary: {label: value} above the table, with a place for 'Pictures'.
        viz_size: see `report.write`.
    """

    def __init__(self, folder, many, *, side, start, steps, summary, viz_size):
        self.folder, self.many, self.side, self.steps = Path(folder), many, side, steps
        self.summary, self.viz_size = summary, viz_size
        self.headers = ["Name", "Original Image", start, *(f"Step {step:06d}" for step in steps), "MSE start",
                        "MSE inverted"]

    def write_part(self, number, done, shown):
        """Write a page of a large collection.

        Args:
            number: of the page, from 0, among those of all workers.
            done: the page's pictures, dicts with 'name' and 'mse' (start, inverted).
            shown: callable, place on the page -> uint8 [2 + steps, R, R, 3].
        """
        report.write(self.folder / _part(number), f"Inversion, page {number + 1}", self.headers,
                     self._rows(done, shown), viz_size=self.viz_size)

    def write(self, parts, shown, notes):
        """Write the page of all pictures; of a large collection the index.

        Args:
            parts: [(number of the first page, pictures as in `write_part`)] of the workers.
            shown: as in `write_part`, for the place among all pictures; not for a large collection.
            notes: notes above the table.
        """
        done = [each for _, part in parts for each in part]
        mean = np.mean([each["mse"] for each in done], axis=0).tolist()
        summary = {**self.summary, "Pictures": len(done), "Mean MSE, start": mean[0], "Mean MSE, inverted": mean[1]}
        notes = ["MSE: mean of squared differences to the original, values in [-1, 1].", *self._notes(notes)]
        if self.many:
            headers = ["Page", "Pictures", "First Original", "First Inverted", "Mean MSE start", "Mean MSE inverted"]
            pages = [(first + place // ROWS, part[place:place + ROWS]) for first, part in parts
                     for place in range(0, len(part), ROWS)]
            rows = (self._index_row(number, page) for number, page in pages)
            side = 64 if len(pages) <= 200 else 32      # so that the index of 100,000 pictures has some 4 MB
        else:
            headers, rows, side = self.headers, self._rows(done, shown), self.viz_size
        report.write(self.folder / INDEX, "Inversion", headers, rows, summary=summary, notes=notes, viz_size=side)

    def _rows(self, done, shown):
        for place, each in enumerate(done):
            yield [each["name"], *map(report.Picture, shown(place)), *each["mse"]]

    def _index_row(self, number, done):
        first = [images.read(self.folder / f"{done[0]['name']}_{kind}.png") for kind in ("ori", "inv")]
        mean = np.mean([each["mse"] for each in done], axis=0).tolist()
        return [f"{done[0]['name']} to {done[-1]['name']}", len(done),
                *(report.Picture(pixels, f"page {number + 1}", _part(number)) for pixels in first), *mean]

    def _notes(self, notes):
        if not self.many or len(notes) <= MOST_NOTES:
            return notes
        return [*notes[:MOST_NOTES], f"and {len(notes) - MOST_NOTES} more: see inversion.log, skipped.txt"]


def _part(number):
    """Return the file name of page `number`, counted from 0."""
    return f"inversion-{number + 1:04d}.html"
