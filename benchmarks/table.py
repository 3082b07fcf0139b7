"""Value and gradient of programs of several kinds, ndgrad beside the systems that are installed.

    python benchmarks/table.py [ROW …] [--repeats N] [--write]

Every row runs its contestants in turn, in one process, checks that they agree, and prints the medians and
ndgrad's time as a multiple of each. `--write` puts the table into RESULTS.md. Peers: `pip install 'ndgrad[bench]'`.
"""

from __future__ import annotations

import argparse
import platform
import re
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

Answer = tuple[Any, list[Any]]
Run = Callable[[], Answer]
Row = Callable[[], dict[str, Run]]
ROWS: dict[str, Row] = {}
RESULTS = Path(__file__).parent / "RESULTS.md"
HAS = {name: find_spec(name) is not None for name in ("torch", "jax", "autograd")}


def row(about: str) -> Callable[[Row], Row]:
    """Register a row; `about` says what is computed."""

    def register(made: Row) -> Row:
        made.__doc__ = about
        ROWS[made.__name__] = made
        return made

    return register


def ndgrad_of(loss: Callable[..., Any], values: list[Any], wrt: int) -> Run:
    """loss(nd, *arrays) differentiated by its first `wrt` arrays."""
    from ndgrad import autograd, nd

    arrays = [nd.array(v, dtype=v.dtype) if isinstance(v, np.ndarray) else v for v in values]

    def run() -> Answer:
        for x in arrays[:wrt]:
            x.attach_grad()
        with autograd.record():
            y = loss(nd, *arrays)
        y.backward()
        return y.asnumpy(), [np.from_dlpack(x.grad) for x in arrays[:wrt]]  # as for the others, no copy

    return run


def torch_of(loss: Callable[..., Any], values: list[Any], wrt: int) -> Run:
    """The same with PyTorch."""
    import torch

    arrays = [torch.tensor(v) if isinstance(v, np.ndarray) else v for v in values]
    for x in arrays[:wrt]:
        x.requires_grad_(True)

    def run() -> Answer:
        for x in arrays[:wrt]:
            x.grad = None
        y = loss(torch, *arrays)
        y.backward()
        return y.detach().numpy(), [x.grad.numpy() for x in arrays[:wrt]]

    return run


def jax_of(loss: Callable[..., Any], values: list[Any], wrt: int) -> Run:
    """The same with JAX, compiled; compiling is not timed."""
    import jax

    jax.config.update("jax_enable_x64", True)
    compiled = jax.jit(jax.value_and_grad(lambda *arrays: loss(jax.numpy, *arrays), argnums=tuple(range(wrt))))
    arrays = [jax.numpy.asarray(v) if isinstance(v, np.ndarray) else v for v in values]

    def run() -> Answer:
        y, grads = compiled(*arrays)
        return np.asarray(y), [np.asarray(g) for g in grads]

    return run


def autograd_of(loss: Callable[..., Any], values: list[Any], wrt: int) -> Run:
    """The same with HIPS autograd."""
    import autograd
    import autograd.numpy as anp

    def run() -> Answer:
        differentiated = autograd.value_and_grad(lambda *arrays: loss(anp, *arrays), argnum=tuple(range(wrt)))
        y, grads = differentiated(*values)
        return y, list(grads)

    return run


MAKERS = {"ndgrad": ndgrad_of, "PyTorch": torch_of, "JAX compiled": jax_of, "HIPS autograd": autograd_of}
MODULES = {"PyTorch": "torch", "JAX compiled": "jax", "HIPS autograd": "autograd"}


def contest(
    loss: Callable[..., Any], values: list[Any], wrt: int, leave_out: tuple[str, ...] = (), **own: Callable[..., Any]
) -> dict[str, Run]:
    """The contestants that are installed; `own` gives some of them a loss of their own (torch=, nd=, jax=)."""
    made = {}
    for name, make in MAKERS.items():
        module = MODULES.get(name)
        if name not in leave_out and (module is None or HAS[module]):
            made[name] = make(own.get(module or "nd", loss), values, wrt)
    made["NumPy forward"] = lambda: (loss(np, *values), [])
    return made


@row("elementwise chain, 10⁷ float64")
def chain64() -> dict[str, Run]:
    return _chain(10**7, np.float64)


@row("elementwise chain, 10⁷ float32")
def chain32() -> dict[str, Run]:
    return _chain(10**7, np.float32)


def _chain(n: int, dtype: Any) -> dict[str, Run]:
    x = np.linspace(-2, 2, n, dtype=dtype)
    return contest(lambda F, x: F.sum(F.exp(-x * x) * F.tanh(x) + F.log(1 + x * x)), [x], 1)


@row("10⁴ rounds of b = b + 0.001·sin(b)·b, 3 numbers")
def loop() -> dict[str, Run]:
    def loss(F: Any, b: Any) -> Any:
        for _ in range(10_000):
            b = b + 0.001 * F.sin(b) * b
        return F.sum(b)

    made = contest(loss, [np.array([1.0, 2.0, 3.0])], 1, leave_out=("JAX compiled",))
    made["ndgrad, a program"] = _program(
        "for i in range(10000): b = b + 0.001 * sin(b) * b\noutput sum(b)", {"b": np.array([1.0, 2.0, 3.0])}, ["b"]
    )
    return made


@row("while norm(b) < 10⁶: b = b·1.001, 3 numbers")
def while_norm() -> dict[str, Run]:
    def loss(F: Any, b: Any) -> Any:
        norm = F.norm if hasattr(F, "norm") else F.linalg.norm
        while norm(b) < 1e6:
            b = b * 1.001
        return F.sum(b)

    made = contest(loss, [np.array([1.0, 2.0, 3.0])], 1, leave_out=("JAX compiled",))
    made["ndgrad, a program"] = _program(
        "while norm(b) < 1e6: b = b * 1.001\noutput sum(b)", {"b": np.array([1.0, 2.0, 3.0])}, ["b"]
    )
    return made


def _program(text: str, inputs: dict[str, Any], by: list[str]) -> Run:
    import ndgrad

    program = ndgrad.compile(text)

    def run() -> Answer:
        made = program.run(inputs, grad=by)
        return made.value, [made.grads[name] for name in by]

    return run


@row("dense network 784-512-512-10, batch 256")
def network() -> dict[str, Run]:
    draw = np.random.default_rng(0).standard_normal
    sizes = [784, 512, 512, 10]
    weights = [(draw((a, b)) / np.sqrt(a)).astype(np.float32) for a, b in pairwise(sizes)]
    x = draw((256, 784)).astype(np.float32)
    labels = np.eye(10, dtype=np.float32)[np.arange(256) % 10]

    def loss(F: Any, u: Any, v: Any, w: Any, x: Any, t: Any) -> Any:
        z = F.tanh(F.tanh(x @ u) @ v) @ w
        top = F.exp(z)
        return -F.sum(t * (z - F.log(F.sum(top, 1).reshape((256, 1))))) / 256

    return contest(loss, [*weights, x, labels], 3)


@row("logistic regression, 500,000 × 20")
def logistic() -> dict[str, Run]:
    draw = np.random.default_rng(0).standard_normal
    X, w = draw((500_000, 20)), draw(20)
    y = (X @ w + draw(500_000) > 0).astype(float)

    def loss(F: Any, w: Any, X: Any, y: Any) -> Any:
        z = X @ w
        return F.sum(F.log(1 + F.exp(-F.abs(z))) + F.maximum(z, 0 * z) - y * z) / 500_000

    return contest(loss, [w, X, y], 1)


@row("recurrent net, 200 steps of 64 units, batch 16")
def recurrent() -> dict[str, Run]:
    draw = np.random.default_rng(0).standard_normal
    W, U, h = draw((64, 64)) / 8, draw((32, 64)) / 6, np.zeros((16, 64))
    xs = draw((200, 16, 32))

    def loss(F: Any, W: Any, U: Any, h: Any, xs: Any) -> Any:
        for t in range(200):
            h = F.tanh(h @ W + xs[t] @ U)
        return F.sum(h * h)

    made = contest(loss, [W, U, h, xs], 2)
    text = "for t in range(200): h = tanh(h @ W + xs[t] @ U)\noutput sum(h * h)"
    made["ndgrad, a program"] = _program(text, {"W": W, "U": U, "h": h, "xs": xs}, ["W", "U"])
    return made


@row("Gaussian mixture of ADBench, n=1000 d=64 K=25")
def mixture() -> dict[str, Run]:
    n, d, k = 1000, 64, 25
    draw = np.random.default_rng(0).standard_normal
    alphas, means, logs = draw(k), draw((k, d)), draw((k, d)) / 10
    lower = draw((k, d, d)) / 10 * np.tri(d, d, -1)
    x = draw((n, d))

    def loss(F: Any, alphas: Any, means: Any, logs: Any, lower: Any, x: Any) -> Any:
        centred = x.reshape((n, 1, d)) - means.reshape((1, k, d))
        scaled = F.exp(logs).reshape((1, k, d)) * centred
        mixed = F.einsum("kij,nkj->nki", lower, centred)
        parts = alphas + F.sum(logs, 1) - 0.5 * F.sum((scaled + mixed) ** 2, 2)
        top = F.exp(parts - 300.0 * 0)
        inner = F.sum(F.log(F.sum(top, 1) + 1e-300))
        return inner - n * F.log(F.sum(F.exp(alphas)))

    return contest(loss, [alphas, means, logs, lower, x], 4)


@row("a recorded operation as programs grow: 10³ … 10⁶ (µs each)")
def scaling() -> dict[str, Run]:
    def chain(n: int) -> Run:
        def loss(F: Any, b: Any) -> Any:
            for _ in range(n):
                b = F.sin(b)
            return F.sum(b)

        return ndgrad_of(loss, [np.array([1.0])], 1)

    return {f"ndgrad, {n:,} operations": chain(n) for n in (10**3, 10**4, 10**5, 10**6)}


def measure(contestants: dict[str, Run], repeats: int) -> dict[str, float]:
    """The median time of each in seconds, the contestants in turn; those that disagree with the first are an error."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    first: Answer | None = None
    for _ in range(repeats):
        for name, run in contestants.items():
            start = time.perf_counter()
            value, grads = run()
            times[name].append(time.perf_counter() - start)
            if "operations" in name:
                continue
            first = first or (value, grads)
            loose = 2e-3 if np.asarray(value).dtype == np.float32 else 1e-6
            np.testing.assert_allclose(value, first[0], rtol=loose, err_msg=name)
            for mine, g in zip(first[1], grads, strict=False):
                np.testing.assert_allclose(g, mine, rtol=loose, atol=loose * np.abs(mine).max(), err_msg=name)
    return {name: statistics.median(taken) for name, taken in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    options = parser.parse_args()
    lines = ["| what | who | ms | ndgrad / it |", "| --- | --- | --- | --- |"]
    for name in options.rows or ROWS:
        about = ROWS[name].__doc__
        taken = measure(ROWS[name](), options.repeats)
        for who, seconds in taken.items():
            ratio = "" if "operations" in who else f"{taken['ndgrad'] / seconds:.2f}"
            lines.append(f"| {about} | {who} | {seconds * 1e3:.3g} | {ratio} |")
            print(f"{about:52} {who:28} {seconds * 1e3:10.2f} ms  {ratio}", flush=True)
    if options.write:
        write(lines)


def write(lines: list[str]) -> None:
    """Put the table between its marks in RESULTS.md."""
    versions = ", ".join(
        f"{name} {__import__(name).__version__}" for name in ("numpy", "torch", "jax") if find_spec(name)
    )
    made = "\n".join([f"Python {platform.python_version()}, {versions}, {platform.machine()}.", "", *lines])
    text = RESULTS.read_text("utf-8")
    mark = re.compile(r"(<!-- table -->\n).*?(\n<!-- end of table -->)", re.DOTALL)
    if not mark.search(text):
        text += "\n## The table\n\n`python benchmarks/table.py --write`:\n\n<!-- table -->\n\n<!-- end of table -->\n"
    RESULTS.write_text(mark.sub(lambda m: m[1] + made + m[2], text), "utf-8")


if __name__ == "__main__":
    main()
