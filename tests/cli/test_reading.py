"""Every VALUE that the command line takes gives its array, and every broken one a diagnostic that says why."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndgrad.cli import reading
from ndgrad.cli.formats import of_data
from ndgrad.cli.reading import json_value, npy, tabular
from ndgrad.errors import InputError


def npy_bytes(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asanyarray(array), **options)
    return buffer.getvalue()


def reason(error: pytest.ExceptionInfo[InputError]) -> str:
    first = error.value.diagnostics[0]
    place = f" at `{first.labels[0].span.text}`: {first.labels[0].text}" if first.labels else ""
    return f"{first.code} {first.message}{place}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", 3.0),
        ("-1e-3", -1e-3),
        ("+.5", 0.5),
        ("2.", 2.0),
        ("1_000", 1000.0),
        ("inf", math.inf),
        ("-inf", -math.inf),
        (" [1, 2.5] ", [1.0, 2.5]),
        ("[[1,2],[3,4],]", [[1.0, 2.0], [3.0, 4.0]]),
        ("[]", []),
        ("[True, false]", [True, False]),
    ],
)
def test_a_literal_gives_its_numbers(text: str, expected: Any) -> None:
    assert reading.value(text, "-i x") == expected


def test_nan_is_a_literal() -> None:
    assert math.isnan(reading.value("[nan]", "-i x")[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2", "E612 this value cannot be read at `[`: this is never closed"),
        ("[1, 2]]", "E612 this value cannot be read at `]`: this closes nothing"),
        ("[1 2]", "E612 this value cannot be read at `2`: a comma is expected before this"),
        ("[,1]", "E612 this value cannot be read at `,`: a number is expected here"),
        ("[1, two]", "E612 this value cannot be read at `two`: this is no number"),
        ("[1, 2.3.4]", "E612 this value cannot be read at `2.3.4`: this is no number"),
        ("[[1, 2], [3]]", "E613 the rows of this value differ in length at `[[1, 2], [3]]`: "
         "its entries are lists of 1 and lists of 2"),
        ("[1, [2]]", "E613 the rows of this value differ in length at `[1, [2]]`: "
         "its entries are lists of 1 and numbers"),
        ("[" * 10_000, "E612 this value cannot be read at `[`: lists within lists go 32 deep at most"),
        ("abc", "E610 `abc` is neither a number nor a file at `abc`: "),
        ("1e", "E610 `1e` is neither a number nor a file at `1e`: "),
        ("missing.npy", "E602 cannot read missing.npy: no such file or directory"),
        ("missing.csv:y", "E602 cannot read missing.csv: no such file or directory"),
        ("@3", "E602 cannot read 3: no such file or directory"),
    ],
)  # fmt: skip
def test_a_broken_value_says_why(text: str, expected: str) -> None:
    with pytest.raises(InputError) as error:
        reading.value(text, "-i x")
    assert reason(error) == expected


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", ">f4", "<i8", ">i4", "u1", "?", "<f2", "<u8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_npy_data_keeps_its_values_in_a_native_dtype(dtype: str, order: Any, version: Any) -> None:
    array = np.array([[1, 0, 1], [0, 1, 1]], dtype=dtype, order=order)
    made = npy.read(npy_bytes(array, version=version), "x.npy")
    np.testing.assert_array_equal(made, array)
    assert made.dtype in (np.float64, np.float32, np.int64, np.bool_)
    assert made.dtype.isnative
    assert made.flags.c_contiguous


HUGE = b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }"


def with_header(text: str) -> bytes:
    header = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (npy_bytes(np.arange(4.0))[:-3], "E614 x.npy is not a whole .npy file: "
         "it is cut off (29 bytes of numbers, the header says 32)"),
        (npy_bytes(np.arange(2.0)) * 2, "E614 x.npy holds several .npy arrays, one after the other"),
        (npy_bytes(np.arange(2.0)) + b"12345678", "E614 x.npy is not a whole .npy file: "
         "more bytes follow the array (24 bytes of numbers, the header says 16)"),
        (b"\x93NUM", "E614 x.npy is not a whole .npy file: its header is damaged"),
        (b"\x93NUMPY\x09\x00aa", "E614 x.npy is not a whole .npy file: its version is 9.0"),
        (HUGE, "E614 x.npy is not a whole .npy file: its header claims 2,147,483,647 bytes"),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }"),
         "E614 x.npy is not a whole .npy file: it is cut off (0 bytes of numbers, the header says 8,000,000,000,000)"),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1), }"),
         "E614 x.npy is not a whole .npy file: its shape is (-1, -1)"),
        (with_header("{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,), }"),
         "E614 x.npy is not a whole .npy file: its header is damaged"),
        (npy_bytes(np.array([{}], dtype=object), allow_pickle=True), "E601 x.npy holds Python objects (object)"),
        (npy_bytes(np.array([1j])), "E601 x.npy holds complex numbers (complex128)"),
        (npy_bytes(np.array(["a"])), "E601 x.npy holds text (<U1)"),
        (npy_bytes(np.zeros(2, [("a", "f8")])), "E601 x.npy holds records ([('a', '<f8')])"),
        (npy_bytes(np.array([2**63], np.uint64)), "E601 x.npy holds integers beyond 64 bits with a sign (uint64)"),
        (b"", "E619 x.npy is empty"),
    ],
)  # fmt: skip
def test_broken_npy_data_is_refused_by_name(data: bytes, expected: str) -> None:
    with pytest.raises(InputError) as error:
        npy.read(data, "x.npy")
    assert reason(error) == expected


@pytest.mark.parametrize(
    ("text", "part", "expected"),
    [
        ("y,x\n1,2\n3,4\n", None, [[1, 2], [3, 4]]),
        ("y,x\n1,2\n3,4\n", "x", [2, 4]),
        ("y,x\n1,2\n3,4\n", "0", [1, 3]),
        ("1,2\n3,4\n", "1", [2, 4]),
        ("y;x\r\n1;2\r\n3;4\r\n", "x", [2, 4]),
        ("a b\n1 2\n3 4\n", "b", [2, 4]),
        ("a\tb\n1\t2\n", None, [[1, 2]]),
        ('"a, b","c"\n"1","2"\n3,4\n', "a, b", [1, 3]),
        ("\ufeffy,x\n1,2\n", "y", [1]),
        ("# a remark\n1 2\n\n3 4\n", None, [[1, 2], [3, 4]]),
        ("name,x\nfirst,2\nsecond,4\n", "x", [2, 4]),
        ("name,2024\nfirst,2\nsecond,4\n", "2024", [2, 4]),
        ("1st,x 2\n3,4\n", None, [[3, 4]]),
        ("1\n2\n3\n", None, [1, 2, 3]),
        ("1 2 3\n", None, [1, 2, 3]),
        ("x\n1\n2\n", None, [1, 2]),
        ("7\n", None, 7),
        ("nan,inf\n-inf,1e-3\n", None, [[math.nan, math.inf], [-math.inf, 1e-3]]),
    ],
)
def test_a_table_gives_its_numbers(text: str, part: str | None, expected: Any) -> None:
    made = tabular.read(text.encode(), "t.csv", part)
    np.testing.assert_array_equal(made, np.array(expected, np.float64), strict=True)


@pytest.mark.parametrize(
    ("text", "part", "expected"),
    [
        ("y,x\n1,2\n3,oops\n", None, "E615 the table holds something that is no number at `oops`: "
         "this is no number, in column `x`"),
        ("y,x\n1,2\n3,\n", None, "E615 the table holds something that is no number at ``: "
         "a cell of column `x` is empty"),
        ("1,,3\n4,5,6\n", None, "E615 the table holds something that is no number at ``: "
         "a cell of column 1 is empty"),
        ("NA,2\n3,4\n", None, "E615 the table holds something that is no number at `NA`: "
         "this is no number, in column 0"),
        ("1_000\n2\n", None, "E615 the table holds something that is no number at `1_000`: "
         "this is no number, in column 0"),
        ("−1,−2\n3,4\n", None, "E615 the table holds something that is no number at `−1`: "
         "this is no number, in column 0"),
        ("y,x\n1,2\n3,4,5\n", None, "E616 the rows of the table differ in length at `3,4,5`: "
         "3 cells, the rows before have 2"),
        ("y,x\n1,2\n", "z", "E617 t.csv has no column `z`"),
        ("y,x\n", None, "E619 t.csv is empty"),
        ("# nothing\n", None, "E619 t.csv is empty"),
        ("a;b\n1,5;2\n", None, "E615 the table holds something that is no number at `1,5`: "
         "this is no number, in column `a`"),
    ],
)  # fmt: skip
def test_a_broken_table_shows_the_cell(text: str, part: str | None, expected: str) -> None:
    with pytest.raises(InputError) as error:
        tabular.read(text.encode(), "t.csv", part)
    assert reason(error) == expected


def test_a_table_that_is_no_text_is_refused() -> None:
    with pytest.raises(InputError) as error:
        tabular.read(b"\xff\xfe\x00", "t.csv")
    assert reason(error) == "E603 t.csv is not a text in UTF-8"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        (3, 3),
        (["nan", "-inf", 1.5], [math.nan, -math.inf, 1.5]),
        ({"schema": 1, "value": [1], "outputs": {"y": [1]}, "grads": {"x": [2, 3]}}, [2, 3]),
        ({"schema": 1, "value": [1], "outputs": {"y": [1]}, "grads": {}}, [1]),
    ],
)
def test_json_gives_its_numbers(value: Any, expected: Any) -> None:
    made = json_value.read(json.dumps(value).encode(), "x.json")
    np.testing.assert_array_equal(made, np.array(expected, np.float64), strict=True)


def test_a_result_in_json_keeps_its_dtype() -> None:
    text = '{"schema": 1, "grads": {"x": [0.1]}, "dtypes": {"x": "float32"}}'
    assert json_value.read(text.encode(), "x.json").dtype == np.float32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2", "E618 this is not JSON at `2`: expecting ',' delimiter"),
        ('{"a": 1}', "E618 x.json holds an object, not an array of numbers"),
        ('["one"]', "E618 x.json holds text, not an array of numbers"),
        ("[1, null]", "E618 x.json holds null, not an array of numbers"),
        ("[[1, 2],\n [3, [4]]]", "E618 x.json holds rows that differ in length "
         "([1][1] is a list of 1, [0] is a number), not an array of numbers at `[4]`: "),
        ('{"schema": 1, "grads": {"x": 1, "y": 2}}', "E618 x.json holds 2 gradients, not an array of numbers"),
        ("[" * 100_000, "E618 x.json holds lists nested too deeply, not an array of numbers"),
    ],
)  # fmt: skip
def test_broken_json_is_refused(text: str, expected: str) -> None:
    with pytest.raises(InputError) as error:
        json_value.read(text.encode(), "x.json")
    assert reason(error) == expected


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (npy_bytes([1.0]), "npy"),
        (b"  [1]", "json_value"),
        (b"\xef\xbb\xbf{}", "json_value"),
        (b"x,y\n1,2", "tabular"),
        (b"3", "tabular"),
    ],
)
def test_the_kind_of_standard_input_is_told_from_its_first_bytes(data: bytes, kind: str) -> None:
    assert of_data(data).read == kind


@pytest.mark.parametrize("name", ["with space.csv", "a:b.csv", "3.csv", "=.csv", "ünïcode.csv"])
def test_files_of_any_name_are_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("y,x\n1,2\n3,4\n")
    np.testing.assert_array_equal(reading.value(name, "-i x"), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(reading.value(f"@{name}:x", "-i x"), [2, 4])


def test_a_file_without_a_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.bin").write_bytes(b"1")
    with pytest.raises(InputError) as error:
        reading.value("data.bin", "-i x")
    assert reason(error) == "E611 the name data.bin does not say what kind of file it is"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        reading.value(str(tmp_path), "-i x")
    assert reason(error) == f"E602 cannot read {tmp_path}: is a directory"
