"""What the language's operations are: how each is called, its derivative from its own rule, its kinks, an example."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

from ndgrad.errors import Error
from ndgrad.frozen import Frozen
from ndgrad.lang import compile, syntax
from ndgrad.lang.builtins import builtin, function_names
from ndgrad.lang.derivation_data import BackwardStep
from ndgrad.lang.values import Special
from ndgrad.ops.homes import HOMES
from ndgrad.primitive import REQUIRED, NoDerivative, Primitive

# The modules of operations, in the order and under the headings in which they are listed
GROUPS: dict[str, tuple[str, ...]] = {
    "creation": ("creation",),
    "random": ("random",),
    "elementwise": ("arithmetic", "elementwise", "activations", "special", "methods"),
    "reductions and scans": ("reductions", "norms", "softmax", "scans"),
    "shape and order": ("shape", "joining", "indexing", "sorting"),
    "linear algebra": ("linalg", "einsum", "matrices"),
    "networks": ("networks",),
    "gradients": ("custom",),
}
CONTROL = "derivatives and control"


class Derivative(Frozen):
    """By one operand: the rule as mathematics, or why there is none. `factor`: whether it is ∂y/∂operand itself."""

    by: str
    rule: str
    factor: bool


class Kink(Frozen):
    """Where a derivative does not exist, and what is taken for it."""

    where: str
    value: str


class Operation(Frozen):
    """What there is to say about one function of the language.

    call      with its parameters and their defaults
    example   a call, and result what it gives here
    """

    name: str
    group: str
    call: str
    derivatives: tuple[Derivative, ...]
    kinks: tuple[Kink, ...]
    example: str
    result: str


def groups() -> dict[str, list[str]]:
    """The functions that a program can call, by group, in order."""
    known = set(function_names())
    heading = {module: group for group, modules in GROUPS.items() for module in modules}
    made: dict[str, list[str]] = {group: [] for group in (*GROUPS, CONTROL)}
    for module, names in HOMES.items():
        made.setdefault(heading.get(module, module), []).extend(n for n in names.split() if n in known)
    made[CONTROL] = [name for name in known if isinstance(builtin(name), Special)]
    return {group: sorted(names) for group, names in made.items() if names}


def matching(pattern: str) -> list[str]:
    """The functions whose name holds `pattern`, or fits it where it has * or ?."""
    glob = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    return [name for name in function_names() if fnmatch(name, glob.lower())]


def operation(name: str) -> Operation | None:
    """The operation of this name, or None. Its derivative is read from its rule, its result computed."""
    found = builtin(name)
    group = next((group for group, names in groups().items() if name in names), "")
    if isinstance(found, Special):
        most = "" if found.most == found.least else ", …"
        arguments = ", ".join(["f", "x", "y"][: found.least]) if group == CONTROL else ""
        return Operation(name, group, f"{name}({arguments}{most})", (), (), "", "")
    if found is None:
        return None
    example = found.example.partition(" -> ")[0]
    return Operation(
        name,
        group,
        f"{name}({', '.join(_parameters(found))})",
        tuple(_derivatives(found, example)),
        tuple(Kink(kink.where, kink.value) for kink in found.kinks),
        example,
        _result(example),
    )


def _parameters(op: Primitive) -> Iterator[str]:
    for parameter in op.signature:
        yield parameter.name if parameter.default is REQUIRED else f"{parameter.name}={parameter.default!r}"


def _result(example: str) -> str:
    value = compile(f"output r = {example}").run(seed=0).outputs
    return ", ".join(formatted_array(v) for v in value.values())


def formatted_array(value: Any) -> str:
    """An array in one line, six digits."""
    import numpy as np

    return " ".join(np.array2string(np.asarray(value), precision=6, separator=", ", suppress_small=False).split())


def _derivatives(op: Primitive, example: str) -> Iterator[Derivative]:
    """The rule by each operand, run over symbols at the example."""
    call = _call(example)
    if call is None:
        return
    names = [parameter.name for parameter in op.signature]
    given: list[tuple[str, syntax.Expression]] = list(zip(names, call.arguments, strict=False))
    given += [(keyword.name, keyword.value) for keyword in call.keywords]
    places = [(name, node) for name, node in given if name in op.operands]
    if op.variadic:
        entries = next((getattr(node, "entries", ()) for _, node in given), ())
        places = [(f"x{i}", entry) for i, entry in enumerate(entries, 1)]
    rules = op.partials if op.partials is not None else op.vjps
    for name, _ in places:
        rule = rules[op.operands.index(name)] if rules is not None and name in op.operands else None
        if isinstance(rule, NoDerivative):
            yield Derivative(name, f"none: {rule.reason}", factor=False)
            continue
        step = _step(call, places, name)
        if step is not None:
            yield Derivative(name, step.local, step.factor)
        elif op.partials is not None:
            yield Derivative(name, "0", factor=True)


def _call(example: str) -> syntax.Call | None:
    try:
        (statement,) = compile(example).body.statements
    except (Error, ValueError):
        return None
    value = getattr(statement, "value", None)
    return value if isinstance(value, syntax.Call) else None


def _step(call: syntax.Call, places: list[tuple[str, syntax.Expression]], by: str) -> BackwardStep | None:
    """The step back from y to one operand of the example; None where it is no array that moves."""
    text, start = call.span.text, call.span.start
    inputs = ""
    for name, node in sorted(places, key=lambda place: -place[1].span.start):
        inputs += f"input {name} = {node.span.text}\n"
        text = f"{text[: node.span.start - start]}{name}{text[node.span.end - start :]}"
    try:
        run = compile(f"{inputs}y = {text}\nL = sum(y ** 2)\n").run(grad=[by], trace=True, seed=0)
        d = run.derivation(by)
    except Error:
        return None
    steps = (step for step in d.backward if isinstance(step, BackwardStep))
    return next((step for step in steps if (step.name, step.by) == ("y", by)), None)
