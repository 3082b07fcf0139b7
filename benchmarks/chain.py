"""A chain of elementwise operations on a large array: sum(exp(-x*x)*tanh(x) + log(1+x*x)), value and gradient.

    python benchmarks/chain.py [SIZE ...] [--rounds N]

Runs ndgrad, ndgrad with nothing deferred, JAX compiled and PyTorch in turn, those that are installed, in
float64 and float32, in one process; prints medians and ratios. For ndgrad also what the process needed
beyond its inputs and outputs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Contestant = Callable[[np.ndarray], Callable[[], tuple[float, np.ndarray]]]


def with_ndgrad(a: np.ndarray) -> Callable[[], tuple[float, np.ndarray]]:
    from ndgrad import autograd, nd

    x = nd.array(a)
    x.attach_grad()

    def run() -> tuple[float, np.ndarray]:
        with autograd.record():
            y = nd.sum(nd.exp(-x * x) * nd.tanh(x) + nd.log(1 + x * x))
        y.backward()
        return y.asscalar(), x.grad.data

    return run


def at_once(a: np.ndarray) -> Callable[[], tuple[float, np.ndarray]]:
    from ndgrad.tape import STATE

    def in_place(work: Callable[[], Any]) -> Any:
        before = STATE.defer_from
        STATE.defer_from = 1 << 62
        try:
            return work()
        finally:
            STATE.defer_from = before

    run = in_place(lambda: with_ndgrad(a))
    return lambda: in_place(run)


def with_jax(a: np.ndarray) -> Callable[[], tuple[float, np.ndarray]]:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    f = jax.jit(jax.value_and_grad(lambda x: jnp.sum(jnp.exp(-x * x) * jnp.tanh(x) + jnp.log(1 + x * x))))
    x = jnp.asarray(a)

    def run() -> tuple[float, np.ndarray]:
        y, g = f(x)
        g.block_until_ready()
        return float(y), np.asarray(g)

    return run


def with_torch(a: np.ndarray) -> Callable[[], tuple[float, np.ndarray]]:
    import torch

    x = torch.tensor(a, requires_grad=True)

    def run() -> tuple[float, np.ndarray]:
        x.grad = None
        y = (torch.exp(-x * x) * torch.tanh(x) + torch.log(1 + x * x)).sum()
        y.backward()
        return y.item(), x.grad.numpy()

    return run


CONTESTANTS: dict[str, Contestant] = {
    "ndgrad": with_ndgrad,
    "ndgrad, nothing deferred": at_once,
    "JAX compiled": with_jax,
    "PyTorch": with_torch,
}


def memory_in(field: str) -> float:
    """What the process has in memory ("VmRSS"), or the most it has had ("VmHWM"), in MiB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) / 1024


def measure(size: int, dtype: str, rounds: int) -> None:
    a = np.random.default_rng(0).standard_normal(size).astype(dtype)
    runs: dict[str, Callable[[], tuple[float, np.ndarray]]] = {}
    for name, make in CONTESTANTS.items():
        try:
            runs[name] = make(a)
            value, gradient = runs[name]()
        except ImportError:
            runs.pop(name, None)
            continue
        if name == "ndgrad":
            wanted = value, gradient.copy()
        tolerance = 1e-5 if dtype == "float32" else 1e-10
        np.testing.assert_allclose(value, wanted[0], rtol=tolerance)
        np.testing.assert_allclose(gradient, wanted[1], rtol=tolerance, atol=tolerance)
    times: dict[str, list[float]] = {name: [] for name in runs}
    inner = max(1, 200_000 // size)
    for _ in range(rounds):
        for name, run in runs.items():
            time.sleep(0.02)  # the threads of the one before may still be waiting for work, and busily
            started = time.perf_counter()
            for _ in range(inner):
                run()
            times[name].append((time.perf_counter() - started) / inner)
    ours = statistics.median(times["ndgrad"])
    for name, taken in times.items():
        each = statistics.median(taken)
        print(f"{size:>10,} {dtype} {name:25} {each * 1e3:9.3f} ms   ndgrad / it {ours / each:6.2f}")


def memory(size: int, dtype: str) -> None:
    """In a process of its own, so that nothing else counts."""
    from multiprocessing import get_context

    process = get_context("spawn").Process(target=_memory, args=(size, dtype))
    process.start()
    process.join()


def _memory(size: int, dtype: str) -> None:
    with_ndgrad(np.ones(size // 8, dtype))()  # so that what is loaded once does not count
    a = np.random.default_rng(0).standard_normal(size).astype(dtype)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # begin the peak anew
    before = memory_in("VmRSS")
    with_ndgrad(a)()
    beyond = memory_in("VmHWM") - before - 2 * a.nbytes / 2**20
    print(f"{size:>10,} {dtype} {'ndgrad':25} {beyond:9.0f} MiB  beyond x and its gradient")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=lambda text: int(float(text)), default=[10**3, 10**5, 10**6, 10**7])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    for size in options.sizes:
        for dtype in ("float64", "float32"):
            measure(size, dtype, options.rounds)
            if size >= 10**6:
                memory(size, dtype)


if __name__ == "__main__":
    main()
