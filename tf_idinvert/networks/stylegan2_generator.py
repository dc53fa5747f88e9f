"""Generator of StyleGAN2: mapping and synthesis network, running mean of w and truncation.

Source: Karras et al. 2020 (Analyzing and Improving the Image Quality of StyleGAN).
"""
from __future__ import annotations

import keras
import tensorflow as tf

from tf_idinvert.networks import layers, mapping
from tf_idinvert.networks import stylegan2_synthesis as synthesis
from tf_idinvert.networks.entry import IGNORED, Entry, Official, nothing_told


class StyleGAN2Generator(keras.Model):
    """`generator(z)`: z [N, Z] -> images [N, R, R, C], truncated as at evaluation; see `call`.

    It has the same attributes as `generator.Generator`: `mapping`, `synthesis`, `latent_size`, `label_size`,
    `dlatent_size`, `num_layers`, `resolution`, `dlatent_avg`.
    """

    def __init__(
        self,
        resolution=1024,                # R, a power of two
        latent_size=512,                # Z
        label_size=0,                   # number of classes; 0: no labels
        dlatent_size=512,               # D
        num_channels=3,                 # C
        mapping_layers=8,
        mapping_fmaps=512,
        mapping_lrmul=0.01,
        normalize_latents=True,
        architecture="skip",            # of the synthesis: 'skip', 'resnet', 'orig', 'growing'; see there
        fmap_base=16384,                # of configuration F; configurations A to E have 8192
        fmap_decay=1.0,
        fmap_min=1,
        fmap_max=512,
        resample_kernel=(1, 3, 3, 1),
        final_activation=None,          # of the image: 'tanh', 'sigmoid', 'softsign'; None: none
        truncation_psi=0.5,             # psi at evaluation; None: no truncation
        truncation_cutoff=None,         # truncate layers with a lower index; None: all layers
        dlatent_avg_beta=0.995,         # used in training only; kept so that files can be written back
        style_mixing_prob=0.9,          # likewise
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.synthesis = synthesis.StyleGAN2Synthesis(
            resolution=resolution, dlatent_size=dlatent_size, num_channels=num_channels, architecture=architecture,
            fmap_base=fmap_base, fmap_decay=fmap_decay, fmap_min=fmap_min, fmap_max=fmap_max,
            resample_kernel=resample_kernel, final_activation=final_activation, name="synthesis")
        self.mapping = mapping.Mapping(
            latent_size=latent_size, label_size=label_size, dlatent_size=dlatent_size,
            num_layers=self.synthesis.num_layers, mapping_layers=mapping_layers, mapping_fmaps=mapping_fmaps,
            mapping_lrmul=mapping_lrmul, normalize_latents=normalize_latents, bias_gain=synthesis.GAIN, name="mapping")
        self.latent_size, self.label_size, self.dlatent_size = latent_size, label_size, dlatent_size
        self.num_layers, self.resolution = self.synthesis.num_layers, resolution
        self.truncation_psi, self.truncation_cutoff = truncation_psi, truncation_cutoff
        self.dlatent_avg_beta, self.style_mixing_prob = dlatent_avg_beta, style_mixing_prob
        self.dlatent_avg = self.add_weight(name="dlatent_avg", shape=(dlatent_size,), initializer=layers.zeros,
                                           trainable=False)
        self.built = True

    def call(self, z, labels=None, truncation_psi="evaluation", truncation_cutoff="evaluation", noise_seed=None):
        """Generate images from z.

        Args:
            z: float32 [N, Z].
            labels: float32 [N, label_size], one-hot; required if label_size > 0.
            truncation_psi: psi; 1 or None: no truncation. Default: the network's (0.5 in published networks).
            truncation_cutoff: truncate layers with a lower index; None: all. Default: the network's (None in published
                networks).
            noise_seed: None: the stored noise; int32 [2]: fresh noise.
        Returns:
            float32 [N, R, R, C], about [-1, 1], not clipped.
        """
        psi = self.truncation_psi if truncation_psi == "evaluation" else truncation_psi
        cutoff = self.truncation_cutoff if truncation_cutoff == "evaluation" else truncation_cutoff
        w = self.truncate(self.mapping(z, labels=labels), psi, cutoff)
        return self.synthesis(w, noise_seed=noise_seed)

    def truncate(self, w, psi, cutoff=None):
        """Truncate w [N, L, D]: `w_avg + psi * (w - w_avg)` on layers below `cutoff` (None: all); psi None: no change.
        """
        return mapping.truncate(w, tf.convert_to_tensor(self.dlatent_avg), psi, cutoff)

    def scale_codes(self, factor):
        """Scale W by `factor` (> 0) in place, without changing the image of any z; see `Generator.scale_codes`."""
        last = self.mapping.dense[-1]
        for variable in (last.weight, last.bias, self.dlatent_avg):
            variable.assign(tf.convert_to_tensor(variable) * factor)
        for layer in (*self.synthesis.styled, *self.synthesis.to_rgb):
            layer.style.weight.assign(tf.convert_to_tensor(layer.style.weight) / factor)

    def get_config(self):
        of_mapping = self.mapping.get_config()
        for name in ("num_layers", "layerwise", "bias_gain"):
            del of_mapping[name]
        return dict(of_mapping, **self.synthesis.get_config(), truncation_psi=self.truncation_psi,
                    truncation_cutoff=self.truncation_cutoff, dlatent_avg_beta=self.dlatent_avg_beta,
                    style_mixing_prob=self.style_mixing_prob)


def _named_weights(network):
    yield "dlatent_avg", network.dlatent_avg, ""
    for part, rows in (("synthesis", synthesis.named_weights(network.synthesis)),
                       ("mapping", mapping.named_weights(network.mapping))):
        yield from ((f"{part}/{name}", variable, layout) for name, variable, layout in rows)


def _sizes(config):
    for part, rows in (("mapping", mapping.sizes(dict(config, layerwise=False), _num_layers(config))),
                       ("synthesis", synthesis.sizes(config))):
        yield from ((f"{part}/{name}", shape) for name, shape in rows)


def _num_layers(config):
    return layers.log2_resolution(config["resolution"]) * 2 - 2


def _form(synthesis_builder, lod, arguments, told, fits):
    """Return an official form; the forms differ in the builder of the synthesis network."""
    def written(arguments, config, part):
        own = {"": {"synthesis_func": synthesis_builder}, "mapping": {"dlatent_broadcast": _num_layers(config)}}
        return dict(own.get(part, {}), **arguments)

    return Official(
        builder="G_main", module="training.networks_stylegan2", version=4, maker="StyleGAN2", lod=lod,
        activated="synthesis",
        parts={"synthesis": synthesis_builder, "mapping": "G_mapping"},
        ignored=IGNORED | {"fused_modconv", "mapping_func", "synthesis_func"}, told=told, written=written,
        refused=lambda config: None if fits(config["architecture"]) else f"is not built by {synthesis_builder}",
        arguments={
            "latent_size": ("latent_size", 512),
            "label_size": ("label_size", 0),
            "dlatent_size": ("dlatent_size", 512),
            "mapping_layers": ("mapping_layers", 8),
            "mapping_fmaps": ("mapping_fmaps", 512),
            "mapping_lrmul": ("mapping_lrmul", 0.01),
            "normalize_latents": ("normalize_latents", True),
            "num_channels": ("num_channels", 3),
            "resolution": ("resolution", 1024),
            "fmap_base": ("fmap_base", 16384),
            "fmap_decay": ("fmap_decay", 1.0),
            "fmap_min": ("fmap_min", 1),
            "fmap_max": ("fmap_max", 512),
            "resample_kernel": ("resample_kernel", [1, 3, 3, 1]),
            "truncation_psi": ("truncation_psi", 0.5),
            "truncation_cutoff": ("truncation_cutoff", None),
            "dlatent_avg_beta": ("dlatent_avg_beta", 0.995),
            "style_mixing_prob": ("style_mixing_prob", 0.9),
            **arguments,
        })


ENTRY = Entry(
    generation="StyleGAN2", late={"final_activation": None},
    parts={mapping.Mapping: mapping.named_weights, synthesis.StyleGAN2Synthesis: synthesis.named_weights},
    network=StyleGAN2Generator, fields=("generator", "training_generator"), weights=_named_weights, sizes=_sizes,
    kinds={
        "resolution": "size", "latent_size": "size", "label_size": "count", "dlatent_size": "size",
        "num_channels": "size", "mapping_layers": "size", "mapping_fmaps": "size", "mapping_lrmul": "positive",
        "normalize_latents": "flag", "architecture": synthesis.ARCHITECTURES, "fmap_base": "positive",
        "fmap_decay": "number", "fmap_min": "size", "fmap_max": "size", "resample_kernel": "filter",
        "final_activation": (None, *layers.FINAL_ACTIVATIONS), "truncation_psi": "optional number",
        "truncation_cutoff": "optional number", "dlatent_avg_beta": "number", "style_mixing_prob": "number",
    },
    official=(      # configurations E and F; B to D
        _form("G_synthesis_stylegan2", ("lod",), {"architecture": ("architecture", "skip")},
              told=nothing_told, fits=lambda architecture: architecture != "growing"),
        _form("G_synthesis_stylegan_revised", ("lod", "synthesis/lod"), {},
              told=lambda variables, given: {"architecture": "growing"},
              fits=lambda architecture: architecture == "growing"),
    ))
