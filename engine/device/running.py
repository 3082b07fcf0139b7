"""How operations, rules and deferred values come to a device, and what stays on the host.

An operation computes where its operands are. In a run on a device (`on`), arrays from FROM bytes on are made there,
smaller ones stay on the host: sending them over and starting a kernel takes longer than computing them. Where a
small array meets one on the device, it is sent over.

    hosts small arrays, indices, random draws, conditions     device everything else
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.context import Context, cpu, gpu
from ndgrad.device.arrays import DeviceArray
from ndgrad.device.expressions import has_kernel
from ndgrad.device.interface import COUNTS, Device, Traffic
from ndgrad.fusion import large
from ndgrad.fusion.lazy import BROADCAST, CAST, PATCH, VIEW, WHERE, Lazy, lifted
from ndgrad.namespace import PLAIN
from ndgrad.ndarray import NDArray, plain
from ndgrad.primitive import Primitive
from ndgrad.tape import STATE, Node

FROM = 1 << 18  # bytes of an array that is made on the device, in a run on one

DEVICES: dict[Context, Device] = {}


def device_for(context: Context) -> Device:
    """The device of a context that is not the CPU. E701 to E704 where it cannot be used."""
    found = DEVICES.get(context)
    if found is None:
        if context.device_type != "gpu" or context.device_id < 0:
            raise problems.no_such_device(str(context), "the devices are cpu and gpu:N", "use cpu, gpu, or gpu:1")
        from ndgrad.device.gpu import opened

        found = DEVICES[context] = opened(context.device_id)
    type(STATE).fusion = large
    type(STATE).remote = _this
    return found


@contextmanager
def on(device: Device | None) -> Iterator[None]:
    """A scope in which large arrays are made on the device; None for the host."""
    if device is None:
        yield
        return
    before = STATE.device, STATE.defer_from
    STATE.device, STATE.defer_from = device, min(FROM, STATE.defer_from)
    try:
        yield
    finally:
        STATE.device, STATE.defer_from = before


def named(text: str) -> Context:
    """The context that `gpu` or `gpu:N` names. E701 for other words."""
    kind, _, number = text.partition(":")
    if kind != "gpu" or (":" in text and not number.isdecimal()):
        raise problems.no_such_device(text, "the devices are cpu and gpu:N", "use cpu, gpu, or gpu:1")
    return gpu(int(number or 0))


@contextmanager
def computing_on(text: str) -> Iterator[Callable[[], Traffic]]:
    """A run on the device of this name: large arrays are made there. Gives what says what crossed over, and ran there.

    E701 to E704 where it cannot be used.
    """
    device = device_for(named(text))
    COUNTS.begin()
    COUNTS.sources = []
    try:
        with on(device):
            yield lambda: COUNTS.traffic(device)
    finally:
        COUNTS.sources = None


def waitall() -> None:
    """Return when everything asked of any device is done."""
    for device in DEVICES.values():
        device.synchronize()


def wait(x: NDArray) -> None:
    """Return when the values of x exist."""
    value = plain(x)
    if isinstance(value, DeviceArray):
        value.device.synchronize()


# Where something is


def device_of(x: Any) -> Device | None:
    """The device that x, or what it is made of, is on; None for the host."""
    if isinstance(x, DeviceArray):
        return x.device
    if x.__class__ is large.Large:
        x = x.lazy
    elif isinstance(x, NDArray):
        return device_of(plain(x))
    if x.__class__ is Lazy:
        return among((x,)) if x.known is None else device_of(x.known)
    if isinstance(x, (tuple, list)):
        return next((d for d in map(device_of, x) if d is not None), None)
    return None


def among(group: Iterable[Lazy]) -> Device | None:
    """The device of the first computed array that the deferred values are made of, if any is on one."""
    stack = list(group)
    seen: set[int] = set()
    while stack:
        x = stack.pop()
        if isinstance(x.known, DeviceArray):
            return x.known.device
        for a in x.args:
            if a.__class__ is Lazy and id(a) not in seen:
                seen.add(id(a))
                stack.append(a)
    return None


def context_of(x: NDArray) -> Context:
    """Where the values of an array are."""
    device = device_of(x)
    return cpu() if device is None else device.context


def moved(x: Any, to: Context) -> Any:
    """A plain array, copied to another place; itself if it is there."""
    here = device_of(x)
    if to.device_type == "cpu":
        return x if here is None else here.fetch(x)[()]
    there = device_for(to)
    if here is there:
        return x
    return there.put(x if here is None else here.fetch(x))


# Operations


def evaluate(op: Primitive, operands: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """The value of `op` over plain or deferred arrays, on the device where one of them, or of the results, belongs."""
    if STATE.device is not None:
        operands = tuple(map(_over, operands))
    outer = COUNTS.operation
    COUNTS.operation = outer or op.name
    try:
        y = op.value(PLAIN, *operands, *statics)
    finally:
        COUNTS.operation = outer
    if y.__class__ is Lazy or isinstance(y, DeviceArray):
        return y
    return _settled(y, device_of(operands))


def _over(x: Any) -> Any:
    """A large array of the host, sent to the device of the run."""
    if x.__class__ is np.ndarray and x.nbytes >= FROM and any(x.strides):
        return STATE.device.put(x)
    if x.__class__ is tuple or x.__class__ is list:
        return x.__class__(map(_over, x))
    return x


def _settled(y: Any, device: Device | None) -> Any:
    """Results that came out on the host: on the device with the operands, or with what is large in a run on one."""
    if isinstance(y, tuple):
        return tuple(_settled(part, device) for part in y)
    if y.__class__ is np.ndarray and y.ndim:
        if device is not None:
            return device.put(y)
        return _over(y) if STATE.device is not None else y
    return y


def enlarged(made: Any) -> Any:
    """Arrays around what is on a device as Large, so that operations on them can wait."""
    if isinstance(made, tuple):
        for part in made:
            enlarged(part)
    elif made.__class__ is NDArray and isinstance(made._data, DeviceArray):
        large.enlarge(made)
    return made


def zeros_beside(x: NDArray) -> Any:
    """Zeros of x's shape and dtype, where x is."""
    device = device_of(x)
    zeros = np.zeros(x.shape, x.dtype)
    return zeros if device is None else device.put(zeros)


# Rules


def pulled(walk: Any, op: Primitive, node: Node, g: Any) -> list[tuple[Node, Any]]:
    """The cotangents that the rules of `op` give, on the device if something they were made of is there."""
    outer = COUNTS.operation
    COUNTS.operation = outer or op.name
    try:
        made: list[tuple[Node, Any]] = walk.pull(op, node, g)
    finally:
        COUNTS.operation = outer
    for i, (parent, c) in enumerate(made):
        if c.__class__ is np.ndarray and c.ndim and any(c.strides):
            device = device_of(g) or device_of(node.saved)
            if device is not None:
                made[i] = parent, device.put(c)
    return made


def head(value: Any, dtype: np.dtype[Any]) -> Any:
    """A cotangent given by a caller, in the dtype of what it is of."""
    return value.astype(dtype, copy=False) if isinstance(value, DeviceArray) else np.asarray(value, dtype)


def beside(y: NDArray, g: Any) -> Any:
    """The cotangent of y, where y is."""
    device = device_of(y)
    if device is None or isinstance(g, (NDArray, DeviceArray)):
        return g
    if not np.ndim(g):
        return device.scalar(y.dtype.type(g))
    return lifted(g) if not any(g.strides) else device.put(g)


def own(x: Any, value: Any = None) -> Any:
    """A copy that nothing else refers to, on the device if x or the value that will be written into it is there."""
    x = x.compute() if x.__class__ is Lazy else x
    if isinstance(x, DeviceArray):
        return x.copy()
    return value.device.put(x) if isinstance(value, DeviceArray) else np.array(x)


def on_host(function: Callable[..., Any], *args: Any) -> Any:
    """The function of plain arrays on the host, its result on the device that one of them is on; noted."""
    device = device_of(args)
    return function(*args) if device is None else device.on_host(function.__name__, function, args, {})


# Deferred values

_KNOWN: dict[Any, bool] = {}


def alone(x: Lazy) -> bool:
    """Whether the operation that makes x has no place in a kernel, and is done by the device's own function."""
    if x.op is BROADCAST or x.op is VIEW or x.op is CAST or x.op is WHERE:
        return not has_kernel(x)
    param = x.param.__code__ if x.op is PATCH else x.param
    key = x.op, param, x.dtype, *(a.dtype for a in x.args)
    found = _KNOWN.get(key)
    if found is None:
        found = _KNOWN[key] = not has_kernel(x)
    return found


def special(name: str, args: tuple[Any, ...]) -> Any:
    """A function of scipy.special on arrays of which one is on a device; NotImplemented if none is."""
    device = device_of(args)
    if device is None:
        return NotImplemented
    import scipy.special

    theirs = getattr(device.special, name, None)
    ours = getattr(scipy.special, name)
    if theirs is None:
        return device.on_host(name, ours, args, {})
    return device.tried(name, theirs, ours, args, {})


def _find_this() -> Any:
    import sys

    return sys.modules[__name__]


_this = _find_this()
