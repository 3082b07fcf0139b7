"""What tests of array programs need: MXNet's `mx.test_utils`.

assert_almost_equal(a, b)          arrays that agree, with a report of where they do not
check_numeric_gradient(y, [x])     gradients against central differences, for a symbol or a function
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ndgrad import autograd
from ndgrad.context import Context, current_context
from ndgrad.ndarray import NDArray, array, new_array, plain
from ndgrad.ops.random import generator

__all__ = [
    "almost_equal",
    "assert_almost_equal",
    "assert_exception",
    "check_numeric_gradient",
    "check_symbolic_backward",
    "check_symbolic_forward",
    "default_context",
    "numeric_grad",
    "rand_ndarray",
    "rand_shape_2d",
    "rand_shape_3d",
    "rand_shape_nd",
    "random_arrays",
    "same",
    "simple_forward",
]

_TOLERANCE = {"float16": (1e-2, 1e-3), "float32": (1e-4, 1e-6), "float64": (1e-6, 1e-12)}


def default_context() -> Context:
    """The device that tests run on: the current context."""
    return current_context()


def _values(x: Any) -> npt.NDArray[Any]:
    return np.asarray(plain(x))


def _tolerances(a: Any, b: Any, rtol: float | None, atol: float | None) -> tuple[float, float]:
    """Those given, else what the less exact of two dtypes allows."""
    found = [_TOLERANCE[x.dtype.name] for x in (a, b) if x.dtype.name in _TOLERANCE] or [(0.0, 0.0)]
    return (max(r for r, _ in found) if rtol is None else rtol), (max(t for _, t in found) if atol is None else atol)


def same(a: Any, b: Any) -> bool:
    """Whether two arrays have the same shape and entries."""
    return bool(np.array_equal(_values(a), _values(b)))


def almost_equal(a: Any, b: Any, rtol: float | None = None, atol: float | None = None, equal_nan: bool = False) -> bool:
    """Whether |a - b| ≤ atol + rtol·|b| in every entry; tolerances follow the dtypes unless given."""
    x, y = _values(a), _values(b)
    r, t = _tolerances(x, y, rtol, atol)
    return x.shape == y.shape and bool(np.allclose(x, y, r, t, equal_nan))


def assert_almost_equal(
    a: Any,
    b: Any,
    rtol: float | None = None,
    atol: float | None = None,
    names: tuple[str, str] = ("a", "b"),
    equal_nan: bool = False,
) -> None:
    """AssertionError, with the worst entry and its place, unless `almost_equal`."""
    x, y = _values(a), _values(b)
    r, t = _tolerances(x, y, rtol, atol)
    if x.shape != y.shape:
        raise AssertionError(f"{names[0]} has shape {x.shape}, {names[1]} has shape {y.shape}")
    if almost_equal(x, y, r, t, equal_nan):
        return
    with np.errstate(all="ignore"):
        excess = np.abs(x.astype(float) - y.astype(float)) / (t + r * np.abs(y.astype(float)) + 1e-300)
    excess = np.where(np.isnan(excess), np.inf, excess)
    if equal_nan:
        excess = np.where(np.isnan(x) & np.isnan(y), 0.0, excess)
    at = np.unravel_index(int(np.argmax(excess)), excess.shape)
    wrong = int(np.count_nonzero(excess > 1))
    place = f"[{', '.join(map(str, at))}]" if at else ""
    raise AssertionError(
        f"{wrong} of {x.size} entries differ by more than rtol={r:g}, atol={t:g}; "
        f"the worst: {names[0]}{place} = {x[at]!r}, {names[1]}{place} = {y[at]!r}"
    )


def assert_exception(
    function: Callable[..., Any], exception_type: type[BaseException], *args: Any, **named: Any
) -> None:
    """AssertionError unless the call raises an exception of this type."""
    try:
        function(*args, **named)
    except exception_type:
        return
    raise AssertionError(f"{exception_type.__name__} was not raised")


def rand_shape_2d(dim0: int = 10, dim1: int = 10) -> tuple[int, int]:
    """Two random sizes, from 1 to those given."""
    return _shape((dim0, dim1))  # type: ignore[return-value]


def rand_shape_3d(dim0: int = 10, dim1: int = 10, dim2: int = 10) -> tuple[int, int, int]:
    """Three random sizes, from 1 to those given."""
    return _shape((dim0, dim1, dim2))  # type: ignore[return-value]


def rand_shape_nd(num_dim: int, dim: int = 10) -> tuple[int, ...]:
    """So many random sizes, from 1 to `dim`."""
    return _shape((dim,) * num_dim)


def _shape(most: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(generator().integers(1, n + 1)) for n in most)


def rand_ndarray(
    shape: tuple[int, ...], stype: str = "default", density: float | None = None, dtype: Any = None, ctx: Any = None
) -> NDArray:
    """An array of entries from [-1, 1), of the given dtype or float32. There are dense arrays only."""
    if stype != "default":
        from ndgrad import problems

        raise problems.bad_argument("rand_ndarray", f"there are dense arrays only, not stype={stype!r}")
    return new_array(generator().uniform(-1.0, 1.0, shape).astype(dtype or np.float32))


def random_arrays(*shapes: tuple[int, ...]) -> Any:
    """NumPy arrays of normally distributed numbers, one for each shape; one array for one shape."""
    made = [np.asarray(generator().standard_normal(s), dtype=np.float32) for s in shapes]
    return made[0] if len(made) == 1 else made


def numeric_grad(f: Callable[..., Any], arrays: Sequence[npt.NDArray[Any]], eps: float = 1e-4) -> list[Any]:
    """The gradient of f(*arrays), a number, by central differences: one array for each, in float64."""
    points = [np.array(a, dtype=np.float64) for a in arrays]
    made = []
    for x in points:
        g = np.zeros(x.shape)
        for at in np.ndindex(x.shape):
            middle = x[at]
            x[at] = middle + eps / 2
            above = float(f(*points))
            x[at] = middle - eps / 2
            g[at] = (above - float(f(*points))) / eps
            x[at] = middle
        made.append(g)
    return made


def check_numeric_gradient(
    sym: Any,
    location: Any,
    aux_states: Any = None,
    numeric_eps: float = 1e-4,
    rtol: float = 1e-2,
    atol: float | None = None,
    grad_nodes: Sequence[str] | None = None,
    use_forward_train: bool = True,
    ctx: Any = None,
    dtype: Any = np.float64,
) -> None:
    """AssertionError unless the gradients agree with central differences.

    sym         a Symbol, or a function of arrays
    location    its arrays: in order, or by name for a symbol
    grad_nodes  the names to check by, all float arguments unless given
    Outputs are weighed with random numbers, so that every entry of each counts. It is done in `dtype`.
    """
    from ndgrad.symbol.symbol import Symbol

    if isinstance(sym, Symbol):
        names = sym.list_arguments()
        given = dict(location) if isinstance(location, Mapping) else dict(zip(names, location, strict=True))
        states = _named(aux_states, sym.list_auxiliary_states())
        chosen = [n for n in names if n in (grad_nodes or names) and _values(given[n]).dtype.kind == "f"]
        fixed = {n: array(x) for n, x in given.items() if n not in chosen}

        def run(*arrays: NDArray) -> list[NDArray]:
            from ndgrad.symbol.evaluation import run_nodes

            again = {n: array(_values(x)) for n, x in states.items()}
            found: list[NDArray] = run_nodes(sym._outputs, {**fixed, **again, **dict(zip(chosen, arrays, strict=True))})
            return found

        points = [_values(given[n]).astype(dtype) for n in chosen]
    else:
        chosen = [f"argument {i}" for i in range(len(location))]
        points = [_values(x).astype(dtype) for x in location]

        def run(*arrays: NDArray) -> list[NDArray]:
            y = sym(*arrays)
            return list(y) if isinstance(y, (tuple, list)) else [y]

    draws = generator().bit_generator.state
    with autograd.pause(use_forward_train):
        weights = [generator().uniform(0.5, 1.5, y.shape) for y in run(*map(new_array, points))]
    leaves = [new_array(x.copy()) for x in points]
    for leaf in leaves:
        leaf.attach_grad()
    generator().bit_generator.state = draws
    with autograd.record(use_forward_train):
        ys = run(*leaves)
    autograd.backward(ys, [new_array(w.astype(y.dtype)) for w, y in zip(weights, ys, strict=True)])

    def value(*arrays: Any) -> float:
        generator().bit_generator.state = draws
        with autograd.pause(use_forward_train):
            made = run(*(new_array(x.astype(dtype)) for x in arrays))
        return float(sum(np.sum(_values(y) * w) for y, w in zip(made, weights, strict=True)))

    for name, leaf, wanted in zip(chosen, leaves, numeric_grad(value, points, numeric_eps), strict=True):
        found = _values(leaf.grad)
        assert_almost_equal(found, wanted, rtol, 1e-4 if atol is None else atol, (f"gradient by {name}", "differences"))


def _named(values: Any, names: Sequence[str]) -> dict[str, Any]:
    if values is None:
        return {}
    return dict(values) if isinstance(values, Mapping) else dict(zip(names, values, strict=True))


def simple_forward(sym: Any, ctx: Any = None, is_train: bool = False, **inputs: Any) -> Any:
    """The outputs of a symbol as NumPy arrays; one array for one output."""
    run = sym.bind(ctx, {name: array(x) for name, x in inputs.items()}, grad_req="null")
    outputs = [y.asnumpy() for y in run.forward(is_train=is_train)]
    return outputs[0] if len(outputs) == 1 else outputs


def check_symbolic_forward(
    sym: Any,
    location: Any,
    expected: Sequence[Any] | Mapping[str, Any],
    rtol: float | None = None,
    atol: float | None = None,
    aux_states: Any = None,
    ctx: Any = None,
) -> list[NDArray]:
    """AssertionError unless the outputs for `location` are `expected` (in order, or by name). Returns the outputs."""
    args = _named(location, sym.list_arguments())
    run = sym.bind(ctx, {n: array(x) for n, x in args.items()}, grad_req="null", aux_states=aux_states)
    outputs: list[NDArray] = run.forward()
    wanted = [expected[n] for n in sym.list_outputs()] if isinstance(expected, Mapping) else expected
    for name, y, w in zip(sym.list_outputs(), outputs, wanted, strict=True):
        assert_almost_equal(y, w, rtol, atol, (name, "expected"))
    return outputs


def check_symbolic_backward(
    sym: Any,
    location: Any,
    out_grads: Any,
    expected: Sequence[Any] | Mapping[str, Any],
    rtol: float | None = None,
    atol: float | None = None,
    aux_states: Any = None,
    grad_req: Any = "write",
    ctx: Any = None,
) -> dict[str, NDArray]:
    """AssertionError unless the gradients for `out_grads` are `expected` (in order, or by name). Returns them."""
    args = {n: array(x) for n, x in _named(location, sym.list_arguments()).items()}
    grads = {n: array(np.zeros(x.shape, x.dtype)) for n, x in args.items() if x.dtype.kind == "f"}
    run = sym.bind(ctx, args, grads, grad_req, aux_states)
    run.forward(is_train=True)
    run.backward(out_grads)
    for name, w in _named(expected, sym.list_arguments()).items():
        if w is not None:
            assert_almost_equal(run.grad_dict[name], w, rtol, atol, (f"gradient by {name}", "expected"))
    return {name: g for name, g in run.grad_dict.items() if g is not None}
