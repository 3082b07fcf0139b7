"""The cache of syntax trees: a second run needs no parser, and nothing in the folder can do harm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ndgrad.errors import Source
from ndgrad.lang import cache, syntax
from ndgrad.lang.parser import parse

TEXT = "input x: [n]\ndef f(a, b=2):\n    return a[1:, ...] ** -b if a < b < n else [a, 2.5]\ny = f(x, b=1).T @ inf\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ndgrad"


def test_trees_survive(folder: Path) -> None:
    source = Source("f.nd", TEXT)
    made = parse(source)
    read = cache.decode(cache.encode(made), source)
    assert read == made
    spans = [(a.span.start, a.span.end) for a in syntax.walk(made)]
    assert spans == [(a.span.start, a.span.end) for a in syntax.walk(read)]


def test_the_second_run_imports_no_parser(folder: Path) -> None:
    code = "import sys, ndgrad.lang as l; print(l.compile('y = 2 * x').run({'x': 3.0}).value, 'lark' in sys.modules)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert [run.stdout for run in runs] == ["6.0 True\n", "6.0 False\n"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]


def test_heavy_modules_stay_out(folder: Path) -> None:
    code = "import sys, ndgrad.lang.program; print({'lark', 'rich', 'scipy', 'sympy', 'typer'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("damage", [b"", b"x", b"x" * 100, None])
def test_a_damaged_file_is_written_anew(folder: Path, damage: bytes | None) -> None:
    source = Source("f.nd", TEXT)
    made = cache.tree_of(source)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-3] if damage is None else damage)
    assert cache.tree_of(source) == made
    assert path.read_bytes() == whole


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs file owners")
def test_a_file_that_others_can_write_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("f.nd", TEXT)
    cache.tree_of(source)
    (path,) = folder.iterdir()
    assert cache._read(str(path), source) is not None
    path.chmod(0o666)
    assert cache._read(str(path), source) is None
    path.chmod(0o600)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert cache._read(str(path), source) is None


def test_no_place_for_a_cache_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache.tree_of(Source("f.nd", TEXT)) == parse(Source("f.nd", TEXT))


def test_a_program_with_an_error_is_not_kept(folder: Path) -> None:
    with pytest.raises(Exception, match="E106"):
        cache.tree_of(Source("f.nd", "x = "))
    assert not folder.exists()
