"""What every format says of a derivation in the same words: gaps, equations, the check."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from ndgrad.frozen import Frozen
from ndgrad.lang.mathematics import with_note
from ndgrad.lang.notation import adjoint_name, gradient_name, superscript
from ndgrad.lang.products import bracketed

if TYPE_CHECKING:
    from ndgrad.errors import Span
    from ndgrad.lang.derivation_data import BackwardStep, Derivation
    from ndgrad.lang.folding import Gap

AGREES = 1e-5  # of the numeric check: central differences are no better
SINGLE = 1e-2  # nor are those of float32


class Equation(Frozen):
    """One way to write the gradient, and a note on it."""

    right: str
    note: str = ""


def name_of(d: Derivation) -> str:
    """`dz/dx`, the gradient that is derived."""
    return gradient_name(d.of, d.wrt, headed=d.headed)


def equations(d: Derivation) -> list[Equation]:
    """The right-hand sides of the chain rule: multiplied out, then simplified, each once."""
    said = [d.chain.partition(f"{name_of(d)} = ")[2], *([d.closed_form] if d.closed_form else []), *d.forms]
    different = {text.replace(" ", ""): text for text in reversed(said)}  # the first of those that are alike
    return [Equation(*with_note(text)) for text in dict.fromkeys(said) if different[text.replace(" ", "")] == text]


def gap_text(gap: Gap) -> str:
    """`⋮ 9 rounds alike`, `⋮ 9 more rounds` where they differ; without the rules of a round."""
    if not gap.rounds:
        return f"⋮ {gap.steps:,} more steps"
    rounds = f"round{'s' if gap.rounds != 1 else ''}"
    return f"⋮ {gap.rounds:,} {rounds} alike" if gap.alike else f"⋮ {gap.rounds:,} more {rounds}"


def local_name(d: Derivation, step: BackwardStep) -> str:
    """What the right-hand side of a backward step is: ∂y/∂x where it is a factor, else the adjoint that leaves."""
    from ndgrad.lang.notation import ratio

    return ratio("∂", step.name, step.by) if step.factor else adjoint_of(d, step.by)


def adjoint_of(d: Derivation, name: str) -> str:
    """What the adjoint of a value is called."""
    return adjoint_name(d.of, name, d.headed)


def local_text(step: BackwardStep) -> str:
    """The local derivative of a step; of one that stands for many rounds, theirs multiplied."""
    return step.local if step.rounds == 1 else bracketed(step.local) + superscript(step.rounds)


def local_value(step: BackwardStep) -> Any:
    """The value of that, None where the step has none."""
    return None if step.local_value is None else step.local_value**step.rounds


def rounds_text(step: BackwardStep) -> str:
    """`×2 each round, 11 rounds`, "" for a step that stands for itself alone."""
    return f"×{bracketed(step.local)} each round, {step.rounds:,} rounds" if step.rounds > 1 else ""


def summed_text(d: Derivation, step: BackwardStep) -> str:
    """`summed along axis 0` where the value was spread to the shape of the other, "" where it was not."""
    import numpy as np

    if step.local_value is None:
        return ""
    left = np.shape(step.leaving)
    if d.layout == "numerator":  # matrices are turned, larger arrays are not
        sizes = [int(np.prod(np.shape(x))) for x in (step.arriving, step.local_value, step.leaving)]
        return "summed" if max(sizes) > sizes[2] else ""
    shape = np.broadcast_shapes(np.shape(step.arriving), np.shape(step.local_value))
    if int(np.prod(shape)) == int(np.prod(left)):
        return ""
    if int(np.prod(left)) == 1:
        return "summed"
    missing = len(shape) - len(left)
    axes = [i for i, n in enumerate(shape) if i < missing or (left[i - missing] == 1 and n != 1)]
    return f"summed along ax{'is' if len(axes) == 1 else 'es'} {', '.join(map(str, axes))}"


def verdict(d: Derivation) -> str:
    """Whether the numeric check agrees, in words."""
    if not told(d):
        return "cannot be told: the values there are no numbers"
    if agrees(d) and not _close(d, 1e-4 * max(abs(d.along or 0), abs(d.numeric or 0))):
        return "agrees as far as differences tell"
    return "agrees" if agrees(d) else "differs: a kink may be near, or the numbers too large for differences"


def told(d: Derivation) -> bool:
    """Whether there are numbers to compare."""
    return all(number is not None and isfinite(number) for number in (d.along, d.numeric))


def agrees(d: Derivation) -> bool:
    """Whether the numeric derivative is the computed one, as far as differences can tell."""
    assert d.along is not None
    assert d.numeric is not None
    rounding = 1e-9 if d.along == 0 else 1e-12  # differences of what does not change are rounding, of any size
    reach = SINGLE if str(d.result.dtype) == "float32" else AGREES
    return _close(d, reach * max(abs(d.along), abs(d.numeric), 0.01 * d.size, rounding))


def _close(d: Derivation, distance: float) -> bool:
    assert d.along is not None
    assert d.numeric is not None
    return abs(d.along - d.numeric) <= distance


def line_of(span: Span | None) -> str:
    return f"line {span.line}" if span is not None else ""
