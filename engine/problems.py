"""The engine's diagnostics: one builder for each thing that can go wrong, and nowhere else.

The engine does not know where a program is written, so a builder gives a remark per operand and
the language turns remarks into labels.
"""

from __future__ import annotations

from typing import Any

from ndgrad.errors import DeviceError, Diagnostic, GradientError, InputError, LimitError, ShapeError

Shape = tuple[int, ...]


def shown(shape: Shape) -> str:
    """A shape in words: `3×4`, `4` for a vector, `a scalar` for ()."""
    return "×".join(map(str, shape)) if shape else "a scalar"


def _remarks(shapes: tuple[Shape, ...]) -> tuple[str, ...]:
    return tuple(f"shape {shown(shape)}" if shape else "a scalar" for shape in shapes)


def _shape_error(code: str, message: str, shapes: tuple[Shape, ...] = (), help: str | None = None) -> ShapeError:
    return ShapeError(Diagnostic(code, message, help=help), operands=_remarks(shapes))


def shapes_do_not_broadcast(op: str, shapes: tuple[Shape, ...]) -> ShapeError:
    """E301: the operands of an elementwise operation have shapes that do not go together."""
    cure = "axes match from the last where they are equal or 1; x[:, None] inserts one"
    if len(shapes) == 2 and all(shapes):
        pairs = zip(reversed(shapes[0]), reversed(shapes[1]), strict=False)
        for m, n in pairs:
            if m != n and 1 not in (m, n):
                cure = f"read from the last axis, {m} meets {n}; x[:, None] inserts an axis"
                break
    return _shape_error("E301", f"the shapes of `{op}` do not go together", shapes, cure)


def shapes_do_not_multiply(op: str, a: Shape, b: Shape) -> ShapeError:
    """E301: the inner sizes of a matrix product differ, or an operand is a scalar."""
    if not a or not b:
        return _shape_error("E301", f"`{op}` needs arrays with at least one axis", (a, b), "use * for a scalar factor")
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] != inner:
        cure = f"the inner sizes {a[-1]} and {inner} differ"
        if len(a) > 1 and a[-2] == inner:
            cure += "; transposing the left operand (.T) would make them agree"
        elif len(b) > 1 and b[-1] == a[-1]:
            cure += "; transposing the right operand (.T) would make them agree"
        return _shape_error("E301", "these shapes do not multiply", (a, b), cure)
    return _shape_error("E301", "the stacks of matrices do not broadcast", (a, b), "leading axes must be equal or 1")


def axis_out_of_range(op: str, axis: Any, shape: Shape) -> ShapeError:
    """E302: an axis that the operand does not have."""
    cure = "the operand has no axes" if not shape else f"axes go from {-len(shape)} to {len(shape) - 1}"
    return _shape_error("E302", f"`{op}` got axis {axis}, which is not there", (shape,), cure)


def bad_index(reason: str, shape: Shape, help: str | None = None) -> ShapeError:
    """E303: an index outside the array, or of a kind that does not index."""
    return _shape_error("E303", reason, (shape,), help)


def does_not_fit(op: str, reason: str, shapes: tuple[Shape, ...], help: str | None = None) -> ShapeError:
    """E304: operands whose shapes the operation cannot take."""
    if not reason[1:2].isupper():
        reason = reason[:1].lower() + reason[1:]  # NumPy's own begin with a capital
    return _shape_error("E304", f"`{op}`: {reason}", shapes, help)


def not_an_array(op: str, value: Any) -> ShapeError:
    """E305: something that is no number and no array where one is needed."""
    kind = type(value).__name__
    return _shape_error("E305", f"`{op}` needs numbers or arrays, not {kind}")


def ragged(what: str) -> ShapeError:
    """E310: an array literal whose rows differ in length."""
    cure = "every row is as long as the first; arrays of different shapes are kept in a list"
    return _shape_error("E310", f"the entries of {what} must have the same shape", (), cure)


def wrong_dtype(op: str, dtype: Any, help: str | None = None) -> ShapeError:
    """E306: a dtype for which the operation is not defined."""
    return _shape_error("E306", f"`{op}` is not defined for {dtype} values", (), help)


def integer_division_by_zero() -> ShapeError:
    """E309: integers divided by an integer 0."""
    return ShapeError(Diagnostic("E309", "integer division by zero", help="floats divide by zero to inf or nan"))


def bad_argument(op: str, reason: str) -> ShapeError:
    """E307: a keyword argument with a value that makes no sense."""
    return _shape_error("E307", f"`{op}`: {reason}")


def wrong_call(op: str, reason: str) -> ShapeError:
    """E204: too many, too few, or unknown arguments (the language finds most before a run)."""
    return _shape_error("E204", f"`{op}` {reason}")


def no_integer(op: str, value: float) -> ShapeError:
    """E312: a float that no int64 stands for."""
    cure = "integers end at 9.2e18" if abs(value) < float("inf") else "isfinite(x) tells where x is a finite number"
    return _shape_error("E312", f"`{op}` has no integer for {value:.6g}", (), cure)


def not_one_value(what: str, shape: Shape) -> ShapeError:
    """E308: an array with several entries where one number is needed."""
    return _shape_error(
        "E308", f"{what} needs exactly one entry", (shape,), "use all(...), any(...), sum(...) or an index"
    )


def unsupported_dtype(dtype: Any) -> InputError:
    """E601: an array of a kind that ndgrad does not compute with."""
    cure = "ndgrad computes with float32, float64, int64 and bool; convert the array first"
    return InputError(Diagnostic("E601", f"arrays of dtype {dtype} are not supported", help=cure))


def cannot_load(path: str, reason: str) -> InputError:
    """E602: a file of arrays that is not there, or is no such file."""
    return InputError(Diagnostic("E602", f"cannot read {path}: {reason}"))


def not_a_float(dtype: Any) -> GradientError:
    """E401: the derivative by something that is not a float."""
    cure = "only float32 and float64 values carry gradients; convert it with float(...) or give it as floats"
    return GradientError(Diagnostic("E401", f"a value of dtype {dtype} has no gradient", help=cure))


def derivative_failed(op: str, reason: str) -> GradientError:
    """E410: a rule that cannot be computed at this point, such as the inverse of a singular matrix."""
    return GradientError(Diagnostic("E410", f"the derivative of `{op}` cannot be computed here: {reason.lower()}"))


def does_not_settle(steps: int) -> GradientError:
    """E411: a fixed point that the iteration does not reach."""
    cure = "start nearer to it, or damp the step: x + 0.5 * (f(x) - x)"
    return GradientError(Diagnostic("E411", f"the iteration does not settle within {steps:,} steps", help=cure))


def cannot_hold_traced() -> GradientError:
    """E412: a value inside jvp or vmap written into an array from outside."""
    cure = "build the array from its parts: stack, concatenate or where"
    message = "a value inside jvp or vmap cannot be written into an array that was made outside"
    return GradientError(Diagnostic("E412", message, help=cure))


def never_recorded() -> GradientError:
    """E402: backward from something that no recording produced."""
    cure = "compute it inside `with autograd.record():` from arrays with attach_grad()"
    return GradientError(Diagnostic("E402", "this array was not recorded, so it has no derivative", help=cure))


def nothing_reached() -> GradientError:
    """E409: a recorded value on which no array with attach_grad has an influence."""
    cure = "call attach_grad() on the inputs before recording"
    return GradientError(Diagnostic("E409", "no array with attach_grad is reached from here", help=cure))


def already_freed(where: str) -> GradientError:
    """E403: a second backward through a graph that the first one released."""
    cure = "pass retain_graph=True to the first backward to keep the graph"
    return GradientError(Diagnostic("E403", f"the graph was already freed by the backward at {where}", help=cure))


def head_does_not_fit(head: Shape, value: Shape) -> GradientError:
    """E404: the adjoint given for an output has another shape than the output."""
    cure = "the head is the gradient arriving from above: it needs the output's shape"
    message = f"the head has shape {shown(head)}, the output {shown(value)}"
    return GradientError(Diagnostic("E404", message, help=cure))


def overwritten(op: str, places: str) -> GradientError:
    """E405: a value that a rule needs was written to after it was recorded. places: where either happened."""
    message = f"a value that the derivative of `{op}` needs was overwritten"
    cure = f"{places}; write to a copy instead: x = x.copy()"
    return GradientError(Diagnostic("E405", message, help=cure))


def changed_since(op: str) -> GradientError:
    """E405: a function that is run again for its derivative gives another value than before."""
    message = f"the function given to `{op}` gives another value when it is run again for the derivative"
    cure = "it reads something that has changed since: pass that as an argument"
    return GradientError(Diagnostic("E405", message, help=cure))


def written_since(op: str, place: str) -> GradientError:
    """E405: an operand whose memory was written to, through another array, after it was recorded."""
    message = f"an array that `{op}` takes was overwritten after it was recorded"
    cure = f"overwritten at {place}; write to a copy instead: v = y[0:1].copy()"
    return GradientError(Diagnostic("E405", message, help=cure))


def shared_memory() -> GradientError:
    """E405: a recorded write into memory that is seen through another array too, which would not know of it."""
    message = "what is written here depends on recorded values, and another array sees the same memory"
    cure = "write to a copy instead, v = y[0:1].copy(), or to the array whose entries these are: y[0:1] = …"
    return GradientError(Diagnostic("E405", message, help=cure))


def not_differentiable(op: str, reason: str) -> GradientError:
    """E406: an operation that has no derivative here."""
    return GradientError(Diagnostic("E406", f"`{op}` has no derivative: {reason}"))


def too_large(shape: Shape, needed: int, limit: int | None = None) -> LimitError:
    """E502: an array that would take more memory than there is, or than one may."""
    known = "there is not so much memory left" if limit is None else f"the limit is {shown_bytes(limit)} in all"
    cure = "compute it in parts, or reduce before broadcasting"
    return LimitError(
        Diagnostic("E502", f"an array of shape {shown(shape)} needs {shown_bytes(needed)}; {known}", help=cure)
    )


def shown_bytes(count: int) -> str:
    """A number of bytes in the largest unit that leaves at least one, to three digits."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.3g} {unit}" if count < 1000 * size else f"{count / size:.0f} {unit}"
    return f"{count} bytes"


def device_full(device: str, wanted: int, used: int, free: int, total: int) -> LimitError:
    """E502: an array that finds no room in a device's memory."""
    message = (
        f"{device} has no room for {shown_bytes(wanted)}: {shown_bytes(free)} of {shown_bytes(total)} are free, "
        f"{shown_bytes(used)} are in use by this process"
    )
    return LimitError(Diagnostic("E502", message, help="compute it in parts, in float32, or on the CPU"))


def no_such_device(device: str, reason: str, help: str) -> DeviceError:
    """E701: a device that is not there."""
    return DeviceError(Diagnostic("E701", f"{device} is not there: {reason}", help=help))


def gpu_package_missing(device: str) -> DeviceError:
    """E702: CuPy is not installed."""
    cure = 'pip install "ndgrad[gpu]"'
    return DeviceError(Diagnostic("E702", f"{device} needs the package cupy, which is not installed", help=cure))


def no_driver(device: str) -> DeviceError:
    """E703: a machine without a driver for NVIDIA's GPUs."""
    cure = "install NVIDIA's driver, or leave the device out: the CPU computes the same"
    return DeviceError(Diagnostic("E703", f"{device} cannot be used: this machine has no NVIDIA driver", help=cure))


def wrong_cuda(device: str, reason: str, help: str) -> DeviceError:
    """E704: a driver, CuPy and CUDA's libraries that do not go together."""
    return DeviceError(Diagnostic("E704", f"{device} cannot be used: {reason}", help=help))


def devices_differ(op: str, here: str, there: str) -> ShapeError:
    """E307: operands on different devices."""
    cure = f"copy one of them: x.as_in_context({here})"
    message = f"`{op or 'the operation'}`: the operands are on different devices, {here} and {there}"
    return _shape_error("E307", message, (), cure)
