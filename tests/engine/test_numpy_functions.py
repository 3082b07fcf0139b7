"""NumPy's functions on NDArrays give what they give on arrays, recorded: values, and slopes by differences.

Each line is run twice, with NumPy's arrays and with NDArrays in the place of the capital letters.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import ndgrad
from ndgrad import autograd, dispatch, nd
from ndgrad.errors import Error
from ndgrad.ndarray import NDArray
from ndgrad.ops import find, names

KNOWN: dict[str, Any] = {
    "V": np.array([0.7, -1.3, 2.1]),
    "P": np.array([0.5, 1.5, 2.6]),
    "U": np.array([0.3, -0.4, 0.6]),
    "C": np.array([1.3, 2.2, 1.7]),
    "M": np.array([[0.3, -1.2, 2.3], [1.1, 0.6, -0.7]]),
    "N": np.array([[0.5, 1.9], [-0.8, 0.4], [1.4, -1.6]]),
    "S": np.array([[2.1, 0.4], [0.3, 1.6]]),
    "T": np.arange(8.0).reshape(2, 2, 2) / 3 + 0.2,
    "Z": np.array([[0.7, np.nan, 2.1], [np.nan, -1.5, 0.4]]),
}
HIDDEN = {"B": np.array([True, False, True]), "I": np.array([2, 0, 2])}

LINES = """
np.absolute(V); np.abs(V); np.fabs(V); np.sign(V); np.square(V); np.sqrt(P); np.cbrt(P); np.reciprocal(P)
np.negative(V); np.positive(V); np.exp(V); np.exp2(V); np.expm1(V); np.log(P); np.log2(P); np.log10(P); np.log1p(P)
np.sin(V); np.cos(V); np.tan(V); np.arcsin(U); np.arccos(U); np.arctan(V); np.sinh(V); np.cosh(V); np.tanh(V)
np.arcsinh(V); np.arccosh(C); np.arctanh(U); np.ceil(V); np.floor(V); np.trunc(V); np.rint(V); np.degrees(V)
np.rad2deg(V); np.radians(V); np.deg2rad(V); np.isnan(Z); np.isinf(V); np.isfinite(Z); np.logical_not(V)
np.conjugate(V); np.add(V, P); np.subtract(V, P); np.multiply(V, P); np.divide(V, P); np.true_divide(V, P)
np.power(P, V); np.float_power(P, V); np.floor_divide(V, P); np.mod(V, P); np.remainder(V, P); np.fmod(V, P)
np.maximum(V, P); np.minimum(V, P); np.fmax(Z, V); np.fmin(Z, V); np.hypot(V, P); np.arctan2(V, P); np.logaddexp(V, P)
np.matvec(M, V); np.logaddexp2(V, P); np.copysign(V, U); np.heaviside(V, 0.5); np.equal(V, P); np.not_equal(V, P)
np.greater(V, P); np.greater_equal(V, P); np.less(V, P); np.less_equal(V, P); np.logical_and(V, P); np.logical_or(V, P)
np.signbit(V); np.logical_xor(V, 0); np.matmul(M, N); np.divmod(V, P); np.modf(V); np.vecdot(M, V); np.vecmat(V, N)
np.gcd(I, 4); np.add(V, P, dtype=np.float64, casting="same_kind", order="K", subok=True, where=True)
np.exp(V, out=None); np.add.reduce(M); np.add.reduce(M, axis=1, keepdims=True); np.multiply.reduce(M, axis=None)
np.maximum.reduce(M, 1); np.minimum.reduce(M); np.logical_and.reduce(M); np.logical_or.reduce(M); np.add.accumulate(M)
np.multiply.accumulate(M, axis=1); np.maximum.accumulate(M, 1); np.minimum.accumulate(M); np.multiply.outer(V, P)
np.subtract.outer(V, M); np.all(M); np.all(M, axis=0, keepdims=True); np.any(M, axis=1); np.any(M, where=M > 0)
np.sum(M); np.sum(M, 0); np.sum(M, axis=1, dtype=None, out=None, keepdims=True)
np.sum(M, dtype=np.float64, initial=2.0); np.sum(I); np.sum(M, where=M > 0); np.prod(M)
np.prod(M, axis=(0, 1), initial=3.0); np.prod(M, 0, where=M > 0); np.nansum(Z, axis=0); np.nansum(Z, dtype="float64")
np.max(M); np.max(M, axis=1, keepdims=True, initial=1.0); np.min(M, 0); np.amax(M, 1); np.amin(M, axis=0)
np.max(M, initial=-3.0, where=M < 1); np.mean(M); np.mean(M, axis=0, dtype=None, out=None, keepdims=False)
np.nanmean(Z, axis=1); np.std(M, axis=1, ddof=1); np.std(M, dtype=None); np.var(M, 0, None, None, 1)
np.var(M, correction=1, keepdims=True); np.median(M, axis=0); np.median(M, overwrite_input=False)
np.quantile(M, 0.3, axis=1, method="linear"); np.quantile(M, [0.2, 0.6]); np.percentile(M, 30, axis=0)
np.percentile(M, [25.0, 75]); np.argmax(M, axis=1); np.argmin(M, 0, None); np.count_nonzero(M, axis=1)
np.trapezoid(V, dx=0.5); np.trapezoid(M, V); np.ptp(M); np.ptp(M, axis=1, keepdims=True); np.average(M)
np.average(M, axis=1, weights=P); np.average(V, weights=P, returned=True); np.average(M, 0, keepdims=True)
np.nanmax(Z, axis=0); np.nanmin(Z, 1); np.nanprod(Z, axis=0); np.nancumsum(Z, axis=1); np.nancumprod(Z)
np.nanvar(Z, axis=1, ddof=0); np.nanstd(Z); np.nanargmax(Z); np.nan_to_num(Z); np.nan_to_num(Z, nan=2.0, copy=True)
np.cumsum(M); np.cumsum(M, axis=1, dtype=None, out=None); np.cumprod(M, 0); np.cumulative_sum(M, axis=1)
np.cumulative_prod(V); np.diff(V); np.diff(M, n=2, axis=1); np.diff(M, axis=1, prepend=0, append=M); np.ediff1d(M)
np.ediff1d(V, to_end=9.0); np.sort(V); np.sort(M, axis=0, kind="stable"); np.sort(M, axis=None, stable=True)
np.argsort(M, axis=0, kind="mergesort"); np.argsort(V, kind=None, order=None); np.searchsorted(P, V, side="right")
np.allclose(V, P); np.isclose(V, V, rtol=1e-3, equal_nan=True); np.clip(V, -1, 1); np.clip(V, a_min=0.0, a_max=None)
np.clip(V, min=-1, max=1.5); np.round(V, 1); np.round(V, decimals=0, out=None); np.around(V); np.fix(V); np.sinc(V)
np.where(V > 0, V, P); np.where(V); np.where(I, V, 0.0); np.reshape(M, (3, 2)); np.reshape(M, -1, order="C")
np.ravel(M); np.ravel(M, order="K"); np.transpose(M); np.transpose(T, (2, 0, 1)); np.permute_dims(T, axes=(1, 0, 2))
np.swapaxes(T, 0, 2); np.moveaxis(T, 0, -1); np.squeeze(M[None]); np.squeeze(M[:, None], axis=1); np.expand_dims(V, 0)
np.broadcast_to(V, (2, 3)); np.repeat(V, 2); np.repeat(M, [1, 2], axis=0); np.tile(V, (2, 2)); np.roll(M, 1)
np.roll(M, 1, axis=1); np.flip(M); np.flip(M, 0); np.rot90(M); np.rot90(M, k=2, axes=(1, 0)); np.tril(S)
np.triu(S, k=1); np.fliplr(M); np.flipud(M); np.diag(V); np.diag(S, k=1); np.diagflat(V, 1); np.diagonal(M, offset=1)
np.diagonal(T, 0, 1, 2); np.trace(S); np.trace(T, axis1=0, axis2=2, dtype=None); np.astype(V, "float64"); np.copy(V)
np.copy(M, order="K"); np.concatenate([M, M]); np.concatenate((V, P), axis=0, out=None, dtype=None)
np.concatenate([M, S], 1, dtype="float64", casting="same_kind"); np.concatenate([M, V], axis=None); np.concat([V, U])
np.stack([V, P]); np.stack([V, P], axis=1); np.hstack([V, P]); np.hstack((M, S)); np.vstack([V, M])
np.column_stack([V, P]); np.column_stack([V, N]); np.dstack([V, P]); np.append(V, 3.0); np.append(M, M, axis=0)
np.delete(M, 1, axis=1); np.delete(V, [0, 2]); np.compress(B, M, axis=1); np.extract(V > 0, V); np.zeros_like(M)
np.ones_like(V, dtype="int64"); np.full_like(V, 3.0); np.empty_like(V).shape; np.nonzero(V); np.flatnonzero(V)
np.take(V, I); np.take(M, I, axis=1); np.take_along_axis(M, np.argsort(M, 1), 1)
np.take_along_axis(M, I[None], axis=1); np.split(M, 2); np.split(V, [1]); np.split(M, 3, axis=1); np.array_split(V, 2)
np.array_split(M, 2, axis=1); np.hsplit(M, 3); np.hsplit(V, [1, 2]); np.vsplit(M, 2); np.dsplit(T, 2); np.dot(M, V)
np.dot(V, P, out=None); np.inner(V, P); np.outer(V, P); np.vdot(M, M); np.kron(S, V); np.cross(V, P)
np.cross(V, P, axis=-1); np.tensordot(M, N, 1); np.tensordot(M, M, axes=((0, 1), (0, 1))); np.convolve(V, P)
np.convolve(V, P, mode="same"); np.correlate(V, P, "full"); np.einsum("ij,jk->ik", M, N)
np.einsum("ij,j", M, V, optimize=True); np.atleast_1d(V); np.atleast_2d(V, P); np.atleast_3d(M); np.unstack(M, axis=1)
np.broadcast_arrays(V, M); np.rollaxis(T, 2); np.rollaxis(T, 0, 3); np.matrix_transpose(M)
np.select([V > 1, V < 0], [V, P], 7.0); np.meshgrid(V, P); np.meshgrid(V, P, indexing="ij"); np.polyval(V, P)
np.polyval([1.0, 2.0], M); np.vander(V); np.vander(V, 2, increasing=True); np.cov(M); np.cov(V, P)
np.cov(N, rowvar=False, bias=True); np.corrcoef(M); np.pad(V, 1)
np.pad(M, ((1, 0), (0, 2)), mode="constant", constant_values=2.0); np.pad(V, 2, "edge"); np.unique(V)
np.unique(I, return_counts=True); np.union1d(V, P); np.real(V); np.imag(V); np.real_if_close(V); np.linspace(V, P, 4)
np.linspace(0.0, V, num=3, endpoint=False); np.shape(M); np.ndim(M); np.size(M); np.size(M, 1); np.array_equal(V, P)
np.isposinf(V); np.isin(I, [2]); np.digitize(V, [0.0, 1.0]); np.result_type(V); np.iscomplexobj(V); np.lexsort((V, P))
np.array2string(V); np.bincount(I); np.apply_over_axes(np.sum, I[None], 0); np.unique_values(V)
np.linalg.cholesky(S @ S.T); np.linalg.cross(V, P); np.linalg.det(S); np.linalg.eigh(S + S.T)[0]; np.linalg.inv(S)
np.linalg.eigvalsh(S @ S.T, UPLO="U"); np.linalg.matmul(M, N); np.linalg.matrix_power(S, 3); np.linalg.norm(M)
np.linalg.norm(M, axis=1); np.linalg.norm(V, ord=1, keepdims=True); np.linalg.norm(S, 2); np.linalg.norm(V, np.inf)
np.linalg.outer(V, P); np.linalg.pinv(N); np.linalg.qr(N)[1] ** 2; np.linalg.slogdet(S); np.linalg.solve(S, M)
np.linalg.svdvals(M); np.linalg.svd(M, compute_uv=False); np.linalg.svd(M)[1]; np.linalg.tensordot(M, N, axes=1)
np.linalg.diagonal(T, offset=0); np.linalg.trace(T); np.linalg.matrix_norm(M); np.linalg.vector_norm(M)
np.linalg.vector_norm(M, axis=0); np.linalg.lstsq(N, V)[0]; np.linalg.lstsq(N, V)[1]
np.linalg.lstsq(N, V, rcond=None)[2]; np.linalg.cond(S); np.linalg.matrix_transpose(S); np.linalg.multi_dot([M, N, S])
np.linalg.vecdot(M, V); np.linalg.matrix_rank(S)
"""
CASES = [line for line in LINES.replace("\n", "; ").split("; ") if line.strip()]


def there(line: str) -> bool:
    """Whether this version of NumPy has the function."""
    home: Any = np
    for name in re.match(r"np\.([\w.]+)", line).group(1).split("."):  # type: ignore[union-attr]
        home = getattr(home, name, None)
    return home is not None


def flat(result: Any) -> list[Any]:
    return [x for part in result for x in flat(part)] if isinstance(result, (tuple, list)) else [result]


def run(line: str, values: dict[str, Any]) -> list[Any]:
    with np.errstate(all="ignore"):
        return flat(eval(line, {"np": np, **values}))


def total(parts: list[Any]) -> Any:
    """A number to differentiate: the entries of floats, each with a weight of its own."""
    made: Any = 0.0
    for x in parts:
        if getattr(getattr(x, "dtype", None), "kind", "") == "f":
            made = made + (x * np.cos(np.arange(float(x.size))).reshape(x.shape)).sum()
    return made


@pytest.mark.parametrize("line", CASES)
def test_a_function_of_numpys_computes_and_differentiates_as_numpys_does(line: str) -> None:
    if not there(line):
        pytest.skip(f"NumPy {np.__version__} lacks it")
    plain = {**KNOWN, **HIDDEN}
    used = [name for name in KNOWN if re.search(rf"\b{name}\b", line)]
    leaves = {name: nd.array(values) for name, values in plain.items()}
    for name in used:
        leaves[name].attach_grad()
    with autograd.record():
        found = run(line, leaves)
        loss = total(found)
    wanted = run(line, plain)
    assert len(found) == len(wanted)
    for mine, theirs in zip(found, wanted, strict=True):
        if isinstance(theirs, (str, np.dtype)):
            assert mine == theirs
            continue
        assert np.shape(mine) == np.shape(theirs)
        assert np.asarray(mine).dtype.kind == np.asarray(theirs).dtype.kind
        np.testing.assert_allclose(np.asarray(mine), np.asarray(theirs), rtol=1e-12, atol=1e-12)
    if not isinstance(loss, NDArray) or loss.node is None:
        assert all(np.asarray(x).dtype.kind != "f" for x in wanted) or slopeless(line, plain, used)
        return
    loss.backward()
    for name in used:
        np.testing.assert_allclose(leaves[name].grad.asnumpy(), slopes(line, plain, name), rtol=1e-6, atol=1e-7)


def slopes(line: str, plain: dict[str, Any], name: str, step: float = 1e-5) -> Any:
    """The derivative of the total by one array, by central differences of NumPy's own function."""
    made = np.zeros_like(plain[name])
    for at in np.ndindex(made.shape):
        ends = []
        for sign in (1, -1):
            moved = plain[name].copy()
            moved[at] += sign * step
            ends.append(total(run(line, {**plain, name: moved})))
        made[at] = (ends[0] - ends[1]) / (2 * step)
    return made


def slopeless(line: str, plain: dict[str, Any], used: list[str]) -> bool:
    return all(not np.any(np.abs(slopes(line, plain, name)) > 1e-8) for name in used)


def called(line: str) -> set[str]:
    return set(re.findall(r"np\.((?:linalg\.)?\w+)", line))


def test_every_operation_that_numpy_has_by_that_name_is_in_the_lines() -> None:
    covered = set().union(*map(called, CASES))
    ours = {name for name in names() if hasattr(np, name)}
    ours = {
        name
        for name in ours
        if isinstance(getattr(np, name), np.ufunc) or hasattr(getattr(np, name), "_implementation")
    }
    listed = {*dispatch.ROW, *dispatch.COMPOSED, *dispatch.UFUNCS, *dispatch.SAME_UFUNCS}
    listed |= {f"linalg.{name}" for name in dispatch.COMPOSED_LINALG}
    listed |= {f"linalg.{line.split()[0]}" for line in dispatch.LINALG.strip().splitlines()}
    assert {*ours, *listed} - covered == {"copyto"}
    known = [name for name in dispatch.ROW.values() if find(name.operation) is None]
    assert known == []


REFUSED = """
E307 np.mean(V, where=B)
E307 np.std(V, mean=0.5)
E307 np.max(V, where=B)
E307 np.ravel(M, order="F")
E307 np.reshape(M, 6, order="F")
E307 np.take(V, I, mode="wrap")
E307 np.quantile(V, 0.5, method="lower")
E307 np.quantile(V, 0.5, weights=P)
E307 np.pad(V, 1, "constant", end_values=2)
E307 np.exp(V, where=B)
E307 np.matmul(M, N, axes=[(0, 1), (0, 1), (0, 1)])
E307 np.put(V, [0], 1.0)
E307 np.add.at(V, [0], 1.0)
E307 np.meshgrid(V, P, sparse=True)
E307 np.cumulative_sum(M)
E302 np.mean(V, axis=3)
E301 np.add(V, N)
E305 np.add(V, "a")
E406 np.gradient(V)
E406 np.histogram(V)
E406 np.interp(V, [0, 1], [0, 1])
E406 np.nextafter(V, 1.0)
E307 np.unique(V, return_index=True)
E406 np.add(V, 1.0, out=np.zeros(3))
E406 np.copyto(np.zeros(3), V)
E406 np.linalg.eig(S)
"""


@pytest.mark.parametrize("case", REFUSED.strip().splitlines())
def test_what_cannot_be_done_under_record_is_refused_with_a_code(case: str) -> None:
    code, _, line = case.partition(" ")
    if not there(line):
        pytest.skip(f"NumPy {np.__version__} lacks it")
    leaves = {name: nd.array(values) for name, values in {**KNOWN, **HIDDEN}.items()}
    for name in KNOWN:
        leaves[name].attach_grad()
    with autograd.record(), pytest.raises(Error) as caught:
        run(line, leaves)
    assert caught.value.code == code


def test_without_a_derivative_to_lose_numpys_other_functions_run_on_the_values() -> None:
    x = nd.array([0.7, -1.3, 2.1])
    np.testing.assert_array_equal(np.gradient(x), np.gradient(x.asnumpy()))
    counts, _ = np.histogram(x.detach(), bins=2)
    assert counts.tolist() == [1, 2]


def test_results_go_where_out_says() -> None:
    x, y, z = nd.array([1.0, 2, 3]), nd.zeros((3,)), np.zeros(3, "float32")
    assert np.add(x, x, out=y) is y
    assert np.cumsum(x, out=z) is z
    z += x
    np.copyto(x, 7.0, where=np.array([True, False, False]))
    assert (y.asnumpy().tolist(), z.tolist(), x.asnumpy().tolist()) == ([2, 4, 6], [2, 5, 9], [7, 2, 3])


def test_functions_of_numpys_are_traced_in_jvp_and_vmap() -> None:
    x, dot = nd.array([0.7, -1.3, 2.1]), nd.array([1.0, 0.5, -1.0])
    y, y_dot = ndgrad.jvp(lambda x: np.ptp(x) * np.mean(np.concatenate([x, x * x])), (x,), (dot,))
    v, d = x.asnumpy(), dot.asnumpy()
    spread, middle = np.ptp(v), np.mean(np.concatenate([v, v * v]))
    np.testing.assert_allclose(y.item(), spread * middle, rtol=1e-6)
    wanted = (d[2] - d[1]) * middle + spread * np.mean(np.concatenate([d, 2 * v * d]))
    np.testing.assert_allclose(y_dot.item(), wanted, rtol=1e-6)
    batch = nd.array([[1.0, 2, 4], [3, 1, 2]])
    spreads = ndgrad.vmap(lambda x: np.std(x, ddof=1) + np.size(x))(batch)
    np.testing.assert_allclose(spreads.asnumpy(), np.std(batch.asnumpy(), axis=1, ddof=1) + 3, rtol=1e-6)
    with pytest.raises(Error) as caught:
        ndgrad.vmap(lambda x: np.gradient(x))(batch)
    assert caught.value.code == "E406"
