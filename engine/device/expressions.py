"""What an instruction of a plan is in C++: one expression for each operation, in the dtypes that NumPy computes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ndgrad.fusion.lazy import BROADCAST, CAST, PATCH, REDUCE, VIEW, WHERE, Lazy

DType = np.dtype[Any]

TYPES = {
    np.dtype(kind): text
    for kind, text in (
        ("bool", "bool"),
        ("int8", "signed char"),
        ("uint8", "unsigned char"),
        ("int32", "int"),
        ("int64", "long long"),
        ("float32", "float"),
        ("float64", "double"),
    )
}
# Functions of the C library, by NumPy's or SciPy's name; `f` at their end is single precision.
_LIBRARY = {
    "absolute": "fabs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "gammaln": "lgamma", "power": "pow",
    **{name: name for name in (
        "cbrt", "ceil", "copysign", "cos", "cosh", "erf", "erfc", "exp", "exp2", "expm1", "floor", "fmax", "fmin",
        "fmod", "hypot", "log", "log10", "log1p", "log2", "rint", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
    )},
}  # fmt: skip
_FLOATS = {
    "ndtr": "({T})0.5 * erfc{f}(-({T})0.70710678118654752440 * {a})",
    "isnan": "{a} != {a}",
    "isinf": "{a} - {a} != 0 && {a} == {a}",
    "isfinite": "{a} - {a} == 0",
    "reciprocal": "1 / {a}",
    "divide": "{a} / {b}",
    "remainder": "nd_mod({a}, {b})",
    "floor_divide": "nd_floor_divide({a}, {b})",
    "logaddexp": "nd_logaddexp({a}, {b})",
    "xlogy": "nd_xlogy({a}, {b})",
}
_NUMBERS = {
    "add": "{a} + {b}",
    "subtract": "{a} - {b}",
    "multiply": "{a} * {b}",
    "negative": "-{a}",
    "positive": "{a}",
    "square": "{a} * {a}",
    "sign": "nd_sign({a})",
    "maximum": "nd_maximum::of({a}, {b})",
    "minimum": "nd_minimum::of({a}, {b})",
}
_WHOLE = {"absolute": "({a} < 0 ? -{a} : {a})", "bitwise_and": "{a} & {b}", "bitwise_or": "{a} | {b}", "invert": "~{a}"}
_TRUTHS = {
    **dict.fromkeys(("add", "maximum", "bitwise_or", "logical_or"), "{a} || {b}"),
    **dict.fromkeys(("multiply", "minimum", "bitwise_and", "logical_and"), "{a} && {b}"),
    **dict.fromkeys(("invert", "logical_not"), "!{a}"),
    "bitwise_xor": "{a} != {b}",
    "positive": "{a}",
    "isnan": "false",
    "isinf": "false",
    "isfinite": "true",
}
_COMPARED = {
    "equal": "{a} == {b}",
    "not_equal": "{a} != {b}",
    "less": "{a} < {b}",
    "less_equal": "{a} <= {b}",
    "greater": "{a} > {b}",
    "greater_equal": "{a} >= {b}",
    "logical_and": "{a} != 0 && {b} != 0",
    "logical_or": "{a} != 0 || {b} != 0",
    "logical_not": "{a} == 0",
}
# Reductions: the struct of the prelude that joins two values, the value that joins to nothing, by kind of dtype.
_LEAST = {
    "d": "-ND_INFINITY",
    "f": "-(float)ND_INFINITY",
    "l": "(-9223372036854775807ll - 1)",
    "i": "(-2147483647 - 1)",
}
_MOST = {"d": "ND_INFINITY", "f": "(float)ND_INFINITY", "l": "9223372036854775807ll", "i": "2147483647"}


class Reduction:
    """How a reduction is closed: `joins` two values, begins at `identity`, and keeps its share in `dtype`."""

    __slots__ = ("dtype", "identity", "joins")

    def __init__(self, ufunc: np.ufunc, dtype: DType) -> None:
        """Errors: KeyError for a reduction that has no kernel."""
        name = ufunc.__name__
        self.joins = {
            "add": "nd_add", "maximum": "nd_maximum", "minimum": "nd_minimum",
            "logical_and": "nd_and", "logical_or": "nd_or",
        }[name]  # fmt: skip
        self.dtype = dtype
        if name == "add":
            self.dtype = np.dtype(np.float64 if dtype.kind == "f" else np.int64)
        self.identity = {
            "add": "0", "logical_and": "true", "logical_or": "false",
            "maximum": _LEAST.get(dtype.char, "false"), "minimum": _MOST.get(dtype.char, "true"),
        }[name]  # fmt: skip
        if dtype not in TYPES or (name in ("maximum", "minimum") and dtype.char not in "dfli?"):
            raise KeyError(name)


def cast(text: str, given: DType, to: DType) -> str:
    """The expression in another dtype."""
    if given == to:
        return text
    return f"({text} != 0)" if to.kind == "b" else f"({TYPES[to]}){text}"


def expression(ufunc: np.ufunc, args: list[tuple[str, DType]]) -> tuple[str, DType]:
    """ufunc over the arguments, each a name and its dtype. KeyError for what has no expression."""
    loop = ufunc.resolve_dtypes((*(d for _, d in args), None))
    name, kind = ufunc.__name__, loop[0].kind
    given = [cast(text, have, want) for (text, have), want in zip(args, loop, strict=False)]
    if any(d not in TYPES for d in loop):
        raise KeyError(name)
    names = dict(zip("ab", given, strict=False))
    if kind == "b" and name in _TRUTHS:
        return _TRUTHS[name].format(**names), loop[-1]
    if name in _COMPARED:
        return _COMPARED[name].format(**names), loop[-1]
    if kind in "iu" and name in _WHOLE:
        return _WHOLE[name].format(**names), loop[-1]
    if kind in "iuf" and name in _NUMBERS:
        return _NUMBERS[name].format(**names), loop[-1]
    if kind != "f":
        raise KeyError(name)
    suffix = "f" if loop[0].itemsize == 4 else ""
    if name in _LIBRARY:
        return f"{_LIBRARY[name]}{suffix}({', '.join(given)})", loop[-1]
    return _FLOATS[name].format(T=TYPES[loop[0]], f=suffix, **names), loop[-1]


def traced(exact: Callable[[Any], Any], dtype: DType, x: str) -> tuple[list[str], str]:
    """exact(x), a function of arrays, as lines of C++ and the name of its value. KeyError for what cannot be."""
    place = Lazy(None, (), None, (1 << 30,), dtype)
    made = exact(place)
    names: dict[int, tuple[str, DType]] = {id(place): (x, dtype)}
    lines: list[str] = []

    def name_of(a: Any) -> tuple[str, DType]:
        while a.__class__ is Lazy and a.op is BROADCAST:
            a = a.args[0]
        if a.__class__ is not Lazy or a.known is not None:
            value = a.known if a.__class__ is Lazy else a
            return literal(value), value.dtype
        return names[id(a)]

    stack = [(made, False)]
    while stack:
        a, ready = stack.pop()
        if a.__class__ is not Lazy or a.known is not None or id(a) in names:
            continue
        if not ready:
            stack.append((a, True))
            stack += [(b, False) for b in a.args]
            continue
        if a.op is BROADCAST:
            continue
        text, found = assigned(a.op, a.param, [name_of(b) for b in a.args], a.dtype)
        names[id(a)] = f"e{len(lines)}", a.dtype
        lines.append(f"const {TYPES[a.dtype]} e{len(lines)} = {cast(_apart(text), found, a.dtype)};")
    text, found = name_of(made)
    return lines, cast(text, found, dtype)


def assigned(op: Any, param: Any, args: list[tuple[str, DType]], dtype: DType) -> tuple[str, DType]:
    """The expression of an instruction that is neither a reduction nor a patch. KeyError for what has none."""
    if op is CAST:
        ((text, given),) = args
        return cast(text, given, dtype), dtype
    if op is WHERE:
        (c, kind), (a, x), (b, y) = args
        return f"{cast(c, kind, np.dtype(bool))} ? {cast(a, x, dtype)} : {cast(b, y, dtype)}", dtype
    if isinstance(op, np.ufunc):
        return expression(op, args)
    raise KeyError(op)


def literal(value: Any) -> str:
    """A number as C++ writes it, with all digits."""
    number = value.item()
    if isinstance(number, bool):
        return "true" if number else "false"
    if isinstance(number, int):
        return f"({TYPES[value.dtype]}){number}" if abs(number) < 1 << 31 else f"{number}ll"
    if number != number or number in (float("inf"), float("-inf")):
        sign = "" if number > 0 else "-"
        return f"({TYPES[value.dtype]})({sign}ND_INFINITY{' * 0' if number != number else ''})"
    text = repr(number)
    text = (text if any(c in text for c in ".e") else text + ".0") + ("f" if value.dtype.itemsize == 4 else "")
    return f"({text})" if number < 0 else text


def _apart(text: str) -> str:
    return f"({text})" if " " in text else text


def has_kernel(x: Lazy) -> bool:
    """Whether the operation that makes x can be part of a generated kernel."""
    if x.op is BROADCAST or x.op is VIEW:
        return True
    args = [("x", a.dtype) for a in x.args]
    try:
        if any(d not in TYPES for d in (x.dtype, *(d for _, d in args))):
            return False
        if x.op is REDUCE:
            Reduction(x.param[0], x.dtype)
        elif x.op is PATCH:
            traced(x.param, x.args[2].dtype, "x")
        else:
            assigned(x.op, x.param, args, x.dtype)
    except (KeyError, TypeError, AttributeError):
        return False
    return True
