"""The `sym` namespace: computations written down before they are run.

    x = sym.var("x")
    y = sym.FullyConnected(x, num_hidden=3, name="fc") ** 2
    run = y.simple_bind(x=(5, 4))
    run.forward(is_train=True); run.backward(nd.ones((5, 3)))
    run.grad_dict["fc_weight"]

Every function of `nd` is here by the same name, with symbols in the place of arrays.
"""

from __future__ import annotations

from typing import Any

from ndgrad.aliases import alias_names
from ndgrad.ops import names
from ndgrad.symbol import problems
from ndgrad.symbol.files import load, load_json
from ndgrad.symbol.graph import VARIABLE, Node
from ndgrad.symbol.symbol import Symbol

__all__ = ["Group", "Symbol", "Variable", "contrib", "linalg", "load", "load_json", "random", "var"]


def var(
    name: str,
    attr: dict[str, str] | None = None,
    shape: int | tuple[int, ...] | None = None,
    lr_mult: float | None = None,
    wd_mult: float | None = None,
    dtype: Any = None,
    init: Any = None,
    **more: str,
) -> Symbol:
    """A variable: an array that is given when the symbol runs.

    shape, dtype: what they will be (0 in a shape: to be found). attr and keywords of the form __text__ attach texts.
    """
    import numpy as np

    if not isinstance(name, str):
        raise problems.name_is_no_text(name)
    attrs = dict(attr or {})
    sizes = None if shape is None else str((shape,) if isinstance(shape, int) else tuple(shape))
    stated = {"shape": sizes, "lr_mult": lr_mult, "wd_mult": wd_mult}
    stated |= {"dtype": None if dtype is None else np.dtype(dtype).name, "init": init}
    attrs |= {f"__{key}__": str(value) for key, value in stated.items() if value is not None}
    for key, value in {**attrs, **more}.items():
        if not isinstance(value, str):
            raise problems.attribute_is_no_text(key, value)
    return Symbol([(Node(VARIABLE, name, attrs={**attrs, **more}), 0)])


Variable = var


def Group(symbols: Any) -> Symbol:
    """One symbol with the outputs of all these, in order. E307 for an empty list, or what is no symbol."""
    listed = list(symbols)
    if not listed or not all(isinstance(s, Symbol) for s in listed):
        raise problems.nothing_to_group()
    return Symbol([output for s in listed for output in s._outputs])


class _Space:
    """sym.linalg.NAME and sym.random.NAME."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        from ndgrad.symbol.calls import function_of, maker

        op = f"{self._name}.{name}"
        function_of(op)  # an AttributeError that says so, if it is not there
        return maker(op)


linalg = _Space("linalg")
random = _Space("random")


_made: dict[str, Any] = {}  # not in the module itself, where `sym.all` would hide Python's


def __getattr__(name: str) -> Any:
    if name in _made:
        return _made[name]
    from ndgrad.symbol.calls import is_function, maker

    if name == "contrib":
        from importlib import import_module

        found: Any = import_module("ndgrad.symbol.control")
    elif not name.startswith("_") and name != "gradient" and is_function(name):
        found = maker(name)
    else:
        raise problems.unknown_function(name, __dir__())
    _made[name] = found
    return found


def __dir__() -> list[str]:
    from ndgrad.symbol.calls import CREATORS

    return sorted({*__all__, *CREATORS, *names(), *alias_names()})
