"""Generated kernels, compiled for the host, give what the tiles of the host give.

A corpus of expressions, each run with NumPy's executor and as a kernel: one translation unit for all of them, made of
the kernels' own sources and a header in which the threads of a block are fibers (data/cuda_shim.h).
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndgrad.device import running
from ndgrad.device.arrays import DeviceArray
from ndgrad.device.double import Double, Held
from ndgrad.device.kernels import PRELUDE
from ndgrad.device.launch import Launches
from ndgrad.fusion import large, lazy
from ndgrad.fusion.compute import compute
from ndgrad.fusion.lazy import Lazy, source
from ndgrad.ops.elementwise import sigmoid_slope, tanh_slope
from ndgrad.tape import STATE

HERE = Path(__file__).parent
COMPILER = shutil.which("g++") or shutil.which("c++")
Expression = Callable[..., list[Lazy]]
rng = np.random.default_rng(3)
WIDE = rng.standard_normal((37, 53))
ODD = np.array([0.0, -0.0, 1.5, -1.5, 2.5, np.inf, -np.inf, np.nan, 1e300, -3.0, 0.5, 7.0, -7.25, 1e-300])


def slopes(x: Lazy) -> list[Lazy]:
    """Where the slope of a function that saturates has lost its digits, it is computed another way (PATCH)."""
    y, z = np.tanh(x), 1 / (1 + np.exp(-x))
    return [tanh_slope(x, y), sigmoid_slope(x, z)]


def chain(x: Lazy) -> list[Lazy]:
    """Value and gradient of the chain of the design, and whether all entries are finite."""
    e, t = np.exp(-x * x), np.tanh(x)
    g = e * tanh_slope(x, t) - 2 * x * e * t + 2 * x / (1 + x * x)
    return [np.sum(e * t + np.log(1 + x * x)), g, np.all(np.isfinite(g))]


# name → (expression, operands)
CORPUS: dict[str, tuple[Expression, tuple[Any, ...]]] = {
    "the chain": (chain, (WIDE.ravel(),)),
    "the chain in single precision": (chain, (WIDE.ravel().astype(np.float32),)),
    "a length that is no multiple of a pack": (lambda x: [x * 2 + 1, np.sum(x)], (WIDE.ravel()[:1003],)),
    "slopes": (slopes, (WIDE.ravel() * 12,)),
    "slopes in single precision": (slopes, (WIDE.ravel().astype(np.float32) * 5,)),
    "a row and a column": (lambda x, r, c: [np.tanh(x * r + c)], (WIDE, WIDE[0], WIDE[:, :1])),
    "numbers on the device": (lambda x, n: [x * n + 2.0], (WIDE, np.array(1.5))),
    "a transposed operand": (lambda x, y: [x - 2 * y], (WIDE, np.asfortranarray(WIDE + 1))),
    "three axes": (lambda x, y: [x / (2 + y * y), np.sum(x * y)], (WIDE[:36].reshape(6, 6, 53), WIDE[:6, None, :])),
    "rows": (lambda x: [np.sum(np.exp(x), axis=1), np.max(x, axis=1), np.all(x < 4)], (WIDE,)),
    "short rows": (lambda x: [np.sum(x * x, axis=1, keepdims=True)], (WIDE.ravel()[:1800].reshape(600, 3),)),
    "columns": (lambda x, r: [np.sum(x * r, axis=0), np.min(x, axis=0), np.sum(x)], (WIDE, WIDE[1])),
    "few columns, long": (lambda x: [np.sum(x, axis=0)], (WIDE.ravel()[:1960].reshape(980, 2),)),
    "rows and columns": (lambda x: [np.sum(x * x, axis=1), np.sum(x, axis=0), np.sum(x)], (WIDE,)),
    "an axis in the middle": (
        lambda x: [np.sum(x, axis=1), np.sum(x * x, axis=(0, 2))],
        (WIDE[:36].reshape(6, 6, 53),),
    ),
    "means of rows taken away": (lambda x: [x - np.mean(x, axis=1, keepdims=True)], (WIDE,)),
    "selections": (lambda x: [np.where(x > 0, np.sqrt(x), 0.0), np.clip(x, -0.5, 0.5), np.maximum(x, 0)], (WIDE,)),
    "a condition that is no truth": (lambda x: [np.where(np.rint(x), x, -1.0)], (WIDE,)),
    "counts": (lambda x: [np.sum(x > 0), np.any(x > 5), np.sum(x > 0, axis=0)], (WIDE,)),
    "casts": (lambda x: [x.astype(np.float32) * 2, np.floor(x).astype(np.int64), (x > 0).astype(np.float64)], (WIDE,)),
    "mixed precision": (lambda x, y: [x * y, x + np.float32(2)], (WIDE.astype(np.float32), WIDE)),
    "whole numbers": (lambda x, k: [x * k, np.sum(x * k, axis=0)], (WIDE, np.arange(53))),
    "truths": (lambda x, y: [(x > 0) & (y > 0) | ~(x < 1), np.logical_not(x), np.isnan(x)], (WIDE, WIDE[::-1])),
    "powers": (lambda x: [np.abs(x) ** 1.7, 2.0**x, x**3], (WIDE,)),
    "odd numbers": (
        lambda x: [
            np.sign(x),
            np.floor(x),
            np.isinf(x),
            np.isfinite(x),
            np.maximum(x, 1),
            np.minimum(x, 1),
            np.rint(x),
        ],
        (ODD,),
    ),
    "extremes with nan": (lambda x, y: [np.max(x), np.min(x), np.max(y), np.min(y)], (ODD, ODD[:6])),
    "remainders": (
        lambda x, y: [np.remainder(x, y), np.floor_divide(x, y)],
        (ODD[:, None], np.array([1.5, -2.0, 0.0, np.inf])),
    ),
    "logarithms of sums": (lambda x, y: [np.logaddexp(x, y)], (ODD[:, None], np.array([0.0, -np.inf, 3.0]))),
}


def of(ufunc: np.ufunc, change: Callable[..., Any] = lambda x: x) -> Expression:
    """The ufunc of its operands, the first of them changed so that it lies where the ufunc is defined."""
    return lambda x, *others: [ufunc(change(x), *others)]


ANYWHERE = (np.exp, np.exp2, np.expm1, np.cbrt, np.sin, np.cos, np.tan, np.arctan, np.sinh, np.cosh, np.tanh)
ANYWHERE += (np.arcsinh, np.ceil, np.trunc, np.square, np.reciprocal, np.negative)
CORPUS |= {f.__name__: (of(f), (WIDE,)) for f in ANYWHERE}
ABOVE = (np.log, np.log2, np.log10, np.log1p, np.sqrt, np.arccosh)
CORPUS |= {f.__name__: (of(f, lambda x: 1 + np.abs(x)), (WIDE,)) for f in ABOVE}
BETWEEN = (np.arcsin, np.arccos, np.arctanh)
CORPUS |= {f.__name__: (of(f, lambda x: 0.9 * np.sin(x)), (WIDE,)) for f in BETWEEN}
PAIRS = (np.hypot, np.arctan2, np.copysign, np.fmod, np.fmax)
CORPUS |= {f.__name__: (of(f), (WIDE, WIDE[::-1] + 0.1)) for f in PAIRS}


def special(name: str) -> Expression:
    def function(*x: Lazy) -> list[Lazy]:
        import scipy.special

        return [getattr(scipy.special, name)(*x)]

    return function


CORPUS |= {name: (special(name), (WIDE,)) for name in ("erf", "erfc", "ndtr", "gammaln")}
CORPUS["xlogy"] = (special("xlogy"), (np.abs(np.rint(WIDE)), np.abs(WIDE)))


class Compiled(Double):
    """A double that runs the kernels: first it collects their sources, then it has them compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.launches = Launches(self, block=16)
        self.sources: dict[str, Any] = {}
        self.library: Any = None

    def kernel(self, source: str, name: str) -> Any:
        kernel = next(k for k, _ in self.launches.kernels.values() if k.name == name) if self.library else None
        self.sources[name] = source

        def run(grid: tuple[int, int], block: tuple[int], args: tuple[Any, ...]) -> None:
            if self.library is None:
                return
            held = [np.asarray(x) if not isinstance(x, Held) else np.array(x.hidden.ctypes.data) for x in args]
            places = (ctypes.c_void_p * len(held))(*(x.ctypes.data for x in held))
            getattr(self.library, f"run_{name}")(grid[0], grid[1], block[0], places)

        assert kernel is None or kernel.source == source
        return run

    def compute(self, work: Any, into: dict[int, Any]) -> None:
        self.launches.run(work, into)


def results(expression: Expression, operands: list[Any]) -> list[np.ndarray]:
    made = expression(*map(source, operands))
    compute(made)
    return [np.asarray(x.known.raw.hidden if isinstance(x.known, DeviceArray) else x.known) for x in made]


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Every kernel of the corpus, compiled together."""
    if COMPILER is None:
        pytest.skip("there is no C++ compiler here")
    patch = pytest.MonkeyPatch()
    patch.setattr(lazy, "SMALL", 1)
    patch.setattr(type(STATE), "remote", running, raising=False)
    type(STATE).fusion = large  # for good, as after the first large array
    made = Compiled()
    with np.errstate(all="ignore"):
        for expression, operands in CORPUS.values():
            results(expression, [made.put(x) for x in operands])
    folder = tmp_path_factory.mktemp("kernels")
    lines = [(HERE / "data" / "cuda_shim.h").read_text("utf-8"), PRELUDE]
    kernels = {kernel.name: kernel for kernel, _ in made.launches.kernels.values()}
    for name, kernel in kernels.items():
        args = ", ".join(
            f"*({kind.replace('__restrict__', '')}*)a[{i}]" for i, (kind, _) in enumerate(kernel.parameters)
        )
        call = f"launch(x, y, threads, [&] {{ {name}({args}); }});"
        lines += [kernel.text, f'extern "C" void run_{name}(int x, int y, int threads, void** a) {{ {call} }}', ""]
    (folder / "kernels.cpp").write_text("\n".join(lines), "utf-8")
    flags = ["-std=c++17", "-O0", "-ffp-contract=off", "-shared", "-fPIC", "-w"]
    command = [COMPILER, *flags, "kernels.cpp", "-o", "kernels.so"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[:3000]
    made.library = ctypes.CDLL(str(folder / "kernels.so"))
    yield made
    patch.undo()


def test_kernels_give_what_the_tiles_give(device: Compiled) -> None:
    """One test for all of them, so that they are compiled once, however many processes share the tests."""
    for name, (expression, operands) in CORPUS.items():
        with np.errstate(all="ignore"):
            wanted = results(expression, [np.array(x) for x in operands])
            made = results(expression, [device.put(x) for x in operands])
        for got, want in zip(made, wanted, strict=True):
            assert (got.dtype, got.shape) == (want.dtype, want.shape), name
            single = want.dtype == np.float32
            # in single precision the tiles add up in single precision, and the two libraries round differently
            rtol, atol = (1e-5, 1e-6) if single else (1e-12, 1e-13)
            np.testing.assert_allclose(got, want, rtol, atol, err_msg=name)
