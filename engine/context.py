"""Where an array lives. The CPU is always there; a GPU is looked for when it is first used."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ndgrad.errors import DeviceError, Diagnostic
from ndgrad.frozen import Frozen
from ndgrad.tape import STATE

if TYPE_CHECKING:
    from ndgrad.ndarray import NDArray


class Context(Frozen):
    """A device: its kind and number. As a scope, the device of new arrays."""

    device_type: str
    device_id: int = 0

    def __enter__(self) -> Context:
        _current.stack.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.stack.pop()

    def __str__(self) -> str:
        return f"{self.device_type}({self.device_id})"

    __repr__ = __str__


class _Current(threading.local):
    def __init__(self) -> None:
        self.stack: list[Context] = []


_current = _Current()


def cpu(device_id: int = 0) -> Context:
    """The CPU; all numbers mean the same one."""
    return Context("cpu", device_id)


def gpu(device_id: int = 0) -> Context:
    """The GPU of that number. Putting an array there raises E701 to E704 where it cannot be used, with the cure."""
    return Context("gpu", device_id)


def current_context() -> Context:
    """The innermost context scope, or the CPU."""
    return _current.stack[-1] if _current.stack else cpu()


def need_cpu(context: Any) -> Context:
    """The context if a symbol can be computed there. E701 for a GPU."""
    wanted: Context = current_context() if context is None else context
    if wanted.device_type != "cpu":
        cure = "leave the context out, or compute with arrays: nd.array(…, ctx=gpu(0))"
        raise DeviceError(Diagnostic("E701", f"{wanted}: symbols are computed on the CPU only", help=cure))
    return wanted


def as_context(context: Any) -> Context:
    """The context, or the innermost scope's for None. E307 for anything else."""
    if context is None:
        return current_context()
    if not isinstance(context, Context):
        from ndgrad import problems

        raise problems.bad_argument("ctx", f"a context is cpu() or gpu(), not {context!r}")
    return context


def placed(x: NDArray, context: Any) -> NDArray:
    """The new array x, moved to a context: the innermost scope's unless given. E307, E701 to E704."""
    wanted = as_context(context)
    if wanted.device_type != "cpu":
        from ndgrad.device.running import device_for, enlarged

        x._data = device_for(wanted).put(x._data)
        enlarged(x)
    elif x._data.nbytes >= STATE.defer_from:
        from ndgrad.ndarray import enlarge

        enlarge(x)
    return x
