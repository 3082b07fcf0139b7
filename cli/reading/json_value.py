"""JSON: a number, a nested list, or a result that ndgrad wrote with `--format json`."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from ndgrad.cli import problems
from ndgrad.cli.reading import decoded
from ndgrad.cli.reading.arrays import chosen
from ndgrad.errors import Source, Span

_EXACT = 1 << 53  # below it float64 holds every integer
_WORDS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\],]|[^\s\[\],"]+')


def read(data: bytes, name: str, part: str | None = None) -> Any:
    """The value as an array, float64 unless a result says otherwise; E618 where there is none.

    Where it holds integers that float64 may not hold, it is a number or a nested list as it is written.

    Of a result, its gradient where it has exactly one, else its value; of a minimum, the input that was moved; of any
    object the entry `part`, which of a result is a gradient or an output. nan and the infinities may be strings.
    """
    source = decoded(data, name)
    return value_of(parsed(source, source.text, 0), name, part, Span(source, 0, len(source.text)))


def parsed(source: Source, text: str, start: int) -> Any:
    """What JSON `text`, which stands at `start` in the source, says. E618."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise problems.bad_json(source, start + error.pos, error.msg[0].lower() + error.msg[1:]) from None
    except RecursionError:
        raise problems.no_array_in_json(source.name, "lists nested too deeply") from None
    except ValueError:  # an integer of thousands of digits
        raise problems.no_array_in_json(source.name, "a number that is too large") from None


def array_of(found: Any, name: str, part: str | None, span: Span) -> Any:
    """The array that a parsed value stands for; span: where it is written."""
    return _made(found, name, part, span)[0]


def value_of(found: Any, name: str, part: str | None, span: Span) -> Any:
    """The same, but numbers as they are written where there are integers that float64 may not hold."""
    array, written = _made(found, name, part, span)
    if array.dtype != np.float64 or not np.any(np.abs(array) >= _EXACT):
        return array
    entries = np.array(written, dtype=object)
    plain = all(entry.__class__ in (int, float) for entry in entries.flat)
    return written if plain and any(entry.__class__ is int for entry in entries.flat) else array


def _made(found: Any, name: str, part: str | None, span: Span) -> tuple[Any, Any]:
    """The array, and the number or nested list that it is made of."""
    dtype = None
    whole = found
    if isinstance(found, dict):
        found, dtype = _of_object(found, name, part)
    elif part is not None:
        raise problems.no_part(name, part, [])
    try:
        made = np.array(found)
        if made.dtype.kind not in "fib":  # nan and infinities as strings, or something that is no number
            made = np.array(_numbers(found, name))
    except RecursionError:
        raise problems.no_array_in_json(name, "lists nested too deeply") from None
    except ValueError:
        path, said = _uneven(found)
        if not said:
            raise problems.no_array_in_json(name, "lists nested too deeply") from None
        place = _place(span, path) if found is whole else None
        where = "".join(f"[{i}]" for i in path)
        raise problems.no_array_in_json(name, f"rows that differ in length ({where} {said})", place) from None
    return made.astype(dtype or (bool if made.dtype.kind == "b" else np.float64)), found


def _of_object(found: dict[str, Any], name: str, part: str | None) -> tuple[Any, Any]:
    dtypes = found.get("dtypes")
    if found.get("schema") != 1:
        if part is None:
            raise problems.no_array_in_json(name, "an object")
        return found[chosen(found, part, name)], None
    arrays = "optimum" if "optimum" in found else "grads"
    grads, outputs = ({} if not isinstance(found.get(k), dict) else found[k] for k in (arrays, "outputs"))
    if part is not None or len(grads) == 1:
        both = {**outputs, **grads}
        which = chosen(both if part is not None else grads, part, name)
        values = both[which]
    elif grads:
        raise problems.no_array_in_json(name, f"{len(grads)} {'inputs' if arrays == 'optimum' else 'gradients'}")
    else:
        values, which = found.get("value"), next(iter(outputs), "")
    dtype = dtypes.get(which) if isinstance(dtypes, dict) else None
    return values, dtype if dtype in ("float32", "float64", "int64", "bool") else None


def _uneven(found: Any) -> tuple[list[int], str]:
    """The path to the first entry whose shape is not that of its first sibling, and in what it differs."""
    if isinstance(found, list):
        for i, entry in enumerate(found):
            path, said = _uneven(entry)
            if said:
                return [i, *path], said
            first, here = _extent(found[0]), _extent(entry)
            if first != here:
                return [i], f"is {here}, [0] is {first}"
    return [], ""


def _extent(entry: Any) -> str:
    shape = []
    while isinstance(entry, list):
        shape.append(len(entry))
        if not entry:
            break
        entry = entry[0]
    if not shape:
        return "a number"
    return f"a list of {shape[0]}" if len(shape) == 1 else f"a list {'×'.join(map(str, shape))}"


def _place(span: Span, path: list[int]) -> Span | None:
    """Where the entry at `path` of the nested list at `span` is written."""
    depth, counts, start = 0, [0], None
    for piece in _PIECE.finditer(span.source.text, span.start, span.end):
        sign = piece.group()
        if start is None and sign not in "]," and counts[1:] == path and depth == len(path):
            start = piece.start()
        if sign == "[":
            depth += 1
            counts.append(0)
        elif sign == "]":
            depth -= 1
            counts.pop()
        if start is not None and depth == len(path) and sign != ",":
            return Span(span.source, start, piece.end())
        if sign == ",":
            counts[-1] += 1
    return None


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
