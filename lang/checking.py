"""Whether the derivatives of a program are right: reverse and forward mode against numbers that need no rule.

The numbers are central differences, extrapolated from two steps, whose length is chosen for each
direction, and the complex step where the program allows it. All is computed in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import factorial
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.errors import Error
from ndgrad.frozen import Frozen
from ndgrad.lang.kept import Kept, kept
from ndgrad.lang.kinks import NearKink as NearKink
from ndgrad.lang.kinks import near_kinks
from ndgrad.lang.replay import Complex, Replay, quiet
from ndgrad.lang.syntax import Call, walk
from ndgrad.tape import Node

if TYPE_CHECKING:
    from ndgrad.lang.program import Program

RTOL = 1e-5
SMALL = 200  # entries that are checked one by one
SAMPLED = 20  # of more
DIRECTIONS = 3
STEPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)  # relative, the first that is exact enough is taken
NEIGHBOUR = 1e-8  # how far apart, relative, values lie whose scatter is looked at
SCATTER = 1e-9  # of a value, that can be rounding: more is a program that jumps
STOPPING = ("stop_gradient", "detach", "custom_gradient")
Array = np.ndarray[Any, Any]


class Numeric(Frozen):
    """A derivative by differences, the step that was taken, and how far the number may be off.

    noise     by rounding alone, as far as that is forgiven
    rounding  what rounding does to a derivative that is computed without differences
    """

    value: float
    error: float
    noise: float
    rounding: float
    step: float


class Comparison(Frozen):
    """One derivative, computed in several ways.

    index    of the entry (of the Hessian's entry, for second derivatives); None along a direction
    complex  by the complex step, None where that is skipped
    error    how far `numeric` may be off, step the length of its differences
    excess   the largest difference between the ways as a multiple of what is allowed: more than 1 disagrees
    """

    index: tuple[int, ...] | None
    reverse: float
    forward: float
    numeric: float
    complex: float | None
    error: float
    step: float
    excess: float

    @property
    def agrees(self) -> bool:
        return self.excess <= 1


class Check(Frozen):
    """The derivatives of `of` by `wrt`, compared.

    order        1, or 2 for second derivatives: then `reverse` is reverse over reverse mode, `forward` is forward over
                 reverse, `numeric` the differences of gradients
    directions   along random directions (and for random heads, unless a head was given)
    entries      one by one: all of them for small inputs, else `sampled` ones
    skipped      why there is no complex step, None where there is
    kinks        those that the run came near to, the nearest first
    stopped      (operation, line) of everything that keeps a gradient back on purpose, or states its own
    """

    of: str
    wrt: str
    order: int
    shape: tuple[int, ...]
    rtol: float
    directions: tuple[Comparison, ...]
    entries: tuple[Comparison, ...]
    sampled: bool
    skipped: str | None
    kinks: tuple[NearKink, ...]
    stopped: tuple[tuple[str, int], ...]

    @property
    def agrees(self) -> bool:
        return all(c.agrees for c in (*self.directions, *self.entries))

    @property
    def worst(self) -> Comparison | None:
        """The entry whose derivatives differ most, None where there are none; the first of those that hardly differ."""
        return max(self.entries, key=lambda c: round(min(c.excess, 1e300), 3), default=None)


def check(
    program: Program,
    inputs: Mapping[str, Any] | None = None,
    grad: Iterable[str] = (),
    *,
    head: Any = None,
    of: str | None = None,
    order: int = 1,
    rtol: float = RTOL,
    seed: int | None = None,
    train: bool = False,
    look: Callable[[str], None] | None = None,
    **limits: Any,
) -> list[Check]:
    """The derivatives of a program by each name in `grad`, compared with numbers.

    inputs, head, of, seed, train, limits (max_steps, timeout, …): as for `Program.run`
    grad    names of inputs; "all" for every float input
    order   1 for gradients, 2 for second derivatives
    look    told what is being computed, before every part that may take long
    Errors: those of a run; where it fails close to the point alone, its numbers are nan.
    """
    bound_by = limits.pop("bound_by", None)
    checking = _Checking(program, dict(inputs or {}), head, of, seed, train, limits, look or _unseen)
    return [
        checking.by(name, order, rtol)
        for name in checking.begin((grad,) if isinstance(grad, str) else tuple(grad), bound_by)
    ]


class _Checking:
    """One program at one point."""

    def __init__(
        self,
        program: Program,
        inputs: dict[str, Any],
        head: Any,
        of: str | None,
        seed: int | None,
        train: bool,
        limits: dict[str, Any],
        look: Callable[[str], None],
    ) -> None:
        self.program = program
        self.inputs = inputs
        self.head = head
        self.limits = limits
        self.look = look
        # Random numbers have to be the same in every run.
        self.settings = {"of": of, "dtype": "float64", "seed": 0 if seed is None else seed, "train": train}
        seconds = limits.get("timeout")
        self.ends = None if seconds is None else monotonic() + seconds
        self.kept: Kept

    def begin(self, grad: tuple[str, ...], bound_by: Any) -> list[str]:
        """Run once, with everything kept; the names to differentiate by. E205, E401."""
        arguments = {**self.settings, **self.limits}
        self.kept = kept(self.program, self.inputs, grad, head=self.head, bound_by=bound_by, **arguments)
        return list(self.kept.result.grads)

    def run(self, **more: Any) -> Any:
        """Run the program once more, within what is left of the time."""
        left = {} if self.ends is None else {"timeout": max(self.ends - monotonic(), 1e-3)}
        given = {"inputs": self.inputs, **self.settings, **self.limits, **left, **more}
        return self.program.run(show=_nowhere, bound_by={}, **given)

    def by(self, name: str, order: int, rtol: float) -> Check:
        """The derivatives by one input."""
        self.name = name
        self.rtol = rtol
        self.point = self.kept.point(name)
        self.random = np.random.default_rng(0)
        self.scale = _scale(self.point)
        value = np.asarray(self.kept.result.differentiated, dtype=np.float64)
        self.exact = float(np.finfo(np.result_type(self.point, self.kept.result.differentiated)).eps)
        self.weights = np.asarray(self.kept.head, dtype=np.float64)
        self.size = float(np.sum(np.abs(np.nan_to_num(self.weights * value))))
        made = self.first() if order == 1 else self.second()
        directions, entries, sampled, skipped = made
        return Check(
            of=self.kept.of,
            wrt=name,
            order=order,
            shape=self.point.shape,
            rtol=rtol,
            directions=tuple(directions),
            entries=tuple(entries),
            sampled=sampled,
            skipped=skipped,
            kinks=tuple(near_kinks(self.kept, self.reach())),
            stopped=self.stopped(),
        )

    # First derivatives

    def first(self) -> tuple[list[Comparison], list[Comparison], bool, str | None]:
        gradient = np.asarray(self.kept.result.grads[self.name], dtype=np.float64)
        self.typical = _largest(gradient)
        replay = self.replay()
        complex_ = Complex(replay)
        directions = [self.along(complex_) for _ in range(DIRECTIONS if self.point.size else 0)]
        self.look(f"entries of {self.name}")
        chosen, sampled = self.chosen(self.point.size, gradient)
        forward = self.forward(chosen, sampled)
        entries = []
        for i in chosen:
            unit = self.unit(i)
            differences = self.differences(partial(self.moved_by, unit), self.scale.flat[i], self.size)
            step = complex_.along(unit, self.weights)
            at = tuple(int(k) for k in np.unravel_index(i, self.point.shape))
            entries.append(self.compared(at, gradient.flat[i], forward[i], differences, step, self.typical))
        return directions, entries, sampled, complex_.skipped

    def along(self, complex_: Complex) -> Comparison:
        """Along a random direction, for a random head unless one is given: so that every entry of both counts."""
        self.look(f"direction of {self.name}")
        direction = self.random.standard_normal(self.point.shape) * self.scale
        weights = self.weights
        if self.head is None and weights.size > 1:
            weights = self.random.standard_normal(weights.shape)
        reverse = self.run(grad=[self.name], head=weights).grads[self.name]
        y_dot = self.run(jvp={self.name: direction}).jvp
        value = np.asarray(self.kept.result.differentiated, dtype=np.float64)
        size = float(np.sum(np.abs(np.nan_to_num(weights * value))))
        differences = self.differences(partial(self.moved_by, direction, weights=weights), 1.0, size)
        step = complex_.along(direction, weights)
        typical = _norm(reverse * direction)
        return self.compared(None, _product(reverse, direction), _product(weights, y_dot), differences, step, typical)

    def forward(self, chosen: list[int], sampled: bool) -> dict[int, float]:
        """The entries of the gradient in forward mode: a pass for each."""
        if not sampled and chosen:
            made = self.run(grad=[self.name], head=self.head, mode="forward").grads[self.name]
            return {i: float(made.flat[i]) for i in chosen}
        return {i: _product(self.weights, self.run(jvp={self.name: self.unit(i)}).jvp) for i in chosen}

    def moved_by(self, direction: Array, t: float, weights: Any = None) -> float:
        return self.weighed(t * direction, weights)

    def weighed(self, move: Any, weights: Any = None) -> float:
        """Σ head · output where the input is moved; nan where the program fails there."""
        weights = self.weights if weights is None else weights
        try:
            y = self.run(inputs={**self.inputs, self.name: self.point + move}).differentiated
        except Error as error:
            if error.exit_code == 4:
                raise
            return float("nan")
        return float(np.sum(weights * y)) if np.shape(y) == np.shape(weights) else float("nan")

    # Second derivatives

    def second(self) -> tuple[list[Comparison], list[Comparison], bool, str | None]:
        gradient = np.asarray(self.kept.result.grads[self.name], dtype=np.float64)
        n = self.point.size
        directions = [self.curved(gradient) for _ in range(DIRECTIONS if n else 0)]
        self.look(f"second derivatives by {self.name}")
        sampled = n * n > SMALL
        chosen = sorted(self.random.choice(n, SAMPLED // 4, replace=False)) if sampled else range(n)
        columns = [int(j) for j in chosen]
        forward = self.hessian(columns, None, sampled)
        # Where the Hessian is too large to be computed in two modes, it is held against its transpose.
        reverse = {(i, j): forward[j, i] for i, j in forward} if sampled else self.hessian(columns, "reverse", sampled)
        self.typical = max((abs(x) for x in forward.values() if np.isfinite(x)), default=0.0)
        entries: list[Comparison] = []
        for j in columns:
            slope = self.along_entry(j)
            for i in columns:
                at = tuple(int(k) for f in (i, j) for k in np.unravel_index(f, self.point.shape))
                size = abs(float(np.nan_to_num(gradient.flat[i]))) + 0.1 * _largest(gradient)
                differences = self.differences(partial(_entry, slope, i), self.scale.flat[j], size)
                entries.append(self.compared(at, reverse[i, j], forward[i, j], differences, None, self.typical))
        return directions, entries, sampled, "it is for first derivatives"

    def curved(self, gradient: Array) -> Comparison:
        """uᵀ·H·v along two random directions: forward over reverse mode, the same the other way round, differences."""
        self.look(f"direction of {self.name}")
        u, v = (self.random.standard_normal(self.point.shape) * self.scale for _ in range(2))
        one, other = (self.run(hvp={self.name: d}, head=self.head).hvp[self.name] for d in (v, u))
        size = float(np.sum(np.abs(np.nan_to_num(gradient * u))))
        differences = self.differences(partial(self.slope_by, u, v), 1.0, size)
        typical = _norm(one * u)
        return self.compared(None, _product(other, v), _product(one, u), differences, None, typical)

    def hessian(self, columns: list[int], mode: str | None, sampled: bool) -> dict[tuple[int, int], float]:
        """Entries (i, j) of the Hessian, of all columns in either mode, or of some, forward over reverse."""
        if not columns:
            return {}
        if not sampled:
            whole = np.asarray(self.run(hess=[self.name], head=self.head, mode=mode).hessians[self.name])
            square = whole.reshape(self.point.size, self.point.size)
            return {(i, j): float(square[i, j]) for i in columns for j in columns}
        made = {j: self.run(hvp={self.name: self.unit(j)}, head=self.head).hvp[self.name] for j in columns}
        return {(i, j): float(made[j].flat[i]) for i in columns for j in columns}

    def along_entry(self, j: int) -> Callable[[float], Array]:
        """The gradient where one entry is moved, each computed once."""
        seen: dict[float, Array] = {}

        def slope(t: float) -> Array:
            if t not in seen:
                seen[t] = self.slope(t * self.unit(j))
            return seen[t]

        return slope

    def slope_by(self, u: Array, v: Array, t: float) -> float:
        return _product(u, self.slope(t * v))

    def slope(self, move: Any) -> Array:
        """The gradient where the input is moved; nan where the program fails there."""
        try:
            moved = {**self.inputs, self.name: self.point + move}
            made: Array = self.run(inputs=moved, grad=[self.name], head=self.head).grads[self.name]
        except Error as error:
            if error.exit_code == 4:
                raise
            return np.full(self.point.shape, np.nan)
        return made

    # Numbers

    def differences(self, f: Callable[[float], Any], scale: float, size: float) -> Differences:
        """What gives the derivative of f at 0. scale: what a step is measured by; size: how large f is."""
        return Differences(f, float(scale), size, 2 * self.exact * size, 0.1 * self.rtol)

    def compared(
        self,
        index: tuple[int, ...] | None,
        a: float,
        b: float,
        differences: Differences,
        c: float | None,
        typical: float,
    ) -> Comparison:
        """Reverse a and forward b, differences, complex step c. typical: how large such derivatives are here."""
        made = self.held(index, float(a), float(b), differences.value(), c, typical)
        if made.agrees or not self.exact_agree(made, typical):
            return made
        # All that is exact agrees. Long programs round more than their last operation does: that is measured now.
        again = self.held(index, made.reverse, made.forward, differences.value(measured=True), c, typical)
        return again if again.agrees else made

    def held(
        self, index: tuple[int, ...] | None, a: float, b: float, numeric: Numeric, c: float | None, typical: float
    ) -> Comparison:
        """These ways held against each other."""
        size = max((abs(x) for x in (a, b, numeric.value, 1e-3 * typical) if np.isfinite(x)), default=0.0)
        allowed = self.rtol * size + numeric.rounding + 1e-300
        # Differences may be less exact than is asked for; but only so much is forgiven.
        error = numeric.error if np.isfinite(numeric.error) else 0.0
        rough = allowed + min(2 * error, 1e-2 * size + 4 * numeric.noise)
        excess = [_apart(a, b) / allowed, _apart(a, numeric.value) / rough]
        if c is not None:
            excess.append(_apart(a, c) / allowed)
        return Comparison(index, a, b, numeric.value, c, numeric.error, numeric.step, float(max(excess)))

    def exact_agree(self, made: Comparison, typical: float) -> bool:
        """Whether the ways without differences agree, which are all finite."""
        ways = [x for x in (made.reverse, made.forward, made.complex) if x is not None]
        size = max(*map(abs, ways), 1e-3 * typical)
        return bool(np.all(np.isfinite([*ways, made.numeric])) and max(ways) - min(ways) <= self.rtol * size)

    def unit(self, i: int) -> Array:
        unit = np.zeros(self.point.size, self.point.dtype)
        unit[i] = 1
        return unit.reshape(self.point.shape)

    def chosen(self, n: int, gradient: Array) -> tuple[list[int], bool]:
        """The entries to look at, and whether they are a sample: then the largest is one of them."""
        if n <= SMALL:
            return list(range(n)), False
        sample = {int(i) for i in self.random.choice(n, SAMPLED - 1, replace=False)}
        return sorted(sample | {int(np.argmax(np.abs(np.nan_to_num(gradient))))}), True

    # The recorded run

    def replay(self) -> Replay | None:
        x, y = self.kept.variables[self.name].node, self.kept.output.node
        if x is None or y is None:
            return None
        made = Replay(y, x, np.asarray(self.point, dtype=np.float64))
        return made if made.reaches else None

    def reach(self) -> Callable[[Node], Any]:
        """How far the operands of an operation move with the longest step, entry by entry; -1 where they do not."""
        replay = self.replay()
        found: dict[int, Any] = {}

        def look(node: Node, operands: list[Any], y: Any) -> None:
            moves = [np.abs(np.subtract(x, was)) for x, was in _numbers(node, operands)]
            elementwise = node.op is not None and node.op.elementwise
            found[node.id] = sum(moves) if elementwise else max((np.max(m, initial=0.0) for m in moves), default=0.0)

        if replay is not None:
            moved = replay.value + STEPS[0] * self.scale
            with quiet():
                replay.values(moved, look)
        return lambda node: found.get(node.id, -1.0)

    def stopped(self) -> tuple[tuple[str, int], ...]:
        """Where the program keeps gradients back, or states them: differences know nothing of that."""
        found = []
        for node in walk(self.program.body):
            name = getattr(node.function, "name", "") if isinstance(node, Call) else ""
            if name in STOPPING:
                found.append((name, node.span.line))
        return tuple(found)


class Differences:
    """The derivative of a function at 0 by differences.

    f       the function; scale, what a step is measured by; size, how large f is
    noise   how far values of f are off by the rounding of their last operation; enough, the error to reach, relative
    """

    def __init__(self, f: Callable[[float], Any], scale: float, size: float, noise: float, enough: float) -> None:
        self.f = f
        self.scale = scale
        self.size = size
        self.noise = noise
        self.enough = enough

    def value(self, measured: bool = False) -> Numeric:
        """The derivative, of the first step that is exact enough, else of the best. measured: find the noise first."""
        found_noise = max(self.noise, self.measured() if measured else 0.0)
        forgiven = max(self.noise, min(found_noise, SCATTER * self.size))
        best: Numeric | None = None
        for step in STEPS:
            h = step * self.scale
            with np.errstate(all="ignore"):
                wide, narrow = _slope(self.f, h), _slope(self.f, h / 2)
                value = (4 * narrow - wide) / 3
                error = abs(value - narrow) + found_noise / h
                found = Numeric(float(value), float(error), forgiven / h, 8 * step * self.noise / h, h)
            if best is None or found.error < best.error or not best.error < np.inf:
                best = found
            if found.error <= self.enough * abs(found.value):
                break
        assert best is not None
        return best

    def measured(self) -> float:
        """How far values of f are off: what is left of neighbouring ones where a polynomial is taken away.

        The differences of the third to fifth order of a smooth function are its rounding at such short distances.
        """
        with np.errstate(all="ignore"):
            left = np.array([float(self.f(self.scale * NEIGHBOUR * k)) for k in range(-4, 4)])
            spread = []
            for order in range(1, 6):
                left = np.diff(left)
                spread.append(np.sqrt(np.mean(left**2) * factorial(order) ** 2 / factorial(2 * order)))
        most = float(max(spread[2:]))
        return 4 * most if np.isfinite(most) else 0.0


def _numbers(node: Node, operands: list[Any]) -> Iterable[tuple[Any, Any]]:
    """The operands that are floats, each with what it was in the run."""
    for x, was in zip(operands, node.operands, strict=True):
        if np.asarray(x).dtype.kind == "f" and np.shape(x) == np.shape(was):
            yield x, was


def _scale(x: Array) -> Array:
    """What the steps of each entry are measured by: its size, or a share of the largest where it is far smaller."""
    size = np.abs(np.nan_to_num(np.asarray(x, dtype=np.float64)))
    return np.maximum(size, 1e-2 * (float(np.max(size, initial=0.0)) or 100.0))


def _slope(f: Callable[[float], Any], h: float) -> Any:
    """The derivative of f at 0 by a central difference; from one side where f is not a number on the other."""
    right, left = f(h), f(-h)
    if np.isfinite(right - left):
        return (right - left) / (2 * h)
    side = h if np.isfinite(right) else -h
    return (4 * f(side / 2) - 3 * f(0.0) - f(side)) / side


def _largest(x: Any) -> float:
    return float(np.max(np.abs(np.nan_to_num(x)), initial=0.0))


def _entry(f: Callable[[float], Array], i: int, t: float) -> float:
    return float(f(t).flat[i])


def _norm(x: Any) -> float:
    return float(np.linalg.norm(np.ravel(x[np.isfinite(x)])))


def _product(a: Any, b: Any) -> float:
    return float(np.sum(np.asarray(a) * np.asarray(b)))


def _apart(a: float, b: float) -> float:
    """How far two numbers differ: not at all where both are the same infinity, or nan."""
    if a == b or (a != a and b != b):
        return 0.0
    gap = abs(a - b)
    return gap if gap == gap else float("inf")


def _nowhere(text: str) -> None:
    return


def _unseen(text: str) -> None:
    return
