"""One JSON object, schema 1: everything about a run, all digits.

JSON has no nan and no infinities: they are the strings "nan", "inf", "-inf".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.cli.writing import Report
from ndgrad.cli.writing.places import Place

if TYPE_CHECKING:
    from ndgrad.lang.program import Result


def write(report: Report, place: Place) -> None:
    """A precision is for text that people read: JSON keeps all digits."""
    made = as_object(report.result, report.program)
    if report.stats:
        from ndgrad.cli.writing import stats

        made["stats"] = stats.of(report.result)
    place.write_text(json.dumps(made, ensure_ascii=place.ascii) + "\n")


def as_object(result: Result, program: str) -> dict[str, Any]:
    """The result as plain JSON values."""
    arrays = {**result.grads, **result.outputs}
    return {
        "schema": 1,
        "program": program,
        "value": None if result.value is None else nested(result.value),
        "outputs": {name: nested(value) for name, value in result.outputs.items()},
        "of": result.of,
        "grads": {name: nested(g) for name, g in result.grads.items()},
        **_further(result),
        "shapes": {name: list(array.shape) for name, array in arrays.items()},
        "dtypes": {name: str(array.dtype) for name, array in arrays.items()},
        "path": [
            {
                **({} if s.file is None else {"file": s.file}),
                "line": s.line,
                "condition": s.condition,
                "compared": s.compared,
                "taken": s.taken,
                "rounds": s.rounds,
            }
            for s in result.path
        ],
        "seconds": result.seconds,
    }


def _further(result: Result) -> dict[str, Any]:
    """The derivatives that appear only where they are asked for."""
    made: dict[str, Any] = {}
    for key, arrays in (("jacobians", result.jacobians), ("hessians", result.hessians), ("hvp", result.hvp)):
        if arrays:
            made[key] = {name: nested(array) for name, array in arrays.items()}
    if result.jvp is not None:
        made["jvp"] = nested(result.jvp)
    return made


def nested(array: np.ndarray[Any, Any]) -> Any:
    """An array as nested lists of JSON values."""
    lists = array.tolist()
    return lists if array.dtype.kind != "f" or np.isfinite(array).all() else _spelled(lists)


def _spelled(value: Any) -> Any:
    if isinstance(value, list):
        return [_spelled(v) for v in value]
    if value - value == 0:
        return value
    return "nan" if value != value else "inf" if value > 0 else "-inf"
