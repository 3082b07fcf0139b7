"""Deferred evaluation against computing every operation at once, over sizes of arrays: where the first is slower.

    python benchmarks/sizes.py [--repeats N]

Value and gradient of a chain of elementwise operations, of one product, and of a sum of squares. Both ways are taken
in turn in one process; the ratio of the medians is what counts, and is at most 1.05 at every size on an idle machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np

from ndgrad import autograd, nd
from ndgrad.tape import STATE

PROGRAMS = {
    "chain": lambda x: nd.sum(nd.exp(-x * x) * nd.tanh(x) + nd.log(1 + x * x)),
    "product": lambda x: x * x,
    "squares": lambda x: nd.sum(x * x),
}
SIZES = (10**3, 10**4, 10**5, 262_144, 400_000, 10**6, 2 * 10**6, 10**7)
NEVER = 1 << 62


def seconds(program: Any, data: np.ndarray[Any, Any], defer_from: int) -> float:
    """One value and gradient."""
    STATE.defer_from = defer_from
    x = nd.array(data, dtype=str(data.dtype))
    x.attach_grad()
    begun = time.perf_counter()
    with autograd.record():
        y = program(x)
    y.backward()
    y.wait_to_read()
    x.grad.wait_to_read()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    usual = STATE.defer_from
    print("program   dtype          n      at once     deferred  deferred / at once")
    for name, program in PROGRAMS.items():
        for dtype in ("float64", "float32"):
            for n in SIZES:
                data = np.linspace(-2, 2, n).astype(dtype)
                times: dict[int, list[float]] = {NEVER: [], usual: []}
                for _ in range(1 + (repeats if n > 10**5 else 5 * repeats)):
                    for way, taken in times.items():
                        taken.append(seconds(program, data, way))
                once, deferred = (statistics.median(taken[1:]) * 1e3 for taken in times.values())
                print(
                    f"{name:8} {dtype:8} {n:10,} {once:9.3f} ms {deferred:9.3f} ms  {deferred / once:.2f}", flush=True
                )
    STATE.defer_from = usual


if __name__ == "__main__":
    main()
