""".safetensors files: arrays by name. bfloat16 becomes float32, which holds all its values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.reading import arrays

_DTYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "BF16": "<u2",
    "F32": "<f4",
    "F64": "<f8",
}


def read(data: bytes, name: str, part: str | None = None) -> np.ndarray[Any, Any]:
    """The array that `part` names. E601, E614, E617, E622, E702."""
    safetensors = arrays.library("safetensors", name)
    try:
        found = dict(safetensors.deserialize(data))
    except safetensors.SafetensorError as error:
        raise _damaged(name, error) from None
    key = arrays.chosen(found, part, name)
    return _made(found[key]["dtype"], found[key]["shape"], found[key]["data"], f"{name}:{key}")


def read_file(path: str, part: str | None = None) -> np.ndarray[Any, Any]:
    """The same from a file, of which only that array is read."""
    safetensors = arrays.library("safetensors", path)
    try:
        with safetensors.safe_open(path, framework="np") as file:
            key = arrays.chosen(file.keys(), part, path)
            dtype = file.get_slice(key).get_dtype()
            if dtype not in _DTYPES or dtype == "BF16":  # what NumPy has no name for
                with open(path, "rb") as whole:
                    return read(whole.read(), path, key)
            return arrays.native(file.get_tensor(key), f"{path}:{key}")
    except safetensors.SafetensorError as error:
        raise _damaged(path, error) from None


def _made(dtype: str, shape: list[int], data: bytes, name: str) -> np.ndarray[Any, Any]:
    if dtype not in _DTYPES:
        raise problems.unsupported_dtype(name, dtype, "numbers of a kind that NumPy does not have")
    array = np.frombuffer(data, _DTYPES[dtype]).reshape(shape)
    if dtype == "BF16":  # the upper half of a float32
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return arrays.native(array, name)


def _damaged(name: str, error: Exception) -> Exception:
    return problems.damaged(
        name, str(error).removeprefix("Error while deserializing header: "), "a whole .safetensors file"
    )
