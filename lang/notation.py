"""Terms: symbolic arrays that remember how they were made, and carry their value along.

An operation's own rule, run over terms instead of arrays, returns the derivative as mathematics,
so what `explain` shows can never be another rule than the one that computed the number. Since a
term holds its value too, every formula is checked as it is built.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ndgrad.namespace import PLAIN
from ndgrad.ops import REGISTRY, lookup
from ndgrad.primitive import Primitive

ATOM, PRODUCT, SUM = 100, 60, 50  # how tightly signs bind
LONGEST_NAME = 24  # characters of an expression that an output is called by
LARGEST_BELOW = 1000  # the line of a fraction that a number is written as
DIGITS_BELOW = "₀₁₂₃₄₅₆₇₈₉"
_SUBSCRIPTS = str.maketrans("0123456789", DIGITS_BELOW)
_RAISED = str.maketrans(DIGITS_BELOW, "0123456789")
_NAME = re.compile(r"[\w₊]+")
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def subscripted(name: str, number: int) -> str:
    """`x` for 0, `x₁`, `x₂`, … for the values that a name is bound to later."""
    return name if number == 0 else name + str(number).translate(_SUBSCRIPTS)


class Name(NamedTuple):
    """The number-th value of a name."""

    name: str
    number: int

    def __str__(self) -> str:
        return subscripted(self.name, self.number)


def name_of(text: str) -> Name:
    """A name as it is written, taken apart."""
    base = text.rstrip(DIGITS_BELOW)
    return Name(base, int(text[len(base) :].translate(_RAISED) or "0"))


def is_name(text: str) -> bool:
    """Whether a text is one name, maybe with a number below."""
    return _NAME.fullmatch(text) is not None


def output_name(of: str) -> str:
    """What an output is called: by its name, or its expression where that is short."""
    return of if is_name(of) or len(of) <= LONGEST_NAME else "output"


def ratio(d: str, of: str, by: str) -> str:
    """`dy/dx`, `∂L/∂w₁`; what is no name is put in brackets."""
    return f"{d}{of if is_name(of) else f'({of})'}/{d}{_below(by)}"


def _below(name: str) -> str:
    """A name, maybe with an index (tₖ₋₁), or an expression in brackets."""
    return f"({name})" if any(sign in name for sign in " ([") else name


def gradient_name(of: str, by: str, headed: bool) -> str:
    """What a gradient is called: `dy/dx`, or `d⟨head, y⟩/dx` where the output is weighed."""
    return f"d⟨head, {of}⟩/d{by}" if headed else ratio("d", of, by)


def adjoint_name(of: str, by: str, headed: bool) -> str:
    """What the adjoint of a value is called: `∂L/∂w₁`, or `∂⟨head, y⟩/∂w₁` where the output is weighed."""
    return f"∂⟨head, {of}⟩/∂{_below(by)}" if headed else ratio("∂", of, by)


def superscript(number: int) -> str:
    return str(number).translate(_SUPERSCRIPTS)


class Term:
    """An expression with its value: a number, a name, or an operation on terms."""

    __slots__ = ("args", "name", "natural", "number", "op", "statics", "value")
    __array_ufunc__ = None  # an array on the left leaves the operation to the term

    def __init__(
        self,
        value: Any,
        name: str = "",
        op: Primitive | None = None,
        args: tuple[Any, ...] = (),
        statics: tuple[Any, ...] = (),
        number: float | None = None,
        natural: Any = None,
    ) -> None:
        self.value = value
        self.natural = natural  # of a name: its value before it was broadcast to `value`
        self.name = name
        self.number = number  # what is written, where the value is that number in every entry
        self.op = op
        self.args = args
        self.statics = statics

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.value)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.asarray(self.value).dtype

    def astype(self, dtype: Any) -> Term:
        return self

    def __add__(self, other: Any) -> Term:
        return made("add", self, other)

    def __radd__(self, other: Any) -> Term:
        return made("add", other, self)

    def __sub__(self, other: Any) -> Term:
        return made("subtract", self, other)

    def __rsub__(self, other: Any) -> Term:
        return made("subtract", other, self)

    def __mul__(self, other: Any) -> Term:
        return made("multiply", self, other)

    def __rmul__(self, other: Any) -> Term:
        return made("multiply", other, self)

    def __truediv__(self, other: Any) -> Term:
        return made("divide", self, other)

    def __rtruediv__(self, other: Any) -> Term:
        return made("divide", other, self)

    def __pow__(self, other: Any) -> Term:
        return made("power", self, other)

    def __rpow__(self, other: Any) -> Term:
        return made("power", other, self)

    def __matmul__(self, other: Any) -> Term:
        return made("matmul", self, other)

    def __getitem__(self, key: Any) -> Term:
        return made("index", self, key)

    def __neg__(self) -> Term:
        return made("negative", self)

    def __str__(self) -> str:
        return text_of(self)[0]

    def __repr__(self) -> str:
        return f"<Term {self}>"


def term_of(value: Any) -> Term:
    """A term for a bare number or array."""
    if isinstance(value, Term):
        return value
    if isinstance(value, (bool, int, float)):
        return Term(value, number=value)
    array = np.asarray(value)
    if array.size and (array.ndim == 0 or np.all(array == array.flat[0])):
        return Term(value, number=array.flat[0].item())
    return Term(array, name=named_constant(array))


def _operand(value: Any) -> Term:
    """What a rule gives an operation; identity matrices that it makes have no name but I."""
    square = value.__class__ is np.ndarray and value.ndim == 2 and value.shape[0] == value.shape[1] > 1
    return Term(value, name="I") if square and np.array_equal(value, np.eye(len(value))) else term_of(value)


def named_constant(array: Any) -> str:
    """How an array without a name is written: whole when it is small, else by its shape."""
    if array.size <= 4:
        return _nested(array.tolist())
    return f"⟨{'×'.join(map(str, array.shape))} constant⟩"


def parts_of(term: Term) -> Iterator[Any]:
    """The names and numbers that a term is made of, and what is done to them."""
    if term.op is None:
        yield term
    else:
        yield term.op
        yield term.statics
        for part in term.args:
            yield from parts_of(part)


class Called(np.ndarray[Any, Any]):
    """Positions by which entries are taken, and what the program calls them."""

    said = ""


def called(array: Any, said: str) -> Called:
    """The same array, to be written as `said`."""
    made: Called = array.view(Called)
    made.said = said
    return made


def _nested(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_nested, value)) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class SymbolicNamespace:
    """F over terms: every operation by name."""

    def __getattr__(self, name: str) -> Callable[..., Term]:
        if lookup(name) is None:
            raise AttributeError(name)
        return lambda *args, **named: made(name, *args, **named)


SYMBOLIC: Any = SymbolicNamespace()

# Operations that notation leaves out: they only repeat or retype what is there.
_OPPOSITE = {"add": "-", "subtract": "+"}
_OPPOSITES = {"greater": "less_equal", "less": "greater_equal", "equal": "not_equal"}
_OPPOSITES |= {opposite: name for name, opposite in _OPPOSITES.items()}
_REARRANGING = frozenset({"transpose", "index", "reshape", "sum"})  # what is done at once to an array without a name
_CALLED = {"convolve_full": "convolve"}  # operations of rules, by the names that the language has for them
_AS_WRITTEN = frozenset({"matmul", "reshape", "broadcast_to"})  # these say themselves what shapes they are written for
_UNWRITTEN = frozenset({"broadcast_to", "positive", "astype", "float"})


def made(name: str, *args: Any, **named: Any) -> Term:
    """The operation applied to terms, value and all, with what is plainly superfluous left out."""
    from ndgrad.apply import bind

    op = lookup(name)
    assert op is not None, name
    operands, statics = bind(op, args, named)
    terms = tuple(map(_operand, operands[0] if op.variadic else operands))
    values = tuple(t.value for t in terms)
    with np.errstate(all="ignore"):
        value = op.value(PLAIN, *((values,) if op.variadic else values), *statics)
    if hasattr(value, "dense"):
        value = value.dense()
    return noted(name, terms, value, statics)


def noted(name: str, terms: tuple[Term, ...], value: Any, statics: tuple[Any, ...] = ()) -> Term:
    """The shortest plain way to write the operation on `terms`, standing for `value`."""
    terms = tuple(map(_shortened, terms))
    simpler = _simpler(name, terms, value, statics)
    return simpler if simpler is not None else Term(value, op=REGISTRY[name], args=terms, statics=statics)


def _shortened(term: Term) -> Term:
    """What a program writes at length, as it goes into derivatives: x/1, x + 1 + 1, vᵀ for a vector."""
    if (term.ndim == 1 and _is(term, "transpose")) or (_is(term, "divide") and term.args[1].number == 1):
        return valued(term.args[0], term.value)
    if _is(term, "add") and term.args[1].number is not None:
        inner = _shortened(term.args[0])
        if _is(inner, "add") and inner.args[1].number is not None:
            return noted("add", (inner, term.args[1]), term.value)
    return term


def valued(term: Term, value: Any) -> Term:
    """`term` as it is written, standing for `value` (which may be it, broadcast)."""
    natural = term.value if term.natural is None else term.natural
    return Term(value, term.name, term.op, term.args, term.statics, term.number, natural)


def _number(number: float, value: Any) -> Term:
    return Term(value, number=number)


def _same_but_for_ones(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return [n for n in a if n != 1] == [n for n in b if n != 1]


def reshaped(term: Term, value: Any) -> Term | None:
    """`term` in the shape of `value`, as short as can be; None where it takes more than axes of size 1.

    Axes that broadcasting adds in front need no sign; others are written: s[:, None], which is moved inwards past
    numbers and functions of every entry.
    """
    shape = np.shape(value)
    if term.number is not None:
        return _number(term.number, value)
    said = written_shape(term)
    elementwise = term.op is not None and term.op.elementwise
    single = [t for t in term.args if t.number is None and t.ndim] if elementwise else []
    inward = len(single) == 1 and term.shape == single[0].shape
    if inward and term.ndim > len(shape) and _same_but_for_ones(term.shape, shape):
        return _through(term, value)
    if shape[len(shape) - len(said) :] == said and all(n == 1 for n in shape[: len(shape) - len(said)]):
        return valued(term, value)
    if said == ():  # the same number in every entry
        return valued(term, value)
    if not _same_but_for_ones(said, shape):
        return None
    if _is(term, "sum") and term.statics[-1] is True:
        bare = Term(np.asarray(value), op=term.op, args=term.args, statics=(term.statics[0], False))
        axes = term.statics[0] if isinstance(term.statics[0], tuple) else (term.statics[0],)
        if None not in axes and term.ndim - len(axes) == len(shape):
            kept = [n for i, n in enumerate(term.shape) if i not in {axis % term.ndim for axis in axes}]
            if tuple(kept) == shape:
                return bare
    if _is(term, "reshape") and _same_but_for_ones(written_shape(term.args[0]), shape):
        return reshaped(term.args[0], value)
    if _is(term, "transpose") and is_column(term.args[0]) and shape == term.args[0].args[0].shape:
        return valued(term.args[0].args[0], value)
    vectors = _of_vectors(term, shape)
    if vectors is not None:
        return vectors
    if inward:
        return _through(term, value)
    return Term(value, op=REGISTRY["reshape"], args=(term,), statics=(shape,))


def _through(term: Term, value: Any) -> Term:
    """A function of every entry of one term, reshaped by reshaping that."""
    shape = np.shape(value)
    args = tuple(
        t if t.number is not None or not t.ndim else reshaped(t, np.reshape(t.value, shape)) for t in term.args
    )
    return Term(value, op=term.op, args=args, statics=term.statics)


def _of_vectors(term: Term, shape: tuple[int, ...]) -> Term | None:
    """A product of matrices of one row or column as that of the vectors that they are made of, in another shape."""
    if not _is(term, "matmul") or any(t.ndim not in (1, 2) or t.number is not None for t in term.args):
        return None
    a, b = term.args
    row = _row_of(a)
    left, right = row or a, b.args[0] if is_column(b) else b
    value = np.reshape(term.value, shape)
    if left.ndim + right.ndim == a.ndim + b.ndim or shape != (left.shape[:-1] + right.shape[1:]):
        return None
    return Term(value, op=lookup("dot" if left.ndim == right.ndim == 1 else "matmul"), args=(left, right))


def _row_of(term: Term) -> Term | None:
    """The vector that a matrix of one row is made of, else None."""
    if term.ndim != 2 or term.shape[0] != 1 or term.number is not None:
        return None
    adds = _is(term, "reshape") or (_is(term, "index") and _only_adds_axes(term.statics[-1]))
    if adds and term.args[0].shape == term.shape[1:]:
        vector: Term = term.args[0]
        return vector
    if _is(term, "transpose") and is_column(term.args[0]):
        return unspread(term.args[0].args[0])
    if _is_literal(term):
        return term_of(np.asarray(term.value)[0])
    return unspread(term) if written_shape(term) == term.shape[1:] and term.natural is not None else None


def _is_literal(term: Term) -> bool:
    """Whether a term is an array without a name that is written whole: [1, 2]."""
    whole = term.natural is None or np.shape(term.natural) == term.shape
    return term.op is None and term.number is None and term.name.startswith("[") and whole


def _only_adds_axes(key: Any) -> bool:
    """Whether x[key] is all of x, maybe with axes of size 1: x[:, None]."""
    places = key if isinstance(key, tuple) else (key,)
    return all(
        place is None or place is Ellipsis or (place.__class__ is slice and place == slice(None)) for place in places
    )


def _key_between(before: tuple[int, ...], after: tuple[int, ...]) -> str:
    """The key that takes an array from one shape to another that has more axes of size 1, or fewer; else ""."""
    if not _same_but_for_ones(before, after):
        return ""
    places: list[str] = []
    old, new = list(before), list(after)
    while old or new:
        if old and new and old[0] == new[0]:
            places.append(":")
            old.pop(0)
            new.pop(0)
        elif new and new[0] == 1:
            places.append("None")
            new.pop(0)
        else:
            places.append("0")
            old.pop(0)
    while places and places[-1] == ":":
        places.pop()
    return ", ".join(places)


def is_column(term: Term) -> bool:
    """Whether a term is a vector written as a column: v[:, None]."""
    adds = _is(term, "reshape") or (_is(term, "index") and _only_adds_axes(term.statics[-1]))
    return adds and term.args[0].ndim == 1 and term.shape == (*term.args[0].shape, 1)


def unspread(term: Term) -> Term:
    """The term before its value was broadcast."""
    return term if term.natural is None else Term(term.natural, term.name, term.op, term.args, term.statics)


def _as_vector(term: Term) -> Term | None:
    """The vector that a column is made of; None where it is made of a matrix."""
    if is_column(term):
        vector: Term = term.args[0]
        return vector
    op = term.op
    if op is None or not op.elementwise or term.ndim != 2:
        return None
    args = [t if t.number is not None else _as_vector(t) for t in term.args]
    if None in args:
        return None
    return Term(np.reshape(term.value, -1), op=op, args=tuple(args), statics=term.statics)


def written_shape(term: Term) -> tuple[int, ...]:
    """The shape that a term has as it is written, before it is broadcast to its value."""
    if term.number is not None:
        return ()
    whole = term.value if term.natural is None else term.natural
    if isinstance(whole, tuple):  # an operation with several results
        return ()
    natural: tuple[int, ...] = np.shape(whole)
    op = term.op
    if op is None or not term.args or op.variadic:
        return natural
    if not op.elementwise and op.name != "matmul":
        return natural
    if _column_and_row(term) is not None:
        return natural
    try:
        if op.elementwise:
            return tuple(np.broadcast_shapes(*map(written_shape, term.args)))
        a, b = (t.shape if t.number is not None or t.ndim <= 2 else written_shape(t) for t in term.args)
        stack = np.broadcast_shapes(a[:-2], b[:-2])
        return (*stack, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))
    except ValueError:
        return natural


def _first(term: Term, axis: int) -> Term:
    """The first row (axis 0) or column (axis 1) of a term in which all are equal, as it is written."""
    value = np.take(np.asarray(term.value), [0], axis)
    natural = term.natural if term.natural is not None and np.shape(term.natural) == written_shape(term) else None
    return Term(value, term.name, term.op, term.args, term.statics, natural=natural)


def in_full(term: Term) -> Term:
    """The term in the shape of its value, where it is written in a smaller one; a number stands for every entry."""
    said = written_shape(term)
    if said in ((), term.shape):
        return term
    if term.ndim == 2 and said in (term.shape[1:], (1, *term.shape[1:])):
        return Term(term.value, op=lookup("matmul"), args=(_number(1, np.ones((term.shape[0], 1))), _first(term, 0)))
    if term.ndim == 2 and said == (term.shape[0], 1):
        return Term(term.value, op=lookup("matmul"), args=(_first(term, 1), _number(1, np.ones((1, term.shape[1])))))
    return Term(term.value, op=REGISTRY["broadcast_to"], args=(term,), statics=(term.shape,))


def _undoes(statics: tuple[Any, ...], inner: Term) -> bool:
    """Whether a transpose brings the axes back to where they were before `inner`, a transpose too."""
    last = range(inner.ndim)[::-1]
    outer, first = (tuple(last) if axes is None else axes for axes in (statics[0], inner.statics[0]))
    return len(outer) == len(first) == inner.args[0].ndim == inner.ndim and all(
        first[axis] % inner.ndim == i for i, axis in enumerate(outer)
    )


def _simpler(name: str, terms: tuple[Term, ...], value: Any, statics: tuple[Any, ...]) -> Term | None:
    """A shorter way to write it, if one is plain to see."""
    numbers = [t.number for t in terms]
    if name in _UNWRITTEN and terms:
        return valued(terms[0], value)
    if name == "sum" and _is(terms[0], "negative"):
        inside = Term(-value, op=REGISTRY["sum"], args=terms[0].args, statics=statics)
        return noted("negative", (inside,), value)
    if name in _REARRANGING and _is_literal(terms[0]) and not (np.ndim(value) == 2 and np.shape(value)[1] == 1):
        return term_of(value)
    if name == "reshape":
        inner = terms[0].args[0] if _is(terms[0], "reshape") else terms[0]
        if inner is not terms[0] and inner.shape == np.shape(value):
            return inner
        found = reshaped(terms[0], value)
        return found if found is not None or inner is terms[0] else noted("reshape", (inner,), value, statics)
    if name in ("scatter", "scattered") and _only_adds_axes(statics[-1]):
        return reshaped(terms[0], value)
    if name in ("matmul", "solve") and terms[0].ndim == 2 and is_column(terms[1]):
        inside = terms[1].args[0]  # A @ v[:, None] is (A @ v)[:, None]
        return reshaped(noted(name, (terms[0], inside), np.reshape(value, np.shape(value)[:1]), statics), value)
    if name == "sum" and numbers[0] is not None and np.size(value):
        return _number(np.ravel(value)[0].item(), value)
    if name in ("transpose", "index") and numbers[0] is not None:
        return _number(numbers[0], value)
    if name in ("sum", "scatter", "scattered") and numbers[0] == 0:
        return _number(0, value)
    if name == "transpose" and _is(terms[0], "transpose") and _undoes(statics, terms[0]):
        return valued(terms[0].args[0], value)
    if name == "negative":
        if numbers[0] is not None:
            return _number(-numbers[0], value)
        inner = terms[0]
        if _is(inner, "negative"):
            return valued(inner.args[0], value)
        if _is(inner, "multiply") and inner.args[0].number is not None:
            return noted("multiply", (_number(-inner.args[0].number, value), inner.args[1]), value)
        if _is(inner, "divide") and text_of(inner)[0].startswith("-"):
            above = noted("negative", (inner.args[0],), -np.asarray(inner.args[0].value))
            return noted("divide", (above, inner.args[1]), value)
        return None
    if name in ("scatter", "scattered") and numbers[0] is not None:
        return _placed(numbers[0], value, statics)
    if name == "sum" and is_one_hot(terms[0]) and statics[0] in (-1, 1):
        return _number(1, value)
    if name == "sum" and _is(terms[0], "multiply") and statics[0] in (-1, 1) and is_one_hot(terms[0].args[1]):
        return _number(terms[0].args[0].number, value) if terms[0].args[0].number is not None else None
    if name == "sum" and _is(terms[0], "matmul") and statics[-1] is not True:
        found = _sum_over_ones(terms[0], statics[0], value)
        if found is not None:
            return found
    if name == "transpose" and _is_identity(terms[0]):
        return valued(terms[0], value)
    if name == "matmul" and (_is_identity(terms[0]) or _is_identity(terms[1])):
        return valued(terms[1 if _is_identity(terms[0]) else 0], value)
    if name == "matmul":
        return _simpler_matmul(terms[0], terms[1], value)
    if name == "transpose":
        return _simpler_transpose(terms[0], statics[0], value)
    if name == "sum" and _is(terms[0], "index") and _is_diagonal(terms[0]):
        return _trace(terms[0].args[0], value)
    if name == "exp" and _is(terms[0], "log_softmax"):
        return Term(value, op=lookup("softmax"), args=terms[0].args, statics=terms[0].statics)
    if name == "logical_not":
        return _denied(terms[0], value)
    if name == "indicator" and _is_literal(terms[0]):
        return term_of(value)
    if name == "indicator" and numbers[0] is not None:
        return _number(float(bool(numbers[0])), value)
    if name == "where" and _only_guards(terms, value):
        return valued(terms[1], value)
    if name == "where" and _is_guard(terms[0]) and not np.any(terms[0].value):
        return valued(terms[2], value)  # x/‖x‖ for x that is not 0
    if name == "share":
        return _larger(terms[0], terms[1], value)
    if len(terms) != 2 or name not in ("add", "subtract", "multiply", "divide", "power"):
        return None
    (a, b), (m, n) = terms, numbers
    if m is not None and n is not None:
        with np.errstate(all="ignore"):
            return _number(float(REGISTRY[name].value(PLAIN, np.float64(m), np.float64(n))), value)
    if name in ("multiply", "divide"):
        together = _quotient(name, a, b, value)
        if together is not None:
            return together
    if name == "multiply":
        return _simpler_product(a, b, m, n, value)
    if name == "add":
        if m == 0:
            return valued(b, value)
        if n == 0:
            return valued(a, value)
        counted = _counted(a, b, value)
        if counted is not None:
            return counted
        if m is not None:
            return noted("add", (b, a), value)  # numbers come last
        if n is not None and _is(a, "add") and a.args[1].number is not None:
            return noted(
                "add", (valued(a.args[0], value - (n + a.args[1].number)), _number(a.args[1].number + n, value)), value
            )
        if _is(b, "negative"):
            return noted("subtract", (a, b.args[0]), value)
        if _multiple(a)[0] < 0 < _multiple(b)[0] and (n is None or n > 0):
            return Term(value, op=REGISTRY["add"], args=(b, a))  # 1 - a rather than -a + 1
    if name == "subtract" and n == 0:
        return valued(a, value)
    if name in ("divide", "power") and n == 1:
        return valued(a, value)
    if name == "divide" and m is not None and _is(b, "multiply") and b.args[0].number:
        c = b.args[0].number
        below = _inside(b, 1)
        if float(m / c).is_integer():
            return noted("divide", (_number(m / c, a.value), below), value)
        if abs(m) != 1 and float(c / m).is_integer():
            sign = 1 if c / m > 0 else -1
            made = noted("divide", (_number(1, a.value), _times(abs(c / m), below)), sign * np.asarray(value))
            return made if sign > 0 else noted("negative", (made,), value)
    if name == "divide" and m is None and n is None:
        c, above = _multiple(a)
        if _is(above, "divide") and str(above.args[1]) == str(b):
            made = noted(
                "divide", (above.args[0], noted("power", (b, _number(2, np.float64(2))), b.value**2)), value / c
            )
            return made if c == 1 else noted("multiply", (_number(c, np.float64(c)), made), value)
        (c, above), (d, below) = _multiple(a), _multiple(b)
        if d != 1 and str(above) == str(below) and np.all(np.isfinite(value)):  # x/(2·x)
            return _number(c / d, value)
        if 1 not in (c, d) and float(c / d).is_integer():
            return noted("divide", (_times(c / d, above), below), value)
    return None


def _scalar(term: Term) -> Term | None:
    """The number that a term has in every entry, as it is written; None where it is written as an array."""
    if not term.ndim or not np.size(term.value) or written_shape(term) != ():
        return None
    return Term(np.ravel(term.value)[0], term.name, term.op, term.args, term.statics, term.number)


def _sum_over_ones(term: Term, axis: Any, value: Any) -> Term | None:
    """n·sum(B) for the sum of 1 @ 1ᵀ @ B with n rows; None where no matrix of ones is multiplied."""
    a, b = term.args
    if a.ndim != 2 or b.ndim != 2 or axis not in (None, 0, 1, -1, -2) or (a.number, b.number).count(1) != 1:
        return None
    other, count, along = (b, a.shape[0], 0) if a.number == 1 else (a, b.shape[1], 1)
    if axis is not None and axis % 2 != along:
        return valued(made("sum", other), value)
    return noted("multiply", (_number(count, np.float64(count)), made("sum", other, axis=axis)), value)


def _simpler_matmul(a: Term, b: Term, value: Any) -> Term | None:
    """Numbers in front of the product, ones in it; with a vector of ones it is a sum."""
    for i, term in enumerate((a, b)):
        scale = _scalar(term) if term.number != 1 else None
        if scale is not None:
            if scale.number == 0:
                return _number(0, value)
            ones = _number(1, np.ones(term.shape))
            return noted("multiply", (scale, made("matmul", ones, b) if i == 0 else made("matmul", a, ones)), value)
    if _is(a, "multiply") and a.args[0].number is not None and a.args[1].shape == a.shape:
        return noted("multiply", (a.args[0], made("matmul", a.args[1], b)), value)
    if _is(a, "divide") and not a.args[1].ndim and a.args[0].number is None:
        return noted("divide", (made("matmul", a.args[0], b), a.args[1]), value)
    if a.number == 1 and a.shape == (1, 1):
        return valued(b, value)
    if b.number == 1 and b.shape == (1, 1):
        return valued(a, value)
    if a.ndim == 2 and b.number == 1 and b.shape[1:] == (1,) and 1 not in a.shape:
        return reshaped(made("matmul", a, _number(1, np.ones(b.shape[0]))), value)
    if a.ndim == 1 and _is(b, "transpose") and b.ndim == 2:
        return noted("matmul", (made("transpose", b), a), value)  # v @ Aᵀ is A @ v
    if a.shape[:1] == (1,) and a.ndim == b.ndim == 2 and 1 not in b.shape:
        vector = _number(1, np.ones(a.shape[1])) if a.number == 1 else _row_of(a)
        if vector is not None:
            return reshaped(made("matmul", vector, b), value)
    for ones, other in ((a, b), (b, a)):
        if ones.number == 1 and other.ndim == 1 and ones.ndim <= 2:
            return valued(made("sum", other), value)
    return None


def _keeps_axes(axes: Any, count: int) -> bool:
    """Whether a transpose leaves all axes where they are."""
    return count < 2 or (axes is not None and [axis % count for axis in axes] == list(range(count)))


def _simpler_transpose(inner: Term, axes: Any, value: Any) -> Term | None:
    """The transpose moved inwards where it is shorter there: d·B @ A for (d·Aᵀ @ Bᵀ)ᵀ."""
    if _keeps_axes(axes, inner.ndim):
        return valued(inner, value)
    if inner.ndim != 2:
        return None
    row = _row_of(inner)
    if row is not None:
        return reshaped(row, value)
    if 1 in inner.shape and _is(inner, "reshape") and not is_column(inner):
        return made("reshape", inner.args[0], np.shape(value))
    if _is(inner, "negative"):
        return noted("negative", (made("transpose", inner.args[0]),), value)
    if _is(inner, "divide") and not inner.args[1].ndim:
        return noted("divide", (made("transpose", inner.args[0]), inner.args[1]), value)
    if _is(inner, "multiply") and (inner.args[0].number is not None or not inner.args[0].ndim):
        return noted("multiply", (inner.args[0], made("transpose", inner.args[1])), value)
    if not _is(inner, "matmul") or any(t.ndim != 2 for t in inner.args):
        return None
    signs = [_is(t, "transpose") or _row_of(t) is not None for t in inner.args]
    before = 1 + sum(signs)
    after = sum(t.number is None and not sign for t, sign in zip(inner.args, signs, strict=True))
    if after < before or (after == before and any(t.number is not None for t in inner.args)):
        return noted("matmul", tuple(made("transpose", t) for t in reversed(inner.args)), value)
    return None


def _denied(condition: Term, value: Any) -> Term | None:
    """x <= 1 for not (x > 1), unless there is a nan; None where no comparison says it."""
    if condition.number is not None:
        return _number(not condition.number, value)
    if _is_literal(condition):
        return term_of(value)
    if _is(condition, "logical_not"):
        return valued(condition.args[0], value)
    opposite = _OPPOSITES.get(condition.op.name) if condition.op is not None else None
    if opposite is None:
        return None
    op = REGISTRY[opposite]
    same = np.array_equal(op.value(PLAIN, *(t.value for t in condition.args)), value)
    return Term(value, op=op, args=condition.args) if same else None


def _larger(a: Term, b: Term, value: Any) -> Term | None:
    """[a > b] for the share of a in the maximum, where there is no tie."""
    if np.any(np.equal(a.value, b.value)) or np.any(np.isnan(a.value)) or np.any(np.isnan(b.value)):
        return None
    sign = "greater"
    if str(a).startswith("-") and str(b).startswith("-"):
        sign = "less"  # of -a and -b, for the minimum
        a, b = (noted("negative", (t,), -np.asarray(t.value)) for t in (a, b))
    condition = Term(np.asarray(value) != 0, op=REGISTRY[sign], args=(a, b))
    return valued(made("indicator", condition), value)


def _is_guard(condition: Term) -> bool:
    """Whether a condition of a rule is true for zeros alone, where a formula has no value."""
    if _is(condition, "equal"):
        return bool(condition.args[1].number == 0)
    if _is(condition, "logical_or"):
        return all(map(_is_guard, condition.args))
    return _is(condition, "logical_and") and any(map(_is_guard, condition.args))


def _multiplied(term: Term) -> list[Term]:
    """A term, and what it is a product of, whatever its sign."""
    inner = term.args if _is(term, "negative") or _is(term, "multiply") else ()
    return [term, *(factor for part in inner for factor in _multiplied(part))]


def _only_guards(terms: tuple[Term, ...], value: Any) -> bool:
    """Whether where(a != 0, g·a, 0) is g·a: the guard is there for a g that is no number."""
    condition, inside, otherwise = terms
    if condition.number is not None and bool(condition.number):
        return True
    if not _is(condition, "not_equal") or condition.args[1].number != 0 or otherwise.number != 0:
        return False
    guarded = any(str(factor) == str(condition.args[0]) for factor in _multiplied(inside))
    return guarded and bool(np.array_equal(np.broadcast_to(inside.value, np.shape(value)), value))


def _quotient(name: str, a: Term, b: Term, value: Any) -> Term | None:
    """A product or quotient with fractions in it as one fraction, common powers cancelled; None where there is none."""
    parts = [_factors(a), _factors(b)]
    fractions = [any(power < 0 for _, power in powers) for _, powers in parts]
    simple = name == "divide" and not any(fractions) and not any(p != 1 for _, powers in parts for _, p in powers)
    if not any(fractions) and (name == "multiply" or (simple and not _shared(parts))):
        return None
    (c, above), (d, below) = parts
    if name == "divide":
        if d == 0:
            return None
        d, below = 1 / d, [(base, -power) for base, power in below]
    coefficient = c * d
    bases: dict[str, Term] = {}
    powers: dict[str, int] = {}
    signs: dict[str, set[bool]] = {}
    for base, power in above + below:
        said = str(base) if base.ndim == 0 or base.shape == np.shape(value) else f"{base} {base.shape}"
        bases.setdefault(said, base)
        powers[said] = powers.get(said, 0) + power
        signs.setdefault(said, set()).add(power > 0)
    cancelled = [bases[said] for said, both in signs.items() if len(both) > 1]
    if any(not np.all(np.isfinite(t.value)) or not np.all(t.value) for t in cancelled):
        return None
    with np.errstate(all="ignore"):
        over = [_raised(bases[said], power) for said, power in powers.items() if power > 0]
        under = [_raised(bases[said], -power) for said, power in powers.items() if power < 0]
        if not over and not under:
            return _number(coefficient, value)
        if under and not over and 0 < abs(coefficient) < 1 and float(1 / coefficient).is_integer():
            under.insert(0, _number(abs(1 / coefficient), np.float64(abs(1 / coefficient))))
            coefficient = float(np.sign(coefficient))
        if not over or abs(coefficient) != 1:
            size = abs(coefficient) if abs(coefficient) == 1 else coefficient
            over.insert(0, _number(size, np.float64(size)))
            coefficient = coefficient / size
        made_ = _chained(over) if not under else None
        if made_ is None:
            numerator, denominator = _chained(over), _chained(under)
            made_ = Term(numerator.value / denominator.value, op=REGISTRY["divide"], args=(numerator, denominator))
    whole = coefficient * made_.value
    same = np.shape(whole) == np.shape(value) or made_.value.shape == ()
    if not same or not np.allclose(whole, value, rtol=1e-9, atol=0, equal_nan=True):
        return None
    if coefficient == 1:
        return valued(made_, value) if np.shape(made_.value) != np.shape(value) else made_
    return Term(value, op=REGISTRY["negative"], args=(made_,))


def _shared(parts: list[tuple[float, list[tuple[Term, int]]]]) -> bool:
    """Whether a factor is above and below."""
    above, below = ({str(base) for base, _ in powers} for _, powers in parts)
    return not above.isdisjoint(below)


def _factors(term: Term) -> tuple[float, list[tuple[Term, int]]]:
    """The number and the powers that a term is a product of."""
    if term.number is not None:
        return term.number, []
    if term.name or _column_and_row(term) is not None:
        return 1, [(term, 1)]
    if _is(term, "negative"):
        c, powers = _factors(_inside(term, 0))
        return -c, powers
    if _is(term, "multiply") or _is(term, "divide"):
        (c, above), (d, below) = (_factors(_inside(term, i)) for i in (0, 1))
        if _is(term, "multiply"):
            return c * d, above + below
        if d:
            return c / d, above + [(base, -power) for base, power in below]
    if _is(term, "power") and term.args[1].number is not None and float(term.args[1].number).is_integer():
        times = int(term.args[1].number)
        c, powers = _factors(_inside(term, 0))
        with np.errstate(all="ignore"):
            raised = float(np.float64(c) ** times)
        if np.isfinite(raised):
            return raised, [(base, power * times) for base, power in powers]
    return 1, [(term, 1)]


def _raised(base: Term, power: int) -> Term:
    if _is(base, "sqrt") and power % 2 == 0:
        base, power = _inside(base, 0), power // 2
    if power == 1:
        return base
    return Term(base.value**power, op=REGISTRY["power"], args=(base, _number(power, np.float64(power))))


def _chained(factors: list[Term]) -> Term:
    """Factors multiplied in a row: a number with all that follows it."""
    first, *others = factors
    if first.number is not None and others:
        rest = _chained(others)
        return Term(first.value * rest.value, op=REGISTRY["multiply"], args=(first, rest))
    for factor in others:
        first = Term(first.value * factor.value, op=REGISTRY["multiply"], args=(first, factor))
    return first


def _simpler_product(a: Term, b: Term, m: float | None, n: float | None, value: Any) -> Term | None:
    if n is not None:
        return noted("multiply", (b, a), value)  # numbers come first
    if m == 0:
        return _number(0, value)
    if m == 1:
        return valued(b, value)
    if m == -1:
        return noted("negative", (b,), value)
    if m is not None and _is(b, "divide"):
        above, below = b.args
        if above.number is not None:
            return noted("divide", (_number(m * above.number, above.value), below), value)
        if _multiple(above)[0] != 1 or _multiple(below)[0] != 1 or _is(above, "divide"):
            return noted("divide", (_times(m, above), below), value)
    if _is(a, "negative"):
        return noted("negative", (noted("multiply", (_inside(a, 0), b), value),), value)
    if _is(b, "negative"):
        return noted("negative", (noted("multiply", (a, _inside(b, 0)), value),), value)
    if _is(b, "power") and _is(b.args[1], "subtract") and b.args[1].args[1].number == 1 and str(b.args[0]) == str(a):
        return Term(value, op=b.op, args=(b.args[0], b.args[1].args[0]))  # x·x^(y - 1)
    if m is None and a.shape == b.shape == np.shape(value) and str(a) == str(b):
        return noted("power", (a, _number(2, np.float64(2))), value)
    if m is not None and _is(b, "multiply") and _is(b.args[0], "divide") and b.args[0].args[0].number is not None:
        scaled = noted("multiply", (a, b.args[0]), m * np.asarray(b.args[0].value))
        return noted("multiply", (scaled, b.args[1]), value)
    if _is(b, "divide") and _is(b.args[0], "negative"):
        above, below = b.args
        turned = noted("divide", (_inside(above, 0), below), -np.asarray(b.value))
        return noted("negative", (noted("multiply", (a, turned), -np.asarray(value)),), value)
    if m is None and _is(a, "divide") and _is(a.args[0], "negative"):
        turned = noted("divide", (_inside(a.args[0], 0), a.args[1]), -np.asarray(a.value))
        return noted("negative", (noted("multiply", (turned, b), -np.asarray(value)),), value)
    if m is None and _is(a, "divide") and a.args[0].number not in (None, 1):
        c = a.args[0].number
        return noted("divide", (_times(c, b), _inside(a, 1)), value) if b.shape == np.shape(value) else None
    if _is(b, "divide") and b.args[0].number == 1:
        return noted("divide", (a, _inside(b, 1)), value)
    if _is(a, "divide") and a.args[0].number == 1:
        return noted("divide", (b, _inside(a, 1)), value)
    if _is(b, "multiply") and b.args[0].number is not None:
        first = b.args[0]
        if m is not None:
            return noted("multiply", (_number(m * first.number, value), _inside(b, 1)), value)
        return noted("multiply", (first, noted("multiply", (a, _inside(b, 1)), value)), value)
    if _is(a, "multiply") and a.args[0].number is not None and m is None:
        return noted("multiply", (a.args[0], noted("multiply", (_inside(a, 1), b), value)), value)
    return None


def _counted(a: Term, b: Term, value: Any) -> Term | None:
    """2·t for t + t, and the like; None where the two are no multiples of the same."""
    (m, s), (n, t) = (_multiple(a), _multiple(b))
    if s.number is not None or s.shape != np.shape(value) or t.shape != np.shape(value) or str(s) != str(t):
        return None
    return noted("multiply", (_number(m + n, value), s), value)


def _multiple(term: Term) -> tuple[float, Term]:
    """(c, t) where a term is c·t."""
    if _is(term, "negative"):
        c, inner = _multiple(term.args[0])
        return -c, inner
    if _is(term, "multiply") and term.args[0].number is not None:
        return term.args[0].number, term.args[1]
    if _is(term, "divide"):
        c, above = (term.args[0].number, _number(1, np.float64(1))) if term.args[0].number else _multiple(term.args[0])
        if c != 1:
            return c, Term(np.asarray(term.value) / c, op=term.op, args=(above, term.args[1]))
    return 1, term


def _times(c: float, term: Term) -> Term:
    return noted("multiply", (_number(c, np.float64(c)), term), c * np.asarray(term.value))


def _placed(number: float, value: Any, statics: tuple[Any, ...]) -> Term | None:
    """A number at the diagonal, or at one place in each row, as a multiple of I or of one_hot; else None."""
    _, key = statics
    if not isinstance(key, tuple) or np.ndim(value) != 2 or number == 1:
        return None
    unit = Term(np.asarray(value) / number, op=REGISTRY["scattered"], args=(_number(1, np.ones(())),), statics=statics)
    return noted("multiply", (_number(number, value), unit), value) if _is_identity(unit) or is_one_hot(unit) else None


def _is_diagonal(term: Term) -> bool:
    """Whether a term takes or writes the diagonal of a square matrix: [..., [0, 1], [0, 1]]."""
    key = term.statics[-1]
    whole = term.args[0] if _is(term, "index") else term
    if not isinstance(key, tuple) or whole.ndim != 2 or len(set(whole.shape)) > 1:
        return False
    places = [np.asarray(k) for k in key if k is not Ellipsis]
    return len(places) == 2 and all(k.ndim == 1 and np.array_equal(k, np.arange(len(whole.value))) for k in places)


def _offset(term: Term) -> int | None:
    """Which diagonal of a square matrix a term takes, or is written to in a matrix of zeros; None where it is none."""
    placed = (_is(term, "scatter") or _is(term, "scattered")) and term.args[0].number is None
    if not (placed or _is(term, "index") or (_is(term, "written") and term.args[0].number == 0)):
        return None
    key = term.statics[-1]
    places = [np.asarray(k) for k in key if k is not Ellipsis] if isinstance(key, tuple) else []
    matrix = term.args[0] if _is(term, "index") else term
    if matrix.ndim != 2 or len(set(matrix.shape)) > 1 or len(places) != 2 or any(k.ndim != 1 for k in places):
        return None
    rows, columns = places
    offset = int(columns[0] - rows[0]) if len(rows) and rows.dtype.kind == columns.dtype.kind == "i" else 0
    wanted = np.arange(max(matrix.shape[0] - abs(offset), 0))
    straight = np.array_equal(rows, wanted + max(-offset, 0)) and np.array_equal(columns, wanted + max(offset, 0))
    return offset if straight and len(wanted) > 1 else None


def _is_identity(term: Term) -> bool:
    return (_is(term, "scatter") or _is(term, "scattered")) and term.args[0].number == 1 and _is_diagonal(term)


def is_one_hot(term: Term) -> bool:
    """Whether a term has a 1 in each row, at labels, as the derivative of take_along_axis by them has."""
    return _labels(term) is not None


def _labels(term: Term) -> Any:
    """The labels of a one_hot, or None."""
    if not (_is(term, "scatter") or _is(term, "scattered")) or term.args[0].number != 1 or term.ndim != 2:
        return None
    key = term.statics[-1]
    if not isinstance(key, tuple) or len(key) != 2 or not all(isinstance(k, np.ndarray) for k in key):
        return None
    rows, labels = key
    column = (term.shape[0], 1)
    if labels.shape != column or rows.shape != column or not np.array_equal(rows[:, 0], np.arange(len(rows))):
        return None
    return labels[:, 0] if labels.dtype.kind in "iu" and np.min(labels, initial=0) >= 0 else None


def _trace(inner: Term, value: Any) -> Term:
    """tr(A), also of the transpose."""
    of = inner.args[0] if _is(inner, "transpose") else inner
    return Term(value, op=REGISTRY["trace"], args=(of,), statics=(0, 0, 1))


def _inside(term: Term, place: int) -> Term:
    """An operand of a term, in the shape that the term has come to have (a column, say)."""
    inner: Term = term.args[place]
    if inner.shape == term.shape or np.size(inner.value) != np.size(term.value):
        return inner
    return valued(inner, np.reshape(inner.value, term.shape))


def _is(term: Term, name: str) -> bool:
    return term.op is not None and term.op.name == name


def _column_and_row(term: Term) -> tuple[Term, Term] | None:
    """The operands of a product by entries that broadcasts a column against a row, in this order; else None."""
    if not _is(term, "multiply") or term.ndim != 2:
        return None
    rows, columns = term.shape
    for a, b in (term.args, term.args[::-1]):
        if a.shape == (rows, 1) and b.shape in ((columns,), (1, columns)) and 1 not in term.shape:
            return None if len(written_shape(b)) == 2 and _as_vector(a) is None else (a, b)
    return None


def text_of(term: Term) -> tuple[str, int]:
    """The notation of a term, and how tightly it binds."""
    if term.op is None:
        if term.number is None:
            return term.name, ATOM
        said = shown_number(term.number)
        return said, PRODUCT if "/" in said or "·" in said else 70 if term.number < 0 else ATOM
    op = term.op
    if op.name == "power" and term.args[1].number is not None and float(term.args[1].number).is_integer():
        base = parenthesised(term.args[0], op.precedence + 1)
        base = f"({base})" if base.endswith(("ᵀ", "¹")) else base  # (Hᵀ)²
        return base + superscript(int(term.args[1].number)), op.precedence
    outer = _column_and_row(term)
    if outer is not None:
        column, row = outer
        if row.number is None and written_shape(row) == ():  # the same number in every column
            scale = parenthesised(row, PRODUCT)
            return f"{scale}·{parenthesised(_as_vector(column) or column, op.precedence + 1)} @ 1ᵀ", op.precedence
        left = parenthesised(_as_vector(column) or column, op.precedence)
        return f"{left} @ {parenthesised(row, ATOM)}{'ᵀ' if len(written_shape(row)) == 1 else ''}", op.precedence
    if op.name == "reshape":
        key = _key_between(written_shape(term.args[0]), written_shape(term))
        if key:
            return f"{parenthesised(term.args[0], ATOM)}[{key}]", ATOM
    offset = _offset(term)
    if offset is not None:
        inside = term.args[1] if op.name == "written" else term.args[0]
        return f"diag({text_of(in_full(inside))[0]}{f', k={offset}' if offset else ''})", ATOM
    if op.name in ("scatter", "scattered"):
        if _is_identity(term):
            return "I", ATOM
        labels = _labels(term)
        if labels is not None:
            return f"one_hot({named_constant(labels)}, {term.shape[1]})", ATOM
    if op.name == "output":  # of an operation with several results
        return f"{parenthesised(term.args[0], ATOM)}[{term.statics[0]}]", ATOM
    if op.name == "passes" and (between := _between(term)):
        return between
    if op.name == "exp2":
        return f"2^{parenthesised(term.args[0], ATOM)}", 80
    if op.name == "cosquare":
        return f"1 - {_squared(term.args[0])}", SUM
    statics = {
        name: _shown_key(value) if name == "key" else _shown_static(value)
        for name, value in zip(op.statics, term.statics, strict=False)
    }
    if op.name in ("norm2", "norm_p") and term.statics[-2:] != (None, False):  # of each row, or column
        order = f", ord={statics['p']}" if "p" in statics else ""
        kept = ", keepdims=True" if term.statics[-1] else ""
        axis = "" if term.statics[-2] is None else f", axis={statics['axis']}"
        return f"norm({text_of(in_full(term.args[0]))[0]}{order}{axis}{kept})", ATOM
    if op.name == "transpose" and is_column(term.args[0]):
        inside = parenthesised(term.args[0].args[0], ATOM)
        return (f"({inside})ᵀ" if inside.startswith("∂") else f"{inside}ᵀ"), ATOM  # a vector with ᵀ is a row
    if op.name == "divide" and not term.args[1].ndim and (divided := _ones_divided(*term.args)):
        return divided, op.precedence
    binds = op.precedence
    usual = f"{op.name}({', '.join('{' + n + '}' for n in op.operands)})"
    written = op.written or usual
    operands: dict[str, str] = {}
    if op.name == "einsum_of":
        return _einsum(term), ATOM
    if op.variadic:
        inside = ", ".join(map(_as_array, term.args))
        operands[op.operands[0]] = inside if op.name == "custom_call" else f"[{inside}]"
    else:
        for i, (name, arg) in enumerate(zip(op.operands, term.args, strict=True)):
            # the right operand of - / @ and the base of a power need brackets at equal strength
            strict = binds < ATOM and (i > 0) != (op.name == "power") and op.name not in ("add", "multiply")
            postfix = binds >= ATOM and written.startswith(f"{{{name}}}")  # x⁻¹, x[key]
            enclosed = binds >= ATOM and not postfix
            raised = f"{{{name}}}⁻¹" in written
            if op.name == "matmul" and i == 1 and arg.ndim < 2 and _is(arg, "transpose"):
                arg = arg.args[0]  # behind a vector it would be taken for a row
            if (
                op.name == "matmul"
                and i == 1
                and _is(arg, "matmul")
                and all(t.ndim == 2 for t in (*term.args, *arg.args))
            ):
                operands[name] = text_of(arg)[0]  # A @ B @ C, in whichever order
                continue
            vector = _row_of(arg) if op.name == "matmul" and i == 1 and _is(arg, "index") else None
            if vector is not None:
                operands[name] = f"{parenthesised(vector, ATOM)}ᵀ"
                continue
            if op.name == "matmul" and (spread := _spread_operand(arg)):
                operands[name] = spread
                continue
            if op.name == "matmul" and i == 0 and term.args[1].shape[:-1] == (1,):
                arg = _as_vector(arg) or arg  # a vector before a row is a column
            elif not (op.elementwise or isinstance(arg.value, tuple)) and op.name not in _AS_WRITTEN:
                if written == usual and arg.number is not None:
                    operands[name] = _as_array(arg)
                    continue
                arg = in_full(arg)
            operands[name] = text_of(arg)[0] if enclosed else parenthesised(arg, ATOM if raised else binds + strict)
            if op.name in ("multiply", "divide") and i == 0 and term.args[1].ndim and _ends_in_product(arg):
                operands[name] = f"({text_of(arg)[0]})"  # (A @ B)·C
    if op.precedence == PRODUCT and (operands.get("b", "").startswith("-") or _would_be_taken_apart(term)):
        operands["b"] = f"({operands['b']})"
    if binds >= ATOM and written == usual:
        extra = [
            statics[p.name] if not op.arity and p is op.signature[0] else f"{p.name}={statics[p.name]}"
            for p, given in zip(op.signature[op.arity :], term.statics, strict=False)
            if given is not p.default and given != p.default and not (p.name == "axis" and _is_of_vector(term))
        ]
        return f"{_CALLED.get(op.name, op.name)}({', '.join([*operands.values(), *extra])})", ATOM
    if op.name == "negative":
        inside = parenthesised(term.args[0], 60)
        return (f"-({inside})" if inside.startswith("-") else f"-{inside}"), 60
    if op.name == "transpose":
        inside = parenthesised(term.args[0], ATOM)
        inside = f"({inside})" if inside.startswith("∂") else inside  # (∂L/∂A)ᵀ
        return (inside + "ᵀ").replace("⁻¹ᵀ", "⁻ᵀ"), ATOM
    if op.name in _OPPOSITE and operands["b"].startswith("-"):  # a - 2·b rather than a + -2·b
        return f"{operands['a']} {_OPPOSITE[op.name]} {operands['b'][1:]}", binds
    return written.format(**operands, **statics).replace("ᵀ⁻¹", "⁻ᵀ"), binds


def _einsum(term: Term) -> str:
    """The call as the language has it; a number 1 is left out, and arrays of ones have a shape."""
    (subscripts,) = term.statics
    left, arrow, right = subscripts.partition("->")
    given = [(part, t) for part, t in zip(left.split(","), term.args, strict=True) if part or t.number != 1]
    if not given:
        given = list(zip(left.split(","), term.args, strict=True))
    inside = ", ".join(_as_array(t) for _, t in given)
    return f'einsum("{",".join(part for part, _ in given)}{arrow}{right}", {inside})'


def _as_array(term: Term) -> str:
    """An array beside others, where a number would not stand for its entries: ones((2, 3))."""
    if term.number is None or not term.ndim:
        return text_of(in_full(term))[0]
    shape = _shown_static(term.shape)
    scale = "" if term.number == 1 else f"{text_of(term)[0]}·"
    return f"zeros({shape})" if term.number == 0 else f"{scale}ones({shape})"


def _between(term: Term) -> tuple[str, int] | None:
    """[x >= a]·[x <= b] for the derivative of clip; None by a convention that has 1/2 at the bounds."""
    x, low, high = term.args[0], *term.statics
    inside = np.logical_and(low is None or x.value >= low, high is None or x.value <= high)
    if not np.array_equal(
        np.broadcast_to(inside, np.shape(x.value)), x.value * 0 + REGISTRY["passes"].value(PLAIN, x.value, low, high)
    ):
        return None
    said = parenthesised(x, SUM)
    bounds = [f"[{said} {sign} {_shown_static(v)}]" for sign, v in ((">=", low), ("<=", high)) if v is not None]
    return "·".join(bounds), ATOM if len(bounds) == 1 else PRODUCT


def _squared(term: Term) -> str:
    base = parenthesised(term, ATOM)
    return f"({base})²" if base.endswith(("ᵀ", "¹")) else f"{base}²"  # (Hᵀ)²


def _ends_in_product(term: Term) -> bool:
    """Whether a term ends in a product of matrices: c·A @ B."""
    return _is(term, "matmul") or (
        _is(term, "multiply") and (_column_and_row(term) is not None or _ends_in_product(term.args[1]))
    )


def _ones_divided(above: Term, below: Term) -> str:
    """c/n·A @ 1: behind ones the number would be taken for a part of them; "" where there are none."""
    if not _ends_in_product(above) or not text_of(above)[0].endswith((" @ 1", " @ 1ᵀ")):
        return ""
    scale, product = above.args if _is(above, "multiply") and not above.args[0].ndim else (term_of(1), above)
    return f"{parenthesised(scale, PRODUCT)}/{parenthesised(below, PRODUCT + 1)}·{parenthesised(product, PRODUCT)}"


def _spread_operand(term: Term) -> str:
    """An operand of a product of matrices that is written in fewer axes than it has, as a product with ones; else "".

    1 is a vector of ones, 1 @ 1ᵀ a matrix of ones.
    """
    said = written_shape(term)
    if said == term.shape or not np.size(term.value):
        return ""
    if _is(term, "multiply") and term.args[1].number == 1:  # c·1, as a program may have it
        term = valued(term.args[0], term.value)
    if term.ndim > 2:
        if said != ():
            return ""
        ones = f"ones({_shown_static(term.shape)})"
        return ones if term.number == 1 else f"{parenthesised(term, PRODUCT)}·{ones}"
    if said == ():
        rows, columns = (*term.shape, 1)[:2]
        ones = "1 @ 1ᵀ" if rows > 1 < columns else "1ᵀ" if columns > 1 else "1"
        return ones if term.number == 1 else f"{parenthesised(term, PRODUCT)}·{ones}"
    if said in (term.shape[1:], (1, *term.shape[1:])):
        row = _as_vector(term) or term
        spread = "" if term.shape[0] == 1 else "1 @ "
        return f"{spread}{parenthesised(row, ATOM)}{'ᵀ' if len(said) == 1 else ''}"
    if said == (term.shape[0], 1):
        return f"{parenthesised(_as_vector(unspread(term)) or term, PRODUCT)} @ 1ᵀ"
    return ""


def _is_of_vector(term: Term) -> bool:
    """Whether a reduction is one of a vector, which has but one axis."""
    return _is(term, "sum") and term.args[0].ndim == 1 and term.ndim == 0


def _would_be_taken_apart(term: Term) -> bool:
    """Whether a·B @ c would be read as (a·B) @ c, which is another value unless a is a number."""
    if not _is(term, "multiply"):
        return False
    a, b = term.args
    if _column_and_row(b) is None and (
        b.op is None or b.op.precedence != PRODUCT or b.op.name in ("multiply", "divide")
    ):
        return False
    return b.ndim == 0 or (a.ndim > 0 and a.number is None)


def parenthesised(term: Term, strength: int) -> str:
    """The notation of `term`, in brackets if it binds less tightly than `strength`."""
    text, binds = text_of(term)
    return text if binds >= strength else f"({text})"


def shown_number(value: Any) -> str:
    """A number as a person writes it: 2 for 2.0, 2/3 for 0.6666666666666666, six digits otherwise."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int) or (np.isfinite(value) and float(value).is_integer() and abs(value) < 1e15):
        return str(int(value))
    said = f"{value:.6g}"
    if float(said) == value or not np.isfinite(value):
        return said
    fraction = Fraction(value).limit_denominator(LARGEST_BELOW)
    ends = 10**9 % fraction.denominator == 0  # then it has a decimal number of its own
    if 0 < abs(fraction.numerator) <= LARGEST_BELOW and not ends:
        near = fraction.numerator / fraction.denominator
        if near == value or float(np.float32(near)) == value:
            return str(fraction)
    return _irrational(value) or said


def _irrational(value: float) -> str:
    """A simple multiple of pi, or a root of a small number, "" for all others."""
    part = Fraction(value / np.pi).limit_denominator(12)
    p, q = part.numerator, part.denominator
    if 0 < abs(p) <= 12 and p * np.pi / q == value:
        above = f"{'-' if p < 0 else ''}{'' if abs(p) == 1 else f'{abs(p)}·'}pi"
        return above if q == 1 else f"{above}/{q}"
    root = round(value * value)
    return f"sqrt({root})" if 2 <= root <= 100 and np.sqrt(root) == value else ""


def _shown_static(value: Any) -> str:
    if isinstance(value, slice):
        parts = ["" if v is None else str(v) for v in (value.start, value.stop)]
        return ":".join([*parts, str(value.step)] if value.step is not None else parts)
    if value is Ellipsis:
        return "..."
    if isinstance(value, np.ndarray):
        return (value.said if isinstance(value, Called) else "") or named_constant(value)
    return str(value[0]) if isinstance(value, tuple) and len(value) == 1 else str(value)


def _shown_key(key: Any) -> str:
    """What stands in the brackets of an index."""
    return ", ".join(map(_shown_static, key)) if isinstance(key, tuple) else _shown_static(key)


def partials_of(op: Primitive, g: Any, y: Term, operands: tuple[Term, ...], statics: tuple[Any, ...]) -> list[Any]:
    """Each operand's cotangent as a term, from the operation's own rules; None where there is none."""
    if op.name == "custom_call" or (op.outputs > 1 and any("y" in needed for needed in op.needs)):
        return _in_numbers(op, g, y, operands, statics)
    shapes = tuple(t.shape for t in operands)
    if op.elementwise:
        slots: tuple[Any, ...] = (SYMBOLIC, g, y, *map(_bare, operands), *statics)
        found: list[Any] = []
        for pull in op.pulls:
            d = None if pull is None else pull(slots)
            zero = d is None or (d.__class__ is int and d == 0)
            found.append(None if zero else g * d)
        return found
    if op.variadic:
        slots = (SYMBOLIC, g, y, operands, shapes, *statics)
    else:
        slots = (SYMBOLIC, g, y, *operands, *shapes, *statics)
    if op.vjp is not None:
        rule = op.reader(op.vjp)
        assert rule is not None
        return list(rule(slots))
    return [None if pull is None else pull(slots) for pull in op.pulls]


def _in_numbers(op: Primitive, g: Any, y: Term, operands: tuple[Term, ...], statics: tuple[Any, ...]) -> list[Any]:
    """The cotangents of an operation whose rule is no formula (that of a call), or too long for one: by value alone.

    They are written as the language writes them: vjp(eigh, A, g).
    """
    values = tuple(t.value for t in operands)
    arriving = tuple(None if part is None else part.value for part in g) if isinstance(g, tuple) else g.value
    slots: tuple[Any, ...]
    if op.variadic:
        slots = (PLAIN, arriving, y.value, values, tuple(map(np.shape, values)), *statics)
    else:
        slots = (PLAIN, arriving, y.value, *values, *map(np.shape, values), *statics)
    rule = None if op.vjp is None else op.reader(op.vjp)
    bars = [pull and pull(slots) for pull in op.pulls] if rule is None else rule(slots)
    function = str(statics[0]) if op.name == "custom_call" else op.name
    heads = ", ".join("0" if part is None else str(part) for part in g) if isinstance(g, tuple) else str(g)
    heads = f"({heads})" if isinstance(g, tuple) else heads
    written = f"vjp({function}, {', '.join(map(str, operands))}, {heads})"
    # By several operands the derivatives are several, told apart by their place.
    names = [f"{written}[{i}]" if len(operands) > 1 else written for i in range(len(bars))]
    return [None if bar is None else Term(np.asarray(bar), name=name) for name, bar in zip(names, bars, strict=True)]


def _bare(term: Term) -> Any:
    """Numbers go to rules as numbers, as they do in a run."""
    return term.value if term.number is not None else term


def applied(
    op: Primitive, operands: tuple[Term, ...], statics: tuple[Any, ...], value: Any, derived: bool = False
) -> Term:
    """The term of a recorded operation with the value it had.

    derived: whether a rule of a derivative made it, not the program; such terms are written as short as can be.
    """
    if op.name in _UNWRITTEN:
        return valued(operands[0], value)
    if op.name == "sum" and _is(operands[0], "index") and _is_diagonal(operands[0]):
        return _trace(operands[0].args[0], value)
    if op.name == "reshape" and operands[0].number is not None:
        return _number(operands[0].number, value)
    if op.name == "transpose" and statics[0] is not None and _keeps_axes(statics[0], operands[0].ndim):
        return valued(operands[0], value)
    if op.name == "reshape" and operands[0].shape == np.shape(value):
        return valued(operands[0], value)
    if (
        op.name == "reshape"
        and (derived or not operands[0].name)
        and _same_but_for_ones(operands[0].shape, np.shape(value))
    ):
        return reshaped(operands[0], value) or Term(value, op=op, args=operands, statics=statics)
    simpler = _simpler(op.name, operands, value, statics) if derived and not op.variadic else None
    if simpler is not None:
        return simpler
    return Term(value, op=op, args=operands, statics=statics)
