"""`--watch`: run again whenever the program or a file that it reads changes, until interrupted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import sleep
from typing import TYPE_CHECKING, Any, NoReturn

from ndgrad.cli import problems
from ndgrad.cli.streams import as_ascii, only_ascii
from ndgrad.errors import Error

if TYPE_CHECKING:
    from ndgrad.cli.job import Job
    from ndgrad.cli.session import Session

INTERVAL = 0.2  # seconds between two looks


def again_on_change(job: Job, run: Callable[[], Any], session: Session) -> NoReturn:
    """Run now and after each change. Mistakes in the program are reported, and waited for to be mended."""
    from ndgrad.cli.main import reported

    if job.program == "-" or any(text == "-" or text.startswith("-:") for _, text in job.texts()):
        problems.usage("--watch cannot read standard input again")
    while True:
        paths = _paths(job)
        if not paths:
            problems.usage("--watch needs a file to watch")
        before = _state(paths)
        try:
            run()
            sys.stdout.flush()
        except Error as error:
            reported(error, session)
        while _state(paths) == before:
            sleep(INTERVAL)
        sleep(INTERVAL / 4)  # a file that is being written: let it become whole
        changed = [path for path, old, new in zip(paths, before, _state(paths), strict=True) if old != new]
        said = f"\n── {', '.join(changed)} changed ──\n"
        sys.stderr.write(as_ascii(said) if only_ascii(sys.stderr) else said)
        sys.stderr.flush()


def _paths(job: Job) -> list[str]:
    """The files that the run reads, with those that the program uses as far as that can be told."""
    paths = [path for path, _ in job.files() if os.path.exists(path)]
    with suppress(Error):
        paths += job.loaded().files
    return list(dict.fromkeys(paths))


def _state(paths: Iterable[str]) -> list[tuple[int, int] | None]:
    """When each file was written and how long it is; None where it is not there (editors replace files)."""
    found: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            stat = os.stat(path)
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_mtime_ns, stat.st_size))
    return found
