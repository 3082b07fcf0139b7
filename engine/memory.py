"""How much memory this process has in use, and how much it can have."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache

SHARE = 64  # arrays below this part of the memory allowed are made without asking


def used_memory() -> int:
    """The bytes of memory that this process has in use; where that is not known, the most it ever had."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        pass
    try:
        import resource
    except ImportError:  # Windows: the operating system's own limit must do
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@cache
def machine_memory() -> int | None:
    """The bytes of memory of this machine, or of the container that this process is in; None if unknown."""
    known = []
    with suppress(AttributeError, OSError, ValueError):
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path, "rb") as file:
                known.append(int(file.read()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return min(known, default=None)
