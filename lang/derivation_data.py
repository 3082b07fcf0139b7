"""A derivation as data: what `explain` draws, in any format."""

from __future__ import annotations

from typing import Any, NamedTuple

from ndgrad.errors import Span
from ndgrad.frozen import Frozen
from ndgrad.lang.folding import Gap


class ForwardStep(Frozen):
    """`name = expression`, and the value it had."""

    name: str
    expression: str
    value: Any
    span: Span | None


class BackwardStep(Frozen):
    """How the adjoint of `name` reaches the adjoint of `by`.

    local           ∂name/∂by where one factor says it all, else the vjp with the adjoint in it
    factor          whether `local` is such a factor
    local_value     its value (None for a vjp)
    arriving        the adjoint of `name`, and leaving: its share in the adjoint of `by`
    shared          whether other steps have shares in the adjoint of `by` too
    rounds          how many equal steps in a row this one stands for
    """

    name: str
    by: str
    local: str
    factor: bool
    local_value: Any
    arriving: Any
    leaving: Any
    span: Span | None
    rounds: int = 1
    shared: bool = False

    def followed(self, step: BackwardStep, rounds: int) -> BackwardStep:
        """This step and equal ones up to `step` as one: so many rounds more."""
        return BackwardStep(
            self.name,
            step.by,
            self.local,
            self.factor,
            self.local_value,
            self.arriving,
            step.leaving,
            self.span,
            self.rounds + rounds,
            step.shared,
        )

    def as_share(self) -> BackwardStep:
        """This step as one of several that lead to the same adjoint."""
        return BackwardStep(**{name: getattr(self, name) for name in self._fields} | {"shared": True})


class Derivation(Frozen):
    """The derivative of `of` by `wrt`, step by step; rounds of loops that are alike are left out, as gaps say.

    chain        the chain rule in one line, substituted
    closed_form  the same, simplified in the inputs alone, where that is possible
    forms        the derivative simplified as an expression of matrices: in the names of the steps, in the inputs alone
    headed       whether a head other than ones was given: the derivative is that of ⟨head, of⟩
    result       the gradient; in numerator layout vectors are rows, matrices transposed
    along        its product with a direction, and numeric the same by central differences
    longest      how many rounds the longest loop has of those that are shown in part, 0 where there is none
    size         how large the terms of ⟨head, of⟩ are: what the rounding of a difference is measured by
    """

    of: str
    wrt: str
    forward: tuple[ForwardStep | Gap, ...]
    path: tuple[Any, ...]
    backward: tuple[BackwardStep | Gap, ...]
    chain: str
    closed_form: str | None
    result: Any
    along: float | None = None
    numeric: float | None = None
    size: float = 0.0
    forms: tuple[str, ...] = ()
    layout: str = "denominator"
    headed: bool = False
    longest: int = 0

    def __str__(self) -> str:
        lines = [f"{s.name} = {s.expression}" for s in self.forward if isinstance(s, ForwardStep)]
        lines += [f"∂{s.name}/∂{s.by}: {s.local}" for s in self.backward if isinstance(s, BackwardStep)]
        return "\n".join([*lines, self.chain])


class Binding(NamedTuple):
    """A value that the program gave a name: the number-th value of that name. A run has many of them."""

    name: str
    number: int
    value: Any
    span: Span | None
    expression: str
