"""Quality of encoders: numbers on constructed pictures, for encoders with known faults."""
from __future__ import annotations

import numpy as np
import pytest

from tf_idinvert.errors import InputError
from tf_idinvert.evaluation import measures
from tf_idinvert.evaluation.quality import encoders
from tf_idinvert.evaluation.quality.pictures import Pictures
from tf_idinvert.portraits import portrait

COUNT = 120


def judge(x):
    """Brightness, and whether a picture is reddish."""
    return {"light": x.mean((1, 2, 3)), "red": (x[..., 0].mean((1, 2)) > x[..., 2].mean((1, 2))) * 1.0}


def kept(pictures):
    result = Pictures(16)
    result.add(pictures)
    return result


@pytest.fixture(scope="module")
def originals():
    return kept(portrait.sample(COUNT, 0, 16)[0])


@pytest.fixture
def mapped(rng):
    return rng.standard_normal((COUNT, 3, 4))


@pytest.fixture
def measured(originals, mapped):
    """Callable, (function of pictures, codes [N, 3, 4]) -> numbers."""
    def run(draw, codes):
        waiting = iter(np.split(codes, [100]))
        found = encoders.reconstruct(originals, lambda x: (next(waiting), draw(x)), judge)
        truth = {name: np.concatenate([judge(x / 127.5 - 1)[name] for x in originals]) for name in ("light", "red")}
        return encoders.compare(found, measures.measure(originals, None, 0), truth, ("red",), mapped)
    return run


def test_perfect_encoder(measured, rng):
    found = measured(lambda x: x, rng.standard_normal((COUNT, 3, 4)))
    assert found["mse"] == [0, 0, 0] and found["swd"] == 0 and set(found["swd_levels"]) == {16}
    assert found["agreement"]["red"] == 1 and found["agreement"]["light"] == pytest.approx(1)
    assert found["outliers"][0] == 0 and 0.4 < found["neighbours"][0] < 0.6 and found["frechet"][0] < 0.5


def test_shifted_codes_and_darker_pictures(measured, rng):
    codes = rng.standard_normal((COUNT, 3, 4))
    codes[:, 1] += 3
    codes[:12, 0, 0] = 20
    found = measured(lambda x: x - 0.5, codes)
    near = measured(lambda x: x - 0.1, codes)
    assert 0.15 < found["mse"][0] <= 0.25 and near["mse"][0] < found["mse"][0] / 10      # black stays black
    assert found["mse"][1] < found["mse"][0] < found["mse"][2]
    assert found["agreement"]["light"] < near["agreement"]["light"] < 1
    assert found["outliers"][0] == pytest.approx(0.1) and found["neighbours"][0] > 0.9
    assert 9 * 4 / 3 - 3 < found["frechet"][0] < 9 * 4 / 3 + 45         # the shift, and what twelve outliers add


def test_reconstructions_beyond_the_range_are_clipped(measured, rng):
    codes = rng.standard_normal((COUNT, 3, 4))
    assert measured(lambda x: np.where(x > 0.99, 50.0, x), codes)["mse"][0] < 1e-3


def test_strangers(originals, mapped, rng):
    others = kept(255 - originals.first(COUNT))
    found = encoders.strangers(originals, others, rng.standard_normal((COUNT, 3, 4)), judge)
    first, other = next(iter(originals)), next(iter(others))
    expected = np.square((first / 127.5 - other / 127.5)).mean((1, 2, 3))
    np.testing.assert_allclose(found.errors[:100], expected, rtol=1e-5)
    np.testing.assert_allclose(found.measured.attributes["light"][:100], (first / 127.5 - 1).mean((1, 2, 3)), atol=1e-5)
    assert encoders.compare(found, measures.measure(originals, None, 0), found.measured.attributes, ("red",), mapped)[
        "swd"] > 0


def test_codes_that_are_not_finite_are_one_line(originals, mapped):
    codes = mapped.copy()
    codes[110, 0, 0] = np.inf
    waiting = iter(np.split(codes, [100]))
    with pytest.raises(InputError, match="pictures 100 to 119") as error:
        encoders.reconstruct(originals, lambda x: (next(waiting), x), judge)
    assert "\n" not in str(error.value)


def test_progress_counts_pictures(originals, mapped):
    seen, waiting = [], iter(np.split(mapped, [100]))
    encoders.reconstruct(originals, lambda x: (next(waiting), x), judge, progress=seen.append)
    assert seen == [100, 20]
