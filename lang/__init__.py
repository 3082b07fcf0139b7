"""The nd language: programs from text, ready to run.

program = compile("y = x ** 2")
program.run({"x": 3.0}, grad=["x"]).grads["x"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection
    from os import PathLike

    from ndgrad.errors import Diagnostic, Source
    from ndgrad.lang.program import PathStep as PathStep
    from ndgrad.lang.program import Program as Program
    from ndgrad.lang.program import Result as Result


def load(path: str | PathLike[str], bound: Collection[str] | None = None) -> Program:
    """The program in a file. Errors: E602, E603, and those of `compile`."""
    import os

    from ndgrad.lang.program import Program

    name = os.fspath(path)
    return Program(source_of(name, name), os.path.dirname(os.path.realpath(name)), bound)


def source_of(path: str, name: str) -> Source:
    """The text of the file at `path`, which messages call `name`. E602, E603."""
    from ndgrad.lang import problems

    try:
        with open(path, "rb") as file:
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
    return _source(text, name)


def compile(
    text: str, name: str = "<text>", folder: str | PathLike[str] | None = None, bound: Collection[str] | None = None
) -> Program:
    """The program that `text` says. Errors: E1xx, E2xx, E501, E603.

    folder: where the files that it uses are looked for (and nowhere else); without it, it can use none (E605).
    bound: the names that its runs will bind; a program with errors then names those without a value with them.
    """
    from os import fspath

    from ndgrad.lang.program import Program

    return Program(_source(text, name), None if folder is None else fspath(folder), bound)


def lint(text: str, name: str = "<text>", folder: str | PathLike[str] | None = None) -> tuple[Diagnostic, ...]:
    """What is wrong or suspicious in a program, in the order of the text; () where nothing is. Nothing is run.

    folder: where the files that it uses are looked for, as for `compile`.
    """
    from ndgrad.errors import Error

    try:
        return compile(text, name, folder).check()
    except Error as error:
        return error.diagnostics


def _source(text: str, name: str) -> Source:
    from ndgrad.errors import Source

    if not isinstance(text, str):
        from ndgrad.lang import problems

        raise problems.raised(problems.program_is_not_text(f"the {type(text).__name__} given to compile"))
    return Source(name, text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))


def __getattr__(name: str) -> Any:
    if name in ("PathStep", "Program", "Result"):
        from ndgrad.lang import program

        return getattr(program, name)
    raise AttributeError(f"module 'ndgrad.lang' has no attribute {name!r}")
