"""NDArray: a NumPy array (or NumPy scalar) that knows the node that made it.

The operators and methods are the registered operations; `ndgrad.ops` puts them on the class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from sys import getrefcount
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ndgrad import problems
from ndgrad.errors import Error
from ndgrad.tape import STATE, General, GradReq, Node, Remote, Sink, note_write, owner_of

SUPPORTED = frozenset(map(np.dtype, ("float64", "float32", "int64", "bool", "int32", "int8", "uint8", "float16")))


class NDArray:
    """An array of numbers that can be differentiated.

    `data` is the value over plain arrays: an ndarray, or a NumPy scalar for a 0-d result.
    `node` is the recorded operation that made it, or None.
    """

    __slots__ = ("__weakref__", "_data", "_grad", "_node", "_truth")
    traced: ClassVar[bool] = False  # whether it is inside a transformation (jvp, vmap)
    counts: ClassVar[bool] = False  # whether it stands for a Python number, which may be an index

    _data: Any
    _node: Node | None
    _grad: NDArray | None
    _truth: bool  # set on the result of a comparison: floats of 0 and 1 that index as a mask

    def __init__(self, data: Any, node: Node | None = None) -> None:
        self._data = data
        self._node = node

    # What it is

    @property
    def data(self) -> Any:
        """The plain array or scalar. Not a copy: never write into it."""
        return self._data

    @property
    def node(self) -> Node | None:
        return self._node

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self._data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self._data.size  # type: ignore[no-any-return]

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return self.shape[0]

    # The values, outside

    def asnumpy(self) -> npt.NDArray[Any]:
        """A copy of the values as a NumPy array."""
        return np.array(self._data)

    def item(self) -> Any:
        """The one entry as a Python number. E308 unless there is exactly one."""
        if self.size != 1:
            raise problems.not_one_value("item()", self.shape)
        return self._data.item()

    def __bool__(self) -> bool:
        if self.size != 1:
            raise problems.not_one_value("a truth value", self.shape)
        return bool(self._data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu" or self.size != 1:
            raise TypeError("only an integer array with one entry can be used as an index")
        return int(self._data)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Read-only where it is no copy: a derivative that needs the values would not notice a write."""
        made = np.asarray(self._data, dtype=dtype)
        if copy:
            return made.copy()
        if isinstance(self._data, np.ndarray) and made.dtype == self._data.dtype and made.flags.writeable:
            made = made.view()
            made.flags.writeable = False
        return made

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **named: Any) -> Any:
        if method == "__call__" and not named:
            from ndgrad.ops import find

            op = find(ufunc.__name__)
            if op is not None:
                return op.call(*inputs)
        from ndgrad.dispatch import apply_ufunc

        return apply_ufunc(ufunc, method, inputs, named)

    def __array_function__(self, function: Any, types: Any, args: Any, named: Any) -> Any:
        from ndgrad.dispatch import apply_function

        return apply_function(function, args, named)

    def __repr__(self) -> str:
        parts = ("NDArray", "x".join(map(str, self.shape)), f"@{self.context}")
        return f"{np.asarray(self._data)!s}\n<{' '.join(filter(None, parts))}>"

    def __iter__(self) -> Iterator[NDArray]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        for i in range(self.shape[0]):
            yield self[i]

    # Gradients

    @property
    def grad(self) -> NDArray | None:
        """The gradient that the last backward stored here, or None without attach_grad."""
        try:
            return self._grad
        except AttributeError:  # most arrays never have one, and making them should not pay for it
            return None

    def attach_grad(self, grad_req: GradReq = "write", stype: str | None = None) -> None:
        """Ask for this array's gradient: a buffer of zeros now, filled by backward.

        On a leaf this starts a new history; on a recorded intermediate the graph stays, and that
        intermediate's gradient is stored. grad_req: "write" each time, "add" up, or "null" for none.
        E401 unless the dtype is a float; E307 for another request or storage type.
        """
        if grad_req not in ("write", "add", "null"):
            raise problems.bad_argument("attach_grad", f"grad_req is 'write', 'add' or 'null', not {grad_req!r}")
        if stype not in (None, "default"):
            raise problems.bad_argument("attach_grad", f"there are dense gradients only, not stype={stype!r}")
        if self.dtype.kind != "f":
            raise problems.not_a_float(self.dtype)
        zeros = np.zeros(self.shape, self.dtype) if STATE.remote is None else STATE.remote.zeros_beside(self)
        self._grad = NDArray(zeros)
        if zeros.nbytes >= STATE.defer_from or STATE.remote is not None:
            enlarge(self)
            enlarge(self._grad)
        if self._node is None:
            self._node = General(None, (), (), (), self.shape, self.dtype)
        self._node.mark(sink=Sink(self._grad, grad_req))
        if self._node.op is None:
            leaves()[id(self)] = self

    def drop_grad(self) -> None:
        """Undo attach_grad: no gradient is stored here any more."""
        self._grad = None
        if self._node is not None:
            self._node.sink = None
            if self._node.op is None:
                self._node = None

    def requires_grad_(self, requires_grad: bool = True) -> NDArray:
        """The implicit style: from now on operations on this array are recorded without record().

        Gradients accumulate in `.grad`; `.grad.zero_()` starts over. Returns the array itself.
        """
        if requires_grad:
            self.attach_grad("add")
            assert self._node is not None
            self._node.mark(implicit=True)
        else:
            self.drop_grad()
        return self

    def zero_(self) -> NDArray:
        """Set every entry to 0, in place: a write like any other. Returns the array itself."""
        if self._node is not None or self.traced:
            self[...] = 0
        else:
            self._writable()[...] = 0
            note_write(self._data)
        return self

    def detach(self) -> NDArray:
        """The same values (the same buffer) with no history."""
        return NDArray(self._data)

    def twin(self) -> NDArray:
        """Another array that is the same thing, without its node."""
        return self.detach()

    def _writable(self) -> npt.NDArray[Any]:
        """The buffer, made an array of its own where the value is a scalar or read-only."""
        if isinstance(self._data, np.generic) or not self._data.flags.writeable:
            self._data = np.array(self._data)
        elif STATE.fusion is not None:
            STATE.fusion.before_write(self._data)
        return self._data  # type: ignore[no-any-return]

    def converted(self, dtype: np.dtype[Any]) -> NDArray:
        """The values in another dtype, with no history."""
        return NDArray(self._data.astype(dtype))

    def backward(self, out_grad: Any = None, retain_graph: bool = False, train_mode: bool = True) -> None:
        """Fill `.grad` of every array with attach_grad that this one depends on.

        out_grad: the cotangent arriving, of this array's shape; ones unless given.
        """
        from ndgrad.autograd import backward

        backward(self, out_grad, retain_graph=retain_graph, train_mode=train_mode)

    # Reading and writing entries

    def __getitem__(self, key: Any) -> NDArray:
        from ndgrad.ops.indexing import index

        return index.call(self, self._as_key(key))  # type: ignore[no-any-return]

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write entries in place. Under recording this differentiates, and the array takes the new history.

        Other arrays of the same memory (views, and what this is a view of) have the new values too, as in NumPy,
        but not the history: recorded operations on them are refused from then on. Errors: E405, as for a write of
        recorded values into memory that an array without a history shares.
        """
        from ndgrad.ops.indexing import plain_key, update

        before, tracked = self._node, isinstance(value, NDArray) and value._node is not None
        recording = STATE.recording and (before is not None or tracked)
        if recording is True and before is None and not self.traced and shares_memory(self):
            raise problems.shared_memory()
        key = self._as_key(key)
        if value is None:
            raise problems.not_an_array("a write", value)
        made = update(self, key, value)  # checks everything before a single entry changes
        if made.traced:
            if self.traced and shares_memory(self, view=True):
                raise problems.shared_memory()
            self._become(made)
            return
        if STATE.recording is None and (before is None or before.op is not None):
            recording = made._node is not None  # in the implicit style
        self._writable()[plain_key(key)] = value._data if isinstance(value, NDArray) else value
        note_write(self._data, made._node if recording else None)
        if recording:
            self._node = made._node
            if before is not None and before.op is not None and before.sink is not None and made._node is not None:
                made._node.mark(sink=before.sink)  # of this array as it is now
                before.sink = None

    def _as_key(self, key: Any) -> Any:
        """The index, the result of a comparison as a mask. E303 for floats that might be a mask or positions."""
        if isinstance(key, tuple):
            return tuple(map(self._as_key, key))
        if not isinstance(key, NDArray) or key.dtype.kind != "f" or not key.ndim:
            return key
        values = np.asarray(plain(key))
        try:
            if key._truth:
                return values != 0
        except AttributeError:
            pass
        if key.shape == self.shape[: key.ndim] and key.size and np.all((values == 0) | (values == 1)):
            reason = "floats of 0 and 1 could be a mask or positions"
            raise problems.bad_index(reason, key.shape, "say which: key.astype('bool') or key.astype('int64')")
        return key

    def _become(self, made: NDArray) -> None:
        """Take over what a write of traced values made. E412: a plain array cannot hold tangents or a batch."""
        raise problems.cannot_hold_traced()

    # Places, kinds and copies

    @property
    def context(self) -> Any:
        """The device that holds the values."""
        from ndgrad.context import cpu

        return cpu() if STATE.remote is None else STATE.remote.context_of(self)

    ctx = context

    def as_in_context(self, context: Any) -> NDArray:
        """This array on the given device; itself if it is there. Recorded like any operation.

        E701 to E704 where that device cannot be used, E307 for what is no context.
        """
        from ndgrad.context import as_context

        context = as_context(context)
        here = self.context
        if context.device_type == here.device_type == "cpu" or context == here:
            return self
        from ndgrad.ops import lookup

        if context.device_type != "cpu":
            from ndgrad.device.running import device_for

            device_for(context)
        return lookup("transfer").call(self, context, here)  # type: ignore[union-attr, no-any-return]

    def copyto(self, other: Any) -> NDArray:
        """Copy the values into another array (cast to its dtype), or to a device. Returns the copy."""
        if not isinstance(other, NDArray):
            there = self.as_in_context(other)
            return self.copy() if there is self else there
        if other.shape != self.shape:
            raise problems.does_not_fit("copyto", "the arrays have different shapes", (self.shape, other.shape))
        other[...] = self
        return other

    def wait_to_read(self) -> None:
        """Return when the values exist."""
        if STATE.remote is not None:
            STATE.remote.wait(self)

    def asscalar(self) -> Any:
        """The one entry as a Python number. E308 unless there is exactly one."""
        return self.item()

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return np.asarray(self._data).tolist()

    def __reduce__(self) -> Any:
        """Pickled are the values: a file holds no history."""
        return _rebuilt, (np.asarray(self._data),)

    def __dlpack__(self, **named: Any) -> Any:
        """The buffer itself: a derivative recorded before does not notice what others write into it."""
        return _shared(self._data).__dlpack__(**named)

    def __dlpack_device__(self) -> tuple[int, int]:
        made: tuple[int, int] = _shared(self._data).__dlpack_device__()
        return made

    def __copy__(self) -> NDArray:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> NDArray:
        """A copy as of `copy`; of an array with attach_grad one that has it too, with a gradient of its own."""
        if self._node is None or self._node.op is not None or self._node.sink is None or self.grad is None:
            return self.copy()
        made = NDArray(self.copy()._data)
        made.attach_grad(self._node.sink.req)
        made.grad[...] = self.grad  # type: ignore[index]
        if self._node.implicit:
            made._node.mark(implicit=True)  # type: ignore[union-attr]
        return made

    def copy(self) -> NDArray:
        """A copy with a buffer of its own; recorded like any operation."""
        from ndgrad.ops import REGISTRY

        made: NDArray = REGISTRY["positive"].call(self)
        if made._data is self._data:
            made._data = np.array(self._data) if STATE.remote is None else STATE.remote.own(self._data)
        return made

    if TYPE_CHECKING:  # put on the class by ndgrad.ops

        def __add__(self, other: Any) -> NDArray: ...
        def __radd__(self, other: Any) -> NDArray: ...
        def __sub__(self, other: Any) -> NDArray: ...
        def __rsub__(self, other: Any) -> NDArray: ...
        def __mul__(self, other: Any) -> NDArray: ...
        def __rmul__(self, other: Any) -> NDArray: ...
        def __truediv__(self, other: Any) -> NDArray: ...
        def __rtruediv__(self, other: Any) -> NDArray: ...
        def __floordiv__(self, other: Any) -> NDArray: ...
        def __rfloordiv__(self, other: Any) -> NDArray: ...
        def __mod__(self, other: Any) -> NDArray: ...
        def __rmod__(self, other: Any) -> NDArray: ...
        def __pow__(self, other: Any) -> NDArray: ...
        def __rpow__(self, other: Any) -> NDArray: ...
        def __matmul__(self, other: Any) -> NDArray: ...
        def __rmatmul__(self, other: Any) -> NDArray: ...
        def __neg__(self) -> NDArray: ...
        def __pos__(self) -> NDArray: ...
        def __abs__(self) -> NDArray: ...
        def __lt__(self, other: Any) -> NDArray: ...
        def __le__(self, other: Any) -> NDArray: ...
        def __gt__(self, other: Any) -> NDArray: ...
        def __ge__(self, other: Any) -> NDArray: ...

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The method form of every function of `nd`: x.sum(axis=0) is nd.sum(x, axis=0)."""
        if not name.startswith("_"):
            from ndgrad import nd

            call = getattr(nd, name, None)
            if callable(call) and not isinstance(call, type):
                return lambda *args, **named: call(self, *args, **named)
        raise AttributeError(f"NDArray has no attribute {name!r}")

    def reshape(self, *shape: Any, **named: Any) -> NDArray:
        """The same entries in another shape, given as a tuple or as several sizes; MXNet's codes 0, -1 … -4 hold."""
        from ndgrad.aliases import reshape

        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        made: NDArray = reshape(self, named.pop("shape", sizes), **named)
        return made

    def transpose(self, *axes: Any) -> NDArray:
        """The axes in another order, given as a tuple or one by one; reversed if none is given."""
        from ndgrad.ops import lookup

        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return lookup("transpose").call(self, order)  # type: ignore[union-attr, no-any-return]

    @property
    def T(self) -> NDArray:
        """The array with its axes in reverse order."""
        from ndgrad.ops import REGISTRY

        return REGISTRY["transpose"].call(self)  # type: ignore[no-any-return]

    __hash__ = object.__hash__


def _shared(data: Any) -> Any:
    """What has the buffer to share: NumPy's array, or the device's own."""
    return data.raw if isinstance(data, Remote) else np.asarray(data)


def _rebuilt(data: Any) -> NDArray:
    return NDArray(data)


def _references(x: NDArray) -> int:
    """What refers to the array that owns the memory of x."""
    return getrefcount(owner_of(x._data))


def shares_memory(x: NDArray, view: bool = False) -> bool:
    """Whether anything else sees the memory of x; view: if x is a view of it."""
    if not isinstance(x._data, np.ndarray) or not x._data.flags.writeable:
        return False  # a write makes it an array of its own
    if isinstance(x._data.base, np.ndarray):
        return _references(x) > _references(_VIEW)
    return not view and _references(x) > _references(_OWNER)


_OWNER = NDArray(np.zeros(1))
_VIEW = NDArray(np.zeros(1)[:])


def leaves() -> Any:
    """The arrays with attach_grad that this thread has, weakly held."""
    if STATE.leaves is None:
        from weakref import WeakValueDictionary

        STATE.leaves = WeakValueDictionary()
    return STATE.leaves


_make = NDArray.__new__


def new_array(data: Any, node: Node | None = None) -> NDArray:
    """An NDArray around `data`, without the cost of a constructor."""
    made = _make(NDArray)
    made._data = data
    made._node = node
    return made


def plain(value: Any) -> Any:
    """`value` without its history: the plain array of an NDArray (through any tracing), else itself."""
    while isinstance(value, NDArray):
        value = value.data
    return value


def array(obj: Any, dtype: npt.DTypeLike | None = None) -> NDArray:
    """A new NDArray with a copy of `obj`'s values.

    Python numbers and lists become the default float (float32; see autograd.default_dtype) unless
    they are booleans; NumPy and ndgrad arrays keep their dtype. E601 for dtypes that ndgrad does not compute with,
    E310 for rows that differ in length, E307 for values that the dtype does not have.
    """
    if isinstance(obj, NDArray):
        obj = plain(obj)
    if isinstance(obj, Remote):
        obj = np.asarray(obj)
    try:
        if dtype is None and not isinstance(obj, (np.ndarray, np.generic)):
            made = np.array(obj)
            dtype = bool if made.dtype.kind == "b" else STATE.float_dtype
            if made.dtype.kind not in "biuf":
                raise problems.unsupported_dtype(made.dtype)
        made = np.array(obj, dtype=dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise _no_array(obj, dtype, error) from None
    if not made.dtype.isnative:
        made = made.astype(made.dtype.newbyteorder("="))
    if made.dtype not in SUPPORTED:
        raise problems.unsupported_dtype(made.dtype)
    return held(made)


def _no_array(obj: Any, dtype: Any, error: Exception) -> Error:
    """Why NumPy makes no array of `obj`."""
    dtype_of(dtype)
    if "inhomogeneous" in str(error) or "sequence" in str(error):
        return problems.ragged("an array")
    return problems.bad_argument("array", str(error).splitlines()[0])


def dtype_of(dtype: npt.DTypeLike | None) -> np.dtype[Any]:
    """A dtype as NumPy's, the default float for None. E601 for what is none, or is not computed with."""
    try:
        found = STATE.float_dtype if dtype is None else np.dtype(dtype)
    except TypeError:
        raise problems.unsupported_dtype(repr(dtype)) from None
    if found not in SUPPORTED:
        raise problems.unsupported_dtype(found)
    return found


def held(data: npt.NDArray[Any]) -> NDArray:
    """An NDArray around `data` itself, on which operations wait where it is large."""
    array = NDArray(data)
    if data.nbytes >= STATE.defer_from:
        enlarge(array)
    return array


def enlarge(x: NDArray) -> None:
    """Make operations on this large array deferred (where its dtype allows it)."""
    if STATE.fusion is None:
        from ndgrad.fusion import large

        type(STATE).fusion = large
    STATE.fusion.enlarge(x)
