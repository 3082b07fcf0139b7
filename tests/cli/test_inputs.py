"""Nothing that a file can hold makes ndgrad crash, run code, or take memory that the file does not fill."""

from __future__ import annotations

import io
import json
import pickle
import random
import subprocess
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndgrad.cli import reading
from ndgrad.cli.formats import FORMATS, named, of_data
from ndgrad.errors import DeviceError, InputError
from ndgrad.memory import machine_memory

Shell = Callable[..., subprocess.CompletedProcess[bytes]]

MOST_MEMORY = 32 << 20


def npy(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asanyarray(array), **options)
    return buffer.getvalue()


def npz(**entries: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def headed(text: str, rest: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """.npy data with any text as its header."""
    header = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY" + version + len(header).to_bytes(2 if version[0] == 1 else 4, "little") + header + rest


def says(data: bytes, name: str, kind: str, part: str | None = None) -> str:
    """What reading comes to: the shape, or the code and message of the refusal. Never any other exception."""
    tracemalloc.start()
    try:
        found = np.asarray(reading.read(data, name, named(kind), part))
        assert found.dtype in (np.float64, np.float32, np.int64, np.bool_)
        return str(found.shape)
    except (InputError, DeviceError) as error:  # E702: the package of the format is not installed
        return f"{error.code} {error.diagnostics[0].message}"
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MOST_MEMORY


# .npy

DESCR = "{'descr': %s, 'fortran_order': False, 'shape': %s, }"
HEADERS = [
    *(DESCR % (repr(d), "(2,)") for d in (
        "|O", "<c16", "<c8", "<U3", "|S3", "|V8", "<M8[s]", "<m8[s]", "<f16", "f3", "",
    )),
    *(DESCR % (d, "(2,)") for d in ("None", "3", "[('a', '<f8')]", "[('a', '|O')]", "('<f8', (2,))", "{'a': 1}", "[]")),
    *(DESCR % ("'<f8'", s) for s in (
        "(-1,)", "(1.5,)", "('a',)", "(None,)", "2", "None", "[2]", "(10**30,)", "(99999999999999999999,)",
        "(1000000000000,)", "(4294967296, 4294967296)", "(0, 99999999999999999999999)", "(-1, -1)", "(2, (2,))",
        "(" + "1, " * 65 + ")", "(" + "2, " * 32 + ")", "(True,)",
    )),
    "{}", "[]", "None", "", "{", "{'descr': '<f8'}", "{'descr': '<f8', 'fortran_order': 1, 'shape': (2,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'more': 1}", "(" * 100, "-" * 100, "lambda: 0",
    "__import__('os').system('touch pwned')", DESCR % ("__import__('os').system('touch pwned')", "(2,)"),
    "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)} + {}", "{'shape': (2,), 'shape': (3,)}", "\x00" * 8, "é",
]  # fmt: skip


@pytest.mark.parametrize("text", HEADERS)
@pytest.mark.parametrize("version", [b"\x01\x00", b"\x02\x00", b"\x03\x00"])
def test_a_made_up_header_is_refused(
    text: str, version: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = says(headed(text, bytes(24), version), "x.npy", "npy")
    assert said[:4] in ("E601", "E614"), said
    assert "x.npy" in said
    assert list(tmp_path.iterdir()) == []


def test_a_hundred_damaged_files_are_refused_or_read_whole() -> None:
    """Bytes changed, cut and added at random: a refusal that names the file, or an array."""
    draw = random.Random(0)
    originals = [npy(np.arange(12.0).reshape(3, 4)), npy(np.arange(5), version=(2, 0)), npy(np.ones(3, bool))]
    refused = 0
    for _ in range(300):
        data = bytearray(draw.choice(originals))
        for _ in range(draw.randrange(1, 4)):
            kind = draw.randrange(3)
            at = draw.randrange(6, len(data))
            if kind == 0:
                data[at] = draw.randrange(256)
            elif kind == 1:
                del data[at : at + draw.randrange(1, 40)]
            else:
                data[at:at] = draw.randbytes(draw.randrange(1, 40))
            if len(data) <= 6:
                break
        said = says(bytes(data), "x.npy", "npy")
        refused += said.startswith("E6")
        assert said.startswith("(") or "x.npy" in said
    assert refused > 100


class Harmful:
    """Unpickled, it makes a file."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("pwned"),)


def test_nothing_is_ever_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    array = npy(np.array([Harmful()], dtype=object), allow_pickle=True)
    assert says(array, "x.npy", "npy") == "E601 x.npy holds Python objects (object)"
    assert says(npz(x=array), "x.npz", "npz") == "E601 x.npz:x holds Python objects (object)"
    for format in FORMATS:
        if format.read:
            assert says(pickle.dumps(Harmful()), "x", format.name).startswith(("E6", "E702"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("<f2", "float32"), (">f2", "float32"), (">f4", "float32"), (">f8", "float64"), ("i1", "int64"),
        ("<u2", "int64"), (">i4", "int64"), ("<u8", "int64"), ("?", "bool"),
    ],
)  # fmt: skip
def test_every_kind_of_number_keeps_its_values(dtype: str, expected: str) -> None:
    array = np.array([[0, 1], [1, 0], [1, 1]], dtype)
    for data in (npy(array), npy(np.asfortranarray(array)), npy(array[::2])):
        made = reading.read(data, "x.npy", named("npy"))
        assert str(made.dtype) == expected
        assert made.flags.c_contiguous
        np.testing.assert_array_equal(made, np.load(io.BytesIO(data)))


def test_extended_floats_are_refused_by_name() -> None:
    if np.dtype(np.longdouble).itemsize == 8:
        pytest.skip("here a long double is a double")
    assert says(npy(np.ones(2, np.longdouble)), "x.npy", "npy").startswith(
        "E601 x.npy holds floats of more than 64 bits ("
    )


def test_bools_are_0_and_1_whatever_the_bytes() -> None:
    data = headed(DESCR % ("'|b1'", "(3,)"), b"\x00\x02\xff")
    made = reading.read(data, "x.npy", named("npy"))
    assert made.view(np.uint8).tolist() == [0, 1, 1]


# .npz


def test_an_archive_gives_the_array_that_is_named() -> None:
    data = npz(a=npy([1.0]), b=npy([2.0, 3.0]))
    assert says(data, "x.npz", "npz", "b") == "(2,)"
    assert says(data, "x.npz", "npz") == "E622 x.npz holds 2 arrays"
    assert says(data, "x.npz", "npz", "c") == "E617 x.npz has no array `c`"
    assert says(npz(a=npy([1.0])), "x.npz", "npz") == "(1,)"
    assert says(npz(), "x.npz", "npz") == "E619 x.npz is empty"


def test_an_archive_of_zeros_takes_no_memory_before_it_is_believed() -> None:
    bomb = npz(a=headed(DESCR % ("'<f8'", "(1000000000000,)"), bytes(1 << 20)))
    assert says(bomb, "x.npz", "npz").startswith("E614 x.npz:a is not a whole .npy file: it is cut off")


@pytest.mark.parametrize("format", [f.name for f in FORMATS if f.read and f.name not in ("npy", "zarr")])
def test_damaged_data_of_any_format_is_refused_or_read_whole(format: str, samples: dict[str, bytes]) -> None:
    if format not in samples:
        pytest.skip(f"the package for {format} is not installed")
    draw = random.Random(1)
    for _ in range(100):
        data = bytearray(samples[format])
        for _ in range(draw.randrange(1, 4)):
            at = draw.randrange(len(data))
            if draw.random() < 0.7:
                data[at] = draw.randrange(256)
            else:
                del data[at : at + draw.randrange(1, max(2, len(data) // 4))]
            if len(data) < 2:
                break
        assert says(bytes(data), "x", format)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small array in each format whose package is there."""
    array = np.arange(6.0).reshape(3, 2)
    made = {
        "plain": b"0 1\n2 3\n4 5\n",
        "csv": b"a,b\n0,1\n2,3\n4,5\n",
        "json": json.dumps(array.tolist()).encode(),
        "jsonl": b"[0, 1]\n[2, 3]\n[4, 5]\n",
        "npz": npz(x=npy(array)),
    }
    folder = tmp_path_factory.mktemp("formats")
    for name, maker in MAKERS.items():
        path = folder / f"t.{name}"
        if maker is not None and _made(maker, path, array):
            made[name] = path.read_bytes()
    return made


def _made(maker: Callable[[Path, Any], None], path: Path, array: Any) -> bool:
    try:
        maker(path, array)
    except ImportError:
        return False
    return True


def make_safetensors(path: Path, array: Any) -> None:
    from safetensors.numpy import save_file

    save_file({"x": array}, path)


def make_h5(path: Path, array: Any) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["g/x"] = array


def make_parquet(path: Path, array: Any) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"a": array[:, 0], "b": array[:, 1]}), path)


MAKERS = {"safetensors": make_safetensors, "h5": make_h5, "parquet": make_parquet}
PARTS = {"safetensors": "x", "h5": "/g/x", "parquet": None}


@pytest.mark.parametrize("format", MAKERS)
def test_optional_formats_are_read_from_files_and_pipes(format: str, tmp_path: Path) -> None:
    array = np.arange(6.0).reshape(3, 2)
    path = tmp_path / f"with space: t.{format}"
    if not _made(MAKERS[format], path, array):
        pytest.skip(f"the package for {format} is not installed")
    part = PARTS[format]
    np.testing.assert_array_equal(reading.value(f"{path}:{part}" if part else str(path), "-i x"), array, strict=True)
    data = path.read_bytes()
    assert of_data(data).name == format
    np.testing.assert_array_equal(reading.read(data, "x", named(format), part), array, strict=True)
    assert says(data, "x", format, "nothing") == "E617 x has no array `" + ("/" if format == "h5" else "") + "nothing`"


def test_a_column_of_a_parquet_table_is_a_vector(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    columns = {"a": [1.5, None, 3.0], "n": [1, 2, None], "t": ["x", "y", "z"], "i": [1, 2, 3]}
    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    np.testing.assert_array_equal(reading.value(f"{path}:a", "-i x"), [1.5, np.nan, 3.0], strict=True)
    np.testing.assert_array_equal(reading.value(f"{path}:i", "-i x"), [1, 2, 3], strict=True)
    data = path.read_bytes()
    assert says(data, "t", "parquet", "n") == "E615 t:n has 1 missing values"
    assert says(data, "t", "parquet", "t") == "E601 t:t holds Python objects (object)"
    assert says(data, "t", "parquet").startswith("E601 t:t holds")


def test_bfloat16_is_read_without_loss(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    values = np.array([1.0, -2.5, 3.140625, np.inf], np.float32)
    data = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    header = json.dumps({"w": {"dtype": "BF16", "shape": [4], "data_offsets": [0, len(data)]}}).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    np.testing.assert_array_equal(reading.value(f"{path}:w", "-i w"), values, strict=True)


def test_a_dataset_in_another_file_is_not_followed(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    secret, path = tmp_path / "secret.bin", tmp_path / "t.h5"
    secret.write_bytes(np.arange(3.0).tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.arange(3.0)
    with h5py.File(path, "w") as file:
        file.create_dataset("raw", (3,), "f8", external=[(str(secret), 0, 24)])
        layout = h5py.VirtualLayout((3,), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (3,))
        file.create_virtual_dataset("virtual", layout)
        file["linked"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
    data = path.read_bytes()
    assert says(data, "t", "h5", "raw") == "E614 t:/raw lies in another file, which is not followed"
    assert says(data, "t", "h5", "virtual") == "E614 t:/virtual lies in another file, which is not followed"
    assert says(data, "t", "h5", "linked") == "E617 t has no array `/linked`"


# zarr


def test_zarr_folders_are_read(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    for version in (2, 3):
        one, group = tmp_path / f"one{version}.zarr", tmp_path / f"group{version}.zarr"
        array = np.arange(6.0, dtype=np.float32).reshape(2, 3)
        zarr.create_array(one, data=array, zarr_format=version)
        np.testing.assert_array_equal(reading.value(str(one), "-i x"), array, strict=True)
        root = zarr.open_group(group, mode="w", zarr_format=version)
        root.create_array("a/b", data=array)
        root.create_array("c", data=array * 2)
        np.testing.assert_array_equal(reading.value(f"{group}:a/b", "-i x"), array, strict=True)
        with pytest.raises(InputError, match=r"E622.* holds 2 arrays"):
            reading.value(str(group), "-i x")


def test_zarr_chunks_are_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("zarr", reason="zarr is not installed")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "x.zarr"
    folder.mkdir()
    array = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "<f8", "fill_value": 0, "order": "C"}
    for codec in (
        {"compressor": {"id": "pickle"}, "filters": None},
        {"compressor": None, "filters": [{"id": "pickle"}]},
    ):
        (folder / ".zarray").write_text(json.dumps(array | codec))
        (folder / "0").write_bytes(pickle.dumps(Harmful()))
        with pytest.raises(InputError, match=r"pickle|codec"):
            reading.value(str(folder), "-i x")
    assert not (tmp_path / "pwned").exists()


# Packages that are not there


@pytest.mark.parametrize(
    ("name", "package"),
    [("x.safetensors", "safetensors"), ("x.h5", "h5py"), ("x.zarr", "zarr"), ("x.parquet", "pyarrow")],
)
def test_a_package_that_is_missing_is_said(
    name: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    Path(name).mkdir() if name.endswith("zarr") else Path(name).write_bytes(b"1")
    with pytest.raises(DeviceError) as error:
        reading.value(name, "-i x")
    found = error.value.diagnostics[0]
    assert (found.code, found.message) == ("E702", f"{name} needs the package {package}, which is not installed")
    assert found.help == 'pip install "ndgrad[io]"'
    assert error.value.exit_code == 5


# Text


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", [[1, 2]]),
        (b"a;b\n1;2\n", [[1, 2]]),
        (b"a\tb\n1\t2\n", [[1, 2]]),
        (b"a|b\n1|2\n", [[1, 2]]),
        (b"speed (m|s),time; s\n1,2\n3,4\n", [[1, 2], [3, 4]]),
        (b"1  2\n3 4\n", [[1, 2], [3, 4]]),
        (b'"1","2"\n"3","4"\n', [[1, 2], [3, 4]]),
        (b"1,2\r3,4\r", [[1, 2], [3, 4]]),
        (b"w[0]\n1\n2\n", [[1], [2]]),
    ],
)
def test_tables_of_any_delimiter_are_read(data: bytes, expected: Any) -> None:
    np.testing.assert_array_equal(reading.read(data, "t.csv", named("csv")), np.array(expected, float), strict=True)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a,b\n" + "1,2\n" * 7 + "3,x\n", (9, 3), "this is no number, in column `b`"),
        ("a,b\n" + "1,2\n" * 7 + "3\n", (9, 1), "1 cell, the rows before have 2"),
        ("a,b\n" + "1,2\n" * 20_000 + "3,4,5\n", (20_002, 1), "3 cells, the rows before have 2"),
        ("1 2\n3 4 5\n", (2, 1), "3 cells, the rows before have 2"),
        ("a,b\n1," + "1" * 200_000 + '"\n', (2, 1), "field larger than field limit (131072)"),
    ],
)
def test_a_broken_table_names_row_and_column(text: str, place: tuple[int, int], said: str) -> None:
    with pytest.raises(InputError) as error:
        reading.read(text.encode(), "t.csv", named("csv"), None)
    label = error.value.diagnostics[0].labels[0]
    assert ((label.span.line, label.span.column), label.text) == (place, said)


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("[[1, 2], [3, 4], [5]]", "rows that differ in length ([2] is a list of 1, [0] is a list of 2)", "[5]"),
        (
            "[[[1], [2]], [[3], [4, 5]]]",
            "rows that differ in length ([1][1] is a list of 2, [0] is a list of 1)",
            "[4, 5]",
        ),
        ('[[1, "nan"], 3]', "rows that differ in length ([1] is a number, [0] is a list of 2)", "3"),
        ("[" * 70 + "1" + "]" * 70, "lists nested too deeply", None),
        ("1" * 5000, "a number that is too large", None),
    ],
)
def test_uneven_json_says_where(text: str, message: str, where: str | None) -> None:
    with pytest.raises(InputError) as error:
        reading.read(text.encode(), "x.json", named("json"))
    found = error.value.diagnostics[0]
    assert found.message == f"x.json holds {message}, not an array of numbers"
    assert (found.labels[0].span.text if found.labels else None) == where


def test_json_lines_are_stacked() -> None:
    def read(text: str, part: str | None = None) -> Any:
        return reading.read(text.encode(), "x.jsonl", named("jsonl"), part)

    np.testing.assert_array_equal(read("[1, 2]\n\n[3, 4]\n"), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(read('{"a": 1, "b": [1]}\n{"b": ["inf"], "a": 2}', "b"), [[1], [np.inf]])
    with pytest.raises(InputError) as error:
        read("[1, 2]\n[3]\n")
    assert error.value.diagnostics[0].labels[0].span.line == 2
    with pytest.raises(InputError) as error:
        read("[1, 2]\n[3,\n")
    assert error.value.code == "E618"
    assert error.value.diagnostics[0].labels[0].span.line == 2


# Names of files


@pytest.mark.parametrize(
    "name",
    ["a b.npy", "a:b.npy", "a:b:c.npy", "[1].npy", "3", "1e5", "-", "=x.npy", "ünï.npy", "@x.npy", "nan", "a.b.NPY"],
)
def test_at_forces_a_file_of_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(npy([1.0, 2.0]))
    np.testing.assert_array_equal(reading.value(f"@{name}", "-i x"), [1, 2])


def test_a_part_may_have_colons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a:b.npz").write_bytes(npz(**{"k:l": npy([1.0]), "m": npy([2.0])}))
    np.testing.assert_array_equal(reading.value("a:b.npz:k:l", "-i x"), [1])
    np.testing.assert_array_equal(reading.value("a:b.npz:m", "-i x"), [2])


def test_a_file_may_be_a_pipe(tmp_path: Path) -> None:
    import os
    import threading

    for name, data in (("pipe", npy([1.0, 2.0])), ("pipe.npy", npy([1.0, 2.0])), ("other", b"1 2\n")):
        path = tmp_path / name
        os.mkfifo(path)
        writer = threading.Thread(target=path.write_bytes, args=(data,))
        writer.start()
        np.testing.assert_array_equal(reading.value(str(path), "-i x"), [1, 2])
        writer.join()


# Memory


@pytest.mark.skipif((machine_memory() or 0) < 4 << 30, reason="a gibibyte twice over, and room for the system")
@pytest.mark.parametrize("given", ["x.npy", "-"])
def test_a_gibibyte_takes_hardly_more_than_itself(shell: Shell, tmp_path: Path, given: str) -> None:
    with open(tmp_path / "x.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (1 << 27,)})
        file.truncate(file.tell() + (1 << 30))  # zeros that take no room on the disk
    ran = shell(f"ndgrad eval 'x[0] + x[-1]' -i x={given} --stats --format json < x.npy", cwd=tmp_path)
    assert json.loads(ran.stdout)["stats"]["peak_memory"] < 1.1 * (1 << 30)
