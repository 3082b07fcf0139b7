"""Products of vectors and matrices. NumPy's rules for 1-d operands and stacks of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.namespace import unbroadcast
from ndgrad.primitive import composite, primitive

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
        if len(a_shape) > 1:
            g = F.reshape(g, (*g.shape, 1))
        made = g * b
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
        if len(a_shape) == 2:
            return F.matmul(F.transpose(a, (1, 0)), g)
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


def _through_matrices(node: Any, g: Any, bars: dict[int, list[Any]], oldest: int, sweep: Any) -> None:
    """The reverse step of a product of two matrices, as `reverse.reverse_step` makes them for other operations."""
    _, a, b = node.saved
    p, q = node.parents
    left, right = p is not None and p.id >= oldest, q is not None and q.id >= oldest
    if g.__class__ is not np.ndarray or len(node.shapes[0]) != 2 or len(node.shapes[1]) != 2:
        sweep.step(node.op, node, g, False)
        return
    if (left and b.__class__ is not np.ndarray) or (right and a.__class__ is not np.ndarray):
        sweep.step(node.op, node, g, False)
        return
    if left:
        _give(bars, sweep, p, g @ b.T)
    if right:
        _give(bars, sweep, q, a.T @ g)


def _give(bars: dict[int, list[Any]], sweep: Any, parent: Any, share: Any) -> None:
    """Add a share, an array of the sweep's own, to a parent's cotangent."""
    if parent.id not in bars and share.dtype is parent.form.dtype:
        bars[parent.id] = [parent, share, True]
    else:
        sweep.add(parent, share)


matmul.back = _through_matrices
matmul.shares = {  # what the rules come to where there are no stacks
    (2, 2): ("g @ {}.T", "{}.T @ g"),
    (2, 1): ("g.reshape(-1, 1) * {}", "{}.T @ g"),
    (1, 2): ("{} @ g", "{}.reshape(-1, 1) * g"),
    (1, 1): ("g * {}", "{} * g"),
}


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
        return g * b if len(a_shape) == 1 else F.reshape(g, (*a_shape[:-1], 1)) * b
    rows = int(np.prod(a_shape[:-1], dtype=np.int64))
    columns = int(np.prod(b_shape, dtype=np.int64)) // max(b_shape[-2], 1) if b_shape[-2] else 0
    order = (len(b_shape) - 2, *range(len(b_shape) - 2), len(b_shape) - 1)
    flat = F.reshape(F.transpose(b, order), (b_shape[-2], columns))
    return F.reshape(F.matmul(F.reshape(g, (rows, columns)), F.transpose(flat)), a_shape)


def _dot_right(F: Any, g: Any, a: Any, a_shape: Shape, b_shape: Shape) -> Any:
    if not a_shape or not b_shape:
        return unbroadcast(g * a, b_shape, F)
    if len(a_shape) == 1 and len(b_shape) == 1:
        return g * a
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


# Products made of others


def _outer(F: Any, a: Any, b: Any) -> Any:
    return F.reshape(a, (-1, 1)) * F.reshape(b, (1, -1))


outer = composite(
    "outer", value=lambda F, a, b: _outer(F, a, b), operands=2, example="outer([1, 2], [3, 4]) -> [[3, 4], [6, 8]]"
)


def _tensordot(F: Any, a: Any, b: Any, axes: Any) -> Any:
    if isinstance(axes, (int, np.integer)):
        if axes > min(len(a.shape), len(b.shape)):
            raise problems.does_not_fit("tensordot", f"axes={axes} is more than the arrays have", (a.shape, b.shape))
        left = list(range(len(a.shape) - int(axes), len(a.shape)))
        right = list(range(int(axes)))
    else:
        left, right = ([int(i) for i in np.ravel(one)] for one in axes)
    left = [i % len(a.shape) for i in left]
    right = [i % len(b.shape) for i in right]
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise problems.does_not_fit("tensordot", "the summed axes have different sizes", (a.shape, b.shape))
    rows = [i for i in range(len(a.shape)) if i not in left]
    columns = [i for i in range(len(b.shape)) if i not in right]
    inner = int(np.prod([a.shape[i] for i in left], dtype=np.int64))
    m = int(np.prod([a.shape[i] for i in rows], dtype=np.int64))
    n = int(np.prod([b.shape[i] for i in columns], dtype=np.int64))
    flat_a = F.reshape(F.transpose(a, (*rows, *left)), (m, inner))
    flat_b = F.reshape(F.transpose(b, (*right, *columns)), (inner, n))
    shape = (*(a.shape[i] for i in rows), *(b.shape[i] for i in columns))
    return F.reshape(F.matmul(flat_a, flat_b), shape)


tensordot = composite(
    "tensordot",
    value=lambda F, a, b, axes=2: _tensordot(F, a, b, axes),
    operands=2,
    example="tensordot([[1, 2], [3, 4]], [[1, 0], [0, 1]]) -> 5",
)
inner = composite(
    "inner",
    value=lambda F, a, b: a * b if not a.shape or not b.shape else _tensordot(F, a, b, ((-1,), (-1,))),
    operands=2,
    example="inner([1, 2], [3, 4]) -> 11",
)


def _kron(F: Any, a: Any, b: Any) -> Any:
    n = max(len(a.shape), len(b.shape))
    s = (1,) * (n - len(a.shape)) + a.shape
    t = (1,) * (n - len(b.shape)) + b.shape
    left = F.reshape(a, tuple(k for m in s for k in (m, 1)))
    right = F.reshape(b, tuple(k for m in t for k in (1, m)))
    return F.reshape(left * right, tuple(i * j for i, j in zip(s, t, strict=True)))


kron = composite(
    "kron", value=lambda F, a, b: _kron(F, a, b), operands=2, example="kron([1, 10], [1, 2]) -> [1, 2, 10, 20]"
)


def _cross(F: Any, a: Any, b: Any, axis: int) -> Any:
    a, b = F.moveaxis(a, axis, -1), F.moveaxis(b, axis, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise problems.does_not_fit("cross", "vectors of three entries are needed", (a.shape, b.shape))
    x, y, z = (a[..., i] for i in range(3))
    u, v, w = (b[..., i] for i in range(3))
    return F.moveaxis(F.stack([y * w - z * v, z * u - x * w, x * v - y * u], -1), -1, axis)


cross = composite(
    "cross",
    value=lambda F, a, b, axis=-1: _cross(F, a, b, axis),
    operands=2,
    example="cross([1, 0, 0], [0, 1, 0]) -> [0, 0, 1]",
)


# Diagonals


def _diagonal(F: Any, x: Any, offset: int, axis1: int, axis2: int) -> Any:
    if len(x.shape) < 2:
        raise problems.does_not_fit("diagonal", "a matrix is needed", (x.shape,))
    moved = F.moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = moved.shape[-2:]
    n = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
    k = np.arange(n)
    return F.index(moved, (..., k + max(-offset, 0), k + max(offset, 0)))


diagonal = composite(
    "diagonal",
    value=lambda F, x, offset=0, axis1=0, axis2=1: _diagonal(F, x, offset, axis1, axis2),
    example="diagonal([[1, 2], [3, 4]]) -> [1, 4]",
)
trace = composite(
    "trace",
    value=lambda F, x, offset=0, axis1=0, axis2=1: F.sum(_diagonal(F, x, offset, axis1, axis2), axis=-1),
    written="tr({x})",
    example="trace([[1, 2], [3, 4]]) -> 5",
)


def _spread_diagonal(F: Any, x: Any, k: int) -> Any:
    n = x.shape[0] + abs(k)
    i = np.arange(x.shape[0])
    return F.written(F.zeros((n, n), x.dtype), x, (i + max(-k, 0), i + max(k, 0)))


def _diag(F: Any, x: Any, k: int) -> Any:
    if len(x.shape) == 1:
        return _spread_diagonal(F, x, k)
    if len(x.shape) == 2:
        return _diagonal(F, x, k, 0, 1)
    raise problems.does_not_fit("diag", "a vector or a matrix is needed", (x.shape,))


diag = composite("diag", value=lambda F, x, k=0: _diag(F, x, k), example="diag([1, 2]) -> [[1, 0], [0, 2]]")
diagflat = composite(
    "diagflat",
    value=lambda F, x, k=0: _spread_diagonal(F, F.reshape(x, (-1,)), k),
    example="diagflat([1, 2]) -> [[1, 0], [0, 2]]",
)
