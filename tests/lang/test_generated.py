"""Generated programs: reverse gradients, forward ones, differences and second derivatives say the same.

The programs have loops, branches, functions, writes and reductions. They are smooth by construction: what
decides a branch is either a count or the sign of an input, and the inputs stay away from zero and from each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from ndgrad.lang import compile, interpreter
from ndgrad.lang.program import Program

STEP = 1e-5
INPUTS = st.lists(st.sampled_from([-1.1, -0.7, -0.4, 0.3, 0.6, 0.9]), min_size=3, max_size=3, unique=True)

# Smooth functions with moderate values and derivatives; vectors are of length 3, {0} and {1} are vectors
VECTORS = (
    *("sin({0})", "cos({0})", "tanh({0})", "sigmoid({0})", "softplus({0})", "log1p({0} * {0})", "sqrt(1 + {0} ** 2)"),
    *("{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} / (1 + {1} ** 2)", "0.5 * {0}", "-{0}", "exp(-{0} ** 2)"),
    *("where(x > 0, {0}, {1})", "{0}[::-1]", "{0}[[2, 0, 0]]", "roll({0}, 1)", "cumsum({0}) / 3", "softmax({0})"),
    *("outer({0}, {1}) @ {0} / 3", "stack([{0}, {1}]).mean(axis=0)", "concatenate([{0}[1:], {1}[:1]])"),
    *("einsum('i,i->i', {0}, {1})", "({0}.reshape(3, 1) * {1}).T.sum(axis=1) / 3", "pad(diff({0}), (0, 1))"),
    *("map(lambda r: sin(r), {0})", "vmap(lambda r: r * r / 2)({0})", "scan(lambda c, r: (c * r, c + r), 0.5, {0})[1]"),
    *("{1} if x[0] > 0 else {0}", "{0} * (x > 0)", "stop_gradient(x > 0) * {0}", "checkpoint(lambda t: sin(t))({0})"),
    *("solve(eye(3) * 2 + outer({0}, {0}), {1})", "grad(lambda t: sum(sin(t) * t))({0})"),
    *("convolve({0}, [0.5, 0.5])[:3]", "correlate({0}, [0.2, 0.5], 'same')", "take({0}, [1, 1, 0])", "max(x) * {0}"),
    *("jvp(lambda t: t * sin(t), {0}, {1})", "[{0}[0], {1}[1], 0.5]", "f({0}, {1})", "f({1}, b={0})", "g({0}, 2)"),
)  # fmt: skip
SCALARS = (
    *("sum({0})", "mean({0} * {1})", "{0} @ {1} / 3", "var({0})", "norm(1 + {0} ** 2)", "logsumexp({0})", "{0}[1]"),
    *("sum({0} ** 2) / 3", "prod({0})", "trapezoid({0})", "{0}.sum() * 0.3", "{0}[-1] * {1}[0]"),
    *("trace(outer({0}, {1}))", "quantile({0}, 0.5) * 0 + cumprod({1})[1]", "std(1 + {0} * {0} + arange(3))"),
)  # fmt: skip
WRITES = (
    *("{v}[0] = {s}", "{v}[1:] = {e}[:2]", "{v}[x > 0] = 0.5", "{v}[[0, 2]] *= 0.5", "{v}[:] = {e}", "{v}[-1] += {s}"),
    *("{v}[x > 0] += {e}[x > 0]", "{v} += {e}", "{v} *= 0.7", "{v}[1] /= 1 + {s} ** 2", "{v}[::2] = [{s}, 0.2]"),
)  # fmt: skip


class Writer:
    """Writes a program by drawing its parts. `names` are the vectors that can be read."""

    def __init__(self, draw: Callable[..., Any]) -> None:
        self.draw = draw
        self.loops = 0

    def one(self, choices: tuple[str, ...]) -> str:
        made: str = self.draw(st.sampled_from(choices))
        return made

    def number(self, most: int) -> int:
        made: int = self.draw(st.integers(0, most))
        return made

    def vector(self, names: tuple[str, ...], depth: int, functions: bool = True) -> str:
        if depth == 0:
            return self.one(names)
        form = self.one(VECTORS)
        if not functions and form[:2] in ("f(", "g("):
            form = "sin({0})"
        return "(" + form.format(*(self.vector(names, self.number(depth - 1), functions) for _ in range(2))) + ")"

    def scalar(self, names: tuple[str, ...], functions: bool = True) -> str:
        return self.one(SCALARS).format(*(self.vector(names, self.number(1), functions) for _ in range(2)))

    def bounded(self, names: tuple[str, ...], depth: int, functions: bool = True) -> str:
        return f"{self.one(('sin', 'tanh', 'cos'))}({self.vector(names, depth, functions)})"

    def block(self, names: tuple[str, ...], size: int, depth: int, functions: bool = True) -> list[str]:
        """Lines that leave each of the names u, v a vector."""
        made: list[str] = []
        for _ in range(1 + self.number(size)):
            made += self.statement(names, depth, functions)
        return made

    def statement(self, names: tuple[str, ...], depth: int, functions: bool) -> list[str]:
        v = self.one(("u", "v"))
        kind = self.number(7 if depth else 3)
        if kind <= 1:
            return [f"{v} = {self.bounded(names, 2, functions)}"]
        if kind <= 3:
            write = self.one(WRITES)
            return [write.format(v=v, e=self.bounded(names, 1, functions), s=f"tanh({self.scalar(names, functions)})")]
        inner = ["    " + line for line in self.block(names, 2, depth - 1, functions)]
        if kind == 4:
            condition = self.one(("x[0] > 0", "x[1] < 0 and x[2] > 0", "sum(x > 0) == 2", "not w[0] > 0", "len(x) > 3"))
            other = ["    " + line for line in self.block(names, 1, depth - 1, functions)]
            ends = ([], ["else:", *other], ["elif w[1] > 0:", *other, "else:", "    v = 0.9 * v"])
            return [f"if {condition}:", *inner, *ends[self.number(2)]]
        i = f"i{self.loops}"
        self.loops += 1
        if kind == 5:
            stop = self.one(("break", "continue", "pass"))
            last = [f"    if {i} == 1: {stop}", f"    u = u * (1 - {i} / 8)"]
            return [f"for {i} in range({1 + self.number(2)}):", *inner, *last]
        if kind == 6:
            return [f"for {i}, r in enumerate({self.one(names)}):", *inner, f"    v[{i}] = sin(r + v[{i}])"]
        return [
            f"{i} = 0",
            f"while {i} < 2 or sum(u ** 2) > 0.5 and {i} < 4:",
            *inner,
            f"    u, {i} = 0.8 * u, {i} + 1",
        ]


@st.composite
def programs(draw: Callable[..., Any]) -> str:
    """The text of a program that defines loss(x, w), a number."""
    write = Writer(draw)
    f = ["def f(a, b=0.5):", "    u, v = a * b, a"]
    f += ["    " + line for line in write.block(("a", "u", "v"), 1, 1, functions=False)]
    f += [f"    return {write.bounded(('a', 'u', 'v'), 1, functions=False)}"]
    g = ["def g(a, n):", "    if n == 0: return a", "    return sin(a + 0.5 * g(a * w, n - 1))"]
    body = write.block(("x", "w", "u", "v"), 4, 2)
    lines = ["u, v = x * w, sin(w)", *body, f"return {write.scalar(('u', 'v', 'x'))} + sum(u * v)"]
    inner = ["    " + line for line in (*f, *g, *lines)]
    return "\n".join(["def loss(x, w):", *inner])


def decided(result: Any) -> list[Any]:
    """Which ways a run took."""
    return [(step.line, step.condition, step.taken, step.rounds, step.count) for step in result.path]


def close(a: Any, b: Any, tolerance: float) -> None:
    scale = max(1.0, float(np.max(np.abs(b))))
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


def slope(program: Program, inputs: dict[str, Any]) -> float:
    """The central difference of the program's value along (tx, tw)."""
    ends = []
    for step in (STEP, -STEP):
        x, w = inputs["x"] + step * inputs["tx"], inputs["w"] + step * inputs["tw"]
        ends.append(program.run(inputs | {"x": x, "w": w}))
    assume(decided(ends[0]) == decided(ends[1]))
    values = [float(end.value) for end in ends if end.value is not None]
    return (values[0] - values[1]) / (2 * STEP)


GENERATED = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],  # to make a failing program smaller takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

# What is computed is chosen by an input, so that each program is read once.
CHOICES = """
line = lambda s: loss(x + s * tx, w + s * tw)
if chosen == 0:
    output loss(x, w)
elif chosen == 1:
    gx, gw = grad(loss, wrt=("x", "w"))(x, w)
    output sum(gx * tx) + sum(gw * tw), gx, gw, jvp(line, 0, 1)
else:
    output grad(grad(line))(0), jvp(grad(line), 0, 1), grad(lambda s: jvp(line, s, 1))(0)
    output hvp(lambda t: loss(t, w), x, tx), grad(lambda t: sum(grad(loss)(t, w) * tx))(x)
"""


@GENERATED
@given(programs(), INPUTS, INPUTS, INPUTS, INPUTS)
def test_derivatives_agree(text: str, x: Any, w: Any, tx: Any, tw: Any) -> None:
    program = compile(text + CHOICES)
    inputs = {name: np.array(value) for name, value in zip(("x", "w", "tx", "tw"), (x, w, tx, tw), strict=True)}
    value, first, second = (inputs | {"chosen": chosen} for chosen in range(3))
    reverse = program.run(value, grad=["x", "w"]).grads
    along = np.sum(reverse["x"] * tx) + np.sum(reverse["w"] * tw)
    close(along, slope(program, value), 1e-6)
    close(program.run(value, grad=["x"], mode="forward").grads["x"], reverse["x"], 1e-9)
    also, gx, gw, moved = program.run(first).outputs.values()
    for made, known in ((also, along), (gx, reverse["x"]), (gw, reverse["w"]), (moved, along)):
        close(made, known, 1e-9)
    reverse_twice, forward_over_reverse, reverse_over_forward, product, again = program.run(second).outputs.values()
    close(reverse_twice, slope(program, first), 1e-5)
    close(forward_over_reverse, reverse_twice, 1e-8)
    close(reverse_over_forward, reverse_twice, 1e-8)
    close(product, again, 1e-8)


@st.composite
def loops(draw: Callable[..., Any]) -> str:
    """The text of a program whose loops do the same operations in every round."""
    write = Writer(draw)
    names = ("x", "w", "u", "v")
    f = ["def f(a, b=0.5):", "    return sin(a * b) + 0.1 * a", "def g(a, n):", "    return a * n / 4"]
    lines = ["u, v, s, k, q = x * w, sin(w), 0.0, 0, x", "m = outer(x, w)"]
    for i in range(1 + write.number(2)):
        body = ["t = " + write.bounded(names, 1)] if write.number(1) else []
        for _ in range(1 + write.number(2)):
            v = write.one(("u", "v"))
            body.append(f"{v} = {write.bounded(names, 2)}")
        extra = (
            "u, v = v, u",
            "s += tanh(sum(u))",
            "q = u",
            "k += 1",
            "u = u * (1 - k / 99)",
            "u += m[0] * s / 9",
            "pass",
        )
        branches = ("if u[0] > v[1]: u = u * 0.9", "if k % 3 == 1: continue", "if s > 0.5 and not k > 4: v = v + 0.1")
        branches += ("s += 0.1 if u[0] > 0 else s", "if k > 6: break")
        body += [write.one(extra), write.one(extra)]
        for _ in range(write.number(1)):
            written = write.one(WRITES).format(
                v=write.one(("u", "v")), e=write.bounded(names, 1), s=f"tanh({write.scalar(names)})"
            )
            body.insert(write.number(len(body)), written)
        if write.number(2) == 0:
            body.insert(write.number(len(body)), write.one(branches))
        head = write.one(
            (
                f"for i{i} in range({3 + write.number(6)}):",
                f"for r{i} in m:",
                f"for i{i} in range(9, 2, -2):",
                "while",
                f"for r{i}, p in zip(m, x):",
                f"for p, r{i} in enumerate(m):",
            )
        )
        if head == "while":
            head = f"k = 0\nwhile k < {3 + write.number(6)} and (norm(u) >= 0 or not k > 2):"
            body.insert(0, "k = k + 1")
        elif f"r{i}" in head:
            body.append(write.one((f"u = u * r{i}", f"v = v + r{i} / 3", "pass")))
        else:
            body.append(write.one((f"u = u * x[i{i} % 3]", f"v = v * (1 - i{i} / 20)", "pass")))
        lines += [*head.split("\n"), *("    " + line for line in body)]
    lines.append(f"return {write.scalar(('u', 'v', 'x'))} + sum(u * v) + s * k + sum(q)")
    return "\n".join(["def loss(x, w):", *("    " + line for line in (*f, *lines))])


@settings(GENERATED, max_examples=25)
@given(loops(), INPUTS, INPUTS, INPUTS, INPUTS)
def test_compiled_loops_agree(text: str, x: Any, w: Any, tx: Any, tw: Any) -> None:
    inputs = {name: np.array(value) for name, value in zip(("x", "w", "tx", "tw"), (x, w, tx, tw), strict=True)}
    made = []
    for wait in (1, interpreter.NEVER):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(interpreter, "WAIT", wait)
            program = compile(text + CHOICES)
            runs = [program.run(inputs | {"chosen": chosen}, grad=["x", "w"]) for chosen in (0, 1, 2, 0)]
            made.append(runs)
    compiled, known = made
    for a, b in zip(compiled, known, strict=True):
        assert decided(a) == decided(b)
        for name, value in b.outputs.items():
            close(a.outputs[name], value, 1e-12)
        for name, value in b.grads.items():
            close(a.grads[name], value, 1e-12)
    assert not any(run.compiled for run in known)
