"""What is said to the session itself: `:grad x of y` and the others. One entry each."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ndgrad.cli import problems
from ndgrad.cli.job import names, size_in_bytes
from ndgrad.frozen import Frozen

if TYPE_CHECKING:
    from ndgrad.cli.interactive.talk import Talk


class Command(Frozen):
    """A command: its name, what may follow it, what it does in words, and `run(talk, rest, line)`."""

    name: str
    takes: str
    help: str
    run: Callable[[Talk, str, int], None]


def perform(talk: Talk, text: str, line: int) -> None:
    """Do what `:NAME REST` says; the beginning of a name that is no other's will do. Stops on wrong usage."""
    word, _, rest = text[1:].strip().partition(" ")
    found = [command for command in COMMANDS if command.name == word] or [
        command for command in COMMANDS if word and command.name.startswith(word)
    ]
    if len(found) != 1:
        which = f"is any of {', '.join(f':{c.name}' for c in found)}" if found else "is no command"
        problems.usage(f":{word} {which}; :help shows what there is")
    found[0].run(talk, rest.strip(), line)


def _asked(talk: Talk, word: str, rest: str) -> tuple[tuple[str, ...], str | None]:
    """NAME[,NAME] [of EXPR]"""
    before, of, behind = rest.partition(" of ")
    if not before.strip() or (of and not behind.strip()) or rest.endswith(" of"):
        problems.usage(f":{word} needs a name to differentiate by: :{word} x, or :{word} x of sum(y ** 2)")
    return names(f":{word}", [before]), behind.strip() or None


def _grad(talk: Talk, rest: str, line: int) -> None:
    wanted, of = _asked(talk, "grad", rest)
    try:
        talk.show_gradients(talk.session.gradients(wanted, of, line))
    except ValueError:
        problems.usage(f":grad {rest}: an expression follows `of`")


def _explain(talk: Talk, rest: str, line: int) -> None:
    from ndgrad.cli.explaining import Explained
    from ndgrad.cli.explaining.text import written
    from ndgrad.cli.streams import only_ascii, painter

    wanted, of = _asked(talk, "explain", rest)
    try:
        found = tuple(talk.session.derivation(name, of, line) for name in wanted)
    except ValueError:
        problems.usage(f":explain {rest}: an expression follows `of`")
    explained = Explained(found, talk.session.name, dict, precision=talk.precision, paint=painter(sys.stdout))
    sys.stdout.write(written(explained, only_ascii(sys.stdout)))


def _load(talk: Talk, rest: str, line: int) -> None:
    from ndgrad.lang import source_of

    if not rest:
        problems.usage(":load needs a program, or NAME=VALUE: :load f.nd, or :load x=x.npy")
    name, equals, text = rest.partition("=")
    if equals and name.strip().isidentifier() and not os.path.exists(rest):
        bind(talk, name.strip(), text.strip())
        return
    path = os.path.expanduser(rest)
    ran = talk.session.load(source_of(path, path), os.path.dirname(os.path.realpath(path)))
    talk.show(ran.values, ran.path)


def bind(talk: Talk, name: str, text: str) -> None:
    """Give a name of the session a VALUE, as `-i NAME=VALUE` does. Stops on wrong usage."""
    from ndgrad.cli.reading import value

    if text == "-" or text.startswith("-:"):
        problems.usage(f"{name}={text}: standard input is what is said here, and no value")
    talk.session.bind(name, value(text, f"-i {name}"), f"-i {name}={text}")


def _names(talk: Talk, rest: str, line: int) -> None:
    import numpy as np

    from ndgrad.cli.writing.matrices import shape_of, short
    from ndgrad.lang.values import described
    from ndgrad.ndarray import NDArray, plain

    held = talk.session.names
    width = max(map(len, held), default=0)
    for name, value in held.items():
        if isinstance(value, NDArray):
            array = np.asarray(plain(value))
            said = f"{shape_of(array)} {array.dtype}  {short(array, talk.precision)}"
        else:
            said = "a function" if callable(getattr(value, "body", None)) else described(value)
        talk.say(f"{name.ljust(width)}  {said}")


def _set(talk: Talk, rest: str, line: int) -> None:
    word, _, text = rest.partition(" ")
    if not word:
        width = max(map(len, SETTINGS))
        for name, setting in SETTINGS.items():
            talk.say(f"{name.ljust(width)}  {setting.current(talk)}")
        return
    if word not in SETTINGS:
        problems.usage(f":set {word}: the settings are {', '.join(SETTINGS)}")
    setting = SETTINGS[word]
    try:
        setting.change(talk, text.strip())
    except (ValueError, KeyError):
        problems.usage(f":set {word} {setting.takes}")


def _help(talk: Talk, rest: str, line: int) -> None:
    from ndgrad.cli import helping, operations

    if re.fullmatch(r"[EeWw]\d+", rest):
        helping.write(rest, "text")
    elif rest and not rest.startswith(":"):
        operations.write(rest, "text")
    else:
        width = max(len(f"{c.name} {c.takes}") for c in COMMANDS) + 1
        for command in COMMANDS:
            talk.say(f"{f':{command.name} {command.takes}'.ljust(width)}  {command.help}")
        talk.say(MORE)


def _quit(talk: Talk, rest: str, line: int) -> None:
    talk.over = True


MORE = """
Anything else is the language: `x = [1, 2]`, `y = sum(x ** 2)`. A number or an
array that a name is given is an input, by which gradients can be asked for. A
semicolon at the end keeps a value from being shown. Ctrl-C abandons a line, or
stops what is running; Ctrl-D leaves."""

COMMANDS = (
    Command("grad", "NAME[,NAME] [of EXPR]", "gradients of what was shown last, or of EXPR", _grad),
    Command("explain", "NAME [of EXPR]", "how the chain rule made such a gradient", _explain),
    Command("load", "FILE|NAME=VALUE", "run a program here, or bind a value as -i does", _load),
    Command("names", "", "what has a value", _names),
    Command("set", "[NAME VALUE]", "settings, or change one", _set),
    Command("help", "[NAME|CODE]", "this, an operation, or the code of a message", _help),
    Command("quit", "", "leave", _quit),
)


# Settings


class Setting(Frozen):
    """What can be changed: what it takes in words, what it is, and `change(talk, text)` (ValueError)."""

    takes: str
    current: Callable[[Talk], str]
    change: Callable[[Talk, str], None]


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise ValueError(text)
        return value

    return read


def _seconds(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise ValueError(text)
    return value


def _of_session(name: str, takes: str, read: Callable[[str], Any]) -> Setting:
    """A setting that is an attribute of the session; `none` unsets it where that has a meaning."""
    optional = takes.endswith("or none")

    def change(talk: Talk, text: str) -> None:
        setattr(talk.session, name, None if optional and text == "none" else read(text))

    return Setting(takes, lambda talk: _said(getattr(talk.session, name)), change)


def _said(value: Any) -> str:
    if value is None:
        return "none"
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


def _switch(text: str) -> bool:
    return {"on": True, "off": False}[text]


def _dtype(text: str) -> str:
    if text not in ("float32", "float64"):
        raise ValueError(text)
    return text


def _set_precision(talk: Talk, text: str) -> None:
    talk.precision = None if text == "none" else _number(1, 17)(text)


def _set_full(talk: Talk, text: str) -> None:
    talk.full = _switch(text)


def _set_seed(talk: Talk, text: str) -> None:
    talk.session.seed(_number(0, 1 << 63)(text))


SETTINGS: dict[str, Setting] = {
    "precision": Setting(
        "takes a number of digits, 1 to 17, or none", lambda talk: _said(talk.precision), _set_precision
    ),
    "full": Setting("takes on or off: whether arrays are shown whole", lambda talk: _said(talk.full), _set_full),
    "dtype": _of_session("dtype", "takes float32 or float64", _dtype),
    "train": _of_session("train", "takes on or off: whether layers train", _switch),
    "seed": Setting("takes a number that random numbers begin from", lambda talk: _said(talk.session.begun), _set_seed),
    "max-steps": _of_session("max_steps", "takes a number of rounds and calls", _number(1, 1 << 62)),
    "max-memory": _of_session("max_memory", "takes a size, as 500M or 2G, or none", size_in_bytes),
    "timeout": _of_session("timeout", "takes a number of seconds, or none", _seconds),
}
