"""Calls of one function in several forked processes, answered in order.

One connection for each process, one call at a time: no thread, no lock and no handler at exit, so that an
interrupt ends the processes at any moment, also in the middle of an answer.
"""

from __future__ import annotations

import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.context import ForkContext, ForkProcess
from typing import Any

WAITING = (
    4  # answers for each worker that may wait for an earlier one: enough to keep all busy, few enough to stay small
)


class Ended(Exception):
    """A worker that ended before it answered; `status` is its exit status, negative for a signal."""

    def __init__(self, number: int, status: int | None) -> None:
        super().__init__(number, status)
        self.number, self.status = number, status


class _Worker:
    def __init__(self, context: ForkContext, function: Callable[[int, Any], Any], others: list[_Worker]) -> None:
        self.line, theirs = context.Pipe()
        inherited = [self.line, *(other.line for other in others)]
        self.process: ForkProcess = context.Process(target=_serve, args=(function, theirs, inherited), daemon=True)
        sys.stdout.flush()  # what waits there would be written twice
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the new process ignores it
        self.process.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        theirs.close()
        self.number = 0  # of the record it works on

    def end(self) -> None:
        self.line.close()
        self.process.kill()
        self.process.join()


def in_order(function: Callable[[int, Any], Any], records: Iterable[Any], count: int) -> Iterator[Any]:
    """`function(1, first)`, `function(2, second)`, …, computed by up to `count` processes.

    What a call raises is raised here, in its place; a process that ends before it answers gives an `Ended`
    in place of the answer, and another takes over.
    """
    import multiprocessing

    context = multiprocessing.get_context("fork")
    idle: list[_Worker] = []
    busy: dict[Any, _Worker] = {}  # by connection
    answers: dict[int, tuple[bool, Any]] = {}
    due: deque[int] = deque()  # numbers whose answers were not given yet

    def receive() -> None:
        for line in connection.wait(list(busy)):
            worker = busy.pop(line)
            try:
                answers[worker.number] = worker.line.recv()
                idle.append(worker)
            except (EOFError, OSError):
                worker.process.join()
                worker.end()
                answers[worker.number] = (True, Ended(worker.number, worker.process.exitcode))

    def given() -> Iterator[Any]:
        while due and due[0] in answers:
            done, answer = answers.pop(due.popleft())
            if not done:
                raise answer
            yield answer

    try:
        for number, record in enumerate(records, 1):
            while (not idle and len(busy) == count) or len(due) >= count * WAITING:
                receive()
                yield from given()
            worker = idle.pop() if idle else _Worker(context, function, [*busy.values()])
            due.append(number)
            worker.number = number
            busy[worker.line] = worker
            with suppress(OSError):  # one that has ended is found so when its answer is waited for
                worker.line.send((number, record))
        while due:
            receive()
            yield from given()
    finally:
        for worker in (*idle, *busy.values()):
            worker.end()


def _serve(function: Callable[[int, Any], Any], line: connection.Connection, inherited: list[Any]) -> None:
    """Answer until nobody asks: the other ends that a fork inherits are closed, so that this is seen."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends this one, and says what there is to say
    for other in inherited:
        other.close()
    while True:
        try:
            number, record = line.recv()
        except (EOFError, OSError):
            return
        try:
            answer = True, function(number, record)
        except Exception as error:
            answer = False, error
        try:
            line.send(answer)
        except (BrokenPipeError, ConnectionResetError):
            return
