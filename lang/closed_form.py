"""The derivative as one simplified expression of the input, by SymPy; elementwise programs only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.lang.notation import ATOM, Term, is_name, parts_of, superscript
from ndgrad.sweep import nodes_below
from ndgrad.tape import Node

if TYPE_CHECKING:
    from ndgrad.lang.algebra import Expression

LONGEST_FRACTION = 100_000  # above or below the line; what is longer is written as a decimal number
LARGEST_INTEGER = 10**15
LARGEST = 60  # operations; beyond that a closed form explains nothing

_FUNCTIONS = {
    "exp": "exp",
    "log": "log",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "tanh": "tanh",
    "sinh": "sinh",
    "cosh": "cosh",
    "sqrt": "sqrt",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
}


def closed_form(output: Node, variable: Node, name: str) -> str | None:
    """d(output)/d(variable) in `name`, simplified; None where there is no such form.

    There is one when every operation between is elementwise with a counterpart in SymPy, every
    operand has the variable's shape or is a plain number, and the program is short.
    """
    order = nodes_below([output], variable.id)
    if len(order) > LARGEST or output.shape != variable.shape or _written_out(order, output) > LARGEST:
        return None
    import sympy

    x = sympy.Symbol(name)
    terms: dict[int, Any] = {variable.id: x}
    for node in reversed(order):
        if node.id in terms:
            continue
        term = _counterpart(sympy, node, terms)
        if term is None:
            return None
        terms[node.id] = term
    derivative = sympy.diff(terms[output.id], x)
    length = derivative.count_ops()
    if length > LARGEST:
        return None
    ways = (sympy.expand, sympy.factor, sympy.simplify) if length <= LARGEST // 2 else (sympy.expand,)  # these are slow
    shortest = min((form(derivative) for form in ways), key=lambda e: (e.count_ops(), str(e)))
    made = sympy.expand(shortest) if shortest.is_polynomial(x) else shortest
    fractions = (r for r in made.atoms(sympy.Rational) if r.q != 1 or abs(r.p) > LARGEST_INTEGER)
    long = {r: sympy.Float(r, 6) for r in fractions if max(abs(r.p), r.q) > LONGEST_FRACTION}
    return written(sympy, made.xreplace(long))


def _written_out(order: Sequence[Node], output: Node) -> int:
    """How many operations the output is as one expression, in which what is used twice stands twice."""
    sizes: dict[int, int] = {}
    for node in reversed(order):
        sizes[node.id] = 1 + sum(sizes.get(parent.id, 0) for parent in node.parents if parent is not None)
    return sizes[output.id]


def _counterpart(sympy: Any, node: Node, terms: dict[int, Any]) -> Any:
    op = node.op
    if op is None or not op.elementwise:
        return None
    args = []
    for parent, operand in zip(node.parents, node.operands, strict=True):
        if parent is not None and parent.id in terms:
            args.append(terms[parent.id])
        elif np.ndim(operand) == 0:
            args.append(sympy.nsimplify(float(operand), rational=True))
        else:
            return None
    if op.name in _FUNCTIONS:
        return getattr(sympy, _FUNCTIONS[op.name])(*args)
    arithmetic: Any = {
        "add": lambda a, b: a + b,
        "subtract": lambda a, b: a - b,
        "multiply": lambda a, b: a * b,
        "divide": lambda a, b: a / b,
        "power": lambda a, b: a**b,
        "negative": lambda a: -a,
        "positive": lambda a: a,
        "square": lambda a: a**2,
        "reciprocal": lambda a: 1 / a,
    }.get(op.name)
    return arithmetic(*args) if arithmetic is not None else None


def written(sympy: Any, expression: Any) -> str:
    """A SymPy expression in this project's notation: 4·x³ + 2·x."""
    import re

    text = sympy.sstr(expression)
    text = re.sub(r"\*\*(\d+)\b", lambda m: superscript(int(m[1])), text)
    text = re.sub(r"\*\*\((-\d+)\)", lambda m: superscript(int(m[1])), text)
    return str(text.replace("**", "^").replace("*", "·"))


def unreadable(said: str) -> bool:
    """Whether an expression holds what is no mathematics: arrays of positions, constants without a name."""
    return any(sign in said for sign in (" at [", "array(", " constant⟩", "where("))


LONGEST = 160  # characters of a form that a person still reads


def matrix_forms(
    derivative: Term, steps: Sequence[tuple[str, Term]], moving: frozenset[str], transposing: bool = False
) -> tuple[str, ...]:
    """A derivative as expressions of matrices: in the names of the steps, then in the inputs alone; none where
    there is no such form.

    steps    the named values between, oldest first
    moving   the names of what depends on the variable, and its own
    transposing   whether the transpose is wanted

    Every form is computed from its atoms and held against the value of the derivative.
    """
    if len(str(derivative)) > 3 * LONGEST:
        return ()
    from ndgrad.lang.algebra import transposed
    from ndgrad.lang.algebra_text import text
    from ndgrad.lang.algebra_values import has_ones
    from ndgrad.lang.matrix_form import Reader, Unwritten

    known: dict[Expression, Expression] = {}
    reader = Reader({name: term for name, term in steps if not is_name(name)}, known, moving)
    for name, term in steps:
        if not is_name(name):
            continue  # what the program shows without a name
        try:
            known.setdefault(reader.read(term), reader.atom(name, ATOM, term.value))
        except Unwritten:
            continue
    made: list[str] = []
    for reading in (reader, Reader(dict(steps), {}, moving)):
        reading.count = 0
        try:
            form = reading.read(derivative)
        except Unwritten:
            continue
        said = text(transposed(form) if transposing else form)
        if has_ones(form):
            reading.notes["1 is a vector of ones"] = None
        said += f"   ({', '.join(reading.notes)})" if reading.notes else ""
        if (
            len(said) <= LONGEST
            and said not in made
            and not unreadable(said)
            and _holds(form, reading.values, derivative.value)
        ):
            made.append(said)
    return tuple(made)


def turned(share: Term) -> str:
    """A share of an adjoint, transposed: the adjoint in it (∂…/∂…) is a row, or transposed, in itself."""
    from ndgrad.lang.algebra import Atom, Transposed, transposed
    from ndgrad.lang.algebra_text import text
    from ndgrad.lang.matrix_form import Reader, Unwritten

    class Rows(Reader):
        """Reads an adjoint as the transpose of what it is called."""

        def named(self, term: Term) -> Expression:
            made = super().named(term)
            if not term.name.startswith("∂") or not isinstance(made, Atom):
                return made
            row = Atom(made.text, made.binds, made.columns, made.rows)
            self.values[row] = self.values[made].T
            return Transposed(row)

    reader = Rows({}, {}, frozenset())
    try:
        form = reader.read(share)
    except Unwritten:
        return _turned_as_written(share)
    held = _holds(form, reader.values, share.value)
    return text(transposed(form)) if held else _turned_as_written(share)


def _turned_as_written(share: Term) -> str:
    """A share as it is, transposed as a whole, with the adjoints in it turned back."""
    import re

    names = {
        part.name for part in parts_of(share) if isinstance(part, Term) and part.name.startswith("∂") and part.ndim
    }
    said = str(share)
    for name in names:
        said = re.sub(rf"{re.escape(name)}(?![\w₀-₉])", f"({name})ᵀ", said)
    return f"({said})ᵀ"


def _holds(form: Expression, values: dict[Expression, Any], wanted: Any) -> bool:
    """Whether a form has the value it should have; a rule that was wrong would be found here."""
    from ndgrad.lang.algebra_values import value_of

    with np.errstate(all="ignore"):
        value = np.asarray(value_of(form, values))
    wanted = np.asarray(wanted, dtype=float)
    scale = np.max(np.abs(wanted[np.isfinite(wanted)]), initial=0.0)
    return bool(
        value.size == wanted.size
        and np.allclose(value.reshape(wanted.shape), wanted, rtol=1e-9, atol=1e-9 * scale, equal_nan=True)
    )
