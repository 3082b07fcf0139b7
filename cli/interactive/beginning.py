"""How a session begins: with what the command line says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ndgrad.cli.interactive import PIPE, TERMINAL, at_terminal, from_pipe, from_terminal
from ndgrad.cli.interactive.commands import bind
from ndgrad.cli.interactive.talk import Talk
from ndgrad.cli.job import size_in_bytes

if TYPE_CHECKING:
    from ndgrad.cli.job import Limits, Pairs

GREETING = "ndgrad {} · :help shows what there is, :quit or Ctrl-D leaves"


def begin(
    program: str | None,
    inputs: Pairs,
    dtype: str | None,
    seed: int | None,
    train: bool,
    precision: int | None,
    full: bool,
    limits: Limits,
) -> int:
    """Hold a session to its end; the exit code. Stops on wrong usage."""
    import gc

    from ndgrad.lang.limits import confine
    from ndgrad.lang.session import Session

    gc.enable()  # main() started without it
    spoken = at_terminal()
    memory = None if limits.max_memory is None else size_in_bytes(limits.max_memory)
    confine(memory)
    session = Session(TERMINAL if spoken else PIPE, ".", dtype or "float64", train, seed)
    session.max_steps = limits.max_steps or session.max_steps
    session.max_memory, session.timeout = memory, limits.timeout
    talk = Talk(session, precision, full)
    for name, text in inputs:
        bind(talk, name, text)
    if spoken:
        from ndgrad import __version__

        talk.say(GREETING.format(__version__))
    if program is not None:
        talk.take(f":load {program}", 1)
    if spoken:
        from_terminal(talk)
        return 0
    from_pipe(talk)
    return talk.code
