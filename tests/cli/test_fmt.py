"""`ndgrad fmt` as a user meets it: which files change, which stay as they are, and what is said about it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ndgrad.cli.formatting import Formatting
from ndgrad.lang.wrapping import Line

ROOT = Path(__file__).parent.parent.parent
Run = Callable[..., subprocess.CompletedProcess[str]]
Shell = Callable[..., subprocess.CompletedProcess[bytes]]

ROUGH = b"x=1 # one\ny = [1,\n 2]"
NEAT = b"x = 1  # one\ny = [1, 2]\n"
DIFF = """\
--- a.nd
+++ a.nd
@@ -1,3 +1,2 @@
-x=1 # one
-y = [1,
- 2]
\\ No newline at end of file
+x = 1  # one
+y = [1, 2]
"""


@pytest.fixture
def rough(tmp_path: Path) -> Path:
    """The file a.nd, alone in its folder."""
    path = tmp_path / "a.nd"
    path.write_bytes(ROUGH)
    return path


def test_a_file_is_rewritten_once(ndgrad: Run, rough: Path) -> None:
    ran = ndgrad("fmt", "a.nd", cwd=rough.parent)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "reformatted a.nd\n")
    assert rough.read_bytes() == NEAT
    before = rough.stat()
    ran = ndgrad("fmt", "a.nd", cwd=rough.parent)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert (rough.stat().st_ino, rough.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_check_names_what_would_change_and_writes_nothing(ndgrad: Run, rough: Path) -> None:
    (rough.parent / "b.nd").write_bytes(NEAT)
    ran = ndgrad("fmt", "--check", "a.nd", "b.nd", "-", cwd=rough.parent, stdin=ROUGH)
    said = "would reformat a.nd\nwould reformat standard input\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (3, "", said)
    assert rough.read_bytes() == ROUGH
    ran = ndgrad("fmt", "--check", "b.nd", cwd=rough.parent)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_diff_shows_what_would_change_and_writes_nothing(ndgrad: Run, rough: Path) -> None:
    ran = ndgrad("fmt", "--diff", "a.nd", cwd=rough.parent)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, DIFF, "")
    ran = ndgrad("fmt", "--diff", "--check", "a.nd", cwd=rough.parent)
    assert (ran.returncode, ran.stdout, ran.stderr) == (3, DIFF, "would reformat a.nd\n")
    assert rough.read_bytes() == ROUGH


def test_a_diff_has_colours_where_the_stream_has_them(ndgrad: Run, rough: Path) -> None:
    coloured = ndgrad("fmt", "--diff", "a.nd", cwd=rough.parent, FORCE_COLOR="1").stdout.splitlines()
    assert coloured[0] == "\x1b[1m--- a.nd\x1b[0m"
    assert coloured[3] == "\x1b[31m-x=1 # one\x1b[0m"
    assert coloured[7] == "\x1b[32m+x = 1  # one\x1b[0m"


@pytest.mark.parametrize("rough_bytes", [ROUGH, ROUGH.replace(b"\n", b"\r\n"), "x='é'#ü\n".encode()])
def test_a_diff_is_a_patch(ndgrad: Run, shell: Shell, tmp_path: Path, rough_bytes: bytes) -> None:
    path = tmp_path / "a.nd"
    path.write_bytes(rough_bytes)
    wanted = shell("ndgrad fmt - < a.nd", cwd=tmp_path).stdout
    assert shell("ndgrad fmt --diff a.nd > a.patch && git apply a.patch", cwd=tmp_path).stderr == b""
    assert path.read_bytes() == wanted != rough_bytes


def test_standard_input_becomes_standard_output(shell: Shell, rough: Path) -> None:
    ran = shell("ndgrad fmt - < a.nd", cwd=rough.parent)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, NEAT, b"")
    assert rough.read_bytes() == ROUGH
    ran = shell("ndgrad fmt - </dev/null", cwd=rough.parent)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")


def test_a_wrong_program_stays_and_the_others_are_formatted(ndgrad: Run, rough: Path) -> None:
    wrong = rough.with_name("0.nd")
    wrong.write_bytes(b"x = 1 +\n")
    bytes_ = rough.with_name("1.nd")
    bytes_.write_bytes(b"\xff\xfe")
    ran = ndgrad("fmt", "0.nd", "1.nd", "2.nd", "a.nd", cwd=rough.parent)
    assert (ran.returncode, ran.stdout) == (1, "")
    said = [line for line in ran.stderr.splitlines() if line.startswith(("error", "reformatted"))]
    assert said[0].startswith("error[E1")
    assert said[1:] == [
        "error[E603]: 1.nd is not a text in UTF-8",
        "error[E602]: cannot read 2.nd: no such file or directory",
        "reformatted a.nd",
    ]
    assert (wrong.read_bytes(), bytes_.read_bytes(), rough.read_bytes()) == (b"x = 1 +\n", b"\xff\xfe", NEAT)
    ran = ndgrad("fmt", "-", stdin=b"x = (\n")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "┌─ standard input:1:5\n" in ran.stderr


def test_a_wrong_program_outweighs_a_check(ndgrad: Run, rough: Path) -> None:
    rough.with_name("b.nd").write_bytes(b"x = 1 +\n")
    assert ndgrad("fmt", "--check", "a.nd", "b.nd", cwd=rough.parent).returncode == 1


def test_folders_are_searched_for_programs(ndgrad: Run, rough: Path) -> None:
    for name in ("b/c.nd", "b/d.txt", "b/.hidden/e.nd", ".venv/f.nd"):
        path = rough.parent / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(ROUGH)
    ran = ndgrad("fmt", "--check", ".", "a.nd", "b/c.nd", cwd=rough.parent)
    assert (ran.returncode, ran.stderr) == (3, "would reformat a.nd\nwould reformat b/c.nd\n")
    ran = ndgrad("fmt", "--check", "b/.hidden", cwd=rough.parent)
    assert (ran.returncode, ran.stderr) == (3, "would reformat b/.hidden/e.nd\n")
    (rough.parent / "empty").mkdir()
    ran = ndgrad("fmt", "empty", cwd=rough.parent)
    assert (ran.returncode, ran.stderr) == (0, "there are no programs (*.nd) in empty\n")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark_stay(ndgrad: Run, tmp_path: Path, end: bytes, mark: bytes) -> None:
    path = tmp_path / "a.nd"
    path.write_bytes(mark + ROUGH.replace(b"\n", end))
    assert ndgrad("fmt", path).returncode == 0
    assert path.read_bytes() == mark + NEAT.replace(b"\n", end)
    assert ndgrad("fmt", "--check", path).returncode == 0


def test_mixed_line_ends_become_those_of_the_first_line(ndgrad: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.nd"
    path.write_bytes(b"x = 1\r\ny = 2\n")
    ndgrad("fmt", path)
    assert path.read_bytes() == b"x = 1\r\ny = 2\r\n"


def test_the_permissions_stay(ndgrad: Run, rough: Path) -> None:
    rough.chmod(0o750)
    assert ndgrad("fmt", rough).returncode == 0
    assert (rough.stat().st_mode & 0o7777, rough.read_bytes()) == (0o750, NEAT)


def test_a_read_only_file_stays(ndgrad: Run, rough: Path) -> None:
    rough.chmod(0o444)
    ran = ndgrad("fmt", "a.nd", cwd=rough.parent)
    assert (ran.returncode, ran.stderr) == (1, "error[E620]: cannot write a.nd: it is read-only\n")
    assert (rough.stat().st_mode & 0o7777, rough.read_bytes()) == (0o444, ROUGH)
    assert ndgrad("fmt", "--check", "a.nd", cwd=rough.parent).returncode == 3


def test_a_symbolic_link_stays_one(ndgrad: Run, rough: Path) -> None:
    folder = rough.parent / "links"
    folder.mkdir()
    link = folder / "link.nd"
    link.symlink_to(rough)
    assert ndgrad("fmt", link).returncode == 0
    assert (link.is_symlink(), rough.read_bytes()) == (True, NEAT)
    assert os.listdir(folder) == ["link.nd"]


def test_a_pipe_is_not_written_to(shell: Shell, rough: Path) -> None:
    ran = shell("ndgrad fmt <(cat a.nd)", cwd=rough.parent)
    assert ran.returncode == 1
    assert b"it is no regular file; - stands for standard input" in ran.stderr
    assert shell("ndgrad fmt --diff <(cat a.nd)", cwd=rough.parent).stdout.splitlines()[-1] == b"+y = [1, 2]"


def test_a_write_that_fails_leaves_the_file(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "a.nd"
    path.write_bytes(b"x=1\n" * 2000)
    ran = shell("ulimit -f 4; ndgrad fmt a.nd", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (1, b"error[E620]: cannot write a.nd: file too large\n")
    assert path.read_bytes() == b"x=1\n" * 2000
    assert os.listdir(tmp_path) == ["a.nd"]


def test_an_interrupted_write_leaves_the_file(rough: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*paths: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Formatting(check=False, diff=False).run([str(rough)])
    assert rough.read_bytes() == ROUGH
    assert os.listdir(rough.parent) == ["a.nd"]


def test_what_would_change_the_meaning_is_never_written(rough: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ndgrad.lang.formatting.wrapped", lambda leaves, depth: [Line(depth, "x = 2")])
    with pytest.raises(RuntimeError, match="would change what it says"):
        Formatting(check=False, diff=False).run([str(rough)])
    assert rough.read_bytes() == ROUGH


def test_the_samples_are_formatted(ndgrad: Run) -> None:
    ran = ndgrad("fmt", "--check", "samples")
    assert (ran.returncode, ran.stderr) == (0, "")
