""".npz archives: .npy arrays by name. FILE:NAME chooses one; where there is only one, no name is needed."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any, BinaryIO

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.reading import arrays, npy

_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError, UnicodeError)


def read(data: bytes, name: str, part: str | None = None) -> np.ndarray[Any, Any]:
    """The array that `part` names. E601, E614, E617, E622."""
    return _read(io.BytesIO(data), name, part)


def read_file(path: str, part: str | None = None) -> np.ndarray[Any, Any]:
    """The same from a file, of which only that array is read."""
    with open(path, "rb") as stream:
        return _read(stream if stream.seekable() else io.BytesIO(stream.read()), path, part)


def _read(stream: BinaryIO, name: str, part: str | None) -> np.ndarray[Any, Any]:
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            key = arrays.chosen(entries, part, name)
            with archive.open(entries[key]) as inside:
                return npy.read_stream(inside, f"{name}:{key}", entries[key].file_size)  # type: ignore[arg-type]
    except _BROKEN as error:
        said = str(error).splitlines()[0] if str(error) else "it is cut off"
        raise problems.damaged(name, said[0].lower() + said[1:], "a whole .npz file") from None
