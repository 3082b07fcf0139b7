"""The derivation of a run: made of what the run recorded, or of a new run where it recorded too little."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndgrad import autograd
from ndgrad.lang.derivation import Derivation, derive
from ndgrad.lang.inputs import taken
from ndgrad.lang.program import guarded
from ndgrad.lang.result import Result
from ndgrad.lang.running import Run, nowhere
from ndgrad.lang.state import State
from ndgrad.ndarray import NDArray, plain


def again(run: Run, name: str) -> Result:
    """A new run, recorded, with the gradient by the input `name`."""
    return run.program.run(
        run.inputs,
        tuple(dict.fromkeys((*run.grad, name))),
        run.head,
        run.of,
        run.dtype,
        trace=True,
        bound_by=run.bound_by,
        max_steps=run.max_steps,
        max_memory=run.max_memory,
        timeout=run.timeout,
        show=nowhere,
        seed=run.asked.seed,
        train=run.asked.train,
        threads=run.threads,
        device=run.device,
    )


def derived(
    run: Run,
    name: str,
    of: str | None,
    y: NDArray,
    head: Any,
    result: Any,
    state: State,
    bindings: Any,
    draws: Any,
    options: dict[str, Any],
) -> Derivation:
    """The derivation of the gradient `result` of ⟨head, y⟩ by the input `name`; draws: where the run's random numbers
    began."""
    x = state.inputs[name]

    def probe(direction: Any) -> float:
        """The derivative of ⟨head, of⟩ along a direction of the variable, by central differences."""
        step = 6e-6 if x.dtype == np.float64 else 3e-3
        values = [_moved(run, name, plain(x) + sign * step * direction, of, head, draws) for sign in (1, -1)]
        return (values[0] - values[1]) / (2 * step)

    def work() -> Derivation:
        return derive(
            of=of or "",
            output=y,
            wrt=name,
            variable=x,
            head=head,
            result=result,
            bindings=bindings,
            origins=state.origins,
            path=state.path.steps(run.program.source),
            probe=probe,
            adjoints=run.adjoints,
            body=run.program.body,
            **options,
        )

    return guarded(work, run)


def _moved(run: Run, name: str, value: Any, of: str | None, head: Any, draws: Any) -> float:
    """⟨head, of⟩ where the input `name` is `value`, with the random numbers that the run had."""
    from ndgrad.ops import random

    inputs = {**run.inputs, name: np.asarray(value)}
    other = Run(run.program, inputs, (), None, of, run.dtype, False, {}, run.max_steps, nowhere)
    stream = random.generator().bit_generator
    held, stream.state = stream.state, draws
    dtype = autograd.default_dtype(run.dtype or "float64")
    try:
        with np.errstate(all="ignore"), autograd.pause(run.asked.train), dtype:
            given = {n: taken(n, v, run.dtype, None, None) for n, v in inputs.items()}
            state = State(given, frozenset(), run.max_steps, nowhere, {}, traced=False)
            frame, scope = other.evaluate(state, given, ())
            outputs = other.outputs(state, frame, scope)
            _, y, _ = other.differentiated(of, state, frame, scope, outputs)
    finally:
        stream.state = held
    assert y is not None
    return float(np.vdot(head, plain(y)))
