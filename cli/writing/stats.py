"""What a run took: time, operations recorded, what was fused, memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ndgrad.lang.program import Result


def of(result: Result) -> dict[str, Any]:
    """The seconds of the run, its operations recorded, and the most bytes that the process ever had in use.

    Where operations waited and were computed together, `fused` says how: see `ndgrad.fusion.Report`.
    """
    made: dict[str, Any] = {"seconds": result.seconds, "operations": result.operations}
    if result.fused is not None:
        made["fused"] = {
            name: getattr(result.fused, name) for name in ("groups", "operations", "passes", "tiles", "threads")
        }
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
    if "fused" in found:
        said += " · " + fused(found["fused"])
    if "peak_memory" in found:
        said += f" · {found['peak_memory'] / (1 << 20):,.0f} MiB in use at most"
    return said


def fused(found: dict[str, int]) -> str:
    """`12 operations fused into 2 groups: 2 passes over memory in 64 tiles on 2 threads`."""
    counted = {name: f"{found[name]:,} {name if found[name] != 1 else name.removesuffix('s')}" for name in found}
    counted["passes"] = f"{found['passes']:,} pass{'es' if found['passes'] != 1 else ''} over memory"
    said = f"{counted['operations']} fused into {counted['groups']}"
    return f"{said}: {counted['passes']} in {counted['tiles']} on {counted['threads']}"
