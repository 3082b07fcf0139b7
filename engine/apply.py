"""Applying a primitive: the one way from operands to a value, recorded where it must be.

Every operation's `call` is made here, specialised by its form. The common forms, elementwise
operations of one and two operands without parameters, are the hot path: one dispatch, one NumPy
call, one node. Everything else takes `general`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.errors import Error
from ndgrad.memory import SHARE
from ndgrad.namespace import PLAIN, RECORDED
from ndgrad.ndarray import NDArray, enlarge, new_array, plain
from ndgrad.primitive import REQUIRED, Primitive, primitive
from ndgrad.tape import KEEPING, STATE, Form, General, Lean, Node, Origin, Remote, form, later_write, tick, written

make = NDArray.__new__
new_node = Lean.__new__

# Operand types that go to NumPy as they are. Python numbers are weak: they never widen an array.
PLAIN_TYPES = frozenset({float, int, bool, np.ndarray, np.float64, np.float32, np.int64, np.bool_})


def plain_operand(op: Primitive, value: Any) -> Any:
    """`value` as NumPy should see it, or an error that names the operation."""
    kind = value.__class__
    if kind in PLAIN_TYPES:
        return value
    if isinstance(value, (np.generic, Remote)):
        return value
    if isinstance(value, (list, tuple)):
        try:
            made = np.array([plain_operand(op, v.data if isinstance(v, NDArray) else v) for v in value])
        except ValueError:
            raise problems.ragged(f"a list given to `{op.name}`") from None
        except TypeError:
            raise problems.not_an_array(op.name, value) from None
        if made.dtype.kind in "iuf":  # as nd.array: numbers in lists are floats
            return made.astype(STATE.float_dtype) if all(map(_is_written, value)) else made
        if made.dtype.kind == "b":
            return made
    raise problems.not_an_array(op.name, value)


def _is_written(value: Any) -> bool:
    return isinstance(value, (int, float, list, tuple))


def fault(op: Primitive, error: Exception, operands: tuple[Any, ...], statics: tuple[Any, ...]) -> Exception:
    """What NumPy's exception means for the user of `op`. Returns the error to raise."""
    if isinstance(error, (Error, RecursionError, KeyboardInterrupt)):
        return error
    from ndgrad.shapes import Undetermined, infer

    try:
        made = infer(op, operands, statics)
    except Error as better:
        return better
    except Undetermined:
        made = None
    if isinstance(error, MemoryError):
        return error if made is None or isinstance(made, tuple) else problems.too_large(made.shape, made.nbytes)
    return unexplained(op, error, tuple(operands[0]) if op.variadic else operands)


def unexplained(op: Primitive, error: Exception, operands: tuple[Any, ...]) -> Error:
    """NumPy's own words, for what the rules of `op` find nothing wrong with."""
    shapes = tuple(np.shape(x) for x in operands if x is not None)
    dtypes = [x.dtype for x in operands if hasattr(x, "dtype")]
    if isinstance(error, TypeError) and dtypes:
        odd = next((d for d in dtypes if d.kind != "f"), dtypes[0])
        return problems.wrong_dtype(op.name, odd)
    first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
    return problems.does_not_fit(op.name, first_line, shapes)


def _keeps(op: Primitive) -> dict[tuple[bool, ...], tuple[bool, ...]]:
    """For each pattern of tracked operands: whether y and each operand must be kept for the rules."""
    table = {}
    for pattern in product((False, True), repeat=op.arity):
        names: set[str] = set().union(*(need for need, on in zip(op.needs, pattern, strict=True) if on))
        table[pattern] = ("y" in names, *(n in names for n in op.operands))
    return table


def call_of(op: Primitive) -> Callable[..., Any]:
    """The function that applies `op`."""
    if op.elementwise and not op.statics and op.arity == 1:
        return _unary(op)
    if op.elementwise and not op.statics and op.arity == 2:
        return _binary(op)
    if op.arity == 1 and not op.variadic and not op.composite and op.outputs == 1:
        return _single(op)
    if op.arity == 2 and not op.statics and not op.variadic and not op.composite and op.outputs == 1:
        return _double(op)

    def call(*args: Any, **named: Any) -> Any:
        return general(op, args, named)

    call.__name__ = op.name
    return call


@cache
def plain_function(op: Primitive) -> Callable[..., Any]:
    """The value over plain arrays: NumPy's own function where the value is just that."""
    ufunc = getattr(np, op.name, None)
    if op.by_name and ufunc is not None:
        function: Callable[..., Any] = ufunc
        return function
    value = op.value
    return lambda *operands: value(PLAIN, *operands)


def _unary(op: Primitive) -> Callable[..., Any]:
    evaluate = plain_function(op)
    keeps_y, keeps_x = _keeps(op)[(True,)]
    untracked = op.untracked
    state = STATE

    def call(x: Any) -> Any:
        if x.__class__ is NDArray:
            data = x._data
            p = x._node
        else:
            return general(op, (x,), {})
        try:
            y = evaluate(data)
        except Exception as error:
            raise fault(op, error, (data,), ()) from None
        if p is None or untracked:
            return new_array(y) if state.origins is None else originated(op, y, (data,), (p,))
        recording = state.recording
        implicit = p.marked and p.implicit
        if not recording and (recording is False or not implicit):
            return new_array(y)
        if written:
            refuse_written(op, (data,), (p,))
        node = new_node(Lean)  # written out, since this is the hot path
        node.id = tick()
        node.op = op
        node.p = p
        node.y = y if keeps_y else None
        node.a = data if keeps_x else None
        node.form = p.form
        node.marked = implicit
        if implicit:
            node.implicit = True
        if recording is KEEPING:
            node.keep(y, (data,))
        made = make(NDArray)
        made._data = y
        made._node = node
        return made

    call.__name__ = op.name
    return call


def _binary(op: Primitive) -> Callable[..., Any]:
    evaluate = plain_function(op)
    keeps = _keeps(op)
    keeps_left = keeps[True, False]
    keeps_right = keeps[False, True]
    keeps_both = keeps[True, True]
    untracked = op.untracked
    plain_types = PLAIN_TYPES
    state = STATE

    def call(a: Any, b: Any) -> Any:
        if a.__class__ is NDArray:
            x = a._data
            p = a._node
        elif a.__class__ in plain_types:
            x = a
            p = None
        else:
            return general(op, (a, b), {})
        if b.__class__ is NDArray:
            z = b._data
            q = b._node
        elif b.__class__ in plain_types:
            z = b
            q = None
        else:
            return general(op, (a, b), {})
        try:
            y = evaluate(x, z)
        except Exception as error:
            raise fault(op, error, (x, z), ()) from None
        if p is None:
            if q is None or untracked:
                return new_array(y) if state.origins is None else originated(op, y, (x, z), (p, q))
            keep_y, keep_a, keep_b = keeps_right
            implicit = q.marked and q.implicit
            like = q.form if x.__class__ is float else _form(y, q.form)
        elif q is None:
            if untracked:
                return new_array(y) if state.origins is None else originated(op, y, (x, z), (p, q))
            keep_y, keep_a, keep_b = keeps_left
            implicit = p.marked and p.implicit
            like = p.form if z.__class__ is float else _form(y, p.form)
        else:
            if untracked:
                return new_array(y) if state.origins is None else originated(op, y, (x, z), (p, q))
            keep_y, keep_a, keep_b = keeps_both
            implicit = (p.marked and p.implicit) or (q.marked and q.implicit)
            like = p.form
            if like is not q.form:
                like = _form(y, like)
        recording = state.recording
        if not recording and (recording is False or not implicit):
            return new_array(y)
        if written:
            refuse_written(op, (x, z), (p, q))
        node = new_node(Lean)  # written out, since this is the hot path
        node.id = tick()
        node.op = op
        node.p = p
        node.q = q
        node.y = y if keep_y else None
        node.a = x if keep_a else None
        node.b = z if keep_b else None
        node.form = like
        node.marked = implicit
        if implicit:
            node.implicit = True
        if recording is KEEPING:
            node.keep(y, (x, z))
        made = make(NDArray)
        made._data = y
        made._node = node
        return made

    call.__name__ = op.name
    return call


def _single(op: Primitive) -> Callable[..., Any]:
    """The call of an operation on one array, with parameters: reductions, shapes and their like."""
    value = op.value
    defaults = tuple(as_static(op, p.default) for p in op.signature[1:])
    optional = REQUIRED not in defaults
    keeps_y, keeps_x = _keeps(op)[(True,)]
    untracked, elementwise = op.untracked, op.elementwise
    state = STATE

    def call(*args: Any, **named: Any) -> Any:
        x = args[0] if args else None
        recording = state.recording
        if x.__class__ is not NDArray or state.tracer is not None or recording is KEEPING:
            return general(op, args, named)
        data = x._data
        if optional and not named and len(args) == 1:
            statics = defaults
        else:
            statics = bind(op, args, named)[1]
            if state.max_bytes is not None and 16 * SHARE * data.size * _extent(statics) > state.max_bytes:
                return general(op, args, named)
        if state.fusion is not None and data.nbytes >= state.defer_from:
            return general(op, args, named)
        try:
            y = value(PLAIN, data, *statics)
        except Exception as error:
            raise fault(op, error, (data,), statics) from None
        p = x._node
        if p is None or untracked or y.dtype.kind != "f":
            return new_array(y)
        implicit = p.marked and p.implicit
        if not recording and (recording is False or not implicit):
            return new_array(y)
        if written:
            refuse_written(op, (data,), (p,))
        node = General(op, (p,), (y if keeps_y else None, data if keeps_x else None), statics, y.shape, y.dtype)
        if not elementwise:
            node.shapes = (data.shape,)
        if implicit:
            node.mark(implicit=True)
        return new_array(y, node)

    call.__name__ = op.name
    return call


def _double(op: Primitive) -> Callable[..., Any]:
    """The call of an operation on two arrays, without parameters: products of matrices and their like."""
    value, keeps = op.value, _keeps(op)
    untracked = op.untracked
    state = STATE

    def call(*args: Any, **named: Any) -> Any:
        if len(args) != 2 or named or state.tracer is not None or state.recording is KEEPING:
            return general(op, args, named)
        a, b = args
        if a.__class__ is not NDArray or b.__class__ is not NDArray:
            return general(op, args, named)
        x, z = a._data, b._data
        if state.max_bytes is not None and 16 * SHARE * x.size * z.size > state.max_bytes:
            return general(op, args, named)
        if state.fusion is not None and x.nbytes + z.nbytes >= state.defer_from:
            return general(op, args, named)
        try:
            y = value(PLAIN, x, z)
        except Exception as error:
            raise fault(op, error, (x, z), ()) from None
        p, q = a._node, b._node
        if (p is None and q is None) or untracked or y.dtype.kind != "f":
            return _enlarged(new_array(y))
        implicit = (p is not None and p.marked and p.implicit) or (q is not None and q.marked and q.implicit)
        recording = state.recording
        if not recording and (recording is False or not implicit):
            return _enlarged(new_array(y))
        if written:
            refuse_written(op, (x, z), (p, q))
        keep_y, keep_x, keep_z = keeps[p is not None, q is not None]
        saved = (y if keep_y else None, x if keep_x else None, z if keep_z else None)
        node = General(op, (p, q), saved, (), y.shape, y.dtype)
        node.shapes = (x.shape, z.shape)
        if implicit:
            node.mark(implicit=True)
        return _enlarged(new_array(y, node))

    call.__name__ = op.name
    return call


def refuse_written(op: Primitive, data: tuple[Any, ...], parents: tuple[Node | None, ...]) -> None:
    """E405 for a tracked operand whose values are no longer those that were recorded."""
    for x, node in zip(data, parents):  # noqa: B905  as long as each other; this is done for every operation
        if node is None or (x.__class__ is np.ndarray and x.base is None and id(x) not in written):
            continue
        late = later_write(x, node)
        if late is not None:
            raise problems.written_since(op.name, late.place)


def _form(y: Any, like: Form) -> Form:
    """The form of `y`, which is probably `like`."""
    shape, dtype = y.shape, y.dtype
    return like if shape == like.shape and dtype is like.dtype else form(shape, dtype)


def bind(op: Primitive, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Operands and statics from a call's arguments, defaults filled in. E204 when they do not fit."""
    signature = op.signature
    if len(args) > len(signature):
        raise problems.wrong_call(op.name, f"takes {len(signature)} arguments, not {len(args)}")
    values = list(args)
    left = named
    if named or len(values) < len(signature):
        left = dict(named)
        for parameter in signature[len(values) :]:
            if parameter.name in left:
                values.append(left.pop(parameter.name))
            elif parameter.default is REQUIRED:
                raise problems.wrong_call(op.name, f"needs the argument `{parameter.name}`")
            else:
                values.append(parameter.default)
        if left:
            raise problems.wrong_call(op.name, f"has no free parameter `{next(iter(left))}`")
    statics = tuple(as_static(op, v) for v in values[op.arity :])
    return tuple(values[: op.arity]), statics


def as_static(op: Primitive, value: Any) -> Any:
    """A static argument as plain Python: 0-d arrays become numbers, other arrays NumPy's."""
    if isinstance(value, NDArray):
        data = value.data
        return data.item() if data.ndim == 0 else np.asarray(data)
    if isinstance(value, tuple):
        return tuple(as_static(op, v) for v in value)
    if isinstance(value, list):
        return [as_static(op, v) for v in value]
    return value


def general(op: Primitive, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Apply `op` to any operands it takes: traced ones, lists, several outputs, statics."""
    if STATE.tracer is not None:
        listed = STATE.tracer(op, args, named)
        if listed is not NotImplemented:
            return listed
    elif STATE.traces and op.elementwise and not op.statics and not named and op.arity == len(args):
        from ndgrad.tracing import pushed

        made = pushed(op, args)
        if made is not NotImplemented:
            return made
    operands, statics = bind(op, args, named)
    if STATE.max_bytes is not None:
        extent = _extent(operands) * _extent(statics)
        if op.composite or not op.arity:
            extent *= extent  # diag of a vector, eye of a number
        if 16 * SHARE * extent > STATE.max_bytes:  # else there is no need to ask for the shape
            from ndgrad.shapes import within_memory

            within_memory(op, operands, statics)
    given: tuple[Any, ...]
    if not op.variadic and any(isinstance(x, (list, tuple)) for x in operands):
        operands = tuple(_stacked(x) for x in operands)
    if op.composite:
        return compose(op, operands, statics)
    if op.variadic:
        items = operands[0]
        if not isinstance(items, (list, tuple, NDArray, np.ndarray)):
            raise problems.not_an_array(op.name, items)
        given = tuple(items)
    else:
        given = operands
    if STATE.traces:
        from ndgrad.tracing import apply_traced, is_traced

        if any(is_traced(x) for x in given):
            return apply_traced(op, given, statics)
    if STATE.fusion is not None:
        deferred = STATE.fusion.defer(op, given, statics)
        if deferred is not NotImplemented:
            return deferred
    data = tuple(x._data if isinstance(x, NDArray) else plain_operand(op, x) if x is not None else None for x in given)
    parents = tuple(x._node if isinstance(x, NDArray) else None for x in given)
    values = (data,) if op.variadic else data
    remote = STATE.remote
    try:
        y = op.value(PLAIN, *values, *statics) if remote is None else remote.evaluate(op, values, statics)
    except Exception as error:
        raise fault(op, error, values, statics) from None
    made = attach(op, y, given, data, parents, statics)
    return _enlarged(made) if remote is None else remote.enlarged(made)


def _enlarged(made: Any) -> Any:
    """An array, or several, on which operations wait where they are large."""
    if made.__class__ is NDArray:
        if made._data.nbytes >= STATE.defer_from:
            enlarge(made)
    elif made.__class__ is tuple:
        for part in made:
            _enlarged(part)
    return made


def _extent(values: Any) -> float:
    """The product of the sizes of arrays and of the numbers in `values`: hardly an operation makes more entries."""
    extent = 1.0
    for x in values:
        kind = x.__class__
        if kind is int or kind is float:
            size = abs(x)
            if 0 < size < 1:
                size = 1 / size  # the step of a range
        elif kind is tuple or kind is list:
            size = _extent(x)
        else:
            size = getattr(x, "size", 1)
        if size > 1:
            extent *= size
    return extent


def _stacked(x: Any) -> Any:
    """A list that holds arrays as one array, so that their gradients are not lost."""
    if isinstance(x, (list, tuple)) and any(isinstance(e, (NDArray, list, tuple)) for e in x):
        entries = [_stacked(e) for e in x]
        if any(isinstance(e, NDArray) for e in entries):
            from ndgrad.ops import lookup

            stack = lookup("stack")
            assert stack is not None
            return stack.call(entries, 0)
    return x


def compose(op: Primitive, operands: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """Apply an operation made of others: in plain arrays where nothing is tracked, else in recorded ones."""
    given = tuple(operands[0]) if op.variadic else operands
    if op.concrete and STATE.traces and any(map(_is_batch, given)):
        from ndgrad.batching import apply_batched

        return apply_batched(op, given, statics, max(x.level for x in given if _is_batch(x)))
    plainly = all(not isinstance(x, NDArray) or (x._node is None and not x.traced) for x in given)
    there = STATE.remote is not None and STATE.remote.device_of(given) is not None
    if (plainly or (STATE.recording is False and not STATE.traces)) and not there:  # on a device, operations can wait
        made = [x._data if isinstance(x, NDArray) else _as_operand(op, x, plain=True) for x in given]
        F = PLAIN
    else:
        made = [x if isinstance(x, NDArray) else _as_operand(op, x, plain=False) for x in given]
        F = RECORDED
    try:
        y = op.value(F, *((tuple(made),) if op.variadic else made), *statics)
    except Exception as error:
        data = tuple(x._data if isinstance(x, NDArray) and not x.traced else x for x in made)
        raise fault(op, error, (data,) if op.variadic else data, statics) from None
    if isinstance(y, (tuple, list)):
        several = tuple(part if isinstance(part, NDArray) else new_array(part) for part in y)
        return _enlarged(several) if STATE.remote is None else STATE.remote.enlarged(several)
    if isinstance(y, NDArray):
        return y
    if plainly and not there and STATE.origins is not None:
        return originated(op, y, tuple(made), (None,) * len(made), statics)
    return _enlarged(new_array(y)) if STATE.remote is None else STATE.remote.enlarged(new_array(y))


def _is_batch(x: Any) -> bool:
    return x.__class__ is not NDArray and hasattr(x, "level") and not hasattr(x, "primal")


def _as_operand(op: Primitive, x: Any, plain: bool) -> Any:
    """An operand of a composite as an array, so that its value may ask for shapes; None stays None."""
    if x is None:
        return None
    data = plain_operand(op, x)
    if not isinstance(data, (np.ndarray, np.generic)):
        data = np.asarray(data, dtype=None if isinstance(data, bool) else STATE.float_dtype)[()]
    return data if plain else new_array(data)


def attach(
    op: Primitive,
    y: Any,
    given: tuple[Any, ...],
    data: tuple[Any, ...],
    parents: tuple[Node | None, ...],
    statics: tuple[Any, ...],
) -> Any:
    """Wrap the value `y` of `op`, with a node if one is due."""
    tracked = [p for p in parents if p is not None]
    state = STATE
    implicit = any(p.marked and p.implicit for p in tracked)
    if not tracked or op.untracked or state.recording is False or not (state.recording or implicit):
        if isinstance(y, tuple):
            return tuple(map(new_array, y))
        return new_array(y) if state.origins is None else originated(op, y, data, parents, statics)
    if written:
        refuse_written(op, data, parents)
    if isinstance(y, tuple):
        node = General(op, parents, _saved(op, y, data, parents), statics, (len(y),), np.dtype(np.float64))
        _fill(node, y, data, implicit)
        return tuple(output(node, i, part) for i, part in enumerate(y))
    if y.dtype.kind != "f":
        return new_array(y)
    node = General(op, parents, _saved(op, y, data, parents), statics, y.shape, y.dtype)
    _fill(node, y, data, implicit)
    return new_array(y, node)


def originated(
    op: Primitive, y: Any, data: tuple[Any, ...], parents: tuple[Node | None, ...], statics: tuple[Any, ...] = ()
) -> NDArray:
    """An array that no derivative goes through, its origin noted under keep_origins()."""
    assert STATE.origins is not None
    if y.__class__ is np.bool_:
        y = np.array(y)  # NumPy has one True for all
    STATE.origins[id(y)] = Origin(y, op, data, parents, statics)
    return new_array(y)


def _fill(node: Node, y: Any, data: tuple[Any, ...], implicit: bool) -> None:
    assert node.op is not None
    if implicit:
        node.mark(implicit=True)
    if not node.op.elementwise:
        node.shapes = tuple(x.shape if hasattr(x, "shape") else np.shape(x) for x in data)
    if STATE.recording is KEEPING:
        node.keep(_bare(y), tuple(map(_bare, data)))


def _bare(x: Any) -> Any:
    """A value or operand to keep: traced arrays as the plain ones inside."""
    if isinstance(x, tuple):
        return tuple(map(_bare, x))
    return plain(x) if isinstance(x, NDArray) else x


def output(main: Node, index: int, y: Any) -> NDArray:
    """One of several outputs: a node of its own that hands its cotangent to the operation's node."""
    if isinstance(y, NDArray) and y._node is not None:
        return y
    if y.dtype.kind != "f":
        return new_array(y)
    node = General(OUTPUT, (main,), (None,), (index,), y.shape, y.dtype)
    if main.implicit:
        node.mark(implicit=True)
    if STATE.recording is KEEPING:
        node.keep(y, ())
    if isinstance(y, NDArray):
        made = y.twin()
        made._node = node
        return made
    return new_array(y, node)


def _saved(op: Primitive, y: Any, data: tuple[Any, ...], parents: tuple[Node | None, ...]) -> tuple[Any, ...]:
    """(y, *operands), those left out that no rule of a tracked operand asks for."""
    if op.variadic:
        return (y if "y" in op.needs[0] else None, *(data if op.operands[0] in op.needs[0] else ()))
    names: set[str] = set().union(*(need for need, p in zip(op.needs, parents, strict=True) if p is not None))
    kept = (x if n in names else None for n, x in zip(op.operands, data, strict=True))
    return (y if "y" in names else None, *kept)


# Marks one output of an operation that has several; the sweep gathers their cotangents for it.
OUTPUT = primitive(
    "output",
    value=lambda F, x, index: x,
    vjps=[lambda g: g],
    linear="jointly",
    routes=True,
    shape=lambda x, index: x,
    internal=True,
)

# Marks operations that were not kept: `rerun.again()` records them anew and gives the values that came out.
SEGMENT = primitive(
    "segment",
    value=lambda F, x, rerun: x,
    vjps=[lambda g: g],
    linear="jointly",
    routes=True,
    shape=lambda x, rerun: x,
    internal=True,
)
