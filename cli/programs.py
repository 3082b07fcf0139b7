"""The programs that a command line names: files, folders of files, standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

from ndgrad.cli import problems
from ndgrad.errors import Error

SUFFIX = ".nd"


def named(paths: list[str], failed: Callable[[Error], None]) -> Iterator[str]:
    """The files named (`-` too), and those called NAME.nd in the folders named, hidden folders aside; each once.

    failed: called with the error where a folder cannot be read.
    """
    done = set()
    for path in _with_folders(paths, failed):
        place = path if path == "-" else os.path.realpath(path)
        if place not in done:
            done.add(place)
            yield path


def _with_folders(paths: list[str], failed: Callable[[Error], None]) -> Iterator[str]:
    def cannot_walk(error: OSError) -> None:
        failed(problems.cannot_read(os.fsdecode(error.filename), (error.strerror or str(error)).lower()))

    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        found = False
        for folder, below, names in os.walk(path, onerror=cannot_walk):
            below[:] = sorted(name for name in below if not name.startswith("."))
            for name in sorted(name for name in names if name.endswith(SUFFIX)):
                found = True
                yield os.path.normpath(os.path.join(folder, name))
        if not found:
            print(f"there are no programs (*{SUFFIX}) in {path}", file=sys.stderr)
