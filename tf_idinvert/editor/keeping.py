"""Files to download: the edited picture, its recipe, and its code as `invert.py` writes it."""
from __future__ import annotations

import zipfile
from pathlib import Path

from tf_idinvert.editor import recipe as recipes
from tf_idinvert.files import images, results


def write(studio, picture, edit, folder, paste):
    """Write the files of an edited picture into an existing folder, in place of older ones -> their paths.

    They are NAME_edited.png, NAME_recipe.json, and NAME_codes.zip: the results of an inversion, a folder in which every
    editing tool finds the picture with its code before the edit; and, where the picture was cut out of a photograph,
    NAME_photograph.png, into which `paste` puts the edit; see `photographs.pasted`.
    """
    folder, name = Path(folder), picture.name or "picture"
    pixels, before = studio.edited(picture, edit), studio.draw((picture.codes, 0))
    edited, text, archive = (folder / f"{name}_{end}" for end in ("edited.png", "recipe.json", "codes.zip"))
    images.save(edited, pixels)
    recipes.write(text, studio.recipe(picture, edit, pixels))
    inside = folder / "codes"
    inside.mkdir(exist_ok=True)
    for old in inside.iterdir():
        old.unlink()
    results.write_index(inside, [f"{name}.png"], [picture.codes], [picture.encoded])
    for suffix, shown in (("ori", picture.pixels), ("enc", studio.draw((picture.encoded, 0))), ("inv", before)):
        images.save(inside / f"{name}_{suffix}.png", shown)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(inside.iterdir()):
            file.write(path, f"{name}/{path.name}")
    written = [edited, text, archive]
    if picture.place is not None:
        written.insert(1, folder / f"{name}_photograph.png")
        images.save(written[1], paste(picture.place, before, pixels))
    return [str(path) for path in written]
