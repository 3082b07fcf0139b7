"""GPUs through CuPy: what is said where one is missing; and, with `pytest -m gpu` where there is one, that it is right.

Without a GPU, CuPy is a stand-in here that answers as CuPy does on a machine that lacks the one thing or the other.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import ndgrad as mx
from ndgrad import autograd, errors, nd
from ndgrad.device import COUNTS, running
from ndgrad.device import gpu as gpus
from ndgrad.lang import compile, load

HERE = Path(__file__).parent
SAMPLES = sorted((HERE.parent.parent / "samples").glob("*.nd"))


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int) -> None:
        super().__init__(f"error {status}")
        self.status = status


def raising(error: Exception) -> Any:
    def function(*_: Any) -> Any:
        raise error

    return function


def stand_in(driver: int = 12090, count: Any = 1, nvrtc: Any = lambda: (12, 9)) -> ModuleType:
    """A module cupy, on NumPy, of a machine with this driver and so many GPUs; an exception in place of an answer."""
    made: Any = ModuleType("cupy")
    made.__spec__ = ModuleSpec("cupy", None)
    vars(made).update({name: getattr(np, name) for name in ("empty", "ndarray", "asarray", "add", "sum", "linalg")})
    made.asnumpy = np.array
    selected = [0]
    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        driverGetVersion=lambda: driver,
        runtimeGetVersion=lambda: 12090,
        getDeviceCount=raising(count) if isinstance(count, Exception) else lambda: count,
        getDevice=lambda: selected[0],
        setDevice=lambda n: selected.__setitem__(0, n),
        deviceSynchronize=lambda: None,
        memGetInfo=lambda: (600, 1000),
    )
    made.cuda = SimpleNamespace(
        runtime=runtime,
        nvrtc=SimpleNamespace(getVersion=nvrtc),
        memory=SimpleNamespace(OutOfMemoryError=type("OutOfMemoryError", (MemoryError,), {})),
    )
    made.get_default_memory_pool = lambda: SimpleNamespace(
        used_bytes=lambda: 100, free_bytes=lambda: 50, get_limit=lambda: 0
    )
    return made


@pytest.mark.parametrize(
    ("number", "there", "code", "said"),
    [
        (0, None, "E702", 'pip install "ndgrad[gpu]"'),
        (0, stand_in(driver=0), "E703", "no NVIDIA driver"),
        (0, stand_in(11040, CUDARuntimeError(35)), "E704", "CUDA 11.4, and cupy is made for CUDA 12.9"),
        (0, stand_in(11040, CUDARuntimeError(35)), "E704", "pip install cupy-cuda11x"),
        (0, stand_in(count=CUDARuntimeError(100)), "E701", "there is no GPU"),
        (0, stand_in(count=CUDARuntimeError(3)), "E704", "nvidia-smi"),
        (2, stand_in(count=2), "E701", "there is gpu(0), gpu(1)"),
        (0, stand_in(nvrtc=raising(ImportError("libnvrtc"))), "E704", 'pip install "cupy-cuda12x[ctk]"'),
    ],
)
def test_what_is_missing_is_named_with_its_cure(
    number: int, there: Any, code: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "DEVICES", {})
    monkeypatch.setitem(sys.modules, "cupy", there)
    if there is None:
        monkeypatch.setattr(gpus, "find_spec", lambda name: None)
    with pytest.raises(errors.DeviceError) as caught:
        nd.ones((2,), ctx=mx.gpu(number))
    assert caught.value.code == code
    assert caught.value.exit_code == 5
    assert said in str(caught.value)


def test_names_of_devices_are_read_or_refused() -> None:
    assert running.named("gpu") == mx.gpu(0)
    assert running.named("gpu:3") == mx.gpu(3)
    for text in ("npu", "gpu:", "gpu:x", "gpu:-1"):
        with pytest.raises(errors.DeviceError) as caught:
            compile("1").run(device=text)
        assert caught.value.code == "E701"


def test_a_gpu_moves_arrays_and_says_what_room_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy: Any = stand_in(count=2)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    device: Any = gpus.opened(1)
    x = device.put(np.arange(3.0))
    assert cupy.cuda.runtime.getDevice() == 1
    np.testing.assert_array_equal(device.fetch(x + 1), [1, 2, 3])
    device.synchronize()
    monkeypatch.setattr(cupy, "empty", raising(cupy.cuda.memory.OutOfMemoryError()))
    with pytest.raises(errors.LimitError, match="no room for 8 KiB: 650 bytes of 1000 bytes are free, 100 bytes are"):
        device.empty((1024,), np.dtype(np.float64))


# On a real one


@pytest.fixture
def real() -> Any:
    """The first GPU of this machine."""
    try:
        return running.device_for(mx.gpu(0))
    except errors.DeviceError as error:
        pytest.skip(str(error))


def module(name: str) -> Any:
    spec = spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.gpu
def test_every_operation_and_its_derivative_are_right_on_the_gpu(real: Any) -> None:
    drawn, device = module("test_operations"), module("test_device")
    with autograd.default_dtype("float64"), np.errstate(all="ignore"):
        for case in drawn.draws():
            function, operands = drawn.applied(case.values[0]), drawn.floats_of(case.values[0])
            wanted = device.value_and_gradients(function, operands, mx.cpu())
            made = device.value_and_gradients(function, operands, mx.gpu(0))
            for got, want in zip(made, wanted, strict=True):
                np.testing.assert_allclose(got.asnumpy(), want.asnumpy(), rtol=1e-9, atol=1e-10, err_msg=case.id)


@pytest.mark.gpu
def test_kernels_give_what_the_tiles_give(real: Any) -> None:
    kernels = module("test_kernels")
    for name, (expression, operands) in kernels.CORPUS.items():
        with np.errstate(all="ignore"):
            wanted = kernels.results(expression, [np.array(x) for x in operands])
            made = expression(*(kernels.source(real.put(x)) for x in operands))
            kernels.compute(made)
        for got, want in zip(made, wanted, strict=True):
            single = want.dtype == np.float32
            value = np.asarray(got.known)
            np.testing.assert_allclose(value, want, 1e-5 if single else 1e-12, 1e-6 if single else 1e-13, err_msg=name)


@pytest.mark.gpu
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_give_what_they_give_on_the_cpu(path: Path, real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "FROM", 1)  # also small arrays go over
    program = load(str(path))
    if any(not declared.optional for declared in program.inputs) or program.free_names:
        pytest.skip("it needs inputs")
    wanted, made = (program.run(grad=["all"], seed=1, device=device) for device in ("cpu", "gpu"))
    for name, value in {**wanted.outputs, **wanted.grads}.items():
        got = {**made.outputs, **made.grads}[name]
        np.testing.assert_allclose(got, value, rtol=1e-9, atol=1e-10, err_msg=name)


@pytest.mark.gpu
def test_a_million_entries_are_summed_alike_every_time(real: Any) -> None:
    x = nd.array(np.random.default_rng(0).standard_normal(10**6), ctx=mx.gpu(0))
    assert len({nd.sum(nd.exp(x)).asscalar() for _ in range(5)}) == 1


@pytest.mark.gpu
def test_an_array_that_does_not_fit_is_an_error_with_the_sizes(real: Any) -> None:
    _, free, _ = real.room()
    with pytest.raises(errors.LimitError, match="no room for"):
        real.empty((free * 2,), np.dtype(np.float64))
    COUNTS.begin()
    np.testing.assert_array_equal((nd.ones(3, ctx=mx.gpu(0)) + 1).asnumpy(), [2, 2, 2])


@pytest.mark.gpu
def test_two_gpus_compute_apart(real: Any) -> None:
    try:
        running.device_for(mx.gpu(1))
    except errors.DeviceError as error:
        pytest.skip(str(error))
    a, b = nd.ones(3, ctx=mx.gpu(0)), nd.ones(3, ctx=mx.gpu(1))
    np.testing.assert_array_equal((a * 2).asnumpy() + nd.exp(b * 0).asnumpy(), [3, 3, 3])
    np.testing.assert_array_equal((a + b.as_in_context(mx.gpu(0))).asnumpy(), [2, 2, 2])
