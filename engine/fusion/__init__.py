"""Large arrays, deferred: expressions that grow until someone needs numbers, then one pass over memory.

    lazy        Lazy, an array that is not computed yet: NumPy's functions on it build expressions
    schedule    a group of expressions as a short list of instructions over a few registers
    tiles       running such a list tile by tile, on several threads
    compute     which values are computed together, and in how many passes
    large       Large, the NDArray of a large array, on which operations are deferred

Nothing here is imported before the first large array shows up.
"""

from __future__ import annotations

from ndgrad.fusion.report import Report, begin, report

__all__ = ["Report", "begin", "report"]
