"""Lines by the interpreter's own input(), with readline where there is one."""

from __future__ import annotations

import atexit
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ndgrad.cli.interactive import history, prompt_of
from ndgrad.cli.interactive.completing import completions

if TYPE_CHECKING:
    from ndgrad.cli.interactive.talk import Talk

KEPT = 10_000  # lines of the history


class Asking:
    """Asks for one line at a time."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.found: list[str] = []
        try:
            import readline
        except ImportError:  # as on Windows
            return
        self._set_up(readline)

    def read(self, line: int, going_on: bool) -> str:
        return input(prompt_of(line, going_on))

    def _set_up(self, readline: Any) -> None:
        """Completion by the tab key, and the history of the sessions before."""
        readline.set_completer_delims(" \t\n()[],;:=+-*/%@<>\"'")

        def complete(text: str, number: int) -> str | None:
            if number == 0:
                word, found = completions(self.talk, readline.get_line_buffer()[: readline.get_endidx()])
                kept = len(word) - len(text)
                self.found = [text[: max(0, -kept)] + one[max(0, kept) :] for one in found]
            return self.found[number] if number < len(self.found) else None

        readline.set_completer(complete)
        libedit = "libedit" in (readline.__doc__ or "")
        readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
        path = history("lines")
        if path is not None:
            with suppress(OSError):
                readline.read_history_file(path)
            readline.set_history_length(KEPT)

            def keep() -> None:
                with suppress(OSError):
                    readline.write_history_file(path)

            atexit.register(keep)
