"""einsum with any string that NumPy takes. Each operand's cotangent is an einsum of the others.

In the operand's own term, a letter that repeats becomes two letters joined by an identity matrix,
and a letter that occurs nowhere else is joined to a vector of ones: then every cotangent is one
einsum with the cotangent of the result in the operand's place.
"""

from __future__ import annotations

from string import ascii_letters
from typing import Any

import numpy as np

from ndgrad import problems
from ndgrad.primitive import Primitive, primitive

Shape = tuple[int, ...]


def explicit(subscripts: str, shapes: tuple[Shape, ...]) -> tuple[list[str], str]:
    """The operands' terms and the result's, with `...` spelled out and the result named. E307 if malformed."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise problems.bad_argument("einsum", f"{len(terms)} terms for {len(shapes)} operands")
    free = [c for c in ascii_letters if c not in text]
    widest = max(
        (len(s) - len(t.replace("...", "")) for t, s in zip(terms, shapes, strict=True) if "..." in t), default=0
    )
    if widest < 0 or len(free) < widest:
        raise problems.bad_argument("einsum", f"{subscripts!r} does not fit the operands")
    dots = "".join(free[:widest])
    spelled = []
    for term, shape in zip(terms, shapes, strict=True):
        count = len(shape) - len(term.replace("...", ""))
        spelled.append(term.replace("...", dots[widest - count :] if count else ""))
        if len(spelled[-1]) != len(shape) or (not spelled[-1].isalpha() and spelled[-1]):
            raise problems.bad_argument("einsum", f"the term {term!r} does not fit an operand with {len(shape)} axes")
    if arrow:
        result = right.replace("...", dots)
    else:
        letters = "".join(spelled)
        result = dots + "".join(sorted(c for c in set(letters) if letters.count(c) == 1 and c not in dots))
    if any(c not in "".join(spelled) for c in result) or len(set(result)) != len(result):
        raise problems.bad_argument(
            "einsum", f"the result {right!r} names letters that the terms do not have, or one twice"
        )
    return spelled, result


def _sizes(terms: list[str], shapes: tuple[Shape, ...]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, n in zip(term, shape, strict=True):
            have = sizes.get(letter, 1)
            if have != n and have != 1 and n != 1:
                raise problems.does_not_fit("einsum", f"`{letter}` is {have} in one operand and {n} in another", shapes)
            sizes[letter] = max(have, n) if have != 0 and n != 0 else 0
    return sizes


def _result_shape(shapes: tuple[Shape, ...], subscripts: str) -> Shape:
    terms, result = explicit(subscripts, shapes)
    sizes = _sizes(terms, shapes)
    return tuple(sizes[c] for c in result)


def _gathered_shape(subscripts: Any, operands: tuple[Any, ...]) -> Shape:
    if not isinstance(subscripts, str):
        raise problems.bad_argument("einsum", "the first argument is the string of subscripts")
    return _result_shape(tuple(np.shape(x) for x in operands), subscripts)


def _share(F: Any, g: Any, arrays: tuple[Any, ...], shapes: tuple[Shape, ...], subscripts: str, i: int) -> Any:
    terms, result = explicit(subscripts, shapes)
    sizes = _sizes(terms, shapes)
    free = (c for c in ascii_letters if c not in "".join(terms))
    others = [t for j, t in enumerate(terms) if j != i]
    operands = [a for j, a in enumerate(arrays) if j != i]
    known = set("".join(others)) | set(result)
    target = ""
    for letter in terms[i]:
        if letter in target:
            twin = next(free)
            others.append(letter + twin)
            operands.append(np.eye(sizes[letter]))
            target += twin
        else:
            if letter not in known:
                others.append(letter)
                operands.append(np.ones(sizes[letter]))
            target += letter
    made = F.einsum_of([g, *operands], ",".join([result, *others]) + "->" + target)
    stretched = tuple(k for k, n in enumerate(shapes[i]) if n == 1 and made.shape[k] != 1)
    return F.sum(made, axis=stretched, keepdims=True) if stretched else made


def _evaluated(arrays: tuple[Any, ...], subscripts: str) -> Any:
    shapes = tuple(np.shape(a) for a in arrays)
    terms, result = explicit(subscripts, shapes)
    _sizes(terms, shapes)
    return np.einsum(",".join(terms) + "->" + result, *arrays, optimize=len(arrays) > 1)


einsum_of = primitive(
    "einsum_of",
    value=lambda F, arrays, subscripts: _evaluated(arrays, subscripts),
    vjp=lambda F, g, arrays, arrays_shape, subscripts: [
        _share(F, g, arrays, arrays_shape, subscripts, i) for i in range(len(arrays))
    ],
    linear="each",
    variadic=True,
    dtype=lambda dtypes, subscripts: np.result_type(*dtypes),
    shape=_result_shape,
    written='einsum("{subscripts}", {arrays})',
    internal=True,
)


def _call(subscripts: Any, *operands: Any) -> Any:
    if not isinstance(subscripts, str):
        raise problems.bad_argument("einsum", "the first argument is the string of subscripts")
    return einsum_of.call([x for x in operands if x is not None], subscripts)


einsum: Primitive = primitive(
    "einsum",
    value=lambda F, subscripts, operands: F.einsum_of(operands, subscripts),
    vjps=[],
    operands=0,
    shape=_gathered_shape,
    dtype=lambda subscripts, operands: np.result_type(
        *(np.asarray(x) if not hasattr(x, "dtype") else x.dtype for x in operands)
    ),
    example="einsum('i,i->', [1, 2], [3, 4]) -> 11",
)
einsum.take_rest(_call)
