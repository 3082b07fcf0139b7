"""What a run of a program gives, and what may be asked of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ndgrad.errors import Diagnostic
from ndgrad.frozen import Frozen
from ndgrad.lang.conditions import PathStep
from ndgrad.ndarray import NDArray

if TYPE_CHECKING:
    from ndgrad.device import Traffic
    from ndgrad.fusion import Report
    from ndgrad.lang.derivation import Binding, Derivation
    from ndgrad.lang.profiling import Profile
    from ndgrad.lang.segments import Recomputed
    from ndgrad.tape import Origin


class Recorded(Frozen):
    """The end of a recorded run: what is differentiated, its adjoint, all outputs by name; how constants came about."""

    of: str
    output: NDArray
    head: Any
    outputs: tuple[tuple[str, NDArray], ...]
    origins: Mapping[int, Origin]


class Result:
    """What a run gave.

    value     the first output as a NumPy array, None if the program shows nothing
    outputs   all outputs, in order, by name
    of        the name of what was differentiated, and `differentiated` its value (None without either)
    grads     the gradients, by name of the input
    jacobians, hessians   the second of shape x.shape + x.shape, the first of the output's shape + x.shape, by name
    jvp       the derivative along the directions given, of the output's shape; None unless asked for
    hvp       the Hessian times the directions given, by name of the input
    path      the decisions of the run; seconds, how long it took; warnings
    operations   how many operations were recorded; compiled, how many compiled loops have computed, recorded or not
    fused     what was computed in tiles, on large arrays; None where nothing was
    recomputed   what was not kept but computed again (with memory=…), else None
    traffic   what crossed to a device and back, and what ran there (with device=…), else None
    profile   the time by line of the program (with profile=True), else None
    trace     the assignments in order (with trace=True), else None
    """

    def __init__(
        self,
        outputs: dict[str, np.ndarray[Any, Any]],
        grads: dict[str, np.ndarray[Any, Any]],
        of: str | None,
        path: list[PathStep],
        seconds: float,
        warnings: list[Diagnostic],
        trace: list[Binding] | None,
        derive: Callable[[str, dict[str, Any]], Derivation],
        further: dict[str, Any] | None = None,
        differentiated: np.ndarray[Any, Any] | None = None,
    ) -> None:
        further = further or {}
        self.differentiated = differentiated
        self.jvp: np.ndarray[Any, Any] | None = further.get("jvp")
        self.jacobians: dict[str, np.ndarray[Any, Any]] = further.get("jacobians", {})
        self.hessians: dict[str, np.ndarray[Any, Any]] = further.get("hessians", {})
        self.hvp: dict[str, np.ndarray[Any, Any]] = further.get("hvp", {})
        self.outputs = outputs
        self.grads = grads
        self.operations = self.compiled = 0
        self.fused: Report | None = None
        self.traffic: Traffic | None = None
        self.recomputed: Recomputed | None = None
        self.profile: Profile | None = None
        self.of = of
        self.path = path
        self.seconds = seconds
        self.warnings = warnings
        self.trace = trace
        self.recorded: Recorded | None = None  # with trace=True
        self._derive = derive

    def __repr__(self) -> str:
        told = [f"{name} = {_in_short(value)}" for name, value in self.outputs.items()]
        told += [f"d{self.of}/d{name} = {_in_short(value)}" for name, value in self.grads.items()]
        return f"<Result {', '.join(told) or 'of nothing'}>"

    @property
    def value(self) -> np.ndarray[Any, Any] | None:
        return next(iter(self.outputs.values()), None)

    def derivation(
        self,
        name: str,
        round: int | None = None,
        unroll: bool = False,
        layout: Literal["denominator", "numerator"] = "denominator",
    ) -> Derivation:
        """The steps of the derivative by the input `name`, from the recorded run (or a new one, recorded).

        Of several heads it follows the first. Rounds of loops that are alike are shown once: the first and the last,
        and the one asked for with `round`; all of them with `unroll`. In numerator layout the derivative by a vector
        is a row, that by a matrix transposed.
        """
        return self._derive(name, {"opened": round, "unroll": unroll, "layout": layout})


class Asked(Frozen):
    """What is asked of a run besides gradients of one output in reverse mode; see `Program.run`."""

    mode: str | None = None
    heads: tuple[tuple[str, Any], ...] = ()
    jvp: tuple[tuple[str, Any], ...] = ()
    jac: tuple[str, ...] = ()
    hess: tuple[str, ...] = ()
    hvp: tuple[tuple[str, Any], ...] = ()
    seed: int | None = None
    train: bool = False
    nan_check: bool = False
    memory: int | None = None

    @property
    def again(self) -> bool:
        """Whether the program is run again, as a function of its inputs."""
        return bool(self.mode == "forward" or self.jvp or self.jac or self.hess or self.hvp)


NOTHING_MORE = Asked()


def _in_short(value: np.ndarray[Any, Any]) -> str:
    """A number, or what kind of array there is: float64[2, 3]."""
    return f"{value.item():.6g}" if value.shape == () else f"{value.dtype}{list(value.shape)}"
