"""A plan as the source of one CUDA kernel, readable, the same for every pass of its structure.

    entry(x0, x1, …, y0, …, s0, …)   the instructions for one entry: operands in, results and sums out
    the kernel                       walks the entries, closes the reductions

Sizes and steps are arguments, so a kernel is compiled once for a structure: the instructions, the dtypes, the walk
(`layout`), which operands are numbers and which run through all entries in order. Sums are in double precision; a
block's threads join theirs pairwise, and the last block to finish joins the blocks' shares in their order, so
results do not depend on timing.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import numpy as np

from ndgrad.device.expressions import TYPES, Reduction, assigned, cast, traced
from ndgrad.device.layout import COLUMNS, FLAT, ROWS, Layout
from ndgrad.frozen import Frozen
from ndgrad.fusion.lazy import PATCH, REDUCE
from ndgrad.fusion.schedule import Plan

DType = np.dtype[Any]
BLOCK = 256  # threads of a block at most

PRELUDE = """\
#define ND_INFINITY (-log(0.0))

struct nd_add { template <typename T> static __device__ __forceinline__ T of(T a, T b) { return a + b; } };
struct nd_and { template <typename T> static __device__ __forceinline__ T of(T a, T b) { return a && b; } };
struct nd_or { template <typename T> static __device__ __forceinline__ T of(T a, T b) { return a || b; } };
// the larger and the smaller of two; nan if one is
struct nd_maximum { template <typename T> static __device__ __forceinline__ T of(T a, T b) {
    return a >= b || a != a ? a : b; } };
struct nd_minimum { template <typename T> static __device__ __forceinline__ T of(T a, T b) {
    return a <= b || a != a ? a : b; } };

template <typename T> __device__ __forceinline__ T nd_sign(T x) {
    return x > 0 ? T(1) : x < 0 ? T(-1) : x == 0 ? T(0) : x;
}

// Python's remainder, with the sign of the divisor, and the quotient that belongs to it
template <typename T> __device__ __forceinline__ T nd_mod(T a, T b) {
    T rest = fmod(a, b);
    if (rest != 0) return (b < 0) != (rest < 0) ? rest + b : rest;
    return b == b && rest == rest ? copysign(T(0), b) : rest;
}
template <typename T> __device__ __forceinline__ T nd_floor_divide(T a, T b) {
    if (b == 0) return a / b;
    T rest = fmod(a, b), quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
    if (quotient == 0) return copysign(T(0), a / b);
    T whole = floor(quotient);
    return quotient - whole > T(0.5) ? whole + 1 : whole;
}
template <typename T> __device__ __forceinline__ T nd_logaddexp(T a, T b) {
    if (a == b) return a + T(0.69314718055994530942);
    T apart = a - b;
    return apart > 0 ? a + log1p(exp(-apart)) : apart <= 0 ? b + log1p(exp(apart)) : apart;
}
template <typename T> __device__ __forceinline__ T nd_xlogy(T a, T b) { return a == 0 && b == b ? T(0) : a * log(b); }

// several entries that are read or written at once
template <typename T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) nd_pack { T v[N]; };

// what `width` neighbouring threads hold, joined; every one of them gets it
template <typename Op, typename T> __device__ T nd_over_group(T value, T* room, int width) {
    const int t = threadIdx.x, lane = t % width;
    room[t] = value;
    __syncthreads();
    for (int half = width / 2; half > 0; half /= 2) {
        if (lane < half) room[t] = Op::of(room[t], room[t + half]);
        __syncthreads();
    }
    value = room[t - lane];
    __syncthreads();
    return value;
}
// what every width-th thread holds, joined
template <typename Op, typename T> __device__ T nd_down_columns(T value, T* room, int width) {
    const int t = threadIdx.x, row = t / width;
    room[t] = value;
    __syncthreads();
    for (int half = blockDim.x / width / 2; half > 0; half /= 2) {
        if (row < half) room[t] = Op::of(room[t], room[t + half * width]);
        __syncthreads();
    }
    value = room[t % width];
    __syncthreads();
    return value;
}
// whether this block is the last of `blocks` to come here; the counter is 0 again afterwards
__device__ __forceinline__ bool nd_is_last(unsigned* done, unsigned blocks) {
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        last = atomicAdd(done, 1u) + 1 == blocks;
        if (last) *done = 0;
    }
    __syncthreads();
    __threadfence();
    return last;
}
// this thread's part of the shares that the blocks have left, joined
template <typename Op, typename T> __device__ T nd_shares(T value, const T* shares, unsigned blocks) {
    for (unsigned b = threadIdx.x; b < blocks; b += blockDim.x) value = Op::of(value, ((const volatile T*)shares)[b]);
    return value;
}
"""


class Kernel(Frozen):
    """source      prelude and kernel, as one text       name  of the kernel in it
    parameters  (type, name) in the order of the arguments
    pack        how many entries a thread reads at once
    """

    source: str
    name: str
    parameters: tuple[tuple[str, str], ...]
    pack: int

    @property
    def text(self) -> str:
        """The source without the prelude, which all kernels share."""
        return self.source.removeprefix(PRELUDE)


class Kinds(Frozen):
    """The dtypes of a pass, and what a kernel of it must know of its arrays.

    values  per input whether it is a number of the host, given by value
    sums    (ufunc, dtype) of each reduction      large  whether indices need 64 bits
    """

    inputs: tuple[DType, ...]
    constants: tuple[DType, ...]
    stores: tuple[DType, ...]
    sums: tuple[tuple[Any, DType], ...]
    values: tuple[bool, ...]
    large: bool
    pack: int


def kernel_of(plan: Plan, kinds: Kinds, layout: Layout) -> Kernel:
    """The kernel for passes of this plan, these kinds and this layout. KeyError for an operation that has none."""
    writer = _Writer(plan, kinds, layout)
    body = writer.written()
    name = f"group_{sha256(body.encode()).hexdigest()[:12]}"
    parameters = tuple((kind, label.replace("@", name)) for kind, label in writer.parameters)
    return Kernel(PRELUDE + body.replace("@", name), name, parameters, kinds.pack)


class _Writer:
    """Writes one kernel. `@` stands for its name."""

    def __init__(self, plan: Plan, kinds: Kinds, layout: Layout) -> None:
        self.plan = plan
        self.kinds = kinds
        self.layout = layout
        self.index = "long long" if kinds.large else "int"
        self.parameters: list[tuple[str, str]] = []
        self.reductions = [Reduction(ufunc, dtype) for ufunc, dtype in kinds.sums]
        self.left: dict[int, DType] = {}  # reductions left over, with the dtype of their operand
        self.entry = self.instructions()

    # One entry

    def dtype_of(self, place: tuple[str, int]) -> DType:
        kind, i = place
        lists: dict[str, Any] = {
            "in": self.kinds.inputs,
            "const": self.kinds.constants,
            "reg": self.plan.registers,
            "out": self.kinds.stores,
        }
        found: DType = lists[kind][i]
        return found

    def instructions(self) -> list[str]:
        """The lines of `entry`."""
        letters = {"in": "x", "const": "c", "reg": "r", "out": "y"}
        lines: list[str] = []
        used: dict[int, None] = {}
        for step in self.plan.code:
            args = [(f"{letters[kind]}{i}", self.dtype_of((kind, i))) for kind, i in step.args]
            kind, i = step.result
            if step.op is REDUCE:
                ((text, given),) = args
                if self.layout.closes[i] == "left":
                    self.left[i] = given
                    lines.append(f"t{i} = {text};")
                else:
                    reduction = self.reductions[i]
                    lines.append(f"s{i} = {reduction.joins}::of(s{i}, {cast(text, given, reduction.dtype)});")
                continue
            target, dtype = f"{letters[kind]}{i}", self.dtype_of(step.result)
            if kind == "reg":
                used[i] = None
            if step.op is PATCH:
                (values, _), (where, truth), (x, given) = args
                inner, made = traced(step.param, given, x)
                lines.append(f"{target} = {values};")
                lines.append(f"if ({cast(where, truth, np.dtype(bool))}) {{")
                lines += [f"    {line}" for line in (*inner, f"{target} = {cast(made, given, dtype)};")]
                lines.append("}")
                continue
            text, found = assigned(step.op, step.param, args, dtype)
            lines.append(f"{target} = {cast(f'({text})', found, dtype) if found != dtype else text};")
        declared: dict[str, list[str]] = {}
        for i in used:
            declared.setdefault(TYPES[self.plan.registers[i]], []).append(f"r{i}")
        return [f"{kind} {', '.join(names)};" for kind, names in declared.items()] + lines

    def entry_arguments(self) -> list[tuple[str, str]]:
        """(type, name) of what `entry` takes."""
        kinds = self.kinds
        return [
            *((f"const {TYPES[d]}", f"x{i}") for i, d in enumerate(kinds.inputs)),
            *((f"const {TYPES[d]}", f"c{i}") for i, d in enumerate(kinds.constants)),
            *((f"{TYPES[d]}&", f"y{i}") for i, d in enumerate(kinds.stores)),
            *((f"{TYPES[d]}&", f"t{i}") for i, d in self.left.items()),
            *((f"{TYPES[r.dtype]}&", f"s{i}") for i, r in self.closed()),
        ]

    def closed(self) -> list[tuple[int, Reduction]]:
        """The reductions that the kernel closes."""
        return [(i, r) for i, r in enumerate(self.reductions) if i not in self.left]

    # The kernel

    def written(self) -> str:
        taken = ", ".join(f"{kind} {name}" for kind, name in self.entry_arguments())
        lines = [f"static __device__ __forceinline__ void @_entry({taken}) {{"]
        lines += [f"    {line}" for line in self.entry]
        lines += ["}", ""]
        body = {FLAT: self.flat, ROWS: self.rows, COLUMNS: self.columns}[self.layout.walk]()
        self.take_parameters()
        shown = ", ".join(f"{kind} {name}" for kind, name in self.parameters)
        lines += [f'extern "C" __global__ void __launch_bounds__({BLOCK}) @({shown}) {{']
        lines += [f"    {line}" if line else "" for line in body]
        lines += ["}", ""]
        return "\n".join(lines)

    def take_parameters(self) -> None:
        """In the order that `launch` gives them."""
        kinds, layout = self.kinds, self.layout
        index = f"const {self.index}"
        add = self.parameters.append
        add((index, "rows"))
        add((index, "columns"))
        if layout.walk != FLAT:
            add(("const int", "width"))
        for i in range(len(layout.sizes)) if self.strided() else ():
            add((index, f"d{i}"))
        for j, steps in enumerate(layout.strides[: len(kinds.inputs)]):
            text = TYPES[kinds.inputs[j]]
            if kinds.values[j]:
                add((f"const {text}", f"x{j}"))
                continue
            add((f"const {text}* __restrict__", f"x{j}"))
            for k in _moving(steps):
                add((index, f"x{j}_step{k}"))
        for i, d in enumerate(kinds.constants):
            add((f"const {TYPES[d]}", f"c{i}"))
        for i, d in enumerate(kinds.stores):
            add((f"{TYPES[d]}* __restrict__", f"y{i}"))
        for i, d in self.left.items():
            add((f"{TYPES[d]}* __restrict__", f"t{i}"))
        for i, r in self.closed():
            if layout.closes[i] != "row":
                add((f"{TYPES[r.dtype]}*", f"shares{i}"))
            add((f"{TYPES[kinds.sums[i][1]]}*", f"total{i}"))
        if any(layout.closes[i] != "row" for i, _ in self.closed()):
            add(("unsigned*", "done"))

    def strided(self) -> list[int]:
        """The inputs that neither are numbers nor run through all entries in order."""
        return [j for j, steps in enumerate(self.layout.strides[: len(self.kinds.inputs)]) if _moving(steps)]

    def numbers(self) -> list[int]:
        """The inputs that are one number, in the device's memory."""
        return [
            j
            for j, steps in enumerate(self.layout.strides[: len(self.kinds.inputs)])
            if steps is not None and not any(steps) and not self.kinds.values[j]
        ]

    def call(self, at: str) -> list[str]:
        """Lines that apply `entry` at the entry number `at`, and that find where strided operands are."""
        lines = []
        given = []
        for j in range(len(self.kinds.inputs)):
            if self.kinds.values[j]:
                given.append(f"x{j}")
            elif j in self.numbers():
                given.append(f"x{j}_value")
            elif j in self.strided():
                where = " + ".join(f"k{k} * x{j}_step{k}" for k in _moving(self.layout.strides[j]))
                given.append(f"x{j}[{where}]")
            else:
                given.append(f"x{j}[{at}]")
        given += [f"c{i}" for i in range(len(self.kinds.constants))]
        given += [f"y{i}[{at}]" for i in range(len(self.kinds.stores))]
        given += [f"t{i}[{at}]" for i in self.left]
        given += [f"s{i}" for i, _ in self.closed()]
        lines.append(f"@_entry({', '.join(given)});")
        return lines

    def call_in_grid(self) -> list[str]:
        """`call` at a row and a column."""
        call = self.call("i")
        numbered = any("[i]" in line for line in call)
        return [f"const {self.index} i = row * columns + column;", *call] if numbered else call

    def coordinates(self, first: int, last: int, number: str) -> list[str]:
        """k_first … k_last, the coordinates that the entry of this number has along these axes."""
        if not self.strided() or first >= last:
            return []
        wanted = {k for j in self.strided() for k in _moving(self.layout.strides[j])}
        lines = []
        rest = number
        for k in range(last - 1, first - 1, -1):
            if k == first:
                text = rest
            else:
                text = f"{rest} % d{k}"
            if k in wanted:
                lines.append(f"const {self.index} k{k} = {text};")
            rest = f"{rest} / d{k}" if k > first else rest
        return lines

    def opening(self) -> list[str]:
        """Sums at their beginning, and the operands that are one number."""
        lines = [f"const {TYPES[self.kinds.inputs[j]]} x{j}_value = x{j}[0];" for j in self.numbers()]
        lines += [f"{TYPES[r.dtype]} s{i} = {r.identity};" for i, r in self.closed() if self.layout.closes[i] == "all"]
        kinds = dict.fromkeys(TYPES[r.dtype] for _, r in self.closed())
        lines += [f"__shared__ {kind} {_room(kind)}[{BLOCK}];" for kind in kinds]
        return lines

    def closing(self, block: str, blocks: str) -> list[str]:
        """Reductions over everything."""
        full = [(i, r) for i, r in self.closed() if self.layout.closes[i] == "all"]
        if not full:
            return []
        lines = ["// every block leaves its share; the last one to finish joins them, in their order"]
        for i, r in full:
            room = _room(TYPES[r.dtype])
            lines.append(f"s{i} = nd_over_group<{r.joins}>(s{i}, {room}, blockDim.x);")
            lines.append(f"if (threadIdx.x == 0) shares{i}[{block}] = s{i};")
        lines.append(f"if (nd_is_last(done, {blocks})) {{")
        for i, r in full:
            kind, room = TYPES[r.dtype], _room(TYPES[r.dtype])
            shares = f"nd_shares<{r.joins}>(({kind}){r.identity}, shares{i}, {blocks})"
            lines.append(f"    s{i} = nd_over_group<{r.joins}>({shares}, {room}, blockDim.x);")
            made = cast(f"s{i}", r.dtype, self.kinds.sums[i][1])
            lines.append(f"    if (threadIdx.x == 0) total{i}[0] = {made};")
        return [*lines, "}"]

    def flat(self) -> list[str]:
        index, pack = self.index, self.kinds.pack
        lines = self.opening()
        lines += [
            f"const {index} size = rows * columns, step = ({index})gridDim.x * blockDim.x;",
            f"const {index} first = ({index})blockIdx.x * blockDim.x + threadIdx.x;",
        ]
        if pack > 1:
            lines += self.packs(pack)
        start = f"size / {pack} * {pack} + first" if pack > 1 else "first"
        lines.append(f"for ({index} i = {start}; i < size; i += step) {{")
        inner = self.coordinates(0, len(self.layout.sizes), "i") + self.call("i")
        lines += [f"    {line}" for line in inner]
        lines.append("}")
        return lines + self.closing("blockIdx.x", "gridDim.x")

    def packs(self, pack: int) -> list[str]:
        """The loop over packs of entries, read and written 16 bytes at a time."""
        kinds = self.kinds
        whole = [j for j in range(len(kinds.inputs)) if not kinds.values[j] and j not in self.numbers()]
        out = [(f"y{i}", d) for i, d in enumerate(kinds.stores)] + [(f"t{i}", d) for i, d in self.left.items()]
        lines = [f"for ({self.index} i = first; i < size / {pack}; i += step) {{"]
        for j in whole:
            kind = f"nd_pack<{TYPES[kinds.inputs[j]]}, {pack}>"
            lines.append(f"    const {kind} x{j}_pack = ((const {kind}*)x{j})[i];")
        lines += [f"    nd_pack<{TYPES[d]}, {pack}> {name}_pack;" for name, d in out]
        given = [f"x{j}_pack.v[k]" if j in whole else f"x{j}" if kinds.values[j] else f"x{j}_value"
                 for j in range(len(kinds.inputs))]  # fmt: skip
        given += [f"c{i}" for i in range(len(kinds.constants))]
        given += [f"{name}_pack.v[k]" for name, _ in out]
        given += [f"s{i}" for i, _ in self.closed()]
        lines += [
            "    #pragma unroll",
            f"    for (int k = 0; k < {pack}; ++k) @_entry({', '.join(given)});",
        ]
        lines += [f"    ((nd_pack<{TYPES[d]}, {pack}>*){name})[i] = {name}_pack;" for name, d in out]
        return [*lines, "}"]

    def rows(self) -> list[str]:
        """`width` threads to a row."""
        index, layout = self.index, self.layout
        mine = [(i, r) for i, r in self.closed() if layout.closes[i] == "row"]
        lines = self.opening()
        lines += [
            f"const {index} each = blockDim.x / width;",
            f"for ({index} top = ({index})blockIdx.x * each; top < rows; top += ({index})gridDim.x * each) {{",
            f"    const {index} row = top + threadIdx.x / width;",
        ]
        lines += [f"    {TYPES[r.dtype]} s{i} = {r.identity};" for i, r in mine]
        lines.append("    if (row < rows) {")
        lines += [f"        {line}" for line in self.coordinates(0, layout.outer, "row")]
        lines.append(f"        for ({index} column = threadIdx.x % width; column < columns; column += width) {{")
        inner = self.coordinates(layout.outer, len(layout.sizes), "column")
        inner += self.call_in_grid()
        lines += [f"            {line}" for line in inner]
        lines += ["        }", "    }"]
        for i, r in mine:
            lines.append(f"    s{i} = nd_over_group<{r.joins}>(s{i}, {_room(TYPES[r.dtype])}, width);")
            made = cast(f"s{i}", r.dtype, self.kinds.sums[i][1])
            lines.append(f"    if (threadIdx.x % width == 0 && row < rows) total{i}[row] = {made};")
        lines.append("}")
        return lines + self.closing("blockIdx.x", "gridDim.x")

    def columns(self) -> list[str]:
        """`width` neighbouring columns to a block, its threads down the rows, of which each blockIdx.y has a part."""
        index, layout = self.index, self.layout
        mine = [(i, r) for i, r in self.closed() if layout.closes[i] == "column"]
        lines = self.opening()
        lines += [f"{TYPES[r.dtype]} s{i} = {r.identity};" for i, r in mine]
        lines += [
            f"const {index} column = ({index})blockIdx.x * width + threadIdx.x % width, each = blockDim.x / width;",
            "if (column < columns) {",
        ]
        lines += [f"    {line}" for line in self.coordinates(layout.outer, len(layout.sizes), "column")]
        top = f"({index})blockIdx.y * each + threadIdx.x / width"
        lines.append(f"    for ({index} row = {top}; row < rows; row += ({index})gridDim.y * each) {{")
        inner = self.coordinates(0, layout.outer, "row")
        inner += self.call_in_grid()
        lines += [f"        {line}" for line in inner]
        lines += ["    }", "}", "const bool mine = threadIdx.x < width && column < columns;"]
        for i, r in mine:
            lines.append(f"s{i} = nd_down_columns<{r.joins}>(s{i}, {_room(TYPES[r.dtype])}, width);")
            lines.append(f"if (mine) shares{i}[({index})blockIdx.y * columns + column] = s{i};")
        lines.append("if (nd_is_last(done + 1 + blockIdx.x, gridDim.y) && mine) {")
        for i, r in mine:
            kind = TYPES[r.dtype]
            lines += [
                f"    s{i} = {r.identity};",
                "    for (unsigned b = 0; b < gridDim.y; ++b)",
                f"        s{i} = {r.joins}::of(s{i}, ({kind})((const volatile {kind}*)shares{i})"
                f"[({index})b * columns + column]);",
                f"    total{i}[column] = {cast(f's{i}', r.dtype, self.kinds.sums[i][1])};",
            ]
        lines.append("}")
        return lines + self.closing("blockIdx.y * gridDim.x + blockIdx.x", "gridDim.x * gridDim.y")


def _moving(steps: tuple[int, ...] | None) -> list[int]:
    """The axes along which a strided operand moves; none for a number, or for one that runs through all."""
    return [] if steps is None else [k for k, step in enumerate(steps) if step]


def _room(kind: str) -> str:
    """The name of the block's shared memory for values of a type."""
    return f"room_{kind.replace(' ', '_')}"
