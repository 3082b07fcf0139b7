"""The threads that tiles are shared among: as many as a run asks for, else NDGRAD_THREADS, else one for each core.

The cores are those that this process may use. NumPy's loops let go of the interpreter lock, so threads compute at
the same time. Work that a thread of the pool asks for is done in that thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ndgrad.tape import STATE

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_INSIDE = threading.local()
_pool: ThreadPoolExecutor | None = None
_size = 0  # threads that the pool may have
MOST = 256


def _threads() -> int:
    asked = os.environ.get("NDGRAD_THREADS", "")
    if asked.isdecimal() and int(asked):
        return min(int(asked), MOST)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


THREADS = _threads()


def threads() -> int:
    """How many threads may compute at once for the thread that asks."""
    return THREADS if STATE.threads is None else min(STATE.threads, MOST)


def _forget() -> None:
    """In a process made by fork, in which the threads are not there."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def together(work: Callable[[], Any], threads: int) -> None:
    """Run `work` in `threads` threads at once, of which this is one; raises what it raises."""
    global _pool, _size
    if threads < 2 or getattr(_INSIDE, "yes", False):
        work()
        return
    if _pool is None or _size < threads - 1:
        from concurrent.futures import ThreadPoolExecutor

        if _pool is not None:
            _pool.shutdown(wait=False)
        _size = threads - 1
        _pool = ThreadPoolExecutor(_size, "ndgrad", _enter)
    others = []
    try:
        for _ in range(threads - 1):
            others.append(_pool.submit(work))  # noqa: PERF401
    except RuntimeError:  # there is no room for one more thread's stack: those that there are share the work
        _pool = None
    try:
        work()
    finally:
        for other in others:  # also after an error: they write into the arrays of this call
            if not other.cancel():
                other.exception()
    for other in others:
        if not other.cancelled():
            other.result()


def _enter() -> None:
    _INSIDE.yes = True
