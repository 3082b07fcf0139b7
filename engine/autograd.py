"""Recording scopes, backward, and grad: MXNet's autograd interface over the tape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ndgrad import problems
from ndgrad.ndarray import NDArray, new_array, plain
from ndgrad.sweep import Observer, sweep
from ndgrad.tape import STATE, Freed, GradReq, Node, caller


class _Scope:
    """Sets fields of the thread's state, and puts back what was there, also after an exception."""

    __slots__ = ("before", "fields")

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def __enter__(self) -> None:
        self.before = {name: getattr(STATE, name) for name in self.fields}
        for name, value in self.fields.items():
            setattr(STATE, name, value)

    def __exit__(self, *_: object) -> None:
        for name, value in self.before.items():
            setattr(STATE, name, value)


def record(train_mode: bool = True) -> _Scope:
    """A scope in which operations on tracked arrays are recorded."""
    return _Scope(recording=True, training=train_mode)


def pause(train_mode: bool = False) -> _Scope:
    """A scope in which nothing is recorded."""
    return _Scope(recording=False, training=train_mode)


def train_mode() -> _Scope:
    """A scope in which dropout and batch_norm behave as in training; recording is left as it is."""
    return _Scope(training=True)


def predict_mode() -> _Scope:
    """A scope in which dropout and batch_norm behave as in prediction; recording is left as it is."""
    return _Scope(training=False)


def default_dtype(dtype: npt.DTypeLike) -> _Scope:
    """A scope in which new float arrays have this dtype unless told otherwise."""
    return _Scope(float_dtype=np.dtype(dtype))


def keep_values() -> _Scope:
    """A scope in which nodes keep all operands and their value, for looking at the run afterwards."""
    return _Scope(keep_values=True)


def is_recording() -> bool:
    return bool(STATE.recording)


def is_training() -> bool:
    return STATE.training


def set_recording(is_recording: bool) -> bool:
    """Switch recording on or off for this thread; returns what it was."""
    before = bool(STATE.recording)
    STATE.recording = is_recording
    return before


def set_training(train_mode: bool) -> bool:
    """Switch training mode on or off for this thread; returns what it was."""
    before = STATE.training
    STATE.training = train_mode
    return before


def mark_variables(
    variables: Sequence[NDArray], gradients: Sequence[NDArray], grad_reqs: str | Sequence[GradReq] = "write"
) -> None:
    """Make each of `variables` a leaf whose gradient goes to the given array."""
    reqs: Any = [grad_reqs] * len(variables) if isinstance(grad_reqs, str) else grad_reqs
    for x, g, req in zip(variables, gradients, reqs, strict=True):
        if g.shape != x.shape:
            raise problems.head_does_not_fit(g.shape, x.shape)
        x.attach_grad(req)
        x._grad = g
        assert x._node is not None
        assert x._node.sink is not None
        x._node.sink.array = g


def _heads(heads: Sequence[NDArray], head_grads: Sequence[Any] | None, graph: bool) -> list[tuple[Node, Any]]:
    """Each head's node with the cotangent that arrives there. Errors: E402, E403, E404."""
    given = [None] * len(heads) if head_grads is None else list(head_grads)
    made: list[tuple[Node, Any]] = []
    for y, head in zip(heads, given, strict=True):
        if y.node is None:
            raise problems.never_recorded()
        if y.node.saved.__class__ is Freed:
            raise problems.already_freed(y.node.saved.where)
        if head is None:
            g: Any = np.ones(y.shape, y.dtype)
        else:
            shape = head.shape if isinstance(head, NDArray) else np.shape(head)
            if shape != y.shape:
                raise problems.head_does_not_fit(shape, y.shape)
            g = head if graph and isinstance(head, NDArray) else np.asarray(plain(head), y.dtype)
        if graph and not isinstance(g, NDArray):
            g = new_array(g)
        if not graph and y.shape == ():
            g = g[()]
        made.append((y.node, g))
    return made


def _free(nodes: list[Node]) -> None:
    freed: Any = Freed(caller())
    for node in nodes:
        if node.op is not None:
            node.saved = freed
            node.parents = ()
            node.kept = None


def backward(
    heads: Sequence[NDArray] | NDArray,
    head_grads: Sequence[Any] | Any = None,
    retain_graph: bool = False,
    train_mode: bool = True,
) -> None:
    """Fill `.grad` of every array with attach_grad that the heads depend on.

    head_grads: one cotangent per head, of its shape (None: ones). The graph is released unless retained.
    """
    if isinstance(heads, NDArray):
        heads, head_grads = [heads], [head_grads]
    with _Scope(recording=False, training=train_mode):
        found, nodes = sweep(_heads(heads, head_grads, graph=False))
    for node in nodes:
        sink = node.sink
        if sink is None or sink.req == "null":
            continue
        buffer = sink.array.data
        g = found.get(node.id, 0.0)
        if sink.req == "add":
            buffer += g
        else:
            buffer[...] = g
    if not retain_graph:
        _free(nodes)


def grad(
    heads: Sequence[NDArray] | NDArray,
    variables: Sequence[NDArray] | NDArray,
    head_grads: Sequence[Any] | Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    train_mode: bool = True,
    observe: Observer | None = None,
) -> Any:
    """The gradients of the heads by `variables`, as new arrays; nothing is stored in `.grad`.

    A list for a list, one array for one array; zeros for a variable that is not on the path.
    create_graph: the gradients are recorded, so that they can be differentiated again.
    observe(node, g, shares) sees every step of the sweep.
    """
    single = isinstance(variables, NDArray)
    wanted: Sequence[NDArray] = [variables] if isinstance(variables, NDArray) else variables
    if isinstance(heads, NDArray):
        heads, head_grads = [heads], None if head_grads is None else [head_grads]
    for x in wanted:
        if x.node is None:
            raise problems.never_recorded()
    pairs = _heads(heads, head_grads, create_graph)
    with _Scope(recording=create_graph, training=train_mode):
        targets = [x.node for x in wanted if x.node is not None]
        found, nodes = sweep(pairs, targets, graph=create_graph, observe=observe)
    made = []
    for x in wanted:
        assert x.node is not None
        g = found.get(x.node.id)
        if g is None:
            g = np.zeros(x.shape, x.dtype)
        made.append(g if isinstance(g, NDArray) else new_array(g))
    if not (create_graph if retain_graph is None else retain_graph):
        _free(nodes)
    return made[0] if single else made
