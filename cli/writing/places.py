"""Where a result goes: standard output, or a file that appears whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from ndgrad.cli import problems
from ndgrad.cli.streams import as_ascii, only_ascii


class Place:
    """Standard output, or a file."""

    def __init__(self, path: str | None) -> None:
        self.path = None if path == "-" else path

    @property
    def ascii(self) -> bool:
        """Whether text must do without signs outside ASCII."""
        return self.path is None and only_ascii(sys.stdout)

    def write_text(self, text: str) -> None:
        if self.path is None:
            sys.stdout.write(as_ascii(text) if self.ascii else text)
        else:
            _replace(self.path, text.encode("utf-8"))

    def write_bytes(self, data: bytes) -> None:
        if self.path is None:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            _replace(self.path, data)


def guard(output: str | None, read: Iterable[tuple[str, str]]) -> None:
    """Stop before a file that the run reads would be overwritten. read: paths, and what they are."""
    if output is None or output == "-" or not os.path.exists(output):
        return
    for path, what in read:
        if os.path.exists(path) and os.path.samefile(path, output) and os.path.isfile(output):
            raise problems.would_overwrite(output, what)


def _replace(path: str, data: bytes) -> None:
    """Write a file aside, then give it its name; devices and pipes are written to directly."""
    try:
        target = os.path.realpath(path)
        if os.path.exists(target) and not os.path.isfile(target):
            with open(target, "wb") as file:
                file.write(data)
            return
        _write_aside(target, data)
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise problems.cannot_write(path, reason[0].lower() + reason[1:]) from None


def _write_aside(target: str, data: bytes) -> None:
    import tempfile

    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".ndgrad-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(temporary, _mode_for(target))
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _mode_for(target: str) -> int:
    """The permissions of the file that is replaced, or those that a new file gets."""
    if os.path.exists(target):
        return os.stat(target).st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
