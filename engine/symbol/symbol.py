"""Symbol: a computation that has been written down and not run; one or several outputs of a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from ndgrad.symbol import problems
from ndgrad.symbol.graph import AUXILIARY, Node, Output, Slot, ordered

if TYPE_CHECKING:
    from ndgrad.context import Context
    from ndgrad.ndarray import NDArray
    from ndgrad.symbol.executor import Executor

Shape = tuple[int, ...]


class Symbol:
    """Outputs of a graph. Operators and methods make larger graphs; `bind` makes something that runs."""

    __slots__ = ("_outputs",)
    __array_ufunc__ = None  # so that NumPy leaves mixed operators to this class

    def __init__(self, outputs: Sequence[Output]) -> None:
        self._outputs = tuple(outputs)

    # What it is made of

    @property
    def name(self) -> str | None:
        """The name of the one node whose outputs these are, None for a group of several."""
        nodes = {node.id: node for node, _ in self._outputs}
        return next(iter(nodes.values())).name if len(nodes) == 1 else None

    def list_arguments(self) -> list[str]:
        """The names of the variables that must be given, in the order in which they are met."""
        aux = self._auxiliary()
        return [node.name for node in ordered(self._outputs) if node.variable and node.id not in aux]

    def list_auxiliary_states(self) -> list[str]:
        """The names of the variables that a run changes: running statistics."""
        aux = self._auxiliary()
        return [node.name for node in ordered(self._outputs) if node.id in aux]

    def list_inputs(self) -> list[str]:
        """The names of all variables."""
        return [node.name for node in ordered(self._outputs) if node.variable]

    def list_outputs(self) -> list[str]:
        """A name for each output: that of a variable, else NAME_output, or NAME_output0, NAME_output1, …"""
        return [output_name(node, i) for node, i in self._outputs]

    def get_internals(self) -> Symbol:
        """All outputs of all nodes, as one symbol; pick one by its name: internals["fc1_output"]."""
        return Symbol([(node, i) for node in ordered(self._outputs) for i in range(node.outputs)])

    def get_children(self) -> Symbol | None:
        """What goes into the nodes of the outputs, None for variables."""
        below = [each for node, _ in self._outputs for each in node.inputs]
        return Symbol(below) if below else None

    def _auxiliary(self) -> frozenset[int]:
        found = set()
        for node in ordered(self._outputs):
            for parameter in AUXILIARY.get(node.op, ()):
                slot = node.named.get(parameter)
                if slot.__class__ is Slot and node.inputs[slot.index][0].variable:
                    found.add(node.inputs[slot.index][0].id)
        return frozenset(found)

    @property
    def num_outputs(self) -> int:
        return len(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __iter__(self) -> Iterator[Symbol]:
        return (Symbol([output]) for output in self._outputs)

    def __getitem__(self, key: Any) -> Symbol:
        """An output by number or name, several by a slice of a group; x[a:b], x[i, j], x[...] index the array itself.

        E303 for an output that is not there.
        """
        if isinstance(key, str):
            names = self.list_outputs()
            if key not in names:
                raise problems.unknown_output(key, names)
            return Symbol([self._outputs[names.index(key)]])
        if isinstance(key, int):
            if not -len(self._outputs) <= key < len(self._outputs):
                raise problems.unknown_output(key, self.list_outputs())
            return Symbol([self._outputs[key]])
        if isinstance(key, slice) and len(self._outputs) > 1:
            return Symbol(self._outputs[key])
        if isinstance(key, (tuple, slice, EllipsisType, type(None), Symbol)):
            return _call("core.index", self, key)
        raise problems.unknown_output(key, self.list_outputs())

    def __repr__(self) -> str:
        return f"<Symbol {self.name if self.name is not None else 'group [' + ', '.join(self.list_outputs()) + ']'}>"

    def debug_str(self) -> str:
        """One line for each node: its name, its function, what goes in."""
        lines = []
        for node in ordered(self._outputs):
            into = ", ".join(output_name(n, i) for n, i in node.inputs)
            lines.append(f"{node.name} = {'variable' if node.variable else f'{node.op}({into})'}")
        return "\n".join(lines)

    def __copy__(self) -> Symbol:
        return Symbol(self._outputs)

    def __deepcopy__(self, memo: Any) -> Symbol:
        return Symbol(self._outputs)  # nodes are never changed but for attributes, which copies share on purpose

    def __reduce__(self) -> Any:
        from ndgrad.symbol.files import load_json

        return load_json, (self.tojson(),)

    def __bool__(self) -> bool:
        raise problems.no_value_yet()

    # Attributes

    def attr(self, key: str) -> str | None:
        """The text attached under `key`, or None."""
        return self._outputs[0][0].attrs.get(key)

    def list_attr(self) -> dict[str, str]:
        """What is attached to this node."""
        return dict(self._outputs[0][0].attrs)

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """What is attached to each node that has something, by the node's name."""
        return {node.name: dict(node.attrs) for node in ordered(self._outputs) if node.attrs}

    def _set_attr(self, **attrs: str) -> None:
        """Attach texts to this node. E307 for what is no text."""
        for key, value in attrs.items():
            if not isinstance(value, str):
                raise problems.attribute_is_no_text(key, value)
            self._outputs[0][0].attrs[key] = value

    # Making larger ones

    def __call__(self, *symbols: Symbol, name: str | None = None, **named: Symbol) -> Symbol:
        """This graph with other symbols in the place of its variables, by order or by name. E201, E307."""
        variables = self.list_arguments()
        if symbols and named:
            raise problems.compose_by_one_way()
        if len(symbols) > len(variables):
            raise problems.too_many_symbols(len(symbols), variables)
        given = dict(zip(variables, symbols, strict=False)) if symbols else named
        known = self.list_inputs()
        put: dict[str, Output] = {}
        for variable, symbol in given.items():
            if variable not in known:
                raise problems.unknown_variable("this symbol", variable, known)
            if not isinstance(symbol, Symbol) or len(symbol._outputs) != 1:
                raise problems.one_output_needed(variable)
            put[variable] = symbol._outputs[0]
        made: dict[int, Node] = {}
        for node in ordered(self._outputs):
            if node.variable:
                continue
            inputs = tuple(_moved(below, put, made) for below in node.inputs)
            last = any(node is n for n, _ in self._outputs)
            title = name if name is not None and last else node.name
            if inputs != node.inputs or title != node.name:
                made[node.id] = Node(node.op, title, inputs, node.args, node.named, dict(node.attrs), node.outputs)
        return Symbol([_moved(output, put, made) for output in self._outputs])

    def reshape(self, *shape: Any, **named: Any) -> Symbol:
        """nd.reshape of it: sizes as a tuple or one by one, MXNet's codes included."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return _call("reshape", self, named.pop("shape", sizes), **named)

    def transpose(self, *axes: Any) -> Symbol:
        """The axes in another order, as a tuple or one by one; reversed if none is given."""
        return _call("transpose", self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None)

    @property
    def T(self) -> Symbol:
        return _call("transpose", self)

    def astype(self, dtype: Any) -> Symbol:
        """The same values in another dtype."""
        return _call("core.astype", self, str(dtype) if isinstance(dtype, str) else _dtype_name(dtype))

    def detach(self) -> Symbol:
        """The same values, through which no gradient passes."""
        return _call("core.stop_gradient", self)

    def gradient(self, wrt: str | Symbol | Sequence[str | Symbol]) -> Symbol:
        """The symbol of the gradient of this one (of the sum of its entries) by the variables named.

        One output for each of `wrt`, of its shape. It is a symbol like any other: its own gradient can be
        asked for. E201 for a name that is no variable here.
        """
        from ndgrad.symbol.derivative import gradient_symbol

        return gradient_symbol(self, wrt)

    def __getattr__(self, name: str) -> Callable[..., Symbol]:
        """The method form of every function: x.sum(axis=0) is sym.sum(x, axis=0)."""
        if not name.startswith("_"):
            from ndgrad import symbol

            call = getattr(symbol, name, None)
            if getattr(call, "makes_symbols", False):
                return lambda *args, **named: call(self, *args, **named)  # type: ignore[misc]
        raise AttributeError(f"Symbol has no attribute {name!r}")

    # Shapes and dtypes

    def infer_shape(self, *shapes: Shape | None, **named: Shape) -> tuple[Any, Any, Any]:
        """The shapes of the arguments, outputs and auxiliary states, from some of them, given in order or by name.

        Raises E304 naming the arguments that stay undecided, and the errors that a run would raise.
        """
        from ndgrad.symbol.inference import infer_shape

        return infer_shape(self, shapes, named, partial=False)

    def infer_shape_partial(self, *shapes: Shape | None, **named: Shape) -> tuple[Any, Any, Any]:
        """As infer_shape, with None in the place of each shape that stays undecided."""
        from ndgrad.symbol.inference import infer_shape

        return infer_shape(self, shapes, named, partial=True)

    def infer_type(self, *dtypes: Any, **named: Any) -> tuple[Any, Any, Any]:
        """The dtypes of the arguments, outputs and auxiliary states; float32 where nothing says otherwise."""
        from ndgrad.symbol.inference import infer_type

        return infer_type(self, dtypes, named)

    infer_type_partial = infer_type

    # Files

    def tojson(self) -> str:
        """The graph as JSON (docs/mxnet.md describes it); `load_json` gives an identical one."""
        from ndgrad.symbol.files import tojson

        return tojson(self)

    def save(self, fname: Any) -> None:
        """Write the JSON to a file."""
        from pathlib import Path

        Path(fname).write_text(self.tojson() + "\n", "utf-8")

    # Running

    def eval(self, ctx: Context | None = None, **arrays: Any) -> list[NDArray]:
        """The outputs for these arrays, by the names of the variables. E201 for a name it does not know, E203."""
        from ndgrad.symbol.executor import evaluated

        return evaluated(self, ctx, arrays)

    def bind(
        self,
        ctx: Context | None = None,
        args: Any = None,
        args_grad: Any = None,
        grad_req: Any = "write",
        aux_states: Any = None,
    ) -> Executor:
        """Something that runs, on these arrays.

        args, args_grad, aux_states: arrays by name, or a list in the order of list_arguments (aux states: of
        list_auxiliary_states). grad_req: "write", "add" or "null", for all or by name. An argument without a
        gradient array gets none. E201, E203, E304, E307, E701.
        """
        from ndgrad.symbol.executor import bind

        return bind(self, ctx, args, args_grad, grad_req, aux_states)

    def simple_bind(
        self,
        ctx: Context | None = None,
        grad_req: Any = "write",
        type_dict: dict[str, Any] | None = None,
        **shapes: Any,
    ) -> Executor:
        """Something that runs on arrays of zeros, made for the shapes that follow from those given. E201, E304."""
        from ndgrad.symbol.executor import simple_bind

        return simple_bind(self, ctx, grad_req, type_dict or {}, shapes)


def output_name(node: Node, index: int) -> str:
    """The name of one output of a node."""
    if node.variable:
        return node.name
    return f"{node.name}_output{index}" if node.outputs > 1 else f"{node.name}_output"


def _moved(output: Output, put: dict[str, Output], made: dict[int, Node]) -> Output:
    node, index = output
    if node.variable:
        return put.get(node.name, output)
    return made.get(node.id, node), index


def _call(op: str, *args: Any, **named: Any) -> Symbol:
    from ndgrad.symbol.calls import call

    return call(op, args, named)


def _dtype_name(dtype: Any) -> str:
    import numpy as np

    return str(np.dtype(dtype))


def _operator(op: str, swapped: bool = False) -> Callable[[Symbol, Any], Any]:
    def operate(self: Symbol, other: Any) -> Any:
        return _call(op, other, self) if swapped else _call(op, self, other)

    return operate


def _install() -> None:
    """The operators are the operations, as for NDArray."""
    names = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "mod": "mod", "pow": "power"}
    names |= {"floordiv": "floor_divide", "matmul": "matmul"}
    for method, op in names.items():
        setattr(Symbol, f"__{method}__", _operator(f"core.{op}"))
        setattr(Symbol, f"__r{method}__", _operator(f"core.{op}", swapped=True))
    comparisons = {"lt": "lesser", "le": "lesser_equal", "gt": "greater", "ge": "greater_equal"}
    for method, op in (comparisons | {"eq": "equal", "ne": "not_equal"}).items():
        setattr(Symbol, f"__{method}__", _operator(op))
    setattr(Symbol, "__neg__", lambda self: _call("core.negative", self))  # noqa: B010 - a method by assignment
    setattr(Symbol, "__abs__", lambda self: _call("core.abs", self))  # noqa: B010
    setattr(Symbol, "__hash__", object.__hash__)  # noqa: B010


_install()
