"""A function as it is now, to be run again later: what it captures, what it draws, and how it is run.

A derivative is computed later than the value. By then the variables that a function reads may hold something
else, and the random numbers have gone on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from types import CellType, CodeType, FunctionType
from typing import Any

import numpy as np

from ndgrad import autograd, problems
from ndgrad.ndarray import NDArray
from ndgrad.ops import random
from ndgrad.tape import STATE, Remote, owner_of, tick, written

Seen = dict[int, tuple[Any, Any]]  # by id: what was captured, which is held so that its id stays its own, and its copy
Scope = Callable[[], AbstractContextManager[Any]]

_OPAQUE = frozenset({"globals", "vars", "eval", "exec"})  # a function that calls one may read any variable
_PACKAGE = __name__.partition(".")[0]


def captured(value: Any, seen: Seen) -> Any:
    """`value`, whose variables keep what they hold now.

    A function of Python gets cells of its own, and its own view of the variables of its module that it names;
    arrays keep their data and node; tuples, lists and dicts that hold such things are copied. Other objects
    are copied if they say how, by a method __captured__(seen), and else stay themselves.
    """
    key = id(value)
    if key in seen:
        return seen[key][1]
    kind = value.__class__
    if isinstance(value, NDArray):
        made: Any = _twin(value)
    elif kind is FunctionType:
        return _function(value, seen)
    elif kind is tuple or kind is list:
        seen[key] = value, value  # it may hold itself
        parts = [captured(part, seen) for part in value]
        made = kind(parts) if any(map(_differs, parts, value)) else value
    elif kind is dict:
        seen[key] = value, value
        parts = [captured(part, seen) for part in value.values()]
        made = dict(zip(value, parts, strict=True)) if any(map(_differs, parts, value.values())) else value
    elif kind is functools.partial:
        made = functools.partial(
            captured(value.func, seen),
            *captured(value.args, seen),
            **captured(value.keywords, seen),
        )
    elif hasattr(kind, "__captured__"):
        return value.__captured__(seen)
    else:
        return value
    seen[key] = value, made
    return made


def _differs(a: Any, b: Any) -> bool:
    return a is not b


def _twin(x: NDArray) -> NDArray:
    """Another array of the same data and node."""
    made: NDArray = x.twin() if x.traced and hasattr(x, "twin") else x.detach()
    made._node = x._node
    return made


def _function(function: FunctionType, seen: Seen) -> Any:
    own = function.__module__ != _PACKAGE and not str(function.__module__).startswith(f"{_PACKAGE}.")
    names = _global_names(function.__code__) if own else frozenset()
    around = function.__globals__
    if names & _OPAQUE:
        names = frozenset()
    cells = function.__closure__
    if not cells and not names and not function.__defaults__ and not function.__kwdefaults__:
        return function
    view = around
    if names:
        if id(around) not in seen:
            view = {name: around[name] for name in ("__builtins__", "__name__") if name in around}
            seen[id(around)] = around, view
        view = seen[id(around)][1]
    copies = None if cells is None else tuple([CellType() for _ in cells])
    made = FunctionType(function.__code__, view, function.__name__, None, copies)
    seen[id(function)] = function, made
    made.__kwdefaults__ = captured(function.__kwdefaults__, seen)
    made.__defaults__ = captured(function.__defaults__, seen)
    made.__qualname__, made.__module__, made.__dict__ = function.__qualname__, function.__module__, function.__dict__
    for name in names:
        if name in around and name not in view:
            view[name] = _global(around[name], around, seen)
    if cells is None or copies is None:
        return made
    for cell, copy in zip(cells, copies, strict=True):
        with suppress(ValueError):  # an empty cell: a variable without a value yet
            copy.cell_contents = captured(cell.cell_contents, seen)
    return made


def _global(value: Any, around: dict[str, Any], seen: Seen) -> Any:
    """A variable of a module; a function of another one stays what it is, for it may lead through a whole library."""
    return value if value.__class__ is FunctionType and value.__globals__ is not around else captured(value, seen)


@functools.lru_cache(maxsize=1024)
def _global_names(code: CodeType) -> frozenset[str]:
    """The names that a function, or one within it, may read from its module."""
    inner = [_global_names(part) for part in code.co_consts if isinstance(part, CodeType)]
    return frozenset(code.co_names).union(*inner)


def kept(value: Any) -> tuple[Any, list[NDArray]]:
    """`value` as `captured` gives it, and the arrays that it captured."""
    seen: Seen = {}
    made = captured(value, seen)
    return made, [x for _, x in seen.values() if isinstance(x, NDArray)]


def unchanged(arrays: list[NDArray], since: int, name: str) -> None:
    """E405 if one of the arrays has been written to since."""
    if not written:
        return
    for x in arrays:
        if x.traced:
            continue
        waits = STATE.fusion is not None and x.__class__ is STATE.fusion.Large
        data = STATE.fusion.buffer_of(x.lazy) if waits else x._data
        if isinstance(data, (np.ndarray, Remote)):
            write = written.get(id(owner_of(data)))
            if write is not None and write[0] > since:
                raise problems.overwritten(name, f"the function reads it again; overwritten at {write[1]}")


class Replay:
    """A function that is called now, and again when a derivative is asked for: with the same variables and draws.

    name: what runs it, for errors. scope: makes what it is run in again.
    """

    def __init__(self, function: Callable[..., Any], name: str, scope: Scope | None = None) -> None:
        self.function = function
        self.kept, self.arrays = kept(function)
        self.name = name
        self.scope = scope or nullcontext
        self.training = STATE.training
        self.float_dtype = STATE.float_dtype
        self.traces = STATE.traces
        self.draws: Any = None
        self.time = tick()

    def first(self, *args: Any) -> Any:
        """Call the function itself."""
        before = random.place()
        y = self.function(*args)
        if random.place() != before:
            self.draws = random.beginning() if before is None else before
        self.time = tick()  # what the function itself writes to, it writes to again
        return y

    def again(self, *args: Any) -> Any:
        """Call it as it was, recorded. E405 if an array that it captured has been written to."""
        unchanged(self.arrays, self.time, self.name)
        stream: Any = None if self.draws is None else random.generator().bit_generator
        now = None if stream is None else stream.state
        before = STATE.float_dtype, STATE.traces
        try:
            STATE.float_dtype, STATE.traces = self.float_dtype, max(self.traces, STATE.traces)
            if stream is not None:
                stream.state = self.draws
            with self.scope(), autograd.record(self.training):
                return self.kept(*args)
        finally:
            STATE.float_dtype, STATE.traces = before
            if stream is not None:
                stream.state = now
