"""One run as the command line describes it: the program, what its names are bound to, what is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ndgrad.cli import problems
from ndgrad.cli.drawing import show
from ndgrad.cli.writing.places import guard
from ndgrad.frozen import Frozen

if TYPE_CHECKING:
    from ndgrad.lang.program import Program, Result


class Job(Frozen):
    """What to run. `program` is a path, `-`, or (where `is_text`) the program itself."""

    program: str
    inputs: tuple[tuple[str, str], ...]
    grad: tuple[str, ...]
    head: str | None
    of: str | None
    dtype: str | None
    max_steps: int | None = None
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
        values = _values(self.inputs)
        head = None if self.head is None else _value(self.head, "--head")
        bound_by = {name: f"-i {name}={_shortened(text)}" for name, text in self.inputs}
        limits: dict[str, Any] = {} if self.max_steps is None else {"max_steps": self.max_steps}
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
            **limits,
        )
        if made.warnings:
            show(made.warnings)
        return made

    def loaded(self) -> Program:
        """The program, read and checked."""
        from ndgrad.lang import compile, load

        if self.is_text:
            return compile(self.program, self.name)
        if self.program != "-":
            return load(self.program)
        from ndgrad.cli.reading import bytes_from_stdin, decoded

        return compile(decoded(bytes_from_stdin(), self.name).text, self.name)

    def files(self) -> list[tuple[str, str]]:
        """The paths that this run reads, and what each is."""
        paths = [] if self.is_text else [(self.program, "the program")]
        given = [*self.inputs, *([("head", self.head)] if self.head is not None else [])]
        for name, text in given:
            what = f"the input `{name}`" if name != "head" else "the head"
            path = text.removeprefix("@")
            paths += [(path, what), (path.rpartition(":")[0], what)]
        return paths


def asked(
    program: str,
    inputs: list[str] | None,
    grad: list[str] | None,
    head: str | None,
    of: str | None,
    dtype: str | None,
    max_steps: int | None = None,
    is_text: bool = False,
) -> Job:
    """The job that a command's arguments describe. Stops on wrong usage."""
    pairs = tuple(map(_pair, inputs or ()))
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            problems.usage(f"-i {name}=… is given twice")
    streams = [f"-i {name}=-" for name, text in pairs if text == "-"]
    streams += ["--head -"] if head == "-" else []
    streams += ["the program"] if program == "-" and not is_text else []
    if len(streams) > 1:
        problems.usage(f"standard input can be read once, not for {' and '.join(streams)}")
    wanted = [name.strip() for several in grad or () for name in several.split(",")]
    if not all(wanted):
        problems.usage("--grad needs a name")
    return Job(program, pairs, tuple(dict.fromkeys(wanted)), head, of, dtype, max_steps, is_text)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier() or not value.strip():
        problems.usage(f"-i {text}: an input is given as NAME=VALUE")
    return name, value


def _values(pairs: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return {name: _value(text, f"-i {name}") for name, text in pairs}


def _value(text: str, option: str) -> Any:
    from ndgrad.cli.reading import value

    return value(text, option)


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "…"
