"""Zarr arrays and groups, as folders: FOLDER:NAME is an array of a group."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.reading import arrays


def read(data: bytes, name: str, part: str | None = None) -> np.ndarray[Any, Any]:
    """E614: a zarr array is a folder."""
    raise problems.damaged(name, "it is one file", "a zarr folder")


def read_file(path: str, part: str | None = None) -> np.ndarray[Any, Any]:
    """The array of the folder `path`, or of the group there the one that `part` names. E601, E614, E617, E622, E702."""
    if not os.path.isdir(path):
        with open(path, "rb"):
            return read(b"", path, part)
    zarr = arrays.library("zarr", path)
    try:
        found = zarr.open(path, mode="r")
        where = path
        if isinstance(found, zarr.Group):
            members = {f"/{name}": item for name, item in found.members(max_depth=None) if isinstance(item, zarr.Array)}
            key = arrays.chosen(members, None if part is None else f"/{part.strip('/')}", path)
            found, where = members[key], f"{path}:{key}"
        elif part is not None:
            raise problems.no_part(path, part, [])
        if _runs_code(found.metadata.to_dict()):
            raise problems.unsupported_dtype(where, "pickled chunks", "Python objects")
        arrays.usable(np.dtype(found.dtype), where)
        return arrays.native(np.asarray(found[...]), where)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise problems.damaged(path, said[0].lower() + said[1:], "a whole zarr folder") from None


def _runs_code(metadata: Any) -> bool:
    """Whether a codec of the array unpickles: pickled data can do anything when it is read."""
    if isinstance(metadata, dict):
        return any(map(_runs_code, metadata.values()))
    if isinstance(metadata, (list, tuple)):
        return any(map(_runs_code, metadata))
    return "pickle" in metadata if isinstance(metadata, str) else "Pickle" in type(metadata).__name__
