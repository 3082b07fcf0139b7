"""What expressions of the algebra are made of, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np

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
    number_of,
)
from ndgrad.namespace import PLAIN
from ndgrad.ops import lookup


def atoms(e: Expression) -> Iterator[Atom]:
    """The atoms that an expression is made of."""
    stack = [e]
    while stack:
        e = stack.pop()
        match e:
            case Atom():
                yield e
            case Transposed(of=of) | Inverse(of=of) | Diagonal(of=of):
                stack.append(of)
            case Function(of=several):
                stack += several
            case Hadamard(factors=powers):
                stack += [base for base, _ in powers]
            case Product(scalars=powers, factors=factors):
                stack += [*(base for base, _ in powers), *factors]
            case Sum(terms=terms):
                stack += terms


def has_ones(e: Expression) -> bool:
    """Whether a vector of ones is multiplied in the expression."""
    e = number_of(e) or e
    match e:
        case Product(scalars=scalars, factors=factors):
            several = len(factors) > 1 or (bool(factors) and (e.coefficient != 1 or bool(scalars)))
            if several and any(isinstance(f, Ones) for f in factors):
                return True
            return any(map(has_ones, factors)) or any(has_ones(base) for base, _ in scalars)
        case Sum(terms=terms):
            return any(has_ones(t) for t in terms if not (isinstance(t, Product) and len(t.factors) == 1))
        case Function(of=several_):
            return any(map(has_ones, several_))
        case Hadamard(factors=powers):
            return any(has_ones(base) for base, _ in powers)
        case Diagonal(of=of) | Transposed(of=of) | Inverse(of=of):
            return has_ones(of)
    return False


def evaluated(e: Expression, values: Mapping[Expression, Any], functions: Any) -> Any:
    """The value of an expression, given those of its atoms; functions(name, arrays) computes the rest."""

    def of(x: Expression) -> Any:
        return evaluated(x, values, functions)

    match e:
        case Atom():
            return values[e]
        case Ones(rows=rows, columns=columns):
            return np.ones((rows, columns))
        case Identity(rows=rows):
            return np.eye(rows)
        case Transposed(of=inner):
            return of(inner).T
        case Inverse(of=inner):
            return np.linalg.inv(of(inner))
        case Diagonal(of=inner):
            return np.diag(of(inner)[:, 0])
        case Function(name=name, of=inner):
            return functions(name, [of(x) for x in inner]).reshape(e.shape)
        case Hadamard(factors=factors):
            return reduce(np.multiply, [_power(of(x), p) for x, p in factors])
        case Product(coefficient=c, scalars=scalars, factors=factors):
            value: Any = np.full((1, 1), float(c))
            for x, p in scalars:
                value = value * _power(of(x), p)
            return value * reduce(np.matmul, [of(x) for x in factors]) if factors else value
        case Sum(terms=terms):
            return sum((of(x) for x in terms), np.zeros(e.shape))
    raise AssertionError(e)


def _power(x: Any, power: Fraction) -> Any:
    return x if power == 1 else np.power(x, float(power))


def value_of(e: Expression, values: dict[Expression, Any]) -> Any:
    """The value of an expression, as a matrix."""

    def compute(name: str, arrays: list[Any]) -> Any:
        op = lookup(name)
        assert op is not None
        one = arrays[0][:, 0] if arrays[0].shape[1] == 1 and name not in ("det", "trace") else arrays[0]
        if name == "norm":
            return np.asarray(np.linalg.norm(arrays[0]))
        defaults = [p.default for p in op.signature[op.arity :]]
        return np.asarray(op.value(PLAIN, one, *defaults))

    return evaluated(e, values, compute)
