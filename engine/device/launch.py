"""Running a pass on a device: its layout, the kernel of its structure, memory for what comes out, one launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.device.arrays import DeviceArray
from ndgrad.device.interface import COUNTS
from ndgrad.device.kernels import BLOCK, Kernel, Kinds, kernel_of
from ndgrad.device.layout import FLAT, ROWS, Layout, laid_out, steps_of
from ndgrad.frozen import Frozen
from ndgrad.fusion.lazy import PATCH
from ndgrad.fusion.report import COUNTS as FUSED

if TYPE_CHECKING:
    from ndgrad.fusion.schedule import Pass, Plan

MOST_KERNELS = 1000
ALIGNED = 16  # bytes that a thread reads at once
RESIDENT = 8  # blocks of 256 threads that a multiprocessor has at once
_LONG = 1 << 30  # indices up to here, and steps beyond them, fit into 32 bits


class Grid(Frozen):
    """x, y blocks of `block` threads; `width` threads to a row, or columns to a block."""

    x: int
    y: int
    block: int
    width: int


class Launches:
    """Runs passes on one device, with the kernels made so far.

    device: has `empty`, `put`, `kernel(source, name)`, `module` and `processors` as GPU has them.
    """

    def __init__(self, device: Any, block: int = BLOCK) -> None:
        self.device = device
        self.block = block
        self.blocks = device.processors * RESIDENT
        self.kernels: dict[Any, tuple[Kernel, Any]] = {}
        self.counters: Any = None  # zeros; each launch leaves them zero

    def run(self, work: Pass, into: dict[int, Any]) -> None:
        """Compute the outputs of a pass."""
        device = self.device
        stores = [into.get(id(x)) for x in work.stores]
        outs = [
            x if isinstance(x, DeviceArray) else device.empty(lazy.shape, lazy.dtype)
            for x, lazy in zip(stores, work.stores, strict=True)
        ]
        inputs = [self.operand(x) for x in work.inputs]
        made = self.launched(work, inputs, outs)
        for lazy, x in zip((*work.stores, *work.sums), (*outs, *made), strict=True):
            buffer = into.get(id(lazy))
            if buffer is not None and not isinstance(buffer, DeviceArray):  # a buffer of the host
                buffer[...] = device.fetch(x)
                x = buffer
            lazy.settle(x)

    def operand(self, x: Any) -> Any:
        """An input as kernels take it: a number by value, an array on the device."""
        if isinstance(x, DeviceArray):
            self.device.raw(x)  # E307 for one of another device
            return x
        return self.device.put(x) if np.ndim(x) else np.asarray(x)[()]

    def launched(self, work: Pass, inputs: list[Any], outs: list[DeviceArray]) -> list[DeviceArray]:
        """Launch the kernel of the pass; returns the results of its reductions."""
        domain = work.domain
        layout, kinds, kernel, compiled = self.drawn_up(work, inputs, outs)
        grid = self.grid(layout, kernel.pack)
        empty, module = self.device.empty, self.device.module
        left = {i: empty(domain, work.sums[i].args[0].dtype) for i, how in enumerate(layout.closes) if how == "left"}
        index = np.int64 if kinds.large else np.int32
        args: list[Any] = [index(layout.rows), index(layout.columns)]
        if layout.walk != FLAT:
            args.append(np.int32(grid.width))
        moving = [layout.strides[j] for j in range(len(inputs))]
        if any(s is not None and any(s) for s in moving):
            args += map(index, layout.sizes)
        for x, s in zip(inputs, moving, strict=True):
            args.append(x.raw if isinstance(x, DeviceArray) else x)
            args += [index(step) for step in s or () if step]
        args += [np.asarray(c)[()] for c in work.constants]
        args += [x.raw for x in outs]
        args += [x.raw for x in left.values()]
        results: list[Any] = []
        for i, x in enumerate(work.sums):
            if i in left:
                results.append(None)
                continue
            results.append(empty(x.shape, x.dtype))
            how = layout.closes[i]
            if how != "row":
                shares = grid.x * grid.y if how == "all" else grid.y * layout.columns
                args.append(module.empty(shares, _share_dtype(x)))
            args.append(results[-1].raw)
        if any(how in ("all", "column") for how in layout.closes):
            args.append(self.zeros(1 + grid.x))
        FUSED.passes += 1
        FUSED.operations += len(work.plan.code)
        compiled((grid.x, grid.y), (grid.block,), tuple(args))
        for i, operand in left.items():
            results[i] = _reduced(work.sums[i], operand)
        return results

    def drawn_up(
        self, work: Pass, inputs: list[Any], outs: list[DeviceArray]
    ) -> tuple[Layout, Kinds, Kernel, Callable[..., None]]:
        """How the pass walks its arrays, and its kernel; counted as one that runs."""
        domain = work.domain
        steps = [steps_of(x, domain) if isinstance(x, DeviceArray) else (0,) * len(domain) for x in inputs]
        layout = laid_out(domain, steps, [x.param[1] for x in work.sums])
        kinds = self.kinds(work, layout, inputs, outs)
        kernel, compiled = self.found(work, kinds, layout)
        COUNTS.kernels += 1
        if COUNTS.sources is not None and kernel.text not in COUNTS.sources:
            COUNTS.sources.append(kernel.text)
        return layout, kinds, kernel, compiled

    def found(self, work: Pass, kinds: Kinds, layout: Layout) -> tuple[Kernel, Any]:
        """The kernel of this structure, compiled; the one that was made before, if there was one."""
        pattern = tuple(None if s is None else tuple(map(bool, s)) for s in layout.strides)
        key = (_structure(work.plan), kinds, layout.walk, len(layout.sizes), layout.outer, pattern, layout.closes)
        found = self.kernels.get(key)
        if found is None:
            if len(self.kernels) >= MOST_KERNELS:
                self.kernels.clear()
            COUNTS.compiled += 1
            kernel = kernel_of(work.plan, kinds, layout)
            found = self.kernels[key] = kernel, self.device.kernel(kernel.source, kernel.name)
        return found

    def kinds(self, work: Pass, layout: Layout, inputs: list[Any], outs: list[DeviceArray]) -> Kinds:
        """The dtypes of a pass, and whether packs of entries can be read at once."""
        arrays = [x for x in (*inputs, *outs) if isinstance(x, DeviceArray)]
        widest = max(
            (d.itemsize for d in [*(x.dtype for x in arrays), *(x.args[0].dtype for x in work.sums)]), default=8
        )
        pack = ALIGNED // widest
        strided = any(s is not None and any(s) for s in layout.strides)
        aligned = all(self.device.address(x.raw) % min(ALIGNED, pack * x.dtype.itemsize) == 0 for x in arrays)
        if layout.walk != FLAT or strided or not aligned or layout.size < pack:
            pack = 1
        furthest = max((abs(step) * max(layout.sizes) for s in layout.strides for step in s or ()), default=0)
        return Kinds(
            tuple(x.dtype for x in inputs),
            tuple(np.asarray(c).dtype for c in work.constants),
            tuple(x.dtype for x in outs),
            tuple((x.param[0], x.dtype) for x in work.sums),
            tuple(not isinstance(x, DeviceArray) for x in inputs),
            max(layout.size, furthest) >= _LONG,
            pack,
        )

    def grid(self, layout: Layout, pack: int) -> Grid:
        """As many blocks as the device has room for at once, or as there is work for."""
        block, rows, columns = self.block, layout.rows, layout.columns
        if layout.walk == FLAT:
            return Grid(max(1, min(_up(layout.size, pack * block), self.blocks)), 1, block, block)
        if layout.walk == ROWS:
            width = min(block, _power_of_two(_up(columns, 4)))
            return Grid(max(1, min(_up(rows, block // width), self.blocks)), 1, block, width)
        width = min(32, block, _power_of_two(columns))
        across = _up(columns, width)
        down = max(1, min(_up(rows, block // width * 4), self.blocks // across, 65535))
        return Grid(across, down, block, width)

    def zeros(self, count: int) -> Any:
        """At least so many counters, all zero."""
        if self.counters is None or self.counters.size < count:
            self.counters = self.device.module.zeros(max(256, _power_of_two(count)), np.uint32)
        return self.counters


def _structure(plan: Plan) -> tuple[Any, ...]:
    """What a plan computes, whatever the numbers of the program in it."""
    steps = []
    for step in plan.code:
        param = step.param
        if step.op is PATCH and param.__closure__ is None:
            param = param.__code__
        steps.append((step.op, param, step.args, step.result))
    return (*steps, *plan.registers)


def _up(n: int, step: int) -> int:
    return -(-n // step)


def _power_of_two(n: int) -> int:
    """The least power of two that is not less."""
    return 1 << max(n - 1, 0).bit_length()


def _share_dtype(x: Any) -> np.dtype[Any]:
    from ndgrad.device.expressions import Reduction

    return Reduction(x.param[0], x.dtype).dtype


def _reduced(x: Any, operand: Any) -> Any:
    """A reduction that the kernel left over, of its stored operand."""
    ufunc, axes = x.param
    if ufunc is np.add and operand.dtype.kind == "f":
        operand = operand.astype(np.float64, copy=False)
    made = ufunc.reduce(operand, axis=axes, keepdims=True)
    return made.astype(x.dtype, copy=False)
