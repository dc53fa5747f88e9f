"""Boundaries: hyperplanes in W or W+ that separate codes of pictures with an attribute from codes of pictures without.

The unit normal of the hyperplane is the direction that changes the attribute. `fit` trains a linear support vector
machine on the codes with the highest and the lowest scores; `conditional` projects out the normals of other attributes.
The published boundaries of idinvert are for W+; the part of every layer has unit length.

Files: the original's .npy (an array, or a pickled dictionary that `pickle_machine` reads without executing anything),
and .npz without objects, which also holds what `boundary_members` lists. Directions found without labels (see
`directions`) are boundaries, too, though they separate nothing.

Source: Shen et al. 2020 (InterFaceGAN), section 3.
"""
from __future__ import annotations

import dataclasses
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.files import arrays, atomic
from tf_idinvert.files.paths import require_file
from tf_idinvert.formats import boundary_members
from tf_idinvert.formats.boundary_members import About, Styles
from tf_idinvert.formats.pickle_machine import Array, Machine, Refused

MAX_BYTES = 64 << 20        # generous: the largest published boundary, for 1024 px, has 37 KB
MAX_LAYERS = 64


class BoundaryError(InputError):
    """A boundary cannot be fitted, read, written or used; the message is one line."""


@dataclasses.dataclass(frozen=True)
class Boundary:
    """Direction of an attribute.

    Attributes:
        normal: float32 [1, L, D], or [1, 1, D] for one direction in all layers; all 0 where only styles change.
        layers: tuple of the layers to change; None: all.
        about: About: name, source, unit, space.
        styles: Styles, changes of style channels; None: none.
        centre: float32 [L] or [1]; None: distances are from where a code is. Else from where the mean of W is along the
            normal: a code is first moved to `centre`, in each layer, in units of the normal's length there.
    """

    normal: np.ndarray
    layers: tuple | None = None
    about: About = About()
    styles: Styles | None = None
    centre: np.ndarray | None = None

    def for_network(self, num_layers, width, style_widths=None):
        """Return the boundary with a normal [1, num_layers, width].

        Args:
            num_layers, width: L and D of the network.
            style_widths: of its synthesis, from those who apply `styles` and `centre`.
        Raises:
            BoundaryError: it is for another network, or needs `style_widths` and there are none, or is of z.
        """
        _, own_layers, own_width = self.normal.shape
        if self.about.space != "w":
            raise BoundaryError("a boundary of z, expected one of W: only samples whose z is kept can be moved in z")
        if own_layers not in (1, num_layers) or own_width != width:
            raise BoundaryError(f"a boundary of {own_layers} layers of {own_width}, expected {num_layers} of {width} "
                                f"for this network ({side_of(num_layers)} px)")
        outside = [layer for layer in self.layers or () if layer >= num_layers]
        if outside:
            raise BoundaryError(f"a boundary for layer {outside[0]}; this network has layers 0 to {num_layers - 1}")
        if style_widths is None and (self.styles is not None or self.centre is not None):
            what = "changes style channels" if self.styles is not None else "moves codes to its centre first"
            raise BoundaryError(f"{what}, which cannot be applied here; manipulate.py can")
        if self.styles is not None:
            self.style_move(style_widths)
        centre = self.centre if self.centre is None else np.broadcast_to(self.centre, [num_layers])
        return dataclasses.replace(self, normal=np.broadcast_to(self.normal, [1, num_layers, width]), centre=centre)

    def style_move(self, style_widths):
        """Changes of the styles for distance 1, float32 [S], or None where none change; BoundaryError if unfit."""
        try:
            return None if self.styles is None else self.styles.dense(style_widths)
        except InputError as error:
            raise BoundaryError(str(error)) from error

    def deviation(self, codes):
        """Return the standard deviation of codes [N, L, D] along the normal, as a factor of the normal.

        `w + deviation * normal` moves w by one standard deviation. Only `layers` count. Of changes of styles it is 1:
        they are in deviations already.
        """
        if self.styles is not None:
            return 1.0
        layers = list(range(codes.shape[1])) if self.layers is None else list(self.layers)
        normal = np.broadcast_to(self.normal[0], codes.shape[1:])[layers].astype(np.float64)
        along = np.einsum("nld,ld->n", codes[:, layers], normal)
        return float(along.std(ddof=1) / (normal ** 2).sum())


@dataclasses.dataclass(frozen=True)
class Fit:
    """A boundary and how well it separates the codes.

    Attributes:
        boundary: Boundary.
        accuracy: {part: share of codes on the correct side, in [0, 1]; NaN for a part without codes}.
        counts: {part: number of codes}.

    The parts 'train' and 'validation' divide the codes with extreme scores; 'rest' holds all others. A code of 'rest'
    is positive if its score is above the midpoint between the lowest positive and the highest negative score.
    """

    boundary: Boundary
    accuracy: dict
    counts: dict


def side_of(num_layers):
    """Return the resolution R in pixels of a network with L layers."""
    return 2 ** (num_layers // 2 + 1)


# ------------------------------------------------------------------------------------------------- fitting

def fit(codes, scores, keep=0.02, train_share=0.7, unit="all", seed=0):
    """Fit a boundary between codes with high and codes with low scores.

    Args:
        codes: [N, L, D] of W+, or [N, D] of W. If all layers of every code are equal, one direction is fitted and
            repeated for the layers.
        scores: [N], high if the attribute is present; labels 0 and 1 are possible too. Codes with the score NaN are
            left out.
        keep: number of codes to take with the highest and with the lowest scores: a share up to 0.5, or a count of at
            least 2.
        train_share: share of these codes to fit the hyperplane to; the others validate it.
        unit: how to scale the normal. 'all': the root mean square of the layers' lengths is 1, so that distances
            compare with those of one direction repeated in every layer, and layers without influence on the attribute
            hardly move. 'layer': every layer has length 1, as in the published boundaries.
        seed: seed of the split, and of the order of codes with equal scores.
    Returns:
        Fit. Positive distances along its normal raise the score.
    Raises:
        BoundaryError: arguments do not fit each other, or the high and the low scores do not differ.
    """
    codes, scores = _checked(codes, scores)
    order, count = _ends(scores, keep, seed)
    negative, positive, rest = order[:count], order[-count:], order[count:-count]
    rng = np.random.default_rng([seed, 1])
    train_count = min(max(round(count * train_share), 1), count - 1)
    ends = [rng.permutation(end) for end in (negative, positive)]
    parts = {"train": np.concatenate([end[:train_count] for end in ends]),
             "validation": np.concatenate([end[train_count:] for end in ends]), "rest": rest}
    labels = scores > (scores[negative[-1]] + scores[positive[0]]) / 2

    shared = codes.ndim == 2 or bool((codes == codes[:, :1]).all())
    vectors = codes if codes.ndim == 2 else codes[:, 0] if shared else codes.reshape(len(codes), -1)
    direction, offset = _hyperplane(vectors[parts["train"]], labels[parts["train"]], seed)
    correct = {part: (vectors[rows] @ direction > offset) == labels[rows] for part, rows in parts.items()}
    accuracy = {part: float(right.mean()) if len(right) else float("nan") for part, right in correct.items()}
    normal = direction.reshape(1, 1, -1) if shared else direction.reshape(1, *codes.shape[1:])
    if shared and codes.ndim == 3:
        normal = np.repeat(normal, codes.shape[1], axis=1)
    return Fit(Boundary(_unit(normal, unit)), accuracy, {part: len(rows) for part, rows in parts.items()})


def _checked(codes, scores):
    codes, scores = np.asarray(codes, np.float32), np.asarray(scores, np.float64).squeeze()
    if codes.ndim not in (2, 3) or scores.shape != codes.shape[:1]:
        raise BoundaryError(f"expected codes [N, L, D] or [N, D] and as many scores, got {list(codes.shape)} and "
                            f"{list(scores.shape)}")
    known = np.isfinite(scores)
    if not np.isfinite(codes[known]).all():
        raise BoundaryError("codes that are NaN or infinite")
    return codes[known], scores[known]


def _ends(scores, keep, seed):
    """Return (indices by rising score, number of codes to take from either end)."""
    if len(scores) < 4:
        raise BoundaryError(f"{len(scores)} codes with scores, expected 4 or more")
    if not (0 < keep <= 0.5 or keep >= 2):
        raise BoundaryError(f"expected to keep a share up to 0.5 or a count of at least 2, got {keep:g}")
    count = int(keep) if keep >= 2 else int(len(scores) * keep + 1e-9)
    if not 2 <= count <= len(scores) // 2:
        raise BoundaryError(f"keeping {keep:g} of {len(scores)} codes with scores gives {count} at either end, "
                            f"expected 2 to {len(scores) // 2}")
    shuffled = np.random.default_rng(seed).permutation(len(scores))
    order = shuffled[np.argsort(scores[shuffled], kind="stable")]
    low, high = scores[order[count - 1]], scores[order[-count]]
    if not low < high:
        raise BoundaryError(f"the {count} highest and the {count} lowest scores both reach {low:g}: keep fewer, or "
                            "give scores that differ")
    return order, count


def _hyperplane(vectors, labels, seed):
    """Return (unit direction [K], offset); a vector is positive if `vector @ direction > offset`."""
    from sklearn.svm import LinearSVC  # not at the top: the import takes a second, and reading needs none
    mean = vectors.mean(axis=0, dtype=np.float64)
    scale = float(vectors.std()) or 1.0
    machine = LinearSVC(dual="auto", max_iter=20_000, random_state=seed)
    machine.fit((vectors - mean) / scale, labels)
    direction = machine.coef_[0]
    length = float(np.linalg.norm(direction))
    if not length > 0:
        raise BoundaryError("the codes of the two ends cannot be told apart")
    offset = float(mean @ direction - machine.intercept_[0] * scale) / length
    return (direction / length).astype(np.float32), offset


def _unit(normal, unit):
    """Scale a normal to length 1 in every layer ('layer'), or in root mean square over the layers ('all')."""
    if unit not in ("layer", "all"):
        raise BoundaryError(f"unit: expected 'layer' or 'all', got {unit!r}")
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    if unit == "all":
        length = np.sqrt(np.mean(length ** 2, axis=1, keepdims=True))
    return (normal / np.where(length > 0, length, 1)).astype(np.float32)


def conditional(boundary, others):
    """Project other boundaries out of a boundary, so that moving along it leaves their scores unchanged.

    The projection is done layer by layer, so that it holds for any choice of layers; every layer keeps its length.

    Args:
        boundary: Boundary.
        others: at least one Boundary of the same shape.
    Returns:
        Boundary.
    Raises:
        BoundaryError: shapes differ, or nothing is left of a layer.
    Source: Shen et al. 2020, section 3.2, Fig. 2.
    """
    wrong = [other for other in others if other.normal.shape != boundary.normal.shape]
    if wrong or not others:
        raise BoundaryError(f"expected other boundaries of {list(boundary.normal.shape)}, got "
                            f"{list(wrong[0].normal.shape) if wrong else 'none'}")
    primary = boundary.normal[0].astype(np.float64)                                        # [L, D]
    directions = np.stack([other.normal[0] for other in others], axis=-1).astype(np.float64)   # [L, D, K]
    for layer in np.flatnonzero(primary.any(axis=-1)):
        length = np.linalg.norm(primary[layer])
        left = primary[layer] - directions[layer] @ np.linalg.lstsq(directions[layer], primary[layer], rcond=1e-6)[0]
        if np.linalg.norm(left) <= 1e-4 * length:
            raise BoundaryError(f"nothing is left of the boundary in layer {layer}: it is a sum of the others")
        primary[layer] = left / np.linalg.norm(left) * length
    return dataclasses.replace(boundary, normal=primary[None].astype(np.float32))


# ------------------------------------------------------------------------------------------------- files

def read(path):
    """Read a boundary from a .npy file of the original (array or pickled dictionary), or from a .npz of this project.

    Nothing in the file is executed.

    Raises:
        BoundaryError: the file is missing, damaged, hostile or no boundary.
    """
    path = Path(path)
    try:
        require_file(path, "a boundary (.npy or .npz)", BoundaryError)
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise BoundaryError(f"{path}: {size} bytes, expected a boundary of at most {MAX_BYTES}")
        data = path.read_bytes()
        return _read_zip(data, path) if data.startswith(b"PK") else _read_npy(data, path)
    except OSError as error:
        raise BoundaryError(f"{path}: {error.strerror or error}") from error
    except arrays.ArrayError as error:
        raise BoundaryError(str(error)) from error


def read_all(paths):
    """Read boundaries from files and folders; return {file name without suffix: Boundary}.

    Raises:
        BoundaryError: a file cannot be read, a folder holds no boundary, or two files have the same name.
    """
    found = []
    for path in map(Path, paths):
        inside = files(path) if path.is_dir() else [path]
        if not inside:
            raise BoundaryError(f"{path}: no boundaries (.npy, .npz) in this folder")
        found += inside
    by_name = {path.stem: read(path) for path in found}
    if len(by_name) < len(found):
        raise BoundaryError("boundaries: two files of the same name; an attribute is called as its boundary's file")
    return by_name


def _read_npy(data, path):
    file = io.BytesIO(data)
    shape, _, dtype, left = arrays.read_header(file, len(data), path)
    if not dtype.hasobject:
        return _boundary(arrays.read_numbers(io.BytesIO(data), len(data), path), None, path)
    try:
        values = Machine(file, left, objects=True).run()
        values = values.value if isinstance(values, Array) else None
    except Refused as error:
        raise BoundaryError(f"{path}: {error}") from error
    except Exception as error:      # a damaged file can fail anywhere in the machine
        raise BoundaryError(f"{path}: damaged, not a readable boundary ({type(error).__name__})") from error
    content = values[0] if type(values) is list and len(values) == 1 else None
    if type(content) is not dict or not isinstance(content.get("boundary"), Array):
        raise BoundaryError(f"{path}: expected an array, or a dictionary with an array 'boundary'")
    about = content.get("meta_data")
    layers = about.get("manipulate_layers") if type(about) is dict else None
    return _boundary(content["boundary"].value, layers, path)


def _read_zip(data, path):
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            if "boundary.npy" not in sizes or sum(sizes.values()) > MAX_BYTES:
                raise BoundaryError(f"{path}: not a boundary: an archive of {', '.join(sizes)[:60] or 'nothing'}")
            found, about = boundary_members.read(archive, sizes, path)
        styles = boundary_members.styles_of(found)
        plain = _boundary(found["boundary.npy"], found.get("manipulate_layers.npy"), path, still=styles is not None)
        centre = boundary_members.centre_of(found, plain.normal.shape[1])
        return dataclasses.replace(plain, about=about, styles=styles, centre=centre)
    except (BoundaryError, arrays.ArrayError):
        raise
    except InputError as error:
        raise BoundaryError(f"{path}: {error}") from error
    except Exception as error:      # archives have many ways to be damaged
        raise BoundaryError(f"{path}: damaged archive ({type(error).__name__})") from error


def _boundary(normal, layers, path, still=False):
    """Check the contents of a file and return them as a Boundary; with `still` the normal may be 0."""
    if not isinstance(normal, np.ndarray) or normal.dtype.kind != "f" or normal.ndim > 3 or 0 in normal.shape:
        raise BoundaryError(f"{path}: expected a normal [1, L, D] of floats")
    normal = normal.reshape([1] * (3 - normal.ndim) + list(normal.shape))
    if normal.shape[0] != 1 or normal.shape[1] > MAX_LAYERS or not np.isfinite(normal).all() or \
            not (still or normal.any()):
        raise BoundaryError(f"{path}: expected a normal [1, L, D], finite and not 0; got {list(normal.shape)}")
    return Boundary(normal.astype(np.float32), _layers(layers, path))


def _layers(layers, path):
    if isinstance(layers, Array):
        layers = layers.value
    if isinstance(layers, np.ndarray):
        layers = layers.ravel()[:MAX_LAYERS + 1].tolist()
    if layers is None:
        return None
    if not isinstance(layers, (list, tuple)) or len(layers) > MAX_LAYERS:
        raise BoundaryError(f"{path}: expected manipulate_layers to be a list of at most {MAX_LAYERS} layers")
    layers = [each.value.item() if isinstance(each, Array) and np.size(each.value) == 1 else each for each in layers]
    if not all(type(layer) is int and 0 <= layer < MAX_LAYERS for layer in layers):
        raise BoundaryError(f"{path}: expected manipulate_layers to be whole numbers from 0")
    return tuple(sorted(set(layers))) or None


def files(folder):
    """Return the paths of the boundary files (.npy, .npz) in a folder, sorted by name."""
    return sorted(path for path in Path(folder).iterdir() if path.suffix in (".npy", ".npz"))


def write(path, boundary):
    """Write a boundary atomically: in the original's form if `path` ends in .npy, without pickle if it ends in .npz.

    The original's form is an array, or a pickled dictionary if the boundary has `layers`; every NumPy opens it. It has
    no place for `about`, which is left out.

    Raises:
        BoundaryError: another suffix, the file cannot be written, or styles, a centre or a normal of z in .npy.
    """
    path = Path(path)
    if path.suffix not in (".npy", ".npz"):
        raise BoundaryError(f"{path}: a boundary's file ends in .npy (the original's form) or .npz (without pickles)")
    if path.suffix == ".npy" and (boundary.styles or boundary.centre is not None or boundary.about.space != "w"):
        raise BoundaryError(f"{path}: style channels, a centre or a normal of z need a file that ends in .npz")
    normal = np.ascontiguousarray(boundary.normal, "<f4")
    try:
        with atomic.replacing(path) as temporary, open(temporary, "wb") as file:
            if path.suffix == ".npz":
                boundary_members.write(file, boundary)
            elif boundary.layers is None:
                np.lib.format.write_array(file, normal, version=(1, 0), allow_pickle=False)
            else:
                _write_dictionary(file, normal, boundary.layers)
    except OSError as error:
        raise BoundaryError(f"{path}: cannot be written: {error.strerror or error}") from error


def _write_dictionary(file, normal, layers):
    content = np.array({"boundary": normal, "meta_data": {"manipulate_layers": list(layers)}}, dtype=object)
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    # NumPy 2 names a module that older versions lack; every NumPy opens the old name. Replacing bytes is safe: protocol
    # 3 ends a name with a line break and stores no length.
    file.write(pickle.dumps(content, protocol=3).replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
