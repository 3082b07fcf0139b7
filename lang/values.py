"""What a value can be while a program runs, besides arrays.

Numbers written in a program stay Python numbers (weak scalars) until they meet an array. Tuples,
strings, None, ranges and functions are Python's own or the few classes here. Nothing is ever
changed in place, so a variable holds a value, never a reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.errors import Diagnostic, Error, Span
from ndgrad.lang import problems
from ndgrad.lang.scalars import OPERATIONS
from ndgrad.lang.scopes import AROUND, FIRST
from ndgrad.lang.scopes import STATE as RUN
from ndgrad.lang.syntax import Parameter
from ndgrad.ndarray import NDArray, array, plain
from ndgrad.ops import find
from ndgrad.primitive import Primitive
from ndgrad.tape import STATE, Remote

if TYPE_CHECKING:
    from ndgrad.captures import Seen

Frame = list[Any]
Run = Callable[[Frame], Any]

NUMBERS: frozenset[Any] = frozenset({int, float, bool})
DEEPEST = 32  # axes of an array, so also levels of a tuple that becomes one


class Unbound:
    """What a variable holds before it has a value."""

    def __repr__(self) -> str:
        return "UNBOUND"


UNBOUND = Unbound()


class Function:
    """A function of the program: its code, and the frame that it was defined in."""

    __slots__ = ("body", "defaults", "frame", "free", "name", "parameters", "size")

    def __init__(
        self,
        name: str,
        parameters: tuple[Parameter, ...],
        defaults: tuple[Any, ...],
        size: int,
        body: Run,
        frame: Frame,
        free: Set[tuple[int, int]],
    ) -> None:
        self.name = name
        self.parameters = parameters
        self.defaults = defaults  # one for each of the last parameters
        self.size = size
        self.body = body
        self.frame = frame
        self.free = free  # what it may read: how many frames out, and the place there

    def __captured__(self, seen: Seen) -> Function:
        """The function, whose variables keep what they hold now; nobody holds its frames but it."""
        made = Function(self.name, self.parameters, (), self.size, self.body, _around(self.frame, seen), self.free)
        seen[id(self)] = self, made
        made.defaults = _held(self.defaults, seen)
        for out, place in self.free:
            theirs, own = self.frame, made.frame
            for _ in range(out - 1):
                theirs, own = theirs[AROUND], own[AROUND]
            if own[place] is UNBOUND:
                own[place] = _held(theirs[place], seen)
        return made


def _around(frame: Frame, seen: Seen) -> Frame:
    """A frame like this one, and like those around it, whose variables have no values yet."""
    if id(frame) not in seen:
        around = None if frame[AROUND] is None else _around(frame[AROUND], seen)
        seen[id(frame)] = frame, [around, frame[RUN], None, *[UNBOUND] * (len(frame) - FIRST)]
    made: Frame = seen[id(frame)][1]
    return made


def _held(value: Any, seen: Seen) -> Any:
    """A value to keep. Of arrays the very objects: one that is held is not written to."""
    from ndgrad.captures import captured

    if isinstance(value, NDArray):
        seen[id(value)] = value, value
        return value
    return tuple([_held(part, seen) for part in value]) if value.__class__ is tuple else captured(value, seen)


class Special:
    """A function of the language that is no operation on arrays: len, range, print and their like."""

    __slots__ = ("call", "keywords", "least", "most", "name")

    def __init__(
        self, name: str, call: Callable[..., Any], least: int, most: int | None, keywords: tuple[str, ...] = ()
    ) -> None:
        self.name = name
        self.call = call
        self.least = least
        self.most = most
        self.keywords = keywords  # of the last parameters

    def __captured__(self, seen: Seen) -> Special:
        """The function, whose variables keep what they hold now."""
        from ndgrad.captures import captured

        call = captured(self.call, seen)
        made = self if call is self.call else Special(self.name, call, self.least, self.most, self.keywords)
        seen[id(self)] = self, made
        return made


class Lazy:
    """A sequence of tuples that is made as a loop runs over it, from an entry on: zip and enumerate.

    parts: the sequences that it takes an entry each of.
    """

    __slots__ = ("length", "parts", "start")

    def __init__(self, length: int, start: Callable[[int], Iterator[Any]], parts: tuple[Any, ...]) -> None:
        self.length = length
        self.start = start
        self.parts = parts


def shown_shape(shape: tuple[int, ...]) -> str:
    """`3×4`, `4` for a vector, `a scalar` for ()."""
    return "×".join(map(str, shape)) if shape else "a scalar"


def in_words(shape: tuple[int, ...]) -> str:
    """`of shape 3×4`, `a number` for ()."""
    return f"of shape {shown_shape(shape)}" if shape else "a number"


def described(value: Any) -> str:
    """What `value` is, in the words of a diagnostic."""
    if isinstance(value, NDArray):
        return f"an array of shape {shown_shape(value.shape)}" if value.shape else "a scalar"
    if isinstance(value, bool):
        return str(value)
    if value.__class__ in NUMBERS:
        return f"the number {value:.6g}" if isinstance(value, float) else f"the number {value}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if value is None:
        return "None"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, (Function, Special)):
        return f"the function `{value.name}`"
    if isinstance(value, Primitive):
        return f"the function `{value.name}`"
    if isinstance(value, range):
        return "a range"
    return "a sequence of tuples"


def failed(error: Exception, name: str, span: Span, spans: tuple[Span, ...] = ()) -> Error:
    """The error to raise for `error`, which came out of the operation `name` written at `span`."""
    if isinstance(error, Error):
        return _in_signs(error, name).at(span, spans)
    if isinstance(error, MemoryError):
        return problems.raised(problems.out_of_memory(span))
    if isinstance(error, RecursionError):
        return problems.raised(problems.recursion_too_deep(span, name, 1000))
    reason = str(error).splitlines()
    return problems.raised(problems.operation_failed(name, span, reason[0] if reason else type(error).__name__))


def _in_signs(error: Error, sign: str) -> Error:
    """The error with the operation called by the sign that the program wrote."""
    first = error.diagnostics[0]
    operation = OPERATIONS.get(sign)
    if operation is not None and f"`{operation}`" in first.message:
        message = first.message.replace(f"`{operation}`", f"`{sign}`")
        renamed = Diagnostic(first.code, message, first.labels, first.help, first.severity)
        error.diagnostics = (renamed, *error.diagnostics[1:])
    return error


def operand(value: Any, name: str, span: Span) -> Any:
    """`value` as an operand of `name`: an array or a number; tuples and ranges become arrays. E305."""
    if value.__class__ in NUMBERS or isinstance(value, NDArray):
        return value
    if isinstance(value, range):
        return numbers_of(value, span)
    if isinstance(value, tuple) and value:
        return stacked(value, tuple(span for _ in value), span)
    raise problems.raised(problems.not_numbers(name, span, described(value)))


def numbers_of(value: range, span: Span) -> NDArray:
    """The integers of a range as an array. E502."""
    arange = find("arange")
    assert arange is not None
    try:
        made: NDArray = arange.call(value.start, value.stop, value.step, "int64")
    except Exception as error:
        raise failed(error, "range", span) from None
    return made


def _too_large(span: Span) -> Any:
    raise problems.raised(problems.out_of_memory(span))


def stacked(values: tuple[Any, ...], spans: tuple[Span, ...], span: Span, depth: int = 0) -> NDArray:
    """The array whose entries along the first axis are `values`. E310 where their shapes differ.

    Numbers become the default float (booleans alone stay booleans) and never widen a float array.
    """
    if depth > DEEPEST:
        raise problems.raised(problems.nested_too_deeply(span, DEEPEST))
    parts: list[Any] = []
    for value, place in zip(values, spans, strict=True):
        if isinstance(value, (tuple, range)) and len(value) > 0:
            inner = tuple(value) if len(value) <= 1_000_000 else _too_large(place)
            parts.append(stacked(inner, tuple(place for _ in inner), place, depth + 1))
        elif value.__class__ in NUMBERS or isinstance(value, NDArray):
            parts.append(value)
        else:
            raise problems.raised(problems.not_numbers("an array", place, described(value)))
    arrays = [part for part in parts if isinstance(part, NDArray)]
    if not arrays:
        return array(list(parts))
    shape = _shape(parts[0])
    for part, place in zip(parts, spans, strict=True):
        if _shape(part) != shape:
            first, other = in_words(shape), in_words(_shape(part))
            raise problems.raised(problems.ragged(spans[0], first, place, other))
    if len(arrays) < len(parts):
        dtype = np.result_type(*(part.dtype for part in arrays))
        if dtype.kind != "f":
            plain_bools = dtype.kind == "b" and all(
                isinstance(part, NDArray) or part.__class__ is bool for part in parts
            )
            dtype = dtype if plain_bools else STATE.float_dtype
        parts = [part if isinstance(part, NDArray) else array(part, dtype) for part in parts]
    stack = find("stack")
    assert stack is not None
    try:
        made: NDArray = stack.call(tuple(parts))
    except Exception as error:
        raise failed(error, "an array", span, spans) from None
    return placed(made, span)


def _shape(value: Any) -> tuple[int, ...]:
    return value.shape if isinstance(value, NDArray) else ()


def placed(value: NDArray, span: Span) -> NDArray:
    """`value`, whose recorded node remembers where it was written."""
    node = value.node
    if node is not None and node.span is None:
        node.span = span
    return value


def truth(value: Any, span: Span) -> bool:
    """`value` as a condition: one boolean or number. E308."""
    if value.__class__ in NUMBERS:
        return bool(value)
    if isinstance(value, NDArray) and value.size == 1:
        return bool(plain(value))
    raise problems.raised(problems.not_one_condition(span, described(value)))


def whole(value: Any, name: str, span: Span) -> int:
    """`value` as an integer: an int, an integer array with one entry, or a float without fraction. E312."""
    data = plain(value)
    if isinstance(data, (np.ndarray, np.generic, Remote)) and data.size == 1:
        data = data.item()
    if data.__class__ in NUMBERS and data == data and abs(data) < 2**63 and int(data) == data:
        return int(data)
    raise problems.raised(problems.not_an_integer(span, name, described(value)))


def rows(value: Any, span: Span, first: int = 0) -> Any:
    """What a loop over `value` runs through, from the round `first` on. E311."""
    if value.__class__ is range or value.__class__ is tuple:
        return value[first:] if first else value
    if isinstance(value, NDArray) and value.shape:
        return _rows_of(value, span, first)
    if isinstance(value, Lazy):
        return value.start(first)
    raise problems.raised(problems.not_iterable(span, described(value)))


def _rows_of(value: NDArray, span: Span, first: int) -> Iterator[NDArray]:
    read = find("index")
    assert read is not None
    call = read.call
    for i in range(first, value.shape[0]):
        yield placed(call(value, i), span)


def length(value: Any, span: Span) -> int:
    """How many rounds a loop over `value` makes. E311."""
    if isinstance(value, Lazy):
        return value.length
    if isinstance(value, (tuple, range)):
        return len(value)
    if isinstance(value, NDArray) and value.shape:
        return value.shape[0]
    raise problems.raised(problems.not_iterable(span, described(value)))


def formatted(value: Any, depth: int = 0) -> str:
    """`value` as print shows it."""
    if isinstance(value, NDArray):
        return str(plain(value))
    if isinstance(value, tuple):
        if depth > DEEPEST:
            return "(…)"
        inside = ", ".join([formatted(part, depth + 1) for part in value])
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if value.__class__ in NUMBERS or isinstance(value, str):
        return str(value)
    return described(value)


def brief(value: Any) -> str:
    """`value` in a few characters, for the record of the path."""
    data = plain(value)
    if isinstance(data, (np.ndarray, np.generic, Remote)):
        if data.size != 1:
            return f"[{shown_shape(data.shape)}]"
        data = data.item()
    if data.__class__ is float:
        return f"{data:.6g}"
    return formatted(data) if data.__class__ is not tuple or len(data) < 8 else described(data)
