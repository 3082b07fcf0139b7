"""A plan: the steps of a trace as Python source, once forward and once back.

    r[5] = multiply(r[3], r[4])                  forward, over plain arrays
    …
    g = b[5]                                     back: b holds the cotangents
    c = g * r[4]
    b[3] = c if b[3] is None else b[3] + c

What leads to no output is left out, and so is, going back, what does not lead to a wanted register.
A value is dropped after its last use, on either way. The rules are the operations' own, over plain arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ndgrad import autograd
from ndgrad.apply import plain_function
from ndgrad.namespace import PLAIN, unbroadcast
from ndgrad.ndarray import NDArray, new_array, plain
from ndgrad.plans import replaced
from ndgrad.plans.tracing import DRAWS, Call, Reg, Step, Trace
from ndgrad.primitive import NoDerivative, Primitive, parameter_names, returns_its_argument
from ndgrad.sweep import Scattered, sweep
from ndgrad.tape import STATE

STRETCH = 400  # steps in one compiled function


class Plan:
    """What runs. `forward` fills the registers; `backward` gives the cotangents of the wanted ones.

    outputs: a register or a constant for each output; wanted: registers to differentiate by.
    large: the registers may hold arrays that are not computed yet (`ndgrad.fusion`); operations that cannot
    wait then compute what they read.
    """

    def __init__(self, trace: Trace, outputs: Sequence[Any], wanted: Sequence[int], large: bool = False) -> None:
        self.trace = trace
        self.outputs = list(outputs)
        self.wanted = list(wanted)
        self.steps = _needed(trace.steps, [x.number for x in outputs if x.__class__ is Reg])
        self.leads = self._leading()
        self.draws = any(step.op.name in DRAWS or isinstance(step.op, Call) for step in self.steps)
        self.kept = {x.number for x in outputs if x.__class__ is Reg}
        self.guards = trace.guards.intersection(r for step in self.steps for r in step.results)
        self.kept |= self.guards
        self.large = large
        self._forward: dict[bool, list[Callable[..., None]]] = {}
        self._backward: list[Callable[..., None]] | None = None
        self._kept_for_rules: set[int] | None = None
        self.met: set[int] = set()  # registers whose cotangent an earlier line has, or may have, written

    def _leading(self) -> set[int]:
        """The float registers that a wanted one has an influence on."""
        leads = set(self.wanted)
        for step in self.steps:
            if _differentiable(step, leads):
                leads.update(r for r in step.results if self.trace.dtypes[r].kind == "f")
        return leads

    # Forward

    def forward(self, r: list[Any], training: bool) -> None:
        """Fill the registers of `r`, whose inputs are there. training: keep what `backward` needs."""
        code = self._forward.get(training)
        if code is None:
            code = self._forward[training] = self._compile_forward(training)
        if self.guards:
            with np.errstate(all="ignore"):
                for run in code:
                    run(r)
        else:
            for run in code:
                run(r)

    def sound(self, r: list[Any]) -> bool:
        """Whether the gradients among the registers are finite, so that no path had to be told from another."""
        return all(bool(np.isfinite(_now(r[i])).all()) for i in self.guards)

    def _compile_forward(self, training: bool) -> list[Callable[..., None]]:
        keep = set(self.kept)
        if training:
            keep |= self.needed_back()
        last: dict[int, int] = {}
        for at, step in enumerate(self.steps):
            for register in (*step.registers(), *step.results):
                last[register] = at
        ends: dict[int, list[int]] = {}
        made = {register for step in self.steps for register in step.results}
        for register, at in last.items():
            if register not in keep and register in made:
                ends.setdefault(at, []).append(register)
        writer = _Writer("r")
        for at, step in enumerate(self.steps):
            self._write_forward(writer, step, training)
            if at in ends:
                writer.line(" = ".join(f"r[{i}]" for i in ends[at]) + " = None")
            writer.rest()
        return writer.compiled()

    def _write_forward(self, w: _Writer, step: Step, training: bool) -> None:
        if isinstance(step.op, Call):
            tracked = training and any(r in self.leads for r in step.results)
            w.line(f"{w.constant(_Tracked(step, self.leads) if tracked else _Untracked(step))}(r)")
            return
        op = step.op
        w.now = self._at_once(op)
        operands = [w.value(x) for x in step.operands]
        statics = [w.value(x) for x in step.statics]
        if op.variadic:
            operands = [f"({', '.join(operands)},)" if operands else "()"]
        arguments = ", ".join([*operands, *statics])
        if op.by_name and getattr(np, op.name, None) is not None:
            call = f"{w.constant(plain_function(op))}({arguments})"
        else:
            call = f"{w.constant(op.value)}({w.constant(PLAIN)}, {arguments})"
        targets = ", ".join(w.register(i) for i in step.results)
        w.line(f"{targets}{',' if op.outputs > 1 and len(step.results) == 1 else ''} = {call}")

    def _at_once(self, op: Primitive) -> bool:
        """Whether the operation, and its rules, need values that are computed."""
        if not self.large or op.elementwise:
            return False
        from ndgrad.fusion.large import WAITING

        return op.name not in WAITING

    # Back

    def needed_back(self) -> set[int]:
        """The registers whose values the rules ask for."""
        if self._kept_for_rules is None:
            needed = set(self.wanted)
            for step in self.steps:
                if isinstance(step.op, Call) or not _differentiable(step, self.leads):
                    continue
                op = step.op
                for i, operand in enumerate(step.operands):
                    if operand.__class__ is Reg and operand.number in self.leads:
                        names = op.needs[0 if op.variadic else i]
                        if "y" in names:
                            needed.update(step.results)
                        for k, x in enumerate(step.operands):
                            if x.__class__ is Reg and op.operands[0 if op.variadic else k] in names:
                                needed.add(x.number)
                needed.update(_registers_in(step.statics))
            self._kept_for_rules = needed
        return self._kept_for_rules

    def backward(self, r: list[Any], heads: Sequence[Any]) -> list[Any]:
        """The cotangent of each wanted register, or None where nothing arrives. heads: one for each output, or None."""
        if self._backward is None:
            self._backward = self._compile_backward()
        b: list[Any] = [None] * len(self.trace.shapes)
        own: set[int] = set()
        for output, g in zip(self.outputs, heads, strict=True):
            if g is not None and output.__class__ is Reg and output.number in self.leads:
                _gather(b, own, output.number, g)
        with np.errstate(all="ignore"):
            for run in self._backward:
                run(r, b, own)
        return [_dense(b[i]) for i in self.wanted]

    def _compile_backward(self) -> list[Callable[..., None]]:
        writer = _Writer("r, b, own")
        self.met = {x.number for x in self.outputs if x.__class__ is Reg}
        for step in reversed(self.steps):
            if any(x in self.leads for x in step.results) and _differentiable(step, self.leads):
                self._write_backward(writer, step)
                writer.rest()
        return writer.compiled()

    def _write_backward(self, w: _Writer, step: Step) -> None:
        if isinstance(step.op, Call):
            w.line(f"{w.constant(_Pulled(step, self.leads))}(r, b, own)")
            return
        op, results = step.op, step.results
        w.now = self._at_once(op)
        take = " = ".join(w.bar(i) for i in results if i not in self.wanted)
        if len(results) > 1:
            w.line(f"g = ({', '.join(f'_dense({w.bar(i)})' for i in results)},)")
            condition = "any(x is not None for x in g)"
        else:
            w.line(f"g = {w.bar(results[0])}")
            condition = "g is not None"
        w.line(f"if {condition}:")
        w.indent()
        if take:
            w.line(f"{take} = None")
        if len(results) == 1 and w.loose(results[0]):
            w.line("if g.__class__ is Scattered: g = g.dense()")
        if w.now:
            w.line("g = tuple(map(_now, g))" if len(results) > 1 else "g = _now(g)")
        if op.partials is not None:
            self._write_partials(w, step, op)
        elif op.reuse is not None and self.trace.shapes[results[0]]:
            self._write_reusing(w, step)
        elif op.vjp is not None:
            w.line(f"cs = {self._rule(w, step, op.vjp)}")
            for k, x in enumerate(step.operands):
                if x.__class__ is Reg and x.number in self.leads:
                    w.line(f"c = cs[{k}]")
                    w.line("if c is not None:")
                    w.indent()
                    self._give(w, x.number, False)
                    w.dedent()
        else:
            assert op.vjps is not None
            for x, rule in zip(step.operands, op.vjps, strict=True):
                if x.__class__ is Reg and x.number in self.leads and not isinstance(rule, NoDerivative):
                    w.line(f"c = {self._rule(w, step, rule)}")
                    self._give(w, x.number, False)
        w.dedent()

    def _write_partials(self, w: _Writer, step: Step, op: Primitive) -> None:
        assert op.partials is not None
        y = step.results[0]
        shape, dtype = self.trace.shapes[y], self.trace.dtypes[y]
        alike = all(
            self.trace.dtypes[x.number] is dtype
            if x.__class__ is Reg
            else x.__class__ in (float, int) or (isinstance(x, np.ndarray) and not x.shape and x.dtype == dtype)
            for x in step.operands
        )
        for x, rule in zip(step.operands, op.partials, strict=True):
            if x.__class__ is not Reg or x.number not in self.leads or isinstance(rule, NoDerivative):
                continue
            fits = self.trace.shapes[x.number] == shape and self.trace.dtypes[x.number] == dtype
            names = parameter_names(rule)
            if not names:
                number = rule()
                if number:
                    w.line("c = g" if number == 1 else "c = -g" if number == -1 else f"c = g * {number!r}")
                    self._give(w, x.number, fits)
                continue
            d = self._rule(w, step, rule)
            if len(names) == 1 and returns_its_argument(rule):
                w.line(f"c = g * {d}")
                self._give(w, x.number, fits and alike)
                continue
            w.line(f"d = {d}")
            w.line("c = g * d if d.__class__ is not int or d else None")
            w.line("if c is not None:")
            w.indent()
            if fits:
                kind = w.constant(dtype)
                w.line(f"if c.dtype is not {kind}: c = c.astype({kind})")
            self._give(w, x.number, fits)
            w.dedent()

    def _rule(self, w: _Writer, step: Step, rule: Callable[..., Any]) -> str:
        """The call of a rule, each parameter filled by its name."""
        op = step.op
        assert isinstance(op, Primitive)
        values: dict[str, Any] = {"F": lambda: w.constant(PLAIN), "g": lambda: "g"}
        results = step.results
        values["y"] = lambda: (
            w.register(results[0]) if len(results) == 1 else f"({', '.join(map(w.register, results))},)"
        )
        shapes = [self.trace.shapes[x.number] if x.__class__ is Reg else np.shape(x) for x in step.operands]
        if op.variadic:
            values[op.operands[0]] = lambda: f"({''.join(w.value(x) + ', ' for x in step.operands)})"
            values[f"{op.operands[0]}_shape"] = lambda: w.constant(tuple(shapes))
        else:
            for name, x, shape in zip(op.operands, step.operands, shapes, strict=True):
                values[name] = lambda x=x: w.value(x)
                values[f"{name}_shape"] = lambda shape=shape: w.constant(shape)
        for name, static in zip(op.statics, step.statics, strict=True):
            values[name] = lambda static=static: w.value(static)
        names = parameter_names(rule)
        arguments = [values[n]() for n in names]
        if len(names) == 1 and returns_its_argument(rule):
            return str(arguments[0])
        return f"{w.constant(rule)}({', '.join(arguments)})"

    def _give(self, w: _Writer, register: int, fits: bool) -> None:
        """Add c to the cotangent of a register. fits: it has the register's shape and dtype already."""
        if not fits and self.large:
            w.line("c = _unspread(c)")
        if not fits:
            shape, dtype = w.constant(self.trace.shapes[register]), w.constant(self.trace.dtypes[register])
            w.line(f"c = _fitted(c, {shape}, {dtype})")
        if register in self.met:
            w.line(w.added(register, "c"))
        else:
            self.met.add(register)
            w.line(f"{w.bar(register)} = c")

    def _write_reusing(self, w: _Writer, step: Step) -> None:
        """A rule that may change g in place: the first operand's share is g itself."""
        op = step.op
        assert isinstance(op, Primitive)
        shapes = [self.trace.shapes[x.number] if x.__class__ is Reg else np.shape(x) for x in step.operands]
        arguments = [*(w.constant(s) for s in shapes), *(w.value(x) for x in step.statics)]
        own = f"g if {step.results[0]} in own else g.copy()"
        w.line(f"cs = {w.constant(op.reuse)}({own}, {', '.join(arguments)})")
        for k, x in enumerate(step.operands):
            if x.__class__ is Reg and x.number in self.leads:
                w.line(f"c = cs[{k}]")
                self._give(w, x.number, False)
                if k == 0:
                    w.line(f"if b[{x.number}] is cs[0]: own.add({x.number})")


def _needed(steps: Sequence[Step], targets: Sequence[int]) -> list[Step]:
    """The steps that the targets depend on, in order."""
    wanted = set(targets)
    kept = []
    for step in reversed(steps):
        if any(r in wanted for r in step.results):
            wanted.update(step.registers())
            kept.append(step)
    return kept[::-1]


def _differentiable(step: Step, leads: set[int]) -> bool:
    """Whether a cotangent can pass from a result of the step to one of the registers."""
    if isinstance(step.op, Primitive) and step.op.untracked:
        return False
    return any(x.__class__ is Reg and x.number in leads for x in step.operands)


def _registers_in(value: Any) -> list[int]:
    found: list[int] = []

    def see(leaf: Any) -> Any:
        if leaf.__class__ is Reg:
            found.append(leaf.number)
        return leaf

    replaced(value, see)
    return found


# What the written code calls


def _fitted(c: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """`c` in the shape and dtype of the register that it is for."""
    if c.__class__ is Scattered:
        return c
    if c.shape != shape:
        c = unbroadcast(c, shape)
    if c.dtype != dtype:
        c = c.astype(dtype)
    return c


def _gather(b: list[Any], own: set[int], register: int, c: Any) -> None:
    """Add c to the cotangent of a register; in place where the sum is the plan's own."""
    held = b[register]
    if held is None:
        b[register] = c
        return
    if c.__class__ is Scattered:
        if held.__class__ is Scattered:
            held = held.dense()
        elif register not in own:
            held = np.array(held)
        c.add_to(held)
        b[register] = held
        own.add(register)
    elif held.__class__ is Scattered:
        total = np.array(c)
        held.add_to(total)
        b[register] = total
        own.add(register)
    elif register in own and held.__class__ is np.ndarray:
        held += c
    else:
        b[register] = held + c
        own.add(register)


def _dense(g: Any) -> Any:
    return g.dense() if g.__class__ is Scattered else g


def _now(x: Any) -> Any:
    """x, computed if it is deferred."""
    return x if STATE.fusion is None else STATE.fusion.computed(x)


def _unspread(c: Any) -> Any:
    """A large array that repeats one number as a deferred one, so that products with it stay small."""
    return STATE.fusion.unspread(c) if STATE.fusion is not None and c.__class__ is np.ndarray else c


class _Untracked:
    """A call without a gradient: plain arrays in, plain arrays out."""

    def __init__(self, step: Step) -> None:
        assert isinstance(step.op, Call)
        self.run = step.op.run
        self.inputs = [x.number for x in step.operands]
        self.results = step.results

    def __call__(self, r: list[Any]) -> None:
        with autograd.pause(STATE.training):
            y = self.run(*(new_array(_now(r[i])) for i in self.inputs))
        for i, part in zip(self.results, y if isinstance(y, (tuple, list)) else (y,), strict=True):
            r[i] = plain(part)


class _Taped:
    """What a recorded call leaves for the way back, in the place behind its first result."""

    __slots__ = ("leaves", "ys")

    def __init__(self, ys: list[Any], leaves: dict[int, NDArray]) -> None:
        self.ys = ys
        self.leaves = leaves


class _Tracked:
    """A call that is recorded, so that its gradient can be asked for."""

    def __init__(self, step: Step, leads: set[int]) -> None:
        assert isinstance(step.op, Call)
        self.step = step
        self.run = step.op.run
        self.inputs = [x.number for x in step.operands]
        self.tracked = {i for i in self.inputs if i in leads}

    def __call__(self, r: list[Any]) -> None:
        leaves = {i: new_array(_now(r[i])) for i in dict.fromkeys(self.inputs)}
        for i in self.tracked:
            leaves[i].attach_grad()
        with autograd.record(STATE.training):
            y = self.run(*(leaves[i] for i in self.inputs))
        ys = list(y) if isinstance(y, (tuple, list)) else [y]
        r[-1][self.step] = _Taped(ys, {i: leaves[i] for i in self.tracked})
        for i, part in zip(self.step.results, ys, strict=True):
            r[i] = plain(part)


class _Pulled:
    """The way back through a recorded call."""

    def __init__(self, step: Step, leads: set[int]) -> None:
        self.step = step

    def __call__(self, r: list[Any], b: list[Any], own: set[int]) -> None:
        bars = [_now(_dense(b[i])) for i in self.step.results]
        taped = r[-1][self.step]
        heads = [(y.node, g) for y, g in zip(taped.ys, bars, strict=True) if g is not None and y.node is not None]
        if not heads:
            return
        targets = {i: x.node for i, x in taped.leaves.items()}
        found, _ = sweep(heads, [node for node in targets.values() if node is not None])
        for i, node in targets.items():
            if node is not None and node.id in found:
                _gather(b, own, i, found[node.id][1])


class _Writer:
    """Source for steps, in functions of bounded length, with the constants they name."""

    def __init__(self, parameters: str) -> None:
        self.parameters = parameters
        self.lines: list[str] = []
        self.level = 1
        self.steps = 0
        self.now = False  # whether registers are computed as they are read
        self.scope: dict[str, Any] = {"Scattered": Scattered}
        for helper in (_gather, _fitted, _dense, _now, _unspread):
            self.scope[helper.__name__] = helper
        self.names: dict[int, str] = {}
        self.made: list[Callable[..., None]] = []

    def constant(self, value: Any) -> str:
        """A name for a value."""
        name = self.names.get(id(value))
        if name is None:
            name = self.names[id(value)] = f"k{len(self.names)}"
            self.scope[name] = value
        return name

    def register(self, number: int) -> str:
        """What the value of a register is called."""
        return f"r[{number}]"

    def bar(self, number: int) -> str:
        """What the cotangent of a register is called."""
        return f"b[{number}]"

    def loose(self, number: int) -> bool:
        """Whether the cotangent of a register may be `Scattered`, or changed in place."""
        return True

    def added(self, number: int, c: str) -> str:
        """The line that adds to the cotangent of a register."""
        return f"_gather(b, own, {number}, {c})"

    def value(self, x: Any) -> str:
        """An operand or a static: a register, a number, or a constant."""
        if x.__class__ is Reg:
            name = self.register(x.number)
            return f"_now({name})" if self.now else name
        if x is None or x is True or x is False or x.__class__ is int:
            return repr(x)
        if _registers_in(x):
            if isinstance(x, tuple):
                return f"({''.join(self.value(v) + ', ' for v in x)})"
            if isinstance(x, list):
                return f"[{', '.join(map(self.value, x))}]"
            return f"slice({', '.join(self.value(v) for v in (x.start, x.stop, x.step))})"
        return self.constant(x)

    def line(self, text: str) -> None:
        self.lines.append("    " * self.level + text)

    def indent(self) -> None:
        self.level += 1

    def dedent(self) -> None:
        self.level -= 1

    def rest(self) -> None:
        """A step ends here; close the function if it is long."""
        self.steps += 1
        if self.steps % STRETCH == 0:
            self.close()

    def close(self) -> None:
        if self.lines:
            exec("\n".join([f"def run({self.parameters}):", *self.lines]), self.scope)
            self.made.append(self.scope["run"])
            self.lines = []

    def compiled(self) -> list[Callable[..., None]]:
        self.close()
        return self.made
