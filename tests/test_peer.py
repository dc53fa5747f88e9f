"""peer: what is refused; the comparison itself needs PyTorch and runs in the benchmark."""
import sys

import pytest

from tf_idinvert.benchmarks import peer
from tf_idinvert.errors import InputError

STEPS = [dict(wall=1.0, cpu=2.0, system=0.5, faults=7), dict(wall=3.0, cpu=4.0, system=0.5, faults=9)]


def measured(loss):
    return [dict(loss=loss, steps=STEPS, peak=2e6, startup=5.0, rate=3e9)]


def test_rows_are_medians_of_equal_losses():
    row, other = peer._rows(64, 1, {"ours": measured(2.0), "eager": measured(2.0001)})
    assert row["s, median"] == 2 and row["s, least"] == 1 and row["page faults"] == 8 and row["peak MB"] == 2
    assert other["form"] == "eager" and other["matmul GFLOP/s"] == 3


@pytest.mark.parametrize("found, message", [
    ({"ours": measured(2.0)}, "the peer has not run"),
    ({"ours": measured(2.0), "eager": measured(2.001)}, "eager: expected the loss 2.0 of ours; got 2.001")])
def test_a_peer_that_does_not_run_or_computes_something_else_is_refused(found, message):
    with pytest.raises(InputError, match=message):
        list(peer._rows(64, 1, found))


def test_a_form_that_fails_is_said(tmp_path):
    said = []
    assert peer.theirs(sys.executable, tmp_path / "none.npz", 1, "eager", said.append) is None
    assert said and said[0].startswith("eager has failed: ")
