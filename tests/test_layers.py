"""Imports run one way, cli → lang → engine; heavy packages stay in their layer; the packaging names every folder."""

from __future__ import annotations

import ast
import importlib
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = {"engine": 0, "lang": 1, "cli": 2}
ONLY_IN = {"rich": "cli", "typer": "cli", "lark": "lang", "sympy": "lang"}
MAY_CALL_UP = {"engine/__main__.py", "engine/__init__.py"}
MODULES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    parts = ["ndgrad", *(parts[1:] if parts[0] == "engine" else parts)]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(module: str) -> str:
    second = module.split(".")[1] if "." in module else ""
    return second if second in LAYERS else "engine"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_from_the_command_line_to_the_engine(path: Path) -> None:
    here = path.relative_to(ROOT).parts[0]
    for module in imports(path):
        top = module.split(".")[0]
        if top == "ndgrad" and str(path.relative_to(ROOT)) not in MAY_CALL_UP:
            assert LAYERS[layer_of(module)] <= LAYERS[here], f"{module} is above {here}"
        assert ONLY_IN.get(top, here) == here, f"{top} has no place in {here}"
        assert top not in LAYERS, f"{module}: import from ndgrad"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_can_be_imported(path: Path) -> None:
    importlib.import_module(name_of(path))


def test_the_packages_are_the_folders() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    folders = {name_of(path) for path in MODULES if path.name == "__init__.py"}
    assert sorted(settings["tool"]["setuptools"]["packages"]) == sorted(folders)


def test_the_version_is_said_once() -> None:
    import ndgrad

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert settings["project"]["version"] == ndgrad.__version__
    assert f"## [{ndgrad.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
