"""`ndgrad run` and `ndgrad eval` as a user meets them: real processes, real pipes, whole messages."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
Run = Callable[..., subprocess.CompletedProcess[str]]
Shell = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the samples in it, some of them at its top."""
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    for name in ("f.nd", "g.nd", "x.npy", "head.npy"):
        shutil.copy(ROOT / "samples" / name, tmp_path)
    return tmp_path


def arrays(data: bytes) -> list[Any]:
    stream = io.BytesIO(data)
    found = []
    while stream.tell() < len(data):
        found.append(np.load(stream, allow_pickle=False))
    return found


# Pipes


def test_the_chain_rule_is_a_shell_pipeline(shell: Shell, folder: Path) -> None:
    ran = shell(
        "ndgrad run f.nd -i x=x.npy -o y.npy && "
        "ndgrad run g.nd -i y=y.npy --grad y --format npy | ndgrad run f.nd -i x=x.npy --grad x --head - --format npy",
        cwd=folder,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    np.testing.assert_array_equal(arrays(ran.stdout)[0], [[6, 36], [114, 264]])


def test_the_pipeline_works_in_json_too(shell: Shell, folder: Path) -> None:
    ran = shell(
        "ndgrad run f.nd -i x=x.npy | ndgrad run g.nd -i y=- --grad y | ndgrad run f.nd -i x=x.npy --grad x --head -",
        cwd=folder,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert json.loads(ran.stdout)["grads"] == {"x": [[6, 36], [114, 264]]}


def test_an_array_comes_through_standard_input_and_leaves_as_npy(shell: Shell, folder: Path) -> None:
    line = "cat x.npy | ndgrad run samples/head.nd -i x=- --grad x --head head.npy --format npy > g.npy"
    ran = shell(line, cwd=folder)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
    np.testing.assert_allclose(np.load(folder / "g.npy"), [[40, 8], [1.2, 0.16]], rtol=1e-15)


@pytest.mark.parametrize("given", ["1 2 3", "1\\n2\\n3", "[1, 2, 3]", "x\\n1\\n2\\n3"])
def test_standard_input_tells_its_kind(shell: Shell, given: str) -> None:
    ran = shell(f"printf '{given}\\n' | ndgrad eval 'sum(x ** 2)' -i x=- --grad x --format plain")
    assert (ran.stdout, ran.stderr) == (b"2 4 6\n", b"")


def test_npy_writes_the_gradients_in_the_order_asked(shell: Shell) -> None:
    ran = shell("ndgrad eval 'x * w' -i x=2 -i w=[3,4] --grad w,x --format npy")
    found = arrays(ran.stdout)
    np.testing.assert_array_equal(found[0], [2, 2])
    np.testing.assert_array_equal(found[1], 7)


def test_npy_writes_the_value_where_no_gradient_is_asked(shell: Shell) -> None:
    np.testing.assert_array_equal(arrays(shell("ndgrad eval 'x * 2' -i x=[3,4] --format npy").stdout)[0], [6, 8])


def test_a_program_comes_through_standard_input(ndgrad: Run) -> None:
    ran = ndgrad("run", "-", "-i", "x=3", "--grad", "x", "--format", "plain", stdin=b"y = x ** 2\n")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "6\n", "")


def test_a_closed_pipe_ends_quietly(shell: Shell) -> None:
    line = "set -o pipefail; ndgrad eval 'x * 2 + zeros([1000, 1000])' -i x=1 --format plain | head -1 | head -c 3"
    ran = shell(line)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"2 2", b"")


def test_help_into_a_closed_pipe_ends_quietly(shell: Shell) -> None:
    assert shell("ndgrad run -h | true").stderr == b""


def test_closed_streams_are_said(shell: Shell) -> None:
    ran = shell("ndgrad eval 'x * 2' -i x=- <&-")
    assert (ran.returncode, ran.stderr) == (1, b"error[E602]: cannot read standard input: it is closed\n")
    ran = shell("ndgrad eval 'x * 2' -i x=1 >&-")
    assert (ran.returncode, ran.stderr) == (1, b"ndgrad: standard output is closed\n")
    assert shell("ndgrad eval 'x' 2>&-").returncode == 1


def test_an_endless_loop_reaches_a_limit(ndgrad: Run) -> None:
    ran = ndgrad("eval", "while True: pass", "--max-steps", "20000")
    assert (ran.returncode, ran.stdout) == (4, "")
    assert ran.stderr.startswith("error[E504]: ")


def test_a_full_device_is_said(shell: Shell) -> None:
    ran = shell("ndgrad eval 'x * 2' -i x=1 > /dev/full")
    assert ran.returncode == 1
    assert ran.stderr == b"ndgrad: cannot write to standard output: No space left on device\n"


# Results


def test_json_holds_everything_about_a_run(ndgrad: Run) -> None:
    ran = ndgrad("run", "samples/branch.nd", "--grad", "a")
    result = json.loads(ran.stdout)
    assert result.pop("seconds") > 0
    assert result == {
        "schema": 1,
        "program": "samples/branch.nd",
        "value": [[2, 4], [6, 8]],
        "outputs": {"b": [[2, 4], [6, 8]]},
        "of": "b",
        "grads": {"a": [[2, 2], [2, 2]]},
        "shapes": {"a": [2, 2], "b": [2, 2]},
        "dtypes": {"a": "float64", "b": "float64"},
        "path": [{"line": 8, "condition": "sum(a) < 15", "compared": "10 < 15", "taken": True, "rounds": None}],
    }


def test_json_spells_nan_and_infinities(ndgrad: Run) -> None:
    ran = ndgrad("eval", "x * 1", "-i", "x=[nan, inf, -inf, 0.1]")
    assert json.loads(ran.stdout)["value"] == ["nan", "inf", "-inf", 0.1]


def test_all_digits_go_through_text_and_back(ndgrad: Run) -> None:
    ran = ndgrad("eval", "x / 3", "-i", "x=[1, 2e300, 7e-320]", "--format", "plain")
    assert [float(v) for v in ran.stdout.split()] == [1 / 3, 2e300 / 3, 7e-320 / 3]


def test_float32_is_computed_in_float32(ndgrad: Run) -> None:
    result = json.loads(ndgrad("eval", "x ** 2", "-i", "x=[0.1]", "--grad", "all", "--dtype", "float32").stdout)
    assert result["dtypes"] == {"x ** 2": "float32", "x": "float32"}
    assert result["grads"] == {"x": [float(np.float32(0.2))]}


def test_a_head_is_broadcast(ndgrad: Run) -> None:
    ran = ndgrad("eval", "x * 2", "-i", "x=[1, 2]", "--grad", "x", "--head", "3", "--format", "plain")
    assert ran.stdout == "6 6\n"


def test_of_names_what_is_differentiated(ndgrad: Run) -> None:
    text = "y = x ** 2; z = y ** 3; output z"
    ran = ndgrad("eval", text, "-i", "x=3", "--grad", "x", "--of", "y", "--format", "plain")
    assert ran.stdout == "6\n"


def test_precision_shortens_text(ndgrad: Run) -> None:
    assert ndgrad("eval", "x / 3", "-i", "x=[1, 2]", "--format", "plain", "--precision", "3").stdout == "0.333 0.667\n"


def test_print_and_warnings_go_to_standard_error(ndgrad: Run) -> None:
    ran = ndgrad("eval", "print(x); x * 2", "-i", "x=3", "-i", "w=1", "--format", "plain")
    assert ran.stdout == "6\n"
    assert ran.stderr.splitlines()[-1] != ""
    assert "warning[W201]: the program never uses `w` (bound by -i w=1)" in ran.stderr


# Files


@pytest.mark.parametrize("name", ["g.npy", "g.json", "g.txt", "with space.npy", "ü.npy"])
def test_the_name_of_the_output_chooses_the_format(ndgrad: Run, folder: Path, name: str) -> None:
    ran = ndgrad("run", "f.nd", "-i", "x=x.npy", "--grad", "x", "-o", name, cwd=folder)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    again = ndgrad("eval", "x * 1", "-i", f"x=@{name}", "--format", "plain", cwd=folder)
    assert again.stdout == "2 4\n6 8\n"
    (folder / "new").touch()
    assert (folder / name).stat().st_mode == (folder / "new").stat().st_mode
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["x=y.npy", "a:b.npy", "-.npy", "[1].npy"])
def test_files_of_any_name_can_be_inputs(ndgrad: Run, folder: Path, name: str) -> None:
    (folder / "x.npy").rename(folder / name)
    assert ndgrad("run", "f.nd", "-i", f"x=@{name}", cwd=folder).returncode == 0


def test_an_input_is_never_overwritten(ndgrad: Run, folder: Path) -> None:
    before = (folder / "x.npy").read_bytes()
    ran = ndgrad("run", "f.nd", "-i", "x=x.npy", "-o", "./x.npy", cwd=folder)
    assert ran.returncode == 1
    assert ran.stderr == (
        "error[E621]: ./x.npy is not overwritten: it is the input `x` of this run\n  = help: choose another -o\n"
    )
    assert (folder / "x.npy").read_bytes() == before


def test_a_failed_run_leaves_the_old_output(ndgrad: Run, folder: Path) -> None:
    (folder / "y.npy").write_bytes(b"old")
    assert ndgrad("eval", "x @ x @ y", "-i", "x=x.npy", "-i", "y=[1]", "-o", "y.npy", cwd=folder).returncode == 1
    assert (folder / "y.npy").read_bytes() == b"old"


def test_an_output_that_cannot_be_written_is_said(ndgrad: Run) -> None:
    ran = ndgrad("eval", "x", "-i", "x=1", "-o", "nowhere/y.npy")
    assert (ran.returncode, ran.stderr) == (1, "error[E620]: cannot write nowhere/y.npy: no such file or directory\n")


# Diagnostics


TYPO = """\
error[E202]: there is no function `sin2`
  ┌─ typo.nd:2:5
  │
2 │ y = sin2(x)
  │     ────
  = help: did you mean `sin`?
"""
SHAPE = """\
error[E301]: the shapes of `*` do not go together
  ┌─ shape.nd:1:5
  │
1 │ y = x * w
  │     ┬   ┬
  │     │   shape 3
  │     shape 2×2
  = help: x was bound by -i x=x.npy; w was bound by -i w=[1, 2, 3]; read from the last axis, \
2 meets 3; x[:, None] inserts an axis
"""
MISSING = """\
error[E602]: cannot read nowhere.npy: no such file or directory
"""
HEAD = """\
error[E404]: the head is of shape 3, the output `y` is of shape 2×2
  ┌─ square.nd:1:1
  │
1 │ y = x ** 2
  │ ┬
  │ `y` is of shape 2×2
  = help: the head is the gradient arriving from above: it needs the output's shape
"""
CASES = {
    "typo": ("x = 1\ny = sin2(x)\n", [], TYPO),
    "shape": ("y = x * w\n", ["-i", "x=x.npy", "-i", "w=[1, 2, 3]"], SHAPE),
    "missing": ("y = x ** 2\n", ["-i", "x=nowhere.npy"], MISSING),
    "square": ("y = x ** 2\n", ["-i", "x=x.npy", "--grad", "x", "--head", "[1, 2, 3]"], HEAD),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_gives_one_clear_diagnostic(ndgrad: Run, folder: Path, name: str) -> None:
    text, arguments, expected = CASES[name]
    (folder / f"{name}.nd").write_text(text)
    ran = ndgrad("run", f"{name}.nd", *arguments, cwd=folder)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == expected


def test_a_missing_program_is_said(ndgrad: Run) -> None:
    ran = ndgrad("run", "nowhere.nd")
    assert (ran.returncode, ran.stderr) == (1, "error[E602]: cannot read nowhere.nd: no such file or directory\n")


def test_a_literal_is_shown_where_it_is_wrong(ndgrad: Run) -> None:
    ran = ndgrad("eval", "x * 2", "-i", "x=[1, 2, oops]")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert (
        ran.stderr
        == """\
error[E612]: this value cannot be read
  ┌─ -i x:1:8
  │
1 │ [1, 2, oops]
  │        ───┬
  │        this is no number
  = help: numbers and nested lists can be given: 3, [1, 2.5], [[1, nan], [-inf, 4]]
"""
    )


def test_errors_are_objects_under_format_json(ndgrad: Run) -> None:
    ran = ndgrad("eval", "x + y", "-i", "x=1", "--format", "json")
    error = json.loads(ran.stdout)["error"]
    assert (ran.returncode, ran.stderr) == (1, "")
    assert error["code"][0] == "E"
    assert error["spans"][0]["text"] == "y"
    assert set(error) == {"code", "message", "spans", "help"}


def test_debug_shows_the_traceback(ndgrad: Run) -> None:
    ran = ndgrad("eval", "x +", "-i", "x=1", "--debug")
    assert "Traceback" in ran.stderr
    assert ran.returncode == 1


# Wrong usage


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["rn", "f.nd"], "ndgrad: no such command: rn; did you mean run? (ndgrad -h shows what there is)"),
        (["frobnicate"], "ndgrad: no such command: frobnicate (ndgrad -h shows what there is)"),
        (["run", "f.nd", "--hed", "1"],
         "ndgrad run: no such option: --hed; did you mean --head or --hess or --seed? "
         "(ndgrad run -h shows what there is)"),
        (["run", "f.nd", "--xyz"], "ndgrad run: no such option: --xyz (ndgrad run -h shows what there is)"),
        (["run", "f.nd", "-i", "x"], "ndgrad: -i x: an input is given as NAME=VALUE (ndgrad -h shows what there is)"),
        (["run", "-", "-i", "x=-", "--head", "-:g"],
         "ndgrad: standard input is the program, and cannot be read for -i x=- and --head -:g "
         "(ndgrad -h shows what there is)"),
        (["run", "f.nd", "-i", "x=1", "-i", "x=2"], "ndgrad: -i x=… is given twice (ndgrad -h shows what there is)"),
        (["run", "f.nd", "-o", "y.png"], "ndgrad: -o y.png: the name says no format to write; name it "
         ".txt, .json, .npy, .npz, .csv, .safetensors, or add --format (ndgrad -h shows what there is)"),
        (["run", "f.nd", "--grad", "x,y", "-o", "g.npy"], "ndgrad: a .npy file holds one array; ask for one gradient, "
         "or write .npz or .json (ndgrad -h shows what there is)"),
        (["run", "f.nd", "--format", "xml"], "ndgrad run: invalid value for '--format': 'xml' is not one of "
         "'table', 'plain', 'json', 'npy', 'npz', 'csv', 'safetensors' (ndgrad run -h shows what there is)"),
        (["explain", "f.nd"], "ndgrad: explain needs --grad NAME: the input to differentiate by "
         "(ndgrad -h shows what there is)"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_clear_line(ndgrad: Run, arguments: list[str], expected: str) -> None:
    ran = ndgrad(*arguments)
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", expected + "\n")


@pytest.mark.parametrize("arguments", [[], ["run"], ["eval"], ["explain"], ["fmt"]])
def test_no_arguments_show_the_help(ndgrad: Run, arguments: list[str]) -> None:
    ran = ndgrad(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(" ".join(["Usage: ndgrad", *arguments, "[OPTIONS]"]))


@pytest.mark.parametrize("arguments", [[], ["run"], ["eval"], ["explain"], ["fmt"]])
def test_help_is_plain_in_a_pipe_and_ends_with_examples(ndgrad: Run, arguments: list[str]) -> None:
    short, long = ndgrad(*arguments, "-h"), ndgrad(*arguments, "--help")
    assert short.stdout == long.stdout
    assert short.returncode == 0
    assert re.findall(r"^  ndgrad (run|eval|explain|fmt) ", short.stdout, re.MULTILINE)[1:]
    assert max(map(len, short.stdout.splitlines())) <= 80
    assert "\x1b" not in short.stdout


@pytest.mark.parametrize("name", ["run", "eval", "explain", "fmt"])
def test_the_examples_of_the_help_run_as_they_stand(ndgrad: Run, shell: Shell, tmp_path: Path, name: str) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    text = ndgrad(name, "-h").stdout
    for example in re.findall(r"^  (ndgrad .*)$", text[text.index("Examples:") :], re.MULTILINE):
        ran = shell(example, cwd=tmp_path)
        assert (ran.returncode, ran.stderr) == (0, b""), example


# The terminal


def test_a_terminal_shows_a_table(terminal: Callable[..., str]) -> None:
    seen = terminal("ndgrad run samples/branch.nd --grad a")
    assert (
        re.sub(r"[\d.]+ ms", "T", seen)
        == """\
b  2×2 float64
  ⎡ 2  4 ⎤
  ⎣ 6  8 ⎦

db/da  2×2 float64
  ⎡ 2  2 ⎤
  ⎣ 2  2 ⎦

path  line 8: sum(a) < 15 → 10 < 15, true
time  T
"""
    )


@pytest.mark.parametrize("columns", [40, 80])
def test_a_table_fits_the_terminal(terminal: Callable[..., str], columns: int) -> None:
    seen = terminal("ndgrad eval 'x * 1e10 / 3' -i x=x.npy", cwd=_wide(), columns=columns)
    assert max(map(len, seen.splitlines())) <= columns
    assert "min -" in seen


def _wide() -> Path:
    import tempfile

    folder = Path(tempfile.mkdtemp())
    np.save(folder / "x.npy", np.random.default_rng(0).standard_normal((100, 100)))
    return folder


def test_colours_come_on_a_terminal_and_go_with_no_color(terminal: Callable[..., str]) -> None:
    line = "ndgrad eval 'x * 2' -i x=[1,2] --grad x; ndgrad eval 'y'"
    assert "\x1b[" in terminal(line, NO_COLOR="")
    assert "\x1b[" not in terminal(line, NO_COLOR="1")
    assert "\x1b[" not in terminal(line, NO_COLOR="", TERM="dumb")


def test_colours_can_be_forced(ndgrad: Run) -> None:
    assert "\x1b[1;31m" in ndgrad("eval", "y", FORCE_COLOR="1").stderr
    assert "\x1b[" not in ndgrad("eval", "y", FORCE_COLOR="1", NO_COLOR="1").stderr


def test_binary_does_not_go_to_a_terminal(terminal: Callable[..., str]) -> None:
    seen = terminal("ndgrad eval 'x' -i x=1 --format npy; echo $?", columns=200)
    assert seen == (
        "ndgrad: --format npy is binary and does not go to a terminal; add -o FILE, or redirect "
        "(ndgrad -h shows what there is)\n2\n"
    )


def test_a_stream_without_unicode_gets_ascii(ndgrad: Run) -> None:
    ran = ndgrad("run", "samples/branch.nd", "--grad", "a", "--format", "table", PYTHONIOENCODING="ascii")
    assert ran.returncode == 0
    assert ran.stdout.isascii()
    assert "path  line 8: sum(a) < 15 -> 10 < 15, true" in ran.stdout
    assert ndgrad("explain", "samples/chain.nd", "--grad", "x", PYTHONIOENCODING="ascii").stdout.isascii()


# Start-up


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--version"], {"lark", "rich", "scipy", "sympy", "typer", "numpy"}),
        (["--help"], {"lark", "rich", "scipy", "sympy", "numpy"}),
        (["run", "--help"], {"lark", "rich", "scipy", "sympy", "numpy"}),
        (["fmt", "--check", "samples"], {"rich", "scipy", "sympy", "numpy"}),
        (["run", "samples/chain.nd", "--grad", "x"], {"lark", "rich", "scipy", "sympy", "dataclasses"}),
        (["run", "samples/head.nd", "-i", "x=samples/x.npy", "--grad", "x", "--format", "npy"],
         {"lark", "rich", "scipy", "sympy"}),
    ],
)  # fmt: skip
def test_heavy_packages_stay_out(
    ndgrad: Run, environment: dict[str, str], arguments: list[str], unwanted: set[str]
) -> None:
    ndgrad(*arguments)
    code = (
        "import sys, ndgrad.cli.main as m; code = m.status(sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, cwd=ROOT, env=environment, check=True
    )
    assert unwanted & set(ran.stderr.decode().split()) == set()


def test_an_interrupt_ends_with_130(command: list[str], environment: dict[str, str]) -> None:
    import signal

    process = subprocess.Popen(
        [*command, "eval", "print(1)\nwhile x > 0:\n    x = x + 1", "-i", "x=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_the_module_runs_as_the_command_does(environment: dict[str, str]) -> None:
    line = [sys.executable, "-m", "ndgrad", "--version"]
    assert subprocess.run(line, capture_output=True, env=environment, check=True).stdout.startswith(b"ndgrad ")
