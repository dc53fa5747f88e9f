"""Trial: invert a folder of some 300 odd files in one run; every file is done or named.

    python tests/trials/odd_files.py

Prints how many files were done and how many were named, the slowest to read, and the peak memory of the run at batch 4.
"""
from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
NAMES = ["\x1b[2J", "a\nerror: forged", "-o", "'quoted'", "caf\u00e9", "x" * 200, "sp ace", "{{x}}", "%s", "\u202e",
         "a\tb", "$(id)", "a..", "\U0001f600", "CON", "\udcff"]


def noise(*shape, kind="uint8"):
    return np.random.default_rng(0).integers(0, np.iinfo(kind).max, shape).astype(kind)


def pictures():
    """Yield (suffix, bytes) of valid pictures of every kind and mode."""
    def encoded(image, kind, **options):
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    colour, grey = Image.fromarray(noise(40, 30, 3)), Image.fromarray(noise(40, 30))
    alpha, deep = Image.fromarray(noise(40, 30, 4)), Image.fromarray(noise(40, 30, kind="uint16"))
    for image in (colour, grey, alpha, deep, grey.convert("1"), colour.convert("P"), alpha.convert("LA"),
                  Image.fromarray(noise(40, 30).astype("int32"))):
        yield ".png", encoded(image, "PNG")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield ".jpg", encoded(colour, "JPEG", exif=exif)
    for image in grey, colour.convert("CMYK"):
        yield ".jpg", encoded(image, "JPEG", progressive=True)
    for image, options in ((colour, {}), (colour, {"compression": "tiff_lzw"}), (colour, {"compression": "jpeg"}),
                           (deep, {}), (grey.convert("1"), {"compression": "group4"}), (grey.convert("F"), {}),
                           (colour, {"save_all": True, "append_images": [colour]})):
        yield ".tif", encoded(image, "TIFF", **options)
    for options in {}, {"lossless": True}, {"save_all": True, "append_images": [alpha]}:
        yield ".webp", encoded(alpha, "WEBP", **options)
    yield ".gif", encoded(colour.convert("P"), "GIF", save_all=True, append_images=[grey])
    yield ".bmp", encoded(colour, "BMP")
    yield ".avif", encoded(colour, "AVIF")
    for size in (1, 1), (1, 5000), (5000, 1), (3000, 2):
        yield ".png", encoded(Image.new("RGB", size), "PNG")


def fill(folder):
    """Write the odd files -> their number."""
    rng, count = np.random.default_rng(1), 0

    def put(name, data):
        nonlocal count
        (folder / name).write_bytes(data)
        count += 1

    valid = list(pictures())
    for i, (suffix, data) in enumerate(valid):
        put(f"valid{i}{suffix}", data)
        for j, share in enumerate((0.05, 0.2, 0.4, 0.7, 0.95)):
            put(f"cut{i}_{j}{suffix}", data[:int(len(data) * share)])
        garbled = np.frombuffer(data, np.uint8).copy()
        garbled[rng.integers(0, len(garbled), 10)] ^= 0x55
        put(f"garbled{i}{suffix}", garbled.tobytes())
    Image.new("RGB", (9400, 9400)).save(folder / "larger.webp")
    for i, name in enumerate(NAMES):
        put(f"{name}{i}.png", valid[i][1])
    for i, suffix in enumerate((".heic", ".nef", ".cr2", ".jxl", ".svg", ".psd", ".ico", ".tga", ".jp2", ".ppm")):
        put(f"other{i}{suffix}", b"no such picture")
    for i, data in enumerate((b"", b"hello", b"<html>", b"\0" * 1000, b"%!PS-Adobe", b"PK\x03\x04")):
        put(f"text{i}.png", data)
    boxes = b"\0\0\0\x18ftyp%s" + bytes(4) + b"mif1"
    for i, (brand, suffix) in enumerate(((b"heic", ".heic"), (b"heix", ".heif"), (b"mif1", ".hif"), (b"hevc", ".jpg"),
                                         (b"avif", ".avif"), (b"avis", ".png"), (b"heic", ""))):
        put(f"box{i}{suffix}", boxes % brand + bytes(200))
    for i, suffix in enumerate((".dng", ".cr3", ".arw", ".raf", ".exr", ".xcf", ".eps", ".dds", ".pcx", ".icns")):
        put(f"camera{i}{suffix}", b"II*\0" + bytes(100))
    put("no_suffix", valid[0][1])
    os.symlink(folder / "nowhere.png", folder / "dangling.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()
    file = io.BytesIO()
    Image.fromarray(np.broadcast_to(noise(1, 9000, 3), (9000, 9000, 3)).copy()).save(file, "PNG", compress_level=1)
    put("large.png", file.getvalue())
    Image.new("RGB", (7000, 7000)).save(folder / "large.webp")
    return count + 4        # the link, the pipe, two .webp


def model(folder):
    """A file of small random networks."""
    import tiny

    from tf_idinvert import checkpoint
    models = checkpoint.Models(encoder=tiny.encoder(resolution=8, num_layers=4), generator=tiny.generator(resolution=8))
    checkpoint.save(models, folder / "network.h5")
    return folder / "network.h5"


def main():
    from tf_idinvert.files import finding, images
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "odd"
        folder.mkdir()
        count, network = fill(folder), model(Path(temporary))
        done = subprocess.run([sys.executable, ROOT / "tools/invert.py", network, folder, "-o", Path(temporary) / "out",
                               "--num_iterations", "1", "--num_results", "0", "--features", "none"],
                              capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        printed = done.stderr.decode("utf-8", "replace")
        inverted = json.loads((Path(temporary) / "out/options.json").read_text())["pictures"]
        named = [line for line in printed.splitlines() if line.startswith("skipped: ")]
        print(f"exit code {done.returncode}; {count} files: {len(inverted)} done, {len(named)} named, "
              f"{count - len(inverted) - len(named)} unaccounted for")
        control = [line for line in printed.splitlines() if not line.isprintable()]
        print(f"lines with control characters: {len(control)}; tracebacks: {printed.count('Traceback')}")
        print(f"peak memory of the run: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6:.2f} GB")
        slowest = (0.0, "")
        for _, path in finding.listing([folder]):
            started = time.process_time()
            try:
                images.load(path, 8)
            except images.ImageError:
                pass
            slowest = max(slowest, (time.process_time() - started, path.name))
        print(f"slowest to read: {slowest[1]}, {slowest[0]:.2f} s of processor time")


if __name__ == "__main__":
    main()
