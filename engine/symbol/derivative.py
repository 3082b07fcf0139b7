"""The gradient of a symbol, as a symbol.

A node "gradient" holds the symbol that is differentiated and the names to differentiate by; its arrays
are that symbol's variables. On NDArrays it is `autograd.grad`; on placeholders the derivative rules
run on placeholders too, so that the gradient's operations stand in the list beside those of the value
and share what they have in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ndgrad import autograd
from ndgrad.namespace import RECORDED, unbroadcast
from ndgrad.ndarray import NDArray, new_array
from ndgrad.plans import replaced
from ndgrad.plans.tracing import Call, Placeholder, Reg, Step, Trace
from ndgrad.primitive import Primitive
from ndgrad.symbol import problems
from ndgrad.symbol.graph import Sub
from ndgrad.symbol.symbol import Symbol


def gradient_symbol(symbol: Symbol, wrt: str | Symbol | Sequence[str | Symbol]) -> Symbol:
    """The symbol of the gradients of `symbol` (of the sum of all its entries), one output per name. E201."""
    from ndgrad.symbol.calls import call

    asked = [wrt] if isinstance(wrt, (str, Symbol)) else list(wrt)
    names = [each if isinstance(each, str) else str(each.name) for each in asked]
    known = symbol.list_inputs()
    for name in names:
        if name not in known:
            raise problems.unknown_variable(f"`{symbol.name or 'the group'}`", name, known)
    internals = symbol.get_internals()
    variables = [internals[name] for name in known]
    places = tuple(known.index(name) for name in names)
    return call("gradient", (Sub(symbol, tuple(known)), places, variables), {}, outputs=len(names))


def gradient_of(body: Any, places: Sequence[int], arrays: Sequence[Any]) -> tuple[NDArray, ...]:
    """The gradients of the sum of body(*arrays) by the arrays at `places`."""
    if any(isinstance(x, Placeholder) for x in arrays):
        heads = [y for y in body(*arrays) if isinstance(y, Placeholder) and y.dtype.kind == "f"]
        trace = body.trace
        wanted = [arrays[i] for i in places]
        pairs = [(y, new_array(np.ones(y.shape, y.dtype)[()])) for y in heads]
        made = tuple(cotangents(trace, pairs, wanted))
        trace.guards.update(g.register for g in made if isinstance(g, Placeholder))
        return made
    outer = bool(autograd.is_recording())
    training = autograd.is_training()
    with autograd.record(training):
        # Each call differentiates by leaves of its own, which stay connected to what the arrays are made of.
        inside = [x if x.node is not None else _leaf(x) for x in arrays]
        ys = [y for y in body(*inside) if y.node is not None]
        wanted = [inside[i] for i in places]
        if not ys:
            return tuple(new_array(np.zeros(x.shape, x.dtype)) for x in wanted)
        return tuple(autograd.grad(ys, wanted, retain_graph=True, create_graph=outer, train_mode=training))


def _leaf(x: NDArray) -> NDArray:
    made = x.detach()
    if made.dtype.kind == "f":
        made.attach_grad()
    return made


def cotangents(trace: Trace, heads: Sequence[tuple[Placeholder, Any]], wanted: Sequence[Any]) -> list[Any]:
    """The cotangents of the wanted registers, listed in the trace: a walk up the steps, rules on placeholders."""
    targets = {x.register for x in wanted if isinstance(x, Placeholder)}
    count = len(trace.steps)
    leads = set(targets)  # registers that a wanted one has an influence on
    for step in trace.steps:
        if any(r in leads for r in step.registers()):
            leads.update(step.results)
    bars: dict[int, Any] = {}

    def add(register: int, c: Any) -> None:
        if c is None or register not in leads or trace.dtypes[register].kind != "f":
            return
        shape, dtype = trace.shapes[register], trace.dtypes[register]
        assert shape is not None
        if c.shape != shape:
            c = unbroadcast(c, shape, RECORDED)
        if c.dtype != dtype:
            c = c.astype(dtype)
        bars[register] = c if register not in bars else bars[register] + c

    for y, g in heads:
        add(y.register, g)
    for step in reversed(trace.steps[:count]):
        if any(r in bars for r in step.results) and any(r in leads for r in step.registers()):
            for register, c in _pulled(trace, step, [bars.get(r) for r in step.results]):
                add(register, c)
    zeros = (new_array(np.zeros(x.shape, x.dtype)) for x in wanted)
    return [
        bars.get(x.register, zero) if isinstance(x, Placeholder) else zero
        for x, zero in zip(wanted, zeros, strict=True)
    ]


def _pulled(trace: Trace, step: Step, bars: list[Any]) -> list[tuple[int, Any]]:
    """Each register that a step reads, with its share of the cotangents of the results."""
    if isinstance(step.op, Call):
        return _pulled_through_call(trace, step, bars)
    op: Primitive = step.op

    def value(x: Any) -> Any:
        if x.__class__ is Reg:
            return trace.at(x.number)
        return new_array(x) if isinstance(x, (np.ndarray, np.generic)) else x

    operands = tuple(map(value, step.operands))
    shapes = tuple(x.shape if hasattr(x, "shape") else np.shape(x) for x in operands)
    y: Any = tuple(map(trace.at, step.results)) if len(step.results) > 1 else trace.at(step.results[0])
    g: Any = tuple(bars) if len(step.results) > 1 else bars[0]
    statics = tuple(replaced(s, value) for s in step.statics)
    if op.elementwise:
        slots: tuple[Any, ...] = (RECORDED, g, y, *operands, *statics)
    elif op.variadic:
        slots = (RECORDED, g, y, operands, shapes, *statics)
    else:
        slots = (RECORDED, g, y, *operands, *shapes, *statics)
    made: list[tuple[int, Any]] = []
    if op.vjp is not None:
        rule = op.reader(op.vjp)
        assert rule is not None
        return [(x.number, c) for x, c in zip(step.operands, rule(slots), strict=True) if x.__class__ is Reg]
    for x, rule in zip(step.operands, op.pulls, strict=True):
        if x.__class__ is not Reg or rule is None:
            continue
        d = rule(slots)
        if op.partials is None:
            made.append((x.number, d))
        elif d.__class__ is not int:
            made.append((x.number, g * d))
        elif d:
            made.append((x.number, g if d == 1 else -g if d == -1 else g * d))
    return made


def _pulled_through_call(trace: Trace, step: Step, bars: list[Any]) -> list[tuple[int, Any]]:
    """The cotangents through a function that is called as a whole: another call, which records the first."""
    assert isinstance(step.op, Call)
    run = step.op.run
    inputs = [trace.at(x.number) for x in step.operands]
    used = [i for i, g in enumerate(bars) if g is not None]
    floats = [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]

    def pull(arrays: list[NDArray], gs: list[NDArray]) -> tuple[NDArray, ...]:
        outer = bool(autograd.is_recording())
        with autograd.record(autograd.is_training()):
            inside = [x if x.node is not None else _leaf(x) for x in arrays]
            y = run(*inside)
            ys = list(y) if isinstance(y, (tuple, list)) else [y]
            pairs = [(ys[i], g) for i, g in zip(used, gs, strict=True) if ys[i].node is not None]
            wanted = [inside[i] for i in floats]
            if not pairs:
                return tuple(new_array(np.zeros(x.shape, x.dtype)) for x in wanted)
            heads = [head for head, _ in pairs]
            made = autograd.grad(heads, wanted, [g for _, g in pairs], retain_graph=True, create_graph=outer)
        return tuple(made)

    from ndgrad.shapes import Abstract

    made = tuple(Abstract(inputs[i].shape, inputs[i].dtype) for i in floats)
    gs = [bars[i] for i in used]
    shares = trace.called(f"{step.op.name}_backward", pull, (inputs, gs), {}, made)
    return [(step.operands[i].number, share) for i, share in zip(floats, shares, strict=True)]
