"""Every code has its entry; its example fails with this code alone, the mended one runs; docs/errors.md shows it all.

A new code is a new entry in lang/catalogue. After a change of words: pytest --update, then read the difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from ndgrad.errors import Error
from ndgrad.lang import catalogue, compile
from ndgrad.lang.catalogue import Entry
from ndgrad.lang.rendering import render

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "errors.md"
HEAD = """\
# The codes of ndgrad's messages

Each message carries a code. `ndgrad help CODE` shows what stands here under it: what went wrong in plain words, an
example that fails and how it is mended. This page is made from the same entries and from what the examples print.
"""
LANGUAGES = {"program": "nd", "shell": "sh", "python": "nd"}
ENTRIES = list(catalogue.entries())
Outcome = Callable[[str], tuple[list[str], str]]


@pytest.fixture
def outcome(shell: Callable[..., CompletedProcess[bytes]], tmp_path: Path) -> Outcome:
    """Runs an example; the codes it ends with, and what the user reads."""

    def run(example: str) -> tuple[list[str], str]:
        text = catalogue.source(example)
        if catalogue.kind(example) == "shell":
            ran = shell(text, cwd=tmp_path)
            said = ran.stdout if "ndgrad lint" in text else ran.stderr
            read = said.decode().rstrip()
            codes = re.findall(r"^(?:error|warning)\[(\w+)\]: ", read, re.MULTILINE)
            if "--timeout" in text:
                read = re.sub(r"after [\d,]+ rounds", "after 500,000 rounds", read)  # within a tenth of a second
            if "ndgrad lint" in text:
                assert ran.returncode == (3 if codes else 0), read
            else:
                assert (ran.returncode != 0) == any(code[0] == "E" for code in codes), read
            assert bool(read) == bool(codes), read
            return codes, read
        try:
            if catalogue.kind(example) == "python":
                exec(text, {})
            else:
                made = compile(text, "program.nd").run(bound_by={})
                return [found.code for found in made.warnings], render(made.warnings)
        except Error as error:
            codes = [found.code for found in error.diagnostics]
            is_python = catalogue.kind(example) == "python"
            return codes, f"{type(error).__name__}: {error}" if is_python else render(error.diagnostics)
        return [], ""

    return run


def block(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def section(entry: Entry, read: str) -> str:
    """The part of the page about one code."""
    language = LANGUAGES[catalogue.kind(entry.fails)]
    parts = [f"### {entry.code}: {entry.title}", entry.cause, "This fails:", block(language, entry.fails)]
    return "\n\n".join([*parts, block("text", read), "This works:", block(language, entry.works)]) + "\n"


def sections(page: str) -> dict[str, str]:
    """The parts of the page by code."""
    parts = re.split(r"^(?=##)", page, flags=re.MULTILINE)
    return {part[4:8]: part.rstrip() + "\n" for part in parts if part.startswith("### ")}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.code)
def test_the_example_fails_as_written_on_the_page(
    entry: Entry, outcome: Outcome, request: pytest.FixtureRequest
) -> None:
    codes, read = outcome(entry.fails)
    if request.config.getoption("--update"):
        replace(entry, section(entry, read))
    assert codes == [entry.code], read
    assert sections(PAGE.read_text("utf-8"))[entry.code] == section(entry, read)


def replace(entry: Entry, text: str) -> None:
    """Put the part about one code onto the page, and the page into the order of the codes."""
    parts = (sections(PAGE.read_text("utf-8")) if PAGE.exists() else {}) | {entry.code: text}
    page, group = HEAD, ""
    for one in ENTRIES:
        if one.code in parts:
            title = catalogue.group(one.code)
            page += f"\n## {title[0].upper()}{title[1:]}\n" if title != group else ""
            page += f"\n{parts[one.code]}"
            group = title
    PAGE.write_text(page, "utf-8")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.code)
def test_the_mended_example_runs(entry: Entry, outcome: Outcome) -> None:
    assert outcome(entry.works) == ([], "")


def test_the_catalogue_has_the_codes_of_the_builders() -> None:
    used = set()
    for layer in ("engine", "lang", "cli"):
        for path in (ROOT / layer).rglob("*.py"):
            if "catalogue" not in path.parts:
                used |= set(re.findall(r"\"([EW]\d{3})\"", path.read_text("utf-8")))
    assert sorted(used) == sorted(entry.code for entry in ENTRIES)


def test_the_page_has_the_codes_of_the_catalogue_in_order() -> None:
    page = PAGE.read_text("utf-8")
    assert page.startswith(HEAD)
    assert list(sections(page)) == [entry.code for entry in ENTRIES]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.code)
def test_an_entry_reads_well(entry: Entry) -> None:
    assert entry.title[0].islower() or entry.title.startswith(("JSON", ".npy"))
    assert not entry.title.endswith(".")
    assert entry.cause[0].isupper() or entry.cause[0] == "`"
    assert entry.cause.endswith(".")
    assert entry.fails != entry.works
    assert catalogue.kind(entry.fails) == catalogue.kind(entry.works)


def test_codes_are_found_in_any_case_and_near_ones_are_named() -> None:
    found = catalogue.entry("e301")
    assert found is not None
    assert found.code == "E301"
    assert catalogue.entry("E999") is None
    assert catalogue.near("e3011")[0] in ("E301", "E311")
    assert catalogue.near("hello") == []
