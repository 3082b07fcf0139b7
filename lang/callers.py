"""Messages for those who run a program from Python: the options of the command line as arguments of `Program.run`."""

from __future__ import annotations

import re

from ndgrad.errors import Diagnostic, Error

_ARGUMENTS = frozenset(
    {
        *("grad", "head", "of", "dtype", "max_steps", "max_memory", "timeout", "mode", "jvp", "jac", "hess", "hvp"),
        *("heads", "seed", "train", "nan_check", "memory", "threads", "device", "profile"),
    }
)
_SWITCHES = frozenset({"train", "nan_check", "profile"})
_OPTION = re.compile(r"-i (?P<name>\w+)=VALUE|(?:ndgrad run )?--(?P<option>[a-z]+(?:-[a-z]+)*)(?P<names> NAME)?")


def in_python(diagnostic: Diagnostic) -> Diagnostic:
    """The same, with `--max-steps` as max_steps= and `-i x=VALUE` as inputs={"x": VALUE}."""
    help = None if diagnostic.help is None else _OPTION.sub(_argument, diagnostic.help)
    message = _OPTION.sub(_argument, diagnostic.message)
    return Diagnostic(diagnostic.code, message, diagnostic.labels, help, diagnostic.severity)


def error_in_python(error: Error) -> Error:
    """The error, its diagnostics with arguments in the place of options."""
    error.diagnostics = tuple(map(in_python, error.diagnostics))
    return error


def _argument(found: re.Match[str]) -> str:
    if found["name"]:
        return f'inputs={{"{found["name"]}": VALUE}}'
    name = "heads" if found["option"] == "head-of" else found["option"].replace("-", "_")
    if name not in _ARGUMENTS:
        return found[0]
    if name in _SWITCHES:
        return f"{name}=True"
    return f'{name}=["NAME"]' if found["names"] else f"{name}="
