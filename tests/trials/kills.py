"""Trial: kill runs (SIGKILL) at random moments and start them again; they must end in the bytes of a run left alone.

    python tests/trials/kills.py WHAT [number of kills]

WHAT: dataset, invert, evaluate, or a training: attributes, traditional, in-domain, force-in-domain, stylegan. Each run
is killed at a random moment after it has kept something itself: a part of the set, a batch of pictures, a measure, a
snapshot. Small networks with random weights.
"""
from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
VOLATILE = {"log.jsonl", "set.json", "options.json", "inversion.log", "inversion.html"}      # times and paths
KEPT = {"dataset": ".parts/*.json", "invert": "*_inv.png", "evaluate": "cache/*/numbers.json"}      # else a snapshot
ENCODERS = ("traditional", "in-domain", "force-in-domain")


def command_of(what, folder, other):
    def tool(name, *arguments):
        return [sys.executable, *map(str, [ROOT / f"tools/{name}.py", *arguments])]

    short, snapshots = ["--num_iterations", "20", "--features", "none"], ["--snapshot-minutes", "0.005", "-o", folder]
    if what == "dataset":
        return tool("dataset", "portraits", folder, "--count", "1024", "--resolution", "32", "--processes", "1")
    if what == "invert":
        return tool("invert", other / "network.h5", other / "pictures", "-o", folder, *short, "--batch_size", "2")
    if what == "evaluate":
        return tool("evaluate", "--quick", "--encoders", f"in-domain={other / 'network.h5'}", "--images",
                    other / "pictures", "--features", "none", "--parts", "table1", "figures5-7", "diffusion", "-o",
                    folder)
    if what == "attributes":
        return tool("train", "--method", what, "--kimg", "2", "--pictures", "256", *snapshots)
    if what == "stylegan":      # this file runs the tool with a narrow network
        return [sys.executable, __file__, "narrow", "--data", str(other / "pictures.npy"), "--batch-size", "8",
                "--kimg", "4", *map(str, snapshots)]
    features = [] if what == "traditional" else ["--features", "none"]
    return tool("train", "--method", what, "--generator", other / "network.h5", "--data", other / "pictures.npy",
                "--kimg", "2" if what == "force-in-domain" else "4", "--batch-per-replica", "8", "--encoder-filters",
                "4", "--encoder-filters-max", "8", *features, *snapshots)


def narrow(arguments):
    """Run train.py with the official recipe in few channels."""
    from tf_idinvert.cli import main
    from tf_idinvert.training import stylegan_recipes
    official, small = stylegan_recipes.official, dict(fmap_base=16, fmap_max=4)
    latent = dict(latent_size=4, dlatent_size=4, mapping_layers=1, mapping_fmaps=4)

    def recipe(*given, **options):
        found = official(*given, **options)
        return dataclasses.replace(found, generator={**found.generator, **small, **latent},
                                   discriminator={**found.discriminator, **small})

    stylegan_recipes.official = recipe
    sys.argv = ["tools/train.py", *arguments]
    main.run("train")


def prepare(folder):
    """A small model, and forty pictures, also as an array."""
    import tiny

    from tf_idinvert import checkpoint
    from tf_idinvert.files import images
    from tf_idinvert.portraits import embedded
    models = checkpoint.Models(
        encoder=tiny.encoder(resolution=8, num_layers=4), generator=tiny.generator(resolution=8, layerwise=True),
        discriminator=tiny.discriminator(resolution=8))
    checkpoint.save(models, folder / "network.h5")
    embedded.sample_pictures(folder / "pictures", 40)
    np.save(folder / "pictures.npy", np.stack([images.fit(images.read(path), 8)[0]
                                               for path in sorted((folder / "pictures").glob("*.png"))]))


def last_kept(what, folder):
    """When something was kept last, in nanoseconds; 0: nothing is."""
    times = []
    for path in folder.glob(KEPT.get(what, "state.npz")):
        try:
            times.append(path.stat().st_mtime_ns)
        except OSError:         # a run has just put another file in its place
            continue
    return max(times, default=0)


def state_of(what, folder):
    """{name: SHA-256} of all files that a run leaves, temporary ones and those with times left out."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in VOLATILE
            and not path.name.startswith((".", "preview")) and "tensorboard" not in path.parts
            and (what != "evaluate" or path.suffix == ".npy")}      # its tables have seconds


def kill_one(what, command, run, environment, delay):
    """Start a run and kill it `delay` seconds after it has kept something -> whether it had not ended before."""
    before = last_kept(what, run)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and last_kept(what, run) == before:
        time.sleep(0.02)
    try:
        process.wait(delay)
        return False
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True


def differing(whole, run):
    """Which variables of the last snapshots differ, by number, and by how much at most."""
    with np.load(whole / "state.npz") as one, np.load(run / "state.npz") as other:
        return {name: float(np.abs(one[name].astype("float64") - other[name].astype("float64")).max())
                for name in one.files if one[name].tobytes() != other[name].tobytes()}


def main(what="dataset", kills="5"):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    rng, killed = random.Random(0), 0
    with tempfile.TemporaryDirectory() as temporary:
        temporary = Path(temporary)
        if what not in ("dataset", "attributes"):
            prepare(temporary)
        whole, run, started = temporary / "whole/run", temporary / "killed/run", time.time()
        subprocess.run(command_of(what, whole, temporary), check=True, env=environment, capture_output=True)
        seconds, expected = time.time() - started, state_of(what, whole)
        command = command_of(what, run, temporary)
        while killed < int(kills) and kill_one(what, command, run, environment, rng.uniform(0, 1.5)):
            killed += 1
        last = subprocess.run(command, env=environment, capture_output=True, text=True)
        found = state_of(what, run)
        lost = [name for name, digest in expected.items() if found.get(name) != digest]
        print(f"{what}: killed {killed} times, each after something was kept; then exit code {last.returncode}, "
              f"{len(expected) - len(lost)} of {len(expected)} files with the bytes of a run left alone ({seconds:.0f} "
              "s)", flush=True)
        if last.returncode or lost:
            print(lost, last.stderr[-1000:], differing(whole, run) if "state.npz" in lost else "", flush=True)


if __name__ == "__main__":
    narrow(sys.argv[2:]) if sys.argv[1:2] == ["narrow"] else main(*sys.argv[1:])
