"""The kinds of data that commands read and write, one entry each: a new format is an entry and a module.

Names of files tell their format by the suffix, data from a pipe by its first bytes. `read` names a
module of `cli/reading` and `write` one of `cli/writing`.
"""

from __future__ import annotations

import os

from ndgrad.frozen import Frozen


class Format(Frozen):
    """One format.

    suffixes  how names of such files end; the first is the one to recommend
    magic     how such data begins
    read      the module with read(data, name, part), and read_file(path, part) where a file need not be read whole
    write     the module with write(report, place)
    binary    never written to a terminal
    holds     "all" of a result, several arrays by "name", in a "row" (apart by order alone), or "one" array
    """

    name: str
    suffixes: tuple[str, ...] = ()
    magic: bytes = b""
    read: str = ""
    write: str = ""
    binary: bool = False
    holds: str = "one"


NPY = b"\x93NUMPY"
FORMATS = (
    Format("table", write="table", holds="all"),
    Format("plain", (".txt",), read="tabular", write="plain", holds="row"),
    Format("json", (".json",), read="json_value", write="json_result", holds="all"),
    Format("jsonl", (".jsonl", ".ndjson"), read="json_lines"),
    Format("npy", (".npy",), NPY, read="npy", write="npy", binary=True),
    Format("npz", (".npz",), b"PK\x03\x04", read="npz", write="npz", binary=True, holds="name"),
    Format("csv", (".csv", ".tsv"), read="tabular", write="csv"),
    Format("safetensors", (".safetensors",), read="tensors", write="tensors", binary=True, holds="name"),
    Format("h5", (".h5", ".hdf5"), b"\x89HDF\r\n\x1a\n", read="hdf5", binary=True),
    Format("zarr", (".zarr",), read="zarr_array", binary=True),
    Format("parquet", (".parquet",), b"PAR1", read="parquet", binary=True),
)
WRITTEN = tuple(format.name for format in FORMATS if format.write)


def named(name: str) -> Format:
    """The format of that name."""
    return next(format for format in FORMATS if format.name == name)


def of_path(path: str) -> Format | None:
    """The format that a file's name tells, if it tells any."""
    suffix = os.path.splitext(path.rstrip("/"))[1].lower()
    return next((format for format in FORMATS if suffix and suffix in format.suffixes), None)


def of_data(data: bytes) -> Format:
    """The format that the first bytes tell: a magic, a bracket of JSON, else a table of text."""
    for format in FORMATS:
        if format.magic and data.startswith(format.magic):
            return format
    text = data.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] not in (b"[", b"{"):
        # safetensors begins with the length of its header, which is JSON
        return named("safetensors" if data[8:9] == b"{" and data[5:8] == bytes(3) else "csv")
    first, _, rest = text.partition(b"\n")
    is_lines = first.rstrip()[-1:] in (b"]", b"}") and rest.lstrip()[:1] in (b"[", b"{")
    return named("jsonl" if is_lines else "json")
