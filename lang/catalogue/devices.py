"""E7xx: devices and packages."""

from __future__ import annotations

from ndgrad.lang.catalogue.entry import Entry

ENTRIES = (
    Entry(
        "E701",
        "a device that is not there",
        "Arrays can be on the CPU and on NVIDIA's GPUs, which count from 0. Symbols are computed on the CPU only.",
        ">>> from ndgrad import nd, Context\n>>> x = nd.array([1.0, 2.0], ctx=Context('npu'))\n",
        ">>> from ndgrad import nd, cpu\n>>> x = nd.array([1.0, 2.0], ctx=cpu())\n",
    ),
    Entry(
        "E702",
        "a package that is not installed",
        "Some formats are read and written, and pictures drawn, with packages of their own, which are installed only "
        'where they are asked for: `pip install "ndgrad[io]"` for formats, `pip install "ndgrad[plot]"` for pictures.',
        "$ mkdir h5py && echo 'raise ImportError' > h5py/__init__.py  # as if it were not there\n"
        "$ touch data.h5\n$ PYTHONPATH=.:$PYTHONPATH ndgrad eval 'sum(x)' -i x=data.h5\n",
        "$ echo '[1, 2]' > data.json\n$ ndgrad eval 'sum(x)' -i x=data.json\n",
    ),
    Entry(
        "E703",
        "a machine without a GPU's driver",
        "A GPU is used through CuPy and NVIDIA's driver; the driver is not there. The CPU computes the same.",
        "$ mkdir cupy  # as on a machine with CuPy and no driver\n"
        "$ printf 'class cuda:\\n class runtime: driverGetVersion=runtimeGetVersion=lambda: 0' > cupy/__init__.py\n"
        "$ PYTHONPATH=.:$PYTHONPATH ndgrad eval 'sum(x)' -i x=[1,2] --device gpu\n",
        "$ ndgrad eval 'sum(x)' -i x=[1,2] --device cpu\n",
    ),
    Entry(
        "E704",
        "a version of CUDA that does not fit",
        "The driver, CuPy, and CUDA's libraries have to go together: CuPy is made for one version of CUDA, "
        "which its name says (cupy-cuda12x), and the driver has to know that version.",
        "$ mkdir cupy && echo 'raise ImportError(\"libcudart.so.12: not found\")' > cupy/__init__.py\n"
        "$ PYTHONPATH=.:$PYTHONPATH ndgrad eval 'sum(x)' -i x=[1,2] --device gpu\n",
        "$ ndgrad eval 'sum(x)' -i x=[1,2] --device cpu\n",
    ),
)
