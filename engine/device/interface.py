"""What a device is to the engine: somewhere arrays can be, with functions of NumPy's names to compute there.

A Device hands NumPy's functions to its `module` (CuPy, for a GPU), after sending over what is on the host and
converting operands as NumPy would. A function that the module lacks, or refuses, is done on the host
and its result sent back; `Counts.hosted` says how often, by the name of the operation.

    transfers: `put` to the device, `read` to the host; nothing else moves entries
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad import problems
from ndgrad.device.arrays import DeviceArray
from ndgrad.errors import Error
from ndgrad.frozen import Frozen
from ndgrad.tape import Remote

if TYPE_CHECKING:
    from ndgrad.context import Context
    from ndgrad.fusion.schedule import Pass

Array = np.ndarray[Any, Any]
_NUMBERS = (bool, int, float, np.generic)


class Counts(threading.local):
    """What has crossed between host and device in this thread, and what ran where.

    sent, received      arrays that went over and came back      sent_bytes, received_bytes  their sizes
    kernels, compiled   generated kernels launched, and those of them that were new
    hosted              how often something was computed on the host for want of a function, by operation
    operation           the operation that is being computed, "" outside
    """

    def __init__(self) -> None:
        self.sent = self.received = self.sent_bytes = self.received_bytes = 0
        self.kernels = self.compiled = 0
        self.hosted: dict[str, int] = {}
        self.sources: list[str] | None = None  # the text of the kernels launched, if someone wants it
        self.operation = ""

    def begin(self) -> None:
        """Count anew."""
        self.__init__()  # type: ignore[misc]

    def traffic(self, device: Device) -> Traffic:
        """What was counted since."""
        return Traffic(
            str(device),
            self.kernels,
            self.compiled,
            self.sent,
            self.sent_bytes,
            self.received,
            self.received_bytes,
            tuple(self.hosted.items()),
            tuple(self.sources or ()),
        )

    def host(self, what: str) -> None:
        """Note that `what`, as part of the operation at hand, is done on the host."""
        name = self.operation or what
        self.hosted[name] = self.hosted.get(name, 0) + 1


COUNTS = Counts()


class Traffic(Frozen):
    """What a run on a device did there: as Counts has it; `on_host` and `sources` as tuples."""

    device: str
    kernels: int
    compiled: int
    sent: int
    sent_bytes: int
    received: int
    received_bytes: int
    on_host: tuple[tuple[str, int], ...]
    sources: tuple[str, ...]


class Device:
    """Where arrays can be. The subclass has the module that computes there and moves entries.

    module    functions of NumPy's names; its `linalg` those of NumPy's
    """

    module: Any
    spends: tuple[type[BaseException], ...] = (MemoryError,)  # what the module raises when its memory is full

    def __init__(self, context: Context) -> None:
        self.context = context
        self.ones: dict[np.dtype[Any], DeviceArray] = {}

    def __str__(self) -> str:
        return str(self.context)

    # What a subclass does

    @property
    def special(self) -> Any:
        """SciPy's special functions, as the module's kin has them; None if it has none."""
        return None

    def upload(self, x: Array) -> Any:
        """A copy of x in the device's memory."""
        raise TypeError(f"{type(self).__name__} does not say how arrays get there")

    def download(self, raw: Any) -> Array:
        """A copy of the device's array in the host's memory, when it is computed."""
        raise TypeError(f"{type(self).__name__} does not say how arrays come back")

    def is_raw(self, x: Any) -> bool:
        """Whether x is an array of the module's."""
        raise TypeError(f"{type(self).__name__} does not say what its arrays are")

    def compute(self, work: Pass, into: dict[int, Any]) -> None:
        """Compute the outputs of a pass of fused operations; `into`: buffers for some, by the id of the output."""
        raise TypeError(f"{type(self).__name__} does not compute")

    def synchronize(self) -> None:
        """Return when everything asked of the device is done."""

    def room(self) -> tuple[int, int, int]:
        """Bytes in use by this process, free on the device, and in all (or the limit, if that is less)."""
        raise TypeError(f"{type(self).__name__} does not say how much memory it has")

    def select(self) -> None:
        """Make this the device that the module computes on, in this thread."""

    # Arrays come and go

    def put(self, x: Any) -> DeviceArray:
        """A NumPy array, copied to the device. E502 if there is no room."""
        data = np.asarray(x)
        COUNTS.sent += 1
        COUNTS.sent_bytes += data.nbytes
        self.select()
        try:
            return DeviceArray(self.upload(np.ascontiguousarray(data).reshape(data.shape)), self)
        except self.spends as error:
            raise self.full(data.nbytes, error) from None

    def scalar(self, x: np.generic) -> DeviceArray:
        """A number in the device's memory, never written to; the 1 that sweeps begin with is sent once."""
        if x != 1:
            return self.put(x)
        if x.dtype not in self.ones:
            self.ones[x.dtype] = self.put(x)
        return self.ones[x.dtype]

    def read(self, x: DeviceArray) -> Array:
        """The entries, copied to the host; waits for them. Noted where an operation reads more than a condition."""
        if COUNTS.operation and x.size > 1:
            COUNTS.host("reading")
        return self.fetch(x)

    def fetch(self, x: DeviceArray) -> Array:
        """The entries, copied to the host; waits for them."""
        COUNTS.received += 1
        COUNTS.received_bytes += x.nbytes
        self.select()
        return self.download(x.raw)

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DeviceArray:
        """An array whose entries are yet to be written. E502 if there is no room."""
        self.select()
        try:
            return DeviceArray(self.module.empty(shape, dtype), self)
        except self.spends as error:
            size = dtype.itemsize
            for n in shape:
                size *= n
            raise self.full(size, error) from None

    def full(self, wanted: int, error: BaseException) -> Error:
        """E502: how much was wanted, and how much there is."""
        used, free, total = self.room()
        return problems.device_full(str(self), wanted, used, free, total)

    # Computing

    def raw(self, x: Any) -> Any:
        """An operand as the module takes it: its own arrays and numbers; arrays of the host are sent over."""
        if isinstance(x, DeviceArray):
            if x.device is not self:
                raise problems.devices_differ(COUNTS.operation, str(self), str(x.device))
            return x.raw
        if isinstance(x, (list, tuple)):
            return x.__class__(map(self.raw, x)) if any(map(_is_array, x)) else x
        if hasattr(x, "holders"):  # deferred
            return self.raw(x.compute())
        if x.__class__ is np.ndarray:
            return self.put(x).raw if x.ndim else x[()]
        return x

    def wrapped(self, made: Any, args: Any = ()) -> Any:
        """What the module gave, as arrays of ours. args: where the memory of a view may be from."""
        if self.is_raw(made):
            same = next((x for x in args if isinstance(x, DeviceArray) and x.raw is made), None)
            if same is not None:
                return same
            base = None
            if made.base is not None:
                base = next((x if x.base is None else x.base for x in args if isinstance(x, DeviceArray)), None)
            return DeviceArray(made, self, base)
        if isinstance(made, (list, tuple)):
            return tuple(self.wrapped(part, args) for part in made)
        return made

    def apply(self, ufunc: np.ufunc, inputs: tuple[Any, ...]) -> Any:
        """ufunc(*inputs), in the dtypes that NumPy would choose."""
        name = ufunc.__name__
        found = getattr(self.module, name, None)
        if found is None and self.special is not None:
            found = getattr(self.special, name, None)
        if found is None:
            return self.on_host(name, ufunc, inputs, {})
        if ufunc.signature is not None:
            return self.tried(name, found, ufunc, inputs, {})
        values = [x.compute() if hasattr(x, "holders") else x for x in inputs]
        try:
            loop = ufunc.resolve_dtypes((*map(_kind, values), None))
        except TypeError:
            return self.on_host(name, ufunc, inputs, {})
        operands = tuple(self.operand(x, d) for x, d in zip(values, loop, strict=False))
        made = self.tried(name, found, ufunc, operands, {})
        return made.astype(loop[-1], copy=False) if made.dtype != loop[-1] else made

    def operand(self, x: Any, dtype: np.dtype[Any]) -> Any:
        """An operand of an elementwise operation in the dtype that it computes in."""
        if isinstance(x, DeviceArray):
            return x if x.dtype == dtype else x.astype(dtype)
        data = np.asarray(x, dtype=dtype)
        return data if data.ndim else data[()]

    def function(self, function: Callable[..., Any], args: Any, named: Any) -> Any:
        """A function of NumPy's that met an array of the device."""
        ours = FUNCTIONS.get(function)
        if ours is not None:
            made = ours(self, *args, **named)
            if made is not NotImplemented:
                return made
        module: Any = np
        if function.__module__ == "numpy.linalg":
            module = np.linalg
        return self.call(module, function.__name__, args, named)

    def call(self, module: Any, name: str, args: Any, named: Any) -> Any:
        """The function `name` of np or np.linalg, by the device's own; on the host if it has none."""
        theirs = getattr(self.module if module is np else self.module.linalg, name, None)
        function = getattr(module, name)
        if theirs is None:
            return self.on_host(name, function, args, named)
        return self.tried(name, theirs, function, args, named)

    def tried(self, name: str, theirs: Callable[..., Any], function: Callable[..., Any], args: Any, named: Any) -> Any:
        """`theirs` on the device; where it refuses, NumPy's `function` on the host, which says what is wrong or can."""
        self.select()
        given = [self.raw(x) for x in args]
        options = {key: self.raw(value) for key, value in named.items()}
        try:
            made = self.guarded(theirs, given, options)
        except self.spends as error:
            raise self.full(_largest(args), error) from None
        except Error:
            raise
        except Exception:
            return self.on_host(name, function, args, named)
        return self.wrapped(made, _flat(args))

    def guarded(self, function: Callable[..., Any], args: list[Any], named: dict[str, Any]) -> Any:
        """The call itself; a subclass asks its module to report failures here."""
        return function(*args, **named)

    def on_host(self, name: str, function: Callable[..., Any], args: Any, named: Any) -> Any:
        """The function on the host, its result back on the device; noted."""
        COUNTS.host(name)
        made = function(*map(self.hosted, args), **{key: self.hosted(value) for key, value in named.items()})
        return self.placed(made)

    def hosted(self, x: Any) -> Any:
        """An operand as NumPy takes it."""
        if isinstance(x, DeviceArray):
            return self.fetch(x)[()]
        if isinstance(x, (list, tuple)):
            return x.__class__(map(self.hosted, x)) if any(map(_is_array, x)) else x
        return self.hosted(x.compute()) if hasattr(x, "holders") else x

    def placed(self, made: Any) -> Any:
        """Arrays of the host, sent to the device."""
        if isinstance(made, tuple):
            return tuple(map(self.placed, made))
        if isinstance(made, list):
            return list(map(self.placed, made))
        return self.put(made) if isinstance(made, (np.ndarray, np.generic)) else made

    # Entries

    def index(self, x: DeviceArray, key: Any) -> Any:
        """x[key]. Indices come from the host, where they are held against the shape: a device would not say."""
        key = self.key(x, key)
        self.select()
        try:
            made = x.raw[key]
        except self.spends as error:
            raise self.full(x.nbytes, error) from None
        return self.wrapped(made, (x,))

    def write(self, x: DeviceArray, key: Any, value: Any) -> None:
        """x[key] = value, in place."""
        key = self.key(x, key)
        given = self.raw(value)
        self.select()
        x.raw[key] = given

    def add_at(self, ufunc: np.ufunc, inputs: tuple[Any, ...]) -> None:
        """ufunc.at(x, key, values): repeated entries count each time."""
        x, key, *values = inputs
        if not isinstance(x, DeviceArray):  # only what is added, or where, is on the device
            ufunc.at(x, *map(self.hosted, (key, *values)))
            return
        place = self.key(x, key)
        self.select()
        try:
            getattr(self.module, ufunc.__name__).at(x.raw, place, *map(self.raw, values))
        except Exception:
            COUNTS.host(f"{ufunc.__name__}.at")
            made = self.fetch(x)
            ufunc.at(made, key, *map(self.hosted, values))
            x.raw[...] = self.upload(made)

    def key(self, x: DeviceArray, key: Any) -> Any:
        """An index as the module takes it. IndexError, in NumPy's words, where it does not fit."""
        parts = key if isinstance(key, tuple) else (key,)
        if not any(isinstance(k, (np.ndarray, list, Remote)) for k in parts):
            return key
        if self.inside(x.shape, parts):
            return tuple(map(self.raw, parts)) if isinstance(key, tuple) else self.raw(key)
        parts = tuple(self.fetch(k) if isinstance(k, DeviceArray) else k for k in parts)
        _ = np.broadcast_to(_NOTHING, x.shape)[parts]  # NumPy's own errors for indices that are outside
        made = tuple(self.upload(np.asarray(k)) if isinstance(k, (np.ndarray, list)) else k for k in parts)
        return made if isinstance(key, tuple) else made[0]

    def inside(self, shape: tuple[int, ...], parts: tuple[Any, ...]) -> bool:
        """Whether all indices are arrays of integers, some of them on the device, none outside; False if not sure."""
        if len(parts) > len(shape) or not any(isinstance(k, DeviceArray) for k in parts):
            return False
        if any(not isinstance(k, (DeviceArray, np.ndarray)) or k.dtype.kind not in "iu" or not k.size for k in parts):
            return False
        return all(-n <= int(np.min(k)) and int(np.max(k)) < n for n, k in zip(shape, parts, strict=False))

    def converted(self, x: DeviceArray, dtype: np.dtype[Any], copy: bool) -> DeviceArray:
        """x in another dtype."""
        if not copy and x.dtype == dtype:
            return x
        self.select()
        try:
            return DeviceArray(x.raw.astype(dtype), self)
        except self.spends as error:
            raise self.full(x.size * dtype.itemsize, error) from None


_NOTHING = np.zeros((), np.dtype([]))  # its entries have no bytes, so that any number of them costs nothing


def _is_array(x: Any) -> bool:
    return isinstance(x, (np.ndarray, Remote, list, tuple)) or hasattr(x, "holders")


def _flat(args: Any) -> list[Any]:
    return [part for x in args for part in (x if isinstance(x, (list, tuple)) else (x,))]


def _largest(args: Any) -> int:
    return max((x.nbytes for x in _flat(args) if isinstance(x, DeviceArray)), default=0)


def _kind(x: Any) -> Any:
    """As ufuncs resolve dtypes: a dtype, or Python's type for a number of no dtype."""
    if x.__class__ in (int, float):
        return x.__class__
    return np.dtype(bool) if x.__class__ is bool else np.asarray(x).dtype if not hasattr(x, "dtype") else x.dtype


def _weak(x: Any) -> Any:
    return x if x.__class__ in (int, float, bool) else x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype


# Functions of NumPy's whose meaning, or dtype, a module of another library may see differently


def _where(device: Device, condition: Any, a: Any, b: Any) -> Any:
    dtype = np.result_type(_weak(a), _weak(b))
    test = device.operand(condition, np.dtype(bool))
    given = (test, device.operand(a, dtype), device.operand(b, dtype))
    return device.tried("where", device.module.where, np.where, given, {})


def _extreme(name: str) -> Callable[..., Any]:
    def extreme(device: Device, a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
        if not isinstance(a, DeviceArray) or not a.size:
            return NotImplemented
        made = device.call(np, name, (a,), {"axis": axis, "keepdims": keepdims})
        return made if initial is None else (np.maximum if name == "max" else np.minimum)(made, initial)

    return extreme


def _count_nonzero(device: Device, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.sum(np.not_equal(a, 0), axis=axis, keepdims=keepdims)


def _flatnonzero(device: Device, a: Any) -> Any:
    """How many there are has to be known: counted here, on a copy."""
    return device.put(np.flatnonzero(device.fetch(a)))


def _result_type(device: Device, *given: Any) -> Any:
    return np.result_type(*(x.dtype if isinstance(x, Remote) or hasattr(x, "holders") else x for x in given))


def _copyto(device: Device, dst: Any, src: Any) -> None:
    dst[...] = src


def _cond(device: Device, x: Any, p: Any = None) -> Any:
    """From the singular values, as NumPy's: largest by smallest."""
    if p is not None:
        return NotImplemented
    values = np.linalg.svd(x, compute_uv=False)
    return values[..., 0] / values[..., -1]


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.shape: lambda device, a: a.shape,
    np.ndim: lambda device, a: a.ndim,
    np.size: lambda device, a: a.size,
    np.where: _where,
    np.max: _extreme("max"),
    np.min: _extreme("min"),
    np.amax: _extreme("max"),
    np.amin: _extreme("min"),
    np.count_nonzero: _count_nonzero,
    np.flatnonzero: _flatnonzero,
    np.result_type: _result_type,
    np.copyto: _copyto,
    np.linalg.cond: _cond,
}
