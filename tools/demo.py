"""The whole way, offline, in a minute: a small network in the official file format, its pictures, their inversion.

    python tools/demo.py [-o results/demo]

The network is random, so its pictures are abstract; what it shows is that official files load, that inversion finds the
codes of the pictures again, and what the results look like. Expect the page results/demo/inversion.html, in which the
last column resembles the first.
"""
import argparse
import subprocess
import sys
from pathlib import Path

from tf_idinvert import cli


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output_dir", default="results/demo", help="(results/demo)")
    folder = Path(parser.parse_args().output_dir)
    (folder / "pictures").mkdir(parents=True, exist_ok=True)

    cli.import_tensorflow()
    import numpy as np
    from tf_idinvert import checkpoint, images
    from tf_idinvert.networks.discriminator import Discriminator
    from tf_idinvert.networks.generator import Generator
    import keras
    keras.utils.set_random_seed(0)
    generator = Generator(resolution=32, latent_size=64, dlatent_size=64, mapping_layers=4, mapping_fmaps=64,
                          fmap_base=512, fmap_max=64, layerwise=True)
    discriminator = Discriminator(resolution=32, fmap_base=512, fmap_max=64)
    model = folder / "network.pkl"
    checkpoint.save(checkpoint.Models(generator=generator, discriminator=discriminator), model)
    z = np.random.default_rng(7).standard_normal([6, generator.latent_size]).astype("float32")
    pictures = np.asarray(generator(z, truncation_psi=1.0))
    pictures = np.tanh(pictures / pictures.std())      # into [-1, 1]: no file can hold more
    for i, picture in enumerate(pictures):
        images.save(folder / "pictures" / f"{i + 1}.png", picture)
    print(f"wrote {model} and {len(pictures)} of its pictures", flush=True)
    return subprocess.call([sys.executable, Path(__file__).with_name("invert.py"), model, folder / "pictures",
                            "-o", folder, "--random_init", "--no-domain-regularizer", "--features", "none",
                            "--num_iterations", "300", "--learning_rate", "0.03", "--batch_size", "6"])


if __name__ == "__main__":
    cli.run(main)
