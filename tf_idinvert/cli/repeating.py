"""`manipulate.py --recipe`: make a picture of the editor again, or edit others in its way."""
from __future__ import annotations

from pathlib import Path

from tf_idinvert.cli import command, inversion_options


def repeat(args):
    """Make the picture of a recipe again, or edit others in its way -> exit code."""
    from tf_idinvert.editor import recipe as recipes
    recipe = recipes.read(args.recipe)
    inputs = inversion_options.Inputs([args.image_dir]) if args.image_dir else None
    folder = Path(args.output_dir or "results/manipulation")
    log = command.open_log(folder / f"{command.title(args.recipe)}.log")

    command.import_tensorflow()
    from tf_idinvert import checkpoint
    files = command.model_files(args)
    models = checkpoint.load(*files, only=inputs.networks() if inputs else ("generator",),
                             final_activation=args.final_activation)
    checkpoint.require(models, args.model_path, "generator")
    recipes.check(recipe, models.generator.num_layers, models.generator.dlatent_size, args.model_path)
    if recipes.model_of(files)[1] != recipe.model_sha256:
        log.warning("warning: the recipe was made with another file, %s: the picture may differ", recipe.model)
    if inputs is None:
        draw_again(recipe, models.generator, folder, log)
        return 0
    (found,), complete = inputs.inverted(args, models, folder, log)
    draw_edited(found.names, recipe.edited(found.codes), recipe.noise_seed, models.generator, folder, log)
    return 0 if complete else 1


def draw_again(recipe, generator, folder, log):
    """Draw the picture of a recipe, and say whether it is the same, pixel by pixel."""
    from tf_idinvert.files import digests
    pixels, = draw_edited([recipe.picture], recipe.edited(), recipe.noise_seed, generator, folder, log)
    if digests.array_digest(pixels) == recipe.pixels_sha256:
        log.info("it is the picture of the recipe, pixel by pixel")
    else:
        log.warning("warning: its pixels are not those of the recipe: another network, processor or TensorFlow")


def draw_edited(names, codes, noise_seed, generator, folder, log):
    """Write NAME_edited.png of edited codes [N, L, D], and the codes -> pictures, each uint8 [R, R, 3]."""
    from tf_idinvert.editor import drawing
    from tf_idinvert.files import arrays, images
    draw, drawn = drawing.drawer(generator.synthesis), []
    for name, code in zip(names, codes):
        drawn += draw([(code, noise_seed)])
        images.save(folder / f"{name}_edited.png", drawn[-1])
    arrays.write(folder / "edited_codes.npy", codes)
    log.info("%d pictures -> %s", len(drawn), folder / f"{names[0]}_edited.png" if len(names) == 1 else folder)
    return drawn
