"""The scripts that make fixtures run with Keras only; what they take from each other is there."""

import ast
from pathlib import Path

import pytest
from cases import FIXTURES

MAKERS = {path.stem: path for path in (FIXTURES / "make").glob("*.py")}
BENCHMARKS = (Path(__file__).parents[1] / "benchmarks").glob("*.py")


def defined(path):
    """Every name that a module gives to something, wherever that is."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.Name(id=name, ctx=ast.Store())
            ):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name


@pytest.mark.parametrize(
    "path", [*MAKERS.values(), *BENCHMARKS], ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_what_a_script_imports_from_another_exists(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module in MAKERS:
            wanted = {alias.name for alias in node.names}
            assert wanted <= set(defined(MAKERS[node.module])), node.module
