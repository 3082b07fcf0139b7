"""The nd language: programs from text, ready to run.

program = compile("y = x ** 2")
program.run({"x": 3.0}, grad=["x"]).grads["x"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os import PathLike

    from ndgrad.lang.program import PathStep as PathStep
    from ndgrad.lang.program import Program as Program
    from ndgrad.lang.program import Result as Result


def load(path: str | PathLike[str]) -> Program:
    """The program in a file. Errors: E602, E603, and those of `compile`."""
    from os import fspath

    from ndgrad.lang import problems

    name = fspath(path)
    try:
        with open(name, "rb") as file:
            content = file.read()
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        raise problems.raised(problems.cannot_read_program(name, reason)) from None
    except ValueError:
        raise problems.raised(problems.cannot_read_program(repr(name), "that is no path")) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise problems.raised(problems.program_is_not_text(name)) from None
    return compile(text, name)


def compile(text: str, name: str = "<text>") -> Program:
    """The program that `text` says. Errors: E1xx, E2xx, E501."""
    from ndgrad.errors import Source
    from ndgrad.lang.program import Program

    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return Program(Source(name, text))


def __getattr__(name: str) -> Any:
    if name in ("PathStep", "Program", "Result"):
        from ndgrad.lang import program

        return getattr(program, name)
    raise AttributeError(f"module 'ndgrad.lang' has no attribute {name!r}")
