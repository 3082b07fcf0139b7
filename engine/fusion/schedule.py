"""A group of expressions over one shape as a list of instructions over a few registers.

    Plan      the list: what is loaded, computed, stored and reduced; made once for every structure
    Pass      one group with its arrays, ready to run

Common subexpressions are one instruction; a register is free again after its last use. `str(plan)` shows it:

    r0 = square x0
    r1 = exp r0
    s0 += add.reduce r1
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad.fusion.lazy import BROADCAST, PATCH, REDUCE, REDUCTIONS, WHERE, Lazy, Shape
from ndgrad.fusion.report import COUNTS
from ndgrad.tape import Remote


class Instruction:
    """One step on a tile.

    op       a ufunc, CAST, WHERE, PATCH or REDUCE            param  as in Lazy
    args     places: ("in", i), ("const", i), ("reg", i), ("out", i)
    result   a place: ("reg", i), ("out", i), or ("sum", i) for reductions
    scratch  the register that a selection needs for its mask, or None
    """

    __slots__ = ("args", "op", "param", "result", "scratch")

    def __init__(self, op: Any, param: Any, args: tuple[Any, ...], result: Any, scratch: int | None) -> None:
        self.op = op
        self.param = param
        self.args = args
        self.result = result
        self.scratch = scratch

    def __str__(self) -> str:
        shown = [f"{ {'in': 'x', 'const': 'c', 'reg': 'r', 'out': 'y'}[kind] }{i}" for kind, i in self.args]
        kind, i = self.result
        if kind == "sum":
            return f"s{i} += {self.param[0].__name__}.reduce {shown[0]}"
        name = self.op if isinstance(self.op, str) else self.op.__name__
        return f"{'r' if kind == 'reg' else 'y'}{i} = {name} {' '.join(shown)}"


class Plan:
    """The instructions for every group of one structure, and the dtypes of the registers."""

    __slots__ = ("code", "registers")

    def __init__(self, code: list[Instruction], registers: list[np.dtype[Any]]) -> None:
        self.code = code
        self.registers = registers

    def __str__(self) -> str:
        return "\n".join(map(str, self.code))


PLANS: dict[Any, Plan] = {}
MOST_PLANS = 500


class Pass:
    """One walk over `domain` that computes `outputs`.

    inputs   arrays (or scalars) that are read      constants  numbers of the program
    stores   the outputs of the domain's shape      sums       the reductions
    device   where it runs, None for the host
    """

    def __init__(self, domain: Shape, outputs: list[Lazy], device: Any = None) -> None:
        self.domain = domain
        self.device = device
        self.inputs: list[Any] = []
        self.constants: list[Any] = []
        self.stores: list[Lazy] = []
        self.sums: list[Lazy] = []
        self.number(outputs)

    def number(self, outputs: list[Lazy]) -> None:
        """Walk the expressions and number their values, equal ones alike."""
        entries: list[Any] = []  # the structure: ("in", dtype), ("const", i), (op, param key, dtype, *operand numbers)
        known: dict[Any, int] = {}
        place: dict[int, int] = {}  # id of a Lazy → its number
        params: list[Any] = []

        def enter(key: Any, entry: Any, param: Any = None) -> int:
            found = known.get(key)
            if found is None:
                found = known[key] = len(entries)
                entries.append(entry)
                params.append(param)
            return found

        def operand(x: Any) -> int:
            if x.__class__ is not Lazy:
                key: Any = ("const", x.dtype, x.tobytes())
                if key not in known:
                    self.constants.append(np.asarray(x))
                return enter(key, key)
            while x.op is BROADCAST:
                x = x.args[0]
            if x.known is None:
                return place[id(x)]
            key = "in", id(x.known)
            if key not in known:
                self.inputs.append(x.known)
            return enter(key, ("in", x.dtype))

        stack: list[tuple[Lazy, bool]] = [(x, False) for x in reversed(outputs)]
        while stack:
            x, expanded = stack.pop()
            if id(x) in place:
                continue
            if not expanded:
                stack.append((x, True))
                for a in reversed(x.args):
                    while a.__class__ is Lazy and a.op is BROADCAST:
                        a = a.args[0]
                    if a.__class__ is Lazy and a.known is None and id(a) not in place:
                        stack.append((a, False))
                continue
            param = x.param
            shown = param.__code__ if x.op is PATCH and param.__closure__ is None else param
            key = (x.op, shown, x.dtype, *[operand(a) for a in x.args])
            place[id(x)] = enter(key, key, param)
        kept: dict[int, Lazy] = {}
        self.copies: list[tuple[Lazy, Lazy]] = []  # outputs that turned out to be equal to another
        for x in outputs:
            at = place[id(x)]
            if at in kept:
                self.copies.append((x, kept[at]))
                continue
            kept[at] = x
            (self.sums if x.op is REDUCE else self.stores).append(x)
        stored_at = tuple([place[id(x)] for x in self.stores])
        summed_at = tuple([place[id(x)] for x in self.sums])
        key = tuple(entries), stored_at, summed_at
        plan = PLANS.get(key)
        if plan is None:
            if len(PLANS) >= MOST_PLANS:
                PLANS.clear()
            COUNTS.plans += 1
            plan = PLANS[key] = planned(entries, params, stored_at, summed_at)
        self.plan = plan

    def run(self, into: dict[int, np.ndarray[Any, Any]]) -> None:
        """Compute the outputs; they have their values afterwards."""
        if self.device is not None:
            self.device.compute(self, into)
        else:
            from ndgrad.fusion.tiles import run

            run(self, {key: buffer for key, buffer in into.items() if not isinstance(buffer, Remote)})
        for x, same in self.copies:
            x.settle(same.known)


def planned(entries: list[Any], params: list[Any], stored_at: tuple[int, ...], summed_at: tuple[int, ...]) -> Plan:
    """Instructions in the order of the entries, with registers given out and taken back."""
    last: dict[int, int] = {}
    for i, entry in enumerate(entries):
        if entry[0] not in ("in", "const"):
            for j in entry[3:]:
                last[j] = i
    registers: list[np.dtype[Any]] = []
    free: dict[Any, list[int]] = {}

    def take(dtype: np.dtype[Any]) -> int:
        waiting = free.get(dtype)
        if waiting:
            return waiting.pop()
        registers.append(dtype)
        return len(registers) - 1

    place: dict[int, tuple[str, int]] = {}
    outs = {at: i for i, at in enumerate(stored_at)}
    sums = {at: i for i, at in enumerate(summed_at)}
    code = []
    inputs = constants = 0
    for i, entry in enumerate(entries):
        if entry[0] == "in":
            place[i] = "in", inputs
            inputs += 1
            continue
        if entry[0] == "const":
            place[i] = "const", constants
            constants += 1
            continue
        op, _, dtype, *operands = entry
        dead = [j for j in dict.fromkeys(operands) if last[j] == i and place[j][0] == "reg"]
        distinct = op is WHERE or op is PATCH  # these write their result before they have read all operands
        if not distinct:
            for j in dead:
                free.setdefault(registers[place[j][1]], []).append(place[j][1])
        scratch = None
        if op is REDUCE:
            place[i] = "sum", sums[i]
        else:
            if i in outs:
                place[i] = "out", outs[i]
            else:
                place[i] = "reg", take(dtype)
            if op is WHERE and dtype.itemsize in (4, 8):
                scratch = take(np.dtype(f"i{dtype.itemsize}"))
                free.setdefault(registers[scratch], []).append(scratch)
        if distinct:
            for j in dead:
                free.setdefault(registers[place[j][1]], []).append(place[j][1])
        code.append(Instruction(op, params[i], tuple(place[j] for j in operands), place[i], scratch))
    return Plan(code, registers)


def identity(x: Lazy) -> Any:
    """What a reduction starts from."""
    ufunc = x.param[0]
    return REDUCTIONS[ufunc](x.dtype)
