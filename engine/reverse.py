"""Reverse steps made to measure: the sweep's hot path through one elementwise operation, as source.

The general step (`sweep._Sweep.step`) finds out for every node what its operation's rules ask for. Here
that is found out once: the step of `multiply`, say, becomes

    def back(node, g, bars, oldest, sweep):
        form = node.form
        p = node.p
        if p is not None and p.id >= oldest:
            c = g * node.b
            …

Only for plain arrays, operations without parameters, and sweeps that need not look at single entries.
"""

from __future__ import annotations

from collections.abc import Callable
from textwrap import indent
from typing import Any

import numpy as np

from ndgrad.namespace import PLAIN
from ndgrad.primitive import NoDerivative, Primitive, parameter_names, returns_its_argument

_ADD = """\
key = p.id
entry = bars.get(key)
if entry is None:
    bars[key] = [p, c, False]
elif entry[2]:
    entry[1] += c
elif entry[1].__class__ is ndarray:
    entry[1] = entry[1] + c
    entry[2] = True
else:
    sweep.join(entry, c)
"""
_ADD_IF = """\
if {fits}:
{add}
else:
    sweep.add(p, c)
"""
_SCALED = {1: "g", -1: "-g"}
_BY_RULE = """\
d = rule{i}({arguments})
if d.__class__ is int:
    sweep.scale(p, g, d)
else:
    c = g * d
"""


def reverse_step(op: Primitive) -> Callable[..., None]:
    """(node, g, bars, oldest, sweep) → None: add each operand's share of the cotangent g to `bars`.

    op: elementwise, without static parameters. `bars`, `oldest` and `sweep` are those of `sweep._Sweep`.
    """
    assert op.partials is not None
    place = dict(zip(("F", "y", *op.operands), ("F", "node.y", "node.a", "node.b"), strict=False))
    lines = ["def back(node, g, bars, oldest, sweep):", "    form = node.form"]
    scope: dict[str, Any] = {"F": PLAIN, "ndarray": np.ndarray}
    for i, rule in enumerate(op.partials):
        if isinstance(rule, NoDerivative):
            continue
        names = parameter_names(rule)
        # g has the node's form, and so has its product with an operand or a number; a rule may give another dtype.
        # The operand of a unary operation has that form too, but two operands may have been broadcast.
        fits = ["form is p.form"] if op.arity == 2 else []
        if names and not (len(names) == 1 and returns_its_argument(rule)):
            fits.append("c.dtype is form.dtype")
        add = _ADD_IF.format(fits=" and ".join(fits), add=indent(_ADD, "    ")) if fits else _ADD
        if not names:
            constant = rule()
            step = f"c = {_SCALED.get(constant, f'g * {constant!r}')}\n{add}" if constant else "sweep.flat.append(p)\n"
        elif len(names) == 1 and returns_its_argument(rule):
            step = f"c = g * {place[names[0]]}\n{add}"
        else:
            scope[f"rule{i}"] = rule
            step = _BY_RULE.format(i=i, arguments=", ".join(place[n] for n in names)) + indent(add, "    ")
        lines += [f"    p = node.{'pq'[i]}", "    if p is not None and p.id >= oldest:", indent(step, "        ")]
    exec("\n".join(lines), scope)
    made: Callable[..., None] = scope["back"]
    return made
