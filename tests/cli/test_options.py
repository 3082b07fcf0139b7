"""Every option of `run` and `eval` does what its help says, alone and with the others."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndgrad.cli import progress

ROOT = Path(__file__).parent.parent.parent
Run = Callable[..., subprocess.CompletedProcess[str]]
Shell = Callable[..., subprocess.CompletedProcess[bytes]]
Said = Callable[..., tuple[int, str, str]]


def result(said: tuple[int, str, str]) -> dict[str, Any]:
    assert said[0] == 0, said
    found: dict[str, Any] = json.loads(said[1])
    return found


def arrays(data: bytes) -> list[Any]:
    stream = io.BytesIO(data)
    found = []
    while stream.tell() < len(data):
        found.append(np.load(stream, allow_pickle=False).tolist())
    return found


def test_every_option_is_on_the_page_of_the_command(said: Said) -> None:
    page = (ROOT / "docs" / "commands" / "run.md").read_text("utf-8")
    options = {name: set(re.findall(r"--[a-z][a-z-]+", said(name, "-h")[1])) for name in ("run", "eval")}
    assert options["run"] == options["eval"]
    assert [option for option in sorted(options["run"] - {"--help"}) if option not in page] == []


def test_everything_that_can_be_found_before_a_run_comes_at_once(said: Said) -> None:
    code, _, read = said("eval", "input w\ny = foo + frob(w)\nz = sin(k, 3)", "-i", "k=2")
    assert code == 1
    assert re.findall(r"error\[(\w+)\]", read) == ["E203", "E201", "E202", "E204"]


def test_nan_is_said_on_standard_error_alone_and_of_records_once(said: Said) -> None:
    code, out, read = said("eval", "y = log(x)", "-i", "x=-1")
    assert (code, list(json.loads(out))[:3], read.count("W403")) == (0, ["schema", "program", "value"], 1)
    assert "W403" not in out
    assert "W403" not in said("eval", "y = log(x)", "-i", "x=-1", "--nan-check")[2]
    code, out, read = said("eval", "y = log(x)", "-i", "x=[1, -1, -2]", "--each", "x")
    assert (code, out.count("\n"), read.count("W403")) == (0, 3, 1)


def test_a_long_run_says_on_a_terminal_how_far_it_is(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    text = "b = 1\nprint(b)\nwhile b < 8000000: b = b + 1"
    code, out, read = said("eval", text, "--format", "plain")
    assert (code, out) == (0, "8000000\n")
    assert re.fullmatch(
        r"1\n(\r[\d,]+ of at most 10,000,000 rounds and calls; Ctrl-C ends the run\x1b\[K)+\r\x1b\[K", read
    )


# Derivatives


def test_jac_gives_the_jacobian(said: Said) -> None:
    found = result(said("eval", "y = x * x[0]", "-i", "x=[2, 3]", "--jac", "x"))
    assert found["jacobians"] == {"x": [[4, 0], [3, 2]]}
    assert found["grads"] == {}


def test_hess_gives_the_hessian_weighed_by_the_head(said: Said) -> None:
    line = "eval", "y = x ** 3", "-i", "x=[1, 2]", "--hess", "x"
    assert result(said(*line))["hessians"] == {"x": [[6, 0], [0, 12]]}
    assert result(said(*line, "--head", "[1, 10]"))["hessians"] == {"x": [[6, 0], [0, 120]]}


def test_jvp_follows_directions_together(said: Said) -> None:
    line = "eval", "y = x * w", "-i", "x=[1, 2]", "-i", "w=3", "--jvp", "x=[1, 0]"
    assert result(said(*line))["jvp"] == [3, 0]
    assert result(said(*line, "--jvp", "w=1"))["jvp"] == [4, 2]


def test_hvp_follows_directions_together(said: Said) -> None:
    line = "eval", "y = x ** 2 * w", "-i", "x=2", "-i", "w=3", "--hvp", "x=1"
    assert result(said(*line))["hvp"] == {"x": 6}
    assert result(said(*line, "--hvp", "w=1"))["hvp"] == {"x": 10, "w": 4}


def test_head_of_weighs_several_outputs(said: Said) -> None:
    line = "eval", "output a = x ** 2, b = 3 * x", "-i", "x=[1, 2]", "--grad", "x"
    found = result(said(*line, "--head-of", "a=1", "--head-of", "b=[1, 10]"))
    assert (found["of"], found["grads"]) == ("a, b", {"x": [5, 34]})


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_mode_changes_the_way_and_not_the_result(mode: str, said: Said) -> None:
    line = "run", "samples/branch.nd", "--grad", "a", "--jac", "a", "--mode", mode
    found = result(said(*line))
    assert found["grads"] == {"a": [[2, 2], [2, 2]]}
    assert np.array(found["jacobians"]["a"]).sum() == 8


def test_the_derivatives_come_in_order_where_names_do_not_go(said: Said, tmp_path: Path) -> None:
    line = "eval", "y = x ** 2", "-i", "x=[1, 2]", "--grad", "x", "--jac", "x", "--hvp", "x=1", "--jvp", "x=1"
    path = tmp_path / "g.npz"
    assert said(*line, "-o", str(path))[0] == 0
    with np.load(path) as archive:
        assert list(archive) == ["x", "jac.x", "jvp", "hvp.x"]
    assert said(*line, "--format", "plain")[1] == "2 4\n\n2 0\n0 4\n\n2 4\n\n2 2\n"


def test_the_table_names_every_derivative(said: Said) -> None:
    line = "eval", "y = x ** 2", "-i", "x=3", "--grad", "x", "--jac", "x", "--hess", "x", "--hvp", "x=1", "--jvp", "x=1"
    _, out, _ = said(*line, "--format", "table")
    assert out.splitlines()[:6] == [
        "y = 9  float64",
        "dy/dx = 6  float64",
        "∂y/∂x = 6  float64",
        "∂²y/∂x² = 2  float64",
        "dy along the direction = 6  float64",
        "d(dy/dx) along the direction = 2  float64",
    ]


# Random numbers and layers


def test_seed_repeats_random_numbers(said: Said) -> None:
    line = "eval", "y = random_normal(shape=(3,)) * x", "-i", "x=1"
    first, again, other = (result(said(*line, "--seed", seed))["value"] for seed in ("1", "1", "2"))
    assert first == again != other


def test_train_and_predict_switch_layers(said: Said) -> None:
    line = "eval", "y = dropout(x, 0.5)", "-i", "x=[1,1,1,1,1,1,1,1]", "--grad", "x", "--seed", "0"
    assert set(result(said(*line, "--train"))["grads"]["x"]) == {0, 2}
    assert set(result(said(*line, "--predict"))["grads"]["x"]) == {1}
    assert set(result(said(*line))["grads"]["x"]) == {1}


# Checks

NAN = """\
error[E801]: `log(x - 1)` gives -inf
  ┌─ <text>:1:5
  │
1 │ x * log(x - 1)
  │     ────────┬┬
  │         0 there
  │     gives -inf at [2]
"""


def test_nan_check_names_the_operation_with_code_3(said: Said) -> None:
    line = "eval", "x * log(x - 1)", "-i", "x=[3,2,1]"
    code, out, err = said(*line, "--nan-check")
    assert (code, out) == (3, "")
    assert err == NAN
    assert result(said(*line))["value"][2] == "-inf"
    code, out, err = said(*line, "--nan-check", "--format", "json")
    assert (code, json.loads(out)["error"]["code"], err) == (3, "E801", "")


# What is shown


def test_stats_go_to_standard_error_or_into_json(said: Said) -> None:
    line = "eval", "y = sin(x) * x", "-i", "x=3", "--grad", "x", "--stats"
    code, out, err = said(*line, "--format", "plain")
    assert (code, out) == (0, "-2.828857481741469\n")
    assert err.startswith("stats  ")
    assert " ms · 2 operations recorded · " in err
    stats = result(said(*line, "--format", "json"))["stats"]
    assert stats["operations"] == 2
    assert stats["peak_memory"] > 1 << 20
    assert stats["seconds"] > 0


@pytest.fixture
def big(tmp_path: Path) -> tuple[str, ...]:
    """A line that computes with a large array."""
    np.save(tmp_path / "x.npy", np.full(1_000_000, 0.5))
    return "eval", "sum(exp(x) * x)", "-i", f"x={tmp_path / 'x.npy'}", "--grad", "x", "-o", str(tmp_path / "o.json")


@pytest.mark.parametrize("threads", [1, 3])
def test_stats_say_what_was_fused_on_how_many_threads(threads: int, said: Said, big: tuple[str, ...]) -> None:
    assert said(*big, "--stats", "--threads", str(threads))[0] == 0
    stats = json.loads(Path(big[-1]).read_text("utf-8"))["stats"]
    fused = stats["fused"]
    assert list(fused) == ["groups", "operations", "passes", "tiles", "threads"]
    assert fused["threads"] == threads
    assert fused["groups"] >= 1
    assert fused["operations"] >= 3
    assert fused["passes"] <= 3
    assert fused["tiles"] >= threads * fused["passes"]
    err = said(*big[:-2], "--stats", "--threads", str(threads), "--format", "plain")[2]
    assert " fused into " in err
    assert f" on {threads} thread{'s' if threads > 1 else ''} · " in err


def test_threads_come_from_the_environment_unless_asked_for(ndgrad: Run, big: tuple[str, ...]) -> None:
    for more, threads in (((), 3), (("--threads", "2"), 2)):
        assert ndgrad(*big, "--stats", *more, NDGRAD_THREADS="3").returncode == 0
        assert json.loads(Path(big[-1]).read_text("utf-8"))["stats"]["fused"]["threads"] == threads


def test_stats_of_small_arrays_say_nothing_of_fusion(said: Said) -> None:
    assert "fused" not in result(said("eval", "sum(x * 2)", "-i", "x=[1,2]", "--stats", "--format", "json"))["stats"]


def test_threads_load_nothing_where_arrays_are_small(environment: dict[str, str]) -> None:
    code = (
        "import sys, ndgrad.cli.main as m; m.status(['eval', 'x * 2', '-i', 'x=[1]', '--threads', '2', '--stats']);"
        "print(*sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True)
    loaded = set(ran.stderr.decode().split())
    assert "ndgrad.cli.writing.stats" in loaded
    assert {"ndgrad.fusion", "ndgrad.fusion.pool", "ndgrad.lang.profiling"} & loaded == set()


def test_profile_is_a_table_of_lines_on_standard_error(said: Said, tmp_path: Path) -> None:
    path = tmp_path / "p.nd"
    path.write_text("a = x + 1\nfor i in range(3):\n    a = tanh(a @ a)\nprint(sum(a))\nsum(a)\n")
    np.save(tmp_path / "x.npy", np.ones((150, 150)) / 1000)
    line = "run", str(path), "-i", f"x={tmp_path / 'x.npy'}", "--grad", "x", "--format", "json"
    code, out, err = said(*line, "--profile")
    assert code == 0
    assert json.loads(out)["grads"] == result(said(*line))["grads"]
    printed, heading, *rows, total = err.splitlines()
    assert printed.replace(".", "").isdigit()  # once, though the program ran twice
    assert heading.split() == ["line", "source", "calls", "forward", "ms", "backward", "ms", "share"]
    assert rows[0].split("  ")[1:3] == [" 3", "a = tanh(a @ a)"]
    assert rows[0].split()[-4] == "3"
    assert sorted(int(row.split()[0]) for row in rows) == [1, 2, 3, 4, 5]
    shares = [float(row.split()[-1].rstrip("%")) for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert total.split()[0] == "all"
    assert total.endswith("100.0%")


def test_profile_draws_what_the_run_draws(said: Said) -> None:
    program = "n = 0\nfor v in random_uniform(shape=(20000,)):\n  if v > 0.5:\n    n = n + 1\nn * x"
    code, out, err = said("eval", program, "-i", "x=1", "--grad", "x", "--of", "n", "--profile", "--format", "json")
    assert code == 0
    row = next(row.split() for row in err.splitlines() if row.split()[0] == "4")
    assert int(row[-4].replace(",", "")) == json.loads(out)["value"]


@pytest.mark.parametrize("option", ["--jac=x", "--hess=x", "--jvp=x=1", "--hvp=x=1", "--mode=forward", "--each=x"])
def test_profile_is_refused_where_it_would_not_tell(option: str, said: Said) -> None:
    code, out, err = said("eval", "x * x", "-i", "x=1", option, "--profile")
    assert (code, out) == (2, "")
    assert "--profile" in err


def test_full_shows_whole_arrays(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    line = "eval", "y = arange(0.0, 400.0).reshape((40, 10)) * x", "-i", "x=1", "--format", "table"
    short, whole = said(*line)[1], said(*line, "--full")[1]
    assert "…" in short
    assert "min 0  mean 199.5  max 399  norm 4610.14" in short
    assert "…" not in whole
    assert [int(word) for word in whole.split() if word.isdigit()][:400] == list(range(400))


# Records


def test_each_answers_every_line_of_json(shell: Shell) -> None:
    ran = shell("printf '[1, 2]\\n[3]\\n\\n4\\n' | ndgrad eval 'sum(x ** 2)' --each x -i x=- --grad x")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert [line["record"] for line in lines] == [1, 2, 3]
    assert [line["grads"]["x"] for line in lines] == [[2, 4], [6], 8]
    assert lines[0].keys() >= {"schema", "program", "value", "outputs", "shapes", "dtypes", "path", "seconds"}


def test_each_is_a_filter_of_its_own_results(shell: Shell) -> None:
    line = "printf '[1, 2]\\n[3, 4]\\n' | ndgrad eval 'x * 2' --each x -i x=- | ndgrad eval 'sum(x)' --each x -i x=-"
    assert [json.loads(line)["value"] for line in shell(line).stdout.splitlines()] == [6, 14]


def test_each_answers_every_array_of_a_stream(shell: Shell) -> None:
    first = "ndgrad eval 'x * w' -i x=[3,4] -i w=2 --grad w,x --format npy"
    ran = shell(f"{first} | ndgrad eval 'x * 10' --each x -i x=- --format npy")
    assert arrays(ran.stdout) == [70, [20, 20]]


def test_each_answers_while_more_is_to_come(command: list[str], environment: dict[str, str]) -> None:
    """The first answer comes before the second record is there."""
    line = [*command, "eval", "x * 2", "--each", "x", "-i", "x=-"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for value in (1, 2):
            process.stdin.write(b"[%d]\n" % value)
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["value"] == [2 * value]
        process.stdin.close()
        assert process.wait(timeout=30) == 0


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_a_record_that_fails_is_reported_and_the_others_are_done(jobs: str, said: Said, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("[1, 2]\n[1, 2, 3]\n[4, 5\n[5, 6]\n")
    code, out, err = said("eval", "x * w", "--each", "x", "-i", f"x={path}", "-i", "w=[1, 10]", "--jobs", jobs)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [line["record"] for line in lines] == [1, 2, 3, 4]
    assert [line.get("value") for line in lines] == [[1, 20], None, None, [5, 60]]
    assert [line.get("error", {}).get("code") for line in lines] == [None, "E301", "E618", None]
    assert err.startswith("record 2: error[E301]: ")
    assert "record 3: error[E618]: " in err
    assert err.endswith("ndgrad: 2 records failed: 2, 3\n")


def test_each_takes_the_rows_of_an_array(said: Said, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", [[1.0, 2.0], [3.0, 4.0]])
    with open(tmp_path / "s.npy", "wb") as stream:
        np.save(stream, [1.0, 2.0, 3.0])
        np.save(stream, 7.0)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    for value, expected in (
        ("[[1, 2], [3, 4]]", [3, 7]),
        (f"{tmp_path}/x.npy", [3, 7]),
        (f"@{tmp_path}/s.npy", [6, 7]),
        (f"{tmp_path}/t.csv", [3, 7]),
        (f"{tmp_path}/t.csv:b", [2, 4]),
    ):
        code, out, err = said("eval", "sum(x)", "--each", "x", "-i", f"x={value}")
        assert (code, err) == (0, "")
        assert [json.loads(line)["value"] for line in out.splitlines()] == expected


def test_jobs_keep_the_order(said: Said, tmp_path: Path) -> None:
    output = tmp_path / "y.jsonl"
    values = list(range(40))
    code, out, err = said("eval", "x * 2", "--each", "x", "-i", f"x={values}", "--jobs", "4", "-o", str(output))
    assert (code, out, err) == (0, "", "")
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["value"] for line in lines] == [2 * value for value in values]
    assert [line["record"] for line in lines] == [value + 1 for value in values]


def test_each_reports_what_is_no_record(said: Said, tmp_path: Path) -> None:
    assert "error[E625]: -i x is one number, and has no records" in said("eval", "x", "--each", "x", "-i", "x=3")[2]
    (tmp_path / "x.npy").write_bytes(b"")
    assert "error[E619]" in said("eval", "x", "--each", "x", "-i", f"x={tmp_path}/x.npy")[2]
    assert "error[E602]" in said("eval", "x", "--each", "x", "-i", f"x={tmp_path}/y.npy")[2]


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--grad", "q"], "E205"), (["--of", "q"], "E205"), (["--grad", "x", "--jac", "q"], "E205")],
)
def test_of_each_what_is_wrong_with_every_record_is_said_once(
    jobs: str, arguments: list[str], code: str, said: Said
) -> None:
    code_of_exit, out, err = said("eval", "x ** 2", "--each", "x", "-i", "x=[1, 2, 3]", *arguments, "--jobs", jobs)
    assert (code_of_exit, out, err.count("error[")) == (1, "", 1)
    assert err.startswith(f"error[{code}]: ")


@pytest.mark.parametrize(
    ("program", "said_once"),
    [("argmax(x)", True), ("sum(x) if x[0] > 2 else argmax(x)", False), ("x[int(k)] * 2", True)],
)
def test_of_each_a_derivative_that_no_record_has_is_said_once(program: str, said_once: bool, said: Said) -> None:
    k = ["-i", "k=true", "--grad", "k"] if "k" in program else []
    code, out, err = said("eval", program, "--each", "x", "-i", "x=[[1, 2], [3, 4]]", "--grad", "x", *k)
    assert (code, err.startswith("error[E401]"), err.count("error[E401]")) == (1, said_once, 1)
    assert (out == "") is said_once


def test_of_each_a_variable_may_have_its_value_for_some_records_only(said: Said) -> None:
    program = "if x > 1: t = x\ny = x ** 2"
    code, out, err = said("eval", program, "--each", "x", "-i", "x=[1, 2]", "--grad", "x", "--of", "t")
    assert (code, err.count("record 1: error[E205]")) == (1, 1)
    assert [json.loads(line).get("grads") for line in out.splitlines()] == [None, {"x": 1}]


@pytest.mark.parametrize(
    ("command", "format", "name"),
    [
        (("eval", "x"), "json", "y.jsonl"),
        (("eval", "x"), "csv", "y.txt"),
        (("eval", "x"), "json", "y.dat"),
        (("explain", "FILE", "--grad", "x"), "markdown", "y.txt"),
        (("graph", "FILE"), "dot", "y.txt"),
    ],
)
def test_a_text_may_go_into_files_that_take_any(
    command: tuple[str, ...], format: str, name: str, said: Said, tmp_path: Path
) -> None:
    (tmp_path / "f.nd").write_text("input x\ny = x ** 2")
    line = [str(tmp_path / "f.nd") if part == "FILE" else part for part in command]
    assert said(*line, "-i", "x=2", "--format", format, "-o", str(tmp_path / name)) == (0, "", "")
    assert (tmp_path / name).read_text()


@pytest.mark.parametrize(
    ("command", "format", "name", "told"),
    [
        (["explain", "f.nd", "--grad", "x"], "text", "y.html", "html"),
        (["graph", "f.nd"], "dot", "y.svg", "svg"),
        (["plot", "f.nd", "--over", "x=0:1"], "png", "y.svg", "svg"),
        (["minimize", "f.nd", "--over", "x"], "csv", "y.json", "json"),
    ],
)
def test_a_format_and_a_name_that_says_another_are_wrong_usage(
    command: list[str], format: str, name: str, told: str, said: Said
) -> None:
    code, out, err = said(*command, "--format", format, "-o", name)
    assert (code, out) == (2, "")
    assert f"--format {format} and -o {name} disagree: the name says {told}" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--each", "z", "-i", "x=1"], "--each z: bind it with -i z=…; bound are x"),
        (["--each", "x"], "--each x: bind it with -i x=…; nothing is"),
        (["--each", "x,y", "-i", "x=[1]"], "--each y: bind it with -i y=…; bound are x"),
        (["--each", "x", "-i", "x=[1]", "--format", "plain"], "--each writes json, npy, npz or csv, not plain"),
        (["--each", "x", "-i", "x=[1]", "--watch"], "--watch and --each do not go together"),
        (["-i", "x=1", "--precision", "3", "--format", "json"],
         "--precision is for table, plain and csv; json keeps all digits"),
        (["-i", "x=1", "--jobs", "2"], "--jobs is for --each: there is one run"),
        (["-i", "x=1", "--watch"], "--watch needs a file to watch"),
        (["-i", "x=-", "--watch"], "--watch cannot read standard input again"),
        (["-i", "x=1", "--head", "1", "--head-of", "y=1"],
         "--head-of names its output, so --of and --head are not given with it"),
        (["-i", "x=1", "--jvp", "x"], "--jvp x: a direction is given as NAME=VALUE"),
        (["-i", "x=1", "--head-of", "y=1", "--head-of", "y=2"], "--head-of y=… is given twice"),
        (["-i", "x=1", "--jac", ","], "--jac needs a name"),
        (["-i", "x=1", "--head", "3", "--jac", "x"],
         "--head is the adjoint that a gradient begins from: it goes with --grad, --hess or --hvp"),
        (["-i", "x=1", "--head-of", "x=3"],
         "--head-of is the adjoint that a gradient begins from: it goes with --grad, --hess or --hvp"),
        (["-i", "x=1", "--format", "table", "-o", "y.npy"],
         "--format table and -o y.npy disagree: the name says npy; leave out --format, or name it otherwise"),
        (["-i", "x=[1]", "--each", "x", "--format", "npy", "-o", "y.jsonl"],
         "--format npy and -o y.jsonl disagree: the name says jsonl; leave out --format, or name it otherwise"),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together_are_said(arguments: list[str], expected: str, said: Said) -> None:
    assert said("eval", "x", *arguments) == (2, "", f"ndgrad: {expected} (ndgrad -h shows what there is)\n")


# Watching


def test_watch_runs_again_after_each_change(command: list[str], environment: dict[str, str], tmp_path: Path) -> None:
    program, data = tmp_path / "f.nd", tmp_path / "x.csv"
    program.write_text("input x\ny = x * 2\n")
    data.write_text("1\n")
    line = [*command, "run", str(program), "-i", f"x={data}", "--watch", "--format", "plain"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(line, env=environment, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            assert process.stdout.readline() == "2\n"
            data.write_text("21\n")
            assert process.stdout.readline() == "42\n"
            program.write_text("input x\ny = x *\n")
            while not process.stderr.readline().startswith("error[E1"):
                pass
            (tmp_path / "lib.nd").write_text("def f(x):\n    return x * 100\n")
            program.write_text('use "lib.nd"\ninput x\ny = f(x)\n')
            assert process.stdout.readline() == "2100\n"
            (tmp_path / "lib.nd").write_text("def f(x):\n    return x * 1000\n")
            assert process.stdout.readline() == "21000\n"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130


# Signals


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_leaves_nothing_half_written(
    jobs: str, command: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    output = tmp_path / "y.jsonl"
    output.write_text("old")
    text = "while x > 0:\n    x = x + 1\ny = x"
    line = [*command, "eval", text, "--each", "x", "-i", "x=[0, 1, 2]", "--jobs", jobs, "-o", str(output)]
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True
    )
    time.sleep(1.0)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["y.jsonl"]
    assert output.read_text() == "old"


def test_a_closed_pipe_ends_each_quietly(shell: Shell) -> None:
    line = "set -o pipefail; ndgrad eval 'x' --each x -i x=- --format json < <(yes '[1]' | head -20000) | head -1"
    ran = shell(line)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert len(ran.stdout.splitlines()) == 1


# Terminals

NARROW = """\
y  3×200 float64
  ⎡ -0.957564  -0.957564  …  -0.957564 ⎤
  ⎢ -0.957564  -0.957564  …  -0.957564 ⎥
  ⎣ -0.957564  -0.957564  …  -0.957564 ⎦
  min -0.957564  mean -0.957564
  max -0.957564  norm 23.4554

dy/dx  3×200 float64
  ⎡ nan  nan  nan  …  nan  nan  nan ⎤
  ⎢ nan  nan  nan  …  nan  nan  nan ⎥
  ⎣ nan  nan  nan  …  nan  nan  nan ⎦
  600 nan

time  T
"""


def test_a_narrow_terminal_shows_a_narrow_table(terminal: Callable[..., str], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((3, 200), 5.0))
    seen = terminal("ndgrad eval 'y = sin(x) + 0.00136' -i x=x.npy --grad x --head nan", cwd=tmp_path, columns=40)
    seen = re.sub(r"[\d.]+ m?s", "T", seen)
    assert max(map(len, seen.splitlines())) <= 40
    assert seen == NARROW


def test_the_help_fits_a_narrow_terminal(terminal: Callable[..., str]) -> None:
    seen = re.sub(r"\x1b\[[\d;]*m", "", terminal("ndgrad run -h", columns=60))
    assert max(map(len, seen.splitlines())) <= 60
    for option in ("--each", "--jac", "--watch", "--jobs"):
        assert option in seen


def test_memory_holds_loops_to_a_budget(ndgrad: Run) -> None:
    text = "for k in range(2000):\n    x = sin(x) + 0.5 * x\nx"
    whole, thin = (
        json.loads(ndgrad("eval", text, "-i", "x=0.3", "--grad", "x", "--stats", "--format", "json", *more).stdout)
        for more in ((), ("--memory", "100k"))
    )
    assert "recomputed" not in whole["stats"]
    assert thin["stats"]["recomputed"]["segments"] > 1
    assert (thin["value"], thin["grads"]) == (whole["value"], whole["grads"])
    wrong = ndgrad("eval", text, "-i", "x=0.3", "--memory", "some")
    assert (wrong.returncode, wrong.stderr.startswith("ndgrad: --memory some: a size is a number")) == (2, True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (("explain", "f.nd", "--format", "md"), "did you mean markdown?"),
        (("explain", "f.nd", "--format", "tex"), "did you mean latex?"),
        (("explain", "f.nd", "--format", "txt"), "did you mean text?"),
        (("eval", "x", "--format", "txt"), "did you mean plain?"),
        (("graph", "f.nd", "--format", "mermiad"), "did you mean mermaid?"),
        (("run", "-p.nd"), "no such option: -p; the file is given as ./-p.nd"),
        (("run", "-q"), "no such option: -q (ndgrad run -h"),
    ],
)
def test_what_else_may_have_been_meant_is_said(line: tuple[str, ...], expected: str, said: Said) -> None:
    code, out, read = said(*line)
    assert (code, out, expected in read) == (2, "", True), read


@pytest.mark.parametrize("value", ["1/3", "2*(3+1)", "(1)+2", "-1-2", "2**0.5"])
def test_an_expression_is_no_value(value: str, said: Said) -> None:
    code, _, read = said("eval", "x", "-i", f"x={value}")
    assert (code, f"error[E610]: `{value}` is an expression, and no number" in read) == (1, True)
