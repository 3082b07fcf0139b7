"""Puts the operators on NDArray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ndgrad.ndarray import NDArray, new_array
from ndgrad.primitive import REGISTRY
from ndgrad.tape import STATE, Remote

_BINARY = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
}
_COMMUTATIVE = frozenset({"add", "mul"})
_COMPARISONS = {
    "__lt__": "less",
    "__le__": "less_equal",
    "__gt__": "greater",
    "__ge__": "greater_equal",
    "__eq__": "equal",
    "__ne__": "not_equal",
}


def _swapped(call: Callable[..., Any]) -> Callable[[NDArray, Any], Any]:
    return lambda self, other: call(other, self)


def _comparison(call: Callable[..., Any]) -> Callable[[NDArray, Any], Any]:
    def compare(self: NDArray, other: Any) -> NDArray:
        """MXNet's: the truth values in the operand's float dtype."""
        made = call(self, other)
        dtype = self.dtype if self.dtype.kind == "f" else np.dtype(np.float32)
        if not made.traced:
            truth: NDArray = made.converted(dtype)
            truth._truth = True
            return truth
        return made.astype(dtype)  # type: ignore[no-any-return]

    return compare


def _in_place(call: Callable[..., Any]) -> Callable[[NDArray, Any], NDArray]:
    def assign(self: NDArray, other: Any) -> NDArray:
        """x += v: into x's own buffer; under recording it differentiates like any write."""
        before = self
        if STATE.recording and not self.traced and isinstance(self.data, (np.ndarray, Remote)):
            before = new_array(self.data.copy(), self.node)  # what the rule may need is about to be overwritten
        self[...] = call(before, other)
        return self

    return assign


def _product(a: Any, b: Any) -> NDArray:
    from ndgrad.ops import lookup

    op = lookup("matmul")
    assert op is not None
    return op.call(a, b)  # type: ignore[no-any-return]


def _first_product(self: NDArray, other: Any) -> NDArray:
    """`@` the first time, when the operation is loaded; then it is the operation's own call."""
    made = _product(self, other)
    NDArray.__matmul__ = REGISTRY["matmul"].call  # type: ignore[method-assign]
    return made


def install() -> None:
    """Add the operators to the class; done once, when the operations are loaded."""
    for name, operation in _BINARY.items():
        call = REGISTRY[operation].call
        setattr(NDArray, f"__{name}__", call)
        setattr(NDArray, f"__r{name}__", call if name in _COMMUTATIVE else _swapped(call))
        setattr(NDArray, f"__i{name}__", _in_place(call))
    for method, operation in _COMPARISONS.items():
        setattr(NDArray, method, _comparison(REGISTRY[operation].call))
    NDArray.__matmul__ = _first_product  # type: ignore[method-assign]
    NDArray.__rmatmul__ = _swapped(_product)  # type: ignore[method-assign]
    NDArray.__neg__ = REGISTRY["negative"].call  # type: ignore[method-assign]
    NDArray.__pos__ = REGISTRY["positive"].call  # type: ignore[method-assign]
    NDArray.__abs__ = lambda self: self.abs()  # type: ignore[method-assign]
