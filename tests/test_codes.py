"""Codes of random z, of any class or of one."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tiny

from tf_idinvert import codes
from tf_idinvert.errors import InputError


def test_codes_of_one_label():
    generator, z = tiny.generator(label_size=3), np.random.default_rng([5, 1]).standard_normal(8)
    found = codes.random_codes(generator, 5, 1, 1, label=2)
    expected = generator.mapping(z[None].astype("float32"), labels=np.float32([[0, 0, 1]]))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.abs(codes.mean_code(generator, 0) - codes.mean_code(generator, 1)).max() > 1e-3


@pytest.mark.parametrize("size, label, words", [(3, 3, "labels 0 to 2"), (3, -1, "labels 0 to 2"),
                                                (0, 0, "label 0: the network has no labels")])
def test_labels_that_the_network_has_not_are_refused(size, label, words):
    with pytest.raises(InputError, match=words):
        codes.random_codes(tiny.generator(label_size=size), 0, 0, 1, label)


def test_gaussian_codes_are_normal_in_w_plus_and_numbered():
    generator = SimpleNamespace(num_layers=40, dlatent_size=50)
    found = codes.gaussian_codes(generator, 3, 4, 2)
    assert found.shape == (2, 40, 50) and found.dtype == np.float32
    assert abs(found.mean()) < 0.05 and abs(found.std() - 1) < 0.05
    np.testing.assert_array_equal(found[1:], codes.gaussian_codes(generator, 3, 5, 1))
    assert not np.array_equal(found, codes.gaussian_codes(generator, 2, 4, 2))
