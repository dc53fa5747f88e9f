"""Names of sets of TFRecords: NAME-rXX.tfrecords for each resolution 2^XX, as the original's tools call them."""
from __future__ import annotations

import glob
import re
from pathlib import Path

from tf_idinvert.errors import InputError
from tf_idinvert.files.paths import missing, require_file


def record_files(path):
    """Paths `NAME-rXX.tfrecords` in the folder `path`, or of `path` = FOLDER/NAME; empty if there are none."""
    path = Path(path)
    folder, name = (path, "*") if path.is_dir() else (path.parent, glob.escape(path.name))
    return sorted(file for file in folder.glob(f"{name}-r*.tfrecords") if level_of(file) is not None)


def check_exists(path):
    """InputError where `path` is nothing that could be a set, see `pipeline.open_source`."""
    path = Path(path)
    if path.is_dir() or record_files(path):
        return
    if not path.exists():
        raise InputError(f"{path}: {missing(path)}, nor files {path}-rXX.tfrecords")
    require_file(path, "a set, a folder, a list or a picture", InputError)


def level_of(file):
    """XX of a file NAME-rXX.tfrecords; None of another."""
    found = re.search(r"-r(\d+)\.tfrecords$", Path(file).name)
    return int(found[1]) if found else None
