"""Programs and symbols, each made from the other.

    symbol_of(program, {"x": (3,)})     the graph of a program whose path does not depend on values
    program_of(symbol, {"x": (3,)})     the text of a program that computes a symbol

Loops of known length and functions are run as they are written: the graph has what they did. Shapes must be
known both ways, since programs read sizes and graphs keep them.
"""

from __future__ import annotations

import keyword
import math
from collections.abc import Mapping
from types import EllipsisType
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad import autograd
from ndgrad.errors import Diagnostic, ShapeError
from ndgrad.lang.program import MAX_STEPS
from ndgrad.lang.running import Run
from ndgrad.lang.state import State
from ndgrad.ndarray import NDArray, plain
from ndgrad.ops import names as operation_names
from ndgrad.plans import replaced
from ndgrad.plans.tracing import Call, Placeholder, Reg, Step, Trace
from ndgrad.primitive import REQUIRED, Primitive
from ndgrad.shapes import Abstract, Undetermined
from ndgrad.symbol.calls import CORE
from ndgrad.symbol.evaluation import lowered
from ndgrad.symbol.graph import VARIABLE, Node, Output, Slot, name_for
from ndgrad.symbol.inference import infer_dtypes, shapes_of
from ndgrad.symbol.problems import undecided
from ndgrad.symbol.symbol import Symbol

if TYPE_CHECKING:
    from ndgrad.lang.program import Program

Shape = tuple[int, ...]


def _depends_on_values(why: str) -> ShapeError:
    """E308: a program that takes one path or another, as values say."""
    cure = "use where(…) instead of a branch, and loops whose number of rounds is known"
    return ShapeError(Diagnostic("E308", f"the program is no graph: {why}", help=cure))


# Programs to symbols


def symbol_of(program: Program, shapes: Mapping[str, Any], dtype: Any = "float64") -> Symbol:
    """The symbol of a program's outputs, its inputs as variables of these shapes.

    shapes: for each input that has no default a shape, or an array that has it. dtype: of inputs given by a
    shape, and the default float. E203 for an input without a shape; E308 where the path or a shape depends on
    values; else the errors of the run itself.
    """
    run = Run(program, dict(shapes), (), None, None, dtype, False, {}, MAX_STEPS, None)
    run.prepare()
    trace = _Strict(whole=True)
    with autograd.default_dtype(dtype), autograd.predict_mode(), np.errstate(all="ignore"), trace.open():
        given: dict[str, NDArray] = {name: _stand_in(trace, shape, dtype) for name, shape in shapes.items()}
        state = State(given, frozenset(), MAX_STEPS, lambda text: None, {}, False)
        try:
            frame, scope = run.evaluate(state, given, ())
            outputs = run.outputs(state, frame, scope)
        except Undetermined as error:
            raise _depends_on_values(str(error)) from None
        made = [value for value, _ in outputs.values()]
    return _as_symbol(trace, list(given), made)


class _Strict(Trace):
    """A trace in which an operation that depends on values is an error of its own, with its place."""

    def apply(self, op: Primitive, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        try:
            return super().apply(op, args, named)
        except Undetermined as error:
            raise _depends_on_values(str(error)) from None


def _stand_in(trace: Trace, shape: Any, dtype: Any) -> Placeholder:
    if hasattr(shape, "shape"):
        return trace.register(shape.shape, shape.dtype)
    return trace.register(tuple(shape) if isinstance(shape, (tuple, list)) else (shape,), dtype)


def _as_symbol(trace: Trace, names: list[str], values: list[Any]) -> Symbol:
    """The steps of a trace as nodes, whose first registers are variables of these names."""
    outputs: dict[int, Output] = {}
    for i, name in enumerate(names):
        attrs = {"__shape__": str(trace.shapes[i]), "__dtype__": trace.dtypes[i].name}
        outputs[i] = Node(VARIABLE, name, attrs=attrs), 0
    for step in trace.steps:
        inputs: list[Output] = []

        def slot(leaf: Any, inputs: list[Output] = inputs) -> Any:
            if leaf.__class__ is not Reg:
                return leaf
            if outputs[leaf.number] not in inputs:
                inputs.append(outputs[leaf.number])
            return Slot(inputs.index(outputs[leaf.number]))

        if isinstance(step.op, Call):
            raise _depends_on_values(f"`{step.op.name}` needs the values of its operands")
        operands = replaced(step.operands, slot)
        args = (list(operands) if step.op.variadic else operands, replaced(step.statics, slot))
        whole = (args[0], *args[1]) if step.op.variadic else (*args[0], *args[1])
        op = CORE + step.op.name
        node = Node(op, name_for(op), tuple(inputs), whole, outputs=len(step.results))
        for i, register in enumerate(step.results):
            outputs[register] = node, i
    return Symbol([_head(outputs, value) for value in values])


def _head(outputs: dict[int, Output], value: Any) -> Output:
    if isinstance(value, Placeholder):
        return outputs[value.register]
    constant = np.asarray(plain(value))  # what does not depend on an input
    return Node(CORE + "positive", name_for("constant"), args=(constant,)), 0


# Symbols to programs


def program_of(symbol: Symbol, shapes: Mapping[str, Any] | None = None) -> str:
    """The text of a program with the symbol's variables as inputs and its outputs as outputs.

    Shapes that do not follow from the symbol must be given. The text has one operation a line, with the
    operations that MXNet's functions are made of. E304 for undecided shapes; E308 for a symbol whose operations
    depend on values, or that the language has no words for.
    """
    found, _ = shapes_of(symbol, shapes or {})
    missing = [name for name in symbol.list_inputs() if name not in found]
    if missing:
        raise undecided(missing)
    dtypes = infer_dtypes(symbol, {})
    given = {name: Abstract(shape, dtypes[name]) for name, shape in found.items()}
    with autograd.pause():
        try:
            trace, inside, made = lowered(symbol._outputs, given, whole=True)
        except Undetermined as error:
            raise _depends_on_values(str(error)) from None
    needed = _reaching(trace.steps, [y.register for y in made if isinstance(y, Placeholder)])
    writer = _Text()
    lines = []
    for name, x in inside.items():
        own = writer.named(x.register, _identifier(name))
        lines.append(f"input {own}: [{', '.join(map(str, x.shape))}]")
    lines += [line for step in needed for line in writer.lines(step)]
    shown = [writer.value(Reg(y.register) if isinstance(y, Placeholder) else plain(y)) for y in made]
    labels = [_identifier(name.removesuffix("_output")) for name in symbol.list_outputs()]
    fresh = [writer.fresh(label) if label != value else label for label, value in zip(labels, shown, strict=True)]
    lines += [f"{label} = {value}" for label, value in zip(fresh, shown, strict=True) if label != value]
    return "\n".join([*lines, f"output {', '.join(fresh)}"]) + "\n"


def _reaching(steps: list[Step], targets: list[int]) -> list[Step]:
    wanted, kept = set(targets), []
    for step in reversed(steps):
        if wanted.intersection(step.results):
            wanted.update(step.registers())
            kept.append(step)
    return kept[::-1]


def _identifier(name: str) -> str:
    """A name that the language can have."""
    made = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
    made = made if made[:1].isalpha() else f"v{made}"
    return f"{made}_" if keyword.iskeyword(made) or made in _TAKEN or made in operation_names() else made


_WORDS = "input output use print assert grad pi e inf nan True False"
_TAKEN = frozenset(_WORDS.split())
_INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "matmul": "@", "mod": "%"}
_INFIX |= {"floor_divide": "//", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">="}
_INFIX |= {"equal": "==", "not_equal": "!="}


class _Text:
    """Lines of a program, one or two for each step."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.used: set[str] = set()
        self.count = 0

    def fresh(self, name: str) -> str:
        while name in self.used:
            name += "_"
        self.used.add(name)
        return name

    def named(self, register: int, name: str) -> str:
        self.names[register] = self.fresh(name)
        return self.names[register]

    def next(self, register: int) -> str:
        self.count += 1
        return self.named(register, f"t{self.count}")

    def value(self, x: Any) -> str:
        """An operand or a static, as it is written."""
        if x.__class__ is Reg:
            return self.names[x.number]
        if x is None or isinstance(x, (bool, str)):
            return f'"{x}"' if isinstance(x, str) else repr(x)
        if isinstance(x, (int, np.integer)):
            return str(int(x))
        if isinstance(x, (float, np.floating)):
            number = float(x)
            return (
                repr(number) if math.isfinite(number) else "nan" if math.isnan(number) else ("-" * (number < 0)) + "inf"
            )
        if isinstance(x, tuple):
            return f"({', '.join(map(self.value, x))}{',' if len(x) == 1 else ''})"
        if isinstance(x, list):
            return f"[{', '.join(map(self.value, x))}]"
        if isinstance(x, np.dtype) or (isinstance(x, type) and issubclass(x, np.generic)):
            return f'"{np.dtype(x).name}"'
        data = np.asarray(x)
        if data.dtype.kind == "b":
            return f"bool({self.value(data.astype(int).tolist())})"
        return f"int({self.value(data.tolist())})" if data.dtype.kind in "iu" else self.value(data.tolist())

    def key(self, key: Any) -> str:
        """What stands between the brackets of an index."""
        if isinstance(key, tuple):
            return ", ".join(map(self.key, key)) or "..."
        if isinstance(key, slice):
            ends = ("" if k is None else self.value(k) for k in (key.start, key.stop))
            return ":".join(ends) + ("" if key.step is None else f":{self.value(key.step)}")
        return "..." if isinstance(key, EllipsisType) else self.value(key)

    def lines(self, step: Step) -> list[str]:
        """The statements of one step. E308 where the language has no words for it."""
        op = step.op
        if isinstance(op, Call):
            raise _depends_on_values(f"`{op.name}` needs the values of its operands")
        operands = [self.value(x) for x in step.operands]
        if len(step.results) > 1:
            text = self.call(op.name, step, operands)
            return [f"{', '.join(self.next(r) for r in step.results)} = {text}"]
        (result,) = step.results
        if op.name == "written":
            target, value = operands
            own = self.next(result)
            return [f"{own} = {target}", f"{own}[{self.key(step.statics[0])}] = {value}"]
        if op.name in _INFIX:
            text = f" {_INFIX[op.name]} ".join(f"({x})" if x.startswith("-") else x for x in operands)
        elif op.name == "negative":
            text = f"-{operands[0]}"
        elif op.name == "index":
            text = f"{operands[0]}[{self.key(step.statics[0])}]"
        elif op.name == "einsum_of":
            text = f"einsum({self.value(step.statics[0])}, {', '.join(operands)})"
        elif op.name == "norm2":
            text = f"norm({operands[0]}, axis={self.value(step.statics[0])}, keepdims={self.value(step.statics[1])})"
        elif op.internal:
            raise _depends_on_values(f"the language has no function for `{op.name}`")
        else:
            text = self.call(op.name, step, operands)
        return [f"{self.next(result)} = {text}"]

    def call(self, name: str, step: Step, operands: list[str]) -> str:
        """A call: operands in order, the other arguments by name where they are not the defaults."""
        op = step.op
        assert not isinstance(op, Call)
        arguments = [f"[{', '.join(operands)}]"] if op.variadic else list(operands)
        while arguments and arguments[-1] == "None":
            arguments.pop()
        for parameter, x in zip(op.signature[op.arity :], step.statics, strict=True):
            if parameter.default is REQUIRED or type(x) is not type(parameter.default) or x != parameter.default:
                arguments.append(f"{parameter.name}={self.value(x)}")
        return f"{name}({', '.join(arguments)})"
