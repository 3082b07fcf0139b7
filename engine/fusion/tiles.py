"""Running a plan tile by tile, so that what is between the first load and the last store stays in the cache.

The axes of the domain are first merged where every array allows it; most walks are then over one axis. A tile
is a range of one axis with all the axes after it, at one index of those before. Threads take the
next tile until there is none. Reductions add up within the tile as NumPy does (pairwise along
contiguous entries) and tiles are put together in their order, so results do not depend on timing.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from itertools import count, product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ndgrad.fusion import pool
from ndgrad.fusion.lazy import CAST, PATCH, REDUCE, WHERE, Lazy
from ndgrad.fusion.report import COUNTS
from ndgrad.fusion.schedule import Instruction, Pass, Plan, identity

Array = np.ndarray[Any, Any]
SMALLEST, LARGEST = 4096, 65536  # entries of a tile
SLOTS = 1 << 18  # entries of a reduction's partial results that may wait to be put together
ALONE = 1 << 20  # entries times operations for each thread: with fewer, starting it takes longer than it saves


def _cache(level: int, otherwise: int) -> int:
    """Bytes of a cache of the first core."""
    try:
        with open(f"/sys/devices/system/cpu/cpu0/cache/index{level}/size") as file:
            text = file.read().strip()
        return int(text[:-1]) * {"K": 1 << 10, "M": 1 << 20}[text[-1]]
    except (OSError, ValueError, KeyError):
        return otherwise


CACHE = _cache(2, 1 << 20)
SHARED = _cache(3, 0)  # of all cores
# Threads hand the interpreter's lock to each other after every operation on a tile, which may take as long as the
# operation. So several threads take larger tiles, as far as the cache that they share holds them.
SPREAD = 4


def _most(each: int, threads: int) -> int:
    """Entries of a tile, by the bytes of the registers for one."""
    room, largest = CACHE, LARGEST
    if threads > 1:
        room = max(room, min(SPREAD * room, SHARED // (2 * threads)))
        largest *= SPREAD
    return min(largest, max(SMALLEST, room * 3 // 4 // (each + 16) // 1024 * 1024))


def run(work: Pass, into: dict[int, Array]) -> None:
    """Compute the outputs of a pass."""
    results = [into.get(id(x)) for x in work.stores]
    stores = [np.empty(x.shape, x.dtype) if out is None else out for x, out in zip(work.stores, results, strict=True)]
    walk = _Walk(work, stores)
    walk.go()
    sums = [walk.put_together(i, x) for i, x in enumerate(work.sums)]
    for x, value in zip((*work.stores, *work.sums), (*stores, *sums), strict=True):
        x.settle(value if value.shape else value[()])


class _Walk:
    """One run: the arrays as they are cut into tiles, and the tiles."""

    def __init__(self, work: Pass, stores: list[Array]) -> None:
        plan = work.plan
        self.plan = plan
        self.constants = work.constants
        entries = math.prod(work.domain)
        self.inputs, self.stores, self.axes, self.shape = _merged(work, stores)
        each = sum(d.itemsize for d in plan.registers) or 8
        self.threads = min(pool.threads(), entries * max(1, len(plan.code)) // ALONE + 1)
        self.cut(_most(each, self.threads))
        COUNTS.passes += 1
        COUNTS.tiles += self.tiles
        COUNTS.operations += len(plan.code)
        self.lay_out_sums(work.sums)
        # A tile has at most this many entries; registers are laid out for that.
        self.widest = min(entries, -(-self.shape[self.at] // self.pieces) * self.inner)
        COUNTS.scratch = max(COUNTS.scratch, each * self.widest * self.threads)

    def cut(self, most: int) -> None:
        """Choose the axis along which tiles are ranges, and how long they are."""
        shape = self.shape
        self.at, self.inner = 0, math.prod(shape[1:])
        while self.inner > most:
            self.at += 1
            self.inner //= shape[self.at]
        long = shape[self.at]
        self.pieces = -(-long // max(1, most // self.inner))
        self.before = math.prod(shape[: self.at])
        if self.before * self.pieces < 8 * self.threads:  # few tiles: as many for each thread
            self.pieces = min(long, -(-self.before * self.pieces // self.threads) * self.threads)
        self.tiles = self.before * self.pieces
        self.bounds = [i * long // self.pieces for i in range(self.pieces + 1)]
        self.heads = list(product(*map(range, shape[: self.at]))) if self.at else [()]

    def lay_out_sums(self, sums: list[Lazy]) -> None:
        """Where tiles leave their share of each reduction.

        In one place, if every entry of the result comes from one tile; else each in a slot of its own; or, for
        large results, in one place if no two units of work share an entry, else in one for every unit.
        """
        self.partial: list[Array] = []
        self.slots: list[str] = []
        self.joined: list[bool] = []  # whether a tile adds to what others have left there
        self.unit = 1  # tiles that one thread takes in order
        kept = [tuple(1 if i in axes else n for i, n in enumerate(self.shape)) for axes in self.axes]
        split = [any(k <= self.at for k in axes) for axes in self.axes]
        large = [apart and self.tiles * math.prod(shape) > SLOTS for apart, shape in zip(split, kept, strict=True)]
        if any(large):
            if all(0 not in axes for axes, is_large in zip(self.axes, large, strict=True) if is_large):
                self.unit, place = (self.tiles // self.shape[0] if self.at else 1), "one"
            else:
                self.unit, place = -(-self.tiles // (2 * self.threads)), "unit"
        for x, shape, apart, is_large in zip(sums, kept, split, large, strict=True):
            how = place if is_large else "tile" if apart else "one"
            slots = {"one": 1, "tile": self.tiles, "unit": -(-self.tiles // self.unit)}[how]
            self.partial.append(np.empty((slots, *shape), x.dtype))
            if apart:
                self.partial[-1].fill(identity(x))
            self.slots.append(how)
            self.joined.append(is_large)

    def put_together(self, i: int, x: Lazy) -> Array:
        """The reduction's result."""
        partial = self.partial[i]
        if len(partial) == 1:
            return np.reshape(partial[0], x.shape)
        wide = x.param[0] is np.add and x.dtype.kind == "f"  # many parts are added in turn, not in pairs
        made = x.param[0].reduce(partial, axis=0, dtype=np.float64 if wide else None)
        return np.reshape(made.astype(x.dtype) if wide else made, x.shape)

    def go(self) -> None:
        take: Callable[[], int] = count().__next__
        units = -(-self.tiles // self.unit)

        def work() -> None:
            hand = _Hand(self)
            with np.errstate(all="ignore"):
                while True:
                    unit = take()
                    if unit >= units:
                        return
                    for tile in range(unit * self.unit, min((unit + 1) * self.unit, self.tiles)):
                        hand.tile(tile, unit)

        threads = min(self.threads, units)
        COUNTS.threads = max(COUNTS.threads, threads)
        pool.together(work, threads)


_SCRATCH = threading.local()


def _scratch(size: int) -> Array:
    """Bytes for this thread's registers; the same ones each time."""
    found: Array | None = getattr(_SCRATCH, "bytes", None)
    if found is None or found.size < size:
        found = np.empty(size, np.uint8)
        _SCRATCH.bytes = found if size <= 16 << 20 else None
    return found


class _Hand:
    """What one thread works with: its registers, and for each size of tile the calls to make."""

    def __init__(self, walk: _Walk) -> None:
        self.walk = walk
        self.ready: dict[int, Any] = {}
        room = [-(-walk.widest * d.itemsize // 64) * 64 + 64 for d in walk.plan.registers]
        memory = _scratch(sum(room))
        self.registers = []
        start = 0
        for dtype, bytes_ in zip(walk.plan.registers, room, strict=True):
            self.registers.append(memory[start : start + walk.widest * dtype.itemsize].view(dtype))
            start += bytes_

    def tile(self, tile: int, unit: int) -> None:
        walk = self.walk
        head, piece = divmod(tile, walk.pieces)
        low, high = walk.bounds[piece], walk.bounds[piece + 1]
        ready = self.ready.get(high - low)
        if ready is None:
            ready = self.ready[high - low] = self.prepared(walk.plan, high - low)
        calls, reads, writes, reductions = ready
        index = (*walk.heads[head], slice(low, high))
        for array, args, j in reads:
            args[j] = array[index]
        for array, call in writes:
            call[2] = array[index]
        for i, call in reductions:
            slot = {"one": 0, "tile": tile, "unit": unit}[walk.slots[i]]
            axes = walk.axes[i]
            at = [0 if k in axes else j for k, j in enumerate(walk.heads[head])]
            call[2] = walk.partial[i][(slot, *at, slice(0, 1) if walk.at in axes else slice(low, high))]
        for function, args, out in calls:
            function(*args, out=out)

    def prepared(self, plan: Plan, length: int) -> Any:
        """The calls for tiles that are `length` long: what changes from tile to tile is listed beside them."""
        walk = self.walk
        shape = (length, *walk.shape[walk.at + 1 :])
        size = length * walk.inner
        registers = [r[:size].reshape(shape) for r in self.registers]
        calls: list[list[Any]] = []
        reads, writes, reductions = [], [], []
        for step in plan.code:
            args: list[Any] = []
            for j, (kind, i) in enumerate(step.args):
                if kind == "reg":
                    args.append(registers[i])
                elif kind == "const":
                    args.append(walk.constants[i])
                else:
                    array = walk.inputs[i] if kind == "in" else walk.stores[i]
                    if array.ndim:
                        reads.append((array, args, j))
                        args.append(None)
                    else:
                        args.append(array)
            kind, i = step.result
            call: list[Any] = [self.function(step, registers), args, None]
            if kind == "reg":
                call[2] = registers[i]
            elif kind == "out":
                writes.append((walk.stores[i], call))
            else:
                reductions.append((i, call))
            calls.append(call)
        return calls, reads, writes, reductions

    def function(self, step: Instruction, registers: list[Array]) -> Callable[..., Any]:
        """What computes one instruction: called with the operands and `out`."""
        if step.op is CAST:
            return _convert
        if step.op is PATCH:
            return _patch(step.param)
        if step.op is WHERE:
            return _choose if step.scratch is None else _selection(registers[step.scratch])
        if step.op is REDUCE:
            walk, i = self.walk, step.result[1]
            inside = tuple(k - walk.at for k in walk.axes[i] if k >= walk.at)
            return _reduction(step.param[0], inside, walk.joined[i])
        ufunc: Callable[..., Any] = step.op
        return ufunc


def _convert(x: Any, out: Array) -> None:
    np.copyto(out, x, casting="unsafe")


def _choose(c: Any, a: Any, b: Any, out: Array) -> None:
    np.copyto(out, b)
    np.copyto(out, a, where=c)


def _patch(exact: Callable[[Any], Any]) -> Callable[..., Any]:
    def patch(values: Any, where: Any, x: Any, out: Array) -> None:
        np.copyto(out, values)
        if np.count_nonzero(where):
            where, x = np.broadcast_to(where, out.shape), np.broadcast_to(x, out.shape)  # either may be 0-d
            out[where] = exact(x[where])

    return patch


def _selection(mask: Array) -> Callable[..., Any]:
    """where(c, a, b) by the bits of a and b: no branch to predict wrongly, so a random condition costs no more."""
    bits = mask.dtype

    def select(c: Any, a: Any, b: Any, out: Array) -> None:
        np.copyto(mask, c)
        np.negative(mask, out=mask)
        a, b, made = np.asarray(a).view(bits), np.asarray(b).view(bits), out.view(bits)
        if b.ndim == 0 and not b:
            np.bitwise_and(a, mask, out=made)
        elif a.ndim == 0 and not a:
            np.invert(mask, out=mask)
            np.bitwise_and(b, mask, out=made)
        else:
            np.bitwise_xor(a, b, out=made)
            np.bitwise_and(made, mask, out=made)
            np.bitwise_xor(made, b, out=made)

    return select


def _reduction(ufunc: np.ufunc, axes: tuple[int, ...], joined: bool) -> Callable[..., Any]:
    """The tile's share, left in a place that it has alone, or joined to what is there."""

    def leave(x: Any, out: Array) -> None:
        if axes:
            ufunc.reduce(x, axis=axes, keepdims=True, out=out, dtype=out.dtype)
        else:
            np.copyto(out, x)

    def join(x: Any, out: Array) -> None:
        ufunc(out, ufunc.reduce(x, axis=axes, keepdims=True, dtype=out.dtype) if axes else x, out=out)

    return join if joined else leave


def _merged(work: Pass, stores: list[Array]) -> tuple[list[Any], list[Any], list[tuple[int, ...]], tuple[int, ...]]:
    """Inputs, stores, reduced axes and the domain, with neighbouring axes made one where all arrays allow it."""
    domain = work.domain
    ndim = len(domain)
    inputs = [np.asarray(x) for x in work.inputs]
    axes = [x.param[1] for x in work.sums]
    simple = all(not x.ndim or (x.shape == domain and x.flags.c_contiguous) for x in (*inputs, *stores))
    if simple and all(len(a) == ndim for a in axes):
        flat = (math.prod(domain),)
        return (
            [x.reshape(-1) if x.ndim else x for x in inputs],
            [x.reshape(-1) for x in stores],
            [(0,)] * len(axes),
            flat,
        )
    arrays = [np.broadcast_to(x, domain) if x.ndim else x for x in (*inputs, *stores)]
    merged: list[list[int]] = []
    for k in range(ndim):
        if domain[k] == 1 and ndim > 1 and not (k == ndim - 1 and not merged):
            continue
        if merged and _together(arrays, axes, domain, merged[-1][-1], k):
            merged[-1].append(k)
        else:
            merged.append([k])
    shape = tuple(math.prod([domain[k] for k in group]) for group in merged)
    views = []
    for x, given in zip(arrays, (*inputs, *stores), strict=True):
        if not x.ndim:
            views.append(x)
            continue
        strides = tuple(x.strides[group[-1]] for group in merged)
        views.append(as_strided(given, shape, strides))
    reduced = [tuple(i for i, group in enumerate(merged) if group[-1] in a) for a in axes]
    return views[: len(inputs)], views[len(inputs) :], reduced, shape


def _together(arrays: list[Array], axes: list[tuple[int, ...]], domain: tuple[int, ...], j: int, k: int) -> bool:
    """Whether axes j and k can be walked as one."""
    if any((j in a) != (k in a) for a in axes):
        return False
    return all(not x.ndim or x.strides[j] == x.strides[k] * domain[k] for x in arrays)
