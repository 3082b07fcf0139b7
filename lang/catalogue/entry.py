"""What the catalogue holds for one code."""

from __future__ import annotations

from ndgrad.frozen import Frozen


class Entry(Frozen):
    """A code explained: what it is about, in plain words, and an example that fails beside one that works.

    code    as shown in brackets, such as E301
    title   one line, lower case
    cause   a paragraph: what happened, and what to do
    fails   an example that ends with this code and no other
    works   the same, mended

    An example is a program, or command lines (each begins with `$ `), or lines of Python (`>>> `).
    """

    code: str
    title: str
    cause: str
    fails: str
    works: str


def kind(example: str) -> str:
    """What an example is: "program", "shell" or "python"."""
    return {"$": "shell", ">>>": "python"}.get(example.split(" ", 1)[0], "program")


def source(example: str) -> str:
    """The example as it is typed: without the prompts of command lines and of Python."""
    if kind(example) == "program":
        return example
    return "".join(line.removeprefix("$ ").removeprefix(">>> ") for line in example.splitlines(keepends=True))
