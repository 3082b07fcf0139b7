"""What a run may take: rounds and calls, time, memory.

Rounds and calls are counted by the run itself. Time and memory are watched from a thread of their
own, which ends the run by taking its rounds away, so that watching costs a run nothing. An
operation that runs for long is not interrupted; a caller that cannot wait gives `abandon`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ndgrad.errors import Error, Span
from ndgrad.lang import problems
from ndgrad.memory import machine_memory, used_memory
from ndgrad.tape import STATE as ENGINE

if TYPE_CHECKING:
    from ndgrad.lang.state import State

INTERVAL = 0.05  # seconds between two looks at the memory
LOOK = 0.25  # seconds between two looks at how far it is
GRACE = 1.0  # seconds that a run has to notice that it is over


class Watch:
    """Watches a run from entering to leaving.

    seconds   the time it may take, None for any
    bytes     the memory that the process may take in all, None for any
    abandon   called with the error from the watching thread if the run has not ended GRACE seconds after its limit
    look      called from the watching thread now and then, with the rounds and calls so far and how many there may be
    """

    def __init__(
        self,
        state: State,
        seconds: float | None,
        bytes: int | None,
        abandon: Callable[[Error], None] | None,
        look: Callable[[int, int], None] | None = None,
    ) -> None:
        self.state = state
        self.seconds = seconds
        self.bytes = bytes
        self.abandon = abandon
        self.look = look
        self.thread: Any = None

    def __enter__(self) -> None:
        if self.seconds is None and self.bytes is None and self.look is None:
            return
        if self.bytes is not None and used_memory() > self.bytes:  # a thread may not even start, and not say so
            raise problems.raised(problems.memory_used_up(None, self.bytes, ""))
        import threading

        self.over = threading.Event()
        thread = threading.Thread(target=self.watch, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # not even a thread's stack fits
            if self.bytes is None:
                raise
            raise problems.raised(problems.memory_used_up(None, self.bytes, "")) from None
        self.thread = thread

    def __exit__(self, *_: object) -> None:
        if self.thread is not None:
            self.over.set()

    def watch(self) -> None:
        from time import monotonic

        start = monotonic()
        while True:
            pauses = [LOOK] if self.look is not None else []
            pauses += [] if self.seconds is None else [max(0.0, self.seconds - (monotonic() - start))]
            pauses += [] if self.bytes is None else [INTERVAL]
            if self.over.wait(min(pauses)):
                return
            if self.look is not None:
                self.look(self.state.limit - self.state.steps, self.state.limit)
            if self.seconds is not None and monotonic() - start >= self.seconds:
                self.end("time", self.seconds)
                return
            if self.bytes is not None and used_memory() > self.bytes:
                self.end("memory", self.bytes)
                return

    def end(self, what: str, limit: float) -> None:
        from time import monotonic

        self.state.stopped = what, limit
        last = monotonic() + GRACE
        while True:
            self.state.steps = -(1 << 62)  # again and again: the run may be counting down at this moment
            if self.over.wait(0.01):
                return
            if self.abandon is not None and monotonic() > last:
                self.abandon(stop(self.state, None))


def stop(state: State, span: Span | None, remark: str = "", depth: int = 0) -> Error:
    """The error of a run that has no rounds left; depth: of the call that it ends in. E504, E505, E502."""
    what, limit = state.stopped or ("steps", state.limit)
    if what == "time":
        return problems.raised(problems.out_of_time(span, limit, remark))
    if what == "memory":
        return problems.raised(problems.memory_used_up(span, int(limit), remark))
    return problems.raised(problems.too_many_steps(span, int(limit), remark, depth))


@contextmanager
def bounded(max_bytes: int | None) -> Iterator[None]:
    """Operations refuse to make an array that would take the process beyond this, or beyond the machine's memory."""
    before = ENGINE.max_bytes
    ENGINE.max_bytes = machine_memory() if max_bytes is None else max_bytes
    try:
        yield
    finally:
        ENGINE.max_bytes = before


@contextmanager
def shared(threads: int | None) -> Iterator[None]:
    """Operations on large arrays are shared among so many threads; as many as the process is set to unless given."""
    before = ENGINE.threads
    ENGINE.threads = before if threads is None else threads
    try:
        yield
    finally:
        ENGINE.threads = before


def confine(max_bytes: int | None) -> None:
    """Let this process take no more than this many bytes more, or the machine's memory, where the system can say so.

    What is refused then comes as a MemoryError, before the machine runs out and ends the process.
    """
    most = machine_memory() if max_bytes is None else max_bytes
    try:
        import resource

        with open("/proc/self/statm", "rb") as file:
            data = int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if most is not None and (hard == resource.RLIM_INFINITY or data + most < hard):
            resource.setrlimit(resource.RLIMIT_DATA, (data + most, hard))
    except (ImportError, OSError, ValueError, IndexError):
        return
