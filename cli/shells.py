"""The shells that complete command lines: what each is told to do at a Tab, and how it is answered.

A script runs `ndgrad` with ASKED set to the name of the shell. The words so far are its arguments, the last one that
which is to be completed; bash, which breaks words at signs such as `=`, sends its line and its own last word instead.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from ndgrad.cli.completion import candidates

ASKED = "_NDGRAD_COMPLETE"

# In bash the first line of the answer says whether the others are files, which are then quoted and shortened.
BASH = """\
_ndgrad() {
    local cur=${COMP_WORDS[COMP_CWORD]} kind line
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $kind ]]; then kind=$line; else COMPREPLY+=("$line"); fi
    done < <(_NDGRAD_COMPLETE=bash "$1" "${COMP_LINE:0:COMP_POINT}" "$cur" 2>/dev/null)
    [[ $kind == files ]] && compopt -o filenames 2>/dev/null
    [[ ${COMPREPLY[0]} == *[=/] ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -F _ndgrad ndgrad
"""
ZSH = """\
#compdef ndgrad
_ndgrad() {
    local line value
    local -a described unfinished
    for line in "${(@f)$(_NDGRAD_COMPLETE=zsh $words[1] "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        value=${line%%$'\\t'*}
        [[ -z $value ]] && continue
        if [[ $value == *[=/] ]]; then
            unfinished+=("$value")
        else
            described+=("${value//:/\\\\:}:${line#*$'\\t'}")
        fi
    done
    (( $#unfinished )) && compadd -S '' -a unfinished
    (( $#described )) && _describe 'ndgrad' described
    return 0
}
if [[ $funcstack[1] == _ndgrad ]]; then _ndgrad "$@"; else compdef _ndgrad ndgrad; fi
"""
FISH = """\
function __ndgrad_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -lx _NDGRAD_COMPLETE fish
    $words[1] $words[2..] "$last" 2>/dev/null
end
complete -c ndgrad -f -k -a '(__ndgrad_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def answer(shell: str, arguments: Sequence[str]) -> None:
    """Write the candidates for a shell, one a line. Never fails: a Tab is no place for a message."""
    try:
        text = _bash(*arguments) if shell == "bash" else _described(arguments)
    except Exception:
        return
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))


def install() -> None:
    """Tell the shell that runs this, in the files it reads at its start."""
    from typer import _completion_shared as typers

    typers._completion_scripts.update({shell: script.replace("%", "%%") for shell, script in SCRIPTS.items()})
    shell, path = typers.install(prog_name="ndgrad", complete_var=ASKED)
    print(f"{shell} completes ndgrad's command lines from its next start on: {path}")


def _bash(line: str, last: str) -> str:
    words, start = split(line)
    last = "" if last in ("=", ":") else last.lstrip("'\"")
    kept = len(start) - len(last) if start.endswith(last) else 0
    found = candidates(words[1:], start)
    kind = "files" if any(one.is_path for one in found) else "words"
    return "\n".join([kind, *(one.value[kept:] for one in found), ""])


def _described(arguments: Sequence[str]) -> str:
    *words, start = arguments
    found = candidates(words, split(start)[1] if start else "")
    return "".join(f"{one.value}\t{one.help}\n" for one in found)


def split(line: str) -> tuple[list[str], str]:
    """The words of a line as a shell reads them, and the last one, which may be empty, or open in quotes."""
    line = line.removesuffix("\\")
    for text in (line, line + "'", line + '"'):
        try:
            words = shlex.split(text)
        except ValueError:
            continue
        if text == line and line[-1:].isspace():
            return words, ""
        return words[:-1], "".join(words[-1:])
    return [], ""
