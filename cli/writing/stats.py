"""What a run took: time, operations recorded, memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ndgrad.lang.program import Result


def of(result: Result) -> dict[str, Any]:
    """The seconds of the run, its operations recorded, and the most bytes that the process ever had in use."""
    made: dict[str, Any] = {"seconds": result.seconds, "operations": result.operations}
    try:
        import resource
    except ImportError:  # Windows does not say
        return made
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made["peak_memory"] = peak if sys.platform == "darwin" else peak * 1024
    return made


def text(result: Result) -> str:
    """The same in one line."""
    found = of(result)
    said = f"{found['seconds'] * 1e3:,.1f} ms · {found['operations']:,} operations recorded"
    if "peak_memory" in found:
        said += f" · {found['peak_memory'] / (1 << 20):,.0f} MiB in use at most"
    return said
