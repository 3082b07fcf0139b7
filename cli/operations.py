"""The operations of the language, for people and as JSON: one, or all in groups."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from ndgrad.cli import problems
from ndgrad.cli.streams import columns, only_ascii, painter, put
from ndgrad.lang import operations
from ndgrad.lang.notation import ratio
from ndgrad.lang.operations import Operation


def write(name: str, format: str) -> None:
    """Write one operation. Stops with exit code 2 where there is none of this name."""
    found = operations.operation(name)
    if found is None:
        from difflib import get_close_matches

        known = [one for names in operations.groups().values() for one in names]
        near = get_close_matches(name, known, 3)
        cure = f"did you mean {' or '.join(near)}?" if near else "`ndgrad ops` lists all"
        problems.usage(f"there is no operation `{name}`; {cure}")
    if format == "json":
        _put_json(as_object(found))
    else:
        put("\n".join(lines_of(found)) + "\n")


def write_all(search: str | None, format: str) -> None:
    """Write the names in groups, or those that fit `search`. Stops with exit code 2 where none does."""
    chosen = None if search is None else set(operations.matching(search))
    groups = {
        group: [name for name in names if chosen is None or name in chosen]
        for group, names in operations.groups().items()
    }
    groups = {group: names for group, names in groups.items() if names}
    if not groups:
        problems.usage(f"no operation is called like `{search}`; `ndgrad ops` lists all")
    if format == "json":
        _put_json(groups)
    else:
        put("\n".join(_listed(groups)) + "\n")


def _put_json(data: Any) -> None:
    put(json.dumps(data, ensure_ascii=only_ascii(sys.stdout)) + "\n")


def _listed(groups: dict[str, list[str]]) -> Iterator[str]:
    paint = painter(sys.stdout) or (lambda text, role: text)
    for i, (group, names) in enumerate(groups.items()):
        yield from [""] if i else []
        yield paint(group, "title")
        yield from textwrap.wrap(" ".join(names), min(columns(), 100) - 2, initial_indent="  ", subsequent_indent="  ")


def lines_of(found: Operation) -> list[str]:
    """The operation for people."""
    paint = painter(sys.stdout) or (lambda text, role: text)
    rows = [("group", found.group)]
    rows += [("derivative", _derivative(d)) for d in found.derivatives]
    rows += [("kink", f"{kink.where}: {kink.value}") for kink in found.kinks]
    if found.example:
        rows.append(("example", f"{found.example} → {found.result}"))
    return [paint(found.call, "title"), *(f"  {paint(label.ljust(10), 'faint')}  {said}" for label, said in rows)]


def _derivative(d: operations.Derivative) -> str:
    if d.rule.startswith("none: "):
        return f"by {d.by}: {d.rule}"
    return f"{ratio('∂', 'y', d.by) if d.factor else ratio('∂', 'L', d.by)} = {d.rule}"


def as_object(found: Operation) -> dict[str, Any]:
    """The operation as data."""
    return {
        "name": found.name,
        "group": found.group,
        "call": found.call,
        "derivatives": [{"by": d.by, "rule": d.rule, "factor": d.factor} for d in found.derivatives],
        "kinks": [{"where": kink.where, "value": kink.value} for kink in found.kinks],
        "example": found.example,
        "result": found.result,
    }
