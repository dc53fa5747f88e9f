"""Methods and parts of the evaluation on tiny networks, recomputed; a perfect encoder; drawn scenes."""
from __future__ import annotations

import dataclasses
import functools

import evaluating
import numpy as np
import pytest
import tensorflow as tf
import tiny
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score

from tf_idinvert import boundaries, editing
from tf_idinvert.evaluation import measures, tfgan
from tf_idinvert.evaluation.papers import bench as benches
from tf_idinvert.evaluation.papers import diffusion, figure3, figure10, figures5_7, table1, table2
from tf_idinvert.evaluation.papers.methods import METHODS, Missing
from tf_idinvert.files import images
from tf_idinvert.inversion import InversionOptions, invert
from tf_idinvert.metrics import distances, intervals


pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module", autouse=True)
def networks_once():
    """All benches have the same networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluating, "network", functools.lru_cache(maxsize=None)(evaluating.network))
        yield


# ------------------------------------------------------------------------------------------------- methods

def test_encoder_method_is_encoder_and_generator(tmp_path):
    bench = evaluating.make(tmp_path)
    found, networks = bench.inverted("encoder"), bench.networks["in-domain"]
    pictures = images.to_float(np.array(bench.originals.pictures))
    codes = networks.encoder(tf.constant(pictures)).numpy()
    drawn = networks.generator.synthesis(tf.constant(codes)).numpy()
    assert len(found.codes) == 12
    np.testing.assert_allclose(found.codes, codes, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.pictures.astype(int), images.to_uint8(drawn), atol=1)
    np.testing.assert_allclose(found.mse, distances.mse(drawn.clip(-1, 1), pictures), rtol=1e-3)


@pytest.mark.parametrize("method, weight", [("inversion", 2.0), ("mse", None)])
def test_optimising_methods_are_inversions(tmp_path, method, weight):
    bench = evaluating.make(tmp_path)
    found, networks = bench.inverted(method, 2), bench.networks["in-domain"]
    pictures = images.to_float(np.array(bench.originals.pictures[:2]))
    if method == "mse":
        start = np.repeat(bench.mapped(networks.generator).mean(0, keepdims=True), 2, axis=0)
        options = InversionOptions(steps=2, feature_weight=0.0, domain_weight=0.0)
        expected = invert(pictures, synthesis=networks.generator.synthesis, options=options, start=start)
    else:
        options = InversionOptions(steps=2, feature_weight=0.0, domain_weight=weight)
        expected = invert(pictures, synthesis=networks.generator.synthesis, encoder=networks.encoder, options=options)
    np.testing.assert_allclose(found.codes, expected.codes, rtol=1e-3, atol=1e-3)
    assert bench.size(method) == 5 and len(bench.inverted(method).codes) == 5


def test_baseline_with_the_feature_term(tmp_path):
    bench = evaluating.make(tmp_path, optimised=2)
    bench.features, bench.feature_weight, bench.baseline_features = lambda x: x[:, ::4, ::4], 3.0, True
    found, networks = bench.inverted("mse"), bench.networks["in-domain"]
    start = np.repeat(bench.mapped(networks.generator).mean(0, keepdims=True), 2, axis=0)
    options = InversionOptions(steps=2, feature_weight=3.0, domain_weight=0.0)
    expected = invert(images.to_float(np.array(bench.originals.pictures[:2])), synthesis=networks.generator.synthesis,
                      options=options, start=start, features=bench.features)
    np.testing.assert_allclose(found.codes, expected.codes, rtol=1e-3, atol=1e-3)


def test_baseline_is_kept_beside_another_encoder(tmp_path):
    """The dearest row needs no encoder: one trained anew leaves it as it is, another generator does not."""
    bench = evaluating.make(tmp_path, optimised=2)
    done, pictures = {name: bench.inverted(name) for name in ("mse", "inversion")}, bench.chosen("mse")
    known = bench.networks["in-domain"]
    bench.networks["in-domain"] = dataclasses.replace(known, sha256="digest of another file", encoder=None)
    np.testing.assert_array_equal(bench.known("mse", pictures).codes, done["mse"].codes)
    assert bench.known("inversion", pictures) is None
    bench.networks["in-domain"] = dataclasses.replace(known, generator=tiny.generator(seed=99))
    assert bench.known("mse", pictures) is None


def test_stopped_inversion_goes_on_after_its_last_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(benches, "BATCH", 5)
    whole, done = evaluating.make(tmp_path / "whole").inverted("encoder"), []
    stopped = evaluating.make(tmp_path / "stopped")
    invert_batch = stopped._invert

    def stopping(method, networks, originals):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(len(originals))
        return invert_batch(method, networks, originals)

    stopped._invert = stopping
    with pytest.raises(KeyboardInterrupt):
        stopped.inverted("encoder")
    done.clear()
    resumed = stopped.inverted("encoder")
    assert done == [2]      # of 5, 5 and 2 pictures
    np.testing.assert_array_equal(resumed.pictures, whole.pictures)
    np.testing.assert_array_equal(resumed.codes, whole.codes)
    np.testing.assert_array_equal(resumed.mse, whole.mse)


def test_missing_encoder_says_which(tmp_path):
    bench = evaluating.make(tmp_path, roles=("force-in-domain",))
    with pytest.raises(Missing, match="portraits64-in-domain.h5 is not there"):
        bench.inverted("encoder")
    assert bench.of("") is bench.networks["force-in-domain"]
    part = table1.force_in_domain(bench)
    rows = {row[0]: row for row in part.tables[0].rows}
    assert rows[METHODS["nobn"].label][1] == "portraits64-in-domain-nobn.h5 is not there"
    assert rows[METHODS["force"].label][1] == 12 and set(part.numbers["strange"]) == {"force"}


def test_table_1_by_tfgan_stands_beside_ours(tmp_path):
    pytest.importorskip("tensorflow_gan", reason="TF-GAN is for TensorFlow 2.15")
    bench, names = evaluating.make(tmp_path), ["traditional", "encoder"]
    originals, pictures = bench.originals.pictures[:6], np.array(bench.inverted("encoder", 6).pictures)
    found = table1._by_tfgan(bench, names, 6)
    levels = tfgan.sliced_wasserstein(originals, pictures, bench.seed)
    assert found["encoder"]["swd"] == pytest.approx(1000 * levels[16][1], nan_ok=True)      # NaN: a patch is flat
    reference = measures.measure(originals, bench.judge, bench.seed)
    ours = {name: measures.compare(reference, measures.measure(np.array(bench.inverted(name, 6).pictures), bench.judge,
                                                               bench.seed)) for name in names}
    rows = table1._tfgan_table(bench, {**ours, "tfgan": found}, 6).rows
    assert [row[0] for row in rows] == [METHODS[name].label for name in names]
    assert all(row[2] == pytest.approx(row[3], rel=1e-3) and row[5] > 0 for row in rows)


def test_mapped_codes_are_within_w(tmp_path):
    bench = evaluating.make(tmp_path)
    generator = bench.networks["in-domain"].generator
    codes = bench.mapped(generator, 400)
    assert bench.strangeness(generator, codes).mean() == pytest.approx(1, abs=0.1)
    far = codes.mean(axis=0) + 3 * codes.std(axis=0, ddof=1)
    assert bench.strangeness(generator, far[None]) == pytest.approx([3], rel=0.1)
    np.testing.assert_array_equal(bench.mapped(generator, 10), codes[:10])


def test_mapped_codes_have_the_same_bits_whoever_asked_first(tmp_path):
    """A run that is taken up leaves out what asked first in the run that was stopped."""
    one, other = (evaluating.make(tmp_path / name) for name in "ab")
    generator = one.networks["in-domain"].generator
    np.testing.assert_array_equal(one.mapped(generator, 100), other.mapped(generator, 1500)[:100])


# ------------------------------------------------------------------------------------------------- attributes

def test_scores_of_codes_are_projections_on_the_layers_of_the_boundary(tmp_path):
    bench = evaluating.make(tmp_path)
    codes = np.random.default_rng(0).standard_normal((5, 6, 8))
    for name, layers in ("age", range(6)), ("gender", (0, 1)):
        normal = bench.boundaries[name].normal[0]
        expected = [sum(code[layer] @ normal[layer] for layer in layers) for code in codes]
        np.testing.assert_allclose(figure3.projected(bench, "encoder", codes, name), expected)


def test_average_precision_and_its_interval(rng):
    truth = rng.random(80) > 0.5
    scores = truth + rng.standard_normal(80)
    value, low, high = figure3.average_precision(scores, truth, 0)
    assert value == pytest.approx(average_precision_score(truth, scores)) and low < value < high
    assert figure3.average_precision(scores, truth, 0) == [value, low, high]
    assert figure3.average_precision(scores, np.ones(80, bool), 0) is None
    assert figure3.average_precision(scores[:6], np.arange(6) < 2, 0)[1:] == [None, None]


def test_labels_of_known_attributes_split_at_the_median(tmp_path):
    bench = evaluating.make(tmp_path)
    bench.originals.attributes["gender"] = np.arange(12) % 3 // 2        # 0 or 1
    found, source = figure3.labels(bench)
    assert found["age"].sum() == 6 and found["gender"].tolist() == [i % 3 == 2 for i in range(12)]
    assert "drawn from" in source


# ------------------------------------------------------------------------------------------------- edits

def test_edited_pictures_are_those_of_the_edited_codes(tmp_path):
    bench = evaluating.make(tmp_path)
    codes, generator = bench.inverted("encoder", 3).codes, bench.generator("encoder")
    moved = table2.manipulated(bench, "encoder", codes)
    normal, layers, reach = table2.direction(bench, "encoder", "gender")
    assert moved.shape == (6, 16, 16, 3) and layers == (0, 1)
    expected = editing.manipulate(codes[1:2], normal, [-reach], layers)[0]         # picture 1 is moved down
    drawn = images.to_uint8(generator.synthesis(tf.constant(expected)).numpy())
    np.testing.assert_allclose(moved[3 + 1].astype(int), drawn[0], atol=1)
    assert reach == table2.REACH * boundaries.Boundary(normal, layers).deviation(bench.mapped(generator))
    between = table2.interpolated(bench, "encoder", codes)
    assert between.shape == (3 * 5, 16, 16, 3)
    middle = images.to_uint8(generator.synthesis(tf.constant((codes[2:3] + codes[0:1]) / 2)).numpy())
    np.testing.assert_allclose(between[2 * 5 + 2].astype(int), middle[0], atol=1)


class Brightness:
    """A judge that sees brightness and redness, and embeds pictures as these."""

    score = staticmethod(lambda x: {"age": np.asarray(x).mean(axis=(1, 2, 3)), "red": np.asarray(x)[..., 0].mean(
        axis=(1, 2))})
    embed = staticmethod(lambda x: np.asarray(x).mean(axis=(1, 2)))

    def attributes(self, pictures):
        return self.score(images.to_float(np.array(pictures)))


def test_quality_of_edits_by_hand(tmp_path):
    bench = evaluating.make(tmp_path)
    bench.judge = Brightness()
    before = np.full((4, 16, 16, 3), 100, np.uint8)
    moved = np.stack([before + np.uint8(10) if table2.sense(i) > 0 else before - np.uint8(10) for i in range(4)])[:, 0]
    changes = table2.changes(bench, before, np.concatenate([moved, before]))
    found = {name: table2.quality(*both) for name, both in changes.items()}
    scale = {name: values.std() for name, values in bench.judge.attributes(bench.originals.pictures).items()}
    assert list(found) == ["age"], "the judge does not know gender"
    assert found["age"]["wanted"][0] == pytest.approx(10 / 127.5 / scale["age"], rel=1e-4)
    assert found["age"]["unwanted"][0] == pytest.approx(10 / 127.5 / scale["red"], rel=1e-4)
    assert table2.mean_quality(changes) == found["age"], "of one attribute"
    mean = table2.mean_quality({"a": (np.ones(4), np.zeros(4)), "b": (np.arange(4.0), np.ones(4))})
    assert mean["wanted"][0] == 1.25 and mean["quality"][0] == 0.75
    assert mean["quality"][1:] == intervals.mean([0, 0.5, 1, 1.5])[1:]
    assert table2.mean_quality(None) is None


def test_unevenness_of_even_and_of_sudden_interpolations(tmp_path):
    bench = evaluating.make(tmp_path)
    bench.judge = Brightness()
    even = np.repeat(np.arange(5) * 20, 16 * 16 * 3).reshape(5, 16, 16, 3).astype(np.uint8)
    sudden = np.where(even > 40, 200, 0).astype(np.uint8)
    assert table2.unevenness(bench, even)[0] == pytest.approx(1, rel=1e-4)
    assert table2.unevenness(bench, sudden)[0] == pytest.approx(4, rel=1e-4)
    assert table2.unevenness(bench, np.zeros_like(even)) is None


def test_seam_counts_the_square_edge_only():
    pictures = np.zeros((1, 8, 8, 3))
    pictures[:, 2:6, 2:6] = 1
    assert diffusion.seam(pictures, (2, 2, 4)) == pytest.approx([1])
    assert diffusion.seam(pictures, (3, 3, 2)) == pytest.approx([0])
    assert diffusion.seam(pictures, (0, 0, 2)) == pytest.approx([0])


# ------------------------------------------------------------------------------------------------- codes and W

def test_perfect_encoder_is_told_from_w_by_nothing(rng):
    mapped, others = rng.standard_normal((2, 200, 1, 4)).repeat(3, axis=2)
    found, plane = figures5_7._compared(mapped, (others, mapped))
    assert found["frechet"][1] <= 0.2 and 0.4 < found["neighbours"][0] < 0.6
    assert found["outliers"][0] == found["pca_outliers"][0] == 0 and found["coverage"][0] > 0.9
    expected = PCA(2).fit(others.reshape(200, -1)).transform(mapped.reshape(200, -1))
    np.testing.assert_allclose(np.abs(plane), np.abs(expected), atol=1e-6)


def test_encoder_off_w_is_told_by_everything(rng):
    mapped = rng.standard_normal((100, 2, 4))
    found, _ = figures5_7._compared(100 + 30 * rng.standard_normal((100, 2, 4)), (mapped, mapped))
    assert found["frechet"][1] > 1000 and found["neighbours"][0] > 0.9
    assert found["outliers"][0] == 1 and found["pca_outliers"][0] > 0.9 and found["coverage"][0] == 0


def test_coverage_against_all_distances(rng):
    reference, positions = rng.standard_normal((40, 2)), rng.standard_normal((15, 2)) + 1
    own = np.sort(cdist(reference, reference), axis=1)[:, 5]
    expected = cdist(reference, positions).min(axis=1) <= own
    np.testing.assert_array_equal(figures5_7.covered(reference, positions), expected)


def test_beyond_ten_times_the_reach():
    reference = np.array([[1.0, -2.0], [0.5, 1.0]])
    positions = np.array([[9.0, 19.0], [11.0, 0.0], [0.0, -21.0]])
    assert figures5_7.beyond(positions, reference).tolist() == [False, True, True]


# ------------------------------------------------------------------------------------------------- scenes

@pytest.mark.parametrize("draw", [figure10.cat, figure10.bedroom])
@pytest.mark.parametrize("resolution", [16, 64])
def test_scenes_are_pictures(draw, resolution):
    picture = draw(resolution)
    assert picture.shape == (resolution, resolution, 3) and picture.dtype == np.uint8
    assert picture.std() > 20 and np.array_equal(picture, draw(resolution))
