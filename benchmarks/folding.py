"""Derivations of long loops: rounds that are alike are folded, and the time that this takes.

    python benchmarks/folding.py [--rounds N] [--repeats N]

Prints, for each program, the lines of its derivation, the median times of the recorded run and of the derivation made
from it, and the second as a multiple of the first: for a hundred rounds and for N.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

import ndgrad

PROGRAMS = {
    "b = b + 0.00001·sin(b)·b": ("for i in range({n}): x = x + 0.00001 * sin(x) * x\nx", np.float64(1)),
    "the same, counted by hand": (
        "k = 0\nwhile k < {n}:\n    x = x + 0.00001 * sin(x) * x\n    k = k + 1\nx",
        np.float64(1),
    ),
    "momentum, a matrix, two values a round": (
        "A = [[2, 1], [1, 3]]\nv = zeros(2)\n"
        "for i in range({n}):\n    v = 0.9 * v - 0.01 * (A @ x - 1)\n    x = x + v\nsum(x ** 2)",
        np.array([0.1, -0.3]),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    for name, (text, x) in PROGRAMS.items():
        for rounds in (100, asked.rounds):
            program = ndgrad.compile(text.format(n=rounds))
            runs, derived = [], []
            for _ in range(asked.repeats):
                start = time.perf_counter()
                result = program.run({"x": x}, grad=["x"], trace=True)
                runs.append(time.perf_counter() - start)
                start = time.perf_counter()
                derivation = result.derivation("x")
                derived.append(time.perf_counter() - start)
            run, fold = map(statistics.median, (runs, derived))
            lines = len(str(derivation).splitlines())
            print(f"{name:40} {rounds:7,} rounds {lines:3} lines {run:7.3f} s {fold:7.3f} s {fold / run:6.2f}")


if __name__ == "__main__":
    main()
