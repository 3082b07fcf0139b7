"""NVIDIA's GPUs, through CuPy, which is imported when the first one is asked for.

`opened(number)` says what is missing where something is: the package (E702), the driver (E703), libraries of the
right version (E704), a GPU of that number (E701).
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad import problems
from ndgrad.context import gpu
from ndgrad.device.interface import Device

if TYPE_CHECKING:
    from ndgrad.fusion.schedule import Pass

_UPDATE = "update the driver, or install the CuPy made for it: pip install cupy-cuda{}x"
_TOO_OLD, _NO_DEVICE = 35, 100  # of CUDA's error codes: cudaErrorInsufficientDriver, cudaErrorNoDevice


def opened(number: int) -> Device:
    """The GPU of that number. E701, E702, E703, E704."""
    name = str(gpu(number))
    if find_spec("cupy") is None:
        raise problems.gpu_package_missing(name)
    try:
        cupy = import_module("cupy")
    except Exception as error:  # of many kinds: what is missing is found out while it loads
        reason = f"cupy does not load: {(str(error).splitlines() or [type(error).__name__])[0]}"
        raise problems.wrong_cuda(
            name, reason, "install the CuPy made for this CUDA: pip install cupy-cuda12x"
        ) from None
    runtime = cupy.cuda.runtime
    driver, made_for = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if not driver:
        raise problems.no_driver(name)
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        if error.status == _TOO_OLD:
            reason = f"the driver is for CUDA {_version(driver)}, and cupy is made for CUDA {_version(made_for)}"
            raise problems.wrong_cuda(name, reason, _UPDATE.format(driver // 1000)) from None
        if error.status != _NO_DEVICE:
            raise problems.wrong_cuda(name, f"CUDA says {error}", "run nvidia-smi to see what it says") from None
        count = 0
    if number >= count:
        there = ", ".join(str(gpu(i)) for i in range(count))
        cure = "leave the device out: the CPU computes the same" if not count else f"use one that is: {there}"
        raise problems.no_such_device(name, "there is no GPU" if not count else f"there is {there}", cure)
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception:
        reason = "CUDA's compiler library (nvrtc), which makes the kernels, is not installed"
        raise problems.wrong_cuda(name, reason, f'pip install "cupy-cuda{made_for // 1000}x[ctk]"') from None
    return GPU(number, cupy)


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


class GPU(Device):
    """One GPU. Calls return before the work is done; reading waits."""

    def __init__(self, number: int, cupy: Any) -> None:
        super().__init__(gpu(number))
        self.number = number
        self.module = cupy
        self.runtime = cupy.cuda.runtime
        self.spends = (cupy.cuda.memory.OutOfMemoryError,)
        self.launches: Any = None

    @property
    def special(self) -> Any:
        return import_module("cupyx.scipy.special")

    def select(self) -> None:
        if self.runtime.getDevice() != self.number:
            self.runtime.setDevice(self.number)

    def upload(self, x: np.ndarray[Any, Any]) -> Any:
        return self.module.asarray(x)

    def download(self, raw: Any) -> np.ndarray[Any, Any]:
        made: np.ndarray[Any, Any] = self.module.asnumpy(raw)
        return made

    def is_raw(self, x: Any) -> bool:
        return isinstance(x, self.module.ndarray)

    def guarded(self, function: Any, args: list[Any], named: dict[str, Any]) -> Any:
        if "linalg" not in (getattr(function, "__module__", None) or ""):
            return function(*args, **named)
        with import_module("cupyx").errstate(linalg="raise"):  # else a singular matrix gives numbers without a word
            return function(*args, **named)

    def compute(self, work: Pass, into: dict[int, Any]) -> None:
        if self.launches is None:
            from ndgrad.device.launch import Launches

            self.launches = Launches(self)
        self.select()
        try:
            self.launches.run(work, into)
        except self.spends as error:
            raise self.full(sum(x.nbytes for x in work.stores), error) from None

    def synchronize(self) -> None:
        self.select()
        self.runtime.deviceSynchronize()

    def room(self) -> tuple[int, int, int]:
        self.select()
        pool = self.module.get_default_memory_pool()
        used, limit = pool.used_bytes(), pool.get_limit()
        free, total = self.runtime.memGetInfo()
        free += pool.free_bytes()
        return (used, min(free, limit - used), min(total, limit)) if limit else (used, free, total)

    # What a launch needs

    @property
    def processors(self) -> int:
        """How many multiprocessors it has."""
        found: int = self.runtime.deviceGetAttribute(16, self.number)  # cudaDevAttrMultiProcessorCount
        return found

    def address(self, raw: Any) -> int:
        """Where an array begins in the device's memory."""
        found: int = raw.data.ptr
        return found

    def kernel(self, source: str, name: str) -> Any:
        """The compiled kernel: (grid, block, arguments) → None. CuPy keeps it on disk for the next process."""
        return self.module.RawModule(code=source, options=("--std=c++17", "--fmad=false")).get_function(name)
