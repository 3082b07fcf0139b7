"""Arrays from nothing: zeros, ones, ranges. No operands, so nothing to differentiate.

Floats are of the default dtype unless `dtype` says otherwise; ranges of integers are integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.dtypes import default, first, stated, truth, whole
from ndgrad.namespace import as_array, to_integers
from ndgrad.ops.shape import as_shape
from ndgrad.primitive import NoDerivative, primitive
from ndgrad.tape import STATE

_CONSTANT = NoDerivative("the result does not depend on the values")


def _sizes(op: str, *sizes: Any) -> tuple[int, ...]:
    """Sizes as a shape. E307 for what is none."""
    shape = as_shape(sizes[0] if len(sizes) == 1 else sizes, op)
    if any(n < 0 for n in shape):
        raise problems.bad_argument(op, "sizes are not negative")
    return shape


def _dtype(dtype: Any) -> Any:
    return STATE.float_dtype if dtype is None else np.dtype(dtype)


zeros = primitive(
    "zeros",
    value=lambda F, shape, dtype=None: np.zeros(as_shape(shape, "zeros"), _dtype(dtype)),
    vjps=[],
    shape=lambda shape, dtype: _sizes("zeros", shape),
    dtype=stated,
    example="zeros(3) -> [0, 0, 0]",
)
ones = primitive(
    "ones",
    value=lambda F, shape, dtype=None: np.ones(as_shape(shape, "ones"), _dtype(dtype)),
    vjps=[],
    shape=lambda shape, dtype: _sizes("ones", shape),
    dtype=stated,
    example="ones((1, 2)) -> [[1, 1]]",
)
full = primitive(
    "full",
    value=lambda F, shape, fill_value, dtype=None: np.full(as_shape(shape, "full"), fill_value, _dtype(dtype)),
    vjps=[],
    shape=lambda shape, fill_value, dtype: _sizes("full", shape),
    dtype=stated,
    example="full(2, 7) -> [7, 7]",
)
eye = primitive(
    "eye",
    value=lambda F, N, M=None, k=0, dtype=None: np.eye(N, M, k, _dtype(dtype)),
    vjps=[],
    shape=lambda N, M, k, dtype: _sizes("eye", N, N if M is None else M),
    dtype=stated,
    example="eye(2) -> [[1, 0], [0, 1]]",
)


def _range_shape(start: Any, stop: Any, step: Any, dtype: Any) -> tuple[int, ...]:
    low, high = (0, start) if stop is None else (start, stop)
    if step == 0:
        raise problems.bad_argument("arange", "the step is not 0")
    count = (high - low) / step
    if not np.isfinite(count):
        raise problems.bad_argument("arange", "the bounds are finite")
    return (max(int(np.ceil(count)), 0),)


def _range_dtype(start: Any, stop: Any, step: Any, dtype: Any) -> Any:
    if dtype is not None:
        return np.dtype(dtype)
    given = [np.asarray(n).dtype for n in (start, stop, step) if n is not None]
    return STATE.float_dtype if np.result_type(*given).kind == "f" else np.dtype(np.int64)


def _arange(start: Any, stop: Any, step: Any, dtype: Any) -> Any:
    low, high = (0, start) if stop is None else (start, stop)
    made = np.arange(low, high, step)
    if dtype is None and made.dtype.kind == "f":
        dtype = STATE.float_dtype
    return made if dtype is None else made.astype(dtype)


arange = primitive(
    "arange",
    value=lambda F, start, stop=None, step=1, dtype=None: _arange(start, stop, step, dtype),
    vjps=[],
    shape=_range_shape,
    dtype=_range_dtype,
    example="arange(1, 4) -> [1, 2, 3]",
)


def _spaced_shape(start: Any, stop: Any, num: Any, endpoint: bool) -> tuple[int, ...]:
    return (*_sizes("linspace", num), *np.broadcast_shapes(np.shape(start), np.shape(stop)))


linspace = primitive(
    "linspace",
    value=lambda F, start, stop, num=50, endpoint=True: np.linspace(
        start, stop, num, endpoint, dtype=STATE.float_dtype
    ),
    vjps=[],
    shape=_spaced_shape,
    dtype=default,
    example="linspace(0, 1, 3) -> [0, 0.5, 1]",
)
zeros_like = primitive(
    "zeros_like",
    value=lambda F, x: F.zeros_like(x),
    vjps=[_CONSTANT],
    shape=lambda x: x,
    example="zeros_like([1, 2]) -> [0, 0]",
)
ones_like = primitive(
    "ones_like",
    value=lambda F, x: F.ones_like(x),
    vjps=[_CONSTANT],
    shape=lambda x: x,
    example="ones_like([1, 2]) -> [1, 1]",
)

# Conversions

float_ = primitive(
    "float",
    value=lambda F, x: as_array(x).astype(STATE.float_dtype)[()],
    vjps=[lambda g: g],
    linear="jointly",
    routes=True,
    shape=lambda x: x,
    dtype=default,
    example="float([True, False]) -> [1, 0]",
)
int_ = primitive(
    "int",
    value=lambda F, x: to_integers("int", as_array(x), np.int64)[()],
    vjps=[NoDerivative("integers carry no gradient")],
    shape=lambda x: x,
    dtype=whole,
    example="int([1.7, -1.7]) -> [1, -1]",
)
bool_ = primitive(
    "bool",
    value=lambda F, x: as_array(x).astype(np.bool_)[()],
    vjps=[NoDerivative("the result is true or false")],
    shape=lambda x: x,
    dtype=truth,
    example="bool([0, 2]) -> [False, True]",
)

# Constant patterns

full_like = primitive(
    "full_like",
    value=lambda F, x, fill_value: np.full_like(x, fill_value),
    vjps=[_CONSTANT],
    shape=lambda x, fill_value: x,
    dtype=first,
    example="full_like([1, 2], 7) -> [7, 7]",
)


def _lower_count(rows: int, columns: int, k: int) -> int:
    """How many entries of a matrix lie on or below the k-th diagonal."""
    some = min(max(-k, 0), rows)  # the first row that has any
    full = min(max(columns - k, some), rows)  # the first row that has all
    return (full - some) * (some + full + 2 * k + 1) // 2 + (rows - full) * columns


def _triangle_shape(op: str, lower: bool) -> Any:
    def rule(n: Any, k: int, m: Any) -> Any:
        rows, columns = _sizes(op, n, n if m is None else m)
        count = _lower_count(rows, columns, k if lower else k - 1)
        return ((count if lower else rows * columns - count,),) * 2

    return rule


tri = primitive(
    "tri",
    value=lambda F, N, M=None, k=0: np.tri(N, M, k, dtype=STATE.float_dtype),
    vjps=[],
    shape=lambda N, M, k: _sizes("tri", N, N if M is None else M),
    dtype=default,
    example="tri(2) -> [[1, 0], [1, 1]]",
)
one_hot = primitive(
    "one_hot",
    value=lambda F, indices, depth: (np.asarray(indices)[..., None] == np.arange(depth)).astype(STATE.float_dtype),
    vjps=[NoDerivative("an index does not change continuously")],
    shape=lambda indices, depth: (*indices, *_sizes("one_hot", depth)),
    dtype=default,
    example="one_hot([1, 0], 2) -> [[0, 1], [1, 0]]",
)
tril_indices = primitive(
    "tril_indices",
    value=lambda F, n, k=0, m=None: tuple(np.tril_indices(n, k, m)),
    vjps=[],
    shape=_triangle_shape("tril_indices", True),
    dtype=whole,
    outputs=2,
    example="tril_indices(2) -> [[0, 1, 1], [0, 0, 1]]",
)
triu_indices = primitive(
    "triu_indices",
    value=lambda F, n, k=0, m=None: tuple(np.triu_indices(n, k, m)),
    vjps=[],
    shape=_triangle_shape("triu_indices", False),
    dtype=whole,
    outputs=2,
    example="triu_indices(2) -> [[0, 0, 1], [0, 1, 1]]",
)
