"""The `ndgrad` command: finds the command, and turns whatever goes wrong into an exit code.

0 done · 1 the program or its input is at fault · 2 wrong usage · 3 a check failed · 4 a limit was reached
5 the device or an optional package is missing · 70 a bug in ndgrad · 130 interrupted
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ndgrad import __version__

if TYPE_CHECKING:
    from ndgrad.cli.session import Session
    from ndgrad.errors import Error

ENDINGS = {  # how files end, and what their formats are called
    "md": ("markdown",),
    "tex": ("latex",),
    "txt": ("text", "plain", "tree"),
    "htm": ("html",),
    "mmd": ("mermaid",),
    "gv": ("dot",),
    "jsonl": ("json",),
    "tsv": ("csv",),
}
DONE, AT_FAULT, USAGE, CHECK_FAILED, LIMIT, BUG, INTERRUPTED = 0, 1, 2, 3, 4, 70, 130


def main() -> None:
    """Run the command that sys.argv asks for, and exit with its code."""
    import gc

    gc.disable()  # a short start makes no garbage worth a collection; the run turns it on again
    if os.environ.get("_NDGRAD_COMPLETE") in ("bash", "zsh", "fish"):
        from ndgrad.cli.shells import answer

        answer(os.environ["_NDGRAD_COMPLETE"], sys.argv[1:])
        sys.exit(DONE)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if sys.stdout is None:
        sys.stderr.write("ndgrad: standard output is closed\n")
        sys.exit(AT_FAULT)
    sys.exit(status(sys.argv[1:]))


def status(arguments: list[str]) -> int:
    """Run one command line; its exit code."""
    if arguments == ["--version"]:
        print(f"ndgrad {__version__}")
        return DONE
    try:
        code = _answered(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return DONE
    except OSError as error:
        sys.stderr.write(f"ndgrad: cannot write to standard output: {error.strerror or error}\n")
        _forget_stdout()
        return AT_FAULT


def _answered(arguments: list[str]) -> int:
    import typer

    from ndgrad.cli.app import command
    from ndgrad.cli.session import Session, begin
    from ndgrad.errors import Error

    session = Session(debug="--debug" in arguments)
    begin(session)
    try:
        try:
            code = command().main(args=arguments, prog_name="ndgrad", standalone_mode=False, obj=session)
            return code if isinstance(code, int) else DONE
        except (Error, MemoryError):
            if session.debug:
                _traceback()
            raise
    except Error as error:
        return reported(error, session)
    except typer.TyperException as error:
        return _misused(error, arguments)
    except SystemExit as exit:
        if isinstance(exit.__context__, BrokenPipeError):  # typer's own answer to a closed pipe
            raise exit.__context__ from None
        raise
    except MemoryError:
        sys.stderr.write("error[E502]: there is not enough memory for this run\n")
        return LIMIT
    except OSError:
        raise
    except Exception as error:
        return bug(error, session)


def reported(error: Error, session: Session) -> int:
    """Show an error where the session wants it; its exit code."""
    from ndgrad.cli.drawing import show, write_json

    try:
        if session.errors_as_json:
            write_json(error.diagnostics)
        else:
            show(error.diagnostics)
    except OSError:
        raise
    except Exception as other:
        sys.stderr.write(f"{error}\n")
        return bug(other, session)
    return error.exit_code


def _misused(error: Exception, arguments: list[str]) -> int:
    """Wrong usage: one line that says what is wrong (or the help, where nothing was asked)."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    if "\n" in message or not message:
        if context is not None:
            from ndgrad.cli.screens import help_of

            message = help_of(context.command, context, sys.stderr).rstrip("\n")
        print(message, file=sys.stderr)
        return USAGE
    path = context.command_path if context is not None else "ndgrad"
    near = getattr(error, "possibilities", None)
    if near:
        message = f"{getattr(error, 'message', message)}; did you mean {' or '.join(sorted(near))}?"
    sentence = message[0].lower() + message[1:].removesuffix(".") + _instead(message, arguments)
    print(f"{path}: {sentence} ({path} -h shows what there is)", file=sys.stderr)
    return USAGE


def _instead(message: str, arguments: list[str]) -> str:
    """What else may have been meant: a file whose name begins with a dash, another word for a choice."""
    if message.startswith("No such option"):
        option = message.rpartition(" ")[2]
        file = next((a for a in arguments if a.startswith(option) and (a.endswith(".nd") or os.path.isfile(a))), None)
        return "" if file is None else f"; the file is given as ./{file}"
    value, found, rest = message.rpartition(" is not one of ")
    if not found:
        return ""
    from difflib import get_close_matches

    word = value.rpartition(" ")[2].strip("'")
    choices = [choice.strip(" '.") for choice in rest.split(",")]
    near = [choice for choice in ENDINGS.get(word.lower(), ()) if choice in choices]
    near = near or get_close_matches(word, choices, 1)
    return f"; did you mean {near[0]}?" if near else ""


def bug(error: Exception, session: Session) -> int:
    """Say that something is wrong with ndgrad itself; the exit code of that."""
    if session.debug:
        _traceback()
    said = str(error).splitlines()[0] if str(error) else ""
    sys.stderr.write(
        f"ndgrad: internal error: {type(error).__name__}{': ' if said else ''}{said}\n"
        f"This is a bug in ndgrad {__version__}, not in your program. Please report it with the command, the program\n"
        "and what the command prints when --debug is added.\n"
    )
    return BUG


def _traceback() -> None:
    import traceback

    traceback.print_exc()


def _forget_stdout() -> None:
    """Nothing more can be written: let the interpreter's last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
