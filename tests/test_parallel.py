"""Calls by several processes: in order, and an end when one of them is killed."""
import math
import os

import pytest

from tf_idinvert.errors import InputError
from tf_idinvert.files import parallel


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_the_order_of_the_tasks(processes):
    assert list(parallel.in_order(math.factorial, [3, 1, 2], processes)) == [6, 1, 2]


def test_killed_process_is_one_line_not_a_wait():
    with pytest.raises(InputError, match="a process was killed"):
        list(parallel.in_order(os._exit, [1, 1, 1], processes=2))
