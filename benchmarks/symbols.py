"""A bound graph against the same computation run eagerly: forward and backward, in one process, in turn.

    python benchmarks/symbols.py

Each case is one function, called with `nd` and recorded arrays, and once with `sym`, for the graph. Prints the
medians, their ratio, and the time of the first run, in which the plan is made.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ndgrad import autograd, nd, sym

REPEATS = 15


def chain(F: Any, b: Any) -> Any:
    for _ in range(500):
        b = b + 0.001 * F.sin(b) * b
    return F.sum(b)


def small_network(F: Any, x: Any, w: Any, c: Any) -> Any:
    for _ in range(4):
        x = F.Activation(F.FullyConnected(x, w, c, num_hidden=16), act_type="relu")
    return F.sum(x)


def network(F: Any, x: Any, w0: Any, b0: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    x = F.Activation(F.FullyConnected(x, w0, b0, num_hidden=512), act_type="tanh")
    x = F.Activation(F.FullyConnected(x, w1, b1, num_hidden=512), act_type="tanh")
    return F.mean(F.slice_axis(F.log_softmax(F.FullyConnected(x, w2, b2, num_hidden=10)), axis=1, begin=0, end=1))


def recurrent(F: Any, x: Any, h: Any, w: Any, u: Any, c: Any) -> Any:
    def step(x: Any, h: Any) -> tuple[Any, Any]:
        new = F.tanh(F.FullyConnected(x, w, c, num_hidden=32) + F.FullyConnected(h, u, no_bias=True, num_hidden=32))
        return new, new

    outputs, _ = F.contrib.foreach(step, x, h)
    return F.mean(outputs)


def reads(F: Any, x: Any) -> Any:
    total = 0.0
    for i in range(200):
        total = total + F.sin(x[i, ...]) * i
    return F.sum(total)


def large_chain(F: Any, x: Any) -> Any:
    return F.sum(F.exp(-x * x) * F.tanh(x) + F.log(1 + x * x))


CASES: list[tuple[Callable[..., Any], dict[str, tuple[int, ...]]]] = [
    (chain, {"b": (3,)}),
    (small_network, {"x": (8, 16), "w": (16, 16), "c": (16,)}),
    (
        network,
        {"x": (256, 784), "w0": (512, 784), "b0": (512,), "w1": (512, 512), "b1": (512,), "w2": (10, 512), "b2": (10,)},
    ),
    (recurrent, {"x": (200, 16, 8), "h": (16, 32), "w": (32, 8), "u": (32, 32), "c": (32,)}),
    (reads, {"x": (200, 50)}),
    (large_chain, {"x": (3_000_000,)}),
]


def timed(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    draws = np.random.default_rng(0)
    for case, shapes in CASES:
        symbol = case(sym, **{name: sym.var(name) for name in shapes})
        bound = symbol.simple_bind(**shapes)
        arrays = {}
        for name, x in bound.arg_dict.items():
            x[:] = draws.normal(scale=0.1, size=x.shape)
            arrays[name] = nd.array(x)
            arrays[name].attach_grad()

        def eager(case: Any = case, arrays: Any = arrays) -> None:
            with autograd.record():
                y = case(nd, **arrays)
            y.backward()
            for x in arrays.values():
                x.grad.wait_to_read()

        def graph(bound: Any = bound) -> None:
            bound.forward(is_train=True)
            bound.backward()
            for g in bound.grad_arrays:
                g.wait_to_read()

        first = timed(graph)
        eager()
        for name, x in arrays.items():
            np.testing.assert_allclose(bound.grad_dict[name].asnumpy(), x.grad.asnumpy(), rtol=1e-3, atol=1e-5)
        pairs = [(timed(eager), timed(graph)) for _ in range(REPEATS)]
        slow, fast = (statistics.median(times) for times in zip(*pairs, strict=True))
        print(
            f"{case.__name__:18} eager {slow * 1e3:8.2f} ms   bound {fast * 1e3:8.2f} ms   "
            f"bound/eager {fast / slow:5.2f}   first run {first * 1e3:7.1f} ms"
        )


if __name__ == "__main__":
    main()
