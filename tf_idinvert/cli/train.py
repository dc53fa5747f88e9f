"""Train StyleGAN, encoders, and the attribute network.

    python tools/train.py                                   # StyleGAN on rendered portraits
    python tools/train.py --method attributes
    python tools/train.py --method force-in-domain
    python tools/train.py --data photographs/ --resolution 256 --w-per-layer          # a generator for inversion
    python tools/train.py --method in-domain --generator network.pkl --data photographs-tfrecords/ --strategy mirrored
    python tools/train.py --method in-domain --initial-encoder published.pkl --data photographs/     # further training

StyleGAN: for your own --data, the default preset is the official one (1024 px, 25,000 kimg: days on eight GPUs). The
preset `portraits` is for 64 px on two CPU cores: 2 kimg take a minute, blurred faces half an hour, good ones two hours.
Encoders (traditional, in-domain, force-in-domain) learn to invert the generator of a file; the portraits preset uses
the generator and the attribute network of the repository. Attributes: the network that scores rendered portraits and
computes their perceptual features; its training takes minutes.

64 pictures of your own --data are held out (see --held-out and --test-data). The log's test_pixel and test_feature
(encoders) or test_score (StyleGAN; compare with real_score) show whether a network overfits.

Writes to the output folder: network.h5 (all networks, for tf_idinvert.checkpoint.load), preview.png (StyleGAN: upper
half psi 0.7, lower half psi 1; encoders: pictures over their reconstructions), log.jsonl, tensorboard/, state.npz and
options.json. Pictures that cannot be read are named and left out; the exit status is
then 1. The same command resumes an interrupted run from its last snapshot, and the resumed run ends with the same
weights as an uninterrupted one.
"""
from __future__ import annotations

import sys

from tf_idinvert.cli import command, training_options
from tf_idinvert.files import locks
from tf_idinvert.files.printing import say


def main(argv=None):
    args = training_options.parse_arguments(__doc__, argv)
    if getattr(args, "strategy", "one") == "multi-worker":      # whose workers share the folder
        args.output.mkdir(parents=True, exist_ok=True)
    else:
        locks.claim(args.output)
    training_options.check_options(args)
    command.import_tensorflow(trains=True)
    if args.method == "stylegan":
        from tf_idinvert.cli import train_stylegan as chosen
    elif args.method == "attributes":
        from tf_idinvert.cli import train_attributes as chosen
    else:
        from tf_idinvert.cli import train_encoder as chosen
    left_out = chosen.train(args)
    if left_out:
        say(f"{left_out} file{'s' * (left_out > 1)} left out, named above", file=sys.stderr)
    return 1 if left_out else 0
