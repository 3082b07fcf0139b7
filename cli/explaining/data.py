"""A derivation as JSON: all of it, with whole arrays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ndgrad.cli.explaining.wording import agrees, local_text, local_value, told
from ndgrad.lang.folding import Gap

if TYPE_CHECKING:
    from ndgrad.cli.explaining import Explained
    from ndgrad.errors import Span
    from ndgrad.lang.derivation_data import Derivation


def written(explained: Explained, ascii: bool) -> str:
    """One line of JSON."""
    made = {
        "schema": 1,
        "program": explained.program,
        "derivations": [as_object(d) for d in explained.derivations],
    }
    return json.dumps(made, ensure_ascii=ascii) + "\n"


def as_object(d: Derivation) -> dict[str, Any]:
    """The derivation as plain JSON values."""
    import numpy as np

    from ndgrad.cli.writing.json_result import nested

    def values(array: Any) -> Any:
        return None if array is None else nested(np.asarray(array))

    return {
        "of": d.of,
        "wrt": d.wrt,
        "forward": [
            _gap(s)
            if isinstance(s, Gap)
            else {"name": s.name, "expression": s.expression, "line": _number(s.span), "value": values(s.value)}
            for s in d.forward
        ],
        "path": [
            {
                "line": s.line,
                "condition": s.condition,
                "compared": s.compared,
                "taken": s.taken,
                "rounds": s.rounds,
                "count": s.count,
            }
            for s in d.path
        ],
        "backward": [
            _gap(s)
            if isinstance(s, Gap)
            else {
                "name": s.name,
                "by": s.by,
                "local": local_text(s),
                "factor": s.factor,
                "local_value": values(local_value(s)),
                "arriving": values(s.arriving),
                "leaving": values(s.leaving),
                "shared": s.shared,
                "line": _number(s.span),
                "rounds": s.rounds,
            }
            for s in d.backward
        ],
        "chain": d.chain,
        "closed_form": d.closed_form,
        "forms": list(d.forms),
        "result": values(d.result),
        "check": None
        if d.numeric is None
        else {
            "along": values(d.along),
            "numeric": values(d.numeric),
            "agrees": agrees(d) if told(d) else None,
        },
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {"left_out": gap.steps, "rounds": gap.rounds, "alike": gap.alike, "rules": list(gap.rules)}


def _number(span: Span | None) -> int | None:
    return None if span is None else span.line
