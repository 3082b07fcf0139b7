"""Loops in a record: rounds that are alike are found, shown once or twice, and counted.

A record of a hundred thousand rounds must read like one of three.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from ndgrad.frozen import Frozen

LONGEST_ROUND = 24  # steps of one round that are still seen to repeat
FEWEST = 4  # rounds that are worth folding
MOST = 60  # steps shown of what does not repeat
ENDS = 3  # values at either end of a long loop whose adjoints are worth keeping: those shown, and what they are made of


class Rounds(Frozen):
    """Steps start … start + period·count - 1 of a record are `count` rounds of `period` steps each.

    alike    whether those between the first and the last do the same
    before   how many rounds of the loop come before these
    passes   how many passes of the program's loop one of these rounds is
    """

    start: int
    period: int
    count: int
    alike: bool = True
    before: int = 0
    passes: int = 1

    @property
    def stop(self) -> int:
        return self.start + self.period * self.count


class Gap(Frozen):
    """What is left out between two steps that are shown.

    steps     how many steps
    rounds    how many whole rounds of a loop these are, 0 for steps of any kind
    rules     the local derivatives of each of them, with k for its number; none where these are no plain factors
    alike     whether all of them do the same
    """

    steps: int
    rounds: int
    rules: tuple[str, ...] = ()
    alike: bool = True


def repeats(keys: Sequence[Hashable]) -> list[Rounds]:
    """The places where a pattern of keys repeats at least FEWEST times in a row, in order, apart from each other."""
    found = []
    i = 0
    while i < len(keys):
        for period in range(1, min(LONGEST_ROUND, (len(keys) - i) // FEWEST) + 1):
            if keys[i] != keys[i + period]:
                continue
            j = i
            while j + period < len(keys) and keys[j] == keys[j + period]:
                j += 1
            count = (j - i) // period + 1
            if count >= FEWEST:
                found.append(Rounds(i, period, count))
                i += period * count
                break
        else:
            i += 1
    return found


def shown(length: int, rounds: Sequence[Rounds], opened: int | None, unroll: bool) -> list[int | Gap]:
    """Which of `length` steps are shown, in order, with the gaps between them.

    opened: the round to show of every loop, beside the first and the last; unroll: show everything.
    """
    if unroll:
        return list(range(length))
    made: list[int | Gap] = []
    at = 0
    for loop in rounds:
        made += range(at, loop.start)
        asked = ((opened or 0) - 1) // loop.passes - loop.before
        numbers = sorted({0, loop.count - 1, *([asked] if 0 <= asked < loop.count else [])})
        last = -1
        for number in numbers:
            if number > last + 1:
                hidden = number - last - 1
                made.append(Gap(hidden * loop.period, hidden * loop.passes, alike=loop.alike))
            first = loop.start + number * loop.period
            made += range(first, first + loop.period)
            last = number
        at = loop.stop
    made += range(at, length)
    if len(made) <= MOST:
        return made
    left_out = made[MOST // 2 : -MOST // 2]
    steps = sum(part.steps if isinstance(part, Gap) else 1 for part in left_out)
    return [*made[: MOST // 2], Gap(steps, 0), *made[-MOST // 2 :]]


def ends(places: Sequence[Hashable]) -> list[int]:
    """Which of many records a folded loop shows: for every place in a program, the first ENDS and the last."""
    found: set[int] = set()
    for order in (range(len(places)), range(len(places) - 1, -1, -1)):
        seen: dict[Hashable, int] = {}
        for i in order:
            place = places[i]
            count = seen.get(place, 0)
            if count < ENDS:
                seen[place] = count + 1
                found.add(i)
    return sorted(found)
