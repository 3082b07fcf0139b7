"""Arrays that share memory: values are seen through all of them, and no derivative is wrong for it.

A recorded write gives its array a new history. What else sees the memory has the new values without it, so that
recorded operations on it are refused; nothing is refused without recording.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ndgrad import autograd, hvp, nd, vmap
from ndgrad.errors import GradientError
from ndgrad.ndarray import NDArray

X = np.array([[1.0, 2.0], [3.0, 4.0]])


def leaf(values: Any = X) -> NDArray:
    x = nd.array(np.asarray(values, dtype=np.float64))
    x.attach_grad()
    return x


def gradient(function: Callable[[NDArray], NDArray]) -> Any:
    x = leaf()
    with autograd.record():
        z = function(x)
    z.backward()
    assert x.grad is not None
    return x.grad.asnumpy().tolist()


VIEWS: dict[str, Callable[[NDArray], NDArray]] = {
    "a row": lambda y: y[0],
    "a slice": lambda y: y[0:1],
    "reshape": lambda y: y.reshape((4,)),
    "T": lambda y: y.T,
    "flip": lambda y: nd.flip(y, 0),
    "expand_dims": lambda y: y.expand_dims(0),
    "split": lambda y: nd.split(y, 2, axis=0)[0],
    "swapaxes": lambda y: nd.swapaxes(y, 0, 1),
    "detach": lambda y: y.detach(),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("value", ["a number", "recorded"])
def test_what_a_recorded_write_changes_elsewhere_is_not_differentiated(view: str, value: str) -> None:
    def through_the_view(x: NDArray) -> NDArray:
        y = x * 2
        v = VIEWS[view](y)
        v[:] = 7.0 if value == "a number" else x[0, 1] * 5
        return y * y

    def to_the_base(x: NDArray) -> NDArray:
        y = x * 2
        v = VIEWS[view](y)
        y[:] = 7.0 if value == "a number" else x[0, 1] * 5
        return v * v if v.node is not None else (y * y)[2:]  # a detached array is a constant, whatever is in it

    with pytest.raises(GradientError, match=r"E405(?s:.*)copy\(\)"):
        gradient(through_the_view)
    if view == "detach":
        gradient(to_the_base)
    else:
        with pytest.raises(GradientError, match="E405"):
            gradient(to_the_base)


def _in_place(x: NDArray) -> NDArray:
    y = x * 2
    v = y[0:1]
    y *= x
    return v * 1


def _beside(x: NDArray) -> NDArray:
    y = x * 2
    a, b = y[0], y[0]
    a[:] = x[1]
    return b * 1


def _out(x: NDArray) -> NDArray:
    y = x * 2
    nd.multiply(x[1], x[1], out=y[0])
    return y * 1


def _rows(x: NDArray) -> NDArray:
    y = x * 2
    for row in y:
        row[0] = 5
    return y * 1


def _rows_of_a_constant(x: NDArray) -> NDArray:
    y = nd.zeros((2, 2), dtype="float64")
    for row in y:
        row[:] = x[0]
    return y * x


def _view_of_a_constant(x: NDArray) -> NDArray:
    y = nd.zeros((2, 2), dtype="float64")
    v = y[0]
    y[0] = x[0]
    return v * x


def _of_a_leaf(x: NDArray) -> NDArray:
    x[0][:] = x[1] * 5
    return x * x


def _the_head(x: NDArray) -> NDArray:
    y = x * 2
    y[0][:] = 5
    return y


def _in_a_pause(x: NDArray) -> NDArray:
    y = x * 2
    with autograd.pause():
        y[0] = 7
    return y * y


REFUSED = [
    _in_place,
    _beside,
    _out,
    _rows,
    _rows_of_a_constant,
    _view_of_a_constant,
    _of_a_leaf,
    _the_head,
    _in_a_pause,
]


@pytest.mark.parametrize("function", REFUSED, ids=lambda f: f.__name__.strip("_"))
def test_every_way_around_an_arrays_own_history_is_refused(function: Callable[[NDArray], NDArray]) -> None:
    with pytest.raises(GradientError, match="E405"):
        gradient(function)


def test_an_arrays_own_writes_differentiate() -> None:
    def function(x: NDArray) -> NDArray:
        y = nd.zeros((4,), dtype="float64").reshape((2, 2))
        for i in range(2):
            y[i] = x[i] * x[i]
        y[0, 0] = 3
        y *= 2
        y += x
        copied = y[0].copy()
        copied[:] = 0
        return y * y

    y = np.array([[7.0, 10.0], [21.0, 36.0]])
    slope = 4 * X + 1
    slope[0, 0] = 1
    assert gradient(function) == (2 * y * slope).tolist()


def test_a_copy_of_a_view_may_be_written_to() -> None:
    def function(x: NDArray) -> NDArray:
        y = x * 2
        v = y[0].copy()
        v[:] = x[1] * 5
        v.zero_()
        return y * y + v

    assert gradient(function) == (8 * X).tolist()


def test_leaves_are_what_unrecorded_writes_make_them() -> None:
    w = leaf([1.0, 2.0])
    for _ in range(2):
        with autograd.record():
            z = w * w
        z.backward()
        assert w.grad is not None
        w[:] = w - 0.5 * w.grad + 1
        w[0:1][:] = 3
    with autograd.record():
        z = w * w
    z.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [6, 2]


def test_views_without_recording_are_numpys() -> None:
    x = nd.array(X)
    x[0][:] = 9
    x.T[0, 1] = 8
    assert x.tolist() == [[9, 9], [8, 4]]


def test_the_gradient_of_an_intermediate_is_that_of_what_it_became() -> None:
    x = leaf([1.0, 2.0])
    with autograd.record():
        y = x * 2
        y.attach_grad()
        y[0] = 5
        z = y * y
    z.backward()
    assert y.grad is not None
    assert x.grad is not None
    assert (y.grad.tolist(), x.grad.tolist()) == ([10, 8], [0, 16])


def test_writes_in_the_implicit_style_differentiate() -> None:
    w = nd.array(np.array([1.0, 2.0])).requires_grad_()
    c = w * 2
    c[0] = w[1]
    (c * c).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [0, 20]


def test_views_of_traced_arrays_cannot_be_written_to() -> None:
    def function(x: NDArray) -> NDArray:
        y = x * 2
        v = y[0:1]
        v[:] = x[1] * 5
        return (y * y).sum()

    with pytest.raises(GradientError, match="E405"):
        hvp(function, nd.array(X[0]), nd.array(X[0]))
    with pytest.raises(GradientError, match="E405"):
        vmap(function)(nd.array(X))


def test_numpys_view_of_an_array_is_read_only() -> None:
    x = nd.array(X)
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(x)[0] = 5
    np.array(x)[0] = 5
    x.asnumpy()[0] = 5
    assert x.tolist() == X.tolist()


def test_copies_have_a_buffer_and_a_gradient_of_their_own() -> None:
    x = leaf([1.0, 2.0])
    with autograd.record():
        z = x * x
    z.backward()
    twins = copy.deepcopy([x, x])
    y = twins[0]
    assert twins[1] is y
    assert y.grad is not None
    assert x.grad is not None
    assert y.grad.tolist() == x.grad.tolist() == [2, 4]
    with autograd.record():
        z = copy.deepcopy(x * 3) * y + copy.copy(x)
    z.backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([4, 7], [3, 6])
    for other in (y, copy.copy(x), pickle.loads(pickle.dumps(x))):
        other[:] = 0
    assert x.tolist() == [1, 2]


def test_a_scope_may_be_entered_inside_itself() -> None:
    scope = autograd.record()
    with scope:
        with scope:
            pass
        assert autograd.is_recording()
    assert not autograd.is_recording()
