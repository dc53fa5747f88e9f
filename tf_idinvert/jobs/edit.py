"""Write the results of edits: a PNG of every result, the codes, and a page; row by row, so memory use is constant.

A job named JOB writes the pictures to JOB/, and JOB_codes.npy and JOB.html beside it. If a run ends early, the finished
results are kept, and the codes of the others are NaN.
"""
from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_idinvert import editing
from tf_idinvert.alignment import record
from tf_idinvert.directions import effects
from tf_idinvert.files import arrays, images, report
from tf_idinvert.files.progress import progress
from tf_idinvert.jobs.batches import to_the_end

BEFORE = "before"       # folder of what photographs' faces are as the network draws them, without the edit


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the page: results, and cells before and after them. A cell is text, the path of a picture, or None."""

    codes: np.ndarray       # [K, L, D]
    files: list             # names of the K pictures, without suffix
    before: list
    after: list = dataclasses.field(default_factory=list)
    offsets: np.ndarray | None = None       # [K, S], of their styles
    edits: tuple = ()       # for each: the name of the picture that it is an edit of, and what the edit is called


@dataclasses.dataclass(frozen=True)
class Page:
    """The page without its rows; `first` is a row of cells above them, or None."""

    title: str
    headers: list
    summary: dict
    notes: list = dataclasses.field(default_factory=list)
    first: list | None = None
    viz_size: int = 256


def interpolation(source, target, count):
    """Yield a row for every pair of source and target: `count` codes on the line between them.

    Args:
        source, target: Results.
    """
    for i, name in enumerate(source.names):
        for j, other in enumerate(target.names):
            yield Row(editing.interpolate(source.codes[i:i + 1], target.codes[j:j + 1], count)[0],
                      [f"{name}_TO_{other}_{k:02d}" for k in range(count)],
                      [f"{name} to {other}", source.picture(i, "ori")], [target.picture(j, "ori")],
                      edits=[(name, f"TO_{other}_{k:02d}") for k in range(count)])


def manipulation(found, boundary, distances, style_widths, before=None):
    """Yield a row for every picture of the Results `found`; see `effects.moved` for the other arguments.

    `before`, if any, is called with the number of a picture before its row is drawn.
    """
    for i, name in enumerate(found.names):
        if before is not None:
            before(i)
        places, offsets = effects.moved(found.codes[i:i + 1], boundary, distances, style_widths)
        yield Row(places[0], [f"{name}_{k + 1:02d}" for k in range(len(distances))],
                  [name, found.picture(i, "ori"), found.picture(i, "inv")], offsets=offsets,
                  edits=[(name, f"{k + 1:02d}") for k in range(len(distances))])


def latent_manipulation(found, latents, boundary, distances, mapping):
    """Yield a row for every sample, whose z is moved: `z + distance * n`, then mapped.

    Args:
        found: Results.
        latents: z of them, [N, Z].
        boundary: Boundary of z, its normal [1, 1, Z].
        distances: [K].
        mapping: callable, z [K, Z] -> codes [K, L, D], truncated as the samples were.
    """
    for i, name in enumerate(found.names):
        z = editing.manipulate(latents[i:i + 1, None], boundary.normal, distances)[0, :, 0]
        yield Row(mapping(z), [f"{name}_{k + 1:02d}" for k in range(len(distances))],
                  [name, found.picture(i, "ori"), found.picture(i, "inv")])


def style_mixing(style, content, layers):
    """Yield a row for every style: all contents with the `layers` of that style."""
    for i, name in enumerate(style.names):
        yield Row(editing.mix_styles(content.codes, style.codes[i:i + 1], layers),
                  [f"{name}_STYLIZE_{other}" for other in content.names], [name, style.picture(i, "ori")],
                  edits=[(other, f"STYLE_{name}") for other in content.names])


def write(base, rows, shape, synthesis, batch_size, page, log, source=None):
    """Synthesise and write all rows.

    Args:
        base: path of the job, FOLDER/JOB, in an existing folder.
        rows: iterable of `Row`; it is read once.
        shape: shape of all codes, [..., K, L, D]; the leading axes count the rows.
        synthesis: callable, codes [N, L, D] -> images [N, R, R, C]; with `style_offsets` [N, S] if rows have some.
        batch_size: codes synthesised together.
        page: Page.
        log: logging.Logger.
        source: None, or the Results that are edited; if they are of photographs, the job's folder gets their record.
    Raises:
        InputError, OSError: a file cannot be written, or a code has no image; earlier results are kept.
    """
    draw, draw_styled = _drawing(synthesis, *shape[-2:])
    pictures, done = Path(base), []
    pictures.mkdir(exist_ok=True)
    faces = record.read(source.folder)[0] if source is not None and record.path_in(source.folder) else {}

    def draw_all():
        with arrays.filling(f"{base}_codes.npy", shape, done) as codes, \
                progress(int(np.prod(shape[:-2])), page.title.lower(), log=log) as bar:
            for row in rows:
                for first in range(0, len(row.codes), batch_size):
                    part = slice(first, first + batch_size)
                    w = tf.constant(row.codes[part], tf.float32)
                    drawn = (draw(w) if row.offsets is None else draw_styled(w, row.offsets[part])).numpy()
                    for name, picture in zip(row.files[first:], drawn):
                        images.save(pictures / f"{name}.png", picture)
                    bar.update(len(drawn))
                _save_unedited(pictures, row, source, faces, draw)
                codes.append(row.codes)
                done.append(dataclasses.replace(row, codes=None))

    def finish():
        if faces:
            _write_record(base, done, faces)
        _write_page(base, done, page, log)

    to_the_end(draw_all, finish)


@functools.lru_cache(maxsize=1)     # the jobs of a run, one for every boundary, share their graphs
def _drawing(synthesis, layers, width):
    """Compile what draws codes [N, L, D], and codes with offsets of their styles [N, S]."""
    codes_like = tf.TensorSpec([None, layers, width], tf.float32)
    return (tf.function(synthesis, input_signature=[codes_like], autograph=False),
            tf.function(lambda w, offsets: synthesis(w, style_offsets=offsets), autograph=False,
                        input_signature=[codes_like, tf.TensorSpec([None, None], tf.float32)]))


def _save_unedited(pictures, row, source, faces, draw):
    """Write what the network draws of the pictures that a row edits, as they were: BEFORE/NAME.png."""
    for name in dict.fromkeys(name for name, _ in row.edits if name in faces):
        code = source.codes[source.names.index(name)]
        (pictures / BEFORE).mkdir(exist_ok=True)
        same = [k for k, other in enumerate(row.codes) if np.array_equal(code, other) and row.edits[k][0] == name
                and (row.offsets is None or not np.any(row.offsets[k]))]
        picture = images.read(pictures / f"{row.files[same[0]]}.png") if same else draw(code[None]).numpy()[0]
        images.save(pictures / BEFORE / f"{name}.png", picture)


def _write_record(base, rows, faces):
    """Write to the job's folder which of its pictures belong into which photograph."""
    edits = [record.Edit(f"{file}.png", name, variant, f"{BEFORE}/{name}.png")
             for row in rows for file, (name, variant) in zip(row.files, row.edits) if name in faces]
    record.write(base, list(faces.values()), edits)


def _write_page(base, rows, page, log):
    if not rows:
        return
    path = Path(f"{base}.html")
    table = [page.first] if page.first else []
    table += [[*row.before, *(Path(base) / f"{name}.png" for name in row.files), *row.after] for row in rows]
    cells = ([_cell(cell, path.parent) for cell in row] for row in table)
    report.write(path, page.title, page.headers, cells, summary=page.summary, notes=page.notes, viz_size=page.viz_size)
    log.info("%d pictures -> %s", sum(len(row.files) for row in rows), path)


def _cell(value, folder):
    if not isinstance(value, Path):
        return value
    inside = value.relative_to(folder).as_posix() if folder in value.parents else ""
    return report.Picture(images.read(value), href=inside)
