"""The manual pages say what the commands say of themselves, and are installed with them."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "man"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_manual", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_pages_are_those_of_the_commands(maker: ModuleType, request: pytest.FixtureRequest) -> None:
    pages = maker.pages()
    if request.config.getoption("--update"):
        for path in FOLDER.glob("*.1"):
            path.unlink()
        for name, text in pages.items():
            (FOLDER / name).write_text(text, "utf-8")
    assert {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.1")} == pages, "python docs/man/make.py"


def test_a_page_tells_options_from_what_they_take(maker: ModuleType) -> None:
    page = maker.pages()["ndgrad-fmt.1"]
    assert page.startswith('.TH NDGRAD\\-FMT 1 "" "ndgrad ')
    assert ".SH SYNOPSIS\n.B ndgrad fmt\n[options]\n.I FILE...\n" in page
    assert "\n.TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\n" in page


def test_roff_takes_text_as_it_is(maker: ModuleType) -> None:
    assert maker._text(".a-b\\n\n'c ∂") == "\\&.a\\-b\\en\n\\&'c \\[u2202]"


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_a_formatter_has_nothing_to_say() -> None:
    pages = sorted(map(str, FOLDER.glob("*.1")))
    ran = subprocess.run(["groff", "-man", "-ww", "-Tutf8", *pages], capture_output=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout


def test_they_are_installed_where_man_looks() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert settings["tool"]["setuptools"]["data-files"] == {"share/man/man1": ["docs/man/*.1"]}
