"""JSON: a number, a nested list, or a result that ndgrad wrote with `--format json`."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.reading import decoded

_WORDS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def read(data: bytes, name: str, part: str | None = None) -> Any:
    """The value as an array, float64 unless a result says otherwise; E618 where there is none.

    Of a result, its gradient where it has exactly one, else its value. nan and the infinities may be strings.
    """
    source = decoded(data, name)
    try:
        found = json.loads(source.text)
    except json.JSONDecodeError as error:
        raise problems.bad_json(source, error.pos, error.msg[0].lower() + error.msg[1:]) from None
    except RecursionError:
        raise problems.no_array_in_json(name, "lists nested too deeply") from None
    dtype = None
    if isinstance(found, dict):
        found, dtype = _of_result(found, name)
    try:
        made = np.array(found)
        if made.dtype.kind not in "fib":  # nan and infinities as strings, or something that is no number
            made = np.array(_numbers(found, name))
    except ValueError:
        raise problems.no_array_in_json(name, "rows that differ in length") from None
    return made.astype(dtype or (bool if made.dtype.kind == "b" else np.float64))


def _of_result(found: dict[str, Any], name: str) -> tuple[Any, Any]:
    if found.get("schema") != 1:
        raise problems.no_array_in_json(name, "an object")
    grads = found.get("grads") or {}
    if len(grads) > 1:
        raise problems.no_array_in_json(name, f"{len(grads)} gradients")
    if grads:
        which, values = next(iter(grads.items()))
        dtype = found.get("dtypes", {}).get(which)
    else:
        values = found.get("value")
        dtype = found.get("dtypes", {}).get(next(iter(found.get("outputs") or {}), ""))
    return values, dtype if dtype in ("float32", "float64", "int64", "bool") else None


def _numbers(found: Any, name: str) -> Any:
    """`found` with the strings for nan and infinities as numbers; everything else refused."""
    if isinstance(found, list):
        return [_numbers(entry, name) for entry in found]
    if isinstance(found, bool | float):
        return found
    if isinstance(found, int):
        try:
            return float(found)
        except OverflowError:
            raise problems.no_array_in_json(name, "a number that is too large") from None
    if isinstance(found, str) and found in _WORDS:
        return _WORDS[found]
    kinds = {str: "text", dict: "an object", type(None): "null"}
    raise problems.no_array_in_json(name, kinds.get(type(found), "something"))
