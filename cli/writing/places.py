"""Where a result goes: standard output, or a file that appears whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

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
            self.write_bytes(text.encode("utf-8"))

    def write_bytes(self, data: bytes) -> None:
        if self.path is None:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            with _appearing(self.path) as file:
                file.write(data)

    @property
    def folder(self) -> str | None:
        """Where there is room beside the file; None for standard output."""
        return None if self.path is None else os.path.dirname(os.path.realpath(self.path))

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """A stream to write bytes to, bit by bit. E620."""
        if self.path is None:
            sys.stdout.flush()
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        else:
            with _appearing(self.path) as file:
                yield file


def guard(output: str | None, read: Iterable[tuple[str, str]]) -> None:
    """Stop before a file that the run reads would be overwritten. read: paths, and what they are."""
    if output is None or output == "-" or not os.path.exists(output):
        return
    for path, what in read:
        if os.path.exists(path) and os.path.samefile(path, output) and os.path.isfile(output):
            raise problems.would_overwrite(output, what)


@contextmanager
def _appearing(path: str) -> Iterator[BinaryIO]:
    """A file that is written aside, and gets its name at the end; devices and pipes are written to directly. E620."""
    try:
        target = os.path.realpath(path)
        if os.path.exists(target) and not os.path.isfile(target):
            with open(target, "wb") as file:
                yield file
            return
        with _aside(target) as file:
            yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise problems.cannot_write(path, reason[0].lower() + reason[1:]) from None


@contextmanager
def _aside(target: str) -> Iterator[BinaryIO]:
    import tempfile

    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".ndgrad-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
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
