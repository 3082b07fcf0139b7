"""Calls of MXNet's functions give the values and gradients that MXNet itself gave.

`data/mxnet.json` was written by MXNet 1.9.1: calls as one writes them, their values, and the gradients
of the inputs for a head that runs evenly from 0.5 to 1.5. Each call is made twice here: on arrays, and
on symbols, bound and run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndgrad as mx

DATA = json.loads((Path(__file__).parent / "data" / "mxnet.json").read_text("utf-8"))
CASES = DATA["cases"]
WHOLE = {"label", "label23", "index", "lengths"}  # inputs that hold whole numbers, which MXNet gives no gradient
# Where ndgrad differs on purpose: a product with one zero has a gradient, and MXNet's is nan there.
BETTER = {"mx.nd.prod(x, axis=1)"}
# What a symbol cannot do in the same words: x[0] is its first output there; and calls that make arrays.
ARRAYS_ONLY = {case["call"] for case in CASES if "x[0]" in case["call"] or "nd.array" in case["call"]}
every_call = pytest.mark.parametrize("case", CASES, ids=lambda case: case["call"])


def agree(found: Any, wanted: Any, call: str, what: str) -> None:
    expected = np.array(wanted, dtype=float)
    found = np.asarray(found, dtype=float).reshape(expected.shape)
    known = np.isfinite(expected) if call in BETTER else np.ones(expected.shape, dtype=bool)
    np.testing.assert_allclose(found[known], expected[known], rtol=5e-4, atol=5e-5, err_msg=f"{what} of {call}")
    if call in BETTER:
        assert np.isfinite(found).all()


def head_for(shape: tuple[int, ...]) -> Any:
    return mx.nd.array(np.linspace(0.5, 1.5, int(np.prod(shape))).reshape(shape))


def inputs() -> dict[str, Any]:
    return {name: mx.nd.array(values) for name, values in DATA["inputs"].items()}


def shape_of(case: Any) -> Any:
    """MXNet gives a number as an array of shape (1,), ndgrad as one of shape ()."""
    return [()] if case["shape"] == [1] else [tuple(case["shape"])]


@every_call
def test_a_call_on_arrays_gives_what_mxnet_gives(case: Any) -> None:
    given = inputs()
    for name, x in given.items():
        if name not in WHOLE:
            x.attach_grad()
    with mx.autograd.record():
        y = eval(case["call"], {"mx": mx, **given})
    assert y.shape in [*shape_of(case), tuple(case["shape"])]
    agree(y.asnumpy(), case["value"], case["call"], "the value")
    if any(np.any(g) for g in case["grads"].values()):
        y.backward(head_for(y.shape))
        for name, g in case["grads"].items():
            agree(given[name].grad.asnumpy(), g, case["call"], f"the gradient by {name}")


@pytest.mark.parametrize("case", [c for c in CASES if c["call"] not in ARRAYS_ONLY], ids=lambda case: case["call"])
def test_the_same_call_on_symbols_gives_the_same(case: Any) -> None:
    given = inputs()
    call = (
        case["call"]
        .replace("mx.nd.zeros(", "mx.sym.var('zeros', shape=")
        .replace("mx.nd.ones(", "mx.sym.var('ones', shape=")
    )
    if "BatchNorm" in call:
        given |= {"zeros": mx.nd.zeros(4 if "u4" in call else 2), "ones": mx.nd.ones(4 if "u4" in call else 2)}
    symbols = {name: mx.sym.var(name) for name in DATA["inputs"]}
    y = eval(call.replace("mx.nd.", "mx.sym."), {"mx": mx, **symbols})
    names = y.list_arguments()
    grads = {name: mx.nd.zeros(given[name].shape) for name in names if name not in WHOLE}
    states = {name: given[name] for name in y.list_auxiliary_states()}
    run = y.bind(mx.cpu(), {name: given[name] for name in names}, grads, aux_states=states)
    (value,) = run.forward(is_train=True)
    agree(value.asnumpy(), case["value"], case["call"], "the value")
    if any(np.any(g) for g in case["grads"].values()):
        run.backward(head_for(value.shape))
        for name, g in case["grads"].items():
            agree(run.grad_dict[name].asnumpy(), g, case["call"], f"the gradient by {name}")
    assert mx.sym.load_json(y.tojson()).tojson() == y.tojson()
