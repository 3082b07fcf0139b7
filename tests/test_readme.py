"""Every command and every Python line in the documentation does what is printed below it."""

from __future__ import annotations

import doctest
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def steps(block: str) -> list[tuple[str, str]]:
    """The commands of a block (after `$ `) with the output below each."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts[1:])]


def programs(page: Path) -> list[tuple[str, str]]:
    """The programs of a page: blocks that begin with ```nd NAME.nd."""
    return re.findall(r"^```nd (\S+)\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def comparable(text: str) -> str:
    """Without the times, which differ from run to run."""
    text = re.sub(r"^time  .*$", "time", text, flags=re.MULTILINE)
    return re.sub(r'"seconds": [-+.e\d]+', '"seconds"', text).rstrip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_show_what_is_printed(
    page: Path, tmp_path: Path, terminal: Callable[..., str], request: pytest.FixtureRequest
) -> None:
    if "$ ndgrad plot" in page.read_text("utf-8"):
        for package in ("matplotlib", "plotille"):
            pytest.importorskip(package, reason=f"pictures need {package}")
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    for name in ("x.npy", "f.nd", "g.nd"):
        shutil.copy(ROOT / "samples" / name, tmp_path)
    for name, text in programs(page):
        (tmp_path / name).write_text(text, "utf-8")
    for block in blocks(page, "console"):
        shown = [(command, terminal(command, cwd=tmp_path)) for command, _ in steps(block)]
        if request.config.getoption("--update"):
            written = "".join(f"$ {command}\n{output}" for command, output in shown)
            page.write_text(page.read_text("utf-8").replace(block, written), "utf-8")
            block = written
        for (command, expected), (_, seen) in zip(steps(block), shown, strict=True):
            assert comparable(seen) == comparable(expected), command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_in_the_text_run(page: Path, tmp_path: Path, shell: Callable[..., Any]) -> None:
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    for command in re.findall(r"`(ndgrad (?:run|eval|explain) [^`]*)`", page.read_text("utf-8")):
        ran = shell(command, cwd=tmp_path)
        assert (ran.returncode, ran.stderr) == (0, b""), command


def test_the_readme_points_to_the_index_of_samples() -> None:
    assert "(docs/samples.md)" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_lines_show_what_is_printed(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for block in blocks(page, "pycon"):
        example = doctest.DocTestParser().get_doctest(block, {}, page.name, str(page), 0)
        said: list[str] = []
        assert doctest.DocTestRunner().run(example, out=said.append).failed == 0, "".join(said)


def test_the_reference_lists_every_function(request: pytest.FixtureRequest) -> None:
    page = ROOT / "docs" / "language.md"
    made = "\n".join(["", "| | |", "| --- | --- |", *(f"| {group} | {names} |" for group, names in functions()), ""])
    text = page.read_text("utf-8")
    begin, end = "<!-- functions -->\n", "<!-- end of functions -->"
    if request.config.getoption("--update"):
        head, _, rest = text.partition(begin)
        page.write_text(head + begin + made + "\n" + end + rest.partition(end)[2], "utf-8")
        text = page.read_text("utf-8")
    assert text.partition(begin)[2].partition(end)[0] == made + "\n"


GROUPS = {
    "creation": ("creation",),
    "random": ("random",),
    "elementwise": ("arithmetic", "elementwise", "activations", "special", "methods"),
    "reductions and scans": ("reductions", "norms", "softmax", "scans"),
    "shape and order": ("shape", "joining", "indexing", "sorting"),
}


def functions() -> list[tuple[str, str]]:
    """The functions of the language by group: the modules that hold them."""
    from ndgrad.lang.builtins import function_names
    from ndgrad.ops.homes import HOMES

    known = set(function_names())
    found: dict[str, list[str]] = {}
    for module, names in HOMES.items():
        group = next((group for group, modules in GROUPS.items() if module in modules), module)
        found.setdefault(group, []).extend(f"`{name}`" for name in str(names).split() if name in known)
    order = {group: i for i, group in enumerate(GROUPS)}
    return [(g, " ".join(sorted(found[g]))) for g in sorted(found, key=lambda g: order.get(g, 99)) if found[g]]
