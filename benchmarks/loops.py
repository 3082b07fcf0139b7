"""Loops of programs, compiled and as written: value and gradient, in turn in one process.

    python benchmarks/loops.py [--repeats N]

Prints the medians, and the time compiled as a multiple of the time as written. The first run of each is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

import ndgrad
from ndgrad.lang import interpreter

X = np.array([1.0, 2.0, 3.0])
PROGRAMS = {
    "10⁴ rounds of b = b + 0.001·sin(b)·b": "for i in range(10000): x = x + 0.001 * sin(x) * x\nsum(x)",
    "while norm(b) < 10⁶: b = b·1.001": "while norm(x) < 1e6: x = x * 1.001\nsum(x)",
    "Newton's method on 2,000 numbers in turn": """
        s = 0
        for i in range(2000):
            t, a = 1.0, x[0] + i
            while abs(t * t - a) > 1e-9 * a: t = (t + a / t) / 2
            s += t
        s""",
    "a ball that bounces, 5,000 steps": """
        v, h = 0, x[0] + 2
        for i in range(5000):
            v = v - 0.01
            h = h + 0.01 * v
            if h < 0:
                h = -h
                v = -0.9 * v
        h""",
    "Lorenz, 5,000 steps, kept": """
        p, q, r = x[0], x[1], x[2]
        path = zeros((5000, 3))
        for t in range(5000):
            p, q, r = p + 0.005 * 10 * (q - p), q + 0.005 * (p * (28 - r) - q), r + 0.005 * (p * q - 8 / 3 * r)
            path[t] = [p, q, r]
        mean(path ** 2)""",
    "a recurrence, entry by entry, 5,000": """
        y = zeros(5000)
        y[0] = x[0]
        for t in range(1, 5000): y[t] = 0.999 * y[t - 1] + 0.01 * sin(y[t - 1]) * x[1]
        sum(y ** 2)""",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    for name, text in PROGRAMS.items():
        programs = []
        for wait in (interpreter.WAIT, interpreter.NEVER):
            interpreter.WAIT = wait
            programs.append(ndgrad.compile(text.strip("\n").replace("\n        ", "\n").lstrip()))
            programs[-1].run({"x": X}, grad=["x"])
        interpreter.WAIT = 400
        times: list[list[float]] = [[], []]
        for _ in range(repeats):
            for program, taken in zip(programs, times, strict=True):
                start = time.perf_counter()
                program.run({"x": X}, grad=["x"])
                taken.append(time.perf_counter() - start)
        compiled, written = map(statistics.median, times)
        print(f"{name:42} {compiled * 1e3:8.1f} ms {written * 1e3:8.1f} ms {compiled / written:6.2f}")


if __name__ == "__main__":
    main()
