"""What indices mean, for reading and for writing.

Variables hold values, so a write makes a new array; but where nothing else can see the old one it is
made in the old one's place, so that writing the entries of a vector one by one is linear in time.
"""

from __future__ import annotations

from sys import getrefcount
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.errors import Error, Span
from ndgrad.lang import problems, syntax
from ndgrad.lang.values import (
    NUMBERS,
    Frame,
    Lazy,
    Run,
    described,
    failed,
    numbers_of,
    operand,
    placed,
    shown_shape,
    whole,
)
from ndgrad.ndarray import NDArray, plain
from ndgrad.ops import find
from ndgrad.tape import STATE as ENGINE

if TYPE_CHECKING:
    from ndgrad.lang.expressions import Expressions


def compile_key(compiler: Expressions, node: syntax.Expression) -> Run:
    """The closure of an index: integers, slices, `...`, None, masks, integer arrays, tuples of these."""
    if isinstance(node, syntax.TupleLiteral):
        parts = [_part(compiler, entry) for entry in node.entries]
        return lambda f: tuple([part(f) for part in parts])
    return _part(compiler, node)


def _part(compiler: Expressions, node: syntax.Expression) -> Run:
    if isinstance(node, syntax.Slice):
        return _slice(compiler, node)
    span = node.span
    if isinstance(node, syntax.ArrayLiteral):
        inside = compiler.as_tuple(node)
        return lambda f: _array_key(inside(f), span)
    if isinstance(node, syntax.Number) and isinstance(node.value, int):
        number = node.value
        return lambda f: number
    value = compiler.compile(node)
    return lambda f: _checked(value(f), span)


def _checked(value: Any, span: Span) -> Any:
    if isinstance(value, NDArray):
        if value.counts:
            return value
        data = plain(value)
        if data.dtype.kind == "f":
            if data.ndim == 0 and float(data).is_integer():
                return int(data)  # an input that is a whole number, say
            raise problems.raised(
                problems.cannot_index(
                    span, f"floats do not index, and this is {described(value)}", "convert with int(...), or use a mask"
                )
            )
        return value
    if value is None or value is Ellipsis or value.__class__ in (int, bool):
        return value
    if value.__class__ is range:
        return numbers_of(value, span)
    if value.__class__ is tuple:
        return tuple([_checked(part, span) for part in value])
    what = described(value)
    cure = None
    if value.__class__ is float:
        quotient = "/" in span.text
        cure = "use // for a quotient that is an integer" if quotient else "entries are counted in integers, from 0"
    raise problems.raised(problems.cannot_index(span, f"{what} is no index", cure))


def _array_key(value: Any, span: Span) -> Any:
    """An array literal in an index holds integers or booleans, and keeps them as they are."""
    if value.__class__ is tuple:
        return [_array_key(part, span) for part in value]
    if value.__class__ is float:
        return whole(value, "an index", span)
    return _checked(value, span)


def _slice(compiler: Expressions, node: syntax.Slice) -> Run:
    parts = [None if part is None else compiler.compile(part) for part in (node.start, node.stop, node.step)]
    span = node.span
    if all(part is None for part in parts):
        everything = slice(None)
        return lambda f: everything

    def bound(part: Run | None, f: Frame) -> int | None:
        value = None if part is None else part(f)
        if value is None or value.__class__ is int:
            return value
        return whole(value, "a slice", span)

    start, stop, step = parts

    def run(f: Frame) -> Any:
        made = slice(bound(start, f), bound(stop, f), bound(step, f))
        if made.step == 0:
            raise problems.raised(problems.cannot_index(span, "the step of a slice cannot be 0"))
        return made

    return run


def compile_index(compiler: Expressions, node: syntax.Index) -> Run:
    """The closure that reads x[key]."""
    inside, key = compiler.compile(node.value), compile_key(compiler, node.key)
    span, spans = node.span, (node.value.span,)
    op = find("index")
    assert op is not None
    call = op.call

    def run(f: Frame) -> Any:
        x = inside(f)
        if not isinstance(x, NDArray):
            return _plain_entry(x, key(f), spans[0], span)
        k = key(f)
        try:
            y = call(x, k)
        except Exception as error:
            raise failed(error, "an index", span, spans) from None
        node = y.node
        if node is not None:
            node.span = span
        return y

    return run


def _plain_entry(x: Any, key: Any, place: Span, span: Span) -> Any:
    """An entry of a tuple or a range."""
    if not isinstance(x, (tuple, range)):
        cure = "make it an array first: [1, 2, 3] or zeros(3)" if x.__class__ in NUMBERS else None
        if isinstance(x, Lazy):
            cure = "loop over it"
        raise problems.raised(problems.cannot_index(place, f"{described(x)} has no entries to index", cure))
    if not isinstance(key, slice):
        key = whole(key, "an index of a tuple", span) if not isinstance(key, tuple) else key
    try:
        return x[key]
    except IndexError:
        message = f"index {key} is outside of {described(x)}"
        raise problems.raised(problems.cannot_index(span, message)) from None
    except TypeError:
        raise problems.raised(problems.cannot_index(span, f"{described(x)} takes one index")) from None


def written(x: Any, key: Any, value: Any, target: syntax.Index, place: Span) -> NDArray:
    """x with x[key] = value; E303, E304, E306 where that makes no sense."""
    span, spans = target.span, (target.value.span, place)
    if not isinstance(x, NDArray):
        raise problems.raised(problems.cannot_index(target.value.span, f"{described(x)} has no entries to write"))
    value = operand(value, "a write", place)
    from ndgrad.ops.indexing import indexed, plain_key, update

    if x.dtype.kind != "f" and _loses(x, value):
        kind = f"an array of {x.dtype}"
        raise problems.raised(problems.lossy_write(place, kind, described(value)))
    try:
        y = update(x, key, value)
    except Error as error:
        if error.code != "E304":
            raise failed(error, "a write", span, spans) from None
        place_shape, shape = indexed(x.shape, plain_key(key)), getattr(value, "shape", ())
        words = shown_shape(place_shape), shown_shape(shape)
        raise problems.raised(problems.write_does_not_fit(span, words[0], place, words[1])) from None
    except Exception as error:
        raise failed(error, "a write", span, spans) from None
    return placed(y, span)


def write_variable(f: Frame, slot: int, key: Any, value: Any, target: syntax.Index, place: Span) -> NDArray:
    """The variable in `slot` with its entries at `key` written, as `written`; it is about to be given that."""
    x = f[slot]
    given = value.__class__ in NUMBERS or (isinstance(value, NDArray) and not value.traced)
    waits = ENGINE.fusion is not None and x.__class__ is ENGINE.fusion.Large
    if waits and ENGINE.remote is not None and ENGINE.remote.device_of(x) is not None:
        waits = False  # it is not in the memory of the host
    if given and (waits or x.__class__ is NDArray):
        f[slot] = None  # so that whoever else refers to x is counted
        if waits and getrefcount(x) == _ALONE:
            x.expose()  # else each write would make a copy
        if getrefcount(x) == _ALONE and _is_sole(x) and (x.dtype.kind == "f" or not _loses(x, value)):
            from ndgrad.ops.indexing import overwrite

            try:
                return placed(overwrite(x, key, value), target.span)
            except Exception:
                pass  # `written` says what is wrong
        f[slot] = x
    return written(x, key, value, target, place)


def _is_sole(x: NDArray) -> bool:
    """Whether the array of `x` owns its memory, and no view, other array or recorded operation refers to it."""
    data = x._data
    return (
        data.__class__ is np.ndarray and data.base is None and data.flags.writeable and getrefcount(data) == _ALONE + 1
    )


def _count_of_one() -> int:
    """What getrefcount says of an object that only a local variable refers to; versions of Python differ."""
    alone = object()
    return getrefcount(alone)


_ALONE = _count_of_one()


def _loses(x: NDArray, value: Any) -> bool:
    """Whether an array of integers or booleans cannot hold `value`."""
    if isinstance(value, NDArray):
        return bool(value.dtype.kind == "f" or (x.dtype.kind == "b" and value.dtype.kind != "b"))
    if x.dtype.kind == "b":
        return value.__class__ is not bool
    return value.__class__ is float and not (abs(value) < 2**63 and value == int(value))
