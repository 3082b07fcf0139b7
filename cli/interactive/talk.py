"""A session as somebody talks to it: what is said is done, and what came out is shown."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ndgrad.cli.drawing import show
from ndgrad.cli.streams import as_ascii, colours, only_ascii, put
from ndgrad.errors import Error

if TYPE_CHECKING:
    from rich.console import Console

    from ndgrad.lang.conditions import PathStep
    from ndgrad.lang.session import Gradients, Session


class Talk:
    """A session, how values are shown, and what became of it.

    precision, full   as the options of `run`
    code              the exit code of what failed first; 0 if nothing did
    over              whether it is to end
    """

    session: Session
    precision: int | None
    full: bool

    def __init__(self, session: Session, precision: int | None = None, full: bool = False) -> None:
        self.session = session
        self.precision = precision
        self.full = full
        self.code = 0
        self.over = False

    def take(self, text: str, line: int) -> None:
        """Do what a piece or a command says; whatever is wrong with it is shown."""
        import typer

        from ndgrad.cli.interactive import commands
        from ndgrad.cli.interactive.pieces import SIGN
        from ndgrad.cli.main import USAGE, bug, reported
        from ndgrad.cli.session import current

        failed = 0
        try:
            if text.startswith(SIGN):
                commands.perform(self, text, line)
            else:
                ran = self.session.run(text, line)
                self.show(() if _is_silent(text) else ran.values, ran.path)
        except Error as error:
            failed = reported(error, current())
        except typer.TyperException as error:
            sys.stdout.flush()
            sys.stderr.write(f"{getattr(error, 'message', error)}\n")
            failed = USAGE
        except OSError:
            raise
        except Exception as error:
            failed = bug(error, current())
        self.code = self.code or failed
        sys.stdout.flush()

    def show(self, values: Iterable[tuple[str, Any]], path: Iterable[PathStep] = ()) -> None:
        """Show arrays under their names, as `run` does, and words as they are."""
        import numpy as np

        from ndgrad.cli.writing.table import draw_array, note, path_text

        console, buffer = self._console()
        before: Any = None
        for name, value in values:
            if not isinstance(value, np.ndarray):
                console.print(f"{name} is {value}" if name != value else value)
                continue
            if before is not None and (value.ndim or before.ndim):
                console.print()
            draw_array(console, name, value, self.precision, self.full)
            before = value
        steps = list(path)
        if steps:
            console.print(note("path", path_text(steps)), soft_wrap=False)
        put(buffer.getvalue())

    def show_gradients(self, found: Gradients) -> None:
        """Show gradients, after what is to be known of them."""
        from ndgrad.cli.writing.table import derivative_name

        if found.warnings:
            show(found.warnings)
        self.show((derivative_name(found.of, name), value) for name, value in found.values)

    def _console(self) -> tuple[Console, io.StringIO]:
        from ndgrad.cli.writing.table import console

        buffer = io.StringIO()
        return console(buffer, colour=colours(sys.stdout)), buffer

    def say(self, text: str) -> None:
        """Write a line."""
        put((as_ascii(text) if only_ascii(sys.stdout) else text) + "\n")


def _is_silent(text: str) -> bool:
    """Whether a piece ends with a semicolon: its value is not shown."""
    return text.rstrip().endswith(";")
