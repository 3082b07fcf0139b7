"""Derivatives for which the program is run again as a function of its inputs: Jacobians, Hessians, directions.

Every round of a loop and every branch is taken anew, with the random numbers of the first run, so a
program with control that depends on data differentiates like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad import autograd, transforms
from ndgrad.errors import Error
from ndgrad.lang import problems
from ndgrad.lang.inputs import taken
from ndgrad.lang.limits import Watch, stop
from ndgrad.lang.state import State
from ndgrad.lang.values import shown_shape
from ndgrad.ndarray import NDArray, array, plain
from ndgrad.tracing import jvp

if TYPE_CHECKING:
    from ndgrad.lang.running import Head, Run

Array = np.ndarray[Any, Any]


class Again:
    """A program that has run once, as a function of its inputs.

    state   of the first run, whose inputs are the point; heads, what is differentiated, with its adjoints
    watch   what holds every run to the limits; draws, what the random numbers began from
    """

    def __init__(self, run: Run, state: State, watch: Watch, heads: list[Head], draws: Any) -> None:
        self.run = run
        self.asked = run.asked
        self.first = state
        self.watch = watch
        self.heads = heads
        self.draws = draws
        self.points = {name: x.detach() if x.node is not None else x for name, x in state.inputs.items()}

    def all(self, wanted: tuple[str, ...]) -> dict[str, Any]:
        """What is asked for, as NumPy arrays; the gradients too in forward mode. E205, E401, E404."""
        asked = self.asked
        names = {
            option: self.run.wanted(option, given, self.points)
            for option, given in (("--grad", wanted), ("--jac", asked.jac), ("--hess", asked.hess))
        }
        for option, given in (("--jvp", asked.jvp), ("--hvp", asked.hvp)):
            names[option] = self.run.wanted(option, [name for name, _ in given], self.points)
        for name in dict.fromkeys(name for several in names.values() for name in several):
            dtype = self.points[name].dtype
            if dtype.kind != "f":
                raise problems.raised(
                    problems.no_gradient_of(name, str(dtype), self.run.span_of(name), "derivatives by")
                )
        for of, y, _, span in self.heads:
            if y.dtype.kind != "f":
                raise problems.raised(problems.no_gradient_of(of, str(y.dtype), span, "derivatives of"))
        made: dict[str, Any] = {}
        with autograd.pause(asked.train):
            try:
                if asked.mode == "forward":
                    made["grads"] = {name: self.gradient(name) for name in names["--grad"]}
                if asked.jac:
                    made["jacobians"] = {name: self.jacobian(name) for name in names["--jac"]}
                if asked.hess:
                    made["hessians"] = {name: self.hessian(name) for name in names["--hess"]}
                if asked.jvp:
                    made["jvp"] = self.along(dict(asked.jvp))
                if asked.hvp:
                    made["hvp"] = self.hessian_along(dict(asked.hvp))
            except Error as error:
                span = self.heads[0][3]
                raise (error.at(span) if span is not None else error) from None
        return made

    def values(self, moved: Mapping[str, Any], compiles: bool = True) -> list[NDArray]:
        """What is differentiated, where some inputs have other values.

        compiles: whether loops may be compiled; a second derivative would run them again, recorded.
        """
        run = self.run
        if self.first.stopped is not None:
            raise stop(self.first, None)
        if self.draws is not None:
            from ndgrad.ops import random

            random.generator().bit_generator.state = self.draws
        given = {**self.first.given, **self.points, **moved}
        state = State(given, frozenset(), run.max_steps, _nowhere, run.bound_by, traced=False)
        state.budget = run.budget
        state.compiles = compiles
        self.watch.state = state
        frame, scope = run.evaluate(state, given, ())
        outputs = run.outputs(state, frame, scope)
        found = [run.differentiated(of, state, frame, scope, outputs)[1] for of, *_ in self.heads]
        if state.stopped is not None:
            raise stop(state, None)
        return [y for y in found if y is not None]

    def weighed(self, moved: Mapping[str, Any]) -> NDArray:
        """Σ ⟨head, y⟩ over the heads: one number."""
        total: Any = None
        for y, (_, _, head, _) in zip(self.values(moved, compiles=False), self.heads, strict=True):
            part = (y * array(head, head.dtype)).sum()
            total = part if total is None else total + part
        made: NDArray = total
        return made

    def gradient(self, name: str) -> Array:
        """By forward mode, a pass for each entry of the input."""
        x = self.points[name]
        made = np.zeros(x.shape, x.dtype)
        for i in range(x.size):
            unit = np.zeros(x.size, x.dtype)
            unit[i] = 1
            made.flat[i] = plain(jvp(lambda t: self.weighed({name: t}), [x], [unit.reshape(x.shape)])[1])
        return made

    def jacobian(self, name: str) -> Array:
        """∂y/∂x of the first head's output, by rows or columns, whichever are fewer unless a mode is asked for."""
        function = transforms.jacobian(lambda t: self.values({name: t})[0], mode=self.asked.mode)
        return _unsigned(function(self.points[name]))

    def hessian(self, name: str) -> Array:
        """The second derivatives of what the heads weigh."""
        slope = transforms.grad(lambda t: self.weighed({name: t}))
        mode = "reverse" if self.asked.mode == "reverse" else "forward"
        return _unsigned(transforms.jacobian(slope, mode=mode)(self.points[name]))

    def along(self, directions: Mapping[str, Any]) -> Array:
        """The derivative of the first head's output where the inputs move along the directions together."""
        names, points, dots = self.moves(directions)
        _, y_dot = jvp(lambda *t: self.values(dict(zip(names, t, strict=True)))[0], points, dots)
        return np.array(plain(y_dot))

    def hessian_along(self, directions: Mapping[str, Any]) -> dict[str, Array]:
        """The Hessian by all the inputs named, times their directions: the change of each gradient along them."""
        names, points, dots = self.moves(directions)
        slope = transforms.grad(lambda *t: self.weighed(dict(zip(names, t, strict=True))), wrt=tuple(range(len(names))))
        _, changes = jvp(slope, points, dots)
        return {name: np.array(plain(change)) for name, change in zip(names, changes, strict=True)}

    def moves(self, directions: Mapping[str, Any]) -> tuple[tuple[str, ...], list[NDArray], list[Array]]:
        """The names, the points and the directions in the points' shapes. E404."""
        points = [self.points[name] for name in directions]
        return tuple(directions), points, list(self._spread(directions.items()))

    def _spread(self, directions: Iterable[tuple[str, Any]]) -> Iterable[Array]:
        for name, direction in directions:
            x = self.points[name]
            value = np.asarray(plain(taken(f"the direction of {name}", direction, None, None, None)))
            try:
                yield np.array(np.broadcast_to(value, x.shape), x.dtype)
            except ValueError:
                shapes = shown_shape(value.shape), shown_shape(x.shape)
                raise problems.raised(problems.direction_does_not_fit(name, *shapes, self.run.span_of(name))) from None


def _unsigned(made: Any) -> Array:
    """An array of its own, with 0 where rows times zeros left -0."""
    return np.asarray(np.add(plain(made), 0.0))


def _nowhere(text: str) -> None:
    return
