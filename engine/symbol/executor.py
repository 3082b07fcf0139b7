"""Executors: a symbol bound to arrays, run as often as one likes.

An executor makes its plan once for each mode (training or not) and runs it over plain arrays. Where a plan
cannot be made, because a shape depends on values, and where a gradient comes out not finite, so that
the entries that no path reaches must be told apart, the graph is run function by function instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ndgrad import autograd
from ndgrad.context import Context, cpu, need_cpu
from ndgrad.ndarray import NDArray, array, new_array, plain
from ndgrad.ops import random
from ndgrad.plans.plan import Plan
from ndgrad.plans.tracing import Placeholder, Reg
from ndgrad.problems import head_does_not_fit, overwritten
from ndgrad.shapes import Undetermined
from ndgrad.symbol import problems
from ndgrad.symbol.evaluation import lowered, run_nodes
from ndgrad.symbol.graph import ordered
from ndgrad.symbol.inference import infer_dtypes, infer_shape, shapes_of
from ndgrad.symbol.symbol import Symbol
from ndgrad.tape import STATE, General, GradReq, Sink, note_write, owner_of, tick, written


class Executor:
    """What `bind` gives.

    arg_dict, grad_dict, aux_dict, output_dict   arrays by name (grad_dict: None where no gradient is wanted)
    arg_arrays, grad_arrays, aux_arrays, outputs the same in the order of the symbol's lists
    """

    def __init__(
        self,
        symbol: Symbol,
        args: dict[str, NDArray],
        grads: dict[str, NDArray | None],
        reqs: dict[str, str],
        aux: dict[str, NDArray],
    ) -> None:
        self._symbol = symbol
        self.arg_dict = args
        self.grad_dict = grads
        self.aux_dict = aux
        self._reqs = reqs
        self.outputs: list[NDArray] = []
        self._plans: dict[Any, Plan | None] = {}
        self._last: _Run | None = None
        if STATE.remote is not None:
            for x in (*args.values(), *grads.values(), *aux.values()):
                need_cpu(cpu() if x is None else x.context)
        for x in aux.values():
            x._writable()

    @property
    def arg_arrays(self) -> list[NDArray]:
        return list(self.arg_dict.values())

    @property
    def grad_arrays(self) -> list[NDArray | None]:
        return list(self.grad_dict.values())

    @property
    def aux_arrays(self) -> list[NDArray]:
        return list(self.aux_dict.values())

    @property
    def output_dict(self) -> dict[str, NDArray]:
        return dict(zip(self._symbol.list_outputs(), self.outputs, strict=False))

    @property
    def _wanted(self) -> list[str]:
        return [name for name, g in self.grad_dict.items() if g is not None and self._reqs.get(name) != "null"]

    # Running

    def forward(self, is_train: bool = False, **inputs: Any) -> list[NDArray]:
        """Run, after copying `inputs` into the arguments of these names; gives the outputs.

        is_train: as in training, and so that `backward` can follow. E201, E304, and what the operations raise.
        """
        for name, value in inputs.items():
            if name not in self.arg_dict:
                raise problems.unknown_variable("this executor", name, list(self.arg_dict))
            _put(name, self.arg_dict[name], value)
        self._last = None
        run = _Run(self, is_train)
        self.outputs = run.forward()
        if is_train:
            self._last = run
        return self.outputs

    def backward(self, out_grads: Any = None, is_train: bool = True) -> None:
        """Fill the gradient arrays, as their grad_req says.

        out_grads: the cotangent of the output, or a list of one for each (None: ones). E307 without a
        forward(is_train=True) before it, E404, E405.
        """
        run = self._last
        if run is None:
            raise problems.forward_first()
        wanted = self._wanted
        made = run.backward(_heads(self.outputs, out_grads), wanted)
        for name, g in zip(wanted, made, strict=True):
            target = self.grad_dict[name]
            assert target is not None
            if g is not None and g is target._data:
                continue  # it was computed right there
            buffer = target._writable()
            if self._reqs[name] == "add":
                if g is not None:
                    buffer[...] += g
            else:
                buffer[...] = 0 if g is None else g

    def plan(self, training: bool) -> Plan | None:
        """The plan for the shapes of now, or None where shapes depend on values."""
        given = {**self.arg_dict, **self.aux_dict}
        shapes = tuple((x.shape, x.dtype) for x in given.values())
        large = any(map(_is_large, given.values()))
        key = training, STATE.kinks, STATE.float_dtype, shapes, large
        if key not in self._plans:
            with autograd.pause(training):
                try:
                    trace, inside, made = lowered(self._symbol._outputs, given)
                except Undetermined:
                    self._plans[key] = None
                    return None
            outputs = [
                Reg(y.register) if isinstance(y, Placeholder) else plain(y if isinstance(y, NDArray) else array(y))
                for y in made
            ]
            wanted = [inside[name].register for name in self._wanted] if training else []
            self._plans[key] = Plan(trace, outputs, wanted, large)
        return self._plans[key]

    # Arrays

    def copy_params_from(
        self,
        arg_params: Mapping[str, Any],
        aux_params: Mapping[str, Any] | None = None,
        allow_extra_params: bool = False,
    ) -> None:
        """Copy arrays by name into the arguments and auxiliary states. E201 for a name not here, unless allowed."""
        for params, mine in ((arg_params, self.arg_dict), (aux_params or {}, self.aux_dict)):
            for name, value in params.items():
                if name in mine:
                    _put(name, mine[name], value)
                elif not allow_extra_params:
                    raise problems.unknown_variable("this executor", name, list(mine))

    def reshape(self, partial_shaping: bool = False, allow_up_sizing: bool = False, **shapes: Any) -> Executor:
        """An executor for other shapes. Arrays whose shapes stay are shared with this one, the others are zeros.

        E304 where the shape of an argument that was not named changes too, unless partial_shaping says it may.
        """
        arguments, _, states = infer_shape(self._symbol, (), {k: tuple(s) for k, s in shapes.items()}, partial=False)
        args, grads, aux = {}, {}, {}
        for name, shape in zip(self._symbol.list_arguments(), arguments, strict=True):
            x = self.arg_dict[name]
            if x.shape != shape and name not in shapes and not partial_shaping:
                raise problems.wrong_shape(name, x.shape, shape)
            args[name] = x if x.shape == shape else new_array(np.zeros(shape, x.dtype))
            g = self.grad_dict[name]
            grads[name] = g if g is None or g.shape == shape else new_array(np.zeros(shape, g.dtype))
        for name, shape in zip(self._symbol.list_auxiliary_states(), states, strict=True):
            x = self.aux_dict[name]
            aux[name] = x if x.shape == shape else new_array(np.zeros(shape, x.dtype))
        return Executor(self._symbol, args, grads, dict(self._reqs), aux)

    def debug_str(self) -> str:
        """The steps of the plan for prediction, one a line."""
        plan = self.plan(False)
        return "no plan: shapes depend on values" if plan is None else "\n".join(map(str, plan.steps))


class _Run:
    """One forward pass, and what a backward needs of it."""

    def __init__(self, executor: Executor, training: bool) -> None:
        self.executor = executor
        self.training = training
        self.plan = executor.plan(training)
        self.given = {**executor.arg_dict, **executor.aux_dict}
        self.time = tick()
        self.registers: list[Any] = []
        self.outputs: list[NDArray] = []
        self.leaves: dict[str, NDArray] = {}
        self.draws: Any = None
        self.before: dict[str, Any] = {}

    def forward(self) -> list[NDArray]:
        plan = self.plan
        if plan is None:
            return self.eager()
        if plan.draws:
            self.draws = random.generator().bit_generator.state
            self.before = {name: np.array(x.data) for name, x in self.executor.aux_dict.items()}
        r: list[Any] = [None] * (len(plan.trace.shapes) + 1)
        r[-1] = {}
        for i, x in enumerate(self.given.values()):
            r[i] = x.lazy if plan.large and _is_large(x) else plain(x)
        training, STATE.training = STATE.training, self.training
        try:
            plan.forward(r, self.training)
        except Exception:
            STATE.training = training
            self.rewind()
            self.eager()  # which names the function that fails, and how
            raise
        finally:
            STATE.training = training
        if plan.guards and not plan.sound(r):
            self.rewind()
            self.plan = None
            return self.eager()
        if self.training:
            self.registers = r
        made = [r[x.number] if x.__class__ is Reg else x for x in plan.outputs]
        self.outputs = [_wrapped(y, r, len(self.given)) for y in made]
        return self.outputs

    def rewind(self) -> None:
        """Put random numbers and running statistics back to where the forward pass found them."""
        if self.draws is not None:
            random.generator().bit_generator.state = self.draws
            for name, values in self.before.items():
                self.executor.aux_dict[name]._writable()[...] = values

    def eager(self) -> list[NDArray]:
        """The forward pass function by function, recorded where a backward may follow."""
        executor = self.executor
        given = {name: new_array(plain(x)) for name, x in self.given.items()}
        if not self.training:
            with autograd.pause(False):
                return [_array(y) for y in run_nodes(executor._symbol._outputs, given)]
        for name in executor._wanted:
            if given[name].dtype.kind == "f":
                given[name].attach_grad()
                self.leaves[name] = given[name]
        with autograd.record(True):
            self.outputs = [_array(y) for y in run_nodes(executor._symbol._outputs, given)]
        return [y.detach() for y in self.outputs]

    def backward(self, heads: list[Any], wanted: list[str]) -> list[Any]:
        """The cotangent of each wanted argument, or None where nothing arrives."""
        if self.plan is None:
            return self.swept(heads, wanted)
        self.unchanged()
        if not self.registers:
            self.again()
        made = self.plan.backward(self.registers, heads)
        if self.plan.large:
            made, finite = self.settled(made, wanted)
            self.registers = []  # so that no deferred array looks at the arguments any more
        else:
            finite = all(g is None or np.isfinite(g).all() for g in made)
        if finite:
            return made
        after = random.generator().bit_generator.state
        states = {name: np.array(x.data) for name, x in self.executor.aux_dict.items()}
        self.rewind()
        self.eager()
        random.generator().bit_generator.state = after
        for name, values in states.items():
            self.executor.aux_dict[name]._writable()[...] = values
        return self.swept(heads, wanted)

    def again(self) -> None:
        """The registers once more, for a second backward after one that has let them go."""
        after = random.generator().bit_generator.state
        outputs = self.outputs
        self.rewind()
        self.forward()
        self.outputs = outputs
        random.generator().bit_generator.state = after

    def settled(self, made: list[Any], wanted: list[str]) -> tuple[list[Any], bool]:
        """The cotangents and the outputs, computed together; and whether the former are finite."""
        found = {}
        for i, (name, g) in enumerate(zip(wanted, made, strict=True)):
            target = self.executor.grad_dict[name]
            if g is not None and target is not None:
                leaf = General(None, (), (), (), target.shape, target.dtype)
                req: GradReq = "add" if self.executor._reqs[name] == "add" else "write"
                leaf.mark(sink=Sink(target, req))
                found[i] = leaf, g
        made = [None] * len(made)
        finite = STATE.fusion.settled(found, self.outputs, True)
        for i, (_, g) in found.items():
            made[i] = g
        return made, bool(finite)

    def swept(self, heads: list[Any], wanted: list[str]) -> list[Any]:
        """The cotangents by the sweep over the recorded run."""
        pairs = [(y, g) for y, g in zip(self.outputs, heads, strict=True) if y.node is not None and g is not None]
        if not pairs:
            return [None] * len(wanted)
        leaves = [self.leaves[name] for name in wanted if name in self.leaves]
        found = autograd.grad([y for y, _ in pairs], leaves, [g for _, g in pairs], retain_graph=True)
        by_name = dict(zip((n for n in wanted if n in self.leaves), found, strict=True))
        return [plain(by_name[name]) if name in by_name else None for name in wanted]

    def unchanged(self) -> None:
        """E405 if an argument was written to since the forward pass."""
        if not written:
            return
        for name, x in self.given.items():
            if isinstance(x.data, np.ndarray) and name in self.executor.arg_dict:
                write = written.get(id(owner_of(x.data)))
                if write is not None and write.time > self.time:
                    place = f"`{name}` was recorded by forward(is_train=True), overwritten at {write.place}"
                    raise overwritten("forward", place)


def _array(y: Any) -> NDArray:
    return y if isinstance(y, NDArray) else array(y)


def _is_large(x: NDArray) -> bool:
    return STATE.fusion is not None and x.__class__ is STATE.fusion.Large


def _wrapped(y: Any, r: list[Any], inputs: int) -> NDArray:
    """An output, with memory of its own where it would be a view of an argument."""
    if STATE.fusion is not None and y.__class__ is STATE.fusion.Lazy:
        made: NDArray = STATE.fusion.large(y)
        return made
    return new_array(_own(y, r, inputs))


def _own(y: Any, r: list[Any], inputs: int) -> Any:
    if isinstance(y, np.ndarray):
        owner = owner_of(y)
        if any(isinstance(x, np.ndarray) and owner_of(x) is owner for x in r[:inputs]):
            return y.copy()
    return y


def _put(name: str, target: NDArray, value: Any) -> None:
    """Copy a value into an array of the same shape."""
    data = np.asarray(plain(value))
    if data.shape != target.shape:
        raise problems.wrong_shape(name, target.shape, data.shape)
    target._writable()[...] = data
    note_write(target._data)


def _heads(outputs: list[NDArray], given: Any) -> list[Any]:
    """One cotangent for each output, None for outputs that have none."""
    if given is None:
        grads: list[Any] = [None] * len(outputs)
    elif isinstance(given, (list, tuple)):
        grads = list(given)
    elif isinstance(given, Mapping):
        grads = list(given.values())
    else:
        grads = [given]
    if len(grads) != len(outputs):
        raise problems.wrong_count(len(grads), [f"output {i}" for i in range(len(outputs))], "gradients")
    made: list[Any] = []
    for y, g in zip(outputs, grads, strict=True):
        if y.dtype.kind != "f":
            made.append(None)
        elif g is None:
            made.append(np.ones(y.shape, y.dtype)[()])
        else:
            head = np.asarray(plain(g), y.dtype)
            if head.shape != y.shape:
                raise head_does_not_fit(head.shape, y.shape)
            made.append(head[()])
    return made


# Binding


def bind(symbol: Symbol, ctx: Context | None, args: Any, args_grad: Any, grad_req: Any, aux_states: Any) -> Executor:
    """`Symbol.bind`."""
    need_cpu(ctx)
    names, states = symbol.list_arguments(), symbol.list_auxiliary_states()
    _distinct(symbol)
    given = _by_name(args, names, "arrays", others=states)
    arrays = {name: _bound(given[name]) for name in names if name in given}
    missing = [name for name in names if name not in given]
    if missing:
        raise problems.missing(missing)
    more = _by_name(aux_states, states, "auxiliary states")
    more = {**{name: given[name] for name in states if name in given}, **more}
    missing = [name for name in states if name not in more]
    if missing:
        raise problems.missing(missing)
    reqs = _requests(grad_req, names)
    grads: dict[str, NDArray | None] = dict.fromkeys(names)
    if args_grad is not None:
        for name, g in _by_name(args_grad, names, "gradient arrays").items():
            if g is not None:
                if g.shape != arrays[name].shape:
                    raise problems.wrong_shape(f"the gradient of {name}", arrays[name].shape, g.shape)
                grads[name] = g
    return Executor(symbol, arrays, grads, reqs, {name: _bound(more[name]) for name in states})


def simple_bind(
    symbol: Symbol, ctx: Context | None, grad_req: Any, dtypes: dict[str, Any], shapes: dict[str, Any]
) -> Executor:
    """`Symbol.simple_bind`."""
    need_cpu(ctx)
    _distinct(symbol)
    names, states = symbol.list_arguments(), symbol.list_auxiliary_states()
    wanted = {name: tuple(s) if isinstance(s, (tuple, list)) else (s,) for name, s in shapes.items()}
    found, _ = shapes_of(symbol, wanted)
    undecided = [name for name in (*names, *states) if name not in found]
    if undecided:
        raise problems.undecided(undecided)
    arguments, auxiliary = [found[n] for n in names], [found[n] for n in states]
    kinds = infer_dtypes(symbol, dtypes)
    reqs = _requests(grad_req, names)
    args = {n: array(np.zeros(s, kinds[n])) for n, s in zip(names, arguments, strict=True)}
    aux = {n: new_array(np.zeros(s, kinds[n])) for n, s in zip(states, auxiliary, strict=True)}
    for name, x in aux.items():
        if name.endswith("moving_var"):
            x._writable()[...] = 1
    grads = {
        n: array(np.zeros(x.shape, x.dtype)) if reqs[n] != "null" and x.dtype.kind == "f" else None
        for n, x in args.items()
    }
    return Executor(symbol, args, grads, reqs, aux)


def _bound(x: Any) -> NDArray:
    return x if isinstance(x, NDArray) else array(x)


def _distinct(symbol: Symbol) -> None:
    """E307 for two variables of one name."""
    seen: set[str] = set()
    for node in ordered(symbol._outputs):
        if node.variable:
            if node.name in seen:
                raise problems.given_twice(node.name)
            seen.add(node.name)


def _by_name(values: Any, names: Sequence[str], what: str, others: Sequence[str] = ()) -> dict[str, Any]:
    """Arrays by name, from a mapping or a list in order. E201, E307."""
    if values is None:
        return {}
    if isinstance(values, Mapping):
        for name in values:
            if name not in names and name not in others:
                raise problems.unknown_variable("this symbol", name, names)
        return dict(values)
    if len(values) != len(names):
        raise problems.wrong_count(len(values), names, what)
    return dict(zip(names, values, strict=True))


def _requests(grad_req: Any, names: Sequence[str]) -> dict[str, str]:
    """What is wanted for each argument. E201, E307."""
    if isinstance(grad_req, str):
        reqs = dict.fromkeys(names, grad_req)
    else:
        reqs = {**dict.fromkeys(names, "null"), **_by_name(grad_req, names, "requests")}
    for req in reqs.values():
        if req not in ("write", "add", "null"):
            raise problems.bad_request(req)
    return reqs


def evaluated(symbol: Symbol, ctx: Context | None, arrays: Mapping[str, Any]) -> list[NDArray]:
    """`Symbol.eval`: one run, function by function, since a plan would not pay."""
    need_cpu(ctx)
    _distinct(symbol)
    given = {name: _bound(x) for name, x in _by_name(arrays, symbol.list_inputs(), "arrays").items()}
    with autograd.pause():
        return [_array(y) for y in run_nodes(symbol._outputs, given)]
