"""ndgrad: derivatives of array programs, on the command line and in Python.

    import ndgrad as mx
    x = mx.nd.array([[1, 2], [3, 4]]); x.attach_grad()
    with mx.autograd.record():
        y = 2 * x * x
    y.backward(mx.nd.array([[10, 1.], [.1, .01]]))
    x.grad

Everything here is loaded when it is first used, so `import ndgrad` costs next to nothing.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ndgrad import autograd as autograd
    from ndgrad import nd as nd
    from ndgrad import random as random
    from ndgrad import symbol as symbol
    from ndgrad import test_utils as test_utils
    from ndgrad.autograd import GradientNote as GradientNote
    from ndgrad.batching import vmap as vmap
    from ndgrad.context import Context as Context
    from ndgrad.context import cpu as cpu
    from ndgrad.context import current_context as current_context
    from ndgrad.context import gpu as gpu
    from ndgrad.errors import Diagnostic as Diagnostic
    from ndgrad.errors import Error as Error
    from ndgrad.lang import compile as compile
    from ndgrad.lang import load as load
    from ndgrad.ndarray import NDArray as NDArray
    from ndgrad.ndarray import array as array
    from ndgrad.recomputed import checkpoint as checkpoint
    from ndgrad.recomputed import custom_gradient as custom_gradient
    from ndgrad.tracing import jvp as jvp
    from ndgrad.transforms import grad as grad
    from ndgrad.transforms import hessian as hessian
    from ndgrad.transforms import hvp as hvp
    from ndgrad.transforms import jacobian as jacobian
    from ndgrad.transforms import stop_gradient as stop_gradient
    from ndgrad.transforms import value_and_grad as value_and_grad
    from ndgrad.transforms import vjp as vjp

    sym = symbol

__version__ = "0.1.0"

_MODULES = {
    "nd": "ndgrad.nd",
    "autograd": "ndgrad.autograd",
    "random": "ndgrad.random",
    "rnd": "ndgrad.random",
    "sym": "ndgrad.symbol",
    "symbol": "ndgrad.symbol",
    "test_utils": "ndgrad.test_utils",
}
_NAMES = {
    "NDArray": "ndgrad.ndarray",
    "array": "ndgrad.nd",
    "jvp": "ndgrad.tracing",
    "vmap": "ndgrad.batching",
    **dict.fromkeys(("Context", "cpu", "gpu", "current_context"), "ndgrad.context"),
    **dict.fromkeys(("grad", "value_and_grad", "vjp", "jacobian", "hessian", "hvp"), "ndgrad.transforms"),
    **dict.fromkeys(("checkpoint", "custom_gradient"), "ndgrad.recomputed"),
    "stop_gradient": "ndgrad.transforms",
    "GradientNote": "ndgrad.autograd",
    "load": "ndgrad.lang",
    "compile": "ndgrad.lang",
    "Diagnostic": "ndgrad.errors",
    "Error": "ndgrad.errors",
    "SyntaxError_": "ndgrad.errors",
    "NameError_": "ndgrad.errors",
    "ShapeError": "ndgrad.errors",
    "GradientError": "ndgrad.errors",
    "LimitError": "ndgrad.errors",
    "InputError": "ndgrad.errors",
    "DeviceError": "ndgrad.errors",
}


class _Package(ModuleType):
    """This package. `ndgrad.ndarray` is MXNet's other name of `nd`, whatever submodule has that name too."""

    @property
    def ndarray(self) -> Any:
        from importlib import import_module

        return import_module("ndgrad.nd")

    @ndarray.setter
    def ndarray(self, submodule: ModuleType) -> None:
        """Where the import of the submodule would put it."""


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "MXNetError":  # what `except mx.MXNetError` should catch
        name = "Error"
    if name in _MODULES:
        found: Any = import_module(_MODULES[name])
    elif name in _NAMES:
        found = getattr(import_module(_NAMES[name]), name)
    else:
        raise AttributeError(f"module 'ndgrad' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*_MODULES, *_NAMES, "MXNetError", "__version__", "__doc__", "__file__", "__name__", "__path__"})
