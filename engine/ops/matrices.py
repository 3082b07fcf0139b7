"""Inverses, decompositions and functions of matrices, over stacks of matrices as in NumPy.

Rules: M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008); pinv: Golub and Pereyra (1973); Cholesky: I. Murray, arXiv:1602.07527;
expm: the block-triangular identity of Najfeld and Havel (1995).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.dtypes import floating, floating_pair
from ndgrad.namespace import as_array, concrete, plain, unbroadcast
from ndgrad.primitive import composite, primitive

Shape = tuple[int, ...]


def mT(F: Any, x: Any) -> Any:
    """The transpose of each matrix."""
    n = len(x.shape)
    return F.transpose(x, (*range(n - 2), n - 1, n - 2))


def square(op: str) -> Any:
    """The shape rule of an operation on square matrices that keeps the shape."""

    def rule(x: Shape, *statics: Any) -> Shape:
        if len(x) < 2 or x[-1] != x[-2]:
            raise problems.does_not_fit(op, "a square matrix is needed", (x,))
        return x

    return rule


def _matrix(op: str, x: Shape) -> Shape:
    if len(x) < 2:
        raise problems.does_not_fit(op, "a matrix is needed", (x,))
    return x


def _determinant_shape(op: str) -> Any:
    return lambda x, *statics: square(op)(x)[:-2]


inv = primitive(
    "inv",
    value=lambda F, x: F.linalg.inv(x),
    vjps=[lambda F, g, y: -F.matmul(F.matmul(mT(F, y), g), mT(F, y))],
    jvps=[lambda F, y, x_dot: -F.matmul(F.matmul(y, x_dot), y)],
    shape=square("inv"),
    dtype=floating,
    written="{x}⁻¹",
    example="inv([[2, 0], [0, 4]]) -> [[0.5, 0], [0, 0.25]]",
)


def _pinv_vjp(F: Any, g: Any, y: Any, x: Any) -> Any:
    p, a = y, x
    pt, gt = mT(F, p), mT(F, g)
    left = np.eye(a.shape[-2]) - F.matmul(a, p)
    right = np.eye(a.shape[-1]) - F.matmul(p, a)
    made = -F.matmul(F.matmul(pt, g), pt)
    made = made + F.matmul(F.matmul(left, gt), F.matmul(p, pt))
    return made + F.matmul(F.matmul(pt, p), F.matmul(gt, right))


def _pinv_jvp(F: Any, y: Any, x: Any, x_dot: Any) -> Any:
    p, a = y, x
    pt, dt = mT(F, p), mT(F, x_dot)
    left = np.eye(a.shape[-2]) - F.matmul(a, p)
    right = np.eye(a.shape[-1]) - F.matmul(p, a)
    made = -F.matmul(F.matmul(p, x_dot), p)
    made = made + F.matmul(F.matmul(F.matmul(p, pt), dt), left)
    return made + F.matmul(F.matmul(right, dt), F.matmul(pt, p))


pinv = primitive(
    "pinv",
    value=lambda F, x: F.linalg.pinv(x),
    vjps=[_pinv_vjp],
    jvps=[_pinv_jvp],
    shape=lambda x: _matrix("pinv", x)[:-2] + x[:-3:-1],
    dtype=floating,
    written="{x}⁺",
    example="pinv([[2, 0], [0, 4]]) -> [[0.5, 0], [0, 0.25]]",
)


def _solved_shape(a: Shape, b: Shape) -> Shape:
    square("solve")(a)
    if len(b) == 1:
        if b[0] != a[-1]:
            raise problems.shapes_do_not_multiply("solve", a, b)
        return (*a[:-2], b[0])
    if not b or b[-2] != a[-1]:
        raise problems.shapes_do_not_multiply("solve", a, b)
    return (*np.broadcast_shapes(a[:-2], b[:-2]), *b[-2:])


def _as_columns(F: Any, x: Any, vector: bool) -> Any:
    return F.reshape(x, (*x.shape, 1)) if vector else x


def _solve_right(F: Any, g: Any, a: Any, b_shape: Shape) -> Any:
    vector = len(b_shape) == 1
    made = F.solve(mT(F, a), _as_columns(F, g, vector))
    return F.reshape(made, made.shape[:-1]) if vector else made


def _solve_left(F: Any, g: Any, y: Any, a: Any, b_shape: Shape) -> Any:
    vector = len(b_shape) == 1
    made = F.solve(mT(F, a), _as_columns(F, g, vector))
    return -F.matmul(made, mT(F, _as_columns(F, y, vector)))


def _solve_left_jvp(F: Any, y: Any, a: Any, b_shape: Shape, a_dot: Any) -> Any:
    vector = len(b_shape) == 1
    made = -F.solve(a, F.matmul(a_dot, _as_columns(F, y, vector)))
    return F.reshape(made, made.shape[:-1]) if vector else made


solve = primitive(
    "solve",
    value=lambda F, a, b: F.linalg.solve(a, b),
    vjps=[
        lambda F, g, y, a, a_shape, b_shape: unbroadcast(_solve_left(F, g, y, a, b_shape), a_shape, F),
        lambda F, g, a, b_shape: unbroadcast(_solve_right(F, g, a, b_shape), b_shape, F),
    ],
    jvps=[_solve_left_jvp, lambda F, a, b_dot: F.solve(a, b_dot)],
    shape=_solved_shape,
    dtype=floating_pair,
    written="{a}⁻¹ @ {b}",
    precedence=60,
    example="solve([[2, 0], [0, 4]], [2, 8]) -> [1, 2]",
)


def _least_squares(F: Any, a: Any, b: Any) -> Any:
    if len(a.shape) != 2 or not b.shape or a.shape[0] != b.shape[0]:
        raise problems.shapes_do_not_multiply("lstsq", a.shape[::-1], b.shape)
    return F.matmul(F.pinv(a), b)


lstsq = composite(
    "lstsq",
    value=lambda F, a, b: _least_squares(F, a, b),
    operands=2,
    example="lstsq([[1, 0], [0, 1], [0, 0]], [1, 2, 3]) -> [1, 2]",
)


# Determinants


def _minors(n: int) -> tuple[Any, Any, Any]:
    """Rows and columns that pick every minor, and their signs."""
    others = np.array([[j for j in range(n) if j != i] for i in range(n)], dtype=np.int64).reshape(n, n - 1)
    rows = np.broadcast_to(others[:, None, :, None], (n, n, n - 1, n - 1))
    columns = np.broadcast_to(others[None, :, None, :], (n, n, n - 1, n - 1))
    signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(n))
    return rows, columns, signs


def _cofactors(F: Any, y: Any, x: Any) -> Any:
    """∂det/∂x: y·x⁻ᵀ; by minors where a matrix is (nearly) singular, so that it is finite and right there, too."""
    n = x.shape[-1]
    if n == 0:
        return x
    matrices = as_array(concrete(x))
    finite = bool(np.isfinite(matrices).all())
    regular = finite and bool(np.all(np.linalg.cond(matrices) < 1e12)) if matrices.size else True
    if regular or not finite:
        return F.reshape(y, (*y.shape, 1, 1)) * mT(F, F.inv(x))
    if n == 1:
        return x * 0.0 + 1.0
    rows, columns, signs = _minors(n)
    return F.det(F.index(x, (..., rows, columns))) * signs


det = primitive(
    "det",
    value=lambda F, x: F.linalg.det(x),
    vjps=[lambda F, g, y, x: F.reshape(g, (*g.shape, 1, 1)) * _cofactors(F, y, x)],
    jvps=[lambda F, y, x, x_dot: F.sum(_cofactors(F, y, x) * x_dot, axis=(-2, -1))],
    shape=_determinant_shape("det"),
    dtype=floating,
    written="det({x})",
    example="det([[1, 2], [3, 4]]) -> -2",
)
slogdet_pair = primitive(
    "slogdet",
    value=lambda F, x: tuple(F.linalg.slogdet(x)),
    vjps=[lambda F, g, x: F.zeros_like(x) if g[1] is None else F.reshape(g[1], (*g[1].shape, 1, 1)) * mT(F, F.inv(x))],
    jvp=lambda F, y, x, x_dot: (y[0] * 0.0, F.sum(mT(F, F.inv(x)) * x_dot, axis=(-2, -1))),
    outputs=2,
    shape=lambda x: (square("slogdet")(x)[:-2],) * 2,
    dtype=floating,
    example="slogdet([[1, 2], [3, 4]]) -> [-1, 0.693147]",
)


# Decompositions


def _half_lower(F: Any, x: Any) -> Any:
    """The lower triangle with its diagonal halved."""
    return F.tril(x, -1) + F.tril(F.triu(x)) * 0.5


def _symmetrised(F: Any, x: Any) -> Any:
    return (x + mT(F, x)) * 0.5


def _symmetric(F: Any, x: Any) -> Any:
    """(x + xᵀ)/2, x itself where it is symmetric: what cholesky and eigh are taken of.

    NumPy reads one triangle only. A derivative by each entry of that would be 0 above the diagonal, while the
    gradient that people expect is symmetric: it is that of this function, whatever entry moves.
    """
    if len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
        return x  # which is refused
    return 0.5 * x + 0.5 * mT(F, x)


def _cholesky_vjp(F: Any, g: Any, y: Any) -> Any:
    inverse = F.inv(y)
    middle = _half_lower(F, F.matmul(mT(F, y), g))
    return _symmetrised(F, F.matmul(F.matmul(mT(F, inverse), middle), inverse))


def _cholesky_jvp(F: Any, y: Any, x_dot: Any) -> Any:
    inverse = F.inv(y)
    middle = F.matmul(F.matmul(inverse, _symmetrised(F, x_dot)), mT(F, inverse))
    return F.matmul(y, _half_lower(F, middle))


cholesky = primitive(
    "cholesky",
    value=lambda F, x: F.linalg.cholesky(_symmetric(F, x)),
    vjps=[_cholesky_vjp],
    jvps=[_cholesky_jvp],
    shape=square("cholesky"),
    dtype=floating,
    example="cholesky([[4, 2], [2, 5]]) -> [[2, 0], [1, 2]]",
)


def _triangular(F: Any, a: Any, b: Any, lower: bool, trans: int, unit_diagonal: bool) -> Any:
    used = F.tril(a) if lower else F.triu(a)
    if unit_diagonal:
        used = F.tril(a, -1) if lower else F.triu(a, 1)
        used = used + F.eye(a.shape[-1], dtype=a.dtype)
    return F.solve(mT(F, used) if trans in (1, "T") else used, b)


solve_triangular = composite(
    "solve_triangular",
    value=lambda F, a, b, lower=False, trans=0, unit_diagonal=False: _triangular(F, a, b, lower, trans, unit_diagonal),
    operands=2,
    shape=lambda a, b, *statics: _solved_shape(a, b),
    example="solve_triangular([[2, 0], [1, 1]], [2, 3], lower=True) -> [1, 2]",
)


def _zero(F: Any, part: Any, like: Any) -> Any:
    return like * 0.0 if part is None else part


def _qr_vjp(F: Any, g: Any, y: Any) -> Any:
    q, r = y
    if r.shape[-2] != r.shape[-1]:
        raise problems.not_differentiable("qr", "the matrix has more columns than rows")
    gq, gr = _zero(F, g[0], q), _zero(F, g[1], r)
    m = F.matmul(r, mT(F, gr)) - F.matmul(mT(F, gq), q)
    copied = F.tril(m) + mT(F, F.tril(m, -1))
    return F.matmul(gq + F.matmul(q, copied), mT(F, F.inv(r)))


def _qr_shapes(x: Shape) -> tuple[Shape, Shape]:
    *stack, m, n = _matrix("qr", x)
    return (*stack, m, min(m, n)), (*stack, min(m, n), n)


qr = primitive(
    "qr",
    value=lambda F, x: tuple(F.linalg.qr(x)),
    vjps=[_qr_vjp],
    outputs=2,
    shape=_qr_shapes,
    dtype=floating,
    example="qr([[2, 0], [0, 3]]) -> [[[1, 0], [0, 1]], [[2, 0], [0, 3]]]",
)


def _gaps(F: Any, s: Any) -> Any:
    """1/(s_j − s_i) off the diagonal, 0 on it and between equal values."""
    d = F.reshape(s, (*s.shape[:-1], 1, s.shape[-1])) - F.reshape(s, (*s.shape, 1))
    same = F.equal(d, 0)
    return F.where(same, 0.0, 1.0 / F.where(same, 1.0, d))


def _scaled_columns(F: Any, x: Any, s: Any) -> Any:
    return x * F.reshape(s, (*s.shape[:-1], 1, s.shape[-1]))


def _svd_vjp(F: Any, g: Any, y: Any, x_shape: Shape, full_matrices: bool) -> Any:
    u, s, vt = y
    gu, gs, gvt = g
    if gu is None and gvt is None:
        k = s.shape[-1]
        return F.matmul(_scaled_columns(F, u[..., :, :k], gs), vt[..., :k, :])
    if full_matrices and x_shape[-1] != x_shape[-2]:
        raise problems.not_differentiable("svd", "full_matrices=True has columns that are not determined")
    gaps = _gaps(F, s * s)
    v = mT(F, vt)
    gu, gv = _zero(F, gu, u), mT(F, _zero(F, gvt, vt))
    inside_u = gaps * (F.matmul(mT(F, u), gu) - F.matmul(mT(F, gu), u))
    inside_v = gaps * (F.matmul(mT(F, v), gv) - F.matmul(mT(F, gv), v))
    rows = F.reshape(s, (*s.shape, 1))
    middle = _scaled_columns(F, inside_u, s) + rows * inside_v
    if gs is not None:
        middle = middle + _scaled_columns(F, np.broadcast_to(np.eye(s.shape[-1]), middle.shape), gs)
    made = F.matmul(F.matmul(u, middle), vt)
    m, n = x_shape[-2:]
    if m > n:
        beyond = F.matmul(np.eye(m) - F.matmul(u, mT(F, u)), _scaled_columns(F, gu, 1 / s))
        made = made + F.matmul(beyond, vt)
    if n > m:
        beyond = F.matmul(_scaled_columns(F, u, 1 / s), mT(F, gv))
        made = made + F.matmul(beyond, np.eye(n) - F.matmul(v, vt))
    return made


def _svd_shapes(x: Shape, full_matrices: bool) -> tuple[Shape, Shape, Shape]:
    *stack, m, n = _matrix("svd", x)
    k = min(m, n)
    return (*stack, m, m if full_matrices else k), (*stack, k), (*stack, n if full_matrices else k, n)


svd = primitive(
    "svd",
    value=lambda F, x, full_matrices=True: tuple(F.linalg.svd(x, full_matrices=full_matrices)),
    vjps=[_svd_vjp],
    outputs=3,
    shape=_svd_shapes,
    dtype=floating,
    example="svd([[3, 0], [0, 2]]) -> [[[1, 0], [0, 1]], [3, 2], [[1, 0], [0, 1]]]",
)
svdvals = composite("svdvals", value=lambda F, x: F.svd(x, False)[1], example="svdvals([[3, 0], [0, 2]]) -> [3, 2]")


def _eigh_vjp(F: Any, g: Any, y: Any) -> Any:
    w, v = y
    gw, gv = g
    middle: Any = 0.0
    if gw is not None:
        middle = _scaled_columns(F, np.broadcast_to(np.eye(w.shape[-1]), v.shape), gw)
    if gv is not None:
        middle = middle + _gaps(F, w) * F.matmul(mT(F, v), gv)
    return _symmetrised(F, F.matmul(F.matmul(v, middle), mT(F, v)))


eigh = primitive(
    "eigh",
    value=lambda F, x: tuple(F.linalg.eigh(_symmetric(F, x))),
    vjps=[_eigh_vjp],
    outputs=2,
    shape=lambda x: (square("eigh")(x)[:-1], x),
    dtype=floating,
    example="eigh([[2, 0], [0, 3]]) -> [[2, 3], [[1, 0], [0, 1]]]",
)
eigvalsh = composite("eigvalsh", value=lambda F, x: F.eigh(x)[0], example="eigvalsh([[2, 0], [0, 3]]) -> [2, 3]")


# Functions of a matrix


@plain
def matrix_exponential(x: Any) -> Any:
    import scipy.linalg

    return scipy.linalg.expm(x)


def _expm_derivative(F: Any, a: Any, direction: Any) -> Any:
    """The derivative of expm at a along a direction: the upper right block of expm([[a, d], [0, a]])."""
    n = a.shape[-1]
    above = F.concatenate([a, direction], -1)
    below = F.concatenate([a * 0.0, a], -1)
    return F.expm(F.concatenate([above, below], -2))[..., :n, n:]


expm = primitive(
    "expm",
    value=lambda F, x: F.matrix_exponential(square("expm")(np.shape(x)) and x),
    vjps=[lambda F, g, x: _expm_derivative(F, mT(F, x), g)],
    jvps=[lambda F, x, x_dot: _expm_derivative(F, x, x_dot)],
    shape=square("expm"),
    dtype=floating,
    written="e^({x})",
    example="expm([[0, 0], [0, 1]]) -> [[1, 0], [0, 2.718282]]",
)


def _matrix_power(F: Any, x: Any, n: int) -> Any:
    square("matrix_power")(x.shape)
    if n < 0:
        x, n = F.inv(x), -n
    made = None
    while n:
        if n & 1:
            made = x if made is None else F.matmul(made, x)
        x = F.matmul(x, x) if n > 1 else x
        n >>= 1
    return made if made is not None else x * 0.0 + F.eye(x.shape[-1], dtype=x.dtype)


matrix_power = composite(
    "matrix_power",
    value=lambda F, x, n: _matrix_power(F, x, n),
    shape=square("matrix_power"),
    example="matrix_power([[1, 1], [0, 1]], 3) -> [[1, 3], [0, 1]]",
)
