"""What a word that has been begun can become: names, functions, commands, files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ndgrad.cli.interactive.commands import COMMANDS, SETTINGS
from ndgrad.cli.interactive.pieces import SIGN

if TYPE_CHECKING:
    from ndgrad.cli.interactive.talk import Talk

_WORD = re.compile(r"[^\W\d]\w*\Z")
_PATH = re.compile(r"""(?:\A\s*:load\s+(?:\w+=)?|\buse\s+["'])(?P<path>[^"'=]*)\Z""")


def completions(talk: Talk, before: str) -> tuple[str, list[str]]:
    """The end of what stands before the cursor that is completed, and what it can become."""
    path = _PATH.search(before)
    if path is not None:
        return path["path"], list(_files(path["path"]))
    found = _WORD.search(before)
    word = found[0] if found else ""
    if before.lstrip().startswith(SIGN):
        return word, _beginning(word, _for_command(talk, before))
    if not word:
        return "", []
    return word, _beginning(word, _after_a_dot() if before[: -len(word)].endswith(".") else _words(talk))


def _beginning(word: str, known: Iterable[str]) -> list[str]:
    return sorted({name for name in known if name.startswith(word) and name != word})


def _words(talk: Talk) -> Iterator[str]:
    from ndgrad.lang.builtins import CONSTANTS, function_names
    from ndgrad.lang.highlighting import KEYWORDS

    yield from talk.session.names
    yield from function_names()
    yield from KEYWORDS
    yield from CONSTANTS


def _after_a_dot() -> Iterator[str]:
    from ndgrad.lang.builtins import ATTRIBUTES, function_names

    yield from ATTRIBUTES
    yield from function_names()


def _for_command(talk: Talk, before: str) -> Iterable[str]:
    name, space, rest = before.lstrip()[1:].partition(" ")
    if not space:
        return [command.name for command in COMMANDS]
    if name in ("grad", "explain"):
        return _words(talk) if re.search(r"\bof\s", rest) else [*talk.session.names, "of"]
    if name == "set":
        return SETTINGS if " " not in rest.lstrip() else ("on", "off", "none", "float32", "float64")
    if name == "help":
        from ndgrad.lang.builtins import function_names
        from ndgrad.lang.catalogue import entries

        return [*function_names(), *(entry.code for entry in entries())]
    return ()


def _files(begun: str) -> Iterator[str]:
    """The files and folders whose paths begin so; hidden ones only where that is asked for."""
    folder, name = os.path.split(begun)
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(name) and (name.startswith(".") or not entry.name.startswith(".")):
            yield os.path.join(folder, entry.name) + (os.sep if entry.is_dir() else "")
