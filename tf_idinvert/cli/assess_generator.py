"""Measure a generator of portraits against renders.

The generator was not trained on these renders. Two sets of renders are compared as well, which gives the lowest
distances that a generator can reach.

    python tools/assess_generator.py                                    # the networks of the repository
    python tools/assess_generator.py runs/stylegan-portraits/network.h5 --count 2000

Writes to the output folder: quality.md and quality.json (sliced Wasserstein distance per level, Fréchet distance of
the attribute network's embedding, attributes in samples and in renders, separability of attributes in W, path length),
samples.png (64 samples with psi 1, 64 with psi 0.7, 64 renders) and interpolations.png. 2,000 pictures of 64 px take
100 seconds of CPU time, 10,000 about five times as long.
"""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import command
from tf_idinvert.errors import InputError
from tf_idinvert.files import locks
from tf_idinvert.files.printing import say
from tf_idinvert.portraits import embedded

FEWEST = 64                 # number of pictures that the sheets show


def parse_arguments(argv):
    parser = command.parser(__doc__)
    command.add_model_arguments(parser, "network file with a generator of portraits; default: "
                                f"checkpoints/{embedded.GENERATOR}")
    parser.add_argument("attributes_path", nargs="?", help="network file with an attribute network of the same "
                        f"resolution; default: checkpoints/{embedded.ATTRIBUTES}")
    parser.add_argument("--world", choices=["portraits", "wild"], default="portraits",
                        help="portraits to render; wild requires both networks (portraits)")
    parser.add_argument("--count", type=command.number(int, FEWEST), default=10000, help="pictures per set (10000)")
    parser.add_argument("--seed", type=command.number(int, 0, 2 ** 31 - 2), default=1000,
                        help="seed of the renders and samples; the "
                        "second set of renders has the next one; must differ from the training's --data-seed (1000)")
    parser.add_argument("--output_dir", "-o", default="results/quality", help="output folder (results/quality)")
    parser.add_argument("--gpu_id", default="0", help="CUDA_VISIBLE_DEVICES (0)")
    return parser.parse_intermixed_args(argv)


def main(argv=None):
    args = parse_arguments(argv)
    if args.world == "portraits":
        args.model_path = args.model_path or str(embedded.generator_path())
        args.attributes_path = args.attributes_path or str(embedded.attributes_path())
    elif args.attributes_path is None:
        raise InputError("--world wild: give the files of a generator and of an attribute network of wild portraits")
    command.choose_device(args.gpu_id)
    folder = Path(args.output_dir)
    locks.claim(folder)
    command.import_tensorflow()
    from tf_idinvert.evaluation import loading
    from tf_idinvert.evaluation.quality import generator as quality
    from tf_idinvert.evaluation.quality import generator_page as page
    world = world_of(args.world)
    generator, = loading.load(command.model_files(args), "generator", final_activation=args.final_activation,
                              tuned=args.tuned)
    network = loading.load_portraits_attributes(args.attributes_path, generator.resolution, world)
    result, samples, renders = quality.assess(generator, network, args.count, args.seed, world)
    page.write(folder, {"model": args.model_path, "attribute network": args.attributes_path, **result}, network)
    page.draw_sheets(folder, generator, samples, renders, args.seed)
    say(f"-> {folder / 'quality.md'}")


def world_of(name):
    """Return the World of a name."""
    from tf_idinvert.evaluation.quality.pictures import PORTRAITS, World
    from tf_idinvert.portraits import wild
    from tf_idinvert.portraits.wild import scores
    if name == "portraits":
        return PORTRAITS
    return World(wild.sample, wild.RESOLUTIONS, sum(scores.TASKS.values(), ()), wild.SIGNED,
                 scores.answers, parts=(1, 2))      # a network of half the resolution scores crops
