"""Shorter forms of a SymPy expression, found within bounds.

Some of SymPy's ways to simplify take minutes for expressions that look small: x^1.7320508 is to it a polynomial of
degree 17320508 in the root of that order. Such numbers are kept from it, expressions that would grow long are left as
they are, and what takes too long all the same is given up.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from inspect import CO_GENERATOR
from math import comb, floor, prod
from time import process_time
from typing import Any

SECONDS = 1.2  # for all that one derivation asks of a simplifier
LARGEST = 30  # operations of what is simplified in every way; longer expressions are multiplied out alone
MOST_TERMS = 300  # that multiplying out may lead to
LARGEST_POWER, LARGEST_ROOT = 20, 4  # of the exponents that SymPy may take for those of a polynomial
LARGEST_NUMBER = 1000  # above or below the line of other numbers, unless the expression is a polynomial


class _Late(BaseException):
    """The time is over; no `except Exception` on the way holds it up."""


class _Limit:
    """Raises _Late in the work within it, if the process has worked for so long: looked at as SymPy calls functions of
    its own, and only there, where an exception is like any that the function raises.

    Where somebody else looks at the calls, a profiler, there is no limit.
    """

    def __init__(self, seconds: float) -> None:
        self.end = process_time() + seconds
        self.free = sys.getprofile() is None
        self.calls = 0

    def look(self, frame: Any, event: str, argument: Any) -> None:
        if event != "call":
            return
        self.calls += 1
        if self.calls % 16 == 0 and process_time() >= self.end:
            resumed = frame.f_code.co_flags & CO_GENERATOR  # maybe to be closed, where no exception comes through
            if not resumed and frame.f_globals.get("__name__", "").startswith("sympy."):
                sys.setprofile(None)
                raise _Late
            self.calls -= 1  # the next call is looked at too

    def __enter__(self) -> None:
        if self.free:
            sys.setprofile(self.look)

    def __exit__(self, *_: object) -> None:
        if self.free:
            sys.setprofile(None)


class Simplifier:
    """Looks for the shortest forms of expressions, and gives up after SECONDS of work in all.

    hidden   the numbers that symbols stand for meanwhile
    """

    def __init__(self) -> None:
        import sympy

        self.sympy = sympy
        self.left = SECONDS
        self.hidden: dict[Any, Any] = {}

    def shortest(self, expression: Any) -> Any:
        """The shortest form that is found, the expression itself where there is none. Numbers in it may be hidden."""
        sympy = self.sympy
        polynomial = expression.is_polynomial()
        tight = any(part.args[0].is_number for part in expression.atoms(sympy.log))  # 9·log(2) becomes log(2⁹)
        made = self.hiding(expression, tight=tight, free=polynomial)
        if most_terms(made) > MOST_TERMS:
            return made
        forms: list[Any] = []
        ways = [sympy.expand]
        if made.count_ops() <= LARGEST:
            ways += [sympy.factor] if polynomial else [sympy.factor, sympy.simplify]
        for way in ways:
            form = self.within(partial(way, made))
            forms += [] if form is None else [form]
        return min(forms or [made], key=lambda e: (e.count_ops(), str(e)))

    def within(self, work: Callable[[], Any]) -> Any:
        """What the work gives; None where there is no time left for it."""
        if self.left <= 0:
            return None
        start = process_time()
        limit = _Limit(self.left)
        try:
            with limit:
                return work()
        except _Late:
            return None
        finally:
            self.left -= process_time() - start

    # Numbers

    def hiding(self, expression: Any, *, tight: bool = False, free: bool = False) -> Any:
        """The expression with symbols for numbers that are too large, or too fine, for where they stand.

        tight: whether it stands in a function or an exponent, or is raised to one; free: whether any number will do.
        """
        if expression.is_Number:
            return expression if free else self.number(expression, tight=tight)
        if not expression.args:
            return expression
        if expression.is_Pow:
            base, power = expression.args
            above = self.exponent(power) if power.is_Rational else self.hiding(power, tight=True)
            tight = tight or bool(power.free_symbols)
            return self.hiding(base, tight=tight, free=free and not tight) ** above
        tight = tight or expression.is_Function
        return expression.func(*(self.hiding(part, tight=tight, free=free and not tight) for part in expression.args))

    def number(self, number: Any, *, tight: bool) -> Any:
        """A number, or the sign of one and the symbol that it is hidden by."""
        above, below = (LARGEST_POWER, LARGEST_ROOT) if tight else (LARGEST_NUMBER, LARGEST_NUMBER)
        if not number.is_finite or (number.is_Rational and number.q <= below and abs(number.p) <= above):
            return number
        return -self.symbol(-number) if number < 0 else self.symbol(number)

    def exponent(self, number: Any) -> Any:
        """A rational exponent; those that differ by a whole number from a hidden one are told by that."""
        sympy = self.sympy
        if number.q <= LARGEST_ROOT and abs(number) <= LARGEST_POWER:
            return number
        for symbol, value in self.hidden.items():
            apart = number - value
            if apart.is_Integer and abs(apart) <= LARGEST_POWER:
                return symbol + apart
        whole = 0 if number.is_Integer or abs(number) > LARGEST_POWER else floor(number)
        part = number - whole
        return whole + (self.symbol(part) if part > 0 else -self.symbol(-part)) + sympy.Integer(0)

    def symbol(self, number: Any) -> Any:
        """The symbol for a number above 0."""
        found = next((symbol for symbol, value in self.hidden.items() if value == number), None)
        if found is None:
            found = self.sympy.Dummy(f"n{len(self.hidden)}", positive=True, integer=number.is_Integer or None)
            self.hidden[found] = number
        return found

    def shown(self, expression: Any) -> Any:
        """The expression with the numbers again; those that are large as floats, whose powers are never written out."""
        numbers = {s: self.sympy.Float(n) if n > LARGEST_NUMBER else n for s, n in self.hidden.items()}
        return expression.xreplace(numbers)


def most_terms(expression: Any) -> int:
    """How many terms there are at most where something is multiplied out in the expression."""
    most = 1

    def count(e: Any) -> int:
        nonlocal most
        below = [count(part) for part in e.args]
        made = 1
        if e.is_Add:
            made = sum(below)
        elif e.is_Mul:
            made = prod(below)
        elif e.is_Pow and e.exp.is_Integer:
            made = comb(abs(int(e.exp)) + below[0] - 1, below[0] - 1)
        most = max(most, made)
        return made

    count(expression)
    return most
