"""The smallest value of a program: SciPy's optimisers with exact derivatives, and two plain descents.

The inputs to move are one long vector to the optimisers. Gradients come from reverse mode, products with the
Hessian and its entries from forward over reverse, Jacobians of residuals by whichever mode is shorter.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from ndgrad.errors import Diagnostic, Error
from ndgrad.frozen import Frozen
from ndgrad.lang import problems
from ndgrad.lang.program import MAX_STEPS, Program, Result
from ndgrad.lang.starting import values_before

Array = np.ndarray[Any, Any]
Bounds = Mapping[str, tuple[Any, Any]]
SCIPY = ("L-BFGS-B", "BFGS", "Newton-CG", "trust-exact")
DESCENTS = ("sgd", "adam")
METHODS = (*SCIPY, "least-squares", *DESCENTS)
BOUNDED = ("L-BFGS-B", "least-squares", *DESCENTS)  # the methods that can keep within bounds
ROUNDS = 1000  # iterations unless told
STEPS = 10_000  # of the descents, whose iterations are short
FLAT = 1e-14  # a relative change of the value that is rounding
NEAR = 1e-6  # a gradient that could change the value by no more than this part of it is zero but for rounding


class Minimum(Frozen):
    """Where a minimisation came to.

    of             the name of what was minimised; for least squares the residuals, whose squares `value` sums up
    optimum        the inputs that were moved, by name, and gradients of `value` there
    gradient_norm  their Euclidean norm, without what bounds hold back
    converged      whether the method ended at a minimum by its own measure; reason, why it ended
    evaluations    runs of the program
    """

    method: str
    of: str
    value: float
    optimum: dict[str, Array]
    gradients: dict[str, Array]
    gradient_norm: float
    iterations: int
    evaluations: int
    converged: bool
    reason: str
    seconds: float
    warnings: tuple[Diagnostic, ...] = ()


class Progress(Frozen):
    """How far a minimisation is."""

    iteration: int
    value: float
    gradient_norm: float


def minimize(
    program: Program,
    over: Sequence[str],
    inputs: Mapping[str, Any] | None = None,
    method: str = "L-BFGS-B",
    of: str | None = None,
    bounds: Bounds | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    rate: float = 0.01,
    dtype: Any = None,
    seed: int | None = None,
    train: bool = False,
    max_steps: int = MAX_STEPS,
    max_memory: int | None = None,
    timeout: float | None = None,
    abandon: Callable[[Error], None] | None = None,
    bound_by: Mapping[str, str] | None = None,
    watch: Callable[[Progress], None] | None = None,
) -> Minimum:
    """The inputs `over` at which the output is smallest, from the values that they have (given, or by default).

    method    one of METHODS; for "least-squares" the output is the residuals, an array
    of        the output or variable to minimise, one number; the first output unless given
    bounds    the lowest and the highest value by name, each of a shape that spreads to the input's
    tol       the largest entry of the gradient to stop at; 1e-8 unless given, 1e-4 where something is float32
    max_iter  iterations, ROUNDS unless given (STEPS for the descents); rate, the step of the descents
    seed      what random numbers begin from: anew in each run, on and on in the descents
    timeout   seconds for all of it; the other limits are for each run
    watch     called after each iteration
    Errors: those of `Program.run`; E205 for names that are no inputs, E413 where the output has the wrong shape.
    ValueError for a method that is not known, or bounds that it cannot keep.
    """
    if method not in METHODS:
        raise ValueError(f"there is no method {method!r}; the methods are {', '.join(METHODS)}")
    if bounds and method not in BOUNDED:
        raise ValueError(f"bounds are not for {method}, but for {', '.join(BOUNDED)}")
    start = perf_counter()
    limits = {"max_steps": max_steps, "max_memory": max_memory, "abandon": abandon}
    if seed is None and method not in DESCENTS:
        seed = int(np.random.default_rng().integers(1 << 31))  # one function, however often it is evaluated
    settings = {"of": of, "dtype": dtype, "train": train, "bound_by": dict(bound_by or {}), **limits}
    objective = Objective(program, over, dict(inputs or {}), settings, seed, timeout, method)
    objective.watch = watch
    low, high = objective.limits_of(bounds or {})
    if tol is None:
        tol = 1e-4 if any(x.dtype == np.float32 for x in objective.start.values()) else 1e-8
    first = np.clip(objective.flat(objective.start), low, high)
    objective.low, objective.high = low, high
    rounds = max_iter if max_iter is not None else STEPS if method in DESCENTS else ROUNDS
    with np.errstate(all="ignore"):  # what overflows is seen below
        if method in DESCENTS:
            x, converged, reason = _descend(objective, first, method, tol, rounds, rate, seed)
        elif method == "least-squares":
            x, converged, reason = _least_squares(objective, first, tol, rounds)
        else:
            x, converged, reason = _scipy(objective, first, method, tol, rounds)
        value, gradient = objective.both(x)
        if reason == NOT_FINITE or not _finite(value, gradient):
            converged, reason = False, NOT_FINITE
        if not converged and (lost := objective.lost(value, gradient)) and objective.best is not None:
            x, value, gradient = objective.best
        if not converged and lost and method in DESCENTS:
            reason = f"it diverged: {reason}; a smaller --rate than {rate:g} may help"
    return Minimum(
        method=method,
        of=objective.of,
        value=value,
        optimum=objective.parts(x),
        gradients=objective.parts(gradient),
        gradient_norm=float(np.linalg.norm(objective.free(x, gradient))),
        iterations=objective.iterations,
        evaluations=objective.evaluations,
        converged=converged,
        reason=reason,
        seconds=perf_counter() - start,
        warnings=tuple(objective.warnings),
    )


class Objective:
    """A program as a function of one vector: the inputs to move, one after the other."""

    def __init__(
        self,
        program: Program,
        over: Sequence[str],
        inputs: dict[str, Any],
        settings: dict[str, Any],
        seed: int | None,
        timeout: float | None,
        method: str,
    ) -> None:
        self.program = program
        self.inputs = inputs
        self.settings = settings
        self.seed = seed
        self.timeout = timeout
        self.residual = method == "least-squares"
        self.begun = perf_counter()
        self.evaluations = self.iterations = 0
        self.warnings: list[Diagnostic] = []
        self.watch: Callable[[Progress], None] | None = None
        self.of = ""
        s = self.settings
        self.start = values_before(
            program,
            over,
            inputs,
            "--over",
            s["dtype"],
            s["train"],
            s["bound_by"],
            s["max_steps"],
            timeout,
            s["max_memory"],
            s["abandon"],
        )
        self.names = tuple(self.start)
        self.low: Array = np.array(-np.inf)
        self.high: Array = np.array(np.inf)
        self.known: tuple[bytes, float, Array] | None = None
        self.begin: tuple[float, Array] | None = None  # the value and the gradient at the start
        self.best: tuple[Array, float, Array] | None = None  # where the value was least, and finite

    # Vectors and arrays

    def flat(self, arrays: Mapping[str, Any]) -> Array:
        return np.concatenate([np.asarray(arrays[name], np.float64).ravel() for name in self.names] or [np.zeros(0)])

    def parts(self, x: Array) -> dict[str, Array]:
        """A vector as arrays of the inputs' shapes and dtypes, by name."""
        made, at = {}, 0
        for name, like in self.start.items():
            made[name] = x[at : at + like.size].reshape(like.shape).astype(like.dtype)
            at += like.size
        return made

    def limits_of(self, bounds: Bounds) -> tuple[Array, Array]:
        """The lowest and highest values as vectors. ValueError for bounds that do not fit."""
        for name in bounds:
            if name not in self.names:
                raise ValueError(f"{name} has bounds, but is not moved")
        sides = []
        for side, missing in ((0, -np.inf), (1, np.inf)):
            arrays = {}
            for name, like in self.start.items():
                value = np.asarray(bounds[name][side] if name in bounds else missing, np.float64)
                try:
                    arrays[name] = np.broadcast_to(value, like.shape)
                except ValueError:
                    raise ValueError(f"the bounds of {name} do not fit its shape {like.shape}") from None
            sides.append(self.flat(arrays))
        if not np.all(sides[0] <= sides[1]):
            raise ValueError("a lower bound is above the upper one")
        return sides[0], sides[1]

    def free(self, x: Array, gradient: Array) -> Array:
        """The gradient without the entries by which a bound is pushed against."""
        held = ((x <= self.low) & (gradient > 0)) | ((x >= self.high) & (gradient < 0))
        return np.where(held, 0.0, gradient)

    # Runs

    def run(self, x: Array, **asked: Any) -> Result:
        """The program at x. The time is for all runs together."""
        left = None if self.timeout is None else max(1e-3, self.timeout - (perf_counter() - self.begun))
        try:
            made = self.program.run(
                {**self.inputs, **self.parts(x)}, seed=self.seed, timeout=left, show=_nowhere, **self.settings, **asked
            )
        except Error as error:
            if error.code == "E505" and self.timeout is not None:
                raise problems.raised(problems.out_of_time(error.span, self.timeout, "")) from None
            raise
        if not self.evaluations:
            self.warnings = list(made.warnings)
        self.evaluations += 1
        self.of = made.of or self.of
        value = made.differentiated
        if value is None:
            raise problems.raised(problems.no_output("the program has no value to minimise"))
        if self.residual and value.ndim == 0:
            raise problems.raised(problems.not_residuals(self.of))
        if not self.residual and value.size != 1:
            shape, instead = "×".join(map(str, value.shape)), "take --method least-squares"
            raise problems.raised(problems.not_one_number(self.of, "a minimum is that of one number", shape, instead))
        return made

    def both(self, x: Array) -> tuple[float, Array]:
        """The value and the gradient."""
        key = x.tobytes()
        if self.known is None or self.known[0] != key:
            if self.residual:
                r, rows = self.residuals(x), self.jacobian(x)
                self.known = key, float(r @ r), 2 * (r @ rows)
            else:
                made = self.run(x, grad=self.names)
                assert made.differentiated is not None
                self.known = key, float(made.differentiated.item()), self.flat(made.grads)
            _, value, gradient = self.known
            self.begin = self.begin or (value, gradient)
            if _finite(value, gradient) and (self.best is None or value < self.best[1]):
                self.best = x.copy(), value, gradient
        return self.known[1], self.known[2]

    def lost(self, value: float, gradient: Array) -> bool:
        """Whether a search that ended so left what it began from: higher up, and far steeper than noise would be."""
        if self.begin is None or not _finite(value, gradient):
            return True
        return value > self.begin[0] and np.max(np.abs(gradient)) > 10 * np.max(np.abs(self.begin[1]))

    def falls(self, value: float, gradient: Array, far: float, steep: float) -> bool:
        """Whether a value is so far below the first one, measured by that and its gradient, and as steep."""
        if self.begin is None:
            return False
        first, slope = self.begin[0], float(np.linalg.norm(self.begin[1]))
        return bool(first - value > far * (abs(first) + slope) and np.linalg.norm(gradient) >= steep * slope)

    def residuals(self, x: Array) -> Array:
        value = self.run(x).differentiated
        assert value is not None
        return np.asarray(value, np.float64).ravel()

    def jacobian(self, x: Array) -> Array:
        """Of the residuals: a row for each, a column for each entry of x."""
        made = self.run(x, jac=self.names)
        assert made.differentiated is not None
        count = made.differentiated.size
        parts = [made.jacobians[name].reshape(count, self.start[name].size) for name in self.names]
        self.rows: Array = np.concatenate(parts, axis=1).astype(np.float64)
        return self.rows

    def hessian_times(self, x: Array, direction: Array) -> Array:
        return self.flat(self.run(x, hvp=self.parts(direction)).hvp)

    def hessian(self, x: Array) -> Array:
        if len(self.names) == 1:
            (found,) = self.run(x, hess=self.names).hessians.values()
            return np.asarray(found, np.float64).reshape(x.size, x.size)
        return np.stack([self.hessian_times(x, unit) for unit in np.eye(x.size)])

    def went_on(self, x: Array) -> tuple[float, Array]:
        """Note an iteration that ended at x; the value and the free gradient there."""
        self.iterations += 1
        value, gradient = self.both(x)
        free = self.free(x, gradient)
        if self.watch is not None:
            self.watch(Progress(self.iterations, value, float(np.linalg.norm(free))))
        return value, free


def _finite(value: float, gradient: Array) -> bool:
    """Whether a search can go on from there; a gradient whose norm overflows is not finite either."""
    return bool(np.isfinite(value) and np.isfinite(np.linalg.norm(gradient)))


FAR = 1e9  # times its first size: a value that has fallen so far is not waited for
NOT_NEAR = 1e4  # times: one that has fallen so far, and is as steep as at the start, has not come near a minimum
WITHOUT_END = "the value falls without end: the output has no minimum, or --bounds are missing"
NOT_FINITE = "the value or its gradient is not finite"
BELOW = "the gradient is below the tolerance"
LEVEL = "the value no longer falls"
Ended = tuple[Array, bool, str]


def _limit(rounds: int) -> str:
    return f"the limit of {rounds:,} iteration{'s' if rounds != 1 else ''} was reached"


def _scipy(objective: Objective, x: Array, method: str, tol: float, rounds: int) -> Ended:
    from scipy.optimize import Bounds as Box
    from scipy.optimize import minimize as search

    def after(x: Array) -> None:
        value, free = objective.went_on(x)
        # NaN is not above the tolerance either: it stops the search too.
        if not np.max(np.abs(free), initial=0) > tol or (value < -FAR and objective.falls(value, free, FAR, 0.01)):
            raise StopIteration

    value, gradient = objective.both(x)
    first = abs(value)
    if np.max(np.abs(objective.free(x, gradient)), initial=0) <= tol:
        return x, True, BELOW
    options: dict[str, Any] = {"maxiter": rounds}
    more: dict[str, Any] = {}
    if method == "L-BFGS-B":
        options |= {"ftol": FLAT, "gtol": 0.0, "maxfun": 20 * rounds, "maxls": 50}
        more["bounds"] = Box(objective.low, objective.high)
    elif method == "Newton-CG":
        options["xtol"] = FLAT
        more["hessp"] = objective.hessian_times
    else:
        options["gtol"] = 0.0
        if method == "trust-exact":
            more["hess"] = objective.hessian
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = search(objective.both, x, jac=True, method=method, options=options, callback=after, **more)
    x = np.asarray(found.x, np.float64)
    value, gradient = objective.both(x)
    free = objective.free(x, gradient)
    if np.max(np.abs(free), initial=0) <= tol:
        return x, True, BELOW
    if objective.falls(value, free, NOT_NEAR, 0.5):
        return x, False, WITHOUT_END
    if objective.iterations >= rounds:
        return x, False, _limit(rounds)
    if _rounding(x, value, free, first):
        return x, True, LEVEL
    return x, False, "no lower value is found along the direction of search"


def _rounding(x: Array, value: float, gradient: Array, first: float) -> bool:
    """Whether moving any entry by a part of itself changes the value by no more than a small part of that part."""
    size = max(abs(value), 1e-8 * first)
    return bool(np.all(np.abs(gradient) * np.maximum(np.abs(x), 1e-8) <= NEAR * size))


def _least_squares(objective: Objective, x: Array, tol: float, rounds: int) -> Ended:
    from inspect import signature

    from scipy.optimize import least_squares

    def after(intermediate_result: Any) -> None:
        objective.iterations += 1
        if objective.watch is not None:
            r, x = intermediate_result.fun, intermediate_result.x
            norm = float(np.linalg.norm(objective.free(x, 2 * (r @ objective.rows))))
            objective.watch(Progress(objective.iterations, float(r @ r), norm))

    if np.any(objective.low == objective.high):
        raise ValueError("least-squares needs room between the bounds")
    options = {"x_scale": "jac", "ftol": FLAT, "xtol": FLAT, "gtol": tol / 2, "max_nfev": rounds}
    if "callback" in signature(least_squares).parameters:  # SciPy 1.16 and later
        options["callback"] = after
    with np.errstate(all="ignore"):
        found = least_squares(objective.residuals, x, objective.jacobian, (objective.low, objective.high), **options)
    objective.iterations = max(objective.iterations, int(found.njev) - 1)
    if found.status == 0:
        return found.x, False, _limit(rounds)
    return found.x, True, {1: BELOW, 3: "the steps are below rounding"}.get(found.status, LEVEL)


def _descend(
    objective: Objective, x: Array, method: str, tol: float, rounds: int, rate: float, seed: int | None
) -> Ended:
    """Steps against the gradient (sgd), or against its running mean over its running size (adam)."""
    if seed is not None:
        from ndgrad.ops import random

        random.seed(seed)
        objective.seed = None  # each step draws on
    step = _adam(rate) if method == "adam" else lambda gradient: -rate * gradient
    for _ in range(rounds):
        value, gradient = objective.both(x)
        if not _finite(value, gradient):
            return x, False, NOT_FINITE
        if np.max(np.abs(objective.free(x, gradient)), initial=0) <= tol:
            return x, True, BELOW
        x = np.clip(x + step(gradient), objective.low, objective.high)
        objective.went_on(x)
    _, gradient = objective.both(x)
    if np.max(np.abs(objective.free(x, gradient)), initial=0) <= tol:
        return x, True, BELOW
    return x, False, _limit(rounds)


def _adam(rate: float) -> Callable[[Array], Array]:
    """The steps of Adam (Kingma and Ba, 2015, algorithm 1, with its defaults)."""
    mean: Any = 0.0
    square: Any = 0.0
    count = 0

    def step(gradient: Array) -> Array:
        nonlocal mean, square, count
        count += 1
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        return np.asarray(-rate * (mean / (1 - 0.9**count)) / (np.sqrt(square / (1 - 0.999**count)) + 1e-8))

    return step


def _nowhere(text: str) -> None:
    return
