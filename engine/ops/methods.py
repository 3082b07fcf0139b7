"""Puts the operators and the method form of every operation on NDArray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ndgrad.ndarray import NDArray, plain
from ndgrad.primitive import REGISTRY

_BINARY = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
    "matmul": "matmul",
}
_COMPARISONS = {
    "__lt__": "less",
    "__le__": "less_equal",
    "__gt__": "greater",
    "__ge__": "greater_equal",
    "__eq__": "equal",
    "__ne__": "not_equal",
}
_NOT_METHODS = frozenset({"where", "stack"})


def _swapped(call: Callable[..., Any]) -> Callable[[NDArray, Any], Any]:
    return lambda self, other: call(other, self)


def _comparison(call: Callable[..., Any]) -> Callable[[NDArray, Any], Any]:
    def compare(self: NDArray, other: Any) -> NDArray:
        """MXNet's: the truth values in the operand's float dtype."""
        made = call(self, other)
        return NDArray(plain(made).astype(self.dtype if self.dtype.kind == "f" else "float32"))

    return compare


def install() -> None:
    """Add operators and methods to the class; done once, when the operations are loaded."""
    for name, operation in _BINARY.items():
        call = REGISTRY[operation].call
        setattr(NDArray, f"__{name}__", call)
        setattr(NDArray, f"__r{name}__", _swapped(call))
    for method, operation in _COMPARISONS.items():
        setattr(NDArray, method, _comparison(REGISTRY[operation].call))
    NDArray.__neg__ = REGISTRY["negative"].call  # type: ignore[method-assign]
    NDArray.__pos__ = REGISTRY["positive"].call  # type: ignore[method-assign]
    NDArray.__abs__ = REGISTRY["abs"].call  # type: ignore[method-assign]
    for name, op in REGISTRY.items():
        if not op.internal and name not in _NOT_METHODS and not hasattr(NDArray, name):
            setattr(NDArray, name, op.call)
    NDArray.T = property(lambda self: REGISTRY["transpose"].call(self))  # type: ignore[attr-defined]
