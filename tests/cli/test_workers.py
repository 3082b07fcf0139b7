"""Several processes for `--each`: answers in order, whatever becomes of a process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from ndgrad.cli.workers import Ended, in_order

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


def slow_where_even(number: int, record: float) -> float:
    time.sleep(0.02 if number % 2 == 0 else 0)
    return record * 10


def test_answers_come_in_the_order_of_the_records() -> None:
    assert list(in_order(slow_where_even, range(30), 3)) == [10 * value for value in range(30)]


def test_answers_larger_than_a_pipe_pass() -> None:
    assert [len(answer) for answer in in_order(lambda n, data: data * 2, [b"x" * 10**6] * 5, 2)] == [2 * 10**6] * 5


def test_a_process_that_is_killed_costs_its_record_only() -> None:
    def unlucky(number: int, record: int) -> int:
        if record == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return record

    first, second, *rest = in_order(unlucky, [1, 2, 3, 4, 5], 2)
    assert (first, rest) == (1, [3, 4, 5])
    assert isinstance(second, Ended)
    assert (second.number, second.status) == (2, -signal.SIGKILL)


def test_what_a_call_raises_is_raised_in_its_place() -> None:
    def picky(number: int, record: int) -> int:
        if record == 2:
            raise ValueError("two")
        return record

    answers: Iterator[int] = in_order(picky, [1, 2, 3], 2)
    assert next(answers) == 1
    with pytest.raises(ValueError, match="two"):
        next(answers)


def test_records_are_taken_as_they_are_needed() -> None:
    taken = []

    def records() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    answers = in_order(slow_where_even, records(), 2)
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert len(taken) < 50
