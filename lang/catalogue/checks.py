"""E8xx: checks that were asked for."""

from __future__ import annotations

from ndgrad.lang.catalogue.entry import Entry

ENTRIES = (
    Entry(
        "E801",
        "the first value that is not finite",
        "With `--nan-check` a run stops at the first nan or infinity: in an input, in the result of an operation whose "
        "operands are finite, or in a derivative. Without it the run goes on, as computing with floats does.",
        "$ ndgrad eval 'x * log(x - 1)' -i x=[3,2,1] --nan-check\n",
        "$ ndgrad eval 'x * log(maximum(x - 1, 1e-12))' -i x=[3,2,1] --nan-check\n",
    ),
)
