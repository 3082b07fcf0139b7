"""The derivative as one simplified expression of the inputs, by SymPy; elementwise programs only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.lang.notation import ATOM, LARGEST_BELOW, Term, is_name, parts_of, shown_number, superscript, text_of
from ndgrad.lang.simplifying import LARGEST_ROOT, Simplifier, most_terms
from ndgrad.ndarray import plain
from ndgrad.sweep import nodes_below, sweep
from ndgrad.tape import Node

if TYPE_CHECKING:
    from ndgrad.lang.algebra import Expression
    from ndgrad.lang.recorded import Terms

LONGEST_FRACTION = 100_000  # above or below the line; what is longer is written as a decimal number
LARGEST_INTEGER = 10**15
MOST_TERMS = 20  # of a polynomial that is multiplied out
LARGEST = 60  # operations; beyond that a closed form explains nothing
EXACT = 1e-9  # how far a form may be off, relative

# Elementwise operations that SymPy knows, and what it calls those that it has another name for
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
_NUMPY = {name: ours for ours, name in _FUNCTIONS.items()}
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negative": lambda a: -a,
    "positive": lambda a: a,
    "square": lambda a: a**2,
    "reciprocal": lambda a: 1 / a,
}


class _Foreign(Exception):
    """A term that has no counterpart in SymPy."""


def closed_form(terms: Terms) -> str | None:
    """d(output)/d(variable) in the inputs alone, simplified; None where there is no such form.

    There is one when every operation between is elementwise with a counterpart in SymPy, every
    operand has the variable's shape or is a plain number, and the program is short. Inputs other than the variable,
    and what the program makes of them alone, stand by their names. The form is held against the recorded gradient.
    """
    output, variable = terms.output, terms.variable
    order = nodes_below([output], variable.id)
    if len(order) > LARGEST or output.shape != variable.shape or _written_out(order, output) > LARGEST:
        return None
    import sympy

    made = _Form(terms)
    x = made.symbol(terms.name(variable), terms.leaf_value(variable))
    known = {terms.name(variable): x}
    try:
        for node in terms.steps:
            if node.op is not None and node is not variable:
                known[terms.name(node)] = made.read(terms.term(node, node), known)
    except _Foreign:
        return None
    derivative = sympy.diff(known[terms.name(output)], x)
    if derivative.count_ops() > LARGEST:
        return None
    short = made.shown(made.simplifier.shortest(derivative), x)
    return written(short) if made.holds(short) else None


def _written_out(order: Sequence[Node], output: Node) -> int:
    """How many operations the output is as one expression, in which what is used twice stands twice."""
    sizes: dict[int, int] = {}
    for node in reversed(order):
        sizes[node.id] = 1 + sum(sizes.get(parent.id, 0) for parent in node.parents if parent is not None)
    return sizes[output.id]


class _Form:
    """Reads terms as SymPy expressions, and writes and evaluates these.

    values   of the symbols, in the run
    """

    def __init__(self, terms: Terms) -> None:
        import sympy

        self.sympy = sympy
        self.terms = terms
        self.simplifier = Simplifier()
        self.values: dict[Any, Any] = {}

    def symbol(self, name: str, value: Any) -> Any:
        made = self.sympy.Symbol(name)
        self.values[made] = np.asarray(value, dtype=np.float64)
        return made

    def read(self, term: Term, known: dict[str, Any]) -> Any:
        """The expression of a term. known: those of the values that depend on the variable. Raises _Foreign."""
        if term.number is not None:
            return self.number(term.number)
        if term.op is None:
            found = known.get(term.name)
            return self.named(term) if found is None else found
        name, args = term.op.name, term.args
        if name in _FUNCTIONS or name in _ARITHMETIC:
            inner = [self.read(part, known) for part in args]
            rule = _ARITHMETIC.get(name) or getattr(self.sympy, _FUNCTIONS[name])
            return rule(*inner)
        if name == "power":
            base, power = args
            above = None if power.number is None else self.number(power.number)
            if above is not None and above.is_Rational:
                return self.read(base, known) ** self.simplifier.exponent(above)
            return self.read(base, known) ** (self.read(power, known) if above is None else above)
        if name in ("log1p", "expm1"):
            inside = self.read(args[0], known)
            return self.sympy.log(1 + inside) if name == "log1p" else self.sympy.exp(inside) - 1
        if any(isinstance(part, Term) and part.name in known for part in parts_of(term)):
            raise _Foreign
        return self.named(term)

    def number(self, value: Any) -> Any:
        """A number: exactly what the program writes, or a short fraction that it comes to, or what it is."""
        if not np.isfinite(value):
            raise _Foreign
        if isinstance(value, int):
            return self.sympy.Integer(value)
        short = Fraction(value).limit_denominator(LARGEST_BELOW)
        exact = short if float(short) == value else Fraction(Decimal(repr(float(value))))
        return self.sympy.Rational(exact.numerator, exact.denominator)

    def named(self, term: Term) -> Any:
        """A number that does not depend on the variable, by its name or what it is written as."""
        said, binds = text_of(term)
        if np.ndim(term.value if term.natural is None else term.natural) or binds < ATOM or unreadable(said):
            raise _Foreign
        return self.symbol(said, term.value)

    def shown(self, expression: Any, x: Any) -> Any:
        """The expression with all its numbers; a polynomial is multiplied out."""
        made = self.simplifier.shown(expression)
        multiplies = made.free_symbols <= {x} and made.is_polynomial(x) and most_terms(made) <= MOST_TERMS
        return self.sympy.expand(made) if multiplies else made

    def holds(self, expression: Any) -> bool:
        """Whether it has the value of the recorded gradient."""
        output, variable = self.terms.output, self.terms.variable
        found, _ = sweep([(output, np.ones(output.shape, output.dtype))], [variable])
        wanted = plain(found[variable.id][1]) if variable.id in found else np.zeros(variable.shape)
        with np.errstate(all="ignore"):
            try:
                value = self.value(expression)
                size = sum(np.abs(self.value(part)) for part in self.sympy.Add.make_args(expression))
            except (_Foreign, TypeError):  # no real number
                return False
        return near(value, wanted, size)

    def value(self, e: Any) -> Any:
        """What an expression comes to in the run."""
        if e in self.values:
            return self.values[e]
        if e.is_Number or e.is_NumberSymbol:
            return np.float64(float(e))
        parts = [self.value(part) for part in e.args]
        if e.is_Add:
            return sum(parts[1:], parts[0])
        if e.is_Mul:
            return np.prod(np.broadcast_arrays(*parts), axis=0)
        if e.is_Pow:
            return np.power(*parts)
        name = e.func.__name__
        if not parts or not hasattr(np, _NUMPY.get(name, name)):
            raise _Foreign
        return getattr(np, _NUMPY.get(name, name))(*parts)


def near(value: Any, wanted: Any, size: Any = 0.0) -> bool:
    """Whether a value is the recorded one to EXACT, or to what rounding leaves of it.

    size: how large what is added up to the value is
    """
    exact = _exact(wanted)
    wanted = np.asarray(wanted, dtype=np.float64)
    value = np.broadcast_to(value, wanted.shape)
    with np.errstate(all="ignore"):
        equal = (value == wanted) | (np.isnan(value) & np.isnan(wanted))
        allowed = exact * np.abs(wanted) + 1e-6 * exact * size
        return bool(np.all(equal | (np.abs(value - wanted) <= allowed)))


def _exact(*values: Any) -> float:
    """How far a form may be off, relative, that is made of values in these dtypes."""
    kinds = [value.dtype for value in values if isinstance(value, (np.ndarray, np.generic))]
    return max([EXACT, *(64 * float(np.finfo(kind).eps) for kind in kinds if kind.kind == "f")])


def written(expression: Any) -> str:
    """A SymPy expression in this project's notation: 4·x³ + 2·x."""
    import sympy
    from sympy.printing.precedence import PRECEDENCE
    from sympy.printing.str import StrPrinter

    class Printer(StrPrinter):  # type: ignore[misc]
        def _print_Float(self, number: Any) -> str:
            return shown_number(float(number))

        def _print_Exp1(self, number: Any) -> str:
            return "exp(1)"

        def _print_Function(self, call: Any) -> str:
            name = call.func.__name__
            return f"{_NUMPY.get(name, name)}({', '.join(map(self._print, call.args))})"

        def _print_Pow(self, power: Any, rational: bool = False) -> str:
            base, above = power.args
            if abs(above) == sympy.S.Half:
                root = f"sqrt({self._print(base)})"
                return root if above > 0 else f"1/{root}"
            held = self._print(base)
            if base.is_Float and ("/" in held or "·" in held):
                held = f"({held})"
            elif not base.is_Float:
                held = self.parenthesize(base, PRECEDENCE["Pow"], strict=False)
            if above == -1:
                return f"1/{held}"
            if above.is_Integer and abs(above) < LARGEST_INTEGER:
                return f"{held}{superscript(int(above))}"
            if above.is_Number:
                short = above.is_Rational and above.q <= LARGEST_ROOT
                said = f"{above.p}/{above.q}" if short and above.q != 1 else shown_number(float(above))
                return f"{held}^({said})" if "/" in said or "·" in said else f"{held}^{said}"
            return f"{held}^{self.parenthesize(above, PRECEDENCE['Pow'], strict=False)}"

    numbers = {r: sympy.Float(r, 17) for r in expression.atoms(sympy.Rational) if _is_long(r)}
    return str(Printer({"order": None}).doprint(expression.xreplace(numbers))).replace("*", "·")


def _is_long(number: Any) -> bool:
    """Whether a rational number is written as a decimal one."""
    if number.q == 1:
        return bool(abs(number.p) > LARGEST_INTEGER)
    if max(abs(number.p), number.q) > LONGEST_FRACTION:
        return True
    return bool(number.q > LARGEST_BELOW // 10 and "/" not in shown_number(float(number)))


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
    exact = _exact(derivative.value, *(term.value for _, term in steps))
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
        said += f"   ({'; '.join(reading.notes)})" if reading.notes else ""
        if (
            len(said) <= LONGEST
            and said not in made
            and not unreadable(said)
            and _holds(form, reading.values, derivative.value, exact)
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

        def atom(self, text: str, binds: int, value: Any) -> Expression:  # type: ignore[override]
            made = super().atom(text, binds, value)
            if not text.startswith("∂"):
                return made
            row = Atom(made.text, made.binds, made.columns, made.rows)
            self.values[row] = self.values[made].T
            return Transposed(row)

        def opaque(self, term: Term) -> Expression:
            if "∂" in str(term):
                raise Unwritten
            return super().opaque(term)

    reader = Rows({}, {}, frozenset())
    try:
        form = reader.read(share)
    except Unwritten:
        return _turned_as_written(share)
    parts = (part.value for part in parts_of(share) if isinstance(part, Term))
    held = _holds(form, reader.values, share.value, _exact(share.value, *parts))
    return text(transposed(form)) if held else _turned_as_written(share)


def _turned_as_written(share: Term) -> str:
    """A share as it is, transposed as a whole, with the adjoints in it turned back."""
    import re

    from ndgrad.lang.products import bracketed

    numbers = {part.name for part in parts_of(share) if isinstance(part, Term) and not part.ndim}
    adjoint = re.compile(r"∂(?:⟨[^⟩]*⟩|\w+)/∂\w+")
    said = adjoint.sub(lambda found: found[0] if found[0] in numbers else f"({found[0]})ᵀ", str(share))
    return f"{bracketed(said)}ᵀ"


def _holds(form: Expression, values: dict[Expression, Any], wanted: Any, exact: float) -> bool:
    """Whether a form has the value it should have, to `exact`; a rule that was wrong would be found here."""
    from ndgrad.lang.algebra_values import value_of

    with np.errstate(all="ignore"):
        value = np.asarray(value_of(form, values))
    wanted = np.asarray(wanted)
    if value.size != wanted.size:
        return False
    scale = np.max(np.abs(wanted[np.isfinite(wanted)]), initial=0.0)
    return np.allclose(value.reshape(wanted.shape), wanted, rtol=exact, atol=exact * scale, equal_nan=True)
