"""Where the first nan or infinity comes from: the operation that makes it of finite operands, and where it is written.

A program that is checked is compiled with every expression looked at; others pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ndgrad.errors import CheckError, Diagnostic, Label, Span
from ndgrad.lang import syntax
from ndgrad.lang.conditions import condensed
from ndgrad.lang.interpreter import Compiler
from ndgrad.lang.values import Frame, Run, shown_shape
from ndgrad.ndarray import NDArray, plain
from ndgrad.tape import Node, Remote

_MAKES = (syntax.Unary, syntax.Binary, syntax.Call, syntax.Comparison)
_LONGEST = 40  # characters of an expression in a message


class Checking(Compiler):
    """A compiler whose expressions stop at the first result that is not finite, though their operands are."""

    compiles = False

    def compile(self, node: syntax.Expression) -> Run:
        made = super().compile(node)
        seen = self.__dict__.setdefault("seen", {})  # the last value of every expression, by id of the node
        key = id(node)
        operands = [(id(part), part.span) for part in _operands(node)]
        makes = isinstance(node, _MAKES)
        span = node.span

        def run(f: Frame) -> Any:
            value = made(f)
            seen[key] = value
            if makes and any(found := not_finite(value)):
                parts = [(place, seen.get(part)) for part, place in operands]
                before = [not_finite(part) for _, part in parts]
                nan_before, inf_before = any(nan for nan, _ in before), any(inf for _, inf in before)
                if (found[0] and not nan_before) or (found[1] and not nan_before and not inf_before):
                    raise CheckError(made_by_operation(span, value, parts))
            return value

        return run


def _operands(node: syntax.Expression) -> Iterator[syntax.Expression]:
    match node:
        case syntax.Unary(operand=operand):
            yield operand
        case syntax.Binary(left=left, right=right):
            yield from (left, right)
        case syntax.Call(function=function, arguments=arguments, keywords=keywords):
            if isinstance(function, syntax.Attribute):
                yield function.value
            yield from arguments
            yield from (keyword.value for keyword in keywords)


_FLOAT = np.dtype(np.float64)
_HELD = (float, np.ndarray, np.generic, Remote)


def not_finite(value: Any) -> tuple[bool, bool]:
    """Whether a value holds nan, and whether it holds an infinity."""
    if isinstance(value, (tuple, list)):
        found = [not_finite(part) for part in value]
        return any(nan for nan, _ in found), any(inf for _, inf in found)
    data = plain(value) if isinstance(value, NDArray) else value
    if not isinstance(data, (float, np.ndarray, np.floating, Remote)) or getattr(data, "dtype", _FLOAT).kind != "f":
        return False, False
    if np.isfinite(data).all():
        return False, False
    return bool(np.isnan(data).any()), bool(np.isinf(data).any())


def check_array(what: str, value: Any, span: Span | None) -> None:
    """E801 where an array that is no operation's result is not finite: an input, a head, a derivative."""
    if any(not_finite(value)):
        labels = () if span is None else (Label(span, ""),)
        raise CheckError(Diagnostic("E801", f"{what} holds {_said(value)}", labels))


class Backwards:
    """Watches a reverse sweep for the first adjoint that is not finite."""

    def __call__(self, node: Node, g: Any, shares: tuple[tuple[Node | None, Any], ...]) -> None:
        if any(not_finite(g)):
            return
        for i, (parent, share) in enumerate(shares):
            if parent is not None and any(not_finite(share)) and node.op is not None:
                raise CheckError(made_by_derivative(node, i, share))


def made_by_operation(span: Span, value: Any, parts: list[tuple[Span, Any]]) -> Diagnostic:
    """E801: an operation gives nan or an infinity for operands that are finite."""
    at = _first(value)
    labels = [Label(span, f"gives {_said(value)}")]
    labels += [Label(place, shown) for place, part in parts if (shown := _there(part, at, value))]
    return Diagnostic("E801", f"`{_short(span)}` gives {_word(value)}", tuple(labels), _cure(labels))


def made_by_derivative(node: Node, operand: int, share: Any) -> Diagnostic:
    """E801: the derivative of an operation is nan or infinite where its value is finite."""
    assert node.op is not None
    at = _first(share)
    values = [_there(np.asarray(x), at, share) for x in node.operands if isinstance(x, _HELD)]
    known = [value for value in values if value]
    remark = f"its derivative gives {_said(share)}" + (f"; the operands are {', '.join(known)}" if known else "")
    labels = () if node.span is None else (Label(node.span, remark),)
    where = f"`{_short(node.span)}`" if node.span is not None else f"`{node.op.name}`"
    which = f" by its operand {operand + 1}" if len(node.parents) > 1 else ""
    return Diagnostic("E801", f"the derivative of {where}{which} gives {_word(share)}", labels)


def _cure(labels: list[Label]) -> str | None:
    return "without --nan-check the run goes on with it" if len(labels) == 1 else None


def _short(span: Span) -> str:
    text = condensed(span.text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _array(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        value = next(part for part in value if any(not_finite(part)))
    return np.asarray(plain(value) if isinstance(value, NDArray) else value)


def _first(value: Any) -> tuple[int, ...]:
    """The index of the first entry that is not finite."""
    data = _array(value)
    return tuple(int(i) for i in np.unravel_index(int(np.argmin(np.isfinite(data))), data.shape))


def _word(value: Any) -> str:
    return str(float(_array(value)[_first(value)]))


def _said(value: Any) -> str:
    """`nan`, or `nan at [3], and 4 more of 10 entries`."""
    data, at = _array(value), _first(value)
    said = _word(value)
    if data.ndim == 0:
        return said
    more = int(np.count_nonzero(~np.isfinite(data))) - 1
    counted = f", and {more:,} more of {data.size:,} entries are not finite" if more else ""
    return f"{said} at {list(at)}{counted}"


def _there(part: Any, at: tuple[int, ...], value: Any) -> str:
    """What an operand is where the result is not finite, or its shape where it has no such place."""
    if isinstance(part, NDArray):
        part = plain(part)
    if isinstance(part, bool) or not isinstance(part, (int, *_HELD)):
        return ""
    data = np.asarray(part)
    if data.ndim == 0:
        return f"{data.item():.6g}" if data.dtype.kind == "f" else str(data.item())
    try:
        entry = np.broadcast_to(data, _array(value).shape)[at].item()
    except ValueError:
        return f"shape {shown_shape(data.shape)}"
    return f"{entry:.6g} there" if data.dtype.kind == "f" else f"{entry} there"
