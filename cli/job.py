"""One run as the command line describes it: the program, what its names are bound to, what is wanted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from ndgrad.cli import problems
from ndgrad.cli.drawing import show
from ndgrad.cli.writing.places import guard
from ndgrad.frozen import Frozen

if TYPE_CHECKING:
    from ndgrad.errors import Error
    from ndgrad.lang.profiling import Profile
    from ndgrad.lang.program import Program, Result


class Limits(Frozen):
    """What the run may take, as written on the command line; None for the language's own limits."""

    max_steps: int | None = None
    max_memory: str | None = None
    timeout: float | None = None
    threads: int | None = None
    memory: str | None = None

    def arguments(self) -> dict[str, Any]:
        """As `Program.run` takes them; the process is held to the memory at once. Stops on wrong usage."""
        from ndgrad.lang.limits import confine

        memory = None if self.max_memory is None else size_in_bytes(self.max_memory)
        confine(memory)
        watched = memory is not None or self.timeout is not None
        return {
            **({} if self.max_steps is None else {"max_steps": self.max_steps}),
            **({} if memory is None else {"max_memory": memory}),
            **({} if self.timeout is None else {"timeout": self.timeout}),
            **({} if self.threads is None else {"threads": self.threads}),
            **({} if self.memory is None else {"memory": size_in_bytes(self.memory, "--memory")}),
            **({"abandon": _abandoned()} if watched else {}),
        }


UNLIMITED = Limits()
Pairs = tuple[tuple[str, str], ...]


class Differentials(Frozen):
    """What is wanted besides gradients of one output: names, and NAME=VALUE as pairs of text."""

    mode: str | None = None
    heads: Pairs = ()
    jvp: Pairs = ()
    jac: tuple[str, ...] = ()
    hess: tuple[str, ...] = ()
    hvp: Pairs = ()
    seed: int | None = None
    train: bool = False
    nan_check: bool = False

    @property
    def values(self) -> list[tuple[str, str, str]]:
        """Every VALUE as (option, name, text)."""
        options = ("--head-of", self.heads), ("--jvp", self.jvp), ("--hvp", self.hvp)
        return [(option, name, text) for option, pairs in options for name, text in pairs]


NOTHING_MORE = Differentials()


class Job(Frozen):
    """What to run. `program` is a path, `-`, or (where `is_text`) the program itself."""

    program: str
    inputs: Pairs
    grad: tuple[str, ...]
    head: str | None
    of: str | None
    dtype: str | None
    limits: Limits = UNLIMITED
    is_text: bool = False
    more: Differentials = NOTHING_MORE
    device: str | None = None

    @property
    def name(self) -> str:
        """What to call the program in results and messages."""
        return "<text>" if self.is_text else "standard input" if self.program == "-" else self.program

    def result(self, output: str | None = None, trace: bool = False) -> Result:
        """Read everything and run. Warnings are shown at once.

        output: the file that the result will go to, which must be none of those that are read.
        """
        program, inputs, arguments = self.ready(output)
        made = _seen(program, inputs, {"trace": trace, **arguments})
        if made.warnings:
            show(made.warnings)
        return made

    def profiled(self, output: str | None = None) -> tuple[Result, Callable[[], Profile]]:
        """Read everything and run, as `result` does. Returns also what runs once more, for the time of every line."""
        from random import getrandbits

        program, inputs, arguments = self.ready(output)
        if arguments.get("seed") is None:
            arguments["seed"] = getrandbits(64)  # both runs draw the same
        made = _seen(program, inputs, arguments)
        if made.warnings:
            show(made.warnings)

        def profile() -> Profile:
            again = program.run(
                inputs, show=lambda text: None, profile=True, **arguments | {"nan_check": False}
            ).profile
            assert again is not None
            return again

        return made, profile

    def ready(self, output: str | None) -> tuple[Program, dict[str, Any], dict[str, Any]]:
        """The program, its inputs by name, and what else `Program.run` is to be told."""
        import gc

        guard(output, self.files())
        program = self.loaded()
        guard(output, [(path, "a file that the program uses") for path in program.files])
        inputs, arguments = self.arguments()
        gc.freeze()  # main() started without it
        gc.enable()
        return program, inputs, {**arguments, **self.limits.arguments()}

    def arguments(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The inputs by name, and what else `Program.run` is to be told but for limits."""
        inputs, head, more = self.values()
        bound_by = {name: f"-i {name}={_shortened(text)}" for name, text in self.inputs}
        return inputs, {
            "grad": self.grad,
            "head": head,
            "of": self.of,
            "dtype": self.dtype,
            "bound_by": bound_by,
            **({} if self.device is None else {"device": self.device}),
            **more,
        }

    def without(self, names: Collection[str]) -> Job:
        """The same without some inputs."""
        fields = {field: getattr(self, field) for field in self._fields}
        return Job(**fields | {"inputs": tuple(pair for pair in self.inputs if pair[0] not in names)})

    @property
    def derivatives(self) -> int:
        """How many derivatives are asked for."""
        more = self.more
        return len(self.grad) + len(more.jac) + len(more.hess) + bool(more.jvp) + len(more.hvp)

    def texts(self) -> list[tuple[str, str]]:
        """Every VALUE with the option that gives it, in the order in which standard input is taken."""
        given = [(f"-i {name}", text) for name, text in self.inputs]
        given += [] if self.head is None else [("--head", self.head)]
        return given + [(f"{option} {name}", text) for option, name, text in self.more.values]

    def values(self) -> tuple[dict[str, Any], Any, dict[str, Any]]:
        """The inputs by name, the head, and what else `Program.run` is to be told."""
        read: list[Any] = []
        if given := self.texts():
            from ndgrad.cli.reading import StandardInput, value

            stdin = StandardInput(sum(_is_stdin(text) for _, text in given))
            read = [_finished(value(text, option, stdin)) for option, text in given]
        inputs = {name: read.pop(0) for name, _ in self.inputs}
        head = None if self.head is None else read.pop(0)
        more = self.more
        if more is NOTHING_MORE:
            return inputs, head, {}
        plain = ("mode", "jac", "hess", "seed", "train", "nan_check")
        arguments: dict[str, Any] = {name: getattr(more, name) for name in plain}
        for name in ("heads", "jvp", "hvp"):
            arguments[name] = {which: read.pop(0) for which, _ in getattr(more, name)}
        return inputs, head, arguments

    def loaded(self, *also: str) -> Program:
        """The program, read and checked. also: names that are bound besides the inputs."""
        from ndgrad.lang import compile, load

        bound = {*(name for name, _ in self.inputs), *also}
        if self.is_text:
            return compile(self.program, self.name, ".", bound)
        if self.program != "-":
            return load(self.program, bound)
        from ndgrad.cli.reading import bytes_from_stdin, decoded

        return compile(decoded(bytes_from_stdin(), self.name).text, self.name, ".", bound)

    def files(self) -> list[tuple[str, str]]:
        """The paths that this run reads, and what each is."""
        paths = [] if self.is_text else [(self.program, "the program")]
        for option, text in self.texts():
            what = (
                f"the input `{option[3:]}`" if option[:3] == "-i " else "the head" if option[:6] == "--head" else option
            )
            path = text.removeprefix("@")
            while path:
                paths.append((path, what))
                path = path.rpartition(":")[0]
        return paths


def _seen(program: Program, inputs: dict[str, Any], arguments: dict[str, Any]) -> Result:
    """Run the program; on a terminal a line says how far a long run has come."""
    if not sys.stderr.isatty():
        return program.run(inputs, **arguments)
    from ndgrad.cli.progress import Progress

    progress = Progress()

    def look(count: int, most: int) -> None:
        progress(f"{count:,} of at most {most:,} rounds and calls; Ctrl-C ends the run")

    arguments = {"show": progress.print, "look": look, **arguments}
    if abandon := arguments.get("abandon"):

        def ended(error: Error) -> None:
            progress.close()
            abandon(error)

        arguments["abandon"] = ended
    try:
        return program.run(inputs, **arguments)
    finally:
        progress.close()


def asked(
    program: str,
    inputs: list[str] | None,
    grad: list[str] | None,
    head: str | None,
    of: str | None,
    dtype: str | None,
    limits: Limits = UNLIMITED,
    is_text: bool = False,
    more: Differentials = NOTHING_MORE,
    device: str | None = None,
) -> Job:
    """The job that a command's arguments describe. Stops on wrong usage."""
    job = Job(program, pairs("-i", inputs), names("--grad", grad), head, of, dtype, limits, is_text, more, device)
    if more.heads and (head is not None or of is not None):
        problems.usage("--head-of names its output, so --of and --head are not given with it")
    if program == "-" and not is_text:
        streams = [f"{option}{'=' if ' ' in option else ' '}{text}" for option, text in job.texts() if _is_stdin(text)]
        if streams:
            problems.usage(f"standard input is the program, and cannot be read for {' and '.join(streams)}")
    return job


def names(option: str, given: list[str] | None) -> tuple[str, ...]:
    """The names of an option that takes several, apart by commas or by repeating it."""
    wanted = [name.strip() for several in given or () for name in several.split(",")]
    if not all(wanted):
        problems.usage(f"{option} needs a name")
    return tuple(dict.fromkeys(wanted))


def pairs(option: str, given: list[str] | None) -> Pairs:
    """NAME=VALUE, of an option that takes several."""
    made = tuple(_pair(option, text) for text in given or ())
    known = [name for name, _ in made]
    for name in known:
        if known.count(name) > 1:
            problems.usage(f"{option} {name}=… is given twice")
    return made


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier() or not value.strip():
        what = {"-i": "an input", "--head-of": "a head"}.get(option, "a direction")
        problems.usage(f"{option} {text}: {what} is given as NAME=VALUE")
    return name, value


def _finished(value: Any) -> Any:
    """A value that nobody will write to, so that a run need not copy it."""
    if hasattr(value, "setflags"):
        value.setflags(write=False)
    return value


def size_in_bytes(text: str, option: str = "--max-memory") -> int:
    """`500M`, `2G`, `1.5GiB`, `1000000` in bytes; the units are powers of 1024."""
    import re

    found = re.fullmatch(r"\s*(\d+\.?\d*)\s*([kmgt]?)(?:i?b)?\s*", text, re.IGNORECASE)
    size = 0 if found is None else int(float(found[1]) * 1024 ** " kmgt".index(found[2].lower() or " "))
    if not size:
        problems.usage(f"{option} {text}: a size is a number of bytes, or one with a unit: 500M, 2G")
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
