"""Quality of generators: numbers for constructed sets with known distances."""
from __future__ import annotations

import numpy as np
import pytest

from tf_idinvert.evaluation import measures
from tf_idinvert.evaluation.quality import generator
from tf_idinvert.evaluation.quality.pictures import Pictures
from tf_idinvert.portraits import portrait

RANGES = {"light": (-1, 1), "red": (0, 1)}


def judge(x):
    """A network by hand: embedding from means over quarters of the picture; brightness; whether it is reddish."""
    quarters = x.reshape(len(x), 2, x.shape[1] // 2, 2, x.shape[1] // 2, 3).mean((2, 4)).reshape(len(x), -1)
    return quarters, {"light": x.mean((1, 2, 3)), "red": (x[..., 0].mean((1, 2)) > x[..., 2].mean((1, 2))) * 1.0}


def measured(images, seed=0):
    pictures = Pictures(16)
    pictures.add(images)
    return measures.measure(pictures, judge, seed, generator.GROUPS)


@pytest.fixture(scope="module")
def renders():
    return portrait.sample(240, 0, 16)[0]


def test_pictures_wait_in_batches_and_can_be_run_through_again(renders):
    pictures = Pictures(16)
    for start in range(0, 240, 7):
        pictures.add(renders[start:start + 7])
    for _ in range(2):
        batches = list(pictures)
        assert [len(batch) for batch in batches] == [100, 100, 40] and len(pictures) == 240
        np.testing.assert_array_equal(np.concatenate(batches), renders)
    np.testing.assert_array_equal(pictures.first(3), renders[:3])
    pictures.add(np.full([1, 16, 16, 3], 0.5))
    np.testing.assert_array_equal(list(pictures)[-1][-1], 191)


def test_set_is_at_no_distance_from_itself(renders):
    found = generator.compare(measured(renders), measured(renders), RANGES)
    assert found["sliced_wasserstein"] == {16: 0.0, "mean": 0.0}
    assert found["frechet"] < 1e-9
    assert all(each["difference"] == 0 for each in found["attributes"].values())


def test_darker_pictures_are_further_away_than_other_renders(renders):
    reference, other = measured(renders[:120]), renders[120:]
    dark = other.copy()
    dark[::2] //= 4
    floor, found = (generator.compare(reference, measured(each), RANGES) for each in (other, dark))
    assert found["frechet"] > 5 * floor["frechet"]
    assert found["frechet_extrapolated"] > 5 * abs(floor["frechet_extrapolated"])
    assert found["sliced_wasserstein"]["mean"] > 2 * floor["sliced_wasserstein"]["mean"]
    assert found["attributes"]["light"]["difference"] > 0.4 > 2 * floor["attributes"]["light"]["difference"]
    assert found["attributes"]["light"]["mean"] < floor["attributes"]["light"]["mean"] - 0.2


def test_attributes_by_hand(renders):
    blue, red = np.zeros([50, 16, 16, 3], "uint8"), np.zeros([50, 16, 16, 3], "uint8")
    blue[..., 2], red[..., 0] = 255, 255
    found = generator.compare(measured(np.concatenate([blue, red])),
                              measured(np.concatenate([blue, red[:30], blue[:20]])), RANGES)["attributes"]
    assert found["red"]["mean"] == 0.3 and found["red"]["difference"] == pytest.approx(0.2)
    assert found["red"]["histogram"] == [0.7, *[0] * 8, 0.3]
    assert found["light"]["difference"] == 0 and sum(found["light"]["histogram"]) == 1


def test_progress_counts_pictures(renders):
    pictures, seen = Pictures(16), []
    pictures.add(renders)
    measures.measure(pictures, judge, 0, progress=seen.append)
    assert seen == [100, 100, 40]


def test_separability_of_a_linear_a_random_and_a_constant_attribute(rng):
    codes = rng.standard_normal((600, 8)).astype("float32")
    found = generator.separability(codes, {
        "linear": codes[:, 0] - codes[:, 3], "random": rng.standard_normal(600), "none": np.zeros(600)})
    assert found["linear"]["validation"] == 1 and found["linear"]["rest"] > 0.8
    assert found["random"]["validation"] < 0.8
    assert "\n" not in found["none"]["failure"]


def test_path_length_of_a_straight_and_of_a_bent_path(rng):
    codes, others = rng.standard_normal((2, 60, 3, 4)).astype("float32")
    straight = generator.path_length(codes, others, lambda w: 2.0 * w.reshape(len(w), -1).astype("float64"))
    assert straight["ratio"] == pytest.approx(1, rel=0.05)                  # all but what the percentiles leave out
    assert straight["straight"] == pytest.approx(4 * np.square(others - codes).sum((1, 2)).mean(), rel=1e-6)
    bent = generator.path_length(codes, others, lambda w: np.sin(9.0 * w.reshape(len(w), -1)))
    assert bent["ratio"] > 3
