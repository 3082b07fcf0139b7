"""A line on the terminal that says how far long work has come."""

from __future__ import annotations

import os
import sys
from time import monotonic

from ndgrad.cli.streams import as_ascii, columns, only_ascii

PATIENCE = 1.0  # seconds before anything is shown, and INTERVAL between two looks
INTERVAL = 0.1


class Progress:
    """Written over again and again, and gone at the end; nothing where standard error is no terminal."""

    def __init__(self) -> None:
        on_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self.next = monotonic() + PATIENCE if on_terminal else float("inf")
        self.shown = False

    def __call__(self, text: str) -> None:
        """Say what is being done, if that takes long."""
        if monotonic() < self.next:
            return
        self.next = monotonic() + INTERVAL
        self.shown = True
        text = text[: columns() - 1]
        sys.stderr.write(f"\r{as_ascii(text) if only_ascii(sys.stderr) else text}\x1b[K")
        sys.stderr.flush()

    def print(self, text: str) -> None:
        """Write a line of its own to standard error, in the place of this one."""
        sys.stderr.write(("\r\x1b[K" if self.shown else "") + text + "\n")

    def close(self) -> None:
        """Take the line away, for good."""
        self.next = float("inf")
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
