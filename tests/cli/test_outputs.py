"""What ndgrad writes it reads back, bit by bit; files appear whole or not at all, under the permissions due."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ndgrad.cli import reading
from ndgrad.cli.formats import FORMATS, Format, named
from ndgrad.cli.main import status
from ndgrad.cli.reading import StandardInput
from ndgrad.cli.writing import Report, write
from ndgrad.cli.writing.places import Place
from ndgrad.errors import InputError
from ndgrad.lang.result import Result

FLOATS = st.sampled_from([np.float64, np.float32])
ANY_SHAPE = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ANYTHING = st.one_of(
    FLOATS.flatmap(lambda dtype: hnp.arrays(dtype, ANY_SHAPE)),
    hnp.arrays(np.int64, ANY_SHAPE),
    hnp.arrays(np.bool_, ANY_SHAPE),
)
NUMBERS = FLOATS.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=2, max_side=4)))
PACKAGES = {"safetensors": "safetensors"}
every_array = settings(derandomize=True, max_examples=60, deadline=None, database=None)


def result(grads: dict[str, Any], outputs: dict[str, Any] | None = None) -> Result:
    return Result(outputs or {}, grads, "y", [], 0.0, [], None, lambda name: None)  # type: ignore[arg-type, return-value]


def written(arrays: dict[str, Any], format: Format, folder: Path) -> Path:
    path = folder / f"g{format.suffixes[0]}"
    write(Report(result(arrays), "p"), format, Place(str(path)))
    return path


def available(format: Format) -> bool:
    if format.name in PACKAGES:
        try:
            __import__(PACKAGES[format.name])
        except ImportError:
            return False
    return True


def same_bits(found: Any, expected: Any) -> None:
    """The same shape, and the same bits but for the payload of nan, which text does not have.

    Integers that float64 may not hold are read as such, as Python's.
    """
    found = found if isinstance(found, np.ndarray) else np.array(found, np.float64)
    assert found.shape == expected.shape
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    numbers = ~np.isnan(expected)
    assert found[numbers].tobytes() == expected[numbers].astype(found.dtype).tobytes()


@pytest.mark.parametrize("name", [f.name for f in FORMATS if f.read and f.write and f.binary])
@every_array
@given(array=ANYTHING)
def test_binary_formats_keep_every_bit(name: str, array: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    format = named(name)
    if not available(format):
        pytest.skip(f"the package for {name} is not installed")
    for each in (array, array.T):
        made = reading.value(str(written({"x": each}, format, tmp_path_factory.getbasetemp())), "-i x")
        assert (made.dtype, made.shape) == (each.dtype, each.shape)
        assert made.tobytes() == each.tobytes()


@every_array
@given(array=ANYTHING)
def test_json_keeps_every_bit(array: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = reading.value(str(written({"x": array}, named("json"), tmp_path_factory.getbasetemp())), "-i x")
    assert made.dtype == array.dtype
    if array.size:  # lists of no rows have no columns
        same_bits(made, array) if array.dtype.kind == "f" else np.testing.assert_array_equal(made, array, strict=True)


@every_array
@given(array=NUMBERS)
def test_csv_keeps_every_bit(array: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    same_bits(reading.value(str(written({"x": array}, named("csv"), tmp_path_factory.getbasetemp())), "-i x"), array)


@every_array
@given(array=FLOATS.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=2, min_side=2))))
def test_plain_numbers_keep_every_bit(array: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    same_bits(reading.value(str(written({"x": array}, named("plain"), tmp_path_factory.getbasetemp())), "-i x"), array)


@pytest.mark.parametrize("name", [f.name for f in FORMATS if f.holds == "name" and f.write])
def test_several_gradients_are_found_by_name(name: str, tmp_path: Path) -> None:
    format = named(name)
    if not available(format):
        pytest.skip(f"the package for {name} is not installed")
    path = written({"x": np.array([1.0, 2.0]), "file": np.array(3.0)}, format, tmp_path)
    np.testing.assert_array_equal(reading.value(f"{path}:file", "-i x"), 3.0, strict=True)
    np.testing.assert_array_equal(reading.value(f"{path}:x", "-i x"), [1.0, 2.0], strict=True)


def test_csv_puts_gradients_side_by_side(tmp_path: Path) -> None:
    arrays = {"x": np.array([1.0, 2.5]), "w": np.array([[1.0, np.nan], [3.0, -np.inf]]), "m": np.array([True, False])}
    path = written(arrays, named("csv"), tmp_path)
    assert path.read_text() == "x,w[0],w[1],m\n1,1,nan,1\n2.5,3,-inf,0\n"
    np.testing.assert_array_equal(reading.value(f"{path}:w[1]", "-i x"), [np.nan, -np.inf])
    assert written({"x": np.array(7.0)}, named("csv"), tmp_path).read_text() == "7\n"
    assert written({"x": np.array(7.0), "y": np.array(8)}, named("csv"), tmp_path).read_text() == "x,y\n7,8\n"


@pytest.mark.parametrize("shapes", [[(2, 2, 2)], [(2,), (3,)], [(2,), ()]])
def test_what_makes_no_table_is_refused(shapes: list[tuple[int, ...]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="E624"):
        written({f"x{i}": np.zeros(shape) for i, shape in enumerate(shapes)}, named("csv"), tmp_path)
    assert list(tmp_path.iterdir()) == []


# Standard input for several values


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts bytes on standard input."""

    def put(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    return put


def npy(*arrays: Any) -> bytes:
    buffer = io.BytesIO()
    for array in arrays:
        np.save(buffer, array)
    return buffer.getvalue()


def test_arrays_in_a_row_are_taken_in_order(stdin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stdin(npy([1.0, 2.0], 3.0, [4.0, 5.0]))
    line = ["eval", "x * w", "-i", "x=-", "-i", "w=-", "--head", "-", "--grad", "w", "--format", "plain"]
    assert status(line) == 0
    assert capsys.readouterr().out == "14\n"


def test_parts_of_a_table_are_taken_from_standard_input(stdin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stdin(b"x,w\n1,10\n2,20\n")
    assert status(["eval", "sum(x * w)", "-i", "x=-:x", "-i", "w=-:w", "--format", "plain"]) == 0
    assert capsys.readouterr().out == "50\n"


@pytest.mark.parametrize(
    ("data", "takers", "expected"),
    [
        (npy(1.0), 2, "E619 standard input holds too few arrays"),
        (npy(1.0, 2.0), 1, "E623 standard input holds more arrays than the one taken from it"),
        (npy(1.0) + b"x", 1, "E614 standard input is not a whole .npy file: more bytes follow the array"),
        (b"[1, 2]", 2, "E623 standard input holds one json value, not 2"),
        (b"", 2, "E619 standard input is empty"),
    ],
)
def test_standard_input_that_does_not_suffice_is_said(data: bytes, takers: int, expected: str, stdin: Any) -> None:
    stdin(data)
    source = StandardInput(takers)
    with pytest.raises(InputError) as error:
        [source.taken(None) for _ in range(takers)]
    assert f"{error.value.code} {error.value.diagnostics[0].message}" == expected


# Files


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_gets_the_permissions_that_the_mask_leaves(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        path = written({"x": np.ones(2)}, named("npy"), tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_file_that_is_replaced_keeps_its_permissions_and_its_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.npy", tmp_path / "g.npy"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    written({"x": np.ones(2)}, named("npy"), tmp_path)
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    np.testing.assert_array_equal(np.load(target), [1, 1])


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "g.npy"
    path.write_bytes(b"old")

    def fail(source: Any, target: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match=r"E620.*no space left on device"):
        written({"x": np.ones(2)}, named("npy"), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["g.npy"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("value", ["x.npz:a", "@x.npz:a", "./x.npz:a"])
def test_no_part_of_an_input_is_overwritten(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("x.npz", a=np.ones(2))
    before = Path("x.npz").read_bytes()
    assert status(["eval", "a * 2", "-i", f"a={value}", "-o", "x.npz"]) == 1
    assert "E621" in capsys.readouterr().err
    assert Path("x.npz").read_bytes() == before
