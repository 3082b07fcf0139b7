"""What `--each` takes records from, and the files that hold all its results."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Said = Callable[..., tuple[int, str, str]]
SQUARES = ("eval", "sum(x ** 2)", "--each", "x", "-i", "x=[[1, 2], [3, 4], [5, 6]]", "--grad", "x")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Results


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_npy_file_holds_one_array_of_all_records(jobs: str, said: Said, folder: Path) -> None:
    assert said(*SQUARES, "-o", "g.npy", "--jobs", jobs) == (0, "", "")
    assert np.load("g.npy").tolist() == [[2, 4], [6, 8], [10, 12]]
    assert left(folder) == ["g.npy"]
    assert said("diff", "g.npy", "g.npy")[0] == 0
    assert said("eval", "sum(x)", "--each", "x", "-i", "x=g.npy", "-o", "s.npy") == (0, "", "")
    assert np.load("s.npy").tolist() == [6, 14, 22]


def test_a_npz_file_holds_an_array_of_all_records_for_each_name(said: Said, folder: Path) -> None:
    line = ("eval", "sum(x * w)", "--each", "x", "-i", "x=[[1, 2], [3, 4]]", "-i", "w=[1, 1]")
    assert said(*line, "--grad", "all", "-o", "g.npz") == (0, "", "")
    with np.load("g.npz") as found:
        assert {name: found[name].tolist() for name in found} == {"x": [[1, 1], [1, 1]], "w": [[1, 2], [3, 4]]}
    code, _, read = said(*line, "--grad", "all", "-o", "g.npy")
    assert (code, "not 2; ask for one gradient, or write .npz" in read) == (2, True)
    assert said(*line, "--grad", "x,w", "-o", "g.npy")[0] == 2
    assert left(folder) == ["g.npz"]


def test_what_does_not_stack_is_refused_and_leaves_nothing(said: Said, folder: Path) -> None:
    (folder / "x.jsonl").write_text("[1, 2]\n[3]\n")
    for name in ("g.npy", "g.npz", "g.csv"):
        code, _, read = said("eval", "x * 2", "--each", "x", "-i", "x=x.jsonl", "-o", name)
        assert code == 1
        assert "error[E624]: the records do not fit together: of record 2 `" in read
        assert "is of shape 1, of those before it of shape 2" in read
    assert left(folder) == ["x.jsonl"]


@pytest.mark.parametrize("first", [True, False])
def test_a_record_that_failed_has_nan_in_its_place(first: bool, said: Said, folder: Path) -> None:
    lines = ["[1, 2, 3]", "[3, 4]"]
    (folder / "x.jsonl").write_text("\n".join(lines if first else lines[::-1]))
    line = ("eval", "x + w", "--each", "x", "-i", "x=x.jsonl", "-i", "w=[1, 1]")
    expected = [["nan", "nan"], ["4", "5"]] if first else [["4", "5"], ["nan", "nan"]]
    assert said(*line, "-o", "y.npy")[0] == 1
    np.testing.assert_array_equal(np.load("y.npy"), np.array(expected, float))
    assert said(*line, "-o", "y.csv")[0] == 1
    assert list(csv.reader((folder / "y.csv").read_text().splitlines())) == [["x + w[0]", "x + w[1]"], *expected]
    code, _, read = said("eval", "argmax(x + w)", *line[2:], "-o", "z.npy")
    assert (code, f"record {1 if first else 2} failed, and int64 has no nan" in read) == (1, True)


def test_json_is_a_list_and_jsonl_has_lines(said: Said, folder: Path) -> None:
    for name in ("g.json", "g.jsonl"):
        assert said(*SQUARES, "-o", name) == (0, "", "")
    found = json.loads((folder / "g.json").read_text())
    assert [one["grads"]["x"] for one in found] == [[2, 4], [6, 8], [10, 12]]
    lines = [json.loads(line) for line in (folder / "g.jsonl").read_text().splitlines()]
    assert [one["record"] for one in lines] == [one["record"] for one in found] == [1, 2, 3]
    assert [json.loads(line)["record"] for line in said(*SQUARES)[1].splitlines()] == [1, 2, 3]
    assert said("eval", "sum(x)", "--each", "x", "-i", "x=g.json", "--format", "csv")[1] == "sum(x)\n6\n14\n22\n"


def test_no_records_make_an_empty_list(said: Said, folder: Path) -> None:
    (folder / "x.jsonl").write_text("\n")
    assert said("eval", "x", "--each", "x", "-i", "x=x.jsonl", "-o", "y.json") == (0, "", "")
    assert json.loads((folder / "y.json").read_text()) == []


def test_csv_has_a_line_for_each_record(said: Said, folder: Path) -> None:
    line = ("eval", "output y = a * b[0] + b[1], t = a > 1", "--each", "a", "-i", "a=[1, 2.5]", "-i", "b=[3, 4]")
    assert said(*line, "--format", "csv") == (0, "y,t\n7,0\n11.5,1\n", "")
    assert said(*line, "--grad", "a,b", "-o", "g.csv") == (0, "", "")
    assert (folder / "g.csv").read_text() == "value,a,b[0],b[1]\n7,3,1,1\n11.5,3,2.5,1\n"
    assert said(*line, "--format", "csv", "--precision", "2")[1] == "y,t\n7,0\n12,1\n"
    assert said(*line, "--format", "json", "--precision", "2")[0] == 2
    assert said("eval", "sum(p)", "-i", "p=g.csv:b[0]", "--format", "plain")[1] == "3.5\n"


def test_a_stream_of_arrays_where_one_is_read_says_what_it_is(said: Said, folder: Path) -> None:
    with open("s.npy", "wb") as stream:
        np.save(stream, [1.0, 2.0])
        np.save(stream, [3.0])
    for line in (("eval", "x", "-i", "x=s.npy"), ("diff", "s.npy", "s.npy")):
        code, _, read = said(*line)
        assert code == 1
        assert "error[E614]: s.npy holds several .npy arrays, one after the other" in read
        assert "--each takes such arrays one by one" in read


# Records


def test_inputs_are_taken_together(said: Said, folder: Path) -> None:
    (folder / "p.csv").write_text("alpha,beta\n1,10\n2,20\n")
    given = ("-i", "alpha=p.csv:alpha", "-i", "beta=p.csv:beta", "--format", "csv", "--grad", "alpha")
    assert said("eval", "alpha * beta", "--each", "alpha,beta", *given)[:2] == (0, "value,alpha\n10,10\n40,20\n")
    code, _, read = said("eval", "a * b", "--each", "a,b", "-i", "a=[1, 2, 3]", "-i", "b=[1, 2]")
    assert (code, "error[E625]: `b` has 2 records, `a` has more" in read) == (1, True)
    assert said("eval", "a * b", "--each", "a,b", "-i", "a=[1]")[0] == 2
    assert said("eval", "a * b", "--each", "a,b", "-i", "a=-", "-i", "b=-")[0] == 2


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_table_names_its_inputs(jobs: str, said: Said, folder: Path) -> None:
    (folder / "p.csv").write_text("day,alpha,sum,beta\nMonday,1,5,10\nTuesday,2,5,20\n")
    line = ("eval", "sum(alpha * beta * w)", "--each", "p.csv", "-i", "w=[1, 2]", "--format", "csv", "--jobs", jobs)
    assert said(*line, "--grad", "alpha,beta") == (0, "value,alpha,beta\n30,30,3\n120,60,6\n", "")
    code, _, read = said("eval", "x * w", "--each", "p.csv", "-i", "w=1")
    assert (code, "no column (day, alpha, sum, beta) is an input of the program; its inputs are w, x" in read) == (
        2,
        True,
    )


@pytest.mark.parametrize(
    ("each", "more", "code", "expected"),
    [
        ("q.csv", (), 1, "error[E602]: cannot read q.csv: no such file or directory"),
        ("bare.csv", (), 2, "its columns have no names"),
        ("p.npy", (), 2, "it takes the names of inputs, or a table"),
        ("p.csv", ("-i", "a=2"), 2, "-i a=…: p.csv has a column of that name"),
        ("p.csv", ("-o", "p.csv"), 1, "error[E621]: p.csv is not overwritten: it is the table of records of this run"),
        ("p.csv", ("--format", "plain"), 2, "--each writes json, npy, npz or csv, not plain"),
    ],
)
def test_a_table_that_will_not_do_is_said(
    each: str, more: tuple[str, ...], code: int, expected: str, said: Said, folder: Path
) -> None:
    (folder / "p.csv").write_text("a\n1\n")
    (folder / "bare.csv").write_text("1,2\n")
    found = said("eval", "a", "--each", each, *more)
    assert (found[0], expected in found[2]) == (code, True), found
