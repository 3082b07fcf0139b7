"""The diagnostics of symbols: one builder for each thing that can go wrong with a graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from ndgrad.errors import Diagnostic, InputError, LimitError, NameError_, ShapeError
from ndgrad.problems import Shape, shown


def unknown_variable(where: str, name: str, known: Sequence[str]) -> NameError_:
    """E201: a name that is no variable of the symbol."""
    near = get_close_matches(name, known, 1)
    cure = f"did you mean `{near[0]}`?" if near else f"its variables are {', '.join(known) or 'none'}"
    return NameError_(Diagnostic("E201", f"{where} has no variable `{name}`", help=cure))


def unknown_output(key: Any, names: Sequence[str]) -> ShapeError:
    """E303: an output that the symbol does not have."""
    cure = f"the outputs are {', '.join(names)}; index the array itself with a tuple: x[i, ...]"
    return ShapeError(Diagnostic("E303", f"there is no output {key!r}", help=cure))


def unknown_function(name: str, known: Iterable[str]) -> AttributeError:
    """A function that `sym` does not have."""
    near = get_close_matches(name, list(known), 1)
    return AttributeError(f"ndgrad.sym has no function {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def missing(names: Sequence[str], what: str = "array") -> NameError_:
    """E203: variables that were given no array."""
    listed = ", ".join(f"`{n}`" for n in names)
    cure = "give them by name, or as a list in the order of list_arguments()"
    return NameError_(Diagnostic("E203", f"no {what} was given for {listed}", help=cure))


def wrong_count(given: int, names: Sequence[str], what: str) -> ShapeError:
    """E307: a list that is not as long as the list of names it goes with."""
    return ShapeError(Diagnostic("E307", f"{given} {what} for the names {', '.join(names) or '(none)'}"))


def given_twice(name: str) -> ShapeError:
    """E307: two variables of one name."""
    cure = "names tell variables apart; rename one of them"
    return ShapeError(Diagnostic("E307", f"two different variables are called `{name}`", help=cure))


def bad_request(req: Any) -> ShapeError:
    """E307: a grad_req that is none."""
    return ShapeError(Diagnostic("E307", f"grad_req is 'write', 'add' or 'null', not {req!r}"))


def undecided(names: Sequence[str]) -> ShapeError:
    """E304: shapes that do not follow from those given."""
    listed = ", ".join(f"`{n}`" for n in names)
    cure = "give their shapes too, or put them on the variables: sym.var(name, shape=…)"
    return ShapeError(Diagnostic("E304", f"the shapes of {listed} do not follow from what is given", help=cure))


def undecided_value(name: str) -> ShapeError:
    """E304: a shape that depends on values, where it is needed."""
    return ShapeError(Diagnostic("E304", f"the shape of `{name}` depends on values", help="run it instead: eval(…)"))


def shapes_disagree(name: str, had: Shape, now: Shape) -> ShapeError:
    """E304: a variable that needs two shapes at once."""
    return ShapeError(Diagnostic("E304", f"`{name}` has shape {shown(had)}, and {shown(now)} is needed"))


def wrong_shape(name: str, wanted: Shape, got: Shape) -> ShapeError:
    """E304: an array of another shape than the one it is put into."""
    return ShapeError(Diagnostic("E304", f"`{name}` has shape {shown(wanted)}, not {shown(got)}"))


def no_value_yet() -> ShapeError:
    """E308: a condition on something that has not been computed."""
    cure = "use sym.where for a choice by entry, sym.contrib.cond for a branch, sym.contrib.while_loop for a loop"
    return ShapeError(Diagnostic("E308", "a symbol has no truth value: nothing has been computed yet", help=cure))


def attribute_is_no_text(key: str, value: Any) -> ShapeError:
    """E307: an attribute that is not a string."""
    return ShapeError(Diagnostic("E307", f"the attribute `{key}` needs a string, not {type(value).__name__}"))


def compose_by_one_way() -> ShapeError:
    """E307: a composition by order and by name at once."""
    return ShapeError(Diagnostic("E307", "compose by order or by name, not by both"))


def too_many_symbols(given: int, variables: Sequence[str]) -> ShapeError:
    """E307: more symbols than variables to put them in the place of."""
    return ShapeError(Diagnostic("E307", f"{given} symbols for the variables {', '.join(variables) or '(none)'}"))


def one_output_needed(name: str) -> ShapeError:
    """E307: several outputs, or no symbol, where one output is needed."""
    return ShapeError(Diagnostic("E307", f"`{name}` needs a symbol with exactly one output"))


def forward_first() -> ShapeError:
    """E307: a backward before any forward(is_train=True)."""
    cure = "call forward(is_train=True) before backward()"
    return ShapeError(Diagnostic("E307", "there is no forward pass to go back through", help=cure))


def not_our_json(reason: str) -> InputError:
    """E604: text that is no graph."""
    return InputError(Diagnostic("E604", f"this is no saved symbol: {reason}"))


def fewer_outputs(node: str, made: int, said: int) -> InputError:
    """E604: a node that has fewer outputs than its graph says."""
    return InputError(Diagnostic("E604", f"`{node}` gives {made} outputs, not the {said} that the symbol says"))


def cannot_run(node: str, error: Exception) -> ShapeError:
    """E307: arguments that a function of arrays cannot take."""
    reason = str(error).partition("\n")[0] or type(error).__name__
    return ShapeError(Diagnostic("E307", f"`{node}` cannot be computed: {reason}"))


def out_of_memory(node: str) -> LimitError:
    """E502: arrays for which there is no memory."""
    return LimitError(Diagnostic("E502", f"there is not enough memory for `{node}`"))


def cannot_be_saved(node: str, value: Any) -> InputError:
    """E604: an argument that JSON cannot hold."""
    cure = "symbols that call functions of yours are rebuilt by the code that made them"
    return InputError(Diagnostic("E604", f"`{node}` holds a {type(value).__name__}, which is not saved", help=cure))


def sides_differ(then: int, otherwise: int) -> ShapeError:
    """E307: the branches of a cond that give different numbers of values."""
    return ShapeError(Diagnostic("E307", f"one branch gives {then} values and the other {otherwise}"))


def name_is_no_text(name: Any) -> ShapeError:
    """E307: a variable whose name is not a string."""
    return ShapeError(Diagnostic("E307", f"the name of a variable is a string, not {type(name).__name__}"))


def nothing_to_group() -> ShapeError:
    """E307: a group of nothing, or of what is no symbol."""
    return ShapeError(Diagnostic("E307", "a group needs a list of symbols, at least one"))


def states_differ(loop: str, before: int, after: int) -> ShapeError:
    """E307: a loop body that gives another number of states than it takes."""
    return ShapeError(Diagnostic("E307", f"the body of {loop} takes {before} states and gives {after}"))
