"""A .safetensors file: the gradients under the names of their inputs, or else the outputs under theirs."""

from __future__ import annotations

import numpy as np

from ndgrad.cli.reading.arrays import library
from ndgrad.cli.writing import Report, named_arrays
from ndgrad.cli.writing.places import Place


def write(report: Report, place: Place) -> None:
    """All digits always: a precision is for text. E702 without the package."""
    save = library("safetensors.numpy", "a .safetensors file").save
    arrays = named_arrays(report.result)  # its writer takes the bytes as they lie, whatever the strides
    place.write_bytes(save({name: np.ascontiguousarray(a).reshape(a.shape) for name, a in arrays.items()}))
