"""starting: what a process sets before TensorFlow is imported, and what has priority."""
import gc
import sys

import pytest

from tf_idinvert import starting
from tf_idinvert.cli import command


@pytest.fixture
def environment(monkeypatch):
    """The environment of a process that has not imported TensorFlow; malloc is left as it is."""
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(starting.allocator, "keep_memory", lambda: None)
    values = {}
    monkeypatch.setattr(starting.os, "environ", values)
    monkeypatch.setattr(starting.platform, "machine", lambda: "x86_64")
    return values


@pytest.mark.parametrize("version, machine, trains, given, expected", [
    ("2.15.1", "x86_64", False, None, "1"),
    ("2.15.1", "x86_64", False, "0", "0"),
    ("2.15.1", "x86_64", True, None, None),
    ("2.15.1", "aarch64", False, None, None),
    ("2.21.0", "x86_64", False, None, None),
    (None, "x86_64", False, None, None)])
def test_onednn_is_taken_where_it_was_measured_to_pay(environment, monkeypatch, version, machine, trains, given,
                                                      expected):
    def found(name):
        if version is None:
            raise starting.importlib.metadata.PackageNotFoundError(name)
        return version
    monkeypatch.setattr(starting.importlib.metadata, "version", found)
    monkeypatch.setattr(starting.platform, "machine", lambda: machine)
    environment.update({} if given is None else {starting.ONEDNN: given})
    starting.prepare(trains)
    assert environment.get(starting.ONEDNN) == expected


def test_nothing_is_set_once_tensorflow_is_imported(environment, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    monkeypatch.setattr(starting.importlib.metadata, "version", lambda _: "2.15.1")
    starting.prepare()
    assert starting.ONEDNN not in environment


@pytest.mark.parametrize("enabled", [True, False])
def test_imports_are_not_looked_through_for_garbage(enabled):
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        gc.unfreeze()
        with pytest.raises(ImportError), starting.without_collections():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() == enabled and not gc.get_freeze_count()
        with starting.without_collections():
            assert not gc.isenabled()
        assert gc.isenabled() == enabled and gc.get_freeze_count() > 1000
    finally:
        (gc.enable if before else gc.disable)()


def test_tensorflow_that_is_imported_is_not_imported_again(monkeypatch):
    """Tools that run in a process in turn would keep each other's garbage."""
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    before = gc.get_freeze_count()
    command.import_tensorflow()
    assert gc.get_freeze_count() <= before


def test_collections_are_rare(environment):
    before = gc.get_threshold()
    try:
        gc.set_threshold(700, 10, 10)
        starting.prepare()
        assert gc.get_threshold()[0] == 20_000
    finally:
        gc.set_threshold(*before)
