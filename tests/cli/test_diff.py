"""`ndgrad diff`: what counts as different, of which files, and how it is told."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndgrad.cli.differences import difference
from ndgrad.cli.main import status

Called = Callable[..., tuple[int, str, str]]
Shell = Callable[..., subprocess.CompletedProcess[bytes]]
F32, F64 = np.float32, np.float64
SHOWN = """\
3×4 float64: 2 of 12 entries differ

            A          B  difference  relative
  [0, 1]  2    2.5               0.5       0.2
  [1, 1]  1.5  1.5000003       3e-07     2e-07

  where       all of them lie in [0:2, 1]
  compared    within --rtol 1e-07 --atol 0
  agree       within --rtol 0.2, or --atol 0.5
"""


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Called:
    """The command in this process, in a folder of its own: its exit code and what it wrote."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str, command: str = "diff") -> tuple[int, str, str]:
        code = status([command, *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


# What counts


@pytest.mark.parametrize(
    ("a", "b", "count"),
    [
        (np.array([1.0, 2]), np.array([1.0, 2]), 0),
        (np.array([1.0, 2]), np.array([1.0, 2.0000001]), 0),
        (np.array([1.0, 2]), np.array([1.0, 2.000001]), 1),
        (np.array([1.0, 2], F32), np.array([1.0, 2.000001], F32), 0),
        (np.array([1.0, 2], F32), np.array([1.0, 2.000001]), 0),
        (np.array([1.0, 2], F32), np.array([1.0, 2.0001]), 1),
        (np.array([0.0]), np.array([1e-300]), 1),
        (np.array([np.nan, np.inf, -np.inf]), np.array([np.nan, np.inf, -np.inf]), 0),
        (np.array([np.nan, np.inf, 1.0]), np.array([0.0, -np.inf, np.inf]), 3),
        (np.array([2**62, 1]), np.array([2**62 + 1, 1]), 1),
        (np.array([-(2**63)]), np.array([2**63 - 1]), 1),
        (np.array([True, False]), np.array([True, True]), 1),
        (np.array([True, False]), np.array([1.0, 0.0]), 0),
        (np.array([3]), np.array([3.0]), 0),
        (np.array([1e308]), np.array([-1e308]), 1),
        (np.zeros((0, 3)), np.zeros((0, 3)), 0),
        (np.array(1.0), np.array(1.5), 1),
    ],
)
def test_entries_that_differ(a: Any, b: Any, count: int) -> None:
    for x, y in ((a, b), (b, a)):
        found = difference(x, y)
        assert (found.count, found.agrees) == (count, not count)
        assert len(found.entries) == (min(count, 5) or int(a.size > 0))


def test_tolerances_add_up() -> None:
    a, b = np.array([100.0, 0.0]), np.array([101.0, 0.5])
    assert [difference(a, b, *pair).count for pair in ((0, 0), (0.01, 0), (0, 1), (0.005, 0.5))] == [2, 1, 0, 0]


def test_shapes_that_differ_are_not_broadcast() -> None:
    found = difference(np.ones((2, 1)), np.ones(2))
    assert (found.agrees, found.shapes, found.entries) == (False, ((2, 1), (2,)), ())


def test_the_worst_entries_come_first() -> None:
    random = np.random.default_rng(0)
    a = random.normal(size=(30, 40))
    b = a.copy()
    places = [(3, 4), (29, 0), (7, 7), (8, 39), (15, 20), (16, 20)]
    for i, place in enumerate(places):
        b[place] += 10.0**-i
    b[2, 2] = np.nan
    found = difference(a, b)
    assert found.count == 7
    assert [entry.index for entry in found.entries] == [(2, 2), *places[:4]]
    assert found.box == ((2, 29), (0, 39))
    assert (found.unlike, found.largest) == (1, pytest.approx(1.0))


def test_integers_are_told_apart_to_the_last_digit() -> None:
    (entry,) = difference(np.array([2**62]), np.array([2**62 + 1])).entries
    assert (entry.a, entry.b, entry.difference) == (2**62, 2**62 + 1, 1.0)


# What is told


def test_where_arrays_differ(called: Called) -> None:
    a, b = "[[1,2,3,4],[5,1.5,7,8],[9,1,2,3]]", "[[1,2.5,3,4],[5,1.5000003,7,8],[9,1,2,3]]"
    assert called(a, b) == (3, SHOWN, "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["[1, 2]", "[1, 2]"], 0, "2 float64: equal\n"),
        (["[1, nan]", "[1, nan]"], 0, "2 float64: equal\n"),
        (["[[1, 2]]", "[1, 2]"], 3, "the shapes differ: 1×2 and 2\n"),
        (["1", "1.01", "--atol", "0.1"], 0, "scalar float64: they agree\n"),
        (["1", "1.01"], 3, "scalar float64: they differ\n"),
        (["-3", "-3.0"], 0, "scalar float64: equal\n"),
        (["-1e-3", "-inf", "--atol", "1"], 3, "scalar float64: they differ\n"),
        (["[1, 2]", "[1, inf]"], 3, "2 float64: 1 of 2 entries differ\n"),
    ],
)
def test_agreement_is_the_exit_code(called: Called, arguments: list[str], code: int, said: str) -> None:
    found, out, err = called(*arguments)
    assert (found, err) == (code, "")
    assert out.startswith(said)


def test_what_is_said_to_make_them_agree_does(called: Called) -> None:
    random = np.random.default_rng(1)
    np.save("a.npy", a := random.normal(size=50))
    np.save("b.npy", a * (1 + 1e-3 * random.normal(size=50)))
    out = called("a.npy", "b.npy")[1]
    _, rtol, _, atol = out.partition("agree       within ")[2].replace(",", "").replace(" or", "").split()
    assert called("a.npy", "b.npy", "--rtol", rtol)[0] == 0
    assert called("a.npy", "b.npy", "--rtol", "0", "--atol", atol)[0] == 0
    assert called("a.npy", "b.npy", "--rtol", str(float(rtol) / 1.2))[0] == 3


def test_json(called: Called) -> None:
    code, out, err = called("[1, 2]", "[1, nan]", "--format", "json")
    assert (code, err) == (3, "")
    assert json.loads(out) == {
        "schema": 1,
        "a": "A",
        "b": "B",
        "agrees": False,
        "arrays": [
            {
                "agrees": False,
                "shapes": [[2], [2]],
                "dtypes": ["float64", "float64"],
                "rtol": 1e-7,
                "atol": 0.0,
                "differ": 1,
                "not_finite": 1,
                "largest": 0.0,
                "largest_relative": 0.0,
                "entries": [{"index": [1], "a": 2.0, "b": "nan", "difference": "inf", "relative": None}],
            }
        ],
        "only_in_a": [],
        "only_in_b": [],
        "path": None,
    }


def test_colours_only_where_they_are_wanted(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in called("1", "2")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in called("1", "2")[1]


# Files


def test_archives_are_compared_by_name(called: Called) -> None:
    np.savez("a.npz", x=np.arange(3.0), w=np.eye(2), old=np.ones(1))
    np.savez("b.npz", x=np.arange(3.0), w=np.eye(2) * 2, new=np.ones(1))
    code, out, _ = called("a.npz", "b.npz")
    titles = [line for line in out.splitlines() if line and not line.startswith(" ")]
    assert code == 3
    assert titles == [
        "x  3 float64: equal",
        "w  2×2 float64: 2 of 4 entries differ",
        "old  only in a.npz, not in b.npz",
        "new  only in b.npz, not in a.npz",
    ]
    assert called("a.npz:x", "b.npz:x")[0] == 0
    assert called("a.npz:x", "[0, 1, 2]")[0] == 0
    code, out, err = called("a.npz", "[0, 1, 2]")
    assert (code, out) == (1, "")
    assert "error[E622]: a.npz holds 3 arrays" in err


def test_one_array_needs_no_name(called: Called) -> None:
    np.savez("a.npz", x=np.arange(3.0))
    np.save("b.npy", np.arange(3.0))
    Path("c.csv").write_text("0\n1\n2\n")
    Path("d.json").write_text('{"y": [0, 1, 2]}')
    np.savez("e.npz", other=np.arange(3.0))
    for other in ("b.npy", "c.csv", "d.json:y", "e.npz", "a.npz"):
        assert called("a.npz", other)[0] == 0, other


def test_results_are_compared_whole_but_for_times(called: Called) -> None:
    program = "input x = 3\ny = x\nwhile y < 100: y = y * 2\noutput z = y, w = x ** 2\n"
    Path("f.nd").write_text(program)
    for name, x in (("a", "3"), ("b", "3"), ("c", "50")):
        assert called("f.nd", "--grad", "x", "-i", f"x={x}", "-o", f"{name}.json", command="run")[0] == 0
    assert called("a.json", "b.json") == (
        0,
        "z  scalar float64: equal\nw  scalar float64: equal\ngrad x  scalar float64: equal\n",
        "",
    )
    code, out, _ = called("a.json", "c.json")
    assert code == 3
    assert "w  scalar float64: they differ\n" in out
    assert out.endswith("the runs went different ways: line 3: y < 100, 6 rounds against 1\n")
    assert called("a.json", "64")[0] == 0  # the gradient alone
    assert called("a.json:z", "192")[0] == 0


def test_a_result_beside_an_archive_of_its_gradients(called: Called) -> None:
    Path("f.nd").write_text("input x = [1, 2]\ninput w = [3, 4]\noutput z = sum(x * w)\n")
    names = ["a.npz", *(["a.safetensors"] if find_spec("safetensors") else [])]
    for name in ("a.json", *names):
        assert called("f.nd", "--grad", "x,w", "--jac", "x", "-o", name, command="run")[0] == 0
    for name in names:
        code, out, err = called("a.json", name)
        assert (code, err, out.count("equal")) == (0, "", 3)


def test_a_pipe(shell: Shell, tmp_path: Path) -> None:
    arrays = "ndgrad eval 'x ** 2' -i 'x=[1,2]' --grad x --format npy"
    assert shell(f"{arrays} | ndgrad diff - '[2, 4]'", cwd=tmp_path).stdout == b"2 float64: equal\n"


def test_what_comes_through_standard_input(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.json", "a.npz", "a.npy"):
        assert called("x ** 2", "-i", "x=[1, 2]", "--grad", "x", "-o", name, command="eval")[0] == 0

    def piped(data: bytes, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(data)))
        return called(*arguments)

    whole, archive, array = (Path(name).read_bytes() for name in ("a.json", "a.npz", "a.npy"))
    assert piped(whole, "-", "a.json")[1] == "value  2 float64: equal\ngrad x  2 float64: equal\n"
    assert piped(whole, "a.npy", "-") == (0, "2 float64: equal\n", "")
    assert piped(archive, "a.json", "-") == (0, "2 float64: equal\n", "")
    assert piped(archive, "-:x", "a.npy") == (0, "2 float64: equal\n", "")
    assert piped(array + array, "-", "-") == (0, "2 float64: equal\n", "")
    assert piped(array + array, "-", "a.npy")[2].startswith("error[E614]")
    assert piped(b"1\n2.5\n", "-", "[1, 2.5]") == (0, "2 float64: equal\n", "")
    assert piped(b"", "-", "1")[2].startswith("error[E619]: standard input is empty")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["1"], 2, "missing argument 'B'"),
        (["1", "2", "--rtoll", "3"], 2, "--rtoll"),
        (["--rtoll", "3"], 1, "`--rtoll` is neither a number nor a file"),
        (["1", "2", "--rtol", "-1"], 2, "ndgrad: --rtol -1.0: a tolerance is a number from 0 up"),
        (["1", "2", "--atol", "nan"], 2, "ndgrad: --atol nan: a tolerance is a number from 0 up"),
        (["none.npy", "2"], 1, "error[E602]: cannot read none.npy"),
        (["2", "none.json"], 1, "error[E602]: cannot read none.json"),
        (["[1, 2", "2"], 1, "error[E612]"),
        (["this", "2"], 1, "error[E610]"),
    ],
)
def test_what_cannot_be_compared(called: Called, arguments: list[str], code: int, said: str) -> None:
    found, out, err = called(*arguments)
    assert (found, out) == (code, "")
    assert said in err


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.npz", b"PK\x03\x04 damaged", "E614"),
        ("a.h5", b"\x89HDF\r\n\x1a\n damaged", "E614"),
        ("a.safetensors", b"damaged", "E614"),
        ("a.json", b"", "E619"),
        ("a.json", b"[1, 2", "E618"),
        ("a.json", b'{"x": "text"}', "E618"),
        ("a.json", b'{"schema": 1, "outputs": 3}', "E618"),
        ("a.json", b"\xff\xfe", "E603"),
        ("a.txt", b"", "E619"),
    ],
)
def test_damaged_files(called: Called, name: str, data: bytes, code: str) -> None:
    Path(name).write_bytes(data)
    needed = {"h5": "h5py", "safetensors": "safetensors"}.get(name.partition(".")[2])
    if needed is not None:
        pytest.importorskip(needed)
    found, out, err = called(name, "1")
    assert (found, out, err[:12]) == (1, "", f"error[{code}]:"), err


def test_the_help_ends_with_examples_that_run(called: Called, shell: Shell) -> None:
    said = called("--help")[1]
    assert len(said.splitlines()) <= 60
    examples = [line.strip() for line in said.partition("Examples:")[2].splitlines() if line.strip()]
    assert [shell(example, cwd=Path(__file__).parent.parent.parent).returncode for example in examples] == [0, 0]
