"""Devices: where large arrays can be besides the host's memory, and what computes there.

    interface    Device, what the engine asks of one          arrays    DeviceArray, an array on one
    gpu          NVIDIA's GPUs, through CuPy                    double    NumPy in CuPy's place, for tests
    running      how operations, rules and deferred values come to a device, and results back
    layout, expressions, kernels, launch    a fused pass as one generated CUDA kernel

Nothing here is imported before a device is asked for.
"""

from __future__ import annotations

from ndgrad.device.interface import COUNTS, Counts, Device, Traffic
from ndgrad.device.running import computing_on, device_for, on, waitall

__all__ = ["COUNTS", "Counts", "Device", "Traffic", "computing_on", "device_for", "on", "waitall"]
