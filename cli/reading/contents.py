"""All that a file holds: one array, several by name, or the result of a run with its value and derivatives."""

from __future__ import annotations

import os
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


def contents(text: str, option: str, stdin: reading.StandardInput | None = None) -> Contents:
    """All that VALUE holds. Errors: those of `reading.value`."""
    from ndgrad.cli.reading.literals import is_one

    path = text.removeprefix("@")
    whole, part = reading.located(path)
    if text == "-" or is_one(text) or part is not None or not os.path.isfile(whole):
        found = reading.value(text, option, stdin)
        return Contents(lambda: found)
    format = of_path(whole)
    if format is None:
        with open(whole, "rb") as stream:
            format = of_data(stream.read(1 << 12))
    if format.name == "json":
        return _of_json(whole)
    names = _names(whole, format)
    if len(names) < 2:
        found = reading.value(text, option, stdin)
        return Contents(lambda: found, {names[0]: found} if names else None)
    module = reading.module(format)
    return Contents(lambda: reading.file(path), {name: module.read_file(whole, name) for name in names})


def _names(path: str, format: Format) -> list[str]:
    """The arrays of a file that has names for them; errors are left to who reads it."""
    from ndgrad.errors import Error

    if format.name == "npz":
        import zipfile

        try:
            with zipfile.ZipFile(path) as archive:
                return [entry.filename.removesuffix(".npy") for entry in archive.infolist()]
        except (zipfile.BadZipFile, OSError):
            return []
    if format.name == "safetensors":
        safetensors = arrays.library("safetensors", path)
        try:
            with safetensors.safe_open(path, framework="np") as file:
                return list(file.keys())
        except (safetensors.SafetensorError, OSError):
            return []
    if format.name == "h5":
        h5py = arrays.library("h5py", path)
        found: list[str] = []
        try:
            with h5py.File(path, "r") as file:
                file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        except (OSError, RuntimeError, Error):
            return []
        return found
    return []


def _of_json(path: str) -> Contents:
    with open(path, "rb") as stream:
        source = decoded(stream.read(), path)
    if not source.text.strip():
        reading.file(path)  # says that it is empty
    found = json_value.parsed(source, source.text, 0)
    span = Span(source, 0, len(source.text))

    def array(value: Any, dtype: Any = None) -> Array:
        made: Array = json_value.array_of(value, path, None, span)
        return made if dtype is None else made.astype(dtype)

    def single() -> Array:
        return array(found)

    if not isinstance(found, dict):
        return Contents(single)
    if found.get("schema") != 1:
        return Contents(single, {name: array(value) for name, value in found.items()})
    dtypes = _mapping(found.get("dtypes"))
    outputs = {name: array(x, dtypes.get(name)) for name, x in _mapping(found.get("outputs")).items()}
    inputs = {name: array(x, dtypes.get(name)) for name, x in _mapping(found.get("optimum")).items()}
    derivatives: dict[str, Array] = {}
    named: dict[str, Array] = {}
    for key, called in DERIVATIVES:
        given = found.get(key)
        several = given if isinstance(given, dict) else {} if given is None else {"": given}
        for name, x in several.items():
            made = array(x, dtypes.get(name) if key == "grads" else None)
            derivatives[f"{called} {name}".strip()] = made
            named[name if key == "grads" else f"{called}.{name}".rstrip(".")] = made
    value = found.get("value")
    if len(outputs) < 2 and value is not None:
        outputs = {"value": array(value, next((dtypes.get(name) for name in outputs), None))}
    steps = found.get("path")
    path_taken = tuple(step for step in steps if isinstance(step, dict)) if isinstance(steps, list) else ()
    return Contents(single, inputs or named or outputs, {**inputs, **outputs, **derivatives}, path_taken)


def _mapping(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
