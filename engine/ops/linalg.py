"""Products of vectors and matrices. NumPy's rules for 1-d operands and stacks of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.namespace import unbroadcast
from ndgrad.primitive import primitive

Shape = tuple[int, ...]


def product_shape(a: Shape, b: Shape) -> Shape:
    """The shape of a @ b. E301 if the operands do not multiply."""
    if not a or not b or a[-1] != (b[-2] if len(b) > 1 else b[0]):
        raise problems.shapes_do_not_multiply("@", a, b)
    try:
        stack = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        raise problems.shapes_do_not_multiply("@", a, b) from None
    return (*stack, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))


def _matrix_transpose(F: Any, x: Any, ndim: int) -> Any:
    return F.transpose(x, (*range(ndim - 2), ndim - 1, ndim - 2))


def _matmul_left(F: Any, g: Any, b: Any, a_shape: Shape, b_shape: Shape) -> Any:
    """g bᵀ, with the axes that 1-d operands lack put in and taken out again."""
    if len(b_shape) == 1:
        g = F.reshape(g, (*g.shape, 1))
        made = g * b if len(a_shape) > 1 else F.reshape(g, ()) * b
        return unbroadcast(made, a_shape, F)
    if len(a_shape) == 1:
        g = F.reshape(g, (*g.shape[:-1], 1, g.shape[-1]))
        made = F.matmul(g, _matrix_transpose(F, b, len(b_shape)))
        return unbroadcast(F.reshape(made, (*made.shape[:-2], made.shape[-1])), a_shape, F)
    return unbroadcast(F.matmul(g, _matrix_transpose(F, b, len(b_shape))), a_shape, F)


def _matmul_right(F: Any, g: Any, a: Any, a_shape: Shape, b_shape: Shape) -> Any:
    """aᵀ g, likewise."""
    if len(a_shape) == 1:
        if len(b_shape) == 1:
            return g * a
        g = F.reshape(g, (*g.shape[:-1], 1, g.shape[-1]))
        return unbroadcast(F.reshape(a, (a_shape[0], 1)) * g, b_shape, F)
    if len(b_shape) == 1:
        g = F.reshape(g, (*g.shape, 1))
        made = F.matmul(_matrix_transpose(F, a, len(a_shape)), g)
        return unbroadcast(F.reshape(made, made.shape[:-1]), b_shape, F)
    return unbroadcast(F.matmul(_matrix_transpose(F, a, len(a_shape)), g), b_shape, F)


matmul = primitive(
    "matmul",
    value=lambda F, a, b: F.matmul(a, b),
    vjps=[_matmul_left, _matmul_right],
    linear="each",
    shape=product_shape,
    written="{a} @ {b}",
    precedence=60,
    example="matmul([[1, 2], [3, 4]], [1, 1]) -> [3, 7]",
)


def dot_shape(a: Shape, b: Shape) -> Shape:
    """The shape of dot(a, b): NumPy's rule. E301 if the inner sizes differ."""
    if not a or not b:
        return a or b
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] != inner:
        raise problems.shapes_do_not_multiply("dot", a, b)
    return (*a[:-1], *b[:-2], *b[-1:]) if len(b) > 1 else a[:-1]


def _dot_left(F: Any, g: Any, b: Any, a_shape: Shape, b_shape: Shape) -> Any:
    if not a_shape or not b_shape:
        return unbroadcast(g * b, a_shape, F)
    if len(b_shape) == 1:
        return F.reshape(g, (*a_shape[:-1], 1)) * b
    rows = int(np.prod(a_shape[:-1], dtype=np.int64))
    columns = int(np.prod(b_shape, dtype=np.int64)) // max(b_shape[-2], 1) if b_shape[-2] else 0
    order = (len(b_shape) - 2, *range(len(b_shape) - 2), len(b_shape) - 1)
    flat = F.reshape(F.transpose(b, order), (b_shape[-2], columns))
    return F.reshape(F.matmul(F.reshape(g, (rows, columns)), F.transpose(flat)), a_shape)


def _dot_right(F: Any, g: Any, a: Any, a_shape: Shape, b_shape: Shape) -> Any:
    if not a_shape or not b_shape:
        return unbroadcast(g * a, b_shape, F)
    rows = int(np.prod(a_shape[:-1], dtype=np.int64))
    flat = F.transpose(F.reshape(a, (rows, a_shape[-1])))
    if len(b_shape) == 1:
        return F.matmul(flat, F.reshape(g, (rows,)))
    columns = int(np.prod(b_shape, dtype=np.int64)) // b_shape[-2] if b_shape[-2] else 0
    made = F.matmul(flat, F.reshape(g, (rows, columns)))
    made = F.reshape(made, (b_shape[-2], *b_shape[:-2], b_shape[-1]))
    order = (*range(1, len(b_shape) - 1), 0, len(b_shape) - 1)
    return F.transpose(made, order)


dot = primitive(
    "dot",
    value=lambda F, a, b: F.dot(a, b),
    vjps=[_dot_left, _dot_right],
    linear="each",
    shape=dot_shape,
    written="⟨{a}, {b}⟩",
    example="dot([1, 2], [3, 4]) -> 11",
)
