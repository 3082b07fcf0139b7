"""From calls to bare operations: functions run on stand-ins that know a shape and a dtype; what they do is listed.

    Trace         the list: steps over numbered registers
    Placeholder   the stand-in for a register; an operation on it adds a step
    Step          one operation (or one call of a function that cannot be looked into)

Equal operations on equal registers become one step. What does not depend on any register is computed at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.apply import _as_operand, bind, plain_operand
from ndgrad.namespace import RECORDED
from ndgrad.ndarray import NDArray, new_array
from ndgrad.ops import lookup
from ndgrad.plans import replaced
from ndgrad.primitive import Primitive
from ndgrad.shapes import Abstract, Undetermined, infer
from ndgrad.tape import STATE
from ndgrad.tracing import Traced

if TYPE_CHECKING:
    from collections.abc import Iterator

Shape = tuple[int, ...]
UNDECIDED = "the shape depends on values, which a graph does not have yet"
DRAWS = frozenset({"uniform_draws", "normal_draws", "shuffled", "random_bernoulli"})


class Reg:
    """A register: the number of a value."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return other.__class__ is Reg and other.number == self.number

    def __hash__(self) -> int:
        return hash((Reg, self.number))

    def __repr__(self) -> str:
        return f"r{self.number}"


class Call:
    """A function of arrays that is called as a whole, and differentiated by recording it.

    run(*arrays) takes one NDArray for each register and gives one NDArray or a tuple.
    """

    __slots__ = ("name", "run")

    def __init__(self, name: str, run: Callable[..., Any]) -> None:
        self.name = name
        self.run = run


class Step:
    """One entry of the list.

    op        a Primitive, or a Call
    operands  registers, numbers and arrays (for a Call, registers only)
    statics   the other arguments; a register among them is an index that is computed
    results   the registers that receive the outputs
    """

    __slots__ = ("op", "operands", "results", "statics")

    def __init__(self, op: Primitive | Call, operands: tuple[Any, ...], statics: tuple[Any, ...], results: Any) -> None:
        self.op = op
        self.operands = operands
        self.statics = statics
        self.results: tuple[int, ...] = results

    def registers(self) -> list[int]:
        """The registers that it reads."""
        found: list[int] = []

        def see(leaf: Any) -> Any:
            if leaf.__class__ is Reg:
                found.append(leaf.number)
            return leaf

        replaced((self.operands, self.statics), see)
        return found

    def __repr__(self) -> str:
        return f"<Step {self.op.name} {self.operands} -> {self.results}>"


class Placeholder(Traced):
    """What stands for a register while functions run. Its values are not there: asking for them is Undetermined."""

    __slots__ = ("_dtype", "_shape", "register", "trace")
    _dtype: np.dtype[Any]
    level = 1 << 62  # above all others

    def __init__(self, trace: Trace, register: int, shape: Shape | None, dtype: Any) -> None:
        self.trace = trace
        self.register = register
        self._shape = shape
        self._dtype = np.dtype(dtype)
        self._node = None

    @property
    def _data(self) -> Any:
        raise Undetermined("it depends on the values of an array")

    data = _data

    @property
    def shape(self) -> Shape:
        if self._shape is None:
            raise Undetermined(UNDECIDED)
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        n = 1
        for k in self.shape:
            n *= k
        return n

    def asnumpy(self) -> Any:
        return self.data

    def __bool__(self) -> bool:
        raise Undetermined("a condition depends on the values of an array")

    __int__ = __index__ = __float__ = item = __array__ = __bool__  # type: ignore[assignment]

    def detach(self) -> NDArray:
        made: NDArray = lookup("stop_gradient").call(self)  # type: ignore[union-attr]
        return made

    def copy(self) -> NDArray:
        return self

    def _become(self, made: NDArray) -> None:
        assert isinstance(made, Placeholder)
        self.register, self._shape, self._dtype = made.register, made._shape, made._dtype

    def __repr__(self) -> str:
        return f"<Placeholder r{self.register} {self._shape} {self._dtype}>"


class Trace:
    """Steps, and the shape and dtype of each register.

    whole: keep composite operations that have a public name as one step each.
    """

    def __init__(self, whole: bool = False) -> None:
        self.steps: list[Step] = []
        self.shapes: list[Shape | None] = []
        self.dtypes: list[np.dtype[Any]] = []
        self.known: dict[Any, tuple[Placeholder, ...]] = {}
        self.whole = whole
        self.guards: set[int] = set()  # registers of gradients, which must be finite: see `Executor`

    def register(self, shape: Shape | None, dtype: Any) -> Placeholder:
        """A new register."""
        self.shapes.append(shape)
        self.dtypes.append(np.dtype(dtype))
        return Placeholder(self, len(self.shapes) - 1, shape, dtype)

    def at(self, register: int) -> Placeholder:
        """The stand-in for a register."""
        return Placeholder(self, register, self.shapes[register], self.dtypes[register])

    @contextmanager
    def open(self) -> Iterator[None]:
        """A scope in which operations of this thread on placeholders are listed here."""
        before, STATE.tracer = STATE.tracer, self.apply
        recording, STATE.recording = STATE.recording, False
        try:
            yield
        finally:
            STATE.tracer = before
            STATE.recording = recording

    def add(self, op: Primitive | Call, operands: Any, statics: Any, made: Any, key: Any = None) -> Any:
        """A step whose outputs have the shapes and dtypes of `made`; an equal earlier one in its place."""
        several = isinstance(made, tuple)
        if key is not None and key in self.known:
            results = self.known[key]
        else:
            parts = made if several else (made,)
            results = tuple(self.register(part.shape, part.dtype) for part in parts)
            self.steps.append(Step(op, operands, statics, tuple(p.register for p in results)))
            if key is not None:
                self.known[key] = results
        return results if several else results[0]

    def apply(self, op: Primitive, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """What `general` asks for every operation while this trace is open; NotImplemented: compute it at once."""
        if op.name not in DRAWS and not _holds(args) and not (named and _holds(tuple(named.values()))):
            return NotImplemented
        operands, statics = bind(op, _shielded(args), {k: _shielded(v) for k, v in named.items()})
        operands, statics = _bare(operands), _bare(statics)
        if not op.variadic:
            operands = tuple(_stacked(x) for x in operands)
        if op.composite and not (self.whole and not op.internal):
            return self.composite(op, operands, statics, lambda: _expanded(op, operands, statics))
        return self.single(op, operands, statics)

    def composite(self, op: Primitive, operands: Any, statics: Any, run: Callable[[], Any]) -> Any:
        """An operation made of others: these are listed; the whole where it asks for values."""
        try:
            made = run()
        except Undetermined:  # the steps listed so far are read by none, and are left out of a plan
            return self.called(op.name, op.call, (*((operands[0],) if op.variadic else operands), *statics), {})
        return tuple(made) if isinstance(made, (tuple, list)) else made

    def single(self, op: Primitive, operands: Any, statics: Any) -> Any:
        """One step for one operation."""
        given = tuple(operands[0]) if op.variadic else operands
        data = tuple(_operand(op, x) for x in given)
        fixed = replaced(statics, _register)
        abstract = tuple(self.abstract(x) for x in given)
        made = infer(op, (abstract,) if op.variadic else abstract, replaced(statics, self.abstract))
        key = None if op.name in DRAWS else _key((op.name, data, fixed))
        return self.add(op, data, fixed, made, key)

    def abstract(self, leaf: Any) -> Any:
        """What stands for an argument where the shape and dtype of the result are found."""
        return Abstract(leaf.shape, leaf.dtype) if isinstance(leaf, Placeholder) else leaf

    def called(
        self, name: str, function: Callable[..., Any], args: Any, named: dict[str, Any], made: Any = None
    ) -> Any:
        """One step for a call of `function`, whose arguments hold placeholders; `made` as infer gives it."""
        arrays: list[Placeholder] = []

        def change(leaf: Any) -> Any:
            if isinstance(leaf, Placeholder):
                arrays.append(leaf)
                return Reg(len(arrays) - 1)
            return leaf

        args, named = replaced(args, change), {k: replaced(v, change) for k, v in named.items()}

        def run(*given: NDArray) -> Any:
            def fill(leaf: Any) -> Any:
                return given[leaf.number] if leaf.__class__ is Reg else leaf

            return function(*replaced(args, fill), **{k: replaced(v, fill) for k, v in named.items()})

        if made is None:
            made = example(run, arrays)
        return self.add(Call(name, run), tuple(Reg(x.register) for x in arrays), (), made)


def example(run: Callable[..., Any], arrays: list[Placeholder]) -> Any:
    """The shapes and dtypes that `run` gives, found by running it on zeros."""
    from ndgrad.ops import random

    tracer, STATE.tracer = STATE.tracer, None
    draws = random.generator().bit_generator.state
    try:
        with np.errstate(all="ignore"):
            y = run(*(new_array(np.zeros(x.shape, x.dtype)) for x in arrays))
    finally:
        STATE.tracer = tracer
        random.generator().bit_generator.state = draws
    if isinstance(y, (tuple, list)):
        return tuple(Abstract(part.shape, part.dtype) for part in y)
    return Abstract(y.shape, y.dtype)


def _expanded(op: Primitive, operands: Any, statics: Any) -> Any:
    """Run a composite on recorded arrays, placeholders among them."""
    given = tuple(operands[0]) if op.variadic else operands
    made = tuple(x if isinstance(x, NDArray) else _as_operand(op, x, plain=False) for x in given)
    return op.value(RECORDED, *((made,) if op.variadic else made), *statics)


class _Shield:
    """Holds a placeholder among statics, of which `bind` would ask for the values."""

    __slots__ = ("inside",)

    def __init__(self, inside: Placeholder) -> None:
        self.inside = inside


def _shielded(value: Any) -> Any:
    return replaced(value, lambda leaf: _Shield(leaf) if isinstance(leaf, Placeholder) else leaf)


def _bare(value: Any) -> Any:
    return replaced(value, lambda leaf: leaf.inside if leaf.__class__ is _Shield else leaf)


def _holds(value: Any) -> bool:
    """Whether a placeholder is among the arguments."""
    if isinstance(value, (tuple, list)):
        return any(_holds(v) for v in value)
    if isinstance(value, slice):
        return _holds((value.start, value.stop, value.step))
    return isinstance(value, Placeholder)


def _stacked(x: Any) -> Any:
    """A list that holds placeholders as one array."""
    if isinstance(x, (list, tuple)) and _holds(x):
        return lookup("stack").call([_stacked(e) for e in x], 0)  # type: ignore[union-attr]
    return x


def _register(leaf: Any) -> Any:
    if isinstance(leaf, Placeholder):
        return Reg(leaf.register)
    return np.asarray(leaf.data) if isinstance(leaf, NDArray) else leaf


def _operand(op: Primitive, x: Any) -> Any:
    """An operand of a step: a register, a Python number, a plain array, None."""
    if isinstance(x, Placeholder):
        return Reg(x.register)
    if isinstance(x, NDArray):
        return x.data
    return None if x is None else plain_operand(op, x)


def _key(value: Any) -> Any:
    """Something hashable that is equal for equal arguments, or None where equality is not cheap to see."""
    try:
        made = _frozen(value)
        hash(made)
    except TypeError:
        return None
    return made


def _frozen(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return (value.__class__, *map(_frozen, value))
    if isinstance(value, slice):
        return slice, _frozen(value.start), _frozen(value.stop), _frozen(value.step)
    if isinstance(value, (np.ndarray, np.generic)):
        if value.nbytes > 1024:
            raise TypeError("too long to compare")
        return value.shape, value.dtype.str, value.tobytes()
    if value.__class__ is float:
        return float, value.hex()
    return value.__class__, value
