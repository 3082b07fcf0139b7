"""Recording scopes, backward, and grad: MXNet's autograd interface over the tape."""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Sequence
from sys import getrefcount
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ndgrad import problems
from ndgrad.apply import OUTPUT, SEGMENT
from ndgrad.frozen import Frozen
from ndgrad.ndarray import NDArray, enlarge, new_array, plain
from ndgrad.primitive import NoDerivative
from ndgrad.sweep import Observer, nodes_below, sweep
from ndgrad.tape import KEEPING, STATE, Freed, GradReq, Node, Origin, caller, tick

if TYPE_CHECKING:
    from ndgrad.symbol.symbol import Symbol


class GradientNote(UserWarning):
    """Something about a backward that is no error but that one may want to know."""


class _Scope:
    """Sets fields of the thread's state, and puts back what was there, also after an exception.

    One scope may be entered again, also inside itself.
    """

    __slots__ = ("before", "fields")

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        self.before: list[dict[str, Any]] = []  # what was there, one for each time that it is entered

    def __enter__(self) -> None:
        self.before.append({name: getattr(STATE, name) for name in self.fields})
        for name, value in self.fields.items():
            setattr(STATE, name, value)

    def __exit__(self, *_: object) -> None:
        for name, value in self.before.pop().items():
            setattr(STATE, name, value)


class _Recording(_Scope):
    """A recording scope. The garbage collector runs less often in it: nodes by the thousand are no garbage."""

    __slots__ = ()

    def __enter__(self) -> None:
        super().__enter__()
        with _lock:
            _patience.append(gc.get_threshold())
            gc.set_threshold(max(PATIENCE, _patience[-1][0]), *_patience[-1][1:])

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        with _lock:
            before = _patience.pop()
            if not _patience:
                # What is young becomes old, without being looked at. Counting the frozen is slow.
                if gc.get_count()[0] > before[0] and not gc.get_freeze_count():
                    gc.freeze()
                    gc.unfreeze()
                gc.set_threshold(*before)


PATIENCE = 200_000  # new objects between two runs of the collector while recording
_patience: list[tuple[int, int, int]] = []
_lock = threading.Lock()


def record(train_mode: bool = True) -> _Scope:
    """A scope in which operations on tracked arrays are recorded."""
    return _Recording(recording=KEEPING if STATE.keep_values else True, training=train_mode)


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
    return _Scope(keep_values=True, recording=KEEPING if STATE.recording else STATE.recording)


def keep_origins(origins: dict[int, Origin]) -> _Scope:
    """A scope in which it is noted how values came about that no derivative goes through, by the id of their data."""
    return _Scope(origins=origins)


def _is_flat(node: Node, operand: int) -> bool:
    """Whether the operation's partial is the constant 0, or stated by a rule that has none."""
    op = node.op
    assert op is not None
    if op.name == "custom_call":
        differentiated: int = getattr(node.statics[0], "differentiated", len(node.parents))
        return operand >= differentiated
    rule = None if op.partials is None else op.partials[operand]
    return rule is not None and not isinstance(rule, NoDerivative) and not rule.__code__.co_argcount and rule() == 0


def only_through(y: NDArray, x: NDArray) -> list[str] | None:
    """Why ∂y/∂x is 0 by its form: the operations, flat between their steps, through which alone x reaches y.

    [] if x does not reach y at all; None if some path has a derivative.
    """
    if y.node is None or x.node is None:
        return []
    steep, flat = {y.node.id}, set[int]()
    names: dict[str, None] = {}
    _tell_apart([y.node], x.node.id, steep, flat, names)
    if x.node.id in steep:
        return None
    return list(names) if x.node.id in flat else []


def _tell_apart(roots: list[Node], oldest: int, steep: set[int], flat: set[int], names: dict[str, None]) -> None:
    """Add the ids of the nodes below roots, not older than `oldest`, to those that some path with a derivative reaches
    or only paths without; names: the operations that are flat. Segments are recorded again."""
    outputs: dict[int, list[tuple[int, int]]] = {}  # by segment: what is reached of it, as number and node
    for node in nodes_below(roots, oldest):
        if node.op is OUTPUT and node.parents[0] is not None and node.parents[0].op is SEGMENT:
            outputs.setdefault(node.parents[0].id, []).append((node.statics[0], node.id))
        elif node.op is SEGMENT:
            floor = tick()
            made = [end.node for end in node.statics[0].again()]
            inner = []
            for i, output in outputs.get(node.id, ()):
                end = made[i]
                if end is not None:
                    (steep if output in steep else flat).add(end.id)
                    inner.append(end)
            _tell_apart([end for end in inner if end.id > floor], floor, steep, flat, names)
        elif node.op is not None:
            for i, parent in enumerate(node.parents):
                if parent is None:
                    continue
                level = _is_flat(node, i)
                if node.id in steep and not level:
                    steep.add(parent.id)
                elif node.id in steep or node.id in flat:
                    flat.add(parent.id)
                    if level:
                        names[str(node.statics[0]) if node.op.name == "custom_call" else node.op.name] = None


KINKS = ("min-norm", "mxnet", "torch", "jax")


def kinks(convention: str) -> _Scope:
    """A scope with another convention where derivatives do not exist: "min-norm" (ours), "mxnet", "torch" or "jax".

    They differ in the derivative of abs at 0 (JAX: 1), in ties of maximum and minimum (MXNet: the first
    operand), in tied max and min (MXNet: the full gradient to each) and of clip at its bounds (JAX: 1/2).
    """
    if convention not in KINKS:
        raise problems.bad_argument("kinks", f"the conventions are {', '.join(KINKS)}, not {convention!r}")
    return _Scope(kinks=convention)


def is_recording() -> bool:
    return bool(STATE.recording)


def is_training() -> bool:
    return STATE.training


def set_recording(is_recording: bool | None) -> bool | None:
    """Switch recording on or off for this thread; returns what it was, to be set again: None at the outset.

    At the outset only arrays with requires_grad_() are recorded; set to False, nothing is.
    """
    before = STATE.recording
    STATE.recording = is_recording
    return before  # type: ignore[return-value]  # KEEPING is true


def set_training(train_mode: bool) -> bool:
    """Switch training mode on or off for this thread; returns what it was."""
    before = STATE.training
    STATE.training = train_mode
    return before


def mark_variables(
    variables: Sequence[NDArray] | NDArray,
    gradients: Sequence[NDArray] | NDArray,
    grad_reqs: str | Sequence[GradReq] = "write",
) -> None:
    """Make each of `variables` a leaf whose gradient goes to the given array."""
    if isinstance(variables, NDArray):
        variables = [variables]
    if isinstance(gradients, NDArray):
        gradients = [gradients]
    reqs: Any = [grad_reqs] * len(variables) if isinstance(grad_reqs, str) else grad_reqs
    if len(gradients) != len(variables) or len(reqs) != len(variables):
        counts = f"{len(variables)} variables, {len(gradients)} gradients, {len(reqs)} requests"
        raise problems.bad_argument("mark_variables", counts)
    for x, g, req in zip(variables, gradients, reqs, strict=True):
        if g.shape != x.shape:
            raise problems.head_does_not_fit(g.shape, x.shape)
        x.attach_grad(req)
        x._grad = g
        assert x._node is not None
        assert x._node.sink is not None
        x._node.sink.array = g


def _heads(heads: Sequence[NDArray], head_grads: Sequence[Any] | None, graph: bool) -> list[tuple[Node, Any]]:
    """Each head's node with the cotangent that arrives there. Errors: E305, E307, E310, E402, E403, E404."""
    given = [None] * len(heads) if head_grads is None else list(head_grads)
    if len(given) != len(heads):
        raise problems.bad_argument("head_grads", f"{len(given)} cotangents for {len(heads)} heads")
    made: list[tuple[Node, Any]] = []
    for y, head in zip(heads, given, strict=True):
        if not isinstance(y, NDArray) or y.node is None:
            raise problems.never_recorded()
        if y.node.saved.__class__ is Freed:
            raise problems.already_freed(y.node.saved.where)
        if head is None:
            g: Any = np.ones(y.shape, y.dtype) if STATE.remote is None else np.broadcast_to(y.dtype.type(1), y.shape)
        else:
            head = _as_cotangent(head)
            shape = head.shape
            if shape != y.shape:
                raise problems.head_does_not_fit(shape, y.shape)
            as_array = np.asarray if STATE.remote is None else STATE.remote.head
            g = head if graph and isinstance(head, NDArray) else as_array(plain(head), y.dtype)
        if STATE.remote is not None:
            g = STATE.remote.beside(y, g)
        if graph and not isinstance(g, NDArray):
            g = new_array(g)
        if not graph and y.shape == ():
            g = g[()]
        made.append((y.node, g))
    return made


def _paired(heads: Any, head_grads: Any) -> tuple[Sequence[NDArray], Sequence[Any] | None]:
    """Heads and their cotangents as lists. As in MXNet, one of either may stand for a list of one, or be in one."""
    if isinstance(heads, NDArray):
        if isinstance(head_grads, (list, tuple)) and len(head_grads) == 1:
            (head,) = head_grads
            if head is None or _as_cotangent(head).shape == heads.shape:
                return [heads], [head]
        return [heads], None if head_grads is None else [head_grads]
    try:
        listed = list(heads)
    except TypeError:
        raise problems.never_recorded() from None
    if len(listed) == 1 and isinstance(head_grads, (NDArray, np.ndarray)):
        return listed, head_grads if head_grads.shape == (1, *np.shape(listed[0])) else [head_grads]  # type: ignore[return-value]
    return listed, head_grads


def _as_cotangent(head: Any) -> Any:
    """A head gradient as something that has a shape. E305 for what is no number, E310 for ragged rows."""
    if hasattr(head, "shape"):
        return head
    try:
        made = np.asarray(head)
    except ValueError:
        raise problems.ragged("a head gradient") from None
    if made.dtype.kind not in "biuf":
        raise problems.not_an_array("backward", head)
    return made


def _clear_unreached(reached: dict[int, Any]) -> None:
    """Zero the gradients of arrays that are recorded but that this backward does not reach, with a note."""
    for x in list(STATE.leaves.values() if STATE.leaves else ()):
        node = x.node
        # Two references are the array's and this one's; more mean that something recorded uses it.
        if node is None or node.id in reached or node.sink is None or node.sink.req != "write":
            continue
        if getrefcount(node) > 3 and np.any(node.sink.array.data):
            node.sink.array.zero_()
            note = (
                f"an array of shape {node.shape} is recorded but not reached by this backward; its gradient is now zero"
            )
            warnings.warn(note, GradientNote, stacklevel=3)


def _free(nodes: list[Node]) -> None:
    freed: Any = Freed(caller())
    for node in nodes:
        if node.op is not None:
            node.free(freed)


def backward(
    heads: Sequence[NDArray] | NDArray,
    head_grads: Sequence[Any] | Any = None,
    retain_graph: bool = False,
    train_mode: bool = True,
) -> None:
    """Fill `.grad` of every array with attach_grad that the heads depend on.

    head_grads: one cotangent per head, of its shape (None: ones). The graph is released unless retained.
    """
    heads, head_grads = _paired(heads, head_grads)
    if any(isinstance(h, NDArray) and h.traced for h in (() if head_grads is None else head_grads)):
        raise problems.cannot_hold_traced()  # a gradient buffer is a plain array
    with _Scope(recording=False, training=train_mode):
        found, nodes = sweep(_heads(heads, head_grads, graph=False), arrays=heads, store=True)
    if not found:
        raise problems.nothing_reached()
    _clear_unreached(found)
    for node, g in found.values():
        sink = node.sink
        if sink is None or sink.req == "null":
            continue
        buffer = sink.array.data
        if buffer is g:  # computed right there
            continue
        if STATE.fusion is not None:
            STATE.fusion.before_write(buffer)
        if sink.req == "add":
            buffer[...] += g
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
    visits: list[Node] | None = None,
) -> Any:
    """The gradients of the heads by `variables`, as new arrays; nothing is stored in `.grad`.

    A list for a list, one array for one array; zeros for a variable that is not on the path.
    create_graph: the gradients are recorded, so that they can be differentiated again.
    observe(node, g, shares) sees every step of the sweep; the list `visits` takes each node as the sweep arrives at it.
    """
    single = isinstance(variables, NDArray)
    wanted: Sequence[NDArray] = [variables] if isinstance(variables, NDArray) else variables
    heads, head_grads = _paired(heads, head_grads)
    for x in wanted:
        if not isinstance(x, NDArray) or x.node is None:
            raise problems.never_recorded()
    given = () if head_grads is None else head_grads
    graph = create_graph or any(isinstance(x, NDArray) and x.traced for x in (*heads, *given))
    pairs = _heads(heads, head_grads, graph)
    with _Scope(recording=create_graph and (KEEPING if STATE.keep_values else True), training=train_mode):
        targets = [x.node for x in wanted if x.node is not None]
        found, nodes = sweep(pairs, targets, graph=graph, observe=observe, arrays=heads, visits=visits)
    made = []
    for x in wanted:
        assert x.node is not None
        if x.node.id in found:
            g = found[x.node.id][1]
        else:
            g = np.zeros(x.shape, x.dtype) if STATE.remote is None else STATE.remote.zeros_beside(x)
        made.append(g if isinstance(g, NDArray) else new_array(g))
        if made[-1].size * made[-1].dtype.itemsize >= STATE.defer_from or STATE.remote is not None:
            enlarge(made[-1])
    if not (create_graph if retain_graph is None else retain_graph):
        _free(nodes)
    return made[0] if single else made


class Function:
    """An operation with a derivative of your own: override forward and backward, then call an instance.

        class Sigmoid(Function):
            def forward(self, x):
                y = 1 / (1 + nd.exp(-x))
                self.save_for_backward(y)
                return y
            def backward(self, dy):
                (y,) = self.saved_tensors
                return dy * y * (1 - y)

    forward takes arrays and gives one array or a tuple; backward takes one cotangent per output and
    gives one per input. Both run unrecorded.
    """

    saved_tensors: tuple[Any, ...] = ()

    def forward(self, *inputs: Any) -> Any:
        raise TypeError(f"{type(self).__name__} does not say how it goes forward")

    def backward(self, *output_grads: Any) -> Any:
        raise TypeError(f"{type(self).__name__} does not say how it goes backward")

    def save_for_backward(self, *values: Any) -> None:
        """Keep arrays for this call's backward."""
        self.saved_tensors = values

    def __call__(self, *inputs: Any) -> Any:
        from ndgrad.apply import attach
        from ndgrad.ndarray import array
        from ndgrad.ops.custom import custom_call

        given = tuple(x if isinstance(x, NDArray) else array(x) for x in inputs)
        with pause(STATE.training):
            y = self.forward(*(x.detach() for x in given))
        rule = _FunctionCall(self, self.saved_tensors, len(given), isinstance(y, tuple))
        value = tuple(plain(part) for part in y) if isinstance(y, tuple) else plain(y)
        data = tuple(x.data for x in given)
        return attach(custom_call, value, given, data, tuple(x.node for x in given), (rule,))


class _FunctionCall:
    """One call of a Function: what it saved, so that an instance can be called again."""

    def __init__(self, function: Function, saved: tuple[Any, ...], count: int, several: bool) -> None:
        self.function = function
        self.saved = saved
        self.count = count
        self.several = several
        self.value: Any = None

    def pull(self, g: Any, y: Any, arrays: Any) -> Any:
        recorded = isinstance(g[0] if self.several else g, NDArray)
        parts = list(g) if self.several else [g]
        parts = [None if part is None else part if recorded else new_array(part) for part in parts]
        like = next((part for part in parts if part is not None), None)
        given = [like * 0 if part is None and like is not None else part for part in parts]
        self.function.saved_tensors = self.saved
        with pause(STATE.training):
            bars = self.function.backward(*given)
        bars = bars if isinstance(bars, (tuple, list)) else (bars,)
        if len(bars) != self.count:
            raise problems.bad_argument(type(self.function).__name__, f"{len(bars)} gradients for {self.count} inputs")
        made = [b if b is None or isinstance(b, NDArray) else new_array(np.asarray(b)) for b in bars]
        return made if recorded else [None if b is None else plain(b) for b in made]


class KinkMet(Frozen):
    """A kink that a recorded run came upon.

    op, span   the operation and where it is written (None outside programs)
    round      the how-maniest time this place was run, from 1
    where      the condition, count: in how many entries it held
    value      the derivative chosen, and admissible: the interval that would do
    """

    op: str
    span: Any
    round: int
    where: str
    count: int
    value: str
    admissible: str


def kinks_met(x: NDArray) -> list[KinkMet]:
    """Every kink in the history of x, in the order of the run. Record under keep_values(). Errors: E402."""
    if x.node is None:
        raise problems.never_recorded()
    met = []
    rounds: dict[Any, int] = {}
    for node in reversed(nodes_below([x.node])):
        op = node.op
        if op is None:
            continue
        place = (op.name, node.span)
        rounds[place] = rounds.get(place, 0) + 1
        if not op.kinks or node.kept is None:
            continue
        have = {"y": node.value, **dict(zip(op.operands, node.operands, strict=False)), **node.params}
        for kink in op.kinks:
            if kink.touches is None:
                continue
            names = kink.touches.__code__.co_varnames[: kink.touches.__code__.co_argcount]
            count = int(np.count_nonzero(kink.touches(*(plain(have[n]) for n in names))))
            if count:
                number = rounds[place] if node.span is not None else 1
                met.append(KinkMet(op.name, node.span, number, kink.where, count, kink.value, kink.admissible))
    return met


def get_symbol(x: NDArray) -> Symbol:
    """The symbol of how x was recorded. Errors: E305, E402, E403.

    Leaves, and operands that were not tracked and were not kept, become variables var0, var1, … in the order
    in which they were met; numbers and arrays that were kept (by a rule that needs them, or under
    keep_values()) are constants.
    """
    from ndgrad.symbol.recorded import symbol_of

    return symbol_of(x)
