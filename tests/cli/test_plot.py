"""`ndgrad plot`: pictures in files and in the terminal, tangents with their equations, a package that is missing."""

from __future__ import annotations

import io
import struct
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from ndgrad.cli.main import status
from ndgrad.cli.plots import Drawn, Tangent, limits
from ndgrad.lang.curves import Axis, Samples

pytest.importorskip("matplotlib", reason="pictures need matplotlib")
pytest.importorskip("plotille", reason="pictures in the terminal need plotille")
Run = Callable[..., CompletedProcess[str]]
Said = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parent.parent.parent
CLASSIC = ("plot", "samples/parabola.nd", "--over", "x=0:3:0.1", "--tangent", "x=1")
VALLEY = ("plot", "samples/rosenbrock.nd", "--over", "x[0]=-2:2:0.25", "--over", "x[1]=-1:3:0.25")


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Said:
    """Runs a command line in this process, on a line of 80 columns: exit code, standard output, standard error."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("XDG_CACHE_HOME", environment["XDG_CACHE_HOME"])
    monkeypatch.chdir(ROOT)

    def run(*line: object) -> tuple[int, str, str]:
        code = status([str(part) for part in line])
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def drawn_of(said: Said, tmp_path: Path) -> Callable[..., str]:
    """The picture of a program given as text, in the terminal."""

    def run(program: str, *line: str) -> str:
        path = tmp_path / "f.nd"
        path.write_text(program, "utf-8")
        ran = said("plot", path, *line)
        assert (ran[0], ran[2]) == (0, "")
        return ran[1]

    return run


@pytest.mark.parametrize(
    ("at", "value", "slope", "equation"),
    [
        (1, -1, 2, "y = 2x − 3"),
        (0, 0, 1, "y = x"),
        (0, 0, -1, "y = −x"),
        (2, 4, 4, "y = 4x − 4"),
        (1, 5, 0, "y = 5"),
        (0.8, np.tan(0.8), 1 / np.cos(0.8) ** 2, "y = 2.06x − 0.6185"),
        (1, 3e8, 1e8, "y = 1e+08·x + 2e+08"),
        (-1, 3, -0.5, "y = −0.5x + 2.5"),
    ],
)
def test_the_equation_of_a_tangent(at: float, value: float, slope: float, equation: str) -> None:
    assert Tangent(at, value, slope).equation == equation


def test_the_equation_has_the_name_of_the_input() -> None:
    assert Tangent(1, -1, 2, "t").equation == "y = 2t − 3"
    assert Tangent(1, -1, 2, "x[0]").equation == "y = 2·x[0] − 3"
    assert Tangent(1, -1, 2, "y").equation == "2y − 3"


def test_the_classic_picture_in_the_terminal(ndgrad: Run) -> None:
    ran = ndgrad(*CLASSIC)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "  tangent at x = 1: y = 2x − 3\n" in ran.stdout
    assert "  df/dx\n" in ran.stdout
    assert ran.stdout.endswith("  x from 0 to 3\n")
    lines = ran.stdout.splitlines()
    assert [line.partition("|")[0].strip() for line in lines[1:18]] == [
        f"{n}".replace("-", "−") for n in range(15, -2, -1)
    ]
    assert max(map(len, lines)) <= 80


def test_a_narrow_terminal(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for line in (CLASSIC, VALLEY):
        assert 30 <= max(map(len, said(*line)[1].splitlines())) <= 40


def test_a_line_ends_where_the_range_ends(drawn_of: Callable[..., str]) -> None:
    rows = drawn_of("output f = x", "--over", "x=0:1:0.1").splitlines()
    assert len(rows[1]) == 80  # the last point, in the last column of the top line
    assert rows[1].strip().startswith("1 |")
    assert rows[21].strip().startswith("0 | ⠊")


def test_a_line_stands_for_what_is_nearest_to_its_label(drawn_of: Callable[..., str]) -> None:
    drawn = drawn_of("f = 2 * sin(x)", "--over", "x=-5:5")
    rows = [row for row in drawn.splitlines() if " | " in row][:21]
    labels = [row.partition(" |")[0].strip().replace("−", "-") for row in rows]
    assert [float(label) for label in labels] == [pytest.approx(2 - i / 5) for i in range(21)]
    assert all(row.partition("| ")[2] for row in rows)


@pytest.mark.parametrize("arguments", [CLASSIC, VALLEY], ids=["curve", "contour"])
@pytest.mark.parametrize("format", ["svg", "png", "pdf"])
def test_files_are_the_same_each_time(said: Said, tmp_path: Path, arguments: tuple[str, ...], format: str) -> None:
    for name in "ab":
        assert said(*arguments, "-o", tmp_path / f"{name}.{format}") == (0, "", "")
    data = (tmp_path / f"a.{format}").read_bytes()
    assert data == (tmp_path / f"b.{format}").read_bytes()
    if format == "png":
        assert struct.unpack(">II", data[16:24]) == (1280, 1040)
    elif format == "pdf":
        assert data.startswith(b"%PDF")
    else:
        ElementTree.fromstring(data)
        assert b"https://" not in data.replace(b"https://matplotlib.org/", b"").split(b"</metadata>")[1]


def test_a_contour_in_the_terminal(said: Said) -> None:
    code, out, err = said(*VALLEY)
    assert (code, err) == (0, "")
    assert "  least there: 0 at x[0] = 1, x[1] = 1\n" in out


def test_the_gradient_by_a_matrix_is_a_heat_map(said: Said, drawn_of: Callable[..., str], tmp_path: Path) -> None:
    program = "input w = [[1, -2], [0, 4]]; loss = sum(w ** 2) / 2"
    assert drawn_of(program, "--grad", "w").splitlines() == [
        "  dloss/dw: its signs, and its size up to 4 ('█')",
        "  +░−▒",
        "    +█",
    ]
    assert said("plot", tmp_path / "f.nd", "--grad", "w", "-o", tmp_path / "w.png") == (0, "", "")
    assert (tmp_path / "w.png").read_bytes()[:4] == b"\x89PNG"


def test_a_large_heat_map_says_what_it_leaves_out(drawn_of: Callable[..., str]) -> None:
    shown = drawn_of("input w = ones([50, 100]); sum(w ** 2)", "--grad", "w").splitlines()
    assert shown[1:-1] == ["  " + "+█" * 38] * 30
    assert shown[-1] == "  of w: 30 of 50 rows and 38 of 100 columns, evenly apart"


def test_ascii_is_enough(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (CLASSIC, VALLEY, ("plot", "samples/least_squares.nd", "-iX=samples/X.npy", "-iy=samples/y.npy",
                                        "-iw=samples/w.npy", "--grad", "w")):  # fmt: skip
        stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stdout)
            assert said(*arguments)[0] == 0
        stdout.seek(0)
        assert "\\u" not in stdout.read()


def test_random_numbers_begin_from_the_seed(drawn_of: Callable[..., str]) -> None:
    program = "input w = random_normal(shape=[4, 4]); sum(w ** 2)"
    seven, again, eight = (drawn_of(program, "--grad", "w", "--seed", seed) for seed in "778")
    assert seven == again != eight


def test_values_that_are_not_finite_leave_gaps(drawn_of: Callable[..., str]) -> None:
    rows = drawn_of("output f = log(x)", "--over", "x=-1:1:0.02").splitlines()
    dots = [row.partition("| ")[2] for row in rows if "|" in row]
    assert all(not row[: len(dots[0]) // 2 - 1].strip() for row in dots)
    assert "  nowhere finite" in drawn_of("output f = x / 0", "--over", "x=1:2:0.1")
    assert drawn_of("output f = exp(x ** 3)", "--over", "x=0:8:0.1").count("\n") < 40  # cut, not followed to 1e222


def drawn(x: np.ndarray, y: np.ndarray, slope: np.ndarray) -> Drawn:
    return Drawn("f", {}, Samples("f", (Axis("x", (), x),), y, (slope,)))


def test_a_line_is_broken_where_the_values_jump_and_nowhere_else() -> None:
    x = np.linspace(-4, 4, 201)
    assert np.isnan(drawn(x, np.tan(x), 1 / np.cos(x) ** 2).curve[1]).sum() == 2
    assert np.isnan(drawn(x, np.floor(x), 0 * x).curve[1]).sum() == 8
    for y, slope in ((np.sin(9 * x), 9 * np.cos(9 * x)), (np.abs(x), np.sign(x)), (x**3, 3 * x**2)):
        assert not np.isnan(drawn(x, y, slope).curve[1]).any()


def test_poles_do_not_flatten_the_rest() -> None:
    x = np.linspace(-4, 4, 201)
    low, high = limits(np.tan(x))
    assert -20 < low < -2
    assert 2 < high < 20
    assert limits(np.array([1.0, 2.0, np.nan, np.inf])) == pytest.approx((0.94, 2.06))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "plot needs --over"),
        (("--over", "x"), 2, "it is given as NAME=FROM:TO"),
        (("--over", "x=0"), 2, "a range is FROM:TO"),
        (("--over", "x=3:0"), 2, "from less to more"),
        (("--over", "x=0:inf"), 2, "finite"),
        (("--over", "x=0:3:-1"), 2, "the step is more than 0"),
        (("--over", "x=0:3:1e-9"), 2, "100,000 points at most"),
        (("--over", "x=0:3", "--tangent", "y=1"), 2, "--tangent is at a value of x"),
        (("--over", "x=0:3", "--grad", "x"), 2, "without --over"),
        (("--over", "x=0:3", "-o", "f.jpg"), 2, "the name says no format"),
        (("--over", "x[0]=0:3"), 2, "x has no entry x[0]"),
        (("--over", "x=0:3", "--over", "x=0:2"), 2, "--over x is given twice"),
        (("--over", "x=0:3", "--label", "q=time"), 2, "--label q: what has a label here is x and f"),
        (("--over", "q=0:3"), 1, "E205"),
        (("--over", "x=0:3", "--timeout", "1e-9"), 4, "stopped after 1e-09 seconds"),
    ],
)
def test_mistakes_are_told(said: Said, arguments: tuple[str, ...], code: int, message: str) -> None:
    ran = said("plot", "samples/parabola.nd", *arguments)
    assert ran[:2] == (code, "")
    assert message in ran[2]


def test_an_array_is_not_moved_as_a_whole(said: Said) -> None:
    ran = said("plot", "samples/rosenbrock.nd", "--over", "x=-1:1:0.02")
    assert ran[:2] == (2, "")
    assert "x has the shape (2,); move one entry of it, as in x[0]" in ran[2]


@pytest.mark.parametrize(("package", "more"), [("plotille", ()), ("matplotlib", ("-o", "f.svg"))])
def test_a_package_that_is_missing_is_named(
    said: Said, monkeypatch: pytest.MonkeyPatch, package: str, more: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert said(*CLASSIC, *more) == (
        5,
        "",
        f"error[E702]: drawing needs the package {package}, which is not installed\n"
        '  = help: pip install "ndgrad[plot]"\n',
    )
