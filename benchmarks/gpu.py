"""On a GPU: how near a chain comes to the speed of memory, and times beside PyTorch's eager ones.

    python benchmarks/gpu.py [--size N] [--rounds N]

The chain is sum(exp(-x*x)*tanh(x) + log(1+x*x)), value and gradient, which must read x once and write its
gradient once. The card's bandwidth is that of copying an array on it. Times are medians by the clock, from the call to
the end of the work. Then rows bound by products of matrices. ndgrad and PyTorch are timed one after the other; PyTorch
is left out where it is not installed, or has no GPU.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Run = Callable[[], Any]


def chain(F: Any, x: Any) -> Any:
    return (F.exp(-x * x) * F.tanh(x) + F.log(1 + x * x)).sum()


def network(F: Any, x: Any) -> Any:
    """Three products with a nonlinearity between them: bound by products."""
    return (F.tanh(x @ x) @ F.tanh(x @ x)).sum()


PROGRAMS = {"chain": chain, "network": network}


def with_ndgrad(program: Callable[..., Any], a: np.ndarray) -> Run:
    import ndgrad as mx

    x = mx.nd.array(a, ctx=mx.gpu(0))
    x.attach_grad()

    def run() -> Any:
        with mx.autograd.record():
            y = program(mx.nd, x)
        y.backward()
        return y

    return run


def with_torch(program: Callable[..., Any], a: np.ndarray) -> Run:
    import torch

    if not torch.cuda.is_available():
        raise ImportError
    x = torch.tensor(a, device="cuda", requires_grad=True)

    def run() -> Any:
        x.grad = None
        y = program(torch, x)
        y.backward()
        return y

    return run


CONTESTANTS = {"ndgrad": with_ndgrad, "PyTorch": with_torch}


def seconds(run: Run, rounds: int) -> float:
    """The median time of a round, with all its work done."""
    import cupy

    for _ in range(3):
        run()
    taken = []
    for _ in range(rounds):
        cupy.cuda.runtime.deviceSynchronize()
        started = time.perf_counter()
        run()
        cupy.cuda.runtime.deviceSynchronize()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def bandwidth(size: int, rounds: int) -> float:
    """Bytes a second that the card copies: each read once and written once."""
    import cupy

    a = cupy.zeros(size, cupy.float32)
    b = cupy.empty_like(a)
    return 2 * a.nbytes / seconds(lambda: cupy.copyto(b, a), rounds)


def measured(name: str, a: np.ndarray, rounds: int) -> dict[str, float]:
    """Seconds of each contestant. Their values agree."""
    made: dict[str, float] = {}
    wanted = None
    for who, make in CONTESTANTS.items():
        try:
            run = make(PROGRAMS[name], a)
        except ImportError:
            continue
        value = float(run())
        wanted = value if wanted is None else wanted
        np.testing.assert_allclose(value, wanted, rtol=1e-3)
        made[who] = seconds(run, rounds)
        del run
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=lambda text: int(float(text)), default=10**8)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    try:
        import cupy

        print(cupy.cuda.runtime.getDeviceProperties(0)["name"].decode())
    except Exception as error:
        raise SystemExit(f"this needs a GPU and CuPy: {error}") from None
    speed = bandwidth(options.size, options.rounds)
    print(f"copying {options.size:,} float32: {speed / 1e9:,.0f} GB/s")
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        a = rng.standard_normal(options.size).astype(dtype)
        for who, taken in measured("chain", a, options.rounds).items():
            share = 2 * a.nbytes / taken / speed
            print(f"chain of {options.size:,} {dtype}, {who:8} {taken * 1e3:9.3f} ms  {share:6.1%} of copying")
    for size in (10**4, 10**6):
        for who, taken in measured("chain", rng.standard_normal(size).astype("float32"), options.rounds).items():
            print(f"chain of {size:,} float32, {who:8} {taken * 1e3:9.3f} ms")
    for n in (1024, 4096):
        for who, taken in measured(
            "network", rng.standard_normal((n, n)).astype("float32") / n, options.rounds
        ).items():
            print(f"network of {n}×{n} float32, {who:8} {taken * 1e3:9.3f} ms")


if __name__ == "__main__":
    main()
