"""Generator of StyleGAN: mapping and synthesis network, running mean of w, truncation and style mixing.

Source: Karras et al. 2019, sections 2 and 3.1 and appendix B (truncation).
"""
from __future__ import annotations

import keras
import tensorflow as tf

from tf_idinvert.networks import layers, mapping, synthesis
from tf_idinvert.networks.entry import Entry, Official


class Generator(keras.Model):
    """`generator(z)`: z [N, Z] -> images [N, R, R, C], truncated as at evaluation; see `call`.

    Attributes:
        mapping, synthesis: the two networks.
        latent_size, dlatent_size, num_layers, resolution: Z, D, L, R.
        dlatent_avg: w_avg [D], the running mean of w at layer 0.
    """

    def __init__(
        self,
        resolution=1024,            # R, a power of two
        latent_size=512,            # Z
        label_size=0,               # number of classes; 0: no labels
        dlatent_size=512,           # D
        num_channels=3,             # C
        mapping_layers=8,
        mapping_fmaps=512,
        mapping_lrmul=0.01,
        normalize_latents=True,
        layerwise=False,            # True: a separate w for every layer (idinvert); False: one w, repeated (StyleGAN)
        fmap_base=8192,
        fmap_decay=1.0,
        fmap_max=512,
        use_noise=True,
        fused_scale="auto",
        blur_filter=(1, 2, 1),
        lod=0.0,                    # level of detail that training has reached
        final_activation=None,      # of the image: 'tanh', 'sigmoid', 'softsign'; None: none
        truncation_psi=0.7,         # psi at evaluation; None: no truncation
        truncation_cutoff=8,        # truncate layers with a lower index; None: all layers
        dlatent_avg_beta=0.995,     # decay of w_avg in training
        style_mixing_prob=0.9,      # in training
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.mapping = mapping.Mapping(
            latent_size=latent_size, label_size=label_size, dlatent_size=dlatent_size,
            num_layers=_num_layers(resolution), mapping_layers=mapping_layers, mapping_fmaps=mapping_fmaps,
            mapping_lrmul=mapping_lrmul, normalize_latents=normalize_latents, layerwise=layerwise, name="mapping")
        self.synthesis = synthesis.Synthesis(
            resolution=resolution, dlatent_size=dlatent_size, num_channels=num_channels, fmap_base=fmap_base,
            fmap_decay=fmap_decay, fmap_max=fmap_max, use_noise=use_noise, fused_scale=fused_scale,
            blur_filter=blur_filter, lod=lod, final_activation=final_activation, name="synthesis")
        self.latent_size, self.label_size, self.dlatent_size = latent_size, label_size, dlatent_size
        self.num_layers, self.resolution = self.synthesis.num_layers, resolution
        self.truncation_psi, self.truncation_cutoff = truncation_psi, truncation_cutoff
        self.dlatent_avg_beta, self.style_mixing_prob = dlatent_avg_beta, style_mixing_prob
        self.dlatent_avg = self.add_weight(name="dlatent_avg", shape=(dlatent_size,), initializer=layers.zeros,
                                           trainable=False)
        self.built = True

    def call(self, z, labels=None, truncation_psi="evaluation", truncation_cutoff="evaluation", noise_seed=None,
             lod=None):
        """Generate images from z.

        Args:
            z: float32 [N, Z].
            labels: float32 [N, label_size], one-hot; required if label_size > 0.
            truncation_psi: psi; 1 or None: no truncation. Default: the network's (0.7 in published networks).
            truncation_cutoff: truncate layers with a lower index; None: all. Default: the network's (8 in published
                networks).
            noise_seed: None: the stored noise; int32 [2]: fresh noise.
            lod: level of detail; None: the network's.
        Returns:
            float32 [N, R, R, C], about [-1, 1], not clipped.
        """
        psi = self.truncation_psi if truncation_psi == "evaluation" else truncation_psi
        cutoff = self.truncation_cutoff if truncation_cutoff == "evaluation" else truncation_cutoff
        w = self.truncate(self.mapping(z, labels=labels), psi, cutoff)
        return self.synthesis(w, noise_seed=noise_seed, lod=lod)

    def scale_codes(self, factor):
        """Scale W by `factor` (> 0) in place, without changing the image of any z.

        This multiplies the weights of the mapping's last layer and w_avg (leaky ReLU commutes with positive factors),
        and divides the weights that turn w into styles.
        """
        last = self.mapping.dense[-1]
        for variable in (last.weight, last.bias, self.dlatent_avg):
            variable.assign(tf.convert_to_tensor(variable) * factor)
        for layer in self.synthesis.styled:
            layer.style.weight.assign(tf.convert_to_tensor(layer.style.weight) / factor)

    def truncate(self, w, psi, cutoff=None):
        """Truncate w [N, L, D]: `w_avg + psi * (w - w_avg)` on layers below `cutoff` (None: all); psi None: no change.
        """
        return mapping.truncate(w, tf.convert_to_tensor(self.dlatent_avg), psi, cutoff)

    def mix_styles(self, w, other, seed, lod=0):
        """Mix styles: with probability `style_mixing_prob`, take w from `other` from a random layer on.

        Args:
            w, other: [N, L, D], codes of two independent z.
            seed: int32 [2].
            lod: Python number; the random layer is one that is in use at this level of detail.
        Returns:
            [N, L, D]; the whole batch crosses at the same layer, as in the official code.
        """
        in_use = self.num_layers - int(lod) * 2
        chance, at = tf.unstack(tf.random.stateless_uniform([2], seed))
        crossing = 1 + tf.cast(at * tf.cast(in_use - 1, at.dtype), tf.int32)
        crossing = tf.where(chance < self.style_mixing_prob, crossing, in_use)
        return tf.where(tf.range(self.num_layers)[None, :, None] < crossing, w, other)

    def updated_dlatent_avg(self, w):
        """Return the next w_avg [D] of training: moved by 1 - beta towards the batch mean of w [N, L, D] at layer 0."""
        mean = tf.reduce_mean(w[:, 0], axis=0)
        return mean + (tf.convert_to_tensor(self.dlatent_avg) - mean) * self.dlatent_avg_beta

    def get_config(self):
        of_mapping = self.mapping.get_config()
        del of_mapping["num_layers"], of_mapping["bias_gain"]
        return dict(of_mapping, **self.synthesis.get_config(), truncation_psi=self.truncation_psi,
                    truncation_cutoff=self.truncation_cutoff, dlatent_avg_beta=self.dlatent_avg_beta,
                    style_mixing_prob=self.style_mixing_prob)


def _num_layers(resolution):
    """Return L: two styled layers for every resolution from 4 to R."""
    return int(resolution).bit_length() * 2 - 4


def _named_weights(generator):
    yield "dlatent_avg", generator.dlatent_avg, ""
    for part, rows in (("synthesis", synthesis.named_weights(generator.synthesis)),
                       ("mapping", mapping.named_weights(generator.mapping))):
        yield from ((f"{part}/{name}", variable, layout) for name, variable, layout in rows)


def _sizes(config):
    for part, rows in (("mapping", mapping.sizes(config, _num_layers(config["resolution"]))),
                       ("synthesis", synthesis.sizes(config))):
        yield from ((f"{part}/{name}", shape) for name, shape in rows)


def _inferred(variables, given):
    """Infer `layerwise` from the mapping's last layer, whose width is L * D in idinvert and D in NVIDIA's networks."""
    last = variables.get(f"mapping/Dense{given.get('mapping_layers', 8) - 1}/weight")
    return {"layerwise": last is not None and last.shape[-1:] != (given.get("dlatent_size", 512),)}


def _written(arguments, config, part):
    return dict(arguments, dlatent_broadcast=_num_layers(config["resolution"])) if part == "mapping" else arguments


ENTRY = Entry(
    network=Generator, fields=("generator", "training_generator"), weights=_named_weights, sizes=_sizes,
    kinds={
        "resolution": "size", "latent_size": "size", "label_size": "count", "dlatent_size": "size",
        "num_channels": "size", "mapping_layers": "size", "mapping_fmaps": "size", "mapping_lrmul": "positive",
        "normalize_latents": "flag", "layerwise": "flag", "fmap_base": "positive", "fmap_decay": "number",
        "fmap_max": "size", "use_noise": "flag", "fused_scale": ("auto", True, False), "blur_filter": "filter",
        "lod": "number", "final_activation": (None, *layers.FINAL_ACTIVATIONS), "truncation_psi": "optional number",
        "truncation_cutoff": "optional number", "dlatent_avg_beta": "number", "style_mixing_prob": "number",
    },
    generation="StyleGAN",
    parts={mapping.Mapping: mapping.named_weights, synthesis.Synthesis: synthesis.named_weights},
    late={"final_activation": None},
    official=(Official(
        maker="StyleGAN", builder="G_style", module="training.networks_stylegan",
        parts={"synthesis": "G_synthesis", "mapping": "G_mapping"}, lod=("lod", "synthesis/lod"),
        told=_inferred, written=_written, activated="synthesis",
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
            "fmap_base": ("fmap_base", 8192),
            "fmap_decay": ("fmap_decay", 1.0),
            "fmap_max": ("fmap_max", 512),
            "use_noise": ("use_noise", True),
            "fused_scale": ("fused_scale", "auto"),
            "blur_filter": ("blur_filter", [1, 2, 1]),
            "truncation_psi": ("truncation_psi", 0.7),
            "truncation_cutoff": ("truncation_cutoff", 8),
            "dlatent_avg_beta": ("dlatent_avg_beta", 0.995),
            "style_mixing_prob": ("style_mixing_prob", 0.9),
        }),))
