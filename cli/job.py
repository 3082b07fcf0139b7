"""One run as the command line describes it: the program, what its names are bound to, what is wanted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ndgrad.cli import problems
from ndgrad.cli.drawing import show
from ndgrad.cli.writing.places import guard
from ndgrad.frozen import Frozen

if TYPE_CHECKING:
    from ndgrad.errors import Error
    from ndgrad.lang.program import Program, Result


class Limits(Frozen):
    """What the run may take, as written on the command line; None for the language's own limits."""

    max_steps: int | None = None
    max_memory: str | None = None
    timeout: float | None = None

    def arguments(self) -> dict[str, Any]:
        """As `Program.run` takes them; the process is held to the memory at once. Stops on wrong usage."""
        from ndgrad.lang.limits import confine

        memory = None if self.max_memory is None else _bytes(self.max_memory)
        confine(memory)
        watched = memory is not None or self.timeout is not None
        return {
            **({} if self.max_steps is None else {"max_steps": self.max_steps}),
            **({} if memory is None else {"max_memory": memory}),
            **({} if self.timeout is None else {"timeout": self.timeout}),
            **({"abandon": _abandoned()} if watched else {}),
        }


class Job(Frozen):
    """What to run. `program` is a path, `-`, or (where `is_text`) the program itself."""

    program: str
    inputs: tuple[tuple[str, str], ...]
    grad: tuple[str, ...]
    head: str | None
    of: str | None
    dtype: str | None
    limits: Limits = Limits()
    is_text: bool = False

    @property
    def name(self) -> str:
        """What to call the program in results and messages."""
        return "<text>" if self.is_text else "standard input" if self.program == "-" else self.program

    def result(self, output: str | None = None, trace: bool = False) -> Result:
        """Read everything and run. Warnings are shown at once.

        output: the file that the result will go to, which must be none of those that are read.
        """
        import gc

        guard(output, self.files())
        program = self.loaded()
        values, head = self.values()
        bound_by = {name: f"-i {name}={_shortened(text)}" for name, text in self.inputs}
        gc.freeze()  # main() started without it
        gc.enable()
        made = program.run(
            values,
            grad=list(self.grad),
            head=head,
            of=self.of,
            dtype=self.dtype,
            trace=trace,
            bound_by=bound_by,
            **self.limits.arguments(),
        )
        if made.warnings:
            show(made.warnings)
        return made

    def values(self) -> tuple[dict[str, Any], Any]:
        """The inputs by name, and the head; what comes through standard input is taken in this order."""
        given = [
            *((f"-i {name}", text) for name, text in self.inputs),
            *(() if self.head is None else [("--head", self.head)]),
        ]
        if not given:
            return {}, None
        from ndgrad.cli.reading import StandardInput, value

        stdin = StandardInput(sum(_is_stdin(text) for _, text in given))
        read = [value(text, option, stdin) for option, text in given]
        return dict(zip((name for name, _ in self.inputs), read, strict=False)), None if self.head is None else read[-1]

    def loaded(self) -> Program:
        """The program, read and checked."""
        from ndgrad.lang import compile, load

        if self.is_text:
            return compile(self.program, self.name, ".")
        if self.program != "-":
            return load(self.program)
        from ndgrad.cli.reading import bytes_from_stdin, decoded

        return compile(decoded(bytes_from_stdin(), self.name).text, self.name, ".")

    def files(self) -> list[tuple[str, str]]:
        """The paths that this run reads, and what each is."""
        paths = [] if self.is_text else [(self.program, "the program")]
        given = [*self.inputs, *([("head", self.head)] if self.head is not None else [])]
        for name, text in given:
            what = f"the input `{name}`" if name != "head" else "the head"
            path = text.removeprefix("@")
            while path:
                paths.append((path, what))
                path = path.rpartition(":")[0]
        return paths


def asked(
    program: str,
    inputs: list[str] | None,
    grad: list[str] | None,
    head: str | None,
    of: str | None,
    dtype: str | None,
    limits: Limits | None = None,
    is_text: bool = False,
) -> Job:
    """The job that a command's arguments describe. Stops on wrong usage."""
    pairs = tuple(map(_pair, inputs or ()))
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            problems.usage(f"-i {name}=… is given twice")
    streams = [f"-i {name}={text}" for name, text in pairs if _is_stdin(text)]
    streams += [f"--head {head}"] if _is_stdin(head or "") else []
    if streams and program == "-" and not is_text:
        problems.usage(f"standard input is the program, and cannot be read for {' and '.join(streams)}")
    wanted = [name.strip() for several in grad or () for name in several.split(",")]
    if not all(wanted):
        problems.usage("--grad needs a name")
    return Job(program, pairs, tuple(dict.fromkeys(wanted)), head, of, dtype, limits or Limits(), is_text)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier() or not value.strip():
        problems.usage(f"-i {text}: an input is given as NAME=VALUE")
    return name, value


def _bytes(text: str) -> int:
    """`500M`, `2G`, `1.5GiB`, `1000000` in bytes; the units are powers of 1024."""
    import re

    found = re.fullmatch(r"\s*(\d+\.?\d*)\s*([kmgt]?)(?:i?b)?\s*", text, re.IGNORECASE)
    size = 0 if found is None else int(float(found[1]) * 1024 ** " kmgt".index(found[2].lower() or " "))
    if not size:
        problems.usage(f"--max-memory {text}: a size is a number of bytes, or one with a unit: 500M, 2G")
    return size


def _abandoned() -> Callable[[Error], None]:
    """What ends the process where a run over its limit is inside an operation that cannot be interrupted."""
    from ndgrad.cli.session import current

    session = current()

    def abandon(error: Error) -> None:
        from ndgrad.cli.main import reported

        code = reported(error, session)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    return abandon


def _is_stdin(text: str) -> bool:
    return text == "-" or text.startswith("-:")


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "…"
