"""NumPy's own functions on NDArrays: np.mean(x) is the operation `mean`, recorded and traced like any other.

A line of the tables is a function of NumPy, the operation that computes it, and NumPy's parameters in their order:

    name        goes to the operation's parameter of that name; `name:other` to another one
    +name       is honoured around the operation: dtype, out, initial, where
    -name       makes no difference, or is refused where it would

What is no single operation is composed below. A function that is in neither runs on the bare values, where no
derivative is lost by it, and gives NumPy's own result.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import zip_longest
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.ndarray import NDArray, plain
from ndgrad.ops import lookup
from ndgrad.tape import STATE

Call = Callable[..., Any]
MISSING: Any = getattr(np, "_NoValue", None)  # NumPy's default where None has a meaning

ROWS = """
all             all             a:x axis +out keepdims +where
any             any             a:x axis +out keepdims +where
sum             sum             a:x axis +dtype +out keepdims +initial +where
prod            prod            a:x axis +dtype +out keepdims +initial +where
nansum          nansum          a:x axis +dtype +out keepdims +initial +where
max             max             a:x axis +out keepdims +initial +where
min             min             a:x axis +out keepdims +initial +where
amax            max             a:x axis +out keepdims +initial +where
amin            min             a:x axis +out keepdims +initial +where
mean            mean            a:x axis +dtype +out keepdims -where
nanmean         nanmean         a:x axis +dtype +out keepdims -where
std             std             a:x axis +dtype +out ddof keepdims -where -mean correction:ddof
var             var             a:x axis +dtype +out ddof keepdims -where -mean correction:ddof
median          median          a:x axis +out -overwrite_input keepdims
quantile        quantile        a:x q axis +out -overwrite_input -method keepdims
argmax          argmax          a:x axis +out keepdims
argmin          argmin          a:x axis +out keepdims
count_nonzero   count_nonzero   a:x axis keepdims
trapezoid       trapezoid       y x dx axis
cumsum          cumsum          a:x axis +dtype +out
cumprod         cumprod         a:x axis +dtype +out
diff            diff            a:x n axis -prepend -append
sort            sort            a:x axis -kind -order -stable
argsort         argsort         a:x axis -kind -order -stable
searchsorted    searchsorted    a v side -sorter
isclose         isclose         a b rtol atol equal_nan
clip            clip            a:x a_min a_max +out min:a_min max:a_max
round           round           a:x decimals +out
around          round           a:x decimals +out
fix             trunc           x +out
sinc            sinc            x
reshape         reshape         a:x shape -order -copy newshape:shape
ravel           ravel           a:x -order
transpose       transpose       a:x axes
permute_dims    transpose       a:x axes
swapaxes        swapaxes        a:x axis1 axis2
moveaxis        moveaxis        a:x source destination
squeeze         squeeze         a:x axis
expand_dims     expand_dims     a:x axis
broadcast_to    broadcast_to    array:x shape -subok
repeat          repeat          a:x repeats axis
tile            tile            A:x reps
roll            roll            a:x shift axis
flip            flip            m:x axis
rot90           rot90           m:x k axes
tril            tril            m:x k
triu            triu            m:x k
diag            diag            v:x k
diagflat        diagflat        v:x k
diagonal        diagonal        a:x offset axis1 axis2
trace           trace           a:x offset axis1 axis2 +dtype +out
astype          astype          x dtype -copy -device
copy            positive        a:x -order -subok
stack           stack           arrays axis +out +dtype -casting
hstack          hstack          tup:arrays +dtype -casting
vstack          vstack          tup:arrays +dtype -casting
zeros_like      zeros_like      a:x +dtype -order -subok -shape
ones_like       ones_like       a:x +dtype -order -subok -shape
full_like       full_like       a:x fill_value +dtype -order -subok -shape
empty_like      zeros_like      prototype:x +dtype -order -subok -shape
nonzero         nonzero         a:x
flatnonzero     flatnonzero     a:x
take            take            a:x indices axis +out -mode
take_along_axis take_along_axis arr:x indices axis
split           split           ary:x indices_or_sections axis
dot             dot             a b +out
inner           inner           a b
outer           outer           a b +out
kron            kron            a b
cross           cross           a b -axisa -axisb -axisc axis
tensordot       tensordot       a b axes
convolve        convolve        a v mode
correlate       correlate       a v mode
"""

LINALG = """
cholesky        cholesky        a:x -upper
cross           cross           x1:a x2:b axis
det             det             a:x
eigh            eigh            a:x -UPLO
eigvalsh        eigvalsh        a:x -UPLO
inv             inv             a:x
matmul          matmul          x1:a x2:b
matrix_power    matrix_power    a:x n
norm            norm            x ord axis keepdims
outer           outer           x1:a x2:b
pinv            pinv            a:x -rcond -hermitian -rtol
qr              qr              a:x -mode
slogdet         slogdet         a:x
solve           solve           a b
svdvals         svdvals         x
tensordot       tensordot       x1:a x2:b axes
"""

# Parameters that only say how NumPy should go about it, and the values of others that ask for nothing.
INDIFFERENT = frozenset({"casting", "device", "kind", "optimize", "overwrite_input", "stable", "subok", "hermitian"})
HARMLESS: dict[str, tuple[Any, ...]] = {
    "UPLO": ("L", "U"),  # the two halves of a symmetric matrix are the same
    "axisa": (-1,),
    "axisb": (-1,),
    "axisc": (-1,),
    "copy": (True,),
    "method": ("linear",),
    "mode": ("reduced", "raise"),
    "order": ("C", "A", "K"),
    "upper": (False,),
    "where": (True,),
}
IDENTITIES: dict[str, Any] = {"sum": 0.0, "nansum": 0.0, "prod": 1.0, "all": True, "any": False}
COMBINING = {"sum": "add", "nansum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}
# Operations that NumPy computes in the dtype it is asked for; the result of others is converted.
WITHIN = frozenset({"sum", "prod", "nansum", "mean", "nanmean", "std", "var", "cumsum", "cumprod", "trace"})


def op(name: str) -> Call:
    """The call of an operation."""
    found = lookup(name)
    assert found is not None, name
    return found.call


def as_array(x: Any) -> NDArray:
    """An operand as an NDArray, of the dtype that NumPy gives it."""
    return x if isinstance(x, NDArray) else NDArray(np.asarray(x))


def is_neutral(name: str, value: Any) -> bool:
    """Whether an argument asks for nothing that would not be done anyway."""
    if name in INDIFFERENT or value is None or value is MISSING:
        return True
    return isinstance(value, (str, int)) and value in HARMLESS.get(name, ())


def refused(function: str, name: str) -> Exception:
    return problems.bad_argument(f"np.{function}", f"`{name}` cannot be given with arrays of ndgrad, or not this value")


class Row:
    """A function of NumPy that is one operation, as a call that takes NumPy's arguments."""

    def __init__(self, line: str) -> None:
        self.name, self.operation, *parameters = line.split()
        self.places: dict[str, tuple[str, str]] = {}
        for text in parameters:
            kind = text[0] if text[0] in "+-" else ""
            theirs, _, ours = text.lstrip("+-").partition(":")
            self.places[theirs] = kind, ours or theirs

    def __call__(self, *args: Any, **named: Any) -> Any:
        if len(args) > len(self.places):
            raise problems.wrong_call(f"np.{self.name}", f"takes {len(self.places)} arguments, not {len(args)}")
        passed: dict[str, Any] = {}
        around: dict[str, Any] = {}
        for name, value in (*zip(self.places, args, strict=False), *named.items()):
            kind, ours = self.places.get(name, ("-", name))
            if value is MISSING:
                continue
            if not kind:
                passed[ours] = value
            elif not is_neutral(name, value):
                if kind == "-":
                    raise refused(self.name, name)
                around[name] = value
        operand = next(ours for _, ours in self.places.values())
        dtype, initial, where = around.get("dtype"), around.get("initial"), around.get("where")
        if where is not None:
            identity = IDENTITIES.get(self.operation, initial)
            if identity is None:
                raise refused(self.name, "where")
            passed[operand] = op("where")(where, passed[operand], identity)
        if dtype is not None and self.operation in WITHIN:
            passed[operand] = as_array(passed[operand]).astype(dtype)
        made = op(self.operation)(**passed)
        if initial is not None:
            made = op(COMBINING[self.operation])(made, initial)
        return into(self.name, around.get("out"), made if dtype is None else cast(made, dtype))


def cast(x: Any, dtype: Any) -> Any:
    return x if x.dtype == np.dtype(dtype) else x.astype(dtype)


def into(function: str, out: Any, made: Any) -> Any:
    """`made`, written into `out` where there is one. E406 for a NumPy array, which could not keep the history."""
    if out is None:
        return made
    if isinstance(out, NDArray):
        out[...] = made
        return out
    if is_followed(made):
        reason = "a NumPy array given as `out` cannot carry it; give an NDArray, or x.detach()"
        raise problems.not_differentiable(f"np.{function}", reason)
    out[...] = np.asarray(plain(made))
    return out


# Functions that are composed of operations


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        return op("nonzero")(condition)
    chosen = condition if getattr(condition, "dtype", None) == np.bool_ else op("not_equal")(as_array(condition), 0)
    return op("where")(chosen, x, y)


def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return into("ptp", out, op("max")(a, axis, keepdims) - op("min")(a, axis, keepdims))


def percentile(a: Any, q: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    return into("percentile", out, op("quantile")(a, np.asarray(plain(q)) / 100, axis, keepdims))


def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    x = as_array(a)
    if weights is None:
        w = op("ones_like")(x)
    else:
        w = as_array(weights)
        if w.shape != x.shape:
            if w.ndim != 1 or not isinstance(axis, (int, np.integer)) or w.shape[0] != x.shape[axis]:
                raise problems.does_not_fit("np.average", "the weights do not fit the array", (x.shape, w.shape))
            w = op("reshape")(w, tuple(w.size if i == axis % x.ndim else 1 for i in range(x.ndim)))
        w = op("broadcast_to")(w, x.shape)
    total = op("sum")(w, axis, keepdims)
    mean = op("sum")(x * w, axis, keepdims) / total
    return (mean, total) if returned else mean


def without_nan(name: str, filling: float) -> Call:
    """A running operation or a product that takes `filling` for nan."""

    def call(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, **named: Any) -> Any:
        x = as_array(a) if dtype is None else as_array(a).astype(dtype)
        return into(f"nan{name}", out, op(name)(op("where")(op("isnan")(x), filling, x), axis, **named))

    return call


def nan_extreme(name: str, filling: float) -> Call:
    def call(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        x = as_array(a)
        nowhere = op("isnan")(x)
        made = op(name)(op("where")(nowhere, filling, x), axis, keepdims)
        return into(f"nan{name}", out, op("where")(op("all")(nowhere, axis, keepdims), np.nan, made))

    return call


def nanvar(a: Any, axis: Any = None, out: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    x = as_array(a)
    nowhere = op("isnan")(x)
    away = op("where")(nowhere, 0.0, x - op("nanmean")(x, axis, True))
    count = op("sum")(op("where")(nowhere, 0.0, op("ones_like")(x)), axis, keepdims)
    return into("nanvar", out, op("sum")(away * away, axis, keepdims) / (count - ddof))


def nanstd(a: Any, axis: Any = None, out: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    return into("nanstd", out, op("sqrt")(nanvar(a, axis, None, ddof, keepdims)))


def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    x = as_array(x)
    limits = np.finfo(x.dtype) if x.dtype.kind == "f" else None
    if limits is None:
        return op("positive")(x)
    high, low = float(limits.max) if posinf is None else posinf, float(limits.min) if neginf is None else neginf
    x = op("where")(op("isnan")(x), nan, x)
    return op("where")(op("equal")(x, np.inf), high, op("where")(op("equal")(x, -np.inf), low, x))


def concatenate(arrays: Any, axis: int | None = 0, out: Any = None, dtype: Any = None) -> Any:
    if axis is None:
        arrays, axis = [op("ravel")(as_array(x)) for x in arrays], 0
    made = op("concatenate")(arrays, axis)
    return into("concatenate", out, made if dtype is None else cast(made, dtype))


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    return concatenate([as_array(arr), as_array(values)], axis)


def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    x = op("ravel")(as_array(arr)) if axis is None else as_array(arr)
    at = axis or 0
    from ndgrad.ops.indexing import plain_key

    return op("take")(x, np.delete(np.arange(x.shape[at]), plain_key(obj)), at)


def compress(condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Any:
    x = op("ravel")(as_array(a)) if axis is None else as_array(a)
    return into("compress", out, op("take")(x, np.flatnonzero(np.asarray(plain(condition))), axis or 0))


def extract(condition: Any, arr: Any) -> Any:
    return compress(np.ravel(plain(condition)), arr)


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    x = as_array(ary)
    if isinstance(indices_or_sections, (int, np.integer)):
        each, more = divmod(x.shape[axis], int(indices_or_sections))
        sizes = [each + 1] * more + [each] * (int(indices_or_sections) - more)
        indices_or_sections = [int(n) for n in np.cumsum(sizes)[:-1]]
    return op("split")(x, indices_or_sections, axis)


def split_along(axis: int) -> Call:
    def call(ary: Any, indices_or_sections: Any) -> Any:
        x = as_array(ary)
        return op("split")(x, indices_or_sections, 0 if axis == 1 and x.ndim == 1 else axis)

    return call


def column_stack(tup: Any) -> Any:
    columns = [as_array(x) for x in tup]
    return op("concatenate")([x if x.ndim > 1 else op("reshape")(x, (-1, 1)) for x in columns], 1)


def dstack(tup: Any) -> Any:
    return op("concatenate")([op("atleast_3d")(as_array(x)) for x in tup], 2)


def at_least(name: str) -> Call:
    def call(*arys: Any) -> Any:
        made = tuple(op(name)(as_array(x)) for x in arys)
        return made[0] if len(made) == 1 else made

    return call


def broadcast_arrays(*args: Any) -> Any:
    arrays = [as_array(x) for x in args]
    try:
        shape = np.broadcast_shapes(*(x.shape for x in arrays))
    except ValueError:
        raise problems.shapes_do_not_broadcast("np.broadcast_arrays", tuple(x.shape for x in arrays)) from None
    return tuple(op("broadcast_to")(x, shape) for x in arrays)


def unstack(x: Any, *, axis: int = 0) -> Any:
    first = op("moveaxis")(x, axis, 0)
    return tuple(first[i] for i in range(first.shape[0]))


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    n = as_array(a).ndim
    axis, start = axis % n, start + n if start < 0 else start
    return op("moveaxis")(a, axis, start - (axis < start))


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    parts = [to_begin, op("diff")(op("ravel")(as_array(ary))), to_end]
    return op("concatenate")([op("ravel")(as_array(x)) for x in parts if x is not None])


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = MISSING, append: Any = MISSING) -> Any:
    x = as_array(a)
    if prepend is MISSING and append is MISSING:
        return op("diff")(x, n, axis)
    edge = tuple(1 if i == axis % x.ndim else size for i, size in enumerate(x.shape))
    ends = [as_array(e) if e is not MISSING else None for e in (prepend, append)]
    before, after = (None if e is None else e if e.ndim else op("broadcast_to")(e, edge) for e in ends)
    return op("diff")(op("concatenate")([e for e in (before, x, after) if e is not None], axis), n, axis)


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    made = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        made = where(condition, choice, made)
    return made


def running(name: str) -> Call:
    def call(x: Any, *, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        x = as_array(x) if dtype is None else as_array(x).astype(dtype)
        if axis is None and x.ndim != 1:
            raise problems.bad_argument(f"np.{name}", "`axis` is needed for an array with several axes")
        return into(name, out, op(name)(x, 0 if axis is None else axis))

    return call


def meshgrid(*xi: Any, sparse: bool = False, indexing: str = "xy") -> Any:
    if sparse:
        raise refused("meshgrid", "sparse")
    return op("meshgrid")(*xi, indexing=indexing)


def polyval(p: Any, x: Any) -> Any:
    coefficients = as_array(p)
    made: Any = op("zeros_like")(as_array(x))
    for i in range(coefficients.shape[0]):
        made = made * x + coefficients[i]
    return made


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    x = as_array(x)
    powers = range(x.shape[0] if N is None else N)
    return op("stack")([op("power")(x, k) for k in (powers if increasing else reversed(powers))], 1)


def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Any:
    rows = []
    for part in (m, y):
        if part is not None:
            part = op("atleast_2d")(as_array(part))
            rows.append(part if rowvar or part.shape[0] == 1 else op("transpose")(part))
    x = op("concatenate")(rows, 0)
    away = x - op("mean")(x, 1, True)
    less = ddof if ddof is not None else 0 if bias else 1
    return op("squeeze")(op("matmul")(away, op("transpose")(away)) / (x.shape[1] - less))


def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    c = cov(x, y, rowvar)
    if not c.shape:
        return c / c
    scale = op("sqrt")(op("diagonal")(c))
    return op("clip")(c / op("outer")(scale, scale), -1.0, 1.0)


def pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0.0) -> Any:
    return op("pad")(array, pad_width, mode, constant_values)


def unique(ar: Any) -> Any:
    return op("unique")(ar)


def real_if_close(a: Any, tol: float = 100) -> Any:
    return a


def copyto(dst: Any, src: Any, where: Any = True) -> None:
    if not isinstance(dst, NDArray):
        into("copyto", dst, op("broadcast_to")(as_array(src), dst.shape) if where is True else src)
    elif where is True:
        dst[...] = src
    else:
        dst[...] = op("where")(where, src, dst)


def linalg_diagonal(x: Any, offset: int = 0) -> Any:
    return op("diagonal")(x, offset, -2, -1)


def linalg_trace(x: Any, offset: int = 0) -> Any:
    return op("trace")(x, offset, -2, -1)


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    return op("svd")(a, full_matrices) if compute_uv else op("svdvals")(a)


def matrix_norm(x: Any, keepdims: bool = False, ord: Any = "fro") -> Any:
    return op("norm")(x, ord, (-2, -1), keepdims)


def vector_norm(x: Any, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    return op("norm")(op("ravel")(x), ord) if axis is None and not keepdims else op("norm")(x, ord, axis, keepdims)


def lstsq(a: Any, b: Any) -> Any:
    """The solution, the sums of squares that are left, the rank and the singular values, as NumPy gives them."""
    a, b = as_array(a), as_array(b)
    x, sizes = op("lstsq")(a, b), op("svdvals")(a)
    left = op("matmul")(a, x) - b
    rank = int(np.linalg.matrix_rank(np.asarray(plain(a))))
    squares = op("sum")(left * left, 0)
    full = rank == a.shape[1] < a.shape[0]
    return x, op("atleast_1d")(squares) if full else NDArray(np.zeros(0, x.dtype)), rank, sizes


def cond(x: Any) -> Any:
    sizes = op("svdvals")(x)
    return sizes[..., 0] / sizes[..., -1]


COMPOSED: dict[str, Call] = {
    "where": where, "ptp": ptp, "percentile": percentile, "average": average,
    "nanprod": without_nan("prod", 1.0), "nancumsum": without_nan("cumsum", 0.0),
    "nancumprod": without_nan("cumprod", 1.0), "nanmax": nan_extreme("max", -np.inf),
    "nanmin": nan_extreme("min", np.inf), "nanvar": nanvar, "nanstd": nanstd, "nan_to_num": nan_to_num,
    "append": append, "delete": delete, "compress": compress, "extract": extract, "array_split": array_split,
    "vsplit": split_along(0), "hsplit": split_along(1), "dsplit": split_along(2), "column_stack": column_stack,
    "dstack": dstack, "broadcast_arrays": broadcast_arrays, "unstack": unstack, "rollaxis": rollaxis,
    "ediff1d": ediff1d, "diff": diff, "select": select, "cumulative_sum": running("cumsum"),
    "cumulative_prod": running("cumprod"), "meshgrid": meshgrid, "polyval": polyval, "vander": vander, "cov": cov,
    "corrcoef": corrcoef, "pad": pad, "unique": unique, "unique_values": unique, "real_if_close": real_if_close,
    "copyto": copyto,
    "concatenate": concatenate,
    "concat": concatenate,
    **{name: at_least(name) for name in ("atleast_1d", "atleast_2d", "atleast_3d")},
    "fliplr": lambda m: op("flip")(m, 1),
    "flipud": lambda m: op("flip")(m, 0),
    "real": lambda val: val,
    "imag": lambda val: op("zeros_like")(val),
    "matrix_transpose": lambda x: op("swapaxes")(x, -1, -2),
    "vdot": lambda a, b: op("dot")(op("ravel")(as_array(a)), op("ravel")(as_array(b))),
    "einsum": lambda *operands: op("einsum")(*operands),
    "union1d": lambda ar1, ar2: op("unique")(append(ar1, ar2)),
    "linspace": lambda start, stop, num=50, endpoint=True, axis=0: linspace(start, stop, num, endpoint, axis),
    # What these give is no array.
    "shape": lambda a: a.shape,
    "ndim": lambda a: a.ndim,
    "size": lambda a, axis=None: a.size if axis is None else a.shape[axis],
}  # fmt: skip

COMPOSED_LINALG: dict[str, Call] = {
    "diagonal": linalg_diagonal,
    "trace": linalg_trace,
    "svd": svd,
    "matrix_norm": matrix_norm,
    "vector_norm": vector_norm,
    "lstsq": lstsq,
    "cond": cond,
    "matrix_transpose": COMPOSED["matrix_transpose"],
    "multi_dot": lambda arrays: reduce(op("matmul"), arrays),
    "vecdot": lambda x1, x2, axis=-1: op("sum")(as_array(x1) * x2, axis),
}


def linspace(start: Any, stop: Any, num: int, endpoint: bool, axis: int) -> Any:
    a, b = as_array(start), as_array(stop)
    if axis:
        raise refused("linspace", "axis")
    steps = np.linspace(0.0, 1.0, num, endpoint).reshape(-1, *(1,) * max(a.ndim, b.ndim))
    return a + (b - a) * steps


# Ufuncs

SAME_UFUNCS = {
    "absolute": "abs", "fabs": "abs", "true_divide": "divide", "remainder": "mod", "rint": "round",
    "conjugate": "positive",
}  # fmt: skip

UFUNCS: dict[str, Call] = {
    "degrees": lambda x: as_array(x) * (180 / np.pi),
    "rad2deg": lambda x: as_array(x) * (180 / np.pi),
    "radians": lambda x: as_array(x) * (np.pi / 180),
    "deg2rad": lambda x: as_array(x) * (np.pi / 180),
    "float_power": lambda a, b: op("power")(as_array(a).astype("float64"), as_array(b).astype("float64")),
    "fmax": lambda a, b: first_without_nan("maximum", a, b),
    "fmin": lambda a, b: first_without_nan("minimum", a, b),
    "fmod": lambda a, b: op("copysign")(op("mod")(op("abs")(a), op("abs")(b)), a),
    "divmod": lambda a, b: (op("floor_divide")(a, b), op("mod")(a, b)),
    "modf": lambda x: (x - op("trunc")(x), op("trunc")(x)),
    "heaviside": lambda a, b: op("where")(op("equal")(a, 0), b, op("where")(op("isnan")(a), a, op("greater")(a, 0))),
    "logaddexp2": lambda a, b: op("logaddexp")(as_array(a) * np.log(2), as_array(b) * np.log(2)) * (1 / np.log(2)),
    "logical_xor": lambda a, b: op("not_equal")(op("not_equal")(a, 0), op("not_equal")(b, 0)),
    "vecdot": lambda a, b: op("sum")(as_array(a) * b, -1),
    "matvec": lambda a, b: op("matmul")(a, op("expand_dims")(b, -1))[..., 0],
    "vecmat": lambda a, b: op("matmul")(op("expand_dims")(a, -2), b)[..., 0, :],
}

REDUCTIONS = {
    "add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all", "logical_or": "any",
}  # fmt: skip
ACCUMULATIONS = {"add": "cumsum", "multiply": "cumprod", "maximum": "cummax", "minimum": "cummin"}


def first_without_nan(name: str, a: Any, b: Any) -> Any:
    """The larger or the smaller of two, or the one that is a number."""
    a, b = as_array(a), as_array(b)
    return op("where")(op("isnan")(a), b, op("where")(op("isnan")(b), a, op(name)(a, b)))


def apply_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """What NumPy asks for an NDArray among the inputs of a ufunc. Errors: those of the operation, E307, E406."""
    name = ufunc.__name__
    outs = named.pop("out", None) or ()
    if method in ("reduce", "accumulate"):
        table = REDUCTIONS if method == "reduce" else ACCUMULATIONS
        if name in table:
            axis = named.pop("axis", 0)
            return reduced(
                f"{name}.{method}", table[name], inputs, {"axis": axis, "out": outs[0] if outs else None, **named}
            )
    call = call_of(name) if method in ("__call__", "outer") else None
    if call is None:
        if method == "at" or outs:
            raise problems.bad_argument(f"np.{name}", "NumPy cannot write into arrays of ndgrad; x[key] = value can")
        return on_values(f"{name}.{method}" if method != "__call__" else name, getattr(ufunc, method), inputs, named)
    dtype = named.pop("dtype", None)
    for key, value in named.items():
        if not is_neutral(key, value):
            raise refused(name, key)
    if method == "outer":
        a, b = map(as_array, inputs)
        inputs = op("reshape")(a, (*a.shape, *(1,) * b.ndim)), b
    if dtype is not None and np.dtype(dtype).kind == "f":
        inputs = tuple(as_array(x).astype(dtype) for x in inputs)
    made = call(*inputs)
    if isinstance(made, tuple):
        return tuple(into(name, out, y) for out, y in zip_longest(outs, made))
    return into(name, outs[0] if outs else None, made if dtype is None else cast(made, dtype))


def call_of(ufunc: str) -> Call | None:
    found = UFUNCS.get(ufunc)
    if found is None:
        primitive = lookup(SAME_UFUNCS.get(ufunc, ufunc))
        found = None if primitive is None or primitive.internal else primitive.call
    return found


def reduced(shown: str, name: str, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    row = ROW.get(name)
    if row is not None:
        return row(*inputs, **named)
    axis, out = named.pop("axis"), named.pop("out")
    made = op(name)(inputs[0], axis) if name == "cummax" else op("negative")(op("cummax")(-inputs[0], axis))
    for key, value in named.items():
        if not is_neutral(key, value):
            raise refused(shown, key)
    return into(shown, out, made)


# All other functions

ROW = {row.name: row for row in map(Row, ROWS.strip().splitlines())}


def table() -> dict[Any, Call]:
    """The functions of NumPy that are operations here."""
    found: dict[Any, Call] = {}
    linear: dict[str, Call] = {row.name: row for row in map(Row, LINALG.strip().splitlines())}
    here: dict[str, Call] = {**ROW, **COMPOSED}
    for home, calls in ((np, here), (np.linalg, {**linear, **COMPOSED_LINALG})):
        for name, call in calls.items():
            function = getattr(home, name, None)  # not every version of NumPy has each
            if function is not None:
                found[function] = call
    return found


TABLE = table()
WRITING = frozenset({"fill_diagonal", "place", "put", "put_along_axis", "putmask"})


def apply_function(function: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """What NumPy asks for an NDArray among the arguments of a function. Errors: the operation's, E307, E406."""
    call = TABLE.get(function)
    name = getattr(function, "__name__", "function")
    if call is None:
        if (name in WRITING and args and isinstance(args[0], NDArray)) or isinstance(named.get("out"), NDArray):
            raise problems.bad_argument(f"np.{name}", "NumPy cannot write into arrays of ndgrad; x[key] = value can")
        return on_values(name, function, args, named)
    if isinstance(call, Row):
        return call(*args, **named)
    code = call.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    wanted = {key: value for key, value in named.items() if key in known or not is_neutral(key, value)}
    wanted = {key: value for key, value in wanted.items() if value is not MISSING}
    odd = next((key for key in wanted if key not in known), None)
    if odd is not None:
        if any(map(is_followed, flat((args, named)))) or name in ("einsum", "meshgrid"):
            raise refused(name, odd)
        return on_values(name, function, args, named)
    if len(args) > code.co_argcount and not code.co_flags & 4:
        raise refused(name, "so many arguments in a row")
    return call(*args, **wanted)


def is_followed(x: Any) -> bool:
    """Whether what is computed from x has a derivative that someone waits for."""
    if not isinstance(x, NDArray):
        return False
    if x.traced:
        return True
    node = x.node
    return (
        node is not None and STATE.recording is not False and bool(STATE.recording or (node.marked and node.implicit))
    )


def on_values(name: str, function: Call, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """NumPy's result for the bare values. E406 where that would lose a derivative, or mix the examples of a batch."""
    arrays = [x for x in flat((args, named)) if isinstance(x, NDArray)]
    made = function(*map(bare, args), **{key: bare(value) for key, value in named.items()})
    mixed = any(x.traced and x.shape != np.shape(plain(x)) for x in arrays)
    if mixed or (any(map(is_followed, arrays)) and any(map(has_digits, flat(made)))):
        reason = "there is no such operation; x.detach() goes on without a derivative"
        raise problems.not_differentiable(f"np.{name}", reason)
    return made


def flat(values: Any) -> list[Any]:
    """The things in nested tuples, lists and dictionaries."""
    if isinstance(values, dict):
        values = tuple(values.values())
    if not isinstance(values, (tuple, list)):
        return [values]
    return [x for value in values for x in flat(value)]


def bare(value: Any) -> Any:
    """An argument with NumPy's arrays in the place of NDArrays."""
    if isinstance(value, NDArray):
        return np.asarray(plain(value))
    if type(value) in (tuple, list):
        return type(value)(map(bare, value))
    return value


def has_digits(x: Any) -> bool:
    return isinstance(x, (float, complex)) or getattr(getattr(x, "dtype", None), "kind", "") in ("f", "c")
