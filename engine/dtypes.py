"""The dtype of a result where it is not what the operands' dtypes promote to. Rules for `dtype=`.

A rule takes the operands' dtypes and the statics, as a shape rule takes the operands' shapes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad.tape import STATE

DType = np.dtype[Any]

_WHOLE: DType = np.dtype(np.int64)
_TRUTH: DType = np.dtype(np.bool_)
_DOUBLE: DType = np.dtype(np.float64)


def floating(x: DType, *statics: Any) -> DType:
    """The operand's, if that is a float; else float64."""
    return x if x.kind == "f" else _DOUBLE


def floating_pair(a: DType, b: DType, *statics: Any) -> DType:
    """What two operands promote to, if that is a float; else float64."""
    return floating(np.result_type(a, b))


def counting(x: DType, *statics: Any) -> DType:
    """The operand's; of truth values and short integers, int64."""
    return x if x.kind == "f" else np.result_type(x, _WHOLE)


def first(x: DType, *others: Any) -> DType:
    """The first operand's."""
    return x


def whole(*operands: Any) -> DType:
    """int64: an index or a count."""
    return _WHOLE


def truth(*operands: Any) -> DType:
    """bool."""
    return _TRUTH


def double(*operands: Any) -> DType:
    """float64 whatever comes in."""
    return _DOUBLE


def default(*operands: Any) -> DType:
    """The default float dtype."""
    return STATE.float_dtype


def stated(*statics: Any) -> DType:
    """The last static, `dtype`, or the default float dtype where that is None."""
    return STATE.float_dtype if statics[-1] is None else np.dtype(statics[-1])
