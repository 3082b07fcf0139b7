"""What a run took: time, operations recorded, what was fused, memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ndgrad.lang.program import Result


def of(result: Result) -> dict[str, Any]:
    """The seconds of the run, its operations recorded, and the most bytes that the process ever had in use.

    `compiled` says how many operations compiled loops have computed. Where operations waited and were computed
    together, `fused` says how: see `ndgrad.fusion.Report`; where loops were held to a budget of memory, `recomputed`
    says how many segments were made, and the rounds computed again.
    """
    made: dict[str, Any] = {"seconds": result.seconds, "operations": result.operations}
    if result.compiled:
        made["compiled"] = result.compiled
    if result.fused is not None:
        made["fused"] = {
            name: getattr(result.fused, name) for name in ("groups", "operations", "passes", "tiles", "threads")
        }
    if result.recomputed is not None:
        made["recomputed"] = {"segments": result.recomputed.segments, "rounds": result.recomputed.rounds}
    if result.traffic is not None:
        traffic = result.traffic
        counted = ("device", "kernels", "compiled", "sent", "sent_bytes", "received", "received_bytes")
        made["device"] = {name: getattr(traffic, name) for name in counted} | {"on_host": dict(traffic.on_host)}
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
    if "compiled" in found:
        said += f" · {found['compiled']:,} computed by compiled loops"
    if "fused" in found:
        said += " · " + fused(found["fused"])
    if "recomputed" in found:
        segments, rounds = found["recomputed"]["segments"], found["recomputed"]["rounds"]
        said += f" · {segments:,} segments of loops, {rounds:,} rounds computed again"
    if "device" in found:
        said += " · " + crossed(found["device"])
    if "peak_memory" in found:
        said += f" · {found['peak_memory'] / (1 << 20):,.0f} MiB in use at most"
    return said


def show_kernels(result: Result) -> None:
    """Write the source of the kernels of a run on a GPU to standard error, without what they share."""
    assert result.traffic is not None
    sys.stdout.flush()
    sys.stderr.write("\n".join(result.traffic.sources))


def crossed(found: dict[str, Any]) -> str:
    """`gpu(0): 3 kernels, 2 of them new · 1 array sent (8 MiB), 2 read back (8 MiB) · on the host: sinc`."""

    def arrays(count: int, how: str, size: int) -> str:
        return f"{count:,} {'array' if count == 1 else 'arrays'} {how} ({size / (1 << 20):,.1f} MiB)"

    kernels = f"{found['kernels']:,} kernel{'s' if found['kernels'] != 1 else ''}, {found['compiled']:,} of them new"
    sent = arrays(found["sent"], "sent", found["sent_bytes"])
    said = f"{found['device']}: {kernels} · {sent}, {found['received']:,} read back"
    hosted = ", ".join(f"{name} ({count:,} times)" if count > 1 else name for name, count in found["on_host"].items())
    return said + (f" · computed on the host, for want of a function there: {hosted}" if hosted else "")


def fused(found: dict[str, int]) -> str:
    """`12 operations fused into 2 groups: 2 passes over memory in 64 tiles on 2 threads`."""
    counted = {name: f"{found[name]:,} {name if found[name] != 1 else name.removesuffix('s')}" for name in found}
    counted["passes"] = f"{found['passes']:,} pass{'es' if found['passes'] != 1 else ''} over memory"
    said = f"{counted['operations']} fused into {counted['groups']}"
    tiles = f" in {counted['tiles']} on {counted['threads']}" if found["tiles"] else ""  # none on a GPU
    return f"{said}: {counted['passes']}{tiles}"
