"""E7xx: devices."""

from __future__ import annotations

from ndgrad.lang.catalogue.entry import Entry

ENTRIES = (
    Entry(
        "E701",
        "a device that is not there",
        "Arrays were asked for on a GPU, and this version computes on the CPU only.",
        ">>> from ndgrad import nd, gpu\n>>> x = nd.array([1.0, 2.0], ctx=gpu(0))\n",
        ">>> from ndgrad import nd, cpu\n>>> x = nd.array([1.0, 2.0], ctx=cpu())\n",
    ),
)
