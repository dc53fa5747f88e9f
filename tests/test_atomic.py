"""Files appear whole or not at all, and an error names the file that is wanted, not the temporary one."""
from __future__ import annotations

import pytest
from full_disks import full_disk

from tf_idinvert.files import atomic, results
from tf_idinvert.files.unfinished import Unfinished


@pytest.mark.parametrize("write", [
    lambda path: atomic.write_text(path, "text" * 100), lambda path: results.write_options(path, {"a": "b" * 100})])
def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path, write):
    path = tmp_path / "a.json"
    path.write_text("as before")
    with full_disk(10), pytest.raises(OSError) as caught:
        write(path)
    assert caught.value.filename == str(path) and caught.value.strerror == "File too large"
    assert path.read_text() == "as before" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_told_with_the_name_of_the_file(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        atomic.write_text(tmp_path / "none" / "a.txt", "text")
    assert caught.value.filename == str(tmp_path / "none" / "a.txt")


def test_the_record_of_a_run_names_its_file_on_a_full_disk(tmp_path):
    record = Unfinished(tmp_path, {"key": 1})
    with full_disk(10), pytest.raises(OSError) as caught:
        record.append({"name": "x" * 100}, {})
    assert caught.value.filename.startswith(str(tmp_path))


def test_other_errors_stay_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, atomic.replacing(tmp_path / "a"):
        open(tmp_path / "b")
    assert caught.value.filename == str(tmp_path / "b")
