"""Inputs that are declared to hold integers get those that are written, or a refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ndgrad.lang import compile

Said = Callable[..., tuple[int, str, str]]
MOST = (1 << 63) - 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{MOST}", f"{MOST}"),
        (f"-{MOST + 1}", f"-{MOST + 1}"),
        ("9_007_199_254_740_993", "9007199254740993"),
        ("[9007199254740993, 1.0, -3]", "9007199254740993 1 -3"),
        ("1e18", "1000000000000000000"),
        ("7.0", "7"),
    ],
)
def test_integers_on_the_line_stay_themselves(text: str, expected: str, said: Said) -> None:
    for dtype in ("float64", "float32"):
        code, out, _ = said("eval", "input k: int64; k", "-i", f"k={text}", "--format", "plain", "--dtype", dtype)
        assert (code, out) == (0, expected + "\n")


@pytest.mark.parametrize(
    "text", [f"{MOST + 1}", f"-{MOST + 2}", "9" * 20, "9" * 500, "1e19", "1e30", "[1e19, 2]", "1.5", "inf", "nan"]
)
def test_what_is_no_integer_of_64_bits_is_refused(text: str, said: Said) -> None:
    code, out, read = said("eval", "input k: int64; k", "-i", f"k={text}")
    assert (code, out) == (1, "")
    assert "error[E604]: the input `k` is of dtype float64 with values that int64 cannot hold" in read


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("k.json", "[{0}]", "{0}"),
        ("k.json", "[[{0}, 1.0]]", "{0} 1"),
        ("k.jsonl", "[{0}]\n[-3]\n", "{0}\n-3"),
        ("k.csv", "a,b\n{0},2\n", "{0} 2"),
        ("k.csv:a", "a,b\n{0},2\n1,5e-1\n", "{0} 1"),
        ("k.txt", "{0}\n", "{0}"),
    ],
)
@pytest.mark.parametrize("number", [MOST, (1 << 53) + 1])
def test_integers_in_files_stay_themselves(
    name: str, text: str, expected: str, number: int, said: Said, tmp_path: Path
) -> None:
    (tmp_path / name.partition(":")[0]).write_text(text.format(number))
    code, out, _ = said("eval", "input k: int; k", "-i", f"k={tmp_path / name}", "--format", "plain")
    assert (code, out) == (0, expected.format(number) + "\n")
    (tmp_path / name.partition(":")[0]).write_text(text.format(number + (1 << 63)))
    code, _, read = said("eval", "input k: int; k", "-i", f"k={tmp_path / name}")
    assert (code, read[:11]) == (1, "error[E604]")


def test_other_inputs_are_floats_as_before(said: Said) -> None:
    assert said("eval", "x / 2", "-i", f"x={1 << 60}", "--grad", "x", "--format", "plain") == (0, "0.5\n", "")
    assert said("eval", "x", "-i", f"x=1{'0' * 30}", "--format", "plain") == (0, "1e+30\n", "")
    assert said("diff", "9007199254740993", "9007199254740992")[0] == 0


@pytest.mark.parametrize("default", [f"{MOST}", f"[{MOST}, -9007199254740993]", "2 ** 62 + 1"])
def test_a_default_stays_itself(default: str) -> None:
    found = compile(f"input k: int64 = {default}\nk").run().value
    assert found is not None
    assert found.tolist() == eval(default)


def test_integers_given_in_python_stay_themselves() -> None:
    program = compile("input k: int64\nk")
    found = program.run({"k": [MOST, -3]}).value
    assert found is not None
    assert found.tolist() == [MOST, -3]


def test_of_each_record_integers_stay_themselves(said: Said, tmp_path: Path) -> None:
    (tmp_path / "k.jsonl").write_text(f"{MOST}\n9007199254740993\n")
    for given in (str(tmp_path / "k.jsonl"), f"[{MOST}, 9007199254740993]"):
        _, out, _ = said("eval", "input k: int; k", "--each", "k", "-i", f"k={given}")
        assert out.count(f'"value": {MOST}') == out.count('"value": 9007199254740993') == 1
