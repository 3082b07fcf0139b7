"""How products are written: factors with their signs and powers, and what the chain rule says in words instead."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from ndgrad.lang.derivation_data import BackwardStep
from ndgrad.lang.folding import Gap
from ndgrad.lang.mathematics import SUPERSCRIPTS
from ndgrad.lang.notation import Term, parenthesised, superscript

ALONE = "the local derivative above"
MULTIPLIED = "the local derivatives above, multiplied"
ADDED = "the local derivatives above, multiplied along every way and added"
IN_WORDS = (ALONE, MULTIPLIED, ADDED)  # what the chain rule says where the formula would be too long


def in_words(backward: Sequence[BackwardStep | Gap]) -> str:
    """The chain rule where its formula would be too long."""
    if len(backward) == 1:
        return ALONE
    several = any(len(part.rules) > 1 if isinstance(part, Gap) else part.shared for part in backward)
    return ADDED if several else MULTIPLIED


def written_product(factors: list[Term]) -> str:
    """Factors joined by ' · ', those that repeat as a power, ones left out."""
    texts: list[str] = []
    counts: list[int] = []
    for factor in factors:
        if factor.number == 1:
            continue
        text = parenthesised(factor, 60)
        if texts and texts[-1] == text:
            counts[-1] += 1
        else:
            texts.append(text)
            counts.append(1)
    if len(texts) == 1 and counts == [1]:
        return str(next(factor for factor in factors if factor.number != 1))
    shown = [t if n == 1 else f"{bracketed(t)}{superscript(n)}" for t, n in zip(texts, counts, strict=True)]
    return " · ".join(shown) or "1"


def as_factor(text: str) -> str:
    """A text as what comes last in a product."""
    depth = 0
    for i, sign in enumerate(text):
        depth += (sign in "([⟨") - (sign in ")]⟩")
        if depth == 0 and (text.startswith((" + ", " - "), i) or (i == 0 and sign == "-")):
            return f"({text})"
    return text


def bracketed(text: str) -> str:
    """A text as one factor, or what a power is taken of."""
    single = text.replace(".", "", 1).isalnum() and text[-1] not in SUPERSCRIPTS
    return text if single or (text[:1] == "(" and _closes(text) == len(text) - 1) else f"({text})"


def _closes(text: str) -> int:
    """Where the bracket that a text begins with is closed."""
    depths = accumulate((sign in "([⟨") - (sign in ")]⟩") for sign in text)
    return next((i for i, depth in enumerate(depths) if depth == 0), -1)
