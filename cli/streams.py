"""What the standard streams can show: colours, signs outside ASCII, columns."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TextIO

STYLES = {
    "error": "1;31",
    "warning": "1;33",
    "message": "1",
    "mark": "31",
    "frame": "34",
    "help": "36",
    "name": "1;36",
    "added": "32",
    "removed": "31",
    "faint": "2",
    "title": "1",
}
_ASCII = str.maketrans(
    {"×": "x", "·": "*", "→": "->", "…": "...", "∂": "d", "─": "-", "│": "|", "├": "|", "└": "`", "┌": "+", "⋮": ":",
     "⋱": "\\", "²": "^2", "³": "^3", "⎡": "[", "⎢": "[", "⎣": "[", "⎤": "]", "⎥": "]", "⎦": "]", "µ": "u", "ᵀ": "^T",
     "⟨": "<", "⟩": ">", "≈": "~", "–": "-", "−": "-", "∞": "inf", "‖": "||", "√": "sqrt ", "∏": "prod", "Σ": "sum",
     "′": "'", "Φ": "Phi", "σ": "sigma", "ψ": "psi"}
)  # fmt: skip
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉ₖ₊₋₌", "0123456789k+-=")
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺⁽⁾ᵀ", "0123456789-+()T")


Paint = Callable[[str, str], str]


def colours(stream: TextIO) -> bool:
    """Whether `stream` gets colours: NO_COLOR says no, FORCE_COLOR says yes, else a terminal that is not dumb."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def only_ascii(stream: TextIO) -> bool:
    """Whether `stream` cannot take signs such as ∂."""
    return not (stream.encoding or "").lower().replace("-", "").startswith("utf")


def as_ascii(text: str) -> str:
    """`text` with its mathematical signs written in ASCII: b₁₁² as b_11^2."""
    if text.isascii():
        return text
    import re

    text = re.sub("[₀-₉ₖ₊₋₌]+", lambda found: "_" + found[0].translate(_LOWERED), text)
    text = re.sub("ᵀ|[⁰¹²³⁴-⁹⁻⁺⁽⁾]+ᵀ?", lambda found: "^" + found[0].translate(_RAISED), text)
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def painter(stream: TextIO) -> Paint | None:
    """A function that gives a text the colour of its role; None where there are no colours."""
    return painted if colours(stream) else None


def painted(text: str, role: str) -> str:
    style = STYLES.get(role)
    return f"\x1b[{style}m{text}\x1b[0m" if style else text


def columns() -> int:
    """The width of the terminal, 80 where it is not known."""
    import shutil

    return shutil.get_terminal_size((80, 24)).columns


def put(text: str) -> None:
    """Write text to standard output, in ASCII where it takes no other."""
    sys.stdout.write(as_ascii(text) if only_ascii(sys.stdout) else text)
