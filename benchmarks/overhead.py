"""What one operation costs beyond its arithmetic: a long loop on 3 numbers, value and gradient.

    python benchmarks/overhead.py [rounds]

Runs ndgrad, HIPS autograd and PyTorch in turn, in one process each of them that is installed, and
prints the time per operation and the ratios. The loop is b = b + 0.001·sin(b)·b: four operations a round.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
REPEATS = 5
START = [1.0, 2.0, 3.0]


def with_ndgrad() -> np.ndarray:
    from ndgrad import autograd, nd

    b = x = nd.array(np.array(START))
    x.attach_grad()
    with autograd.record():
        for _ in range(ROUNDS):
            b = b + 0.001 * nd.sin(b) * b
    b.backward()
    assert x.grad is not None
    return x.grad.asnumpy()


def with_autograd() -> np.ndarray:
    import autograd
    import autograd.numpy as anp

    def loss(b: np.ndarray) -> float:
        for _ in range(ROUNDS):
            b = b + 0.001 * anp.sin(b) * b
        return anp.sum(b)

    return autograd.grad(loss)(np.array(START))


def with_torch() -> np.ndarray:
    import torch

    b = x = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    for _ in range(ROUNDS):
        b = b + 0.001 * torch.sin(b) * b
    b.sum().backward()
    return x.grad.numpy()


def main() -> None:
    contestants: dict[str, Callable[[], np.ndarray]] = {"ndgrad": with_ndgrad}
    for name, run in (("autograd", with_autograd), ("torch", with_torch)):
        try:
            __import__(name)
            contestants[name] = run
        except ImportError:
            print(f"{name} is not installed: left out")
    wanted = with_ndgrad()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(REPEATS):
        for name, run in contestants.items():
            started = time.perf_counter()
            np.testing.assert_allclose(run(), wanted, rtol=1e-9)
            times[name].append(time.perf_counter() - started)
    ours = statistics.median(times["ndgrad"])
    for name, taken in times.items():
        each = statistics.median(taken)
        cost = each / ROUNDS / 4 * 1e6
        print(f"{name:9} {cost:7.2f} µs an operation, forward and back; ndgrad/{name} {ours / each:.3f}")


if __name__ == "__main__":
    main()
