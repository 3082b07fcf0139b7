"""The records that `--each` runs a program for, one by one: values by the names of inputs, or errors in their place.

Of one input they are the lines of JSON lines, the arrays of a .npy stream, else the rows of an array; of several,
what stands at the same place of each. A table with a header names the inputs itself.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from ndgrad.cli import problems
from ndgrad.cli.formats import of_path
from ndgrad.errors import Error

TABLES = ("csv", "plain")


def is_file(each: str) -> bool:
    """Whether what --each is given is a file that names inputs, rather than the names of inputs."""
    return not all(name.strip().isidentifier() for name in each.split(","))


def header(path: str) -> list[str]:
    """The headings of the table in a file. E602, E619; stops on wrong usage."""
    from ndgrad.cli.reading import tabular

    format = of_path(path)
    if format is None or format.name not in TABLES:
        problems.usage(
            f"--each {path}: it takes the names of inputs, or a table (.csv .tsv .txt) that is headed by them"
        )
    try:
        with open(path, "rb") as stream:
            found = tabular.header(stream.read(), path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise problems.cannot_read(path, reason[0].lower() + reason[1:]) from None
    if not found:
        problems.usage(f"--each {path}: its columns have no names; give it a header, or bind them with -i")
    return found


def columns(path: str, headings: Sequence[str], inputs: Collection[str]) -> list[tuple[str, str]]:
    """The inputs that a table has columns for, each with the VALUE that reads it. Stops where there are none."""
    found = [(name, f"{path}:{name}") for name in headings if name in inputs]
    if not found:
        of = f"its inputs are {', '.join(sorted(inputs))}" if inputs else "it has none"
        problems.usage(f"--each {path}: no column ({', '.join(headings)}) is an input of the program; {of}")
    return found


def of_inputs(values: Sequence[tuple[str, str]]) -> Iterator[Any]:
    """The records of inputs bound to these VALUEs. E602 and on for one that has none, E625 for different numbers."""
    names = [name for name, _ in values]
    sources = [of_value(text, f"-i {name}") for name, text in values]
    number = 0
    while True:
        found = [next(source, _END) for source in sources]
        ended = [name for name, one in zip(names, found, strict=True) if one is _END]
        if len(ended) == len(names):
            return
        if ended:
            raise problems.fewer_records(ended[0], number, next(name for name in names if name not in ended))
        number += 1
        wrong = next((one for one in found if isinstance(one, Error)), None)
        yield dict(zip(names, found, strict=True)) if wrong is None else wrong


_END: Any = object()


def of_value(text: str, option: str) -> Iterator[Any]:
    """The records of a VALUE: arrays, or errors in their place. E602 and on for a value that has none."""
    from ndgrad.cli import reading
    from ndgrad.cli.reading import json_lines

    if text == "-" or text.startswith("-:"):
        if sys.stdin is None:
            raise problems.cannot_read(reading.STDIN, "it is closed")
        yield from _of_stream(sys.stdin.buffer, reading.STDIN, text[2:] or None)
        return
    path, part = reading.located(text.removeprefix("@"))
    format = of_path(path)
    if format is not None and format.name in ("jsonl", "npy"):
        try:
            with open(path, "rb") as stream:
                if format.name == "jsonl":
                    yield from _of_lines(stream, path, part)
                    return
                arrays = _of_arrays(stream, path)
                first = next(arrays, None)
                if first is None:
                    raise problems.nothing_there(path)
                second = next(arrays, None)
                if second is None:
                    yield from _rows(first, option)
                else:
                    yield from (first, second)
                    yield from arrays
                return
        except OSError as error:
            reason = error.strerror or str(error)
            raise problems.cannot_read(path, reason[0].lower() + reason[1:]) from None
    if format is not None and format.name == "json" and part is None:
        objects = json_lines.objects(path)
        if objects is not None:
            yield from objects
            return
    yield from _rows(reading.value(text, option), option)


def _of_stream(stream: Any, name: str, part: str | None) -> Iterator[Any]:
    """The records of a pipe: .npy arrays, JSON lines, or the rows of whatever else it holds."""
    from ndgrad.cli import reading
    from ndgrad.cli.formats import named, of_data

    start = stream.peek(1)[:1]
    if start == named("npy").magic[:1]:
        yield from _of_arrays(stream, name)
        return
    if start in (b"[", b"{"):
        first = stream.readline()
        if _is_whole(first):
            yield from _of_lines([first], name, part)
            yield from _of_lines(stream, name, part, 2)
            return
        data = first + stream.read()
    else:
        data = stream.read()
    yield from _rows(reading.read(data, name, of_data(data), part), name)


def _is_whole(line: bytes) -> bool:
    """Whether a line is JSON by itself."""
    import json

    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return line.rstrip().endswith((b"]", b"}"))
    return True


def _of_lines(lines: Iterable[bytes], name: str, part: str | None, first: int = 1) -> Iterator[Any]:
    from ndgrad.cli.reading import decoded, json_lines

    for number, line in enumerate(lines, first):
        if line.strip():
            try:
                source = decoded(line.rstrip(b"\r\n"), f"{name}, line {number}")
                yield json_lines.record(source, 0, source.text, part)
            except Error as error:
                yield error


def _of_arrays(stream: Any, name: str) -> Iterator[Any]:
    from ndgrad.cli.reading import npy

    while True:
        array = npy.read_next(stream, name)
        if array is None:
            return
        yield array


def _rows(value: Any, option: str) -> Iterator[Any]:
    import numpy as np

    array = np.asarray(value, dtype=None if isinstance(value, np.ndarray) else np.float64)
    if array.ndim == 0:
        raise problems.no_records(option)
    # Integers that floats do not hold stay as they are written.
    yield from value if isinstance(value, list) and np.any(np.abs(array) >= 1 << 53) else array
