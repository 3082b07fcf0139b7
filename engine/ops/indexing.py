"""Reading and writing entries: index, its transpose, and the write that makes a new array."""

from __future__ import annotations

from collections.abc import Callable
from types import EllipsisType
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.apply import attach, refuse_written
from ndgrad.dtypes import first
from ndgrad.namespace import PLAIN, plain, unbroadcast
from ndgrad.ndarray import NDArray, new_array
from ndgrad.primitive import Primitive, primitive
from ndgrad.sweep import Scattered
from ndgrad.tape import KEEPING, STATE, General, Remote
from ndgrad.tape import written as overwrites

BASIC = (int, np.integer, slice, EllipsisType, type(None))


def plain_key(key: Any) -> Any:
    """An index with NDArrays and lists replaced by NumPy arrays, arrays of whole floats by integers. Errors: E310."""
    if isinstance(key, tuple):
        return tuple(plain_key(k) for k in key)
    if isinstance(key, slice):
        return slice(plain_key(key.start), plain_key(key.stop), plain_key(key.step))
    if isinstance(key, (NDArray, np.ndarray, Remote)):
        if isinstance(key, NDArray) and key.counts:
            return key
        given = key.data if isinstance(key, NDArray) else key
        data = given.device.fetch(given) if isinstance(given, Remote) else np.asarray(given)  # indices are the host's
        if data.dtype.kind == "f" and np.all((data == np.round(data)) & (np.abs(data) < 2.0**63)):
            data = data.astype(np.int64)  # MXNet's indices are floats
        return int(data) if data.ndim == 0 and data.dtype.kind in "iu" else data
    if isinstance(key, list):
        try:
            return np.asarray([plain_key(k) for k in key], dtype=None if key else np.int64)
        except ValueError:
            raise problems.ragged("an index") from None
    return key


def is_basic(key: Any) -> bool:
    """Whether the index takes every entry at most once by its form: integers, slices, `...`, None."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(isinstance(k, BASIC) and not isinstance(k, bool) for k in parts)


def is_unique(key: Any) -> bool:
    """Whether no entry can be taken twice: basic indices and masks."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(isinstance(k, BASIC) or getattr(k, "dtype", None) == np.bool_ for k in parts)


_NOTHING = np.zeros((), np.dtype([]))  # its entries have no bytes, so that any number of them costs nothing


def indexed(x: tuple[int, ...], key: Any) -> tuple[int, ...]:
    """The shape of x[key]. E303 for an index outside the array, or of a kind that does not index."""
    key = plain_key(key)
    try:
        return np.shape(np.broadcast_to(_NOTHING, x)[key])
    except (IndexError, ValueError, TypeError) as error:
        raise _index_error(error, x, key) from None


def _index_error(error: Exception, shape: tuple[int, ...], key: Any) -> Exception:
    text = str(error)
    if isinstance(error, ValueError) and "step" in text:
        return problems.bad_index("the step of a slice is not 0", shape)
    parts = key if isinstance(key, tuple) else (key,)
    if "too many indices" in text or "invalid index to scalar" in text:
        taken = sum(1 for k in parts if k is not None and k is not Ellipsis)
        indices, axes = "index" if taken == 1 else "indices", "axis" if len(shape) == 1 else "axes"
        return problems.bad_index(f"{taken} {indices} for {len(shape)} {axes}", shape)
    if "out of bounds" in text:
        numbers = [k for k in parts if isinstance(k, (int, np.integer))]
        words = text.split()
        axis = int(words[words.index("axis") + 1]) if "axis" in words else 0
        value = words[words.index("index") + 1] if "index" in words else str(numbers[0] if numbers else "")
        size = shape[axis] if axis < len(shape) else 0
        cure = f"axis {axis} has {size} entries: 0 to {size - 1}, or -{size} to -1" if size else f"axis {axis} is empty"
        return problems.bad_index(f"index {value} is outside the array", shape, cure)
    if "boolean index did not match" in text:
        masks = [k.shape for k in parts if getattr(k, "dtype", None) == np.bool_]
        return problems.bad_index(f"a mask of shape {masks[0] if masks else '?'} does not fit", shape)
    if "shape mismatch" in text:
        return problems.bad_index("the index arrays do not broadcast together", shape)
    return problems.bad_index(
        "this is not an index", shape, "use integers, slices, `...`, None, masks or integer arrays"
    )


@plain
def scattered(g: Any, shape: tuple[int, ...], key: Any) -> Any:
    """Zeros of `shape` with g added at `key`; kept unspread until it meets other cotangents."""
    return Scattered(g, key, shape, is_unique(key))


@plain
def scatter(x: Any, shape: tuple[int, ...], key: Any) -> Any:
    """Zeros of `shape` with x added at `key`, repeated entries adding up."""
    return Scattered(x, key, shape, is_unique(key)).dense()


@plain
def index_plain(x: Any, key: Any) -> Any:
    """x[key] over plain arrays, with an error that a user understands."""
    try:
        return x[key]
    except (IndexError, ValueError, TypeError) as error:
        raise _index_error(error, np.shape(x), key) from None


def _written(x: tuple[int, ...], value: tuple[int, ...], key: Any) -> tuple[int, ...]:
    place = indexed(x, key)
    try:
        fits = np.broadcast_shapes(place, value) == place
    except ValueError:
        fits = False
    if not fits:
        raise problems.does_not_fit("a write", f"{problems.shown(value)} does not fit the entries written", (x, place))
    return x


def _scattered(x: tuple[int, ...], shape: tuple[int, ...], key: Any) -> tuple[int, ...]:
    return _written(shape, x, key)


def _scatter_entry(name: str) -> Primitive:
    return primitive(
        name,
        value=lambda F, x, shape, key: F.scatter(x, shape, key),
        vjps=[lambda F, g, key: F.index(g, key)],
        linear="jointly",
        routes=True,
        shape=_scattered,
        written="({x} at [{key}])",
        internal=True,
    )


scatter_ = _scatter_entry("scatter")
scattered_ = _scatter_entry("scattered")

index = primitive(
    "index",
    value=lambda F, x, key: F.index_plain(x, plain_key(key)),
    vjps=[lambda F, g, x_shape, key: F.scattered(g, x_shape, key)],
    linear="jointly",
    routes=True,
    shape=indexed,
    written="{x}[{key}]",
    example="index([10, 20, 30], -1) -> 30",
)


def _reading(slow: Callable[..., Any]) -> Callable[..., Any]:
    """The call of `index`, with a short way for integers and slices: loops read entries one by one."""
    state, basic, saved = STATE, frozenset({int, slice}), (None, None)

    def call(x: Any, key: Any) -> Any:
        recording = state.recording
        if x.__class__ is not NDArray or recording is KEEPING:
            return slow(x, plain_key(key))
        if key.__class__ not in basic and (key.__class__ is not tuple or not basic.issuperset(map(type, key))):
            return slow(x, plain_key(key))
        p = x._node
        try:
            y = x._data[key]
        except (IndexError, ValueError, TypeError):
            return slow(x, plain_key(key))
        if p is None:
            return new_array(y)
        implicit = p.marked and p.implicit
        if not recording and (recording is False or not implicit):
            return new_array(y)
        if overwrites:
            refuse_written(index, (x._data,), (p,))
        node = General(index, (p,), saved, (key,), y.shape, y.dtype)
        node.shapes = (p.form.shape,)
        if implicit:
            node.mark(implicit=True)
        return new_array(y, node)

    return call


index.call = _reading(index.call)


@plain
def update_plain(x: Any, value: Any, key: Any) -> Any:
    """A copy of x in which the entries at `key` are `value`."""
    made = np.array(x) if STATE.remote is None else STATE.remote.own(x, value)
    try:
        made[key] = value
    except IndexError as error:
        raise _index_error(error, np.shape(x), key) from None
    return made


@plain
def last_written(shape: tuple[int, ...], key: Any) -> Any:
    """For a write at `key`: which of the written entries are still there afterwards (repeats overwrite)."""
    place = np.full(shape, -1, dtype=np.int64)
    entries = np.arange(place[key].size).reshape(place[key].shape)
    place[key] = entries
    return place[key] == entries


def _written_value_vjp(F: Any, g: Any, value_shape: Any, x_shape: Any, key: Any) -> Any:
    taken = F.index(g, key)
    if not is_unique(key):
        taken = F.where(last_written(x_shape, key), taken, 0.0)
    return unbroadcast(taken, value_shape, F)


def _written_reusing(g: Any, x_shape: Any, value_shape: Any, key: Any) -> tuple[Any, Any]:
    taken = _written_value_vjp(PLAIN, g, value_shape, x_shape, key)
    if isinstance(taken, np.ndarray):
        taken = taken.copy()  # it may be a view of g
    g[key] = 0
    return g, taken


written = primitive(
    "written",
    value=lambda F, x, value, key: F.update_plain(x, value, plain_key(key)),
    vjps=[lambda F, g, key: F.written(g, 0.0, key), _written_value_vjp],
    linear="jointly",
    routes=True,
    shape=_written,
    dtype=first,
    written="{x} with [{key}] = {value}",
    precedence=30,  # what is written reaches as far as the value does
    internal=True,
    reuse=_written_reusing,
)


def update(x: Any, key: Any, value: Any) -> NDArray:
    """A new array in which x[key] is `value`. The overwritten entries get no gradient, the value gets its slice."""
    return written.call(x, value, plain_key(key))  # type: ignore[no-any-return]


def overwrite(x: NDArray, key: Any, value: Any) -> NDArray:
    """As `update`, but in x's own buffer: only for an x that nothing else refers to, and that is not used again.

    x owns its buffer; x and value are plain or recorded arrays, not traced ones. Errors as for `update`,
    and x is then as it was.
    """
    key = plain_key(key)
    data = x._data
    given = value._data if isinstance(value, NDArray) else value
    try:
        data[key] = given
    except Exception:
        return update(x, key, value)  # which says what is wrong
    parents = x._node, value._node if isinstance(value, NDArray) else None
    return attach(written, data, (x, value), (data, given), parents, (key,))  # type: ignore[no-any-return]
