"""Scores of codes from tables with and without a line of names."""
from __future__ import annotations

import numpy as np
import pytest

from tf_idinvert.errors import InputError
from tf_idinvert.jobs.boundary import read_codes, read_scores


@pytest.mark.parametrize("text, attribute, scores", [
    ("0.5\n1\n-2e3\n", None, [0.5, 1, -2000]), ("\ufeff0.5\r\n1\r\n\r\n3\r\n", "age", [0.5, 1, 3]),
    ("b,2\na,1\nc.png,3\n", None, [1, 2, 3]), ("age\n0.5\n1\n2\n", None, [0.5, 1, 2]),
    ("name,age\nb,2\na,1\n", "age", [1, 2, np.nan]), ("name,age,sex\nb,2,1\na,1,0\nc,,1\n", "age", [1, 2, np.nan])])
def test_numbers_in_the_first_line_are_scores(tmp_path, text, attribute, scores):
    (tmp_path / "s.csv").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_scores(tmp_path / "s.csv", attribute, ("a", "b", "c"), 3), scores)


@pytest.mark.parametrize("text, words", [
    ("", "expected lines of scores"), ("a,1,2\nb,2,3\nc,1,1\n", "3 columns, and a first line that does not name them"),
    ("1\n2\n", "2 scores for 3 codes"), ("name,age\n,1\n", "none of the 3 pictures"), ("name,age\na,x\n", "line 2"),
    ("a\nb\nc\n", "line 2: expected a number, got 'b'")])
def test_other_tables_are_one_line(tmp_path, text, words):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_scores(tmp_path / "s.csv", None, ("a", "b", "c"), 3)
    assert str(caught.value).startswith(f"{tmp_path / 's.csv'}: ") and "\n" not in str(caught.value)


def test_scores_and_codes_in_arrays_are_finite(tmp_path):
    np.save(tmp_path / "s.npy", [1, np.inf, np.nan])
    with pytest.raises(InputError, match="s.npy: scores that are infinite"):
        read_scores(tmp_path / "s.npy", None, None, 3)
    for values, words in ([[0, np.nan]], "NaN or infinite"), ([[0, 1e30]], r"from 0 to 1e\+30; expected numbers from"):
        np.save(tmp_path / "w.npy", values)
        with pytest.raises(InputError, match=f"w.npy: codes that are {words}"):
            read_codes(tmp_path / "w.npy")
