"""A run that takes too much ends promptly, and says where it was."""

from __future__ import annotations

from time import perf_counter, process_time, sleep

import pytest

from ndgrad.errors import LimitError
from ndgrad.lang import compile, limits
from ndgrad.lang.state import State
from ndgrad.memory import used_memory

TOO_LARGE = [
    "zeros((10 ** 6, 10 ** 6))",
    "eye(10 ** 6)",
    "tri(10 ** 6)",
    "diag(ones(10 ** 6))",
    "arange(0, 1, 1e-13)",
    "linspace(0, 1, 10 ** 13)",
    "tile([1, 2], 10 ** 12)",
    "repeat([1, 2], 10 ** 12)",
    "pad([1, 2], (0, 10 ** 13))",
    "one_hot([1, 2], 10 ** 13)",
    "outer(ones(10 ** 6), ones(10 ** 6))",
    "einsum('i,j->ij', ones(10 ** 6), ones(10 ** 6))",
    "meshgrid(ones(10 ** 6), ones(10 ** 6))",
    "x = ones((10 ** 6, 1)); x * x.T",
    "random_normal(shape=(10 ** 7, 10 ** 7))",
    "sum(broadcast_to([1], (10 ** 13,)))",
]


def stopped(text: str, **options: float) -> LimitError:
    """The error that ends the program, which comes within five seconds."""
    start = process_time()
    with pytest.raises(LimitError) as caught:
        compile(text, "long.nd").run(**options)
    assert process_time() - start < 5
    return caught.value


@pytest.mark.parametrize("text", TOO_LARGE)
def test_no_array_beyond_the_memory_is_begun(text: str) -> None:
    error = stopped(text)
    assert error.code == "E502"
    assert "GiB" in error.diagnostics[0].message


def test_an_endless_while_says_the_line_the_rounds_and_the_last_values() -> None:
    error = stopped("b = 1\nwhile b > 0:\n    b = b + 1", max_steps=1000)
    (label,) = error.diagnostics[0].labels
    assert (error.code, label.span.line) == ("E504", 2)
    assert label.text == "after 1,000 rounds of this loop: 1001 > 0"


def test_the_time_is_limited() -> None:
    error = stopped("b = 1\nwhile b > 0: b = b + 1", timeout=0.05, max_steps=10**12)
    assert error.code == "E505"
    assert error.diagnostics[0].labels[0].span.line == 2
    assert "after 0.05 seconds" in error.diagnostics[0].message


def beyond_what_is_used(room: int) -> int:
    """A limit, in whole MiB, so many bytes beyond what this process has in use already."""
    return (used_memory() + room) // 2**20 * 2**20


def test_the_memory_of_all_arrays_together_is_limited() -> None:
    limit = beyond_what_is_used(300 * 2**20)
    error = stopped("kept = ()\nwhile True: kept = (kept, ones(10 ** 6) + len(kept))", max_memory=limit)
    assert error.code == "E502"
    assert "iB" in error.diagnostics[0].message


def test_one_array_beyond_the_memory_limit_is_refused_before_it_is_made() -> None:
    limit = beyond_what_is_used(300 * 2**20)
    error = stopped("x = zeros(10 ** 9)", max_memory=limit)
    assert error.diagnostics[0].message.startswith("an array of shape 1000000000 needs 7.45 GiB; the limit is ")


def test_a_run_within_its_limits_is_left_alone() -> None:
    made = compile("b = 1\nwhile b < 100: b = b + 1").run(timeout=60, max_memory=8 * 2**30, max_steps=99)
    assert made.value == 100


def test_a_caller_that_cannot_wait_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GRACE", 0.05)
    told: list[str] = []
    state = State({}, frozenset(), 100, print, {}, traced=False)
    with limits.Watch(state, 0.01, None, lambda error: told.append(error.code)):
        end = perf_counter() + 5
        while not told and perf_counter() < end:
            sleep(0.01)
    assert told[0] == "E505"
    assert state.steps < 0


@pytest.mark.parametrize("limit", [1, 2**20, 8 * 2**20])
def test_a_limit_that_is_passed_at_the_start_is_said(limit: int) -> None:
    """No thread that watches would fit; starting one could even wait for ever."""
    error = stopped("1 + 1", max_memory=limit)
    assert error.code == "E502"
