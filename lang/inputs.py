"""What a program takes: values bound by the caller made arrays, and held against their declarations."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.errors import Span
from ndgrad.lang import problems, syntax
from ndgrad.lang.builtins import DTYPES
from ndgrad.lang.values import operand, shown_shape
from ndgrad.ndarray import NDArray, array, held, plain
from ndgrad.tape import STATE as ENGINE

if TYPE_CHECKING:
    from ndgrad.lang.state import State

_KEPT = frozenset(map(np.dtype, ("float64", "float32", "int64", "bool")))
_SURE = 1 << 24  # up to here every float holds every integer
_WRITTEN: dict[int, Any] = {}  # by the id of an array made of plain numbers: these, where floats may not hold them


def taken(name: str, value: Any, dtype: Any, span: Span | None, how: str | None) -> NDArray:
    """A value bound by the caller, as an array of its own; one that is read-only is that already. E604.

    Arrays keep their dtype, other sizes of integers become int64; with `dtype`, floats become that.
    Python numbers and lists become the default float; for an input that is declared to hold integers they are
    remembered as they were written.
    """
    if isinstance(value, NDArray):
        value = np.asarray(plain(value))
    try:
        data = np.asarray(value)
    except Exception:
        what = "no array: its rows differ in length, or it holds other things than numbers"
        raise problems.raised(problems.unsupported_input(name, what, span, how)) from None
    written = not (isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "__array__"))
    if written and data.dtype.kind == "O":
        data = _as_floats(data)  # integers of more than 64 bits
    kind = data.dtype.kind
    if kind not in "biuf" or (data.dtype.itemsize == 2 and kind == "f") or data.dtype.itemsize > 8:
        what = "text" if kind in "US" else f"of dtype {data.dtype}"
        raise problems.raised(problems.unsupported_input(name, what, span, how))
    if not written:
        native = data.dtype.newbyteorder("=")
        wanted = np.dtype(dtype) if kind == "f" and dtype is not None else native if native in _KEPT else np.int64
        if data.dtype == wanted and data.flags.owndata and not data.flags.writeable:
            return held(data)
        return array(data, wanted)
    made = array(data, np.bool_ if kind == "b" else ENGINE.float_dtype)
    if kind != "b" and np.any(np.abs(data.astype(np.float64)) > _SURE):
        _WRITTEN[id(made)] = value
        weakref.finalize(made, _WRITTEN.pop, id(made), None)
    return made


def _as_floats(data: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array of Python numbers as floats; as it is where it holds something else."""
    if not all(entry.__class__ in (int, float) for entry in data.flat):
        return data
    try:
        return data.astype(np.float64)
    except OverflowError:
        return data


def declared(node: syntax.Input, state: State, default: Any) -> tuple[NDArray, dict[str, int]]:
    """The value of a declared input, held against its declaration, with the sizes it gives names to."""
    name = node.name
    how = state.bound_by.get(name)
    x = state.given.get(name)
    span = node.span
    if x is None:
        assert node.default is not None
        value = operand(default, "an input", node.default.span)
        x = value if isinstance(value, NDArray) else taken(name, value, None, span, None)
    if node.dtype is not None:
        x = _converted(node, x, how, bound=name in state.given)
    sizes = {} if node.dims is None else _sizes(node, node.dims, x.shape, state, how)
    if name in state.wanted or (state.follow and x.dtype.kind == "f"):
        track(name, x, span)
    state.inputs[name] = x
    return x, sizes


def track(name: str, x: NDArray, span: Span | None) -> None:
    """Make `x` an array to differentiate by. E401."""
    if x.dtype.kind != "f":
        raise problems.raised(problems.no_gradient_of(name, str(x.dtype), span, "gradients by"))
    if x.node is None:
        x.attach_grad()


def _converted(node: syntax.Input, x: NDArray, how: str | None, bound: bool) -> NDArray:
    assert node.dtype is not None
    wanted = str(ENGINE.float_dtype) if node.dtype == "float" else DTYPES[node.dtype]
    if str(x.dtype) == wanted:
        return x
    data = np.asarray(plain(x))
    if x.node is not None and wanted.startswith("float"):
        from ndgrad.ops import find

        astype = find("astype")
        assert astype is not None
        made: NDArray = astype.call(x, wanted)
        return made
    if wanted == "int64" and x.dtype.kind == "f":
        written = _WRITTEN.get(id(x))
        if written is None and not bound and node.default is not None:
            written = _literal(node.default)
        data, fits = _integers(written, data)
    else:
        fits = wanted != "bool" or bool(np.all(np.isin(data, (0, 1))))
    if not fits:
        what = f"of dtype {x.dtype} with values that {wanted} cannot hold"
        raise problems.raised(problems.unsupported_input(node.name, what, node.span, how))
    return array(data.astype(wanted))


def _integers(written: Any, floats: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], bool]:
    """Numbers as int64, and whether they all are such; `floats` are these numbers, rounded. written: None for none."""
    most = 2.0**63  # itself one too many, but what INT64_MAX is rounded to
    if not np.all((floats == np.trunc(floats)) & (np.abs(floats) <= most)):
        return floats, False
    if written is None:
        return floats, bool(np.all(floats < most))
    try:
        exact = [int(n) for n in np.array(written, dtype=object).flat]
        return np.array(exact, np.int64).reshape(floats.shape), True
    except OverflowError:
        return floats, False


def _literal(node: syntax.Expression) -> Any:
    """The number or nested list that an expression is as it is written, None for any other."""
    match node:
        case syntax.Number():
            return node.value
        case syntax.Unary(operator="-" | "+", operand=syntax.Number(value=value)):
            return -value if node.operator == "-" else value
        case syntax.ArrayLiteral():
            found = [_literal(entry) for entry in node.entries]
            return None if any(entry is None for entry in found) else found
    return None


def _sizes(
    node: syntax.Input, dims: tuple[syntax.Dimension, ...], shape: tuple[int, ...], state: State, how: str | None
) -> dict[str, int]:
    """The sizes that names in `dims` stand for. E302."""
    open_ = [i for i, d in enumerate(dims) if d.size == "..."]
    before = dims if not open_ else dims[: open_[0]]
    after = () if not open_ else dims[open_[0] + 1 :]
    fixed = len(before) + len(after)
    wanted = "×".join(str(d.size) for d in dims) if dims else "a scalar"
    if len(shape) != fixed and not (open_ and len(shape) >= fixed):
        raise problems.raised(
            problems.wrong_input_shape(_place(node, dims), node.name, shown_shape(shape), wanted, how)
        )
    pairs = [*zip(before, shape, strict=False), *zip(after, shape[len(shape) - len(after) :], strict=True)]
    found: dict[str, int] = {}
    for dimension, size in pairs:
        if isinstance(dimension.size, int):
            if dimension.size != size:
                raise problems.raised(
                    problems.wrong_input_shape(dimension.span, node.name, shown_shape(shape), wanted, how)
                )
        elif dimension.size != "_":
            _agree(dimension, dimension.size, size, state)
            found[dimension.size] = size
    return found


def _agree(dimension: syntax.Dimension, name: str, size: int, state: State) -> None:
    given = state.given.get(name)
    if name not in state.sizes and given is not None and given.size == 1 and int(given.item()) != size:
        raise problems.raised(
            problems.wrong_input_shape(
                dimension.span,
                name,
                str(int(given.item())),
                f"as a size, which is {size} here",
                state.bound_by.get(name),
            )
        )
    first = state.sizes.setdefault(name, (size, dimension.span))
    if first[0] != size:
        raise problems.raised(problems.sizes_disagree(dimension.span, name, size, first[1], first[0]))


def _place(node: syntax.Input, dims: tuple[syntax.Dimension, ...]) -> Span:
    if not dims:
        return node.span
    return Span(node.span.source, dims[0].span.start, dims[-1].span.end)
