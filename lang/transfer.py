"""What operations, indices and writes give where only shapes and dtypes are known.

The shape of a result is that of the operation's own rule (`ndgrad.shapes.infer`), the errors are those of a run.
Raises Unsettled where too little is known; an `Error` means that every value of this kind fails.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from ndgrad.apply import bind
from ndgrad.errors import Error, Span
from ndgrad.lang import problems, syntax
from ndgrad.lang.abstract import (
    UNKNOWN,
    Rows,
    Unsettled,
    Unsure,
    Weak,
    abstracted,
    callable_,
    described,
    has_unknown,
    is_number,
    is_plain,
    is_spread,
    join,
    row_of,
    spread,
)
from ndgrad.lang.calls import _static, packed
from ndgrad.lang.expressions import operation
from ndgrad.lang.indexing import _array_key, _checked, _plain_entry
from ndgrad.lang.scalars import ARITHMETIC, COMPARISONS, OPERATIONS
from ndgrad.lang.values import failed, in_words, shown_shape, whole
from ndgrad.ndarray import array
from ndgrad.ops import find
from ndgrad.ops.indexing import indexed
from ndgrad.ops.indexing import written as WRITTEN
from ndgrad.primitive import Parameter, Primitive
from ndgrad.shapes import Abstract, Undetermined, infer
from ndgrad.tape import STATE

# What an array of unknown dtype may hold
_CANDIDATES = tuple(np.dtype(name) for name in ("float64", "int64", "bool", "float32"))
_TRIED = 4000  # entries of arrays that an operation is tried with
_ARRANGING = frozenset({"reshape", "expand_dims", "squeeze", "atleast_2d", "atleast_3d", "broadcast_to", "meshgrid"})


def operand(value: Any, name: str, span: Span) -> Any:
    """A value as an operand of `name`: an array or a number. E305, E310."""
    if is_number(value) or isinstance(value, Abstract):
        return value
    if isinstance(value, range):
        return Abstract((len(value),), np.int64)
    if isinstance(value, tuple) and value:
        return stacked(value, (span,) * len(value), span)
    if value is None or isinstance(value, (str, tuple, Rows)) or callable_(value):
        raise problems.raised(problems.not_numbers(name, span, described(value)))
    raise Unsettled


def stacked(values: tuple[Any, ...], spans: tuple[Span, ...], span: Span) -> Abstract:
    """The array whose entries along the first axis are `values`. E305, E310."""
    parts = [operand(value, "an array", place) for value, place in zip(values, spans, strict=True)]
    first = shape_of(parts[0])
    for part, place in zip(parts, spans, strict=True):
        if shape_of(part) != first:
            shapes = in_words(first), in_words(shape_of(part))
            raise problems.raised(problems.ragged(spans[0], shapes[0], place, shapes[1]))
    shape = (len(parts), *first)
    arrays = [part for part in parts if isinstance(part, Abstract) and not isinstance(part, Weak)]
    kinds = {part.kind if isinstance(part, Weak) else part.__class__ for part in parts if part not in arrays}
    if any(isinstance(part, Unsure) for part in arrays):
        return Unsure(shape)
    if not arrays:
        return Abstract(shape, np.bool_ if kinds == {bool} else STATE.float_dtype)
    dtype = np.result_type(*(part.dtype for part in arrays))
    if kinds and dtype.kind != "f" and not (dtype.kind == "b" and kinds == {bool}):
        dtype = STATE.float_dtype
    return Abstract(shape, dtype)


def shape_of(value: Any) -> tuple[int, ...]:
    return value.shape if isinstance(value, Abstract) else ()


# Operations


def applied_rule(op: Primitive, operands: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """What the operation gives, by its rule; every dtype is tried for operands of unknown dtype."""
    unsure = [i for i, x in enumerate(operands) if isinstance(x, Unsure)]
    given = tuple(map(_bare, operands))
    if not unsure:
        return ruled(op, given, statics)
    try:
        made = ruled(op, given, statics)
        others = ruled(op, tuple(map(_as_ints, given)), statics)
    except Error as error:
        for dtypes in product(_CANDIDATES, repeat=len(unsure)):
            chosen = list(given)
            for i, dtype in zip(unsure, dtypes, strict=True):
                chosen[i] = Abstract(operands[i].shape, dtype)
            try:
                ruled(op, tuple(chosen), statics)
            except Error:
                continue
            raise Unsettled from None  # it depends on the dtype
        raise error
    return tuple(map(_agreed, made, others)) if isinstance(made, tuple) else _agreed(made, others)


def _as_ints(x: Any) -> Any:
    return Abstract(x.shape, np.int64) if isinstance(x, Unsure) else x


def _agreed(a: Any, b: Any) -> Abstract:
    """What is known of a result that is one for floats, and another for integers."""
    if a.shape != b.shape:
        raise Unsettled
    return Abstract(a.shape, a.dtype) if a.dtype == b.dtype else Unsure(a.shape)


def applied(op: Primitive, values: tuple[Any, ...], named: dict[str, Any], span: Span, spans: tuple[Span, ...]) -> Any:
    """An operation of any arguments, as a call in a program makes it."""
    if has_unknown(values) or has_unknown(tuple(named.values())):
        raise Unsettled
    signature = op.signature
    arguments = packed(op, list(values))
    for i, value in enumerate(arguments[: len(signature)]):
        arguments[i] = _argument(op, signature[i], value, spans[i] if i < len(spans) else span)
    kinds = {parameter.name: parameter for parameter in signature}
    named = {name: _argument(op, kinds[name], value, span) for name, value in named.items()}
    try:
        return _result(op, arguments, named, span, spans)
    except Error as error:
        raise failed(error, op.name, span, spans) from None


def _result(op: Primitive, arguments: list[Any], named: dict[str, Any], span: Span, spans: tuple[Span, ...]) -> Any:
    arrays = [x for x, p in zip(arguments, op.signature, strict=False) if p.kind == "array"]
    weak = op.arity > 0 and not op.variadic and all(is_number(x) or isinstance(x, Weak) for x in arrays)
    if weak and op.elementwise and op.arity == 1 and all(map(is_plain, (*arguments, *named.values()))):
        y = op.call(*arguments, **named)
        return y.item() if hasattr(y, "item") and y.shape == () else abstracted(y)
    if op.gathers:
        rest = tuple(arguments[1:])
        y = ruled(op, (), (arguments[0], tuple(map(_bare, rest))))
        return Unsure(y.shape) if any(isinstance(x, Unsure) for x in rest) else y
    operands, statics = bind(op, tuple(arguments), named)
    if not op.elementwise and any(isinstance(x, Abstract) for x in statics):
        raise Unsettled
    if any(isinstance(x, Unsure) for x in statics):
        raise Unsettled
    statics = tuple(map(_bare, statics))
    if op.variadic:
        y = _variadic(op, operands[0], statics)
    else:
        y = applied_rule(op, operands, statics)
    if weak and isinstance(y, Abstract) and y.shape == ():
        kind = {"f": float, "i": int, "b": bool}[y.dtype.kind]
        return Unsure(()) if isinstance(y, Unsure) else Weak(kind)
    return _arranged(op, operands, y)


def _bare(x: Any) -> Any:
    """An operand as the rules take it; of an unknown dtype the most usual."""
    return x.sample if isinstance(x, Weak) else x


def _variadic(op: Primitive, items: Any, statics: tuple[Any, ...]) -> Any:
    """What joins arrays: its shape does not depend on their dtypes."""
    parts = (items,) if isinstance(items, Abstract) else items
    y = ruled(op, (items if isinstance(items, Abstract) else tuple(map(_bare, items)),), statics)
    if any(isinstance(x, Unsure) for x in parts):
        return tuple(Unsure(one.shape) for one in y) if isinstance(y, tuple) else Unsure(y.shape)
    return y


def ruled(op: Primitive, operands: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """What the operation gives by its rule. An error of small arrays is believed when the operation itself agrees."""
    try:
        if op.elementwise and not statics:
            return _elementwise(op, *[_form(x) for x in operands])
        return infer(op, operands, statics)
    except (Undetermined, MemoryError):
        raise Unsettled from None
    except Error:
        if _runs(op, operands, statics):
            raise Unsettled from None
        raise


def _form(x: Any) -> Any:
    """What the rule of an elementwise operation reads of an operand."""
    return (x.shape, x.dtype) if isinstance(x, Abstract) else x.__class__


@lru_cache(4096)
def _elementwise(op: Primitive, *forms: Any) -> Abstract:
    made: Abstract = infer(op, tuple([Abstract(*form) if form.__class__ is tuple else form(1) for form in forms]))
    return made


def _runs(op: Primitive, operands: tuple[Any, ...], statics: tuple[Any, ...]) -> bool:
    """Whether the operation takes arrays of these shapes, where they are small enough to try."""
    parts = operands[0] if op.variadic and operands[0].__class__ is tuple else (*operands, *statics)
    if sum(x.size for x in parts if isinstance(x, Abstract)) > _TRIED:
        return False

    def real(x: Any) -> Any:
        if x.__class__ is tuple:
            return tuple(map(real, x))
        return array(np.ones(x.shape, x.dtype)) if isinstance(x, Abstract) else x

    try:
        if op.gathers:
            op.call(statics[0], *map(real, statics[1]))
        else:
            op.call(*map(real, operands), *statics)
    except Exception:
        return False
    return True


def _arranged(op: Primitive, operands: tuple[Any, ...], y: Any) -> Any:
    """The result, marked if its axes were arranged on purpose."""
    if not isinstance(y, Abstract) or isinstance(y, Weak):
        return y
    kept = op.elementwise and any(is_spread(x) and x.shape == y.shape for x in operands)
    return spread(y) if kept or op.name in _ARRANGING else y


def _argument(op: Primitive, parameter: Parameter, value: Any, span: Span) -> Any:
    if parameter.kind == "array":
        return value if value is None and parameter.default is None else operand(value, op.name, span)
    if parameter.kind == "arrays":
        if isinstance(value, tuple) and value:
            return tuple([operand(part, op.name, span) for part in value])
        if isinstance(value, Abstract) and value.shape:
            return value
        raise problems.raised(problems.not_numbers(op.name, span, described(value)))
    if isinstance(value, Abstract):
        if parameter.name == "axis" and value.shape and op.variadic:
            raise problems.raised(problems.arrays_not_together(span, op.name))
        if op.elementwise:
            return value
        raise Unsettled
    if not is_plain(value):
        raise Unsettled
    return _static(op, parameter.name, value, span)


def sign_applied(sign: str, a: Any, b: Any, span: Span, spans: tuple[Span, Span]) -> Any:
    """What `a sign b` gives."""
    if has_unknown((a, b)):
        raise Unsettled
    if is_number(a) and is_number(b):
        return operation(sign, span, spans)(a, b)
    if sign in ("==", "!=") and any(x is None or isinstance(x, (str, tuple)) for x in (a, b)):
        return operation(sign, span, spans)(a, b) if is_plain(a) and is_plain(b) else Weak(bool)
    if sign == "+" and a.__class__ is tuple and b.__class__ is tuple:
        return a + b
    a, b = operand(a, sign, spans[0]), operand(b, sign, spans[1])
    if all(is_number(x) or isinstance(x, Weak) for x in (a, b)) and sign != "@":
        return _of_numbers(sign, a, b)
    op = find(OPERATIONS[sign])
    assert op is not None
    try:
        return _arranged(op, (a, b), applied_rule(op, (a, b), ()))
    except Error as error:
        raise failed(error, sign, span, spans) from None


def _of_numbers(sign: str, a: Any, b: Any) -> Any:
    """What an operator gives for two numbers that are not both known."""
    if sign in COMPARISONS:
        return Weak(bool)
    kind = ARITHMETIC[sign](*(x.sample if isinstance(x, Weak) else x.__class__(1) for x in (a, b))).__class__
    return Unsure(()) if sign == "**" and kind is int else Weak(kind)


# Indices


def key_part(value: Any, span: Span, literal: bool) -> Any:
    """A value as a part of an index. literal: whether it is an array literal. E303, E312."""
    if has_unknown(value) or isinstance(value, Unsure):
        raise Unsettled
    if isinstance(value, Weak):
        if value.kind is int:
            return Abstract((), np.int64)
        raise Unsettled
    if isinstance(value, Abstract):
        if value.dtype.kind == "f" and not value.shape:
            return Abstract((), np.int64)  # it may be a whole number
        if value.dtype.kind == "f":
            what = f"floats do not index, and this is {described(value)}"
            cure = "convert with int(...), or use a mask"
            raise problems.raised(problems.cannot_index(span, what, cure))
        return value
    if literal:
        if not is_plain(value):
            raise Unsettled
        return _array_key(value, span)
    if value.__class__ is tuple:
        return tuple([key_part(part, span, False) for part in value])
    return _checked(value, span)


def slice_of(bounds: tuple[Any, Any, Any], span: Span) -> slice:
    """start:stop:step of known numbers. E303, E312."""
    made = []
    for bound in bounds:
        if bound is None or bound.__class__ is int:
            made.append(bound)
        elif is_number(bound):
            made.append(whole(bound, "a slice", span))
        else:
            raise Unsettled
    if made[2] == 0:
        raise problems.raised(problems.cannot_index(span, "the step of a slice cannot be 0"))
    return slice(*made)


def _guesses(key: Any) -> bool:
    """Whether an index holds numbers that are not known: they may be inside the array or not."""
    return isinstance(key, Abstract) or (key.__class__ is tuple and any(map(_guesses, key)))


def entry(x: Any, key: Any, span: Span, place: Span) -> Any:
    """x[key]. E303."""
    if x is UNKNOWN or isinstance(x, (Rows, Weak)) or has_unknown(key) or callable_(x):
        raise Unsettled
    if not isinstance(x, Abstract):
        if x.__class__ is tuple and isinstance(key, Abstract) and x:
            made = x[0]
            for part in x[1:]:
                made = join(made, part)
            return made
        if _guesses(key):
            raise Unsettled
        return _plain_entry(x, key, place, span)
    op = find("index")
    assert op is not None
    try:
        y = applied_rule(op, (x,), (key,))
    except Error as error:
        if _guesses(key):
            raise Unsettled from None
        raise failed(error, "an index", span, (place,)) from None
    parts = key if key.__class__ is tuple else (key,)
    return spread(y) if any(part is None for part in parts) else y


def written(x: Any, key: Any, value: Any, target: syntax.Index, place: Span) -> Any:
    """x with x[key] = value. E303, E304, E306."""
    if x is UNKNOWN:
        raise Unsettled
    if not isinstance(x, Abstract) or isinstance(x, Weak):
        what = f"{described(x)} has no entries to write"
        raise problems.raised(problems.cannot_index(target.value.span, what))
    same = x.__class__(x.shape) if isinstance(x, Unsure) else Abstract(x.shape, x.dtype)
    if has_unknown((key, value)):
        return same
    value = operand(value, "a write", place)
    if x.dtype.kind != "f" and not isinstance(x, Unsure) and _loses(x, value):
        raise problems.raised(problems.lossy_write(place, f"an array of {x.dtype}", described(value)))
    try:
        applied_rule(WRITTEN, (x, Abstract(shape_of(value), np.float64)), (key,))
    except Unsettled:
        return same
    except Error as error:
        if _guesses(key):
            return same
        if error.code != "E304":
            raise failed(error, "a write", target.span, (target.value.span, place)) from None
        words = shown_shape(indexed(x.shape, key)), shown_shape(shape_of(value))
        raise problems.raised(problems.write_does_not_fit(target.span, words[0], place, words[1])) from None
    return same


def _loses(x: Abstract, value: Any) -> bool:
    """Whether an array of integers or booleans is sure not to hold a value."""
    if isinstance(value, (Unsure, Weak)):
        return False
    if isinstance(value, Abstract):
        return bool(value.dtype.kind == "f" or (x.dtype.kind == "b" and value.dtype.kind != "b"))
    if x.dtype.kind == "b":
        return value.__class__ is not bool
    return value.__class__ is float and not (abs(value) < 2**63 and value == int(value))


# Sequences


def rows(value: Any, span: Span) -> tuple[Any, int | None]:
    """What a loop over a value gives in a round, and how many rounds it makes. E311."""
    if value is UNKNOWN:
        return UNKNOWN, None
    if isinstance(value, range):
        return Weak(int), len(value)
    if isinstance(value, Rows):
        return row_of(value), value.count
    if value.__class__ is tuple:
        made = value[0] if value else UNKNOWN
        for part in value[1:]:
            made = join(made, part)
        return made, len(value)
    if isinstance(value, Abstract) and value.shape:
        row = value.shape[1:]
        return Unsure(row) if isinstance(value, Unsure) else Abstract(row, value.dtype), value.shape[0]
    raise problems.raised(problems.not_iterable(span, described(value)))


def truth(value: Any, span: Span) -> bool | None:
    """A value as a condition, where that is known. E308."""
    if is_number(value):
        return bool(value)
    if value is UNKNOWN or (isinstance(value, Abstract) and value.size == 1):
        return None
    raise problems.raised(problems.not_one_condition(span, described(value)))
