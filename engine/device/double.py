"""A device that is none: NumPy behind the manners of CuPy, for tests on machines without a GPU.

Its arrays refuse what CuPy's refuse: to meet an array of the host, to become one unasked, functions and parameters
that CuPy does not have. So what runs here copies where a GPU would have to, and a copy that nobody asked
for is an error or a note, never silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.context import Context
from ndgrad.device.interface import Device

if TYPE_CHECKING:
    from ndgrad.fusion.schedule import Pass

Array = np.ndarray[Any, Any]
Signatures = dict[str, tuple[str, ...]]  # by name, the parameters of each function; ("*",) takes any


class Held:
    """An array of the double's."""

    __slots__ = ("base", "hidden")
    __array_ufunc__ = None

    def __init__(self, hidden: Array, base: Any = None) -> None:
        self.hidden = hidden
        self.base = base

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "dtype", "size", "ndim", "strides", "flags", "itemsize", "nbytes"):
            return getattr(self.hidden, name)
        raise AttributeError(name)

    def __array__(self, *args: Any, **named: Any) -> Array:
        raise TypeError("an array of the device does not become one of the host unasked")

    def astype(self, dtype: Any) -> Held:
        return Held(self.hidden.astype(dtype))

    def __getitem__(self, key: Any) -> Held:
        made = np.asarray(self.hidden[_opened(key)])
        return Held(made, self if np.may_share_memory(made, self.hidden) else None)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.hidden[_opened(key)] = _opened(value)


def _opened(x: Any) -> Any:
    """What is inside; refused for arrays of the host."""
    if isinstance(x, Held):
        return x.hidden
    if isinstance(x, (tuple, list)):
        return x.__class__(map(_opened, x))
    if isinstance(x, np.ndarray):
        raise TypeError("an array of the host met one of the device")
    return x


def _closed(made: Any, owners: Any) -> Any:
    """Arrays put away again, views with what they are views of."""
    if isinstance(made, (np.ndarray, np.generic)):
        data = np.asarray(made)
        owner = next((x for x in owners if isinstance(x, Held) and np.may_share_memory(x.hidden, data)), None)
        return Held(data, owner)
    if isinstance(made, (tuple, list)):
        return (
            made.__class__(*(_closed(m, owners) for m in made))
            if hasattr(made, "_fields")
            else tuple(_closed(m, owners) for m in made)
        )
    return made


class Module:
    """NumPy's functions for the double's arrays: those in `signatures`, with these parameters; all where it is None."""

    def __init__(self, functions: Any, signatures: Signatures | None, prefix: str = "") -> None:
        self._functions = functions
        self._signatures = signatures
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        if name == "linalg":
            return Module(np.linalg, self._signatures, "linalg.")
        known = ("*",) if self._signatures is None else self._signatures.get(self._prefix + name)
        function = getattr(self._functions, name, None)
        if known is None or function is None:
            raise AttributeError(f"CuPy has no {self._prefix}{name}")
        return _Function(function, known)


class _Function:
    """One function, as CuPy would have it."""

    def __init__(self, function: Any, parameters: tuple[str, ...]) -> None:
        self.function = function
        self.parameters = parameters

    def __call__(self, *args: Any, **named: Any) -> Any:
        if "*" not in self.parameters:
            by_place = [p for p in self.parameters if not p.endswith("=")]
            unknown = set(named) - {p.rstrip("=") for p in self.parameters}
            if len(args) > len(by_place) or unknown:
                raise TypeError(f"{self.function.__name__} takes {', '.join(self.parameters)}")
        with np.errstate(all="ignore"):
            made = self.function(*map(_opened, args), **{k: _opened(v) for k, v in named.items()})
        return _closed(made, [y for x in args for y in (x if isinstance(x, (list, tuple)) else (x,))])

    def at(self, x: Held, key: Any, *values: Any) -> None:
        self.function.at(x.hidden, _opened(key), *map(_opened, values))


class Double(Device):
    """The double of a GPU. limit: bytes of memory that it pretends to have."""

    processors = 1

    def __init__(self, number: int = 0, signatures: Signatures | None = None, limit: int = 1 << 40) -> None:
        super().__init__(Context("gpu", number))
        self.module = Module(np, signatures)
        self.limit = limit
        self.launches: Any = None
        self._signatures = signatures

    @property
    def special(self) -> Any:
        import scipy.special

        return Module(scipy.special, self._signatures, "special.")

    def upload(self, x: Array) -> Held:
        if x.nbytes > self.limit:
            raise MemoryError
        return Held(np.array(x))

    def download(self, raw: Held) -> Array:
        return np.array(raw.hidden)

    def is_raw(self, x: Any) -> bool:
        return isinstance(x, Held)

    def room(self) -> tuple[int, int, int]:
        return 0, self.limit, self.limit

    def kernel(self, source: str, name: str) -> None:
        """Nothing compiles it."""

    def address(self, raw: Held) -> int:
        """Where an array begins in memory."""
        found: int = raw.hidden.ctypes.data
        return found

    def compute(self, work: Pass, into: dict[int, Any]) -> None:
        """With the tiles of the host, on what is inside its arrays. The kernel is written, though not run."""
        from ndgrad.device.arrays import DeviceArray
        from ndgrad.device.launch import Launches
        from ndgrad.fusion import tiles

        if self.launches is None:
            self.launches = Launches(self)
        outs = [self.empty(x.shape, x.dtype) for x in work.stores]
        self.launches.drawn_up(work, list(map(self.launches.operand, work.inputs)), outs)
        work.inputs = [self.raw(x).hidden if isinstance(x, DeviceArray) else x for x in work.inputs]
        inside = {key: x.raw.hidden if isinstance(x, DeviceArray) else x for key, x in into.items()}
        tiles.run(work, inside)
        for lazy in (*work.stores, *work.sums):
            buffer = into.get(id(lazy))
            lazy.settle(buffer if buffer is not None else DeviceArray(Held(np.asarray(lazy.known)), self))
