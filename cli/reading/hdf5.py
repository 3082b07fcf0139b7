"""HDF5 files: FILE:/PATH is a dataset. What lies in other files than this one is not followed."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.reading import arrays


def read(data: bytes, name: str, part: str | None = None) -> np.ndarray[Any, Any]:
    """The dataset that `part` names. E601, E614, E617, E622, E702."""
    return _read(io.BytesIO(data), name, part)


def read_file(path: str, part: str | None = None) -> np.ndarray[Any, Any]:
    """The same from a file, of which only that dataset is read."""
    return _read(path, path, part)


def _read(source: Any, name: str, part: str | None) -> np.ndarray[Any, Any]:
    h5py = arrays.library("h5py", name)
    try:
        with h5py.File(source, "r") as file:
            found: list[str] = []
            file.visititems(lambda path, item: found.append(f"/{path}") if isinstance(item, h5py.Dataset) else None)
            key = arrays.chosen(found, None if part is None else f"/{part.strip('/')}", name)
            dataset = file[key]
            if dataset.is_virtual or dataset.external:
                raise problems.elsewhere(f"{name}:{key}")
            if dataset.shape is None:
                raise problems.nothing_there(f"{name}:{key}")
            arrays.usable(dataset.dtype, f"{name}:{key}")
            return arrays.native(np.asarray(dataset[()]), f"{name}:{key}")
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        said = str(error.args[0] if error.args else error).splitlines()[0]
        raise problems.damaged(name, said[0].lower() + said[1:], "a whole HDF5 file") from None
