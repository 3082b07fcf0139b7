"""The reverse sweep: from heads back to leaves, a plain walk down the node ids.

The sweep first runs without regard to which entries a path reaches, which costs nothing. Only when
a resulting gradient is not finite does it run again `careful`: cotangents then carry a mask of the
entries that some path reaches (`Reached`), and no derivative is ever multiplied into the others.
So `where(x > 0, sqrt(x), 0)` has gradient 0 at 0, and programs without such points never pay.
(A product 0·inf leaves a nan that no linear rule can undo, so a finite result needs no second run.)
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.apply import OUTPUT, SEGMENT, output
from ndgrad.namespace import PLAIN, RECORDED, unbroadcast
from ndgrad.ndarray import NDArray, new_array, plain
from ndgrad.primitive import Primitive
from ndgrad.tape import STATE, Freed, Lean, Node, Remote, later_write, owner_of, tick, written

Observer = Callable[[Node, Any, tuple[tuple[Node | None, Any], ...]], None]
_id = attrgetter("id")
ndarray = np.ndarray


class Reached:
    """A cotangent and the entries that a path from the heads reaches; the others are exactly 0."""

    __slots__ = ("live", "value")

    def __init__(self, value: Any, live: Any) -> None:
        self.value = value
        self.live = live


class Scattered:
    """A cotangent that is zero but for the entries at `key`: added in place where it can be."""

    __slots__ = ("key", "shape", "unique", "value")

    def __init__(self, value: Any, key: Any, shape: tuple[int, ...], unique: bool) -> None:
        self.value = value
        self.key = key
        self.shape = shape
        self.unique = unique

    def add_to(self, buffer: Any) -> None:
        if self.unique:
            buffer[self.key] += self.value
        else:
            np.add.at(buffer, self.key, self.value)

    def dense(self) -> Any:
        value = self.value
        buffer: Any = np.zeros(self.shape, value.dtype)
        if isinstance(value, Remote):
            buffer = STATE.remote.device_of(value).put(buffer)
        self.add_to(buffer)
        return buffer


class Uncollected:
    """A scope without runs of the garbage collector: nodes are no garbage, and there may be millions of them."""

    __slots__ = ("collecting",)

    def __enter__(self) -> None:
        self.collecting = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self.collecting:
            gc.enable()


def nodes_below(roots: Iterable[Node], oldest: int = 0) -> list[Node]:
    """The nodes that the roots depend on and that are not older than `oldest`, newest first."""
    waiting = {node.id: node for node in roots}
    order: list[Node] = []
    at = max(waiting, default=0)
    missed = 0
    while waiting:
        # Down the ids: they are dense where a program was recorded at a stretch. Gaps are jumped over.
        node = waiting.pop(at, None)
        at -= 1
        if node is None:
            missed += 1
            if missed > 64 + 4 * len(waiting):
                at, missed = max(waiting), 0
            continue
        missed = 0
        order.append(node)
        for parent in (node.p, node.q) if node.__class__ is Lean and node.op.arity == 2 else node.parents:
            if parent is not None and parent.id >= oldest:
                waiting[parent.id] = parent
    return order


def sweep(
    heads: Sequence[tuple[Node, Any]],
    wanted: Sequence[Node] | None = None,
    *,
    graph: bool = False,
    observe: Observer | None = None,
    stops: frozenset[int] = frozenset(),
    arrays: Sequence[NDArray] = (),
    store: bool = False,
    visits: list[Node] | None = None,
) -> tuple[dict[int, tuple[Node, Any]], list[Node]]:
    """`wanted` (or every node with a sink) with their cotangents, by node id, and the nodes that were visited.

    heads: pairs of a node and the cotangent arriving there (plain arrays, or NDArrays with `graph`).
    graph: compute in recorded arrays, so that the result can be differentiated again.
    stops: ids of nodes below which the sweep does not go.
    arrays: the heads themselves, whose deferred values are computed together with the cotangents.
    store: deferred cotangents may be written into their sinks at once.
    visits: the list that takes each node as the walk arrives at it.
    """
    if written:
        _refuse_written(arrays)
    with np.errstate(all="ignore"):
        walk = _Sweep(heads, wanted, graph, stops=stops, visits=visits)
        walk.run()
        if observe is not None or not _settled(walk.found, arrays, store):
            walk = _Sweep(heads, wanted, graph, careful=True, observe=observe, stops=stops, visits=visits)
            walk.run()
            _settled(walk.found, arrays, store)
    if walk.flat and wanted is None:  # connected, but by a derivative that is 0
        for node in nodes_below(walk.flat):
            if node.sink is not None and node.id not in walk.found:
                walk.found[node.id] = node, np.zeros(node.shape, node.dtype)
                walk.visited.append(node)
    return walk.found, walk.visited


def _refuse_written(arrays: Sequence[NDArray]) -> None:
    """E405 for a head that a recorded write through another array has changed."""
    for y in arrays:
        if y.node is not None and not y.traced:
            late = later_write(y.data, y.node)
            if late is not None and late.recorded:
                raise problems.written_since("backward", late.place)


def _settled(found: dict[int, tuple[Node, Any]], arrays: Sequence[NDArray], store: bool) -> bool:
    """Whether all cotangents are finite. Deferred ones are computed, with the arrays, in one go."""
    if STATE.fusion is not None:
        finite: bool = STATE.fusion.settled(found, arrays, store)
        return finite
    return all(_finite(g) for _, g in found.values())


def _finite(g: Any) -> bool:
    return bool(np.isfinite(plain(g)).all())


def _usable(node: Node) -> None:
    """E403 for a node that a backward has released; E405 if a saved value has been written to since."""
    if node.saved.__class__ is Freed:
        raise problems.already_freed(node.saved.where)
    if written and node.op is not None:
        for saved in node.saved:
            if STATE.fusion is not None:
                saved = STATE.fusion.buffer_of(saved)
            if isinstance(saved, (np.ndarray, Remote)):
                write = written.get(id(owner_of(saved)))
                if write is not None and write.time > node.id:
                    place = f"recorded in line {node.span.line}, " if node.span is not None else ""
                    raise problems.overwritten(node.op.name, f"{place}overwritten at {write.place}")


class _Unheld(list[Node]):
    """Takes nodes and does not keep them."""

    def append(self, node: Node) -> None:
        return


class _Sweep:
    """One walk. `careful` carries the reached entries along.

    bars holds, by node id, what waits for the walk to arrive: [node, its cotangent so far, whether the
    cotangent is an array of this sweep's own, which may be added to in place].
    """

    def __init__(
        self,
        heads: Sequence[tuple[Node, Any]],
        wanted: Sequence[Node] | None,
        graph: bool,
        careful: bool = False,
        observe: Observer | None = None,
        stops: frozenset[int] = frozenset(),
        visits: list[Node] | None = None,
    ) -> None:
        self.bars: dict[int, list[Any]] = {}
        self.found: dict[int, tuple[Node, Any]] = {}
        self.visited: list[Node] = [] if visits is None else visits
        self.flat: list[Node] = []  # operands by which the derivative is plainly 0
        self.targets = None if wanted is None else {node.id for node in wanted}
        self.oldest = 0 if wanted is None else min(self.targets or (0,))
        self.graph = graph
        self.careful = careful
        self.observe = observe
        self.stops = stops
        self.watch = bool(written)
        # Where every node must be looked at; else only those that are marked, as all leaves are.
        inner = wanted is not None and any(node.op is not None for node in wanted)
        self.wary = careful or graph or self.watch or inner or bool(stops)
        for node, g in heads:
            self.add(node, g)

    def run(self) -> None:
        """Walk from the heads to the targets, or to all leaves."""
        with Uncollected():
            self.walk()

    def walk(self, floor: int = 0) -> None:
        """Down the ids to `floor`. They are dense where a program was recorded at a stretch; gaps are jumped over."""
        bars = self.bars
        at = max(bars, default=0)
        missed = 0
        while bars and at >= floor:
            if at not in bars:
                at -= 1
                missed += 1
                if missed > 64 + 4 * len(bars):
                    at, missed = max(bars), 0
                continue
            missed = 0
            at = self.stretch(at)

    def stretch(self, at: int) -> int:
        """Walk down from id `at` until an id is missing; returns that id."""
        bars, oldest, wary = self.bars, self.oldest, self.wary
        visit = self.visited.append
        while True:
            entry = bars.pop(at, None)
            if entry is None:
                return at
            at -= 1
            node = entry[0]
            visit(node)
            if wary or node.marked:
                self.look(node, entry[1], entry[2])
                continue
            op = node.op
            back = op.back
            if back is None or entry[1].__class__ is Scattered:
                self.step(op, node, entry[1], entry[2])
            else:
                back(node, entry[1], bars, oldest, self)

    def look(self, node: Node, g: Any, owned: bool) -> None:
        """Visit a node that may be a target, a leaf, released, overwritten, or where the walk stops."""
        if g.__class__ is Scattered:
            g, owned = g.dense(), True
        if (node.id in self.targets) if self.targets is not None else (node.sink is not None):
            self.found[node.id] = node, (g.value if g.__class__ is Reached else g)
            owned = False
        if node.op is None or node.id in self.stops:
            return
        lean = node.__class__ is Lean
        if self.watch or (node.y if lean else node.saved).__class__ is Freed:
            _usable(node)
        back = node.op.back
        if back is None or not lean or self.careful or self.graph or node.traced:
            self.step(node.op, node, g, owned)
        else:
            back(node, g, self.bars, self.oldest, self)

    def step(self, op: Primitive, node: Node, g: Any, owned: bool) -> None:
        """Pull one cotangent through one operation. owned: nothing else refers to g."""
        if op is OUTPUT:
            self.hand_over(node, g)
            return
        if op is SEGMENT:
            self.rerun(node, g)
            return
        if op.back is None and op.straight:
            op.warm()
        if g.__class__ is Scattered:
            g, owned = g.dense(), True
        if op.reuse is not None and not self.wary and g.__class__ is ndarray and not (node.marked and node.traced):
            self.rework(op, node, g if owned else g.copy())
            return
        try:
            remote = STATE.remote
            contributions = self.pull(op, node, g) if remote is None else remote.pulled(self, op, node, g)
        except np.linalg.LinAlgError as error:
            raise problems.derivative_failed(op.name, str(error)) from None
        if self.observe is not None:
            shown = tuple((p, _unmasked(c)) for p, c in contributions)
            self.observe(node, _unmasked(g), shown)
        for parent, c in contributions:
            self.add(parent, c)

    def rework(self, op: Primitive, node: Node, g: Any) -> None:
        """Pull a cotangent of the sweep's own, in place: the first operand's share is g itself, changed."""
        assert op.reuse is not None
        first, *others = zip(node.parents, op.reuse(g, *node.shapes, *node.statics), strict=True)
        for parent, c in others:
            if parent is not None and parent.id >= self.oldest:
                self.add(parent, c)
        parent, c = first
        if parent is None or parent.id < self.oldest:
            return
        if parent.id in self.bars or c.dtype != parent.dtype:
            self.add(parent, c)
        else:
            self.bars[parent.id] = [parent, c, True]

    def hand_over(self, node: Node, g: Any) -> None:
        """Put the cotangent of one output into the list that its operation's node collects."""
        main = node.parents[0]
        assert main is not None
        if main.id not in self.bars:
            self.bars[main.id] = [main, [None] * main.shape[0], False]
        parts = self.bars[main.id][1]
        at = node.statics[0]
        if main.op is SEGMENT:  # which entries are reached matters within it
            parts[at] = g if parts[at] is None else _joined(parts[at], g)
            return
        g = _unmasked(g)
        parts[at] = g if parts[at] is None else parts[at] + g

    def rerun(self, node: Node, parts: list[Any]) -> None:
        """Record again what a segment did, and walk through that; its nodes are younger than all that waits.

        Where the segment has a way back of its own, a first walk takes that.
        """
        if not self.careful and not self.graph:
            made = node.statics[0].pulled(parts)
            if made is not None:
                for parent, c in zip(node.parents, made, strict=True):
                    if parent is None or parent.id < self.oldest:
                        continue
                    if c is None:
                        self.flat.append(parent)
                    else:
                        self.add(parent, c)
                return
        floor = tick()
        tick()
        ends = [y.node for y in node.statics[0].again()]
        visited, self.visited = self.visited, _Unheld()
        for end, g in zip(ends, parts, strict=True):
            if g is not None and end is not None and end.id >= self.oldest:
                self.add(end, g)
        parts.clear()
        del ends, end, g  # what the walk has passed is to go
        self.compute()
        self.walk(floor)
        self.compute()
        self.visited = visited

    def compute(self) -> None:
        """Compute the cotangents that wait deferred, which hold all that they are to be computed from."""
        if STATE.fusion is not None:
            computed = STATE.fusion.computed
            for entry in self.bars.values():
                g = entry[1]
                entry[1] = list(map(computed, g)) if g.__class__ is list else computed(g)

    def add(self, parent: Node, c: Any) -> None:
        """Accumulate `c` into the cotangent of `parent`, in its shape and dtype."""
        if not self.graph and isinstance(c, (NDArray, Reached)):
            c = _unrecorded(c)
        if c.__class__ is not Scattered and c.__class__ is not Reached:
            if STATE.fusion is not None and c.__class__ is ndarray and not self.careful:
                c = STATE.fusion.unspread(c)
            if c.shape != parent.shape:
                c = unbroadcast(c, parent.shape, RECORDED if isinstance(c, NDArray) else PLAIN)
            if c.dtype != parent.dtype:
                c = c.astype(parent.dtype)
        entry = self.bars.get(parent.id)
        if entry is None:
            self.bars[parent.id] = [parent, c, False]
        else:
            self.join(entry, c)

    def scale(self, parent: Node, g: Any, number: int) -> None:
        """Add g·number, for a partial that turned out to be a plain number."""
        if number:
            self.add(parent, g if number == 1 else g * number)
        else:
            self.flat.append(parent)

    def join(self, entry: list[Any], c: Any) -> None:
        """Add `c` to a cotangent that waits already."""
        _, held, owned = entry
        if held.__class__ is Reached or c.__class__ is Reached:
            entry[1:] = _joined(held, c), False
            return
        if c.__class__ is Scattered:
            if held.__class__ is Scattered:
                held, owned = held.dense(), True
            if not owned or not isinstance(held, (ndarray, Remote)):
                held = np.array(held) if STATE.remote is None else STATE.remote.own(held)
            c.add_to(held)
            entry[1:] = held, True
        elif held.__class__ is Scattered:
            scattered, held = held, np.array(c) if STATE.remote is None else STATE.remote.own(c)
            scattered.add_to(held)
            entry[1:] = held, True
        elif owned and held.__class__ is ndarray and c.__class__ is ndarray:
            np.add(held, c, out=held)
        else:
            held = held + c
            entry[1:] = held, held.__class__ is ndarray

    def pull(self, op: Primitive, node: Node, g: Any) -> list[tuple[Node, Any]]:
        """The operation's vjp: a cotangent for each tracked operand that leads to a target."""
        live = None
        if g.__class__ is Reached:
            g, live = g.value, g.live
        if node.marked and node.traced and not isinstance(g, (NDArray, list)):
            g = _array(g)
        slots = self.slots(node, g)
        made: list[tuple[Node, Any]] = []
        if op.partials is not None:
            for parent, partial in zip(node.parents, op.pulls, strict=True):
                if parent is None or partial is None or parent.id < self.oldest:
                    continue
                d = partial(slots)
                if d.__class__ is int and d == 0:
                    self.flat.append(parent)
                    continue
                if self.careful:
                    made.append((parent, self.careful_product(op, g, live, d, parent)))
                elif d.__class__ is int:
                    made.append((parent, g if d == 1 else -g if d == -1 else g * d))
                else:
                    made.append((parent, g * d))
            return made
        shares = self.shares(op, node, slots)
        if not self.careful:
            return shares
        shares = [(parent, _unmasked(c)) for parent, c in shares]
        if not op.routes:
            return shares
        seed = np.ones(g.shape) if live is None else live.astype(np.float64)
        slots = self.slots(node, seed) if node.traced else self.plain_slots(node, plain(seed))
        reached = self.shares(op, node, slots)
        return [
            (parent, _restricted(c, _unmasked(r), parent)) for (parent, c), (_, r) in zip(shares, reached, strict=True)
        ]

    def slots(self, node: Node, g: Any) -> tuple[Any, ...]:
        """What rules read, as plain or as recorded arrays."""
        if STATE.fusion is not None:
            g = STATE.fusion.for_rules(node.op, g)
        if not (self.graph or (node.marked and node.traced)):
            return _slots(PLAIN, node, g, node.saved)
        saved = node.saved
        wrapped = (_wrapped(x, p) for x, p in zip(saved[1:], node.parents, strict=False))
        if g.__class__ is list:
            g = [x if x is None or isinstance(x, NDArray) else _array(x) for x in g]
        elif not isinstance(g, NDArray):
            g = _array(g)
        y = saved[0]
        y = tuple(output(node, i, part) for i, part in enumerate(y)) if isinstance(y, tuple) else _wrapped(y, node)
        return _slots(RECORDED, node, g, (y, *wrapped))

    def plain_slots(self, node: Node, g: Any) -> tuple[Any, ...]:
        return _slots(PLAIN, node, g, tuple(plain(x) for x in node.saved))

    def shares(self, op: Primitive, node: Node, slots: tuple[Any, ...]) -> list[tuple[Node, Any]]:
        if op.vjp is not None:
            rule = op.reader(op.vjp)
            assert rule is not None
            pairs = [(p, c) for p, c in zip(node.parents, rule(slots), strict=True) if p is not None]
            self.flat += [p for p, c in pairs if c is None]  # a rule says so where the derivative is 0
            return [(p, c) for p, c in pairs if c is not None and p.id >= self.oldest]
        made = []
        for parent, rule in zip(node.parents, op.pulls, strict=True):
            if parent is not None and rule is not None and parent.id >= self.oldest:
                made.append((parent, rule(slots)))
        return made

    def careful_product(self, op: Primitive, g: Any, live: Any, d: Any, parent: Node) -> Any:
        """g·d, exactly 0 where no path arrives."""
        F = RECORDED if isinstance(g, NDArray) or isinstance(d, NDArray) else PLAIN
        if op.selects:
            chosen = F.broadcast_to(F.not_equal(d, 0), g.shape)
            live = chosen if live is None else F.logical_and(live, chosen)
        if live is None:
            return g if d.__class__ is int and d == 1 else g * d
        value = F.where(live, g * d, 0.0)
        if value.shape != parent.shape:
            value = unbroadcast(value, parent.shape, F)
            live = F.not_equal(unbroadcast(live.astype(np.float64), parent.shape, F), 0)
        if value.dtype != parent.dtype:
            value = value.astype(parent.dtype)
        return Reached(value, live)


def _restricted(c: Any, reached: Any, parent: Node) -> Any:
    """The share `c` of an operation that only routes, with the entries that `reached` says a path reaches."""
    F = RECORDED if isinstance(c, NDArray) else PLAIN
    if reached.shape != parent.shape:
        reached = unbroadcast(reached, parent.shape, F if isinstance(reached, NDArray) else PLAIN)
        c = unbroadcast(c, parent.shape, F)
    live = (RECORDED if isinstance(reached, NDArray) else PLAIN).not_equal(reached, 0)
    if plain(live).all():
        return c
    return Reached(F.where(live, c, 0.0), live)


def _slots(F: Any, node: Node, g: Any, saved: tuple[Any, ...]) -> tuple[Any, ...]:
    """(F, g, y, *operands, *shapes, *statics); no shapes for elementwise operations."""
    op = node.op
    assert op is not None
    if op.elementwise:
        return (F, g, *saved, *node.statics)
    if op.variadic:
        return (F, g, saved[0], saved[1:], node.shapes, *node.statics)
    if g.__class__ is list:  # several outputs, of which some may not have been used
        g = tuple(g)
    return (F, g, *saved, *node.shapes, *node.statics)


def _wrapped(saved: Any, node: Node | None) -> Any:
    """A saved value as a recorded array with its own history."""
    if saved is None:
        return saved
    if isinstance(saved, NDArray):
        if saved._node is None and node is not None:  # the value of a traced node, which would hold its node
            saved = saved.twin()
            saved._node = node
        return saved
    if node is None and saved.__class__ in (float, int, bool):
        return saved
    return _array(saved, node)


def _array(value: Any, node: Node | None = None) -> NDArray:
    """A plain or deferred array as an NDArray."""
    if STATE.fusion is not None and value.__class__ is STATE.fusion.Lazy:
        made: NDArray = STATE.fusion.large(value, node)
        return made
    return new_array(value, node)


def _unrecorded(c: Any) -> Any:
    """A cotangent that the rules of a traced node made in NDArrays as the plain or deferred array inside.

    Only so do the cotangents that meet in a sweep go together, and pass the steps that are made for plain arrays.
    """
    if c.__class__ is Reached:
        return Reached(_unrecorded(c.value), _unrecorded(c.live))
    if not isinstance(c, NDArray) or c.traced:
        return c
    return c._data if c.__class__ is NDArray else c.lazy


def _unmasked(g: Any) -> Any:
    if g.__class__ is Reached:
        return g.value
    return g.dense() if g.__class__ is Scattered else g


def _joined(a: Any, b: Any) -> Any:
    """The sum of two cotangents of which at least one knows its reached entries."""
    value = _unmasked(a) + _unmasked(b)
    if a.__class__ is Reached and b.__class__ is Reached:
        F = RECORDED if isinstance(a.live, NDArray) or isinstance(b.live, NDArray) else PLAIN
        live = F.logical_or(a.live, b.live)
        return value if plain(live).all() else Reached(value, live)
    return value
