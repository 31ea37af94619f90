"""The shape of the project: who may import whom, no framework, every layer has genuine cases."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from cases import description

from npforward import formats
from npforward.layers import LAYERS
from npforward.tape import OPS
from npforward.weights import parts

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "npforward"
MODULES = sorted(PACKAGE.rglob("*.py"))

# What each part may import of ours, beside itself; `errors`, `limits`, ... go anywhere.
ANYWHERE = {"errors", "limits", "addresses", "dtypes", "reports"}
ALLOWED = {
    "errors": set(),
    "addresses": set(),
    "reports": set(),
    "limits": {"errors"},
    "dtypes": set(),
    "graph": set(),
    "kernels": set(),
    "tape": set(),
    "ops": {"kernels", "tape", "inner", "graph"},
    "inner": {"tape"},
    "losses": {"ops", "tape"},
    "layers": {"ops", "tape", "inner", "graph"},
    "weights": {"layers", "tape", "graph"},
    "run": {"weights", "layers", "ops", "kernels", "tape", "inner", "graph"},
    "formats": {"graph", "tables", "writing"},
    "pairing": {"formats", "run", "weights", "graph"},
    "tables": set(),
    "writing": set(),
    "classes": {"statistics", "tables", "graph"},
    "statistics": {"tables", "graph"},
    "summary": {"run", "weights", "graph", "tables"},
    "profile": {"run", "kernels", "tables", "graph"},
    "costs": {"run", "weights", "ops", "tables", "tape", "graph"},
    "nonfinite": {"model", "run", "weights", "ops", "statistics", "tape", "graph"},
    "activity": {"model", "run", "statistics", "tables", "tape", "graph"},
    "receptive": {"model", "run", "ops", "statistics", "tables", "tape", "profile"},
    "interventions": {"model", "run", "statistics", "tables", "tape", "graph"},
    "verify": {"model", "graph", "tables"},
    "model": {"run", "weights", "formats", "pairing", "kernels", "summary", "profile", "gradients",
              "costs", "interventions", "statistics", "tape", "graph"},
    "conversion": {"model", "summary", "run", "weights", "layers", "formats", "tape", "graph",
                   "writing", "arrays"},
    "arrays": {"model", "statistics", "writing", "graph"},
    "inputs": {"model", "graph"},
    "plots": {"model", "statistics", "classes", "writing", "graph", "tables"},
    "gradients": {"model", "losses", "ops", "run", "weights", "statistics", "tape", "graph"},
    "keract": {"model", "losses", "weights", "formats", "plots", "graph", "statistics", "classes",
               "writing"},
    "cli": {"model", "conversion", "plots", "statistics", "inputs", "arrays", "formats", "tables",
            "classes", "verify", "keract", "graph", "writing", "kernels", "nonfinite",
            "activity", "receptive", "interventions", "attributions", "epochs"},
    "epochs": {"model", "plots", "formats", "statistics", "writing"},
    "attributions": {"model", "gradients", "arrays", "plots", "run", "statistics", "writing",
                     "tables", "tape", "graph"},
    "__main__": {"cli"},
}  # fmt: skip


def part(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports(path: Path):
    """Every module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            yield node.module
            if node.module == "npforward":
                yield from (f"npforward.{alias.name}" for alias in node.names)


def test_every_part_is_known():
    assert {part(path) for path in MODULES} - {"__init__"} == set(ALLOWED)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    if part(path) == "__init__":
        return
    ours = {m.split(".")[1] for m in imports(path) if m.startswith("npforward.")}
    assert ours - ALLOWED[part(path)] - ANYWHERE - {part(path)} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_framework_and_nothing_that_executes_a_file(path):
    top = {m.split(".")[0] for m in imports(path)}
    assert not top & {"tensorflow", "keras", "torch", "jax", "pickle", "marshal", "dill"}
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"eval", "exec", "__import__", "compile"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "layers").rglob("*.py")), ids=lambda p: p.stem)
def test_layers_touch_arrays_by_ops_only(path):
    assert "numpy" not in {m.split(".")[0] for m in imports(path)}


def test_every_layer_has_genuine_cases():
    found = {path.stem for path in (ROOT / "weights_fixtures" / "layers").glob("*.npz")}
    layers = {name for name in LAYERS if not name.startswith("ops.")}  # operations: in models
    of_kur = {name for name in layers if LAYERS[name].fn.__module__ == "npforward.layers.kur"}
    for path in (ROOT / "weights_fixtures" / "kur").glob("*/Kurfile.yml"):
        found |= {part.type for part in parts(formats.read(path))} & of_kur
    assert layers - found == set()


def test_every_case_is_of_a_layer_in_the_registry():
    known = {*LAYERS, "Pipeline"}  # a Pipeline is read as a model, as a Sequential is
    for path in (ROOT / "weights_fixtures" / "layers").glob("*.npz"):
        assert description(path)["class_name"] in known


def test_every_op_has_a_docstring():
    assert [name for name, op in OPS.items() if not op.fn.__doc__] == []


def test_fixtures_stay_small():
    files = [p for p in (ROOT / "weights_fixtures").rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 20e6
    assert max(p.stat().st_size for p in files) < 1e6


def test_import_brings_in_nothing_heavy():
    code = "import sys, npforward; print([m for m in sys.modules if m.split('.')[0] in {heavy}])"
    heavy = "('matplotlib', 'h5py', 'pyfive', 'PIL', 'rich', 'ml_dtypes', 'llvmlite')"
    done = subprocess.run(
        [sys.executable, "-c", code.format(heavy=heavy)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_readme_lists_every_layer():
    """The table is made by `python -m tests.readme`."""
    from readme import layers_table

    assert layers_table() in (ROOT / "README.md").read_text()
