"""E7xx: devices and packages."""

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
    Entry(
        "E702",
        "a package that is not installed",
        "Some formats are read and written with packages of their own, which are installed only where they are asked "
        'for: `pip install "ndgrad[io]"`.',
        "$ mkdir h5py && echo 'raise ImportError' > h5py/__init__.py  # as if it were not there\n"
        "$ touch data.h5\n$ PYTHONPATH=.:$PYTHONPATH ndgrad eval 'sum(x)' -i x=data.h5\n",
        "$ echo '[1, 2]' > data.json\n$ ndgrad eval 'sum(x)' -i x=data.json\n",
    ),
)
