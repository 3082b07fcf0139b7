"""What fusion has done so far, in numbers."""

from __future__ import annotations

from ndgrad.frozen import Frozen


class Report(Frozen):
    """Counts since the process began.

    groups      requests for values          passes  walks over memory for them
    operations  computed in these walks, once for each walk that needs their value
    tiles       pieces that these ran        plans   lists of instructions made (the other passes found theirs)
    scratch     bytes of registers of the largest pass, over all threads
    threads     the most that shared a pass
    """

    groups: int
    passes: int
    tiles: int
    plans: int
    scratch: int
    operations: int
    threads: int

    def since(self, earlier: Report | None) -> Report:
        """What came after an earlier report; of `scratch` and `threads` the most since the last `begin`."""
        if earlier is None:
            return self
        counted = "groups", "passes", "tiles", "plans", "operations"
        fields = {name: getattr(self, name) for name in self._fields}
        return Report(**fields | {name: fields[name] - getattr(earlier, name) for name in counted})


class Counts:
    """The running counts. Changed under the lock of `compute`."""

    groups = passes = tiles = plans = scratch = operations = threads = 0


COUNTS = Counts()


def report() -> Report:
    """What has been computed in tiles since the process began."""
    return Report(**{name: getattr(COUNTS, name) for name in Report._fields})


def begin() -> Report:
    """The report so far, and a new start for what is the most of a pass: where the counts of a run begin."""
    so_far = report()
    COUNTS.scratch = COUNTS.threads = 0
    return so_far
