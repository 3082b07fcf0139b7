"""Places for the boxes of a graph: in layers, each below what it was made of (after Sugiyama, 1981).

Boxes go into layers, edges over several layers through points in each. Sweeps down and up put each layer in the
order of its neighbours; then each box moves as near to the middle of its neighbours as the others let it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ndgrad.frozen import Frozen

ACROSS, DOWN = 28.0, 52.0  # least distances between boxes
SWEEPS = 12

Point = tuple[float, float]
Size = tuple[float, float]


class Layout(Frozen):
    """The middle of each box, the points of each edge from the lower side of one box to the upper side of another."""

    width: float
    height: float
    places: dict[int, Point]
    paths: dict[tuple[int, int], tuple[Point, ...]]


def layout(sizes: dict[int, Size], edges: dict[tuple[int, int], float]) -> Layout:
    """sizes: of the boxes, every box after those that lead to it; edges: from and to, with the breadth of a label."""
    layers = _layers(list(sizes), list(edges))
    sizes = dict(sizes)
    chains: dict[tuple[int, int], list[int]] = {}
    next_key = max(sizes, default=0) + 1
    for (source, target), breadth in edges.items():
        chain = [source]
        for level in range(layers[source] + 1, layers[target]):
            sizes[next_key] = (breadth if len(chain) == 1 else 2.0, 0.0)
            layers[next_key] = level
            chain.append(next_key)
            next_key += 1
        chains[source, target] = [*chain, target]
    links = [pair for chain in chains.values() for pair in pairwise(chain)]
    above: dict[int, list[int]] = {key: [] for key in sizes}
    below: dict[int, list[int]] = {key: [] for key in sizes}
    for a, b in links:
        below[a].append(b)
        above[b].append(a)
    rows: list[list[int]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for key in sizes:
        rows[layers[key]].append(key)
    rows = _ordered(rows, above, below, links)
    x = _across(rows, sizes, above, below)
    y: dict[int, float] = {}
    at = 0.0
    tops, bottoms = [], []
    for row in rows:
        height = max(sizes[key][1] for key in row)
        tops.append(at)
        bottoms.append(at + height)
        y |= dict.fromkeys(row, at + height / 2)
        at += height + DOWN
    left = min((x[key] - sizes[key][0] / 2 for key in x), default=0.0)
    x = {key: value - left for key, value in x.items()}
    width = max((x[key] + sizes[key][0] / 2 for key in x), default=0.0)
    paths = {}
    for (source, target), chain in chains.items():
        points: list[Point] = [(x[source], y[source] + sizes[source][1] / 2)]
        for key in chain[1:-1]:
            points += [(x[key], tops[layers[key]]), (x[key], bottoms[layers[key]])]
        paths[source, target] = (*points, (x[target], y[target] - sizes[target][1] / 2))
    boxes = {
        key: (x[key], y[key]) for key in x if key < min((k for c in chains.values() for k in c[1:-1]), default=next_key)
    }
    return Layout(width, at - DOWN if rows else 0.0, boxes, paths)


def _layers(keys: list[int], edges: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Below all that leads to it; what nothing leads to, just above what it leads to."""
    into: dict[int, list[int]] = {key: [] for key in keys}
    out: dict[int, list[int]] = {key: [] for key in keys}
    for a, b in edges:
        into[b].append(a)
        out[a].append(b)
    made: dict[int, int] = {}
    for key in keys:
        made[key] = 1 + max((made[a] for a in into[key]), default=-1)
    for key in keys:
        if not into[key] and out[key]:
            made[key] = min(made[b] for b in out[key]) - 1
    return made


Neighbours = dict[int, list[int]]


def _ordered(
    rows: list[list[int]], above: Neighbours, below: Neighbours, links: list[tuple[int, int]]
) -> list[list[int]]:
    """The rows in the order with the fewest crossings that sweeps find."""
    best, fewest = [list(row) for row in rows], _crossings(rows, below)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        order = range(1, len(rows)) if sweep % 2 == 0 else range(len(rows) - 2, -1, -1)
        near = above if sweep % 2 == 0 else below
        for i in order:
            beside = rows[i - 1] if sweep % 2 == 0 else rows[i + 1]
            place = {key: at for at, key in enumerate(beside)}
            middles = {key: _mean([float(place[n]) for n in near[key]], float(at)) for at, key in enumerate(rows[i])}
            rows[i].sort(key=middles.__getitem__)
        count = _crossings(rows, below)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    return best


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _crossings(rows: list[list[int]], below: Neighbours) -> int:
    total = 0
    for upper, lower in pairwise(rows):
        place = {key: at for at, key in enumerate(lower)}
        ends: list[int] = []
        for key in upper:
            mine = sorted(place[b] for b in below[key])
            total += sum(1 for end in mine for other in ends if other > end)
            ends += mine
    return total


def _across(rows: list[list[int]], sizes: dict[int, Size], above: Neighbours, below: Neighbours) -> dict[int, float]:
    x: dict[int, float] = {}
    for row in rows:
        at = 0.0
        for key in row:
            x[key] = at + sizes[key][0] / 2
            at += sizes[key][0] + ACROSS
        for key in row:
            x[key] -= at / 2
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            near = [
                [*above[key], *below[key]] if sweep > SWEEPS // 2 else (above if sweep % 2 == 0 else below)[key]
                for key in row
            ]
            wished = [_mean([x[n] for n in found], x[key]) for key, found in zip(row, near, strict=True)]
            x |= dict(zip(row, _apart(wished, [sizes[key][0] for key in row]), strict=True))
    return x


def _apart(wished: list[float], widths: list[float]) -> list[float]:
    """The places nearest to those wished for, in the same order, with room between them (isotonic regression)."""
    offsets = [0.0]
    for a, b in pairwise(widths):
        offsets.append(offsets[-1] + (a + b) / 2 + ACROSS)
    blocks: list[tuple[float, int]] = []  # the sum of what is wished, and how many wish it
    for wish, offset in zip(wished, offsets, strict=True):
        blocks.append((wish - offset, 1))
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1] = blocks[-1][0] + total, blocks[-1][1] + count
    flat = [total / count for total, count in blocks for _ in range(count)]
    return [place + offset for place, offset in zip(flat, offsets, strict=True)]
