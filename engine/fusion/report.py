"""What fusion has done so far, in numbers."""

from __future__ import annotations

from ndgrad.frozen import Frozen


class Report(Frozen):
    """Counts since the process began.

    groups  requests for values          passes  walks over memory for them
    tiles   pieces that these ran        plans   lists of instructions made (the other passes found theirs)
    scratch bytes of registers of the largest pass, over all threads
    """

    groups: int
    passes: int
    tiles: int
    plans: int
    scratch: int


class Counts:
    """The running counts. Changed under the lock of `compute`."""

    groups = passes = tiles = plans = scratch = 0


COUNTS = Counts()


def report() -> Report:
    """What has been computed in tiles since the process began."""
    return Report(COUNTS.groups, COUNTS.passes, COUNTS.tiles, COUNTS.plans, COUNTS.scratch)
