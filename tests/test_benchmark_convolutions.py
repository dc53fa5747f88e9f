"""The measurement of a step's convolutions, in small."""
import keras
import pytest

from tf_idinvert.benchmarks import convolutions, inversion


def test_every_convolution_of_a_step_is_measured(monkeypatch):
    monkeypatch.setattr(keras.applications, "VGG16", lambda **_: keras.Sequential([
        keras.Input([8, 8, 3]), keras.layers.Conv2D(4, 3, padding="same"),
        keras.layers.Conv2D(5, 3, padding="same", name=inversion.VGG16_LAYER)]))
    monkeypatch.setattr(convolutions.matmul, "rate", lambda: 1e9)
    *rows, total = convolutions.measure(8, 1, "0", latent_size=8, dlatent_size=8, mapping_layers=1, mapping_fmaps=8,
                                        fmap_base=32, fmap_max=8)
    assert {row["operation"] for row in rows} == {"Conv2D", convolutions.BACK}
    of_f = [row for row in rows if row["kernel"] == "(3, 3, 4, 5)"]     # F's second: once there, once back
    assert [row["a step"] for row in of_f] == [1, 1] and of_f[0]["GFLOP"] == 2 * 8 * 8 * 9 * 4 * 5 / 1e9
    assert total["ms"] == pytest.approx(sum(row["ms"] * row["a step"] for row in rows))
    assert total["a step"] == sum(row["a step"] for row in rows) > len(rows)
