"""DeviceArray: an array whose entries are on a device, for rules and values written for NumPy's arrays.

NumPy's functions and Python's operators on a DeviceArray are done by the device's own functions of the same names,
so nothing that computes says where. What comes in from the host (numbers, small arrays) is sent over; what the
device has no function for is done on the host and sent back, and noted. Reading entries (`np.asarray`, `float`,
`bool`) waits for them and copies them to the host.

Dtypes are NumPy's: operands are converted to what NumPy would compute in before the device sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.tape import Remote

if TYPE_CHECKING:
    from ndgrad.device.interface import Device

Array = np.ndarray[Any, Any]
_REDUCING = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
}
_RUNNING = {"add": "cumsum", "multiply": "cumprod"}


class DeviceArray(Remote):
    """An array on a device.

    raw     the device's own array     device  where it is
    base    the DeviceArray that owns the memory, None for an owner: writes are noted for owners
    """

    __slots__ = ("__weakref__", "base", "device", "raw")

    def __init__(self, raw: Any, device: Device, base: DeviceArray | None = None) -> None:
        self.raw = raw
        self.device = device
        self.base = base

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.raw.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        found: np.dtype[Any] = self.raw.dtype
        return found

    @property
    def ndim(self) -> int:
        return len(self.raw.shape)

    @property
    def size(self) -> int:
        return int(self.raw.size)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        return tuple(self.raw.strides)

    @property
    def flags(self) -> Any:
        return _Flags(self.raw.flags)

    @property
    def T(self) -> Any:
        return np.transpose(self)

    @property
    def flat(self) -> Any:
        return self.reshape(-1)

    def __len__(self) -> int:
        if not self.raw.shape:
            raise TypeError("len() of a 0-d array")
        return int(self.raw.shape[0])

    def __iter__(self) -> Iterator[Any]:
        for i in range(len(self)):
            yield self[i]

    def __repr__(self) -> str:
        return f"<DeviceArray {self.shape} {self.dtype} on {self.device}>"

    # Reading: the entries come to the host

    def __str__(self) -> str:
        return str(self.device.read(self)[()])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.device.read(self), dtype=dtype)

    def item(self) -> Any:
        return self.device.read(self).item()

    def tolist(self) -> Any:
        return self.device.read(self).tolist()

    def __bool__(self) -> bool:
        return bool(self.device.read(self))

    def __int__(self) -> int:
        return int(self.device.read(self))

    def __float__(self) -> float:
        return float(self.device.read(self))

    def __index__(self) -> int:
        return self.device.read(self).__index__()

    # As NumPy sees it

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **named: Any) -> Any:
        if any(not isinstance(x, DeviceArray) and (hasattr(x, "_node") or hasattr(x, "holders")) for x in inputs):
            return NotImplemented  # recorded and deferred arrays have operations of their own
        device = self.device
        out = named.pop("out", None)
        if method == "__call__" and not named and ufunc.nout == 1:
            made = device.apply(ufunc, inputs)
        elif method == "reduce" and ufunc.__name__ in _REDUCING and set(named) <= {"axis", "keepdims"}:
            named.setdefault("axis", 0)
            made = device.call(np, _REDUCING[ufunc.__name__], inputs, named)
        elif method == "accumulate" and ufunc.__name__ in _RUNNING and set(named) <= {"axis"}:
            named.setdefault("axis", 0)
            made = device.call(np, _RUNNING[ufunc.__name__], inputs, named)
        elif method == "at" and not named:
            return device.add_at(ufunc, inputs)
        else:
            made = device.on_host(f"{ufunc.__name__}.{method}", getattr(ufunc, method), inputs, named)
        if out is None:
            return made
        out[0][...] = made
        return out[0]

    def __array_function__(self, function: Any, types: Any, args: Any, named: Any) -> Any:
        if any(hasattr(t, "settle") for t in types):
            return NotImplemented  # deferred arrays have forms of their own
        return self.device.function(function, args, named)

    # Entries

    def __getitem__(self, key: Any) -> Any:
        return self.device.index(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.device.write(self, key, value)

    # The methods that rules use

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        return self.device.converted(self, np.dtype(dtype), copy)

    def copy(self) -> DeviceArray:
        return self.device.converted(self, self.dtype, True)

    def fill(self, value: Any) -> None:
        self[...] = value

    def patched(self, where: Any, x: Any, exact: Callable[[Any], Any]) -> Any:
        """Itself, but exact(x) where `where` holds."""
        return np.where(where, exact(x), self)

    def reshape(self, *shape: Any) -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)

    def ravel(self) -> Any:
        return np.ravel(self)

    def transpose(self, *axes: Any) -> Any:
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        return np.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        return np.mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        return np.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        return np.min(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Any = None) -> Any:
        return np.all(self, axis=axis)

    def any(self, axis: Any = None) -> Any:
        return np.any(self, axis=axis)

    __hash__ = object.__hash__


class _Flags:
    """What callers ask of the memory's order. A device's memory may always be written."""

    __slots__ = ("c_contiguous",)
    writeable = True

    def __init__(self, flags: Any) -> None:
        self.c_contiguous = bool(flags.c_contiguous)


def _binary(ufunc: np.ufunc, swapped: bool) -> Any:
    def operator(self: DeviceArray, other: Any) -> Any:
        if hasattr(other, "_node") or hasattr(other, "holders"):
            return NotImplemented
        return ufunc(other, self) if swapped else ufunc(self, other)

    return operator


def _unary(ufunc: np.ufunc) -> Any:
    return lambda self: ufunc(self)


for _name, _ufunc in (
    ("add", np.add),
    ("sub", np.subtract),
    ("mul", np.multiply),
    ("truediv", np.divide),
    ("floordiv", np.floor_divide),
    ("mod", np.remainder),
    ("pow", np.power),
    ("matmul", np.matmul),
    ("and", np.bitwise_and),
    ("or", np.bitwise_or),
    ("xor", np.bitwise_xor),
):
    setattr(DeviceArray, f"__{_name}__", _binary(_ufunc, swapped=False))
    setattr(DeviceArray, f"__r{_name}__", _binary(_ufunc, swapped=True))
for _name, _compares in (
    ("lt", np.less),
    ("le", np.less_equal),
    ("gt", np.greater),
    ("ge", np.greater_equal),
    ("eq", np.equal),
    ("ne", np.not_equal),
):
    setattr(DeviceArray, f"__{_name}__", _binary(_compares, swapped=False))
for _name, _changes in (("neg", np.negative), ("pos", np.positive), ("abs", np.absolute), ("invert", np.invert)):
    setattr(DeviceArray, f"__{_name}__", _unary(_changes))
