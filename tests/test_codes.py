"""Codes of random z, of any class or of one."""
from __future__ import annotations

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
