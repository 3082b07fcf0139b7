"""How long a whole `ndgrad run` takes, as a multiple of `python -c "import numpy"`.

Both are started in turn, so that a busy machine slows both; the ratio of the medians is what counts.

    python benchmarks/startup.py [PAIRS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BESIDE = Path(sys.executable).with_name("ndgrad")
NDGRAD = [str(BESIDE)] if BESIDE.exists() else [sys.executable, "-m", "ndgrad"]
CASES = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "ndgrad --version": [*NDGRAD, "--version"],
    "ndgrad run": [*NDGRAD, "run", "samples/chain.nd", "--grad", "x"],
}


def milliseconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    return (time.perf_counter() - started) * 1e3


def main(pairs: int = 21) -> None:
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for command in CASES.values():
        milliseconds(command)  # fills the caches
    for _ in range(pairs):
        for name, command in CASES.items():
            times[name].append(milliseconds(command))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    for name, median in medians.items():
        print(f"{name:18} {median:7.1f} ms   {median / medians['import numpy']:5.2f} × import numpy")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
