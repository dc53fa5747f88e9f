"""The folder of a run: resuming, and which worker writes."""
from __future__ import annotations

import dataclasses
import json

import pytest

from tf_idinvert.training import encoder_recipes, record, run


def test_run_from_python_is_taken_up_by_the_same_recipe_only(tmp_path):
    recipe, one = encoder_recipes.official(), run.Run(tmp_path / "run", options={"note": "kept"})
    asked = record.of_recipe("in-domain", recipe, 0)
    assert not one.takes_up(asked)
    kept = record.read(tmp_path / "run")
    assert kept["note"] == "kept" and kept["recipe"]["options"]["r1_gamma"] == 10
    (tmp_path / "run/state.npz").touch()
    assert one.takes_up(asked)
    other = dataclasses.replace(recipe, options=dataclasses.replace(recipe.options, r1_gamma=2.0))
    with pytest.raises(ValueError, match=r"holds a run with recipe.options.r1_gamma 10.0, now 2.0; give the same"):
        one.takes_up(record.of_recipe("in-domain", other, 0))
    with pytest.raises(ValueError, match="holds a run with method in-domain, now traditional"):
        one.takes_up(record.of_recipe("traditional", recipe, 0))
    assert record.read(tmp_path / "run") == kept
    assert not dataclasses.replace(one, resume=False).takes_up(record.of_recipe("in-domain", other, 0))


@pytest.mark.parametrize("task, first", [
    (None, True), ({"type": "worker", "index": 0}, True), ({"type": "worker", "index": 1}, False),
    ({"type": "chief", "index": 0}, True)])
def test_only_the_first_worker_writes_to_the_folder(tmp_path, monkeypatch, task, first):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if task:
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a", "b"]}, "task": task}))
    with run.folder_to_write(tmp_path) as (folder, is_first):
        assert is_first == first and (folder == tmp_path) == first and folder.is_dir()
    assert folder.is_dir() == first


def test_a_worker_beside_a_chief_is_not_the_first(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"chief": ["a"], "worker": ["b"]},
                                                "task": {"type": "worker", "index": 0}}))
    with run.folder_to_write(tmp_path) as (_, is_first):
        assert not is_first
