"""directions: each method against an independent computation, on small and on official networks; odd input."""
from __future__ import annotations

import numpy as np
import pytest
import tiny

from tf_idinvert import checkpoint
from tf_idinvert.boundaries import Boundary, Styles
from tf_idinvert.codes import random_codes
from tf_idinvert.directions import effects, pca, regions, sefa, styles
from tf_idinvert.errors import InputError
from tf_idinvert.jobs import directions

OFFICIAL = ("stylegan-32", "idinvert-v1-64", "sg2-f-32", "sg2-labels-32")


@pytest.fixture(scope="module", params=OFFICIAL)
def official(request, reference_file):
    """(generator, {official name: array}) of a reference network."""
    from tf_idinvert.formats import weights
    generator = checkpoint.load(reference_file(request.param, "network.pkl"), only=("generator",)).generator
    return generator, weights.export_arrays(generator)


def aligned(found, expected):
    """Largest difference of rows that are defined up to their sign."""
    return np.abs(np.abs(np.sum(found * expected, axis=1)) - 1).max()


# ---- SeFa

def test_sefa_of_official_networks(official):
    generator, arrays = official
    names = sorted((name for name in arrays if name.endswith(("StyleMod/weight", "mod_weight"))
                    and "ToRGB" not in name), key=lambda name: (int(name.split("/")[1].split("x")[0]), name))
    names = [name for name in names if name.split("/")[1] in ("4x4", "8x8")]
    layers = list(range(len(names)))                            # those of 4 x 4 and 8 x 8
    matrix = np.concatenate([arrays[name] for name in names], axis=1).astype(np.float64)
    matrix = matrix / np.sqrt((matrix ** 2).sum(axis=0))
    left, singular, _ = np.linalg.svd(matrix, full_matrices=False)
    made = directions.by_sefa(generator, layers, 3, "test")
    rows = np.stack([each.boundary.normal[0, 0] for each in made])
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert aligned(rows, left.T[:3]) < 1e-5
    assert all(rows[k, np.abs(rows[k]).argmax()] > 0 for k in range(3)), "the sign is chosen"
    assert [float(each.note.split()[-1]) for each in made] == pytest.approx(singular[:3] ** 2, rel=1e-3)
    for each in made:       # distance 1 is one deviation of W; other layers stay
        codes = random_codes(generator, 0, 0, directions.POPULATION)
        assert each.boundary.deviation(codes) == pytest.approx(1, abs=1e-4)
        assert each.boundary.layers == tuple(layers) and not each.boundary.normal[0, len(layers):].any()


@pytest.mark.parametrize("matrices, count, words", [
    ([], 1, "at least one layer"), ([np.ones([4, 2]), np.ones([5, 2])], 1, "one width"),
    ([np.full([4, 2], np.nan)], 1, "NaN"), ([np.ones([4, 2])], 5, "1 to 4")])
def test_sefa_refuses(matrices, count, words):
    with pytest.raises(InputError, match=words):
        sefa.factorize(matrices, count)


# ---- GANSpace

def test_streamed_components_are_those_of_all_codes_at_once():
    codes = tiny.normal(500, 6) @ tiny.normal(6, 6, seed=1) + 1e4       # a large mean must not cost digits
    mean, rows, deviations = pca.components(iter(np.array_split(codes, 7)), 4)
    _, singular, right = np.linalg.svd(codes.astype(np.float64) - codes.mean(axis=0, dtype=np.float64),
                                       full_matrices=False)
    np.testing.assert_allclose(mean, codes.mean(axis=0, dtype=np.float64))
    assert aligned(rows, right[:4]) < 1e-7
    np.testing.assert_allclose(deviations, singular[:4] / np.sqrt(499), rtol=1e-6)


def test_pca_of_official_networks(official):
    generator, _ = official
    layers = [0] if generator.mapping.layerwise else list(range(generator.num_layers))     # of W+ it takes long
    made = directions.by_pca(generator, layers, 2, "test", samples=300, centre=True)
    rng = np.random.default_rng([0, 0])
    z, labels = rng.standard_normal([300, generator.latent_size], dtype=np.float32), None
    if generator.label_size:
        labels = np.eye(generator.label_size, dtype=np.float32)[rng.integers(generator.label_size, size=300)]
    w = np.asarray(generator.mapping(z, labels=labels), np.float64)
    vectors = w[:, 0]
    _, singular, right = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    for k, each in enumerate(made):
        normal = each.boundary.normal[0].astype(np.float64)
        row = normal[0]
        deviation = singular[k] / np.sqrt(299)
        assert np.linalg.norm(row) == pytest.approx(deviation, rel=1e-4)
        assert abs(row @ right[k]) == pytest.approx(deviation, rel=1e-4)
        at_mean = (w.mean(axis=0)[layers] * normal[layers]).sum(-1) / (normal[layers] ** 2).sum(-1)
        np.testing.assert_allclose(each.boundary.centre[layers], at_mean, rtol=1e-3, atol=1e-4)


def test_pca_of_w_plus_takes_all_chosen_layers_at_once():
    generator = tiny.generator(layerwise=True)
    made = directions.by_pca(generator, [1, 3], 2, "test", samples=300)
    rng = np.random.default_rng([0, 0])
    w = np.asarray(generator.mapping(rng.standard_normal([300, 8], dtype=np.float32)), np.float64)[:, [1, 3]]
    _, singular, right = np.linalg.svd((w - w.mean(axis=0)).reshape(300, 16), full_matrices=False)
    for k, each in enumerate(made):
        row, deviation = each.boundary.normal[0, [1, 3]].ravel(), singular[k] / np.sqrt(299)
        assert abs(row @ right[k]) == pytest.approx(deviation, rel=1e-4) and each.boundary.layers == (1, 3)
        assert not each.boundary.normal[0, [0, 2, 4, 5]].any()
    assert [each.boundary.layers for each in directions.by_pca(generator, [1, 3], 1, "test", samples=50,
                                                               per_layer=True)] == [(1,), (3,)]


def test_components_of_activations_that_w_decides_are_regressed_on_it():
    w, matrix = tiny.normal(80, 5), tiny.normal(5, 40, seed=1)
    batches = [(part, part @ matrix + 3) for part in np.array_split(w, 4)]
    mean, rows, deviations = pca.regressed(iter(batches), 2)
    features = (w @ matrix + 3).astype(np.float64)
    left, _, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    expected = np.linalg.lstsq(left[:, :2], w - w.mean(axis=0), rcond=None)[0]
    assert aligned(rows, expected / np.linalg.norm(expected, axis=1, keepdims=True)) < 1e-5
    np.testing.assert_allclose(deviations, (w @ rows.T).std(axis=0, ddof=1), rtol=1e-5)


@pytest.mark.parametrize("codes, count, words", [
    (np.ones([1, 3]), 1, "two codes"), (np.ones([5, 3]), 1, "all codes are the same"),
    (tiny.normal(5, 3), 4, "1 to 3"), (np.full([5, 3], np.nan), 1, "NaN"),
    (np.zeros([3, pca.LARGEST + 1]), 1, "fewer layers")])
def test_pca_refuses(codes, count, words):
    with pytest.raises(InputError, match=words):
        pca.components([codes], count)


# ---- StyleSpace

def test_channels_of_an_attribute_are_ranked_by_mean_over_deviation():
    population, positive, negative = tiny.normal(400, 6), tiny.normal(12, 6, seed=1), tiny.normal(12, 6, seed=2)
    population[:, 4] = 1                                        # never changes
    positive[:, 2] = 3 + 0.1 * positive[:, 2]
    positive[:, 3] = -2 + 0.5 * positive[:, 3]
    channels, theta, changes = styles.rank(population, positive)
    others = [0, 1, 2, 3, 5]
    delta = (positive - population.mean(axis=0))[:, others] / population.std(axis=0, ddof=1)[others]
    expected = np.abs(delta.mean(axis=0)) / delta.std(axis=0)
    order = np.argsort(-expected)
    assert channels.tolist() == np.array(others)[order].tolist() and channels[0] == 2 and 4 not in channels
    np.testing.assert_allclose(theta, expected[order], rtol=1e-4)
    assert changes[0] == pytest.approx(population[:, 2].std(ddof=1), rel=1e-4)
    assert changes[list(channels).index(3)] < 0, "towards the attribute"
    negative[:, 2] = 3 + 0.1 * negative[:, 2]                   # what all of the pictures share does not count
    assert styles.rank(population, positive, negative)[0][0] == 3


@pytest.mark.parametrize("positive, negative, words", [
    (tiny.normal(2, 4), None, "2 pictures with the attribute, expected at least 3"),
    (tiny.normal(5, 4), tiny.normal(1, 4), "1 pictures without"), (np.ones([5, 4]), None, "all the same"),
    (np.full([5, 4], np.inf), None, "infinite")])
def test_ranking_refuses(positive, negative, words):
    with pytest.raises(InputError, match=words):
        styles.rank(tiny.normal(50, 4), positive, negative)


def test_a_style_direction_moves_one_channel_by_its_deviation():
    generator = tiny.generator()
    codes = random_codes(generator, 5, 0, 12)
    first = directions.by_styles(generator, list(range(6)), 3, "test", positive=codes)[0].boundary
    places, offsets = effects.moved(codes, first, [-2.0, 2.0], generator.synthesis.style_widths)
    assert np.array_equal(places, np.repeat(codes[:, None], 2, axis=1)), "w stays"
    (layer, channel), = first.styles.channels
    index = sum(generator.synthesis.style_widths[:layer]) + channel
    spread = np.asarray(generator.synthesis.styles(random_codes(generator, 0, 0, directions.POPULATION)))[:, index]
    assert np.flatnonzero(offsets[1]).tolist() == [index]
    assert abs(offsets[1, index]) == pytest.approx(2 * spread.std(ddof=1), rel=1e-4)


# ---- ReSeFa

@pytest.mark.parametrize("make", [tiny.generator, tiny.stylegan2_generator])
def test_the_jacobian_is_that_of_single_pixels(make):
    import tensorflow as tf
    generator, w = make(), tiny.normal(6, 8)
    found = regions.jacobian(generator.synthesis, w, [1, 3])
    variable = tf.Variable(w[None])
    with tf.GradientTape() as tape:
        pixel = tf.reduce_mean(generator.synthesis(variable)[0, 7, 9])
    assert found.shape == (256, 8)
    assert tiny.relative(found[7 * 16 + 9], tape.gradient(pixel, variable).numpy()[0, [1, 3]].sum(axis=0)) < 1e-4


def test_the_region_changes_and_the_rest_does_not():
    matrices, inside = [tiny.normal(30, 5, seed=seed).astype(np.float64) for seed in (0, 1)], np.arange(30) < 8
    found, values = regions.solve(matrices, inside, 2)
    within = sum(each[inside].T @ each[inside] for each in matrices) / 8
    outside = sum(each[~inside].T @ each[~inside] for each in matrices) / 22
    outside = outside + regions.TAU * np.trace(outside) * np.eye(5)
    rates, vectors = np.linalg.eig(np.linalg.inv(outside) @ within)
    order = np.argsort(-rates.real)[:2]
    np.testing.assert_allclose(values, rates.real[order], rtol=1e-8)
    expected = vectors.real.T[order]
    assert aligned(found, expected / np.linalg.norm(expected, axis=1, keepdims=True)) < 1e-8


@pytest.mark.parametrize("inside, matrix, words", [
    (np.zeros(9, bool), tiny.normal(9, 3), "0 of 9"), (np.ones(9, bool), tiny.normal(9, 3), "9 of 9"),
    (np.arange(9) < 3, tiny.normal(8, 3), "for pictures of 8"), (np.arange(9) < 3, np.zeros([9, 3]), "depend on w")])
def test_regions_refuse(inside, matrix, words):
    with pytest.raises(InputError, match=words):
        regions.solve([matrix], inside, 1)


# ---- effects

def made_effects(names=("a", "b")):
    """Pictures are the sums of the layers' codes; scores two of their places."""
    codes = tiny.normal(20, 3, 4)
    return effects.Effects.of(lambda w, offsets: w, lambda w: np.asarray(w)[:, :2, 0], names, codes, [2, 2, 2])


def test_changes_are_in_deviations():
    normal = np.zeros([1, 3, 4], np.float32)
    normal[0, 0, 0] = 1
    found = made_effects()
    change = found.changes(Boundary(normal), 2.0)
    np.testing.assert_allclose(change[:, 0], 4 / found.codes[:, 0, 0].std(), rtol=1e-4)
    assert not change[:, 1].any()
    assert effects.described(change, found.names).startswith("+")


def test_layers_that_change_the_attribute_and_little_else_are_chosen():
    normal = np.zeros([1, 3, 4], np.float32)
    # layer 1 changes 'b', layer 2 nothing that is seen
    normal[0, 0, 0], normal[0, 1, 0], normal[0, 2, 3] = 1, 0.8, 1
    chosen, (wanted, other), whole = effects.choose_layers(made_effects(), Boundary(normal), "a", 1.0, [0, 1, 2])
    assert 0 in chosen and 1 not in chosen and other == 0 and whole[1] > 1 and wanted == pytest.approx(whole[0])
    with pytest.raises(InputError, match="nobody scores 'c'"):
        effects.choose_layers(made_effects(), Boundary(normal), "c", 1.0, [0])
    with pytest.raises(InputError, match="does not raise"):
        effects.choose_layers(made_effects(), Boundary(-normal), "a", 1.0, [0, 1])


@pytest.mark.parametrize("scores, words", [(np.full([20, 2], np.nan), "NaN"), (np.ones([20, 2]), "same scores")])
def test_scores_that_tell_nothing_are_refused(scores, words):
    with pytest.raises(InputError, match=words):
        effects.Effects.of(lambda w, offsets: w, lambda w: scores, ("a", "b"), tiny.normal(20, 3, 4), [2, 2, 2])


def test_turned_round_is_the_other_way():
    boundary = Boundary(tiny.normal(1, 3, 4), styles=Styles(np.array([[0, 1]]), np.ones(1, np.float32)),
                        centre=np.ones(1, np.float32))
    codes = tiny.normal(2, 3, 4, seed=1)
    one, other = (effects.moved(codes, each, [far], [2, 2, 2])
                  for each, far in ((boundary, 1.5), (directions.turn(boundary), -1.5)))
    np.testing.assert_allclose(one[0], other[0], atol=1e-5)
    assert np.array_equal(one[1], other[1])
