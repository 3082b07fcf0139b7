"""The values that inputs have before a search or a picture moves them: given, or by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from ndgrad import autograd
from ndgrad.errors import Error
from ndgrad.lang import problems
from ndgrad.lang.inputs import taken
from ndgrad.lang.limits import Watch, stop
from ndgrad.lang.program import MAX_STEPS, Program, guarded
from ndgrad.lang.running import Run
from ndgrad.lang.state import State
from ndgrad.ndarray import plain

Array = np.ndarray[Any, Any]


def values_before(
    program: Program,
    names: Sequence[str],
    inputs: Mapping[str, Any],
    option: str,
    dtype: Any = None,
    train: bool = False,
    bound_by: Mapping[str, str] | None = None,
    max_steps: int = MAX_STEPS,
    timeout: float | None = None,
    max_memory: int | None = None,
    abandon: Callable[[Error], None] | None = None,
) -> dict[str, Array]:
    """The values of these inputs as arrays; the program runs once, since defaults are expressions.

    option: how the names were given, for messages. E205 for names that are no inputs, E401 where one holds no floats.
    """
    how = dict(bound_by or {})
    run = Run(program, dict(inputs), (), None, None, dtype, False, how, max_steps, _nowhere)

    def work() -> dict[str, Array]:
        run.prepare()
        with ExitStack() as scopes:
            scopes.enter_context(np.errstate(all="ignore"))
            scopes.enter_context(autograd.default_dtype(dtype or "float64"))
            given = {
                name: taken(name, value, dtype, run.span_of(name), how.get(name)) for name, value in inputs.items()
            }
            wanted = run.wanted(option, names, given)
            state = State(given, frozenset(), max_steps, _nowhere, how, traced=False)
            scopes.enter_context(Watch(state, timeout, max_memory, abandon))
            scopes.enter_context(autograd.pause(train))
            run.evaluate(state, given, ())
            if state.stopped is not None:
                raise stop(state, None)
        found = {name: state.inputs[name] for name in wanted if name in state.inputs}
        for name, x in found.items():
            if x.dtype.kind != "f":
                raise problems.raised(problems.no_gradient_of(name, str(x.dtype), run.span_of(name), "gradients by"))
        return {name: np.array(plain(x)) for name, x in found.items()}

    return guarded(work, run)


def _nowhere(text: str) -> None:
    return
