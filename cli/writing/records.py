"""The results of `--each` as they come, in the formats that hold many: nothing is kept in memory but the last one.

JSON lines and CSV grow line by line, and a .npy stream on a pipe array by array. In a .npy or .npz file the results
are stacked: records lie along the first axis. Where a record failed, CSV and stacked arrays have nan.
"""

from __future__ import annotations

import csv
import io
import math
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from shutil import copyfileobj
from typing import Any, BinaryIO, Protocol

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.formats import Format
from ndgrad.cli.streams import as_ascii
from ndgrad.cli.writing.npy import bytes_of
from ndgrad.cli.writing.places import Place
from ndgrad.cli.writing.plain import number

Arrays = Mapping[str, np.ndarray[Any, Any]]
CHUNK = 1 << 20


class Records(Protocol):
    """Where results go, in the order of their records; `number` counts records from 1."""

    def add(self, number: int, found: Any) -> None:
        """A result: a line of JSON, else arrays by name; None where the record failed. E624 if it does not fit."""
        ...

    def end(self) -> None:
        """What is written behind the last."""
        ...


@contextmanager
def opened(format: Format, place: Place, precision: int | None = None) -> Iterator[Records]:
    """Somewhere to put results of that format; a file appears whole when all is well, or not at all.

    precision: significant digits in CSV, all of them unless given.
    """
    with place.opened() as stream, ExitStack() as kept:
        if format.name == "csv":
            made: Records = _Table(stream, place, precision)
        elif format.name == "npz" or (format.name == "npy" and place.path is not None):
            made = _Stacks(stream, place.folder, format.name, kept)
        elif format.name == "npy":
            made = _Stream(stream)
        elif format.name == "json" and (place.path or "").lower().endswith(".json"):
            made = _List(stream)
        else:
            made = _Lines(stream)
        yield made
        made.end()


class _Lines:
    """A line of JSON for each."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def add(self, number: int, found: str) -> None:
        self.stream.write(found.encode())
        self.stream.flush()

    def end(self) -> None:
        return


class _List:
    """A list in JSON, an object in it for each."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.before = "[\n"

    def add(self, number: int, found: str) -> None:
        self.stream.write((self.before + found.rstrip("\n")).encode())
        self.before = ",\n"

    def end(self) -> None:
        self.stream.write(b"[]\n" if self.before == "[\n" else b"\n]\n")


class _Stream:
    """Arrays in .npy, one after the other; of a record that failed none."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def add(self, number: int, found: Arrays | None) -> None:
        self.stream.write(bytes_of((found or {}).values()))
        self.stream.flush()

    def end(self) -> None:
        return


class _Table:
    """CSV: a line for each, under headings. An array takes a column for every entry: `x[0]`, `x[1]`, or `x[0,1]`."""

    def __init__(self, stream: BinaryIO, place: Place, precision: int | None) -> None:
        self.stream = stream
        self.place = place
        self.precision = precision
        self.shapes: dict[str, tuple[int, ...]] | None = None
        self.failed = 0  # records that failed before one told the columns

    def add(self, number: int, found: Arrays | None) -> None:
        if found is None:
            if self.shapes is None:
                self.failed += 1
            else:
                self._write(self._failed())
            return
        shapes = {name: array.shape for name, array in found.items()}
        if self.shapes is None:
            self.shapes = shapes
            headings = [heading for name, shape in shapes.items() for heading in _headings(name, shape)]
            self._write(headings, *[self._failed()] * self.failed)
        for name, shape in shapes.items():
            if self.shapes.get(name) != shape:
                raise problems.records_differ(number, name, _shaped(shape), _shaped(self.shapes.get(name)))
        self._write([self._cell(entry) for array in found.values() for entry in array.ravel().tolist()])

    def _cell(self, entry: Any) -> str:
        return str(int(entry)) if isinstance(entry, bool) else number(entry, self.precision)

    def _failed(self) -> list[str]:
        return ["nan"] * sum(map(math.prod, (self.shapes or {}).values()))

    def _write(self, *rows: list[str]) -> None:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(rows)
        text = buffer.getvalue()
        self.stream.write((as_ascii(text) if self.place.ascii else text).encode())
        self.stream.flush()

    def end(self) -> None:
        return


def _headings(name: str, shape: tuple[int, ...]) -> list[str]:
    return [f"{name}[{','.join(map(str, index))}]" for index in np.ndindex(*shape)] if shape else [name]


def _shaped(shape: tuple[int, ...] | None) -> str:
    return "not there" if shape is None else "a scalar" if not shape else f"of shape {'×'.join(map(str, shape))}"


class _Stacks:
    """Arrays of one more axis, the records along it: one in .npy, several by name in .npz."""

    def __init__(self, stream: BinaryIO, folder: str | None, kind: str, kept: ExitStack) -> None:
        self.stream = stream
        self.folder = folder
        self.kind = kind
        self.kept = kept
        self.stacks: dict[str, _Stack] | None = None
        self.failed: list[int] = []  # records that failed before one told the shapes

    def add(self, number: int, found: Arrays | None) -> None:
        if found is None:
            if self.stacks is None:
                self.failed.append(number)
            for stack in (self.stacks or {}).values():
                stack.skip(number)
            return
        if self.kind == "npy" and len(found) > 1:
            problems.usage(
                f"a .npy file holds one array for all records, not {len(found)}; ask for one gradient, or write .npz"
            )
        if self.stacks is None:
            self.stacks = {name: _Stack(name, array, self._file()) for name, array in found.items()}
            for stack in self.stacks.values():
                for earlier in self.failed:
                    stack.skip(earlier)
        for name in dict.fromkeys((*self.stacks, *found)):
            if name not in self.stacks or name not in found:
                here, before = ("not there", "there") if name in self.stacks else ("there", "not there")
                raise problems.records_differ(number, name, here, before)
            self.stacks[name].add(number, found[name])

    def _file(self) -> Any:
        return self.kept.enter_context(tempfile.TemporaryFile(dir=self.folder, prefix=".ndgrad-"))

    def end(self) -> None:
        stacks = self.stacks or {}
        if self.kind == "npz":
            with zipfile.ZipFile(self.stream, "w", allowZip64=True) as archive:
                for name, stack in stacks.items():
                    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                        stack.copy(entry)
            return
        for stack in stacks.values():
            stack.copy(self.stream)
        if not stacks:
            self.stream.write(bytes_of([np.zeros(0)]))


class _Stack:
    """Arrays of one shape and dtype that lie in a temporary file until their number is known."""

    def __init__(self, name: str, like: np.ndarray[Any, Any], file: Any) -> None:
        self.name = name
        self.shape = like.shape
        self.dtype = like.dtype
        self.count = 0
        self.file = file

    def add(self, number: int, array: np.ndarray[Any, Any]) -> None:
        if (array.shape, array.dtype) != (self.shape, self.dtype):
            what, first = (_shaped(shape) for shape in (array.shape, self.shape))
            if what == first:
                what, first = str(array.dtype), str(self.dtype)
            raise problems.records_differ(number, self.name, what, first)
        self.file.write(np.ascontiguousarray(array).data)
        self.count += 1

    def skip(self, number: int) -> None:
        """A record that failed: nan in its place."""
        if self.dtype.kind != "f":
            raise problems.no_nan(number, self.name, str(self.dtype))
        self.add(number, np.full(self.shape, np.nan, self.dtype))

    def copy(self, stream: Any) -> None:
        """Write all of them as one array in .npy."""
        head = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(stream, {**head, "shape": (self.count, *self.shape)})
        self.file.seek(0)
        copyfileobj(self.file, stream, CHUNK)
