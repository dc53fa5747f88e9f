"""The architecture: which folder of the package may import which, no cycles, light modules, independent tools.

A room is a folder of `tf_idinvert`, or a module beside the folders. docs/architecture.md shows the same rule.
"""
from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tf_idinvert"
LONGEST_CHAIN, LONGEST_MODULE, LONGEST_FUNCTION, LONGEST_LINE = 6, 400, 40, 120

# The rule: a room may import these rooms, and `errors`. What has no row may import every room but `jobs` and `cli`.
RULE = {
    "files": set(), "metrics": set(), "networks": set(), "losses": set(), "optimizers": set(), "editing": set(),
    "apart": set(), "allocator": set(), "starting": {"allocator"},
    "portraits": {"files"},
    "alignment": {"files"},
    "formats": {"networks", "files"},
    "checkpoint": {"formats", "networks", "files"},
    "boundaries": {"formats", "files"},
    "directions": {"codes", "editing"},
    "data": {"files", "portraits"},
    "inversion": {"losses", "optimizers", "apart"},
    "restoration": {"losses", "optimizers", "apart", "codes"},
    "training": {"losses", "files"},
    "codes": set(),
    "features": {"checkpoint", "formats", "networks", "losses"},
    "serving": {"formats", "inversion", "optimizers", "files"},
    "tuning": {"losses", "optimizers"},
    "tunable": {"formats"},
    "editor": {"inversion", "restoration", "editing", "boundaries", "codes", "apart", "files",
               "alignment"},
    "jobs": {"inversion", "tuning", "restoration", "directions", "editing", "boundaries", "codes", "apart", "files",
             "alignment"},
}
NO_TENSORFLOW = {"files", "metrics", "portraits"}       # nor Keras, nor h5py
ONLY_FOR_TOOLS = {"jobs", "cli"}
LIGHT = ("files.images", "files.report", "files.atomic", "formats.pickles", "formats.arguments", "portraits",
         "files.printing", "allocator", "starting", "cli.command", "cli.main")


def modules():
    """{dotted name within the package: path}; a package's own file has the name of its folder."""
    names = {path: path.relative_to(PACKAGE).with_suffix("").parts for path in sorted(PACKAGE.rglob("*.py"))}
    return {".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts): path
            for path, parts in names.items()}


@functools.lru_cache(maxsize=None)
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path):
    """Return the dotted names of all imports in a file; `from package import module` gives package.module."""
    for node in ast.walk(parsed(path)):
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
        if parts[0] == PACKAGE.name and name != f"{PACKAGE.name}.__version__":
            candidates = [".".join(parts[1:end]) for end in range(len(parts), 1, -1)]
            module = next((each for each in candidates if each in known), None)
            assert module, f"{path.name} imports {name}, which is no module"
            found.add(module)
    return found


@functools.lru_cache(maxsize=1)
def graph():
    known = modules()
    return {name: ours(path, known) - {name} for name, path in known.items()}


def room(module):
    return module.split(".")[0]


def faults(graph):
    """Return a line for every import in {module: modules that it imports} that breaks the rule."""
    for module, needs in graph.items():
        for other in sorted(needs):
            here, there = room(module), room(other)
            allowed = there not in ONLY_FOR_TOOLS if here not in RULE else there in RULE[here] | {"errors"}
            if here != there and not allowed and here != "cli":
                yield f"{module} imports {other}: {here} may not know {there}"


@pytest.mark.one_stack
def test_rooms_know_only_what_the_rule_allows():
    assert not list(faults(graph()))


@pytest.mark.one_stack
@pytest.mark.parametrize("module, other", [
    ("files.images", "portraits.sets"), ("networks.encoder", "losses"), ("inversion", "networks.generator"),
    ("training.in_domain", "checkpoint"), ("evaluation.measures", "jobs.invert"),
    ("benchmarks.training", "cli.command"),
    ("jobs.invert", "cli.command"), ("serving.export", "checkpoint"), ("formats.weights", "data.pipeline")])
def test_the_rule_refuses(module, other):
    assert list(faults({**graph(), module: {other}}))


@pytest.mark.one_stack
def test_rooms_of_files_need_no_tensorflow():
    for name, path in modules().items():
        if room(name) in NO_TENSORFLOW:
            heavy = {each.split(".")[0] for each in imports(path)} & {"tensorflow", "tensorflow_gan", "keras", "h5py"}
            assert not heavy, f"{name} imports {sorted(heavy)}"


@pytest.mark.one_stack
def test_only_the_page_of_the_editor_knows_gradio():
    knowing = {name for name, path in modules().items()
               if any(each.split(".")[0].startswith("gradio") for each in imports(path))}
    assert knowing <= {"editor.page", "editor.tabs", "editor.widgets", "cli.editor"}, knowing


def chains(graph):
    """Return {module: length of its longest chain of imports}; fail if there is a cycle."""
    lengths = {}
    while len(lengths) < len(graph):
        leaves = {name for name in graph if name not in lengths and not graph[name] - set(lengths)}
        assert leaves, f"these import each other in a circle: {sorted(set(graph) - set(lengths))}"
        lengths.update({name: max((1 + lengths[each] for each in graph[name]), default=0) for name in leaves})
    return lengths


@pytest.mark.one_stack
def test_no_cycles_and_no_long_chains():
    """Chains start at the verbs in cli, which the tools import."""
    tools = {f"cli.{path.stem}" for path in (ROOT / "tools").glob("*.py")}
    lengths = {name: length for name, length in chains(graph()).items() if name not in tools}
    assert max(lengths.values()) <= LONGEST_CHAIN, {n: c for n, c in lengths.items() if c > LONGEST_CHAIN}
    rooms = {}
    for module, needs in graph().items():
        rooms.setdefault(room(module), set()).update(map(room, needs))
    chains({name: needs - {name} for name, needs in rooms.items()})


@pytest.mark.one_stack
def test_tools_do_not_import_each_other():
    tools = {path.stem: path for path in (ROOT / "tools").glob("*.py")}
    for name, path in tools.items():
        used = {each.split(".")[0] for each in imports(path)}
        assert not used & (set(tools) | {"tools"}), name


def test_light_modules_do_not_load_tensorflow():
    code = ("import importlib, sys\n"
            f"for name in {LIGHT}: importlib.import_module('tf_idinvert.' + name)\n"
            "sys.exit(' '.join({'tensorflow', 'keras', 'h5py'} & set(sys.modules)) or 0)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.one_stack
def test_nothing_but_definitions_on_import():
    """No work and no state at module level: only imports, definitions, constants and docstrings."""
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for name, path in modules().items():
        for node in parsed(path).body:
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            assert docstring or isinstance(node, allowed), f"{name}, line {node.lineno}"


def sources(*folders):
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.one_stack
def test_modules_and_functions_are_short():
    long = []
    for path in sources("tf_idinvert", "tools"):
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > LONGEST_MODULE:
            long.append(f"{path.relative_to(ROOT)}: {len(text.splitlines())} lines")
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef) and statement_lines(node) > LONGEST_FUNCTION:
                long.append(f"{path.relative_to(ROOT)}: {node.name} has {statement_lines(node)} lines")
    assert not long, "\n".join(long)


def statement_lines(function):
    """Return the number of lines of a function without its docstring and its signature."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.one_stack
def test_lines_fit():
    long = [f"{path.relative_to(ROOT)}:{number}" for path in sources("tf_idinvert", "tools", "tests")
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if len(line) > LONGEST_LINE]
    assert not long, f"over {LONGEST_LINE} characters: {', '.join(long)}"
