"""Photographs of every mode and orientation that people have, for the tests of what keeps them."""
from __future__ import annotations

import numpy as np
from PIL import Image, ImageCms

from tf_idinvert.files import segments

SIZES = ((97, 61), (64, 64), (41, 130), (33, 20))
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def smooth(rng, width, height, channels, dtype=np.uint8):
    """Pixels [H, W, C] that JPEG, too, can hold."""
    small = rng.integers(0, 256, [4, 5, channels]).astype(np.uint8)
    layers = [Image.fromarray(small[:, :, c]).resize((width, height), Image.Resampling.BICUBIC)
              for c in range(channels)]
    values = np.stack([np.asarray(layer) for layer in layers], axis=2)
    if dtype == np.uint16:
        return values.astype(np.uint16) * 256 + rng.integers(0, 256, values.shape, np.uint16)
    return values


def exif(orientation):
    block = Image.Exif()
    block[0x0112], block[0x010E] = orientation, "a hat"
    return block


def write_all(folder, rng):
    """Write some fifty photographs into a folder -> their paths."""
    paths = []

    def save(name, image, **options):
        paths.append(folder / f"{len(paths):02d}_{name}")
        image.save(paths[-1], **options)

    for orientation in range(1, 9):
        size = SIZES[orientation % len(SIZES)]
        rgb = Image.fromarray(smooth(rng, *size, 3))
        save(f"rgb{orientation}.jpg", rgb, exif=exif(orientation), icc_profile=PROFILE, quality=83, subsampling=2,
             comment=b"by the sea")
        save(f"rgb{orientation}.png", rgb, exif=exif(orientation), icc_profile=PROFILE)
    for size in SIZES:
        grey, rgb = (Image.fromarray(smooth(rng, *size, c).squeeze()) for c in (1, 3))
        alpha = Image.fromarray(smooth(rng, *size, 4))
        save("grey.jpg", grey, quality=70)
        save("progressive.jpg", rgb, progressive=True, quality=95, subsampling=0)
        save("cmyk.jpg", rgb.convert("CMYK"))
        save("alpha.png", alpha, icc_profile=PROFILE)
        save("grey_alpha.png", alpha.convert("LA"))
        save("palette.png", rgb.quantize(32))
        save("bit.png", grey.convert("1"))
        save("deep.png", Image.fromarray(smooth(rng, *size, 1, np.uint16).squeeze()))
        save("deep.tif", Image.fromarray(smooth(rng, *size, 1, np.uint16).squeeze()))
        save("alpha.tif", alpha, compression="tiff_lzw", icc_profile=PROFILE)
    rgb = Image.fromarray(smooth(rng, *SIZES[0], 3))
    for name, options in ("rgb.webp", {"lossless": True}), ("rgb.bmp", {}), ("rgb.gif", {}), ("rgb.tiff", {}):
        save(name, rgb, **options)
    save("float.tif", Image.fromarray(smooth(rng, *SIZES[0], 1).squeeze().astype(np.float32) / 255))
    for channels in 2, 3, 4:
        paths.append(folder / f"{len(paths):02d}_deep{channels}.png")
        segments.write_png(paths[-1], smooth(rng, *SIZES[0], channels, np.uint16), segments.png_of(PROFILE, None))
    return paths
