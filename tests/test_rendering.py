"""Large sets of rendered portraits."""
from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from tf_idinvert.portraits import portrait, sets


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(sets, "CHUNK", 3)


def test_chunks_are_samples_of_far_seeds_and_a_longer_set_begins_with_a_shorter_one():
    short = np.concatenate([images for images, _ in sets.chunks(4, 1, 16, processes=1)])
    long = list(sets.chunks(7, 1, 16, processes=1))
    assert [len(images) for images, _ in long] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in long])[:4], short)
    images, attributes = portrait.sample(3, 2 * 2 ** 32 + 1, 16)
    np.testing.assert_array_equal(long[1][0], images)
    np.testing.assert_array_equal(long[1][1]["age"], attributes["age"])


def test_processes_draw_the_same(tmp_path):
    drawn = []
    sets.write(tmp_path / "one.npy", 7, 0, 16, processes=1, progress=drawn.append)
    sets.write(tmp_path / "two.npy", 7, 0, 16, processes=2)
    assert drawn == [3, 3, 1]
    one = np.load(tmp_path / "one.npy")
    assert one.dtype == np.uint8 and one.shape == (7, 16, 16, 3)
    np.testing.assert_array_equal(one, np.load(tmp_path / "two.npy"))


def test_interrupted_set_leaves_nothing(tmp_path):
    def stop(count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sets.write(tmp_path / "set.npy", 7, 0, 16, processes=1, progress=stop)
    assert not list(tmp_path.iterdir())


def test_codes_are_standard_normal_and_tell_the_portraits():
    codes = sets.codes(7, 1)
    assert codes.dtype == np.float32 and codes.shape == (7, 13)
    attributes = [attributes for _, attributes in sets.chunks(7, 1, 16, processes=1)]
    for column, name in ((0, "age"), (7, "background")):       # drawn as they are
        values = np.concatenate([each[name] for each in attributes])
        np.testing.assert_allclose(norm.cdf(codes[:, column]), values, atol=1e-5)
    many = sets.codes(4000, 2)
    np.testing.assert_allclose(np.cov(many.T), np.eye(13), atol=0.1)
    np.testing.assert_allclose(many.mean(0), 0, atol=0.08)
