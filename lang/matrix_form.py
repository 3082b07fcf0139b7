"""From terms to the algebra of matrices, and from there to text: 2·Xᵀ @ (X @ w - y).

Products of matrices are put together by `ndgrad.lang.algebra`; what happens entry by entry in between is
simplified by SymPy, over the matrices as its symbols.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ndgrad.lang import algebra, notation
from ndgrad.lang.algebra import ONE, Atom, Diagonal, Expression, Function, Hadamard, Identity, Ones, Shape
from ndgrad.lang.algebra_text import text
from ndgrad.lang.algebra_values import atoms, value_of
from ndgrad.lang.notation import ATOM, Term
from ndgrad.lang.simplifying import LARGEST, Simplifier

MOST = 200  # terms; a longer formula explains nothing

# Elementwise functions that SymPy knows, under its names
_KNOWN = {
    "exp": "exp", "log": "log", "sin": "sin", "cos": "cos", "tan": "tan", "tanh": "tanh", "sinh": "sinh",
    "cosh": "cosh", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negative": lambda a: -a,
    "square": lambda a: a * a,
    "reciprocal": lambda a: 1 / a,
}


class Unwritten(Exception):
    """A term that has no place in the algebra."""


class Reader:
    """Reads terms as expressions.

    meanings    what named terms stand for, by name: they are read as that; other names are names
    known       expressions that have a name: they are read as that name
    moving      the names of what depends on the variable
    values      the value of every atom met
    notes       what was seen of the values, and used
    """

    def __init__(self, meanings: dict[str, Term], known: dict[Expression, Expression], moving: frozenset[str]) -> None:
        import sympy

        self.sympy = sympy
        self.simplifier = Simplifier()
        self.meanings = meanings
        self.known = known
        self.moving = moving
        self.notes: dict[str, None] = {}
        self.values: dict[Expression, Any] = {}
        self.narrow: set[Expression] = set()  # atoms that are matrices of one column, which diag() takes for others
        self.count = 0

    def read(self, term: Term) -> Expression:
        """The expression of a term of at most two axes. Raises Unwritten."""
        self.count += 1
        if self.count > MOST or term.ndim > 2:
            raise Unwritten
        made = self._read(term)
        return self.known.get(made, made)

    def _read(self, term: Term) -> Expression:
        if term.number is not None:
            return self.constant(term)
        if term.op is None:
            return self.named(term)
        plain = _constant(term)
        if plain is not None:
            return plain
        name = term.op.name
        rule = getattr(self, f"read_{name}", None)
        if rule is not None:
            made = rule(term)
            if made is not None:
                return self.spread(made, term)
        if term.op.elementwise or name in _SLOPES:
            return self.elementwise(term)
        return self.opaque(term)

    # Leaves

    def constant(self, term: Term) -> Expression:
        if term.number == 0:
            return algebra.zero(_shape(term))
        made = algebra.number(term.number)
        return made if term.ndim == 0 else algebra.product(made, Ones(*_shape(term)))

    def named(self, term: Term) -> Expression:
        meaning = self.meanings.get(term.name)
        if meaning is not None:
            return self.spread(self.read(meaning), term)
        natural = np.asarray(term.natural if term.natural is not None else term.value)
        return self.spread(self.atom(term.name, ATOM, natural), term)

    def atom(self, text: str, binds: int, value: Any) -> Atom:
        rows, columns = _sizes(np.shape(value))
        data = np.asarray(value, dtype=float).reshape(rows, columns)
        made = Atom(text, binds, rows, columns)
        if np.ndim(value) == 2 and columns == 1 < rows:
            self.narrow.add(made)
        self.values[made] = data
        return made

    def opaque(self, term: Term) -> Expression:
        """A term that is kept as it is written."""
        from ndgrad.lang.notation import text_of

        if term.op is not None and term.op.name in ("scatter", "scattered") and term.args[0].number:
            c = term.args[0].number
            data = np.asarray(term.value) / c
            labels = data.ndim == 2 and bool(np.all((np.sum(data, -1) == 1) & (np.max(data, -1, initial=0) == 1)))
            if labels:
                name, note = "onehot", "has 1 at the labels, else 0"
            elif np.max(data, initial=0) <= 1:
                name, note = "mask", "has 1 at the entries that are read, else 0"
            else:
                name, note = "counts", "says how often each entry is read"
            self.notes[f"{name} {note}"] = None
            made = self.atom(name, ATOM, data)
            return algebra.product(made, coefficient=algebra.exact(c))
        whole = notation.unspread(term)
        return self.spread(self.atom(*text_of(whole), whole.value), term)

    def spread(self, e: Expression, term: Term) -> Expression:
        """An expression broadcast to the shape that the term has."""
        shape = _shape(term)
        if e.shape == shape:
            return e
        if e.shape == (1, 1):
            return algebra.product(e, Ones(*shape))
        if term.ndim == 1 and e.shape == (1, shape[0]):
            return algebra.transposed(e)
        if term.ndim == 2 and e.shape == (shape[1], 1):
            return algebra.spread(e, shape, is_row=True)
        if e.shape == (shape[0], 1):
            return algebra.spread(e, shape, is_row=False)
        if e.shape == (1, shape[1]):
            return algebra.spread(e, shape, is_row=True)
        raise Unwritten

    # Entry by entry

    def elementwise(self, term: Term) -> Expression:
        """Arithmetic and functions of every entry, simplified."""
        symbols: dict[Expression, Any] = {}
        expression = self.entries(term, term, symbols)
        forms = [self.simplifier.shown(expression)]
        if expression.count_ops() <= LARGEST:
            forms.append(self.simplifier.shown(self.simplifier.shortest(expression)))
        shortest = min(forms, key=lambda e: e.count_ops())
        return self.gathered(shortest, {symbol: e for e, symbol in symbols.items()}, _shape(term))

    def entries(self, term: Any, top: Term, symbols: dict[Expression, Any], column: bool = False) -> Any:
        """The SymPy expression of one entry of `top`; its symbols stand for expressions.

        column: whether vectors in `term` are columns of `top`, as where [:, None] stood around them; else rows.
        """
        sympy = self.sympy
        if term.ndim == 2 and term.shape != top.shape:
            column = term.shape[1] == 1
        if term.number is not None:
            return sympy.Rational(algebra.exact(term.number)) if np.isfinite(term.number) else _refuse()
        op = term.op
        if op is not None and _constant(term) is None and not (term.name and term.name not in self.meanings):
            name = op.name
            args = term.args
            if name in _ARITHMETIC:
                return _ARITHMETIC[name](*(self.entries(a, top, symbols, column) for a in args))
            if name == "power" and args[1].number is not None:
                power = self.simplifier.exponent(sympy.Rational(algebra.exact(args[1].number)))
                return self.entries(args[0], top, symbols, column) ** power
            if name == "sqrt":
                return sympy.sqrt(self.entries(args[0], top, symbols, column))
            if name in _SLOPES:
                return _SLOPES[name](lambda f, a: self.symbol(f, a, top, symbols, column), args[0])
            if name == "where" and np.asarray(args[0].value).all():
                return self.entries(args[1], top, symbols, column)
            if name == "where" and not np.asarray(args[0].value).any():
                return self.entries(args[2], top, symbols, column)
            if name == "reshape" and top.ndim == 2 and notation.is_column(notation.unspread(term)):
                return self.entries(args[0], top, symbols, True)
            if name in _KNOWN or (op.elementwise and len(args) == 1 and not op.statics):
                return self.symbol(name, args[0], top, symbols, column)
        e = self.opaque(term) if term is top else self.read(term)
        return self.standing(e, term, top, symbols, column)

    def symbol(self, name: str, argument: Term, top: Term, symbols: dict[Expression, Any], column: bool) -> Any:
        """What stands for a function of every entry of a term; for a name, if its value has one."""
        inner = self.read(argument)
        e = self.function(name, inner)
        return self.standing(self.known.get(e, e), argument, top, symbols, column)

    def function(self, name: str, inner: Expression) -> Expression:
        """A function of every entry; exp of what is a logarithm is undone."""
        if name == "exp" and isinstance(inner, Function) and inner.name == "log_softmax":
            return Function("softmax", inner.of, *inner.shape)
        if name == "exp" and isinstance(inner, Function) and inner.name == "logsumexp":
            return algebra.summed(self.function("exp", inner.of[0]))
        if name == "exp":
            soft = _softmax_of(inner)
            if soft is not None:
                return Function("softmax", (soft,), *inner.shape)
        return Function(name, (inner,), *inner.shape)

    def standing(self, e: Expression, term: Term, top: Term, symbols: dict[Expression, Any], column: bool) -> Any:
        """The symbol for `e` among the entries of `top`; numbers and products of numbers stay what they are."""
        c, scalars, chain = algebra.parts(e)
        made: Any = self.sympy.Rational(c) if isinstance(c, Fraction) else self.sympy.Float(c)
        for base, power in scalars.items():
            made = made * self._symbol(base, symbols) ** self.sympy.Rational(power)
        if chain and not (len(chain) == 1 and isinstance(chain[0], Ones)):
            core = chain[0] if len(chain) == 1 else algebra.Product(ONE, (), chain)
            if term.shape != top.shape:
                if term.ndim == top.ndim == 2 and term.shape[1] == 1 and not self.narrow.isdisjoint(atoms(e)):
                    raise Unwritten
                is_column = column if term.ndim == 1 else term.shape[1] == 1
                core = algebra.spread(core, _shape(top), is_row=top.ndim == 2 and not is_column)
            if isinstance(core, Hadamard):
                for base, power in core.factors:
                    made = made * self._symbol(base, symbols) ** self.sympy.Rational(power)
            elif isinstance(core, algebra.Sum):
                made = made * sum(self.standing(t, top, top, symbols, column) for t in core.terms)
            else:
                made = made * self._symbol(core, symbols)
        return made

    def _symbol(self, e: Expression, symbols: dict[Expression, Any]) -> Any:
        if e not in symbols:
            symbols[e] = self.sympy.Symbol(f"s{len(symbols)}", real=True)
        return symbols[e]

    def gathered(self, expression: Any, meanings: dict[Any, Expression], shape: Shape) -> Expression:
        """A SymPy expression back in the algebra."""
        sympy = self.sympy
        if expression.is_Add:
            return algebra.total((self.gathered(t, meanings, shape) for t in expression.args), shape)
        factors: list[tuple[Expression, Fraction]] = []
        for factor in sympy.Mul.make_args(expression):
            base, power = factor.as_base_exp()
            if factor.is_Number:
                factors.append((algebra.number(_fraction(factor)), ONE))
            elif not power.is_Rational:
                raise Unwritten
            elif base.is_Symbol:
                factors.append((meanings[base], _fraction(power)))
            elif base.is_Number:
                factors.append((algebra.number(float(factor)), ONE))
            elif base == expression:  # a function that SymPy made
                raise Unwritten
            else:
                inner = self.gathered(base, meanings, shape if self._has_entries(base, meanings) else (1, 1))
                factors.append((inner, _fraction(power)))
        return algebra.hadamard(factors, shape)

    @staticmethod
    def _has_entries(expression: Any, meanings: dict[Any, Expression]) -> bool:
        return any(meanings[s].shape != (1, 1) for s in expression.free_symbols)

    # Operations that are no matter of entries. Each gives None where it has no place here.

    def read_matmul(self, term: Term) -> Expression | None:
        a, b = (self.read(t) for t in term.args)
        if term.args[0].ndim == 1:
            if term.args[1].ndim == 1:
                return algebra.product(algebra.transposed(a), b)
            return algebra.product(algebra.transposed(b), a)
        return algebra.product(a, b)

    read_dot = read_matmul

    def read_inner(self, term: Term) -> Expression | None:
        return self.read_matmul(term) if term.args[0].ndim == term.args[1].ndim == 1 else None

    def read_outer(self, term: Term) -> Expression | None:
        if any(t.ndim != 1 for t in term.args):
            return None
        a, b = (self.read(t) for t in term.args)
        return algebra.product(a, algebra.transposed(b))

    def read_transpose(self, term: Term) -> Expression | None:
        inner = self.read(term.args[0])
        return inner if term.ndim < 2 else algebra.transposed(inner)

    def read_swapaxes(self, term: Term) -> Expression | None:
        return algebra.transposed(self.read(term.args[0])) if term.ndim == 2 else None

    def read_inv(self, term: Term) -> Expression | None:
        return algebra.inverse(self.read(term.args[0]))

    def read_solve(self, term: Term) -> Expression | None:
        a, b = (self.read(t) for t in term.args)
        return algebra.product(algebra.inverse(a), b)

    def read_trace(self, term: Term) -> Expression | None:
        return self.of_matrix("trace", term) if not any(term.statics) or term.statics == (0, 0, 1) else None

    def read_det(self, term: Term) -> Expression | None:
        return self.of_matrix("det", term)

    def of_matrix(self, name: str, term: Term) -> Expression:
        inner = self.read(term.args[0])
        return Function(name, (inner,), 1, 1)

    def read_norm(self, term: Term) -> Expression | None:
        if term.ndim != 0 or any(v not in (None, 2) for v in term.statics if v is not False):
            return None
        inner = self.read(term.args[0])
        return Function("norm", (inner,), 1, 1)

    def read_sum(self, term: Term) -> Expression | None:
        inner = self.read(term.args[0])
        axis, keepdims = term.statics[:2]
        if axis is None or term.args[0].ndim == 1 or (isinstance(axis, tuple) and len(axis) == 2):
            return algebra.summed(inner)
        c, scalars, chain = algebra.parts(inner)
        if len(chain) == 1 and not scalars and not self.moves(inner):
            sums = value_of(chain[0], self.values).sum(axis=axis)
            if np.allclose(sums, 1, rtol=1e-14, atol=0):
                self.notes[f"each {'row' if axis in (1, -1) else 'column'} of {text(chain[0])} sums to 1"] = None
                return algebra.product(Ones(*_shape(term)), coefficient=c)
        if axis in (1, -1):
            return algebra.product(inner, Ones(inner.shape[1], 1))
        made = algebra.product(algebra.transposed(inner), Ones(inner.shape[0], 1))
        return algebra.transposed(made) if keepdims else made

    def read_reshape(self, term: Term) -> Expression | None:
        inner = term.args[0]
        if term.ndim == 2 and notation.is_column(notation.unspread(term)):
            return algebra.spread(self.read(inner), _shape(term), is_row=False)
        sizes = [n for n in term.shape if n != 1]
        if sizes != [n for n in inner.shape if n != 1] or len(sizes) > 1:
            return self.read(inner) if term.shape == inner.shape else None
        made = self.read(inner)
        return made if made.shape == _shape(term) else algebra.transposed(made)

    def read_mean(self, term: Term) -> Expression | None:
        if term.ndim or not term.args[0].ndim:
            return None
        return algebra.product(
            algebra.summed(self.read(term.args[0])), coefficient=Fraction(1, np.size(term.args[0].value))
        )

    def moves(self, e: Expression) -> bool:
        """Whether an expression depends on the variable, as far as names tell."""
        return any(isinstance(a, Atom) and (a.binds < ATOM or a.text in self.moving) for a in atoms(e))

    read_expand_dims = read_reshape
    read_squeeze = read_reshape

    def read_diag(self, term: Term) -> Expression | None:
        return Diagonal(self.read(term.args[0])) if term.args[0].ndim == 1 and not any(term.statics) else None

    def read_softmax(self, term: Term) -> Expression | None:
        inner = self.read(term.args[0])
        return Function(term.op.name, (inner,), *inner.shape) if term.op is not None else None

    read_log_softmax = read_softmax

    def read_logsumexp(self, term: Term) -> Expression | None:
        if term.ndim:
            return None
        return Function("logsumexp", (self.read(term.args[0]),), 1, 1)


_SLOPES: dict[str, Callable[..., Any]] = {
    "sech2": lambda f, a: 1 - f("tanh", a) ** 2,
    "tanh_slope": lambda f, a: 1 - f("tanh", a) ** 2,
    "sigmoid_slope": lambda f, a: f("sigmoid", a) * (1 - f("sigmoid", a)),
}


def _softmax_of(e: Expression) -> Expression | None:
    """x where `e` is x - logsumexp(x), else None."""
    if not (isinstance(e, algebra.Sum) and len(e.terms) == 2):
        return None
    for x, other in (e.terms, e.terms[::-1]):
        wanted = algebra.product(Function("logsumexp", (x,), 1, 1), Ones(*e.shape), coefficient=-ONE)
        if other == wanted:
            return x
    return None


def _constant(term: Term) -> Expression | None:
    """The ones or the identity that an expression without names comes to, else None."""
    if term.name or any(_constant(a) is None and a.number is None for a in term.args):
        return None
    if term.op is None or notation.is_one_hot(term):
        return None  # labels 0, 1, 2 of three rows are the identity by accident
    value = np.asarray(term.value, dtype=float)
    if value.ndim == 2 and value.shape[0] == value.shape[1] and np.array_equal(value, value[0, 0] * np.eye(len(value))):
        return algebra.product(Identity(len(value)), coefficient=algebra.exact(value[0, 0]))
    if value.size and value.ndim <= 2 and np.all(value == value.flat[0]):
        return algebra.product(Ones(*_sizes(value.shape)), coefficient=algebra.exact(value.flat[0]))
    return None


def _refuse() -> Any:
    raise Unwritten


def _sizes(shape: tuple[int, ...]) -> Shape:
    if len(shape) > 2:
        raise Unwritten
    return (shape[0] if shape else 1, shape[1] if len(shape) == 2 else 1)


def _shape(term: Term) -> Shape:
    return _sizes(term.shape)


def _fraction(number: Any) -> Any:
    return Fraction(int(number.p), int(number.q)) if number.is_Rational else float(number)
