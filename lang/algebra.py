"""A small algebra of matrices: sums, products, transposes, inverses, elementwise products, in one normal form.

Vectors are columns. Everything has two sizes; 1×1 is a number. The functions in lower case (`product`,
`total`, `transposed`, …) build expressions and keep them short: coefficients come first, numbers are pulled
out of products, common factors out of sums. The rules are those of any text on matrices, such as
K. B. Petersen and M. S. Pedersen, The Matrix Cookbook (2012), chapters 1 and 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np

from ndgrad.frozen import Frozen

Scalars = tuple[tuple["Expression", Fraction], ...]
Shape = tuple[int, int]
ONE = Fraction(1)
ROWWISE = frozenset({"softmax", "log_softmax"})  # functions of whole rows, though the shape stays
AS_A_WHOLE = ROWWISE | {"indicator"}  # transposed behind their brackets: [X > 0]ᵀ


class Expression(Frozen):
    """A matrix; `shape` is (rows, columns)."""

    @property
    def shape(self) -> Shape:
        raise AssertionError(self)


class Atom(Expression):
    """What is not looked into: a name, or an expression as text. binds: how tightly, as in `ndgrad.lang.notation`."""

    text: str
    binds: int
    rows: int
    columns: int

    @property
    def shape(self) -> Shape:
        return self.rows, self.columns


class Ones(Expression):
    """A matrix of ones."""

    rows: int
    columns: int

    @property
    def shape(self) -> Shape:
        return self.rows, self.columns


class Identity(Expression):
    """The identity matrix."""

    rows: int

    @property
    def shape(self) -> Shape:
        return self.rows, self.rows


class Transposed(Expression):
    """of, with rows and columns exchanged."""

    of: Expression

    @property
    def shape(self) -> Shape:
        return self.of.shape[1], self.of.shape[0]


class Inverse(Expression):
    """The inverse of a square matrix."""

    of: Expression

    @property
    def shape(self) -> Shape:
        return self.of.shape


class Diagonal(Expression):
    """The diagonal matrix with the entries of a column."""

    of: Expression

    @property
    def shape(self) -> Shape:
        return self.of.shape[0], self.of.shape[0]


class Function(Expression):
    """An operation by name: of every entry, or (where rows and columns say so) one with another shape."""

    name: str
    of: tuple[Expression, ...]
    rows: int
    columns: int

    @property
    def shape(self) -> Shape:
        return self.rows, self.columns


class Hadamard(Expression):
    """The elementwise product of powers."""

    factors: Scalars

    @property
    def shape(self) -> Shape:
        return self.factors[0][0].shape


class Product(Expression):
    """coefficient · (powers of numbers) · (a product of matrices, maybe of none)."""

    coefficient: Any
    scalars: Scalars
    factors: tuple[Expression, ...]

    @property
    def shape(self) -> Shape:
        return (self.factors[0].shape[0], self.factors[-1].shape[1]) if self.factors else (1, 1)


class Sum(Expression):
    """A sum; without terms it is zero."""

    terms: tuple[Expression, ...]
    rows: int
    columns: int

    @property
    def shape(self) -> Shape:
        return self.rows, self.columns


def exact(number: Any) -> Any:
    """A number as a fraction where it is one with a small denominator, else as it is."""
    if isinstance(number, Fraction):
        return number
    if not np.isfinite(number):
        return float(number)
    near = Fraction(float(number)).limit_denominator(100_000)
    return near if float(near) == float(number) else float(number)


def number(value: Any) -> Expression:
    """A plain number."""
    return Product(exact(value), (), ())


def zero(shape: Shape) -> Expression:
    return Sum((), *shape)


def is_zero(e: Expression) -> bool:
    return isinstance(e, Sum) and not e.terms


def number_of(e: Expression) -> Expression | None:
    """The number in every entry of a multiple of ones, where that is shorter: 1/n for the matrix of all 1/n."""
    if not (isinstance(e, Product) and len(e.factors) == 1 and isinstance(e.factors[0], Ones)):
        return None
    divided = not isinstance(e.coefficient, Fraction) or e.coefficient.denominator != 1
    if min(e.shape) == 1 and not divided and all(power > 0 for _, power in e.scalars):
        return None
    return _product(e.coefficient, dict(e.scalars), ())


def parts(e: Expression) -> tuple[Any, dict[Expression, Fraction], tuple[Expression, ...]]:
    """(coefficient, powers of numbers, matrices) whose product is `e`."""
    if isinstance(e, Product):
        scalars = dict(e.scalars)
        if e.factors and e.shape == (1, 1):
            return e.coefficient, _powers([*e.scalars, (Product(ONE, (), e.factors), ONE)]), ()
        return e.coefficient, scalars, e.factors
    if e.shape == (1, 1) and not isinstance(e, Ones):
        return ONE, {e: ONE}, ()
    return ONE, {}, () if e.shape == (1, 1) else (e,)


def _powers(pairs: Iterable[tuple[Expression, Fraction]]) -> dict[Expression, Fraction]:
    made: dict[Expression, Fraction] = {}
    for base, power in pairs:
        made[base] = made.get(base, Fraction(0)) + power
    return {base: power for base, power in made.items() if power}


def product(*operands: Expression, coefficient: Any = ONE) -> Expression:
    """The matrix product; numbers among the operands scale it."""
    scalars: list[tuple[Expression, Fraction]] = []
    chain: list[Expression] = []
    for e in operands:
        if is_zero(e):
            shapes = [o.shape for o in operands if o.shape != (1, 1)]
            return zero((shapes[0][0], shapes[-1][1]) if shapes else (1, 1))
        c, s, f = parts(e)
        coefficient = coefficient * c
        scalars += s.items()
        for factor in f:
            if chain and isinstance(chain[-1], Ones) and isinstance(factor, Ones) and factor.rows > 1:
                coefficient = coefficient * factor.rows  # 1ᵀ @ 1 is how many they are
                factor = Ones(chain.pop().shape[0], factor.columns)
                if factor.shape == (1, 1):
                    continue
            _append(chain, factor)
    if coefficient == 0:
        return zero((chain[0].shape[0], chain[-1].shape[1]) if chain else (1, 1))
    shape = next(((f.shape[0], chain[-1].shape[1]) for f in chain), (1, 1))
    if shape == (1, 1) and chain:
        scalars.append((_single(tuple(chain)), ONE))
        chain = []
    else:
        chain, inner = _without_numbers(chain)
        scalars += inner
    return _product(coefficient, _powers(scalars), tuple(chain))


def _product(coefficient: Any, scalars: Mapping[Expression, Fraction], chain: tuple[Expression, ...]) -> Expression:
    """Put together what is known to be short; a sum in brackets gives its common coefficient away."""
    if coefficient < 0:
        for i, factor in enumerate(chain):
            if isinstance(factor, Sum) and any(parts(term)[0] < 0 for term in factor.terms):
                chain = (*chain[:i], _negated(factor), *chain[i + 1 :])
                coefficient = -coefficient
                break
    ordered = tuple(sorted(scalars.items(), key=lambda pair: (-pair[1], repr(pair[0]))))
    if coefficient == 1 and not ordered and len(chain) == 1:
        return chain[0]
    if coefficient == 1 and len(ordered) == 1 and ordered[0][1] == 1 and not chain:
        return ordered[0][0]
    return Product(coefficient, ordered, chain)


def _negated(e: Sum) -> Sum:
    """The sum with all signs turned; what is subtracted stays last."""
    turned = [product(term, coefficient=-ONE) for term in e.terms]
    return Sum(tuple(sorted(turned, key=lambda t: parts(t)[0] < 0)), e.rows, e.columns)


def _append(chain: list[Expression], factor: Expression) -> None:
    """Multiply a chain by one more matrix."""
    if isinstance(factor, Identity):
        if not chain:
            chain.append(factor)
        return
    if chain and isinstance(chain[-1], Identity):
        chain.pop()
    last = chain[-1] if chain else None
    if last is not None and (last == inverse(factor) if isinstance(last, Inverse) else factor == Inverse(last)):
        chain.pop()
        if not chain:
            chain.append(Identity(factor.shape[0]))
        return
    if isinstance(factor, Product):  # a 1×1 product that stands for itself
        chain.extend(factor.factors)
        return
    chain.append(factor)


def _without_numbers(chain: list[Expression]) -> tuple[list[Expression], list[tuple[Expression, Fraction]]]:
    """A chain without the rows times columns in it, which are numbers."""
    numbers: list[tuple[Expression, Fraction]] = []
    start = 0
    if len(chain) > 1 and 1 in (chain[0].shape[0], chain[-1].shape[1]):  # ones, that may be columns times rows
        chain = [
            part
            for f in chain
            for part in ((Ones(f.rows, 1), Ones(1, f.columns)) if isinstance(f, Ones) and min(f.shape) > 1 else (f,))
        ]
    while start < len(chain):
        if chain[start].shape[0] == 1 and chain[start].shape[1] != 1:
            for end in range(start + 1, len(chain)):
                if chain[end].shape[1] == 1 and (start > 0 or end + 1 < len(chain)):
                    numbers.append((_single(tuple(chain[start : end + 1])), ONE))
                    chain = [*chain[:start], *chain[end + 1 :]]
                    start -= 1
                    break
        start += 1
    return chain, numbers


def _single(chain: tuple[Expression, ...]) -> Expression:
    """A product of matrices that is a number, read in the shorter direction: xᵀ·y and yᵀ·x are one."""
    if len(chain) == 2 and any(isinstance(e, Ones) for e in chain):
        return summed(transposed(chain[0]) if isinstance(chain[1], Ones) else chain[1])
    if len(chain) > 2 and isinstance(chain[0], Ones) and isinstance(chain[-1], Ones):
        return summed(chain[1] if len(chain) == 3 else Product(ONE, (), chain[1:-1]))
    forward = chain[0] if len(chain) == 1 else Product(ONE, (), chain)
    turned = transposed_chain(chain)
    backward = turned[0] if len(turned) == 1 else Product(ONE, (), turned)
    return min(forward, backward, key=lambda e: (repr(e).count("Transposed"), repr(e)))


def transposed_chain(chain: Sequence[Expression]) -> tuple[Expression, ...]:
    return tuple(transposed(f) for f in reversed(chain))


def transposed(e: Expression) -> Expression:
    """The transpose, moved inwards as far as it goes."""
    if e.shape == (1, 1) or isinstance(e, (Identity, Diagonal)):
        return e
    match e:
        case Transposed(of=of):
            return of
        case Inverse(of=of):
            return Inverse(transposed(of))
        case Ones(rows=rows, columns=columns):
            return Ones(columns, rows)
        case Product(coefficient=c, scalars=s, factors=f):
            return Product(c, s, transposed_chain(f))
        case Sum(terms=terms):
            return Sum(tuple(map(transposed, terms)), e.columns, e.rows)
        case Hadamard(factors=factors):
            return Hadamard(tuple((transposed(f), p) for f, p in factors))
        case Function(name=name, of=of) if name not in AS_A_WHOLE and all(o.shape in (e.shape, (1, 1)) for o in of):
            return Function(name, tuple(map(transposed, of)), e.columns, e.rows)
    return Transposed(e)


def inverse(e: Expression) -> Expression:
    """The inverse."""
    match e:
        case Inverse(of=of):
            return of
        case Identity():
            return e
        case Product(coefficient=c, scalars=s, factors=f) if f and all(x.shape == e.shape for x in f):
            turned = tuple(inverse(x) for x in reversed(f))
            return _product(1 / c, {base: -power for base, power in s}, turned)
    return Inverse(e)


def total(terms: Iterable[Expression], shape: Shape) -> Expression:
    """The sum: equal terms counted, common factors in front of brackets or behind them."""
    gathered: dict[tuple[Any, ...], Any] = {}
    for term in terms:
        for c, scalars, chain in _flat(term):
            key = (tuple(sorted(scalars.items(), key=repr)), chain)
            gathered[key] = gathered.get(key, 0) + c
    left = [(c, dict(scalars), chain) for (scalars, chain), c in gathered.items() if c != 0]
    for axis in (0, 1):  # ones are rows of ones, or columns, where the others are
        if len(left) > 1 and all(_is_spread(chain, axis, shape) for _, _, chain in left):
            left = [(c, s, _split(chain, axis)) for c, s, chain in left]
    for pick in (-1, 0):
        left = _grouped(left, pick)
    if not left:
        return zero(shape)
    if len(left) == 1:
        return _product(*left[0])
    sizes = {abs(c) for c, _, _ in left}
    common = sizes.pop() if len(sizes) == 1 else ONE
    shared = reduce(lambda a, b: {k: v for k, v in a.items() if b.get(k) == v}, (s for _, s, _ in left))
    if all(c < 0 for c, _, _ in left):
        common = -common
    rest = [_product(c / common, {k: v for k, v in s.items() if k not in shared}, chain) for c, s, chain in left]
    rest.sort(key=lambda e: (parts(e)[0] < 0, isinstance(e, Transposed)))  # what is subtracted comes last
    made = Sum(tuple(rest), *shape)
    if common == 1 and not shared:
        return made
    return _product(common, {**shared, made: ONE}, ()) if shape == (1, 1) else _product(common, shared, (made,))


def _is_spread(chain: tuple[Expression, ...], axis: int, shape: Shape) -> bool:
    """Whether a product is the same in every row (axis 0) or column (axis 1) by form; a matrix of ones is."""
    if len(chain) == 1 and isinstance(chain[0], Ones):
        return min(shape) > 1
    return len(chain) > 1 and _spread(Product(ONE, (), chain), axis)


def _split(chain: tuple[Expression, ...], axis: int) -> tuple[Expression, ...]:
    if len(chain) == 1 and isinstance(chain[0], Ones):
        return Ones(chain[0].rows, 1), Ones(1, chain[0].columns)
    return chain


Term = tuple[Any, dict[Expression, Fraction], tuple[Expression, ...]]


def _flat(e: Expression) -> list[Term]:
    """The terms of a sum, also of one in brackets that only a coefficient multiplies."""
    if isinstance(e, Sum):
        return [t for term in e.terms for t in _flat(term)]
    c, scalars, chain = parts(e)
    if not scalars and len(chain) == 1 and isinstance(chain[0], Sum):
        return [(c * d, s, f) for d, s, f in _flat(chain[0])]
    if not chain and len(scalars) == 1:
        ((base, power),) = scalars.items()
        if power == 1 and isinstance(base, Sum):
            return [(c * d, s, f) for d, s, f in _flat(base)]
    return [(c, scalars, chain)]


def _grouped(terms: list[Term], pick: int) -> list[Term]:
    """Terms whose products begin (pick 0) or end (pick -1) with the same matrix, as one product with a sum in it."""
    groups: dict[Expression, list[Term]] = {}
    for term in terms:
        if len(term[2]) > 1:
            groups.setdefault(term[2][pick], []).append(term)
    made = list(terms)
    for factor, members in groups.items():
        if len(members) < 2:
            continue
        rests = [_product(c, s, chain[1:] if pick == 0 else chain[:-1]) for c, s, chain in members]
        inner = total(rests, rests[0].shape)
        whole = product(factor, inner) if pick == 0 else product(inner, factor)
        first = next(i for i, t in enumerate(made) if t is members[0])
        made = [t for t in made if not any(t is m for m in members)]
        made.insert(first, parts(whole))
    return made


def hadamard(operands: Iterable[tuple[Expression, Fraction]], shape: Shape) -> Expression:
    """The elementwise product of powers. Rows and columns of ones times a vector become matrix products."""
    coefficient: Any = ONE
    scalars: list[tuple[Expression, Fraction]] = []
    factors: list[tuple[Expression, Fraction]] = []
    for e, power in operands:
        if is_zero(e):
            return zero(shape)
        c, s, chain = parts(e)
        if c != 1:
            coefficient = coefficient * (c**power if power.denominator == 1 else exact(float(c) ** float(power)))
        scalars += [(base, p * power) for base, p in s.items()]
        if chain and not (len(chain) == 1 and isinstance(chain[0], Ones)):
            inner = chain[0] if len(chain) == 1 else Product(ONE, (), chain)
            factors += [(f, p * power) for f, p in inner.factors] if isinstance(inner, Hadamard) else [(inner, power)]
    powers = _powers(factors)
    rows = [(b, p) for b, p in powers.items() if _spread(b, 0)]
    columns = [(b, p) for b, p in powers.items() if _spread(b, 1) and not _spread(b, 0)]
    full = [(b, p) for b, p in powers.items() if not _spread(b, 0) and not _spread(b, 1)]
    chain_: list[Expression] = []
    if columns:
        column = _elementwise([(_core(b, 1), p) for b, p in columns])
        chain_.append(Diagonal(column) if full else column)
    if full:
        chain_.append(_elementwise(full))
    if rows:
        row = _elementwise([(transposed(_core(b, 0)), p) for b, p in rows])
        chain_.append(Diagonal(row) if full else transposed(row))
    if not full and rows and not columns:
        chain_.insert(0, Ones(shape[0], 1))
    if not full and columns and not rows:
        chain_.append(Ones(1, shape[1]))
    if not chain_ and shape != (1, 1):
        chain_.append(Ones(*shape))
    return product(_product(ONE, _powers(scalars), ()), *chain_, coefficient=coefficient)


def _spread(e: Expression, axis: int) -> bool:
    """Whether all rows (axis 0) or all columns (axis 1) are the same by form: 1·vᵀ, v·1ᵀ."""
    if not isinstance(e, Product) or len(e.factors) < 2:
        return False
    end = e.factors[0] if axis == 0 else e.factors[-1]
    return isinstance(end, Ones) and end.shape[1 - axis] == 1


def _core(e: Expression, axis: int) -> Expression:
    assert isinstance(e, Product)
    rest = e.factors[1:] if axis == 0 else e.factors[:-1]
    return rest[0] if len(rest) == 1 else Product(ONE, (), rest)


def _elementwise(factors: list[tuple[Expression, Fraction]]) -> Expression:
    if len(factors) == 1 and factors[0][1] == 1:
        return factors[0][0]
    return Hadamard(tuple(sorted(factors, key=lambda pair: (-pair[1], repr(pair[0])))))


def spread(e: Expression, shape: Shape, is_row: bool) -> Expression:
    """A number, column or row as broadcast to `shape`. is_row: whether a column stands for a row."""
    if e.shape == shape and not (is_row and shape[0] != shape[1] and e.shape != shape):
        return e
    if isinstance(e, Ones):
        return Ones(*shape)
    if e.shape == (1, 1):
        return product(e, Ones(*shape))
    if is_row:
        return product(Ones(shape[0], 1), transposed(e) if e.shape[1] == 1 else e)
    return product(e, Ones(1, shape[1]))


def summed(e: Expression) -> Expression:
    """The sum of all entries."""
    if is_zero(e):
        return zero((1, 1))
    c, s, chain = parts(e)
    if not chain:
        return e
    if len(chain) == 1 and isinstance(chain[0], Transposed):
        chain = (chain[0].of,)
    if len(chain) == 1 and isinstance(chain[0], Hadamard) and chain[0].shape[1] == 1:
        factors = chain[0].factors
        if len(factors) == 2 and all(power == 1 for _, power in factors):
            return product(_product(c, s, ()), transposed(factors[0][0]), factors[1][0])
    if len(chain) == 1 and isinstance(chain[0], Sum):
        each = total(map(summed, chain[0].terms), (1, 1))
        if len(_flat(each)) < len(chain[0].terms):
            return product(_product(c, s, ()), each)
    if len(chain) == 1 and isinstance(chain[0], Ones):
        inner: Expression = number(chain[0].rows * chain[0].columns)
    elif isinstance(chain[0], Ones):
        inner = product(summed(product(*chain[1:])), coefficient=Fraction(chain[0].rows))
    elif isinstance(chain[-1], Ones):
        inner = product(summed(product(*chain[:-1])), coefficient=Fraction(chain[-1].columns))
    else:
        inner = Function("sum", (chain[0] if len(chain) == 1 else Product(ONE, (), chain),), 1, 1)
    return product(_product(c, s, ()), inner)
