"""All that can be found in a program without running it: errors, and the warnings of `ndgrad lint`.

A comment `# lint: ignore[W201]` keeps the warnings with that code on its line to itself, and
`# lint: ignore` all of them. Errors are never kept back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ndgrad.errors import Diagnostic, Source, Span
from ndgrad.frozen import Frozen
from ndgrad.lang import problems
from ndgrad.lang.builtins import CONSTANTS, builtin, function_names
from ndgrad.lang.flow import Flow
from ndgrad.lang.lints import Lints
from ndgrad.lang.shape_lints import Inferred

if TYPE_CHECKING:
    from ndgrad.lang.program import Program

_COMMENT = re.compile(r"""(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[^#"'\n])*(#.*)""")
_IGNORE = re.compile(r"#\s*lint:\s*ignore(?:\[([^\]]*)\])?(?=\s|#|$)")


def check(program: Program, inputs: Mapping[str, Any] | None = None) -> tuple[Diagnostic, ...]:
    """What is found in a program that could be read, in the order of the text.

    inputs: values of inputs, of which only shapes and dtypes count; errors then hold for runs with these.
    """
    flow = Flow(program.body)
    found = [*Lints(program.body).found, *flow.found, *_not_declared(program, flow, inputs or {})]
    found += Inferred(program, inputs).findings()
    return tuple(sorted(_without_ignored(program.source, found), key=_position))


def _position(problem: Diagnostic) -> tuple[int, str]:
    return problem.span.start if problem.span else 0, problem.code


def _not_declared(program: Program, flow: Flow, given: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """W209: what only the caller can give a value."""
    known = {*program.checked.globals, *CONSTANTS, *function_names()}
    names = {name: node for name, node in program.checked.free.items() if name not in CONSTANTS and not builtin(name)}
    for name, node in (names | flow.early).items():
        if name in given:
            continue
        yield problems.not_declared(node.span, name, known - {name})


class Ignore(Frozen):
    """A comment that keeps warnings of its line to itself: those with one of the codes, or all (no codes)."""

    span: Span
    line: int
    codes: tuple[str, ...]


def ignores(source: Source) -> Iterator[Ignore]:
    """The `lint: ignore` comments of a program."""
    start = 0
    for number, line in enumerate(source.text.split("\n"), 1):
        comment = _COMMENT.match(line) if "#" in line else None
        for found in _IGNORE.finditer(line, comment.start(1)) if comment else ():
            codes = tuple(code.strip().upper() for code in (found[1] or "").split(",") if code.strip())
            yield Ignore(Span(source, start + found.start(), start + found.end()), number, codes)
        start += len(line) + 1


def _without_ignored(source: Source, found: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """The findings that no comment keeps back; W210 for comments that keep nothing back."""
    comments = {comment.line: comment for comment in ignores(source)}
    used: set[tuple[int, str]] = set()
    for problem in found:
        comment = comments.get(problem.span.line) if problem.span and problem.span.source == source else None
        if comment is not None and problem.severity == "warning" and problem.code in (comment.codes or (problem.code,)):
            used.add((comment.line, problem.code if comment.codes else ""))
        else:
            yield problem
    for comment in comments.values():
        for code in comment.codes or ("",):
            if (comment.line, code) not in used:
                yield problems.ignores_nothing(comment.span, code or None)
