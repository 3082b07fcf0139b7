"""All that a file holds: one array, several by name, or the result of a run with its value and derivatives."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ndgrad.cli import reading
from ndgrad.cli.formats import Format, of_data, of_path
from ndgrad.cli.reading import arrays, decoded, json_value
from ndgrad.errors import Span
from ndgrad.frozen import Frozen

Array = np.ndarray[Any, Any]
# The derivatives of a result by their key in JSON, and what they are called
DERIVATIVES = (("grads", "grad"), ("jacobians", "jac"), ("hessians", "hess"), ("jvp", "jvp"), ("hvp", "hvp"))


class Contents(Frozen):
    """What a VALUE holds.

    single  the array, where it holds one, or one is meant; else raises what `reading.value` raises
    named   several arrays by name, as archives hold them; None for one without a name
    result  of a result: the value, or the outputs, and all derivatives; None for others
    path    of a result: the decisions of its run
    """

    single: Callable[[], Any]
    named: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    path: tuple[dict[str, Any], ...] = ()


def contents(text: str, option: str, stdin: reading.StandardInput) -> Contents:
    """All that VALUE holds. Errors: those of `reading.value`."""
    from ndgrad.cli.reading.literals import is_one

    if text == "-" and stdin.takers == 1:
        data = reading.bytes_from_stdin()
        format = of_data(data)
        if format.name == "npy" or not data.strip():
            found = reading.read(data, reading.STDIN, format)
            return Contents(lambda: found)
        return _of(format, data, reading.STDIN, lambda part: reading.read(data, reading.STDIN, format, part))
    path = text.removeprefix("@")
    whole, part = reading.located(path)
    if text == "-" or is_one(text) or part is not None or not os.path.isfile(whole):
        found = reading.value(text, option, stdin)
        return Contents(lambda: found)
    with open(whole, "rb") as stream:
        known = of_path(whole) or of_data(stream.read(1 << 12))

    def read(part: str | None) -> Any:
        return reading.file(path) if part is None else reading.module(known).read_file(whole, part)

    return _of(known, whole, whole, read)


def _of(format: Format, source: str | bytes, name: str, read: Callable[[str | None], Any]) -> Contents:
    """What a file, or data, of a format holds. read: what gives the part of a name, or the whole."""
    if format.name == "json":
        return _of_json(source, name, read)
    names = _names(format, source, name)
    if len(names) < 2:
        found = read(None)
        return Contents(lambda: found, {names[0]: found} if names else None)
    return Contents(lambda: read(None), {part: read(part) for part in names})


def _names(format: Format, source: str | bytes, name: str) -> list[str]:
    """The arrays of a file that has names for them; that it is damaged is left to who reads it."""
    stream: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    if format.name == "npz":
        try:
            with zipfile.ZipFile(stream) as archive:
                return [entry.filename.removesuffix(".npy") for entry in archive.infolist()]
        except (zipfile.BadZipFile, OSError):
            return []
    if format.name == "safetensors":
        safetensors = arrays.library("safetensors", name)
        try:
            return [key for key, _ in safetensors.deserialize(_bytes(source))]
        except safetensors.SafetensorError:
            return []
    if format.name == "h5":
        h5py = arrays.library("h5py", name)
        found: list[str] = []
        try:
            with h5py.File(stream, "r") as file:
                file.visititems(lambda path, item: found.append(path) if isinstance(item, h5py.Dataset) else None)
        except (OSError, RuntimeError):
            return []
        return found
    return []


def _bytes(source: str | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    with open(source, "rb") as stream:
        return stream.read()


def _of_json(source: str | bytes, name: str, read: Callable[[str | None], Any]) -> Contents:
    text = decoded(_bytes(source), name)
    if not text.text.strip():
        read(None)  # says that it is empty
    found = json_value.parsed(text, text.text, 0)
    span = Span(text, 0, len(text.text))

    def array(value: Any, dtype: Any = None) -> Array:
        made: Array = json_value.array_of(value, name, None, span)
        return made if dtype is None else made.astype(dtype)

    def single() -> Array:
        return array(found)

    if not isinstance(found, dict):
        return Contents(single)
    if found.get("schema") != 1:
        return Contents(single, {key: array(value) for key, value in found.items()})
    dtypes = _mapping(found.get("dtypes"))
    outputs = {key: array(x, dtypes.get(key)) for key, x in _mapping(found.get("outputs")).items()}
    inputs = {key: array(x, dtypes.get(key)) for key, x in _mapping(found.get("optimum")).items()}
    derivatives: dict[str, Array] = {}
    named: dict[str, Array] = {}
    for kind, called in DERIVATIVES:
        given = found.get(kind)
        several = given if isinstance(given, dict) else {} if given is None else {"": given}
        for key, x in several.items():
            made = array(x, dtypes.get(key) if kind == "grads" else None)
            derivatives[f"{called} {key}".strip()] = made
            named[key if kind == "grads" else f"{called}.{key}".rstrip(".")] = made
    value = found.get("value")
    if len(outputs) < 2 and value is not None:
        outputs = {"value": array(value, next((dtypes.get(key) for key in outputs), None))}
    steps = found.get("path")
    path_taken = tuple(step for step in steps if isinstance(step, dict)) if isinstance(steps, list) else ()
    return Contents(single, inputs or named or outputs, {**inputs, **outputs, **derivatives}, path_taken)


def _mapping(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
