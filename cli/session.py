"""What one command line decides for the whole of its run."""

from __future__ import annotations


class Session:
    """`debug` shows tracebacks; `errors_as_json` writes diagnostics as JSON to standard output."""

    def __init__(self, debug: bool = False, errors_as_json: bool = False) -> None:
        self.debug = debug
        self.errors_as_json = errors_as_json


_CURRENT = Session()


def begin(session: Session) -> None:
    """Make `session` the current one."""
    global _CURRENT
    _CURRENT = session


def current() -> Session:
    """The session of the command that is running."""
    return _CURRENT
