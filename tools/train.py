"""Train networks.

    python tools/train.py --method stylegan --preset portraits
    python tools/train.py --method stylegan --data photographs-tfrecords/ --output runs/photographs --strategy mirrored

StyleGAN: the default preset is the official one (1024 px, 25,000 kimg: days on eight GPUs); `portraits` trains on
rendered portraits of 64 px and is for two processor cores: 2 kimg take a minute, faces take an hour, good ones a day.

Writes to the output folder: network.h5 (G, D and the running average Gs, opened by tf_idinvert.checkpoint.load),
preview.png (upper half psi 0.7, lower half psi 1), log.jsonl, tensorboard/, state.npz and options.json. A run that was
stopped, by whatever, is taken up from its last snapshot by the same command, and ends in the same weights.
"""
import argparse
import contextlib
import json
import os
from pathlib import Path

from tf_idinvert import cli

# What may differ when a run is taken up.
RESUMABLE = {"kimg", "resume", "snapshot_minutes", "output", "initial", "initial_kimg"}


def parse_arguments():
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add("--method", choices=["stylegan"], default="stylegan", help="what to train (stylegan)")
    add("--preset", choices=["official", "portraits"], default="official", help="set of hyper-parameters (official)")
    add("--data", default=None, help="'portraits' (rendered), a folder of NAME-rXX.tfrecords or FOLDER/NAME of them, a "
        "folder of pictures, or a .npy file of uint8 [N, R, R, 3]; default: portraits for that preset")
    add("--resolution", type=cli.number(int, 8), default=1024, help="of the official preset (1024)")
    add("--structure", choices=["growing", "fixed"], default="growing", help="fixed: no growing (growing)")
    add("--kimg", type=cli.number(float, 0, exclusive=True), help="length in thousands of images (the preset's)")
    add("--batch-size", type=cli.number(int, 1), help="over all replicas, at all resolutions (the preset's)")
    add("--seed", type=cli.number(int, 0, 2 ** 31 - 1), default=0, help="of weights, data order and training (0)")
    add("--pictures", type=cli.number(int, 1), default=40000, help="portraits to render, at most one for each image of "
        "the run (40000)")
    add("--data-seed", type=cli.number(int, 0, 2 ** 31 - 1), default=1, help="of the rendered portraits (1)")
    add("--strategy", choices=["one", "mirrored"], default="one", help="one device, or all GPUs of the machine (one)")
    add("--output", type=Path, default=None, help="folder (runs/METHOD-PRESET)")
    add("--resume", action=argparse.BooleanOptionalAction, default=True,
        help="go on where a run in the output folder stopped; --no-resume starts again and overwrites it")
    add("--initial", type=Path, default=None, help="network file to start from, such as network.h5 of another run; the "
        "optimisers start afresh")
    add("--initial-kimg", type=cli.number(float, 0), default=0, help="where in the schedule those networks stand (0)")
    add("--snapshot-minutes", type=cli.number(float, 0), default=5, help="time between snapshots (5)")
    args = parser.parse_args()
    args.output = args.output or Path("runs") / f"{args.method}-{args.preset}"
    args.data = args.data or ("portraits" if args.preset == "portraits" else None)
    if args.data is None:
        parser.error("--data is needed, except with --preset portraits")
    return args


def main():
    args = parse_arguments()
    args.output.mkdir(parents=True, exist_ok=True)
    resumes = check_options(args)
    cli.import_tensorflow()
    import keras
    import tensorflow as tf

    from tf_idinvert import checkpoint, data
    from tf_idinvert.training import callbacks, state, stylegan
    recipe = make_recipe(args)
    phases = stylegan.schedule(recipe.stages)
    batches = make_data(args, recipe, phases)
    keras.utils.set_random_seed(args.seed)
    with tf.distribute.MirroredStrategy().scope() if args.strategy == "mirrored" else contextlib.nullcontext():
        model = make_model(recipe, args.seed)
    if resumes:
        state.load(args.output / "state.npz", model.state)
    elif args.initial:
        start_from(model, checkpoint.load(args.initial), args)
    progress = callbacks.Progress(phases[-1].stop)
    snapshots = callbacks.Snapshots(
        args.output, seconds=args.snapshot_minutes * 60, draw=preview_of(model, args.seed),
        save_models=lambda path: checkpoint.save(networks_of(model), path))
    try:
        stylegan.train(model, phases, batches, [callbacks.StopAtNaN(), progress, callbacks.Log(args.output), snapshots])
    except tf.errors.InvalidArgumentError as error:
        raise data.reading_error(error) or error from error
    finally:
        progress.close()


def check_options(args):
    """Whether there is a run to take up; saves the options. ValueError where its options were others."""
    path = args.output / "options.json"
    options = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}
    resumes = args.resume and (args.output / "state.npz").exists()
    if resumes:
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            differing = [name for name in options if name not in RESUMABLE and before.get(name) != options[name]]
        except (ValueError, AttributeError):
            raise ValueError(f"{path}: damaged; --no-resume starts again") from None
        if differing:
            name = differing[0]
            raise ValueError(f"{args.output}: holds a run with {name} {before.get(name)}, now {options[name]}; give "
                             "the same options, another --output, or --no-resume to overwrite it")
    path.write_text(json.dumps(options, indent=1) + "\n", encoding="utf-8")
    return resumes


def make_recipe(args):
    """The preset with what the arguments change."""
    import dataclasses

    from tf_idinvert.training import recipes
    length = {} if args.kimg is None else {"kimg": args.kimg}
    if args.preset == "portraits":
        recipe = recipes.portraits(**length)
    else:
        recipe = recipes.official(args.resolution, **length)
    if args.structure == "fixed":
        recipe = recipes.fixed(recipe)
    if args.batch_size:
        stages = tuple(dataclasses.replace(stage, batch_size=args.batch_size) for stage in recipe.stages)
        recipe = dataclasses.replace(recipe, stages=stages)
    return recipe


def make_data(args, recipe, phases):
    """Function (resolution, batch_size, start) -> batches of real images."""
    from tf_idinvert import data
    path = args.data
    if path == "portraits":
        path = rendered_portraits(args, recipe.generator["resolution"], phases[-1].stop)
    for resolution in {phase.stage.resolution for phase in phases}:     # so that a missing file is known now
        data.open_source(path, resolution)
    return lambda resolution, batch_size, start: data.batches(
        data.open_source(path, resolution), batch_size, args.seed, start, recipe.mirror)


def rendered_portraits(args, resolution, images):
    """The file of rendered portraits, drawn if it is not there; beside the output folder, for other runs to use."""
    from tqdm import tqdm

    from tf_idinvert import rendering
    count = min(args.pictures, images)
    path = args.output.parent / f"portraits{resolution}-{count}-seed{args.data_seed}.npy"
    if not path.exists():
        with tqdm(total=count, unit="img", desc="rendering portraits") as bar:
            rendering.write(path, count, args.data_seed, resolution, progress=bar.update)
    return path


def make_model(recipe, seed):
    from tf_idinvert.networks.discriminator import Discriminator
    from tf_idinvert.networks.generator import Generator
    from tf_idinvert.training.stylegan import StyleGAN
    return StyleGAN(generator=Generator(**recipe.generator), discriminator=Discriminator(**recipe.discriminator),
                    average=Generator(**recipe.generator), r1_interval=recipe.r1_interval, seed=seed)


def start_from(model, models, args):
    """Take over G, D and Gs of a network file. ValueError where they are not of the sizes that are to be trained."""
    average = models.generator
    for network, initial in ((model.generator, models.training_generator or average), (model.average, average),
                             (model.discriminator, models.discriminator)):
        shapes = [[tuple(weight.shape) for weight in each.weights] if each else None for each in (network, initial)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{args.initial}: holds no {type(network).__name__.lower()} of the sizes of this run")
        network.set_weights(initial.get_weights())
    model.images_seen.assign(int(args.initial_kimg * 1000))


def networks_of(model):
    """Models to save: while they grow, at the level of detail that is trained."""
    from tf_idinvert import checkpoint
    for network in (model.generator.synthesis, model.average.synthesis, model.discriminator):
        network.lod = float(model.level)
    return checkpoint.Models(training_generator=model.generator, discriminator=model.discriminator,
                             generator=model.average)


def preview_of(model, seed):
    """Function that draws 32 images of the running average with psi 0.7, then the same with psi 1."""
    import numpy as np
    z = np.random.default_rng(seed).standard_normal((32, model.average.latent_size), np.float32)

    def draw():
        sheets = [model.average(z, truncation_psi=psi, truncation_cutoff=None, lod=model.level).numpy()
                  for psi in (0.7, 1.0)]
        return np.concatenate(sheets)
    return draw


if __name__ == "__main__":
    cli.run(main)
