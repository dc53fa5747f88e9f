"""Turn the results of the parts of `restoration` into tables and figures for `writing.write`."""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.evaluation import plots
from tf_idinvert.evaluation.tables import Table

ABOUT = {
    "codes": "Inversion against N, the number of codes.",
    "layers": "Inversion against the composing layer.",
    "tasks": "Each task against the picture without a network (grey, bicubic, mean fill, Gaussian blur) and against "
             "one code, without and with the domain term. Composite: what is known of the picture is put in place.",
    "photographs": "Inversion of photographs out of the model's domain.",
    "cost": "One image, pixel term only: seconds an iteration, the same as a share of those of N searches for one code "
            "each, and peak memory above what the loaded network takes.",
}
CURVES = {"codes": ("N", "mse", None), "layers": ("layer", "mse", None),
          "cost": ("N", "seconds an iteration", "resolution")}      # x, y, and the column with a line per value
MEANS = (" Means over the pictures, 95 % intervals in brackets; MSE on values in [-1, 1], PSNR in dB. Better: how many "
         "pictures have a smaller error (composites: than the composite of one code).")


def part(name, rows, sheets, folder):
    """Draw the figures of a part.

    Args:
        name: one of ABOUT.
        rows: list of dicts, column -> text, number, or [mean, low, high].
        sheets: list of `restoration.Sheet`.
        folder: folder of the figures; it is created if necessary.
    Returns:
        dict for `writing.write`: 'numbers' (the rows), 'tables', 'figures'.
    """
    folder, drawn = Path(folder), []
    folder.mkdir(parents=True, exist_ok=True)
    if name in CURVES and rows:
        plots.save(_curve(rows, *CURVES[name]), folder / f"{name}.png")
        drawn.append((f"{name}.png", f"{CURVES[name][1].capitalize()} against {CURVES[name][0]}"))
    for sheet in sheets:
        file = f"{name}-{sheet.title.replace(', ', '-').replace(' ', '-')}.png"
        plots.save(plots.sheet(sheet.pictures, sheet.columns, captions=sheet.captions), folder / file)
        drawn.append((file, sheet.title.capitalize()))
    table = Table(name.capitalize(), ABOUT[name] + (MEANS if name != "cost" else ""), list(rows[0]) if rows else [],
                  [list(row.values()) for row in rows])
    return {"numbers": rows, "tables": [table], "figures": drawn}


def _curve(rows, x, y, group):
    """Return a figure of a column as a function of another, with one line per value of `group`."""
    lines = {}
    for row in rows:
        value = row[y] if isinstance(row[y], list) else [row[y], None, None]
        lines.setdefault(None if group is None else f"{row[group]} px", []).append((row[x], value))
    return plots.curves(lines, xlabel="composing layer" if x == "layer" else x, ylabel="MSE" if y == "mse" else y)
