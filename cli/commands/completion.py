"""`ndgrad completion`: what a shell is told so that it completes ndgrad's command lines."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ndgrad.cli.app import single

app, command = single(
    "Print the script by which a shell completes commands, options, files and names of programs.",
    "ndgrad completion bash",
    "ndgrad completion fish",
)

Shell = Annotated[
    Literal["bash", "zsh", "fish"],
    typer.Argument(
        metavar="bash|zsh|fish", help="The shell; `ndgrad --install-completion` does it all.", show_default=False
    ),
]


@command
def completion(shell: Shell) -> None:
    from ndgrad.cli.shells import SCRIPTS
    from ndgrad.cli.streams import put

    put(SCRIPTS[shell])
