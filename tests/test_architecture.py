"""The layout: what a module may import, no cycles, light modules stay light, and tools stand alone.

A new module needs a row in MAY_IMPORT; a new import needs a reason to widen one.
"""
from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tf_idinvert"
NETWORKS = {f"networks.{name}" for name in ("generator", "discriminator", "encoder", "latent_discriminator",
                                             "attributes")}
# Module -> (modules of ours, packages besides NumPy and the standard library) that it may import.
MAY_IMPORT = {
    "__init__": ((), ()),
    "atomic": ((), ()),
    "cli": ((), ("tqdm", "tensorflow")),       # imported in a function, see LIGHT
    "arguments": ((), ()),
    "drawing": ((), ("PIL",)),
    "portraits": (("drawing",), ("PIL",)),
    "rendering": (("atomic", "portraits"), ("scipy",)),
    "embedded": (("images", "portraits"), ()),
    "arrays": (("atomic",), ()),
    "images": (("atomic",), ("PIL",)),
    "report": (("atomic", "images"), ("PIL", "jinja2")),
    "data": (("atomic", "images"), ("tensorflow",)),
    "packing": (("arrays", "atomic", "data", "images", "portraits", "rendering"), ()),
    "losses": ((), ("tensorflow",)),
    "networks.__init__": ((), ()),
    "networks.layers": ((), ("tensorflow", "keras")),
    "networks.mapping": (("networks.layers",), ("tensorflow", "keras")),
    "networks.synthesis": (("networks.layers",), ("tensorflow", "keras")),
    "networks.generator": (("networks.mapping", "networks.synthesis"), ("tensorflow", "keras")),
    "networks.discriminator": (("networks.layers",), ("tensorflow", "keras")),
    "networks.encoder": (("networks.layers",), ("tensorflow", "keras")),
    "networks.latent_discriminator": (("networks.layers",), ("tensorflow", "keras")),
    "networks.attributes": ((), ("tensorflow", "keras")),
    "networks.perceptual": ((), ("tensorflow", "keras", "h5py")),
    "networks.inception": (("networks.perceptual",), ("tensorflow", "keras", "h5py")),
    "networks.multi_layer": (("networks.perceptual",), ("tensorflow", "keras")),
    "pickle_machine": ((), ()),
    "pickles": (("atomic", "pickle_machine"), ()),
    "weights": (("arguments", "networks.layers", "networks.mapping", "networks.synthesis", *NETWORKS), ()),
    "conversion": (("arguments", "pickles", "weights", *NETWORKS), ()),
    "checkpoint": (("arguments", "atomic", "pickles", "weights", "conversion", *NETWORKS), ("h5py",)),
    "inversion": (("losses", "optimizers"), ("tensorflow",)),
    "optimizers": ((), ("tensorflow",)),
    "multi_code": (("losses", "optimizers"), ("tensorflow",)),
    "degradations": ((), ("tensorflow",)),
    "restoration": (("degradations", "inverting", "multi_code"), ("tensorflow",)),
    "restoration_cost": (("checkpoint", "degradations", "multi_code", "networks.generator"), ("tensorflow",)),
    "editing": ((), ()),
    "edit_quality": ((), ()),
    "boundaries": (("arrays", "atomic", "pickle_machine"), ("sklearn",)),
    "metrics": ((), ("sklearn",)),
    "moments": ((), ()),
    "sliced_wasserstein": ((), ("tensorflow", "tensorflow_gan")),
    "generator_quality": (("boundaries", "cli", "images", "metrics", "moments", "rendering", "sliced_wasserstein",
                           "spool"), ()),
    "encoder_quality": (("evaluation.measures", "generator_quality", "images", "metrics", "sliced_wasserstein",
                         "training.attributes"), ()),
    "serving_checks": ((), ("tensorflow",)),
    "serving_exif": ((), ("tensorflow",)),
    "serving_images": (("serving_checks", "serving_exif"), ("tensorflow",)),
    "serving_inversion": (("inversion", "optimizers"), ("tensorflow",)),
    "serving_weights": (("weights",), ("tensorflow", "keras")),
    "serving_files": (("atomic",), ("tensorflow",)),
    "export": (("inversion", "serving_checks", "serving_files", "serving_images", "serving_inversion",
                "serving_weights"), ("tensorflow", "keras")),
    "benchmarks.__init__": ((), ()),
    "benchmarks.matmul": ((), ("tensorflow",)),
    "benchmarks.operations": ((), ("tensorflow",)),
    "benchmarks.inversion": (("benchmarks.matmul", "benchmarks.operations", "checkpoint", "embedded", "inversion",
                              "losses", "optimizers", "portraits", "networks.perceptual", "training.*",
                              *NETWORKS),
                             ("tensorflow", "keras")),
    "benchmarks.training": (("benchmarks.matmul", "benchmarks.operations", "losses", "training.*", *NETWORKS),
                            ("tensorflow",)),
    "benchmarks.serving": ((), ("tensorflow",)),
    "spool": ((), ()),
    "results": (("arrays", "atomic"), ()),
    "inverting": (("cli", "images", "report", "results", "spool", "inversion"), ()),
    "edits": (("arrays", "cli", "images", "inverting", "report"), ("tensorflow",)),
    "features": (("checkpoint", "networks.multi_layer", "networks.perceptual", "training.*"), ()),
    "cli_inversion": (("cli", "embedded", "features", "images", "results", "inverting", "inversion", "optimizers"), ()),
    "cli_training": (("atomic", "cli", "data", "embedded", "rendering", "training.*"), ("tqdm", "tensorflow")),
    "cli_stylegan": (("checkpoint", "cli_training", "data", "rendering", "training.*", *NETWORKS),
                     ("tensorflow", "keras")),
    "cli_encoder": (("checkpoint", "cli_training", "data", "embedded", "features", "portraits", "training.*",
                     *NETWORKS), ("tensorflow", "keras")),
    "cli_attributes": (("atomic", "checkpoint", "cli", "cli_training", "data", "embedded", "portraits", "rendering",
                        "training.*", *NETWORKS), ("keras",)),
    "training.*": (("losses", "atomic", "images", "training.*"), ("tensorflow", "keras", "tqdm")),
    "evaluation.*": (("atomic", "boundaries", "editing", "images", "inverting", "inversion", "metrics", "moments",
                      "rendering", "report", "sliced_wasserstein", "evaluation.*"),
                     ("tensorflow", "scipy", "sklearn", "threadpoolctl", "PIL", "matplotlib")),
}
LIGHT = ("images", "pickles", "report", "portraits", "atomic", "arguments", "cli")


def modules():
    """{dotted name within the package: path}"""
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(path):
    """Dotted names of everything a file imports, anywhere in it; `from package import module` gives package.module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(path, known):
    """Names of the package's modules that a file imports."""
    found = set()
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == PACKAGE.name:
            candidates = [".".join(parts[1:end]) for end in range(len(parts), 1, -1)]
            module = next((each for each in candidates if each in known), None)
            assert module, f"{path.name} imports {name}, which is no module"
            found.add(module)
    return found


def row(name):
    """The row of a module: its own or that of its folder."""
    folder = name.rpartition(".")[0] + ".*"
    assert name in MAY_IMPORT or folder in MAY_IMPORT, f"{name} has no row in MAY_IMPORT"
    return MAY_IMPORT.get(name, MAY_IMPORT.get(folder))


@pytest.mark.parametrize("name", modules())
def test_imports_are_those_of_the_table(name):
    known = modules()
    allowed, packages = row(name)
    surplus = {each for each in ours(known[name], known)
               if each not in allowed and each.rpartition(".")[0] + ".*" not in allowed}
    assert not surplus, f"{name} may not import {sorted(surplus)}"
    others = {each.split(".")[0] for each in imports(known[name])} - {PACKAGE.name, "numpy", *packages}
    surplus = others - set(sys.stdlib_module_names if hasattr(sys, "stdlib_module_names") else others)
    assert not surplus, f"{name} may not import {sorted(surplus)}"


def test_no_cycles():
    known = modules()
    graph = {name: ours(path, known) for name, path in known.items()}
    while graph:
        leaves = {name for name, needs in graph.items() if not needs & set(graph)}
        assert leaves, f"these import each other in a circle: {sorted(graph)}"
        graph = {name: needs for name, needs in graph.items() if name not in leaves}


def test_inversion_losses_and_training_know_no_network():
    known = modules()
    for name, path in known.items():
        if name in ("inversion", "losses", "multi_code") or name.startswith("training."):
            assert not {each for each in ours(path, known) if each.startswith("networks.")}, name


def test_tools_do_not_import_each_other():
    tools = {path.stem: path for path in (ROOT / "tools").glob("*.py")}
    for name, path in tools.items():
        used = {each.split(".")[0] for each in imports(path)}
        assert not used & (set(tools) | {"tools"}), name


def test_light_modules_do_not_load_tensorflow():
    names = [name for name in LIGHT if name in modules()]
    code = (f"import sys; from tf_idinvert import {', '.join(names)}; "
            "sys.exit(' '.join({'tensorflow', 'keras', 'h5py'} & set(sys.modules)) or 0)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_nothing_but_definitions_on_import():
    """No work and no state: at module level stand imports, definitions, constants and docstrings."""
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for name, path in modules().items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            assert docstring or isinstance(node, allowed), f"{name}, line {node.lineno}"


def test_lines_fit():
    files = [path for folder in ("tf_idinvert", "tools", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
    long = [f"{path.relative_to(ROOT)}:{number}" for path in files
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if len(line) > 120]
    assert not long, f"over 120 characters: {', '.join(long)}"
