"""What calls mean: operations with their arguments checked, functions of the program, and the few others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.errors import Error, Span
from ndgrad.lang import problems, syntax
from ndgrad.lang.builtins import DTYPES, PACKAGES
from ndgrad.lang.limits import stop
from ndgrad.lang.scopes import FIRST, RESULT
from ndgrad.lang.scopes import STATE as RUN
from ndgrad.lang.values import (
    NUMBERS,
    UNBOUND,
    Frame,
    Function,
    Run,
    Special,
    described,
    failed,
    operand,
    placed,
    whole,
)
from ndgrad.ndarray import NDArray, plain
from ndgrad.primitive import REQUIRED, Parameter, Primitive
from ndgrad.shapes import Undetermined

if TYPE_CHECKING:
    from ndgrad.lang.expressions import Expressions
    from ndgrad.tape import Node

CALL_LIMIT = 1000
PURE = frozenset({"len", "range"})  # functions that can be traced, as all operations can

_PAIRWISE = {"max": "maximum", "min": "minimum"}  # what takes two values, by the reduction that takes an axis second

_SEQUENCES = frozenset({"shape", "axes", "reps", "newshape"})
_ONE = frozenset({"num", "N", "M", "n", "m", "k", "decimals", "offset", "axis1", "axis2", "depth"})
_WHOLE = frozenset({"shape", "axes", "axis", "num", "N", "M", "k", "decimals", "reps", "offset", "shift"})


def compile_call(compiler: Expressions, node: syntax.Call) -> Run:
    """The closure of a call, by what is called."""
    function = node.function
    arguments = node.arguments
    if isinstance(function, syntax.Attribute):
        # x.sum(axis=0) is sum(x, axis=0)
        arguments = (function.value, *arguments)
        function = syntax.Name(_name_span(function), function.name)
    found = compiler.builtin(function.name) if isinstance(function, syntax.Name) else None
    if isinstance(found, (Primitive, Special)) and arguments is not node.arguments:
        _refuse_package(found, node, arguments[0], len(arguments))
    if isinstance(found, Primitive):
        return _operation_call(compiler, found, node, arguments)
    given = [compiler.compile(argument) for argument in arguments]
    named = [(keyword.name, compiler.compile(keyword.value)) for keyword in node.keywords]
    span = node.span
    if isinstance(found, Special):
        return _special_call(found, given, named, span)
    called = compiler.compile(function)
    place = function.span
    spans = tuple(argument.span for argument in arguments)

    def run(f: Frame) -> Any:
        value = called(f)
        values = [argument(f) for argument in given]
        if value.__class__ is Function:
            if not named and len(values) == len(value.parameters):
                return invoke(value, values, f[RUN], span)
            return invoke(value, bound(value, values, {k: v(f) for k, v in named}, span), f[RUN], span)
        return call_value(value, values, {k: v(f) for k, v in named}, f[RUN], span, place, spans)

    return run


def _refuse_package(found: Primitive | Special, node: syntax.Call, value: syntax.Expression, count: int) -> None:
    """E204 for np.exp(x) where the caller has given `np` a value, so that it is exp(np, x): one argument too many."""
    if not (isinstance(value, syntax.Name) and value.name in PACKAGES):
        return
    named = [keyword.name for keyword in node.keywords]
    fits: Any = special_misfit if isinstance(found, Special) else misfit
    if fits(found, count, named, node.span) is not None and fits(found, count - 1, named, node.span) is None:
        raise problems.raised(problems.no_package(node.span, value.name, found.name))


def _name_span(node: syntax.Attribute) -> Span:
    return Span(node.span.source, node.span.end - len(node.name), node.span.end)


def _special_call(special: Special, given: list[Run], named: list[tuple[str, Run]], span: Span) -> Run:
    call, name = special.call, special.name

    def run(f: Frame) -> Any:
        values = [argument(f) for argument in given]
        if f[RUN].tracing is not None and name not in PURE:
            raise Undetermined(name)
        try:
            return call(span, f[RUN], *values, **{keyword: value(f) for keyword, value in named})
        except Exception as error:
            raise failed(error, name, span) from None

    return run


def call_value(
    value: Any,
    values: list[Any],
    named: dict[str, Any],
    state: Any,
    span: Span,
    place: Span,
    spans: tuple[Span, ...],
) -> Any:
    """Call whatever `value` is. E202 if it cannot be called."""
    if isinstance(value, Function):
        return invoke(value, bound(value, values, named, span), state, span)
    if isinstance(value, Primitive):
        problem = misfit(value, len(values), list(named), span)
        if problem is not None:
            raise problems.raised(problem)
        return _applied(value, packed(value, values), named, span, spans)
    if isinstance(value, Special):
        problem = special_misfit(value, len(values), list(named), span)
        if problem is not None:
            raise problems.raised(problem)
        if state.tracing is not None and value.name not in PURE:
            raise Undetermined(value.name)
        try:
            return value.call(span, state, *values, **named)
        except Exception as error:
            raise failed(error, value.name, span) from None
    raise problems.raised(problems.not_a_function(place, described(value)))


# Functions of the program


def bound(function: Function, values: list[Any], named: dict[str, Any], span: Span) -> list[Any]:
    """One value per parameter. E204 when the arguments do not fit."""
    parameters = function.parameters
    problem = arguments_misfit(function.name, parameters, len(values), list(named), span)
    if problem is not None:
        raise problems.raised(problem)
    made = list(values)
    first_default = len(parameters) - len(function.defaults)
    for i in range(len(values), len(parameters)):
        name = parameters[i].name
        made.append(named[name] if name in named else function.defaults[i - first_default])
    return made


def arguments_misfit(
    name: str, parameters: tuple[syntax.Parameter, ...], count: int, named: list[str], span: Span
) -> Any:
    """What is wrong with a call of a function of the program, as a diagnostic, or None."""
    names = [parameter.name for parameter in parameters]
    if count > len(names):
        return problems.wrong_arguments(span, name, f"takes {_counted(len(names))}, not {count}")
    for given in named:
        if given not in names:
            other = problems.closest(given, names)
            cure = f"did you mean `{other}`?" if other else None
            return problems.wrong_arguments(span, name, f"has no parameter `{given}`", cure)
        if given in names[:count]:
            return problems.wrong_arguments(span, name, f"gets its parameter `{given}` twice")
    for parameter in parameters[count:]:
        if parameter.default is None and parameter.name not in named:
            return problems.wrong_arguments(span, name, f"needs the argument `{parameter.name}`")
    return None


def _counted(count: int) -> str:
    return f"{count} argument" if count == 1 else f"{count} arguments"


def invoke(function: Function, values: list[Any], state: Any, span: Span) -> Any:
    """Run a function of the program with one value per parameter. E503, E504."""
    state.steps -= 1
    if state.steps < 0:
        raise stop(state, span, depth=state.depth + 1)
    state.depth += 1
    if state.depth > CALL_LIMIT:
        raise problems.raised(problems.recursion_too_deep(span, function.name, CALL_LIMIT))
    frame = [function.frame, state, None, *values]
    extra = function.size - FIRST - len(values)
    if extra:
        frame += [UNBOUND] * extra
    value = function.body(frame)
    state.depth -= 1
    return value


def returning(block: Run) -> Run:
    """The body of a `def`: runs the block, gives what was returned."""

    def run(f: Frame) -> Any:
        block(f)
        return f[RESULT]

    return run


# Operations


def misfit(op: Primitive, count: int, named: list[str], span: Span) -> Any:
    """What is wrong with the arguments of an operation, as a diagnostic, or None."""
    from ndgrad.primitive import REQUIRED

    names = [parameter.name for parameter in op.signature]
    if count > len(names) and not _packs(op):
        return problems.wrong_arguments(span, op.name, f"takes {_counted(len(names))}, not {count}")
    for given in named:
        if given not in names:
            other = problems.closest(given, names)
            cure = f"did you mean `{other}`?" if other else f"it has: {', '.join(names)}"
            return problems.wrong_arguments(span, op.name, f"has no parameter `{given}`", cure)
        if given in names[:count]:
            return problems.wrong_arguments(span, op.name, f"gets its parameter `{given}` twice")
    for parameter in op.signature[count:]:
        if parameter.default is REQUIRED and parameter.name not in named:
            return problems.wrong_arguments(span, op.name, f"needs the argument `{parameter.name}`")
    return None


def special_misfit(special: Special, count: int, named: list[str], span: Span) -> Any:
    """What is wrong with the arguments of len, range and their like, as a diagnostic, or None."""
    for given in named:
        if given not in special.keywords:
            other = problems.closest(given, special.keywords)
            cure = f"did you mean `{other}`?" if other else None
            return problems.wrong_arguments(span, special.name, f"has no parameter `{given}`", cure)
        if special.most is not None and special.most - len(special.keywords) + special.keywords.index(given) < count:
            return problems.wrong_arguments(span, special.name, f"gets its parameter `{given}` twice")
    if count < special.least:
        return problems.wrong_arguments(span, special.name, f"needs at least {_counted(special.least)}")
    if special.most is not None and count > special.most:
        return problems.wrong_arguments(span, special.name, f"takes {_counted(special.most)}, not {count}")
    return None


def _packs(op: Primitive) -> bool:
    """Whether x.reshape(2, 3) means x.reshape((2, 3))."""
    return bool(op.signature) and op.signature[-1].name in _SEQUENCES


def packed(op: Primitive, values: list[Any]) -> list[Any]:
    """The arguments, with sizes that are given one by one made into a tuple."""
    last = len(op.signature) - 1
    if len(values) > last + 1 and _packs(op):
        return [*values[:last], tuple(values[last:])]
    return values


def _operation_call(
    compiler: Expressions, op: Primitive, node: syntax.Call, arguments: tuple[syntax.Expression, ...]
) -> Run:
    span = node.span
    kinds = {parameter.name: parameter.kind for parameter in op.signature}
    last = len(op.signature) - 1

    def closure(argument: syntax.Expression, kind: str) -> Run:
        return compiler.compile(argument) if kind == "array" else compiler.as_tuple(argument)

    given = [closure(a, op.signature[min(i, last)].kind if last >= 0 else "array") for i, a in enumerate(arguments)]
    named = [(k.name, closure(k.value, kinds.get(k.name, "array"))) for k in node.keywords]
    spans = tuple(argument.span for argument in arguments)
    optional = all(parameter.default is not REQUIRED for parameter in op.signature[1:])
    if not named and op.arity == len(given) == op.outputs == 1 and optional and not op.variadic:
        return _unary_call(op, given[0], span, spans)

    pairwise = _PAIRWISE.get(op.name) if len(given) > 1 else None

    def run(f: Frame) -> Any:
        values = packed(op, [argument(f) for argument in given])
        if pairwise is not None:
            _refuse_pair(op.name, pairwise, values, span)
        return _applied(op, values, {name: value(f) for name, value in named}, span, spans)

    return run


def _refuse_pair(name: str, pairwise: str, values: list[Any], span: Span) -> None:
    """E204 for max(a, b), whose second argument would be an axis."""
    x, axis, *_ = values
    one = x.__class__ in NUMBERS or (isinstance(x, NDArray) and not x.shape)
    no_axis = axis.__class__ is float or (
        isinstance(axis, NDArray) and axis.dtype.kind == "f" and (axis.shape != () or axis.item() % 1 != 0)
    )
    if no_axis or (one and axis is not None):
        raise problems.raised(problems.takes_no_pair(span, name, pairwise))


def _unary_call(op: Primitive, inside: Run, span: Span, spans: tuple[Span, ...]) -> Run:
    call, name = op.call, op.name
    fresh = op.elementwise  # others may give the operand itself

    def run(f: Frame) -> Any:
        a = inside(f)
        if a.__class__ is not NDArray:
            return _applied(op, [a], {}, span, spans)
        try:
            y = call(a)
        except Exception as error:
            raise failed(error, name, span, spans) from None
        if y.__class__ is NDArray:
            node = y._node
            if node is not None and (fresh or node.span is None):
                node.span = span
        return y

    return run


def _applied(op: Primitive, values: list[Any], named: dict[str, Any], span: Span, spans: tuple[Span, ...]) -> Any:
    """Apply an operation to any arguments: each is made what its parameter takes, or refused."""
    signature = op.signature
    weak = op.arity > 0 and not op.variadic
    for i, value in enumerate(values):
        if i == len(signature):
            break
        place = spans[i] if i < len(spans) else span
        made = _argument(op, signature[i], value, place)
        if signature[i].kind == "array" and made.__class__ not in NUMBERS:
            weak = False
        values[i] = made
    if named:
        kinds = {parameter.name: parameter for parameter in signature}
        for name, value in named.items():
            made = named[name] = _argument(op, kinds[name], value, span)
            if kinds[name].kind == "array" and made.__class__ not in NUMBERS:
                weak = False
    try:
        y = op.call(*values, **named)
    except Exception as error:
        raise failed(error, op.name, span, spans) from None
    if isinstance(y, NDArray):
        # a function of numbers is a number again, as weak as they were
        return y.item() if weak and y.shape == () else placed(y, span)
    if isinstance(y, tuple):
        for part in y:
            placed(part, span)
    return y


def _argument(op: Primitive, parameter: Parameter, value: Any, span: Span) -> Any:
    if parameter.kind == "array":
        if value.__class__ is NDArray or value.__class__ in NUMBERS:
            return value
        return value if value is None and parameter.default is None else operand(value, op.name, span)
    if parameter.kind == "arrays":
        if isinstance(value, tuple) and value:
            return tuple([operand(part, op.name, span) for part in value])
        if isinstance(value, NDArray) and value.shape:
            return value
        raise problems.raised(problems.not_numbers(op.name, span, described(value)))
    return _static(op, parameter.name, value, span)


Fixed = dict[tuple[int, int], "tuple[Node, Error]"]
_fixed: Fixed | None = None


@contextmanager
def fixing(found: Fixed) -> Iterator[None]:
    """Within it, an argument without a derivative may depend on an input: `found` takes its node, and the E406."""
    global _fixed
    before, _fixed = _fixed, found
    try:
        yield
    finally:
        _fixed = before


def _static(op: Primitive, name: str, value: Any, span: Span) -> Any:
    """A static argument: plain numbers, tuples, strings or None."""
    if isinstance(value, NDArray):
        if name == "axis" and value.shape and op.variadic:  # concatenate(a, b)
            raise problems.raised(problems.arrays_not_together(span, op.name))
        if value.node is not None:
            error = problems.raised(problems.no_gradient_by_argument(op.name, name, span))
            if _fixed is None:
                raise error
            _fixed[value.node.id, id(span)] = value.node, error
            value = value.detach()
        value = np.asarray(plain(value)).tolist() if name in _WHOLE else value
        if isinstance(value, list):
            value = tuple(value)
    if name == "dtype" and value is not None:
        dtype = value.name if isinstance(value, Primitive) else value
        if dtype == "float":
            return None if op.signature[-1].default is None else "float64"
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise problems.raised(problems.unknown_dtype(span, dtype if isinstance(dtype, str) else described(value)))
        return DTYPES[dtype]
    if name in _ONE and value is not None:
        return whole(value, op.name, span)
    if isinstance(value, tuple):
        return tuple([_static(op, name, part, span) for part in value])
    if value is None or isinstance(value, (str, bool, NDArray, range)):
        return value
    if value.__class__ in NUMBERS:
        return whole(value, op.name, span) if name in _WHOLE else value
    raise problems.raised(problems.not_numbers(op.name, span, described(value)))
