"""Expressions of the algebra in the notation of terms: 2·Xᵀ @ (X @ w - y)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ndgrad.lang.algebra import (
    Atom,
    Diagonal,
    Expression,
    Function,
    Hadamard,
    Identity,
    Inverse,
    Ones,
    Product,
    Sum,
    Transposed,
    number,
    number_of,
    transposed,
)
from ndgrad.lang.notation import ATOM, shown_number, superscript
from ndgrad.ops import lookup

LONGEST_BELOW = 100_000  # what a fraction may have below the line; other numbers are written as decimal ones
SUM, PRODUCT, POWER = 50, 60, 80  # how tightly things bind, as in the registry


def text(e: Expression) -> str:
    """An expression in the notation of terms; a number may stand for every entry."""
    return _text(number_of(e) or e)[0]


def _within(e: Expression, strength: int) -> str:
    said, binds = _text(e)
    return said if binds >= strength else f"({said})"


def _text(e: Expression) -> tuple[str, int]:
    match e:
        case Atom(text=said, binds=binds):
            return said, binds
        case Ones(rows=rows, columns=columns):
            return "1ᵀ" if rows == 1 < columns else "1", ATOM
        case Identity():
            return "I", ATOM
        case Transposed(of=of):
            inside = _within(of, ATOM)
            return (f"({inside})ᵀ" if inside.startswith("∂") else f"{inside}ᵀ"), ATOM
        case Inverse(of=Transposed(of=of)):
            return _within(of, ATOM) + "⁻ᵀ", ATOM
        case Inverse(of=of):
            return _within(of, ATOM) + "⁻¹", ATOM
        case Diagonal(of=of):
            return f"diag({_text(of)[0]})", ATOM
        case Function(name=name, of=of):
            return _call(name, [text(x) for x in of])
        case Hadamard(factors=factors):
            return _quotient([], factors, ())
        case Product(coefficient=c, scalars=scalars, factors=factors):
            return _scaled(c, scalars, factors)
        case Sum(terms=terms):
            straight, binds = _sum(terms)
            turned = transposed(e)
            around = _sum(turned.terms)[0] if isinstance(turned, Sum) else straight
            if straight.count("ᵀ") > around.count("ᵀ") + 1:
                return f"({around})ᵀ", ATOM
            return straight, binds
    raise AssertionError(e)


def _sum(terms: tuple[Expression, ...]) -> tuple[str, int]:
    if not terms:
        return "0", ATOM
    if any(not _is_ones(t) for t in terms):  # these say the shape; a number is added to every entry
        terms = tuple(_without_ones(t) for t in terms)
    said = _within(terms[0], SUM)
    for term in terms[1:]:
        part = _within(term, SUM + 1)
        said += f" - {part[1:]}" if part.startswith("-") else f" + {part}"
    return said, SUM


def _is_ones(e: Expression) -> bool:
    return isinstance(e, Ones) or (isinstance(e, Product) and len(e.factors) == 1 and _is_ones(e.factors[0]))


def _without_ones(e: Expression) -> Expression:
    """The number that a multiple of ones adds to every entry."""
    if not _is_ones(e):
        return e
    return number(1) if not isinstance(e, Product) else Product(e.coefficient, e.scalars, ())


def _call(name: str, inside: list[str]) -> tuple[str, int]:
    op = lookup(name)
    assert op is not None
    if name == "norm":
        return f"‖{inside[0]}‖", ATOM
    written = op.written
    if "{" not in written or op.precedence < ATOM:
        return f"{name}({', '.join(inside)})", ATOM
    return written.format(**dict(zip(op.operands, inside, strict=False))), ATOM


def _scaled(c: Any, scalars: Any, factors: tuple[Expression, ...]) -> tuple[str, int]:
    """-2·lam·Xᵀ @ r/n: the sign, what multiplies, the matrices, what divides."""
    sign, c = ("-", -c) if c < 0 else ("", c)
    above: list[str] = []
    below: list[str] = []
    if isinstance(c, Fraction) and c.denominator <= LONGEST_BELOW:
        if c.numerator != 1:
            above.append(str(c.numerator))
        if c.denominator != 1:
            below.append(str(c.denominator))
    else:
        above.append(shown_number(float(c)))
    said, binds = _quotient(above, scalars, factors, below)
    return sign + said, min(binds, PRODUCT) if sign else binds


def _quotient(above: list[str], scalars: Any, factors: tuple[Expression, ...], below: Any = ()) -> tuple[str, int]:
    above, below = list(above), list(below)
    if len(factors) == 1 and isinstance(factors[0], Hadamard):  # 3·z/x, not 3·z·1/x
        scalars, factors = (*scalars, *factors[0].factors), ()
    alone = len(above) + len(scalars) + len(factors) + len(below) == 1
    for base, power in scalars:
        (above if power > 0 else below).append(_powered(base, abs(power), ATOM if power < 0 else PRODUCT + 1))
    if len(factors) > 1 or above or below:  # a matrix of ones is a column times a row
        factors = tuple(part for f in factors for part in _column_times_row(f))
    chain = " @ ".join(
        _within(f, PRODUCT + (i > 0 or (bool(above) and len(factors) > 1 and _is_quotient(f))))
        for i, f in enumerate(factors)
    )
    said = "·".join([*above, *([chain] if chain else [])]) or "1"
    if below and factors and isinstance(factors[-1], Ones):  # X @ 1/3 would be taken for a third
        before = ("·".join(above) or "1") + "/" + (below[0] if len(below) == 1 else f"({'·'.join(below)})")
        said = f"{before}·{chain}"
    elif below:
        said += "/" + (below[0] if len(below) == 1 else f"({'·'.join(below)})")
    if alone and not below:
        return (
            (said, _text(factors[0])[1]) if factors else (said, ATOM if above and not scalars else _strength(scalars))
        )
    return said, PRODUCT


def _is_quotient(e: Expression) -> bool:
    """Whether an expression is 1/x: behind a product, that would be taken for all of it by x."""
    return isinstance(e, Hadamard) and all(power < 0 for _, power in e.factors)


def _column_times_row(e: Expression) -> tuple[Expression, ...]:
    return (Ones(e.rows, 1), Ones(1, e.columns)) if isinstance(e, Ones) and min(e.shape) > 1 else (e,)


def _strength(scalars: Any) -> int:
    ((base, power),) = scalars
    return _text(base)[1] if power == 1 else POWER


def _powered(base: Expression, power: Fraction, strength: int) -> str:
    if power == 1:
        return _within(base, strength)
    if power == Fraction(1, 2):
        return f"√{_within(base, ATOM)}"
    shown = superscript(int(power)) if power.denominator == 1 else f"^({power})"
    inside = _within(base, ATOM)
    return (f"({inside})" if inside.endswith(("ᵀ", "¹")) else inside) + shown
