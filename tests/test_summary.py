"""The lines of convert.py: format, project of the layout, assumptions, and missing networks."""
from __future__ import annotations

import functools

import pytest
import running
import tiny

from tf_idinvert.checkpoint import Models, load, record, save
from tf_idinvert.formats import pickles, summary


def shown(monkeypatch, capfd, *arguments):
    """Lines that convert.py prints."""
    capfd.readouterr()
    assert not running.run(monkeypatch, "convert.py", *arguments)
    printed = capfd.readouterr()
    assert "Traceback" not in printed.err
    return printed.out.splitlines()


def test_a_set_in_both_formats(tmp_path, monkeypatch, capfd):
    save(tiny.models(resolution=8, layerwise=True, final_activation="tanh"), tmp_path / "x.pkl")
    lines = shown(monkeypatch, capfd, tmp_path / "x.pkl", tmp_path / "x.h5")
    assert lines[0].endswith("x.pkl: 0.1 MB, official pickle, state version 3")
    assert lines[1].startswith("  E   Encoder        8 px, ") and lines[1].endswith(
        "codes 4 x 8, generation 2020-09 (idinvert, built by Encoder)")
    assert [line[:21] for line in lines[2:5]] == [
        "  G   Generator      ", "  D   Discriminator  ", "  Gs  Generator      "]
    assert lines[4].startswith("  Gs  Generator      StyleGAN, 8 px, ") and lines[4].endswith(
        "codes 4 x 8, a w for each layer, as idinvert has it, final activation tanh (StyleGAN, built by G_style)")
    assert len(lines) == 6 and lines[5].startswith("-> ")
    lines = shown(monkeypatch, capfd, tmp_path / "x.h5")
    assert lines[0].endswith(", file of ours (HDF5, format 1)") and lines[4].endswith("final activation tanh")
    lines = shown(monkeypatch, capfd, tmp_path / "x.h5", "--final-activation", "none")
    assert lines[4].endswith("final activation none")


def test_what_the_text_leaves_open(tmp_path, monkeypatch, capfd):
    average = tiny.generator(resolution=4)
    records = [record(network, name) for network, name in (
        (average, "G"), (tiny.discriminator(resolution=4), "D"), (average, "Gs"))]
    for each in records[::2]:
        each.components["synthesis"].build_module_src = ""
    pickles.write(tmp_path / "x.pkl", records)
    lines = shown(monkeypatch, capfd, tmp_path / "x.pkl")
    assert [line for line in lines if "note:" in line] == [
        "  note: there is no source text of G_synthesis, which alone could show a final activation; none is applied"]
    assert not [line for line in shown(monkeypatch, capfd, tmp_path / "x.pkl", "--final-activation", "tanh")
                if "note:" in line]


generator, discriminator = (functools.partial(make, resolution=4) for make in (tiny.generator, tiny.discriminator))


@pytest.mark.parametrize("networks, words", [
    (lambda: dict(generator=generator(), discriminator=discriminator()),
     ["no encoder: invert with --start mean --no-domain-regularizer, or train one (train.py --method force-in"]),
    (lambda: dict(generator=generator(), encoder=tiny.encoder(resolution=8)), ["no discriminator: train.py --method"]),
    (lambda: dict(encoder=tiny.encoder(resolution=8)), ["no generator: give the file that holds it, too"]),
    (lambda: dict(generator=generator()),
     ["no encoder: invert with --start mean --no-domain-regularizer, or train one (train.py --method traditional)",
      "no discriminator"]),
    (lambda: dict(generator=generator(label_size=2), discriminator=discriminator(label_size=2)),
     ["no encoder: invert with --start mean --no-domain-regularizer"]),
    (lambda: dict(discriminator=discriminator(mbstd_group_size=1)),
     ["a discriminator alone: if it classifies an attribute"]),
    (lambda: dict(discriminator=discriminator()), ["a discriminator alone, which scores by labels or within"]),
    (lambda: dict(attributes=tiny.attributes()), ["an attribute network alone: invert.py --features"]),
    (lambda: dict(latent_discriminator=tiny.latent_discriminator()), ["no generator: nothing here makes pictures"]),
    (lambda: dict(generator=generator(), encoder=tiny.encoder(resolution=8), discriminator=discriminator()), [])])
def test_what_is_missing_and_what_that_means(networks, words):
    found = summary.missing(Models(**networks()))
    assert len(found) == len(words) and all(line.startswith(word) for line, word in zip(found, words))


def test_no_encoder_is_trained_for_a_generator_with_labels():
    found = summary.missing(Models(generator=generator(label_size=2), discriminator=discriminator()))
    assert len(found) == 1 and "train" not in found[0]


def test_every_generation_tells_of_its_w():
    for network in generator(), tiny.stylegan2_generator(resolution=4):
        assert "one w for all layers" in summary.described(network)


def test_several_files_are_converted_as_one_set(tmp_path, monkeypatch, capfd):
    models = tiny.models(resolution=8)
    save(Models(encoder=models.encoder), tmp_path / "e.h5")
    save(Models(generator=models.generator, discriminator=models.discriminator), tmp_path / "g.h5")
    lines = shown(monkeypatch, capfd, tmp_path / "x.pkl", "--model", tmp_path / "g.h5", tmp_path / "e.h5")
    assert [line[2:5].strip() for line in lines[1:4]] == ["E", "D", "Gs"]
    found = load(tmp_path / "x.pkl")
    assert all(getattr(found, field) is not None for field in ("encoder", "generator", "discriminator"))
    assert running.run(monkeypatch, "convert.py", "a.h5", "b.h5", "--model", tmp_path / "g.h5") == 2
    assert "b.h5" in running.error_line(capfd)
