"""Sizes that are not known yet, by sampling: programs are followed with several sizes for every name.

What differs between the samples depends on the sizes; if it is n + 1 in all of them, it is n + 1. An error
in every sample is held against all small sizes, those that clash least among them, before it is believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

from ndgrad.frozen import Frozen
from ndgrad.lang.abstract import Closure, Derived, Unsure, Weak
from ndgrad.shapes import Abstract

MOST_TRIALS = 4000
_NUMBER = re.compile(r"-?\d+")

Sizes = Mapping[str, int]


def samples(names: Sequence[str]) -> list[dict[str, int]]:
    """Sizes for the names, all different, small and large, even and odd: one set where there are no names.

    No two pairs are equally far apart, so that a difference tells its names; which of two sizes is the larger one
    changes from set to set, so that no error seems sure which comes for one order alone.
    """
    if not names:
        return [{}]
    places = _apart(len(names))
    made = []
    start = 0
    for i, (least, step) in enumerate(((11, 2), (64, 7), (241, 11), (1502, 13))):
        start = max(least, start)
        order = places if i % 2 == 0 else places[::-1]
        made.append({name: start + step * place for name, place in zip(names, order, strict=True)})
        start += step * places[-1] + 5  # sizes of a name grow from set to set
    return made


def _apart(count: int) -> list[int]:
    """The first numbers of which no two pairs have the same sum, or are equally far apart."""
    found: list[int] = []
    sums: set[int] = set()
    number = 0
    while len(found) < count:
        new = {number + other for other in (*found, number)}
        if not new & sums:
            found.append(number)
            sums |= new
        number += 1
    return found


class Form(Frozen):
    """A size in terms of names: how it is written, the names in it, how it is computed."""

    text: str
    names: tuple[str, ...]
    value: Callable[[Sizes], int]


def form_of(numbers: Sequence[int], sizes: Sequence[Sizes]) -> Form | None:
    """The form of a number that is `numbers[k]` where the sizes are `sizes[k]`; None where none is found."""
    first = numbers[0]
    if all(number == first for number in numbers):

        def constant(at: Sizes) -> int:
            return first

        return Form(str(first), (), constant)
    names = list(sizes[0])
    columns = {name: [sample[name] for sample in sizes] for name in names}
    for name in names:
        found = _affine(name, numbers, columns[name])
        if found is not None:
            return found
    for a, b in combinations(names, 2):
        found = _paired(a, b, numbers, columns[a], columns[b])
        if found is not None:
            return found
    for name in names:
        if all(v == s * s for v, s in zip(numbers, columns[name], strict=True)):
            return _square(name)
    return None


def _square(name: str) -> Form:
    return Form(f"{name}²", (name,), lambda at: at[name] ** 2)


def _affine(name: str, numbers: Sequence[int], sizes: Sequence[int]) -> Form | None:
    """a·n + c, or n // 2."""
    a, rest = divmod(numbers[1] - numbers[0], sizes[1] - sizes[0])
    c = numbers[0] - a * sizes[0]
    if not rest and a and all(v == a * s + c for v, s in zip(numbers, sizes, strict=True)):
        factor = {1: "", -1: "-"}.get(a, str(a))
        return Form(f"{factor}{name}" + _added(c), (name,), lambda at: a * at[name] + c)
    if all(v == s // 2 for v, s in zip(numbers, sizes, strict=True)):
        return Form(f"{name}//2", (name,), lambda at: at[name] // 2)
    return None


def _paired(a: str, b: str, numbers: Sequence[int], m: Sequence[int], n: Sequence[int]) -> Form | None:
    """a·b + c, a + b + c, or a − b + c either way."""
    ways: list[tuple[str, Callable[[int, int], int]]] = [
        (f"{a}·{b}", lambda x, y: x * y),
        (f"{a}+{b}", lambda x, y: x + y),
        (f"{a}-{b}", lambda x, y: x - y),
        (f"{b}-{a}", lambda x, y: y - x),
    ]
    for text, way in ways:
        rests = {v - way(x, y) for v, x, y in zip(numbers, m, n, strict=True)}
        if len(rests) == 1:
            return _combined(text, a, b, way, rests.pop())
    return None


def _combined(text: str, a: str, b: str, way: Callable[[int, int], int], c: int) -> Form:
    return Form(text + _added(c), (a, b), lambda at: way(at[a], at[b]) + c)


def _added(c: int) -> str:
    return f"+{c}" if c > 0 else str(c) if c else ""


# What the samples have in common


class Differs(Exception):
    """The samples are not of one form."""


class Pattern:
    """Values that are alike in all samples but for sizes, ready to be made for other sizes.

    names   the names that it depends on; `free` are the numbers without a form, each a name of its own
    """

    def __init__(self, found: Sequence[Any], sizes: Sequence[Sizes]) -> None:
        self.sizes = sizes
        self.names: dict[str, None] = {}
        self.free: list[str] = []
        self.constants: set[int] = set()
        self.known: dict[tuple[int, ...], Form] = {}
        self.make = self.aligned(list(found))

    def at(self, sizes: Sizes) -> Any:
        """The values where the sizes are these."""
        return self.make(sizes)

    def number(self, numbers: list[int]) -> Callable[[Sizes], int]:
        key = tuple(numbers)
        form = self.known.get(key) or form_of(numbers, self.sizes)
        if form is None:
            name = f"free {len(self.free)}"
            self.free.append(name)
            form = Form("…", (name,), lambda at: at[name])
        self.known[key] = form
        self.names.update(dict.fromkeys(form.names))
        if not form.names:
            self.constants.add(numbers[0])
        return form.value

    def aligned(self, found: list[Any]) -> Callable[[Sizes], Any]:
        first = found[0]
        kind = first.__class__
        if any(value.__class__ is not kind for value in found):
            raise Differs
        if kind is int:
            return self.number(found)
        if kind is tuple:
            if any(len(value) != len(first) for value in found):
                raise Differs
            parts = [self.aligned(list(part)) for part in zip(*found, strict=True)]
            return lambda at: tuple([part(at) for part in parts])
        if isinstance(first, Abstract):
            if any(value.dtype != first.dtype for value in found):
                raise Differs
            dims = self.aligned([value.shape for value in found])
            return lambda at: with_shape(first, tuple(max(d, 0) for d in dims(at)))
        if kind is range or kind is slice:
            ends = self.aligned([(value.start, value.stop, value.step) for value in found])
            return lambda at: kind(*ends(at))
        if isinstance(first, (Closure, Derived)):
            return lambda at: first
        if any(value is not first and value != first for value in found):
            raise Differs
        return lambda at: first


def with_shape(x: Abstract, shape: tuple[int, ...]) -> Abstract:
    """An array of which as much is known as of x, but of another shape."""
    if isinstance(x, Weak):
        return x
    return Unsure(shape, x.spread) if isinstance(x, Unsure) else x.__class__(shape, x.dtype)


def shapes_of(found: Sequence[Any], sizes: Sequence[Sizes]) -> tuple[Form | None, ...] | None:
    """The shape that an array has in terms of the names; None for what is no array in every sample."""
    if not all(isinstance(x, Abstract) and not isinstance(x, Weak) for x in found):
        return None
    if len({x.ndim for x in found}) != 1:
        return None
    return tuple(form_of(list(dims), sizes) for dims in zip(*(x.shape for x in found), strict=True))


def text_of(texts: Sequence[str], sizes: Sequence[Sizes]) -> str:
    """A text with the names in the place of the numbers that differ between the samples."""
    numbers = [[int(n) for n in _NUMBER.findall(text)] for text in texts]
    if len({len(found) for found in numbers}) != 1:
        return texts[0]
    forms = iter([form_of(list(column), sizes) for column in zip(*numbers, strict=True)])

    def written(match: re.Match[str]) -> str:
        form = next(forms)
        return match[0] if form is not None and not form.names else "…" if form is None else form.text

    return _NUMBER.sub(written, texts[0])


# Whether an error is sure


def trials(pattern: Pattern, names: Sequence[str]) -> Iterator[dict[str, int]]:
    """Small sizes for the names, and those that the pattern itself holds."""
    known = sorted(
        {0, 1, 2, 3, 4, 5, 6} | {c + d for c in pattern.constants if 0 <= c <= 64 for d in (-1, 0, 1)} - {-1}
    )
    while len(known) ** len(names) > MOST_TRIALS and len(known) > 3:
        known = [n for n in known if n < 2 or n in pattern.constants] if len(known) > 7 else known[:-1]
    for chosen in product(known, repeat=len(names)):
        yield dict(zip(names, chosen, strict=True))


def exceptions(pattern: Pattern, fails: Callable[[Any], bool]) -> list[dict[str, int]] | None:
    """The small sizes for which a failure does not come; None where there are too many names to try."""
    names = list(pattern.names)
    if len(names) > 4:
        return None
    return [at for at in trials(pattern, names) if not fails(pattern.at(at))]


def condition(pattern: Pattern, passes: list[dict[str, int]], fails: Callable[[Any], bool]) -> str | None:
    """What sizes have to be for a failure not to come, in words; None where that is not plain.

    Two names that must be equal, or one that must be a number that the operation itself holds.
    """
    names = list(pattern.names)
    if pattern.free or not names:
        return None
    generic = dict(pattern.sizes[0])
    others = dict(pattern.sizes[1])
    for a, b in combinations(names, 2):
        if not any(fails(pattern.at(at | {a: at[b]})) for at in (generic, others)):
            return f"`{a}` and `{b}` are equal"
    for name in names:
        for number in sorted(pattern.constants):
            if number > 1 and not any(fails(pattern.at(at | {name: number})) for at in (generic, others)):
                return f"`{name}` is {number}"
    if len(names) == 1:
        allowed = sorted({at[names[0]] for at in passes} - {0})
        if 0 < len(allowed) <= 2 and all(number <= 3 for number in allowed):
            return f"`{names[0]}` is {' or '.join(map(str, allowed))}"
    return None
