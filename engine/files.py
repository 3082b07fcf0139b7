"""Arrays in files: one, a list or several by name, in NumPy's .npz format. MXNet's `nd.save` and `nd.load`."""

from __future__ import annotations

from typing import Any
from zipfile import BadZipFile

import numpy as np

from ndgrad import problems
from ndgrad.ndarray import NDArray, array

_LISTED = "arr_"  # what np.savez calls arrays without a name


def save(fname: Any, data: NDArray | list[NDArray] | dict[str, NDArray]) -> None:
    """Write an array, a list of them, or arrays by name into one file in NumPy's .npz format, which `np.load` reads.

    E307 for anything else.
    """
    named = data if isinstance(data, dict) else None
    arrays: Any = list(named.values()) if named is not None else [data] if isinstance(data, NDArray) else data
    if not isinstance(arrays, (list, tuple)) or not all(isinstance(x, NDArray) for x in arrays):
        raise problems.bad_argument("save", "an array, a list of arrays, or arrays by name are needed")
    names = list(named) if named is not None else [f"{_LISTED}{i}" for i in range(len(arrays))]
    with open(fname, "wb") as file:
        np.savez(file, **{name: x.asnumpy() for name, x in zip(names, arrays, strict=True)})


def load(fname: Any) -> Any:
    """The list or the dict of arrays in a file that `save` (or `np.savez`) wrote. Nothing is unpickled. E602, E604."""
    try:
        with np.load(fname, allow_pickle=False) as found:
            if not hasattr(found, "files"):
                raise ValueError("it holds one array, as np.save writes it")
            arrays = {name: array(found[name]) for name in found.files}
    except OSError as error:
        raise problems.cannot_load(str(fname), (error.strerror or "it is not in NumPy's format").lower()) from None
    except (ValueError, KeyError, EOFError, BadZipFile) as error:
        raise problems.cannot_load(str(fname), str(error)) from None
    if all(name.startswith(_LISTED) for name in arrays):
        return [arrays[f"{_LISTED}{i}"] for i in range(len(arrays))]
    return arrays
