"""What may come next on a command line: commands, options, their values, files, names of the program.

Nothing here knows an option by itself: what its value is, it says in its metavar (FILE, NAME=VALUE, a|b) and type.
Shells ask through the environment (see `shells`); neither rich nor SciPy is loaded to answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ndgrad.cli.programs import SUFFIX
from ndgrad.frozen import Frozen

LONGEST = 70  # letters of a description
_OF_VARIABLES = ("--of", "--head-of")  # NAME is an output or a variable here, else an input


class Candidate(Frozen):
    """One way to go on, and what it is in a few words. What ends in `=` or `/` is not yet the end of the word."""

    value: str
    help: str = ""
    is_path: bool = False

    def after(self, start: str) -> Candidate:
        """The same behind what is there already."""
        return Candidate(start + self.value, self.help, self.is_path)


def candidates(words: Sequence[str], start: str) -> list[Candidate]:
    """What the word that begins with `start` may be, after the words that follow `ndgrad`."""
    from ndgrad.cli.app import COMMANDS, command

    if not words or words[0] not in COMMANDS:
        if words and any(not word.startswith("-") for word in words):
            return []
        root = command()
        found = _options(root, (), start) if start.startswith("-") else _commands(root)
    else:
        line = Line(words[0], command().get_command(None, words[0]), words[1:])
        found = line.candidates(start)
    return [one for one in found if one.value.startswith(start)]


class Line:
    """The words of one command so far: the values of its options and arguments, and the option that waits for one."""

    def __init__(self, name: str, command: Any, words: Sequence[str]) -> None:
        self.name = name
        self.command = command
        self.arguments = [p for p in command.params if p.param_type_name == "argument"]
        self.options = {
            opt: p for p in command.params if p.param_type_name == "option" for opt in (*p.opts, *p.secondary_opts)
        }
        self.given: dict[str, list[str]] = {}
        self.waiting: Any = None
        self.flags_end = False
        self.plain: list[str] = []
        for word in words:
            self._take(word)

    def _take(self, word: str) -> None:
        if self.waiting is not None:
            self.given.setdefault(self.waiting.name, []).append(word)
            self.waiting = None
        elif self.flags_end or not word.startswith("-") or word == "-":
            self.plain.append(word)
        elif word == "--":
            self.flags_end = True
        else:
            parameter, value = self._split(word)
            if parameter is None:
                return
            if value is not None or parameter.is_flag:
                self.given.setdefault(parameter.name, []).append(value or "")
            else:
                self.waiting = parameter

    def _split(self, word: str) -> tuple[Any, str | None]:
        """The option of a word, and its value where that is in the same word: --grad=x, -ix=3."""
        name, equals, value = word.partition("=")
        if word.startswith("--"):
            return self.options.get(name), value if equals else None
        parameter = self.options.get(word[:2])
        return parameter, word[2:] if len(word) > 2 else None

    def candidates(self, start: str) -> Iterator[Candidate]:
        """What a word that begins with `start` may be."""
        if self.waiting is not None:
            yield from self._values(self.waiting, start)
        elif not self.flags_end and start.startswith("-") and start != "-":
            parameter, value = self._split(start)
            if parameter is not None and value is not None and not parameter.is_flag:
                before = start[: len(start) - len(value)]
                yield from (one.after(before) for one in self._values(parameter, value))
            else:
                yield from _options(self.command, self.given, start)
        else:
            argument = self._argument()
            if argument is not None and start != "-":
                yield from self._values(argument, start)
            if not self.flags_end and (argument is None or start == "-"):
                yield from _options(self.command, self.given, start)

    def _argument(self) -> Any:
        """The argument whose turn it is."""
        for i, argument in enumerate(self.arguments):
            if argument.nargs != 1 or i >= len(self.plain):
                return argument
        return None

    def _values(self, parameter: Any, start: str) -> Iterator[Candidate]:
        """What a value of this option or argument may be."""
        form = parameter.metavar or ""
        choices = getattr(parameter.type, "choices", ())
        is_option = parameter.param_type_name == "option"
        if choices:
            yield from (Candidate(str(choice)) for choice in choices)
        elif not is_option and self.name in _ARGUMENTS:
            yield from _ARGUMENTS[self.name]()
        elif form.startswith("NAME"):
            yield from self._named(parameter, form, start)
        elif form == "VALUE":
            yield from _data(start)
        elif is_option and form == "FILE":
            yield from files(start)
        elif not is_option and form.strip("[].") == "FILE":
            yield from files(start, (SUFFIX,))
        elif not is_option and form != "TEXT":
            yield from files(start)

    def _named(self, parameter: Any, form: str, start: str) -> Iterator[Candidate]:
        """NAME, NAME[,NAME] or NAME=VALUE, the names those of the program."""
        name, equals, value = start.partition("=")
        if "=" in form and equals:
            if form.endswith("=VALUE"):
                yield from (one.after(f"{name}=") for one in _data(value))
            return
        names = self._names(parameter)
        if "=" in form:
            taken = {one.partition("=")[0] for one in self.given.get(parameter.name, ())}
            yield from (Candidate(f"{one}=", said) for one, said in names.items() if one not in taken)
            return
        before, comma, _ = start.rpartition(",") if "," in form else ("", "", start)
        taken = set(before.split(","))
        yield from (Candidate(before + comma + one, said) for one, said in names.items() if one not in taken)

    def _names(self, parameter: Any) -> dict[str, str]:
        """The names of the program on this line with what they are; none where it cannot be read."""
        from ndgrad.errors import Error, Source
        from ndgrad.lang.outline import outline

        if not self.plain or self.plain[0] == "-":
            return {}
        try:
            if self.name == "eval":
                source = Source("<text>", self.plain[0])
            else:
                with open(os.path.expanduser(self.plain[0]), encoding="utf-8") as file:
                    source = Source(self.plain[0], file.read())
            found = outline(source)
        except (Error, OSError, UnicodeError):
            return {}
        if any(opt in _OF_VARIABLES for opt in parameter.opts):
            return dict.fromkeys(found.outputs, "output") | dict.fromkeys(found.variables, "variable")
        return {name: declared or "input" for name, declared in found.inputs.items()}


def _options(command: Any, given: Iterable[str], start: str) -> Iterator[Candidate]:
    """The options that may be given now; the short ones where only `-` is there."""
    from ndgrad.cli.app import SETTINGS

    for parameter in command.params:
        if parameter.param_type_name != "option" or parameter.hidden:
            continue
        if parameter.name in given and not parameter.multiple:
            continue
        for option in (*parameter.opts, *parameter.secondary_opts):
            if option.startswith("--") or start == "-":
                yield Candidate(option, _shortened(parameter.help or ""))
    yield Candidate(SETTINGS["help_option_names"][-1], "Show the help and exit.")


def _commands(root: Any) -> Iterator[Candidate]:
    for name in root.list_commands(None):
        yield Candidate(name, _shortened(root.get_command(None, name).help or ""))


def _operations() -> Iterator[Candidate]:
    from ndgrad.lang.builtins import function_names

    return (Candidate(name) for name in function_names())


def _codes() -> Iterator[Candidate]:
    from ndgrad.cli.app import command
    from ndgrad.lang import catalogue

    yield from (Candidate(entry.code, _shortened(entry.title)) for entry in catalogue.entries())
    yield from _commands(command())


_ARGUMENTS = {"ops": _operations, "help": _codes}


def _shortened(text: str) -> str:
    """The first sentence of a help text, if need be cut."""
    first = " ".join(text.replace("; ", ". ").split(". ")[0].split()).removesuffix(".")
    return first if len(first) <= LONGEST else first[: LONGEST - 1].rstrip() + "…"


def _data(start: str) -> Iterator[Candidate]:
    """Files whose name tells a format that is read; `@` before a path forces a file of any name."""
    from ndgrad.cli.formats import FORMATS

    if start.startswith("@"):
        yield from (one.after("@") for one in files(start[1:]))
    else:
        yield from files(start, [suffix for format in FORMATS if format.read for suffix in format.suffixes])


def files(start: str, suffixes: Sequence[str] = ("",)) -> Iterator[Candidate]:
    """Paths that begin with `start`: folders, and files with one of the suffixes; hidden ones only if it says so."""
    folder, _, name = start.rpartition("/")
    folder += "/" if "/" in start else ""
    try:
        entries = sorted(os.scandir(os.path.expanduser(folder) or "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") and not name.startswith("."):
            continue
        if entry.is_dir():
            yield Candidate(f"{folder}{entry.name}/", is_path=True)
        elif entry.name.lower().endswith(tuple(suffixes)):
            yield Candidate(folder + entry.name, is_path=True)
