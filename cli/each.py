"""`--each NAME`: the program once for every record of an input, one result for each, in order.

The records are the lines of JSON lines, the arrays of a .npy stream, else the rows of an array. From
standard input they are taken, and answered, one by one: a filter that pays its start-up once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import typer

from ndgrad.cli import problems
from ndgrad.cli.drawing import as_json
from ndgrad.cli.streams import as_ascii, only_ascii
from ndgrad.cli.writing import asked_for, chosen
from ndgrad.cli.writing.places import Place, guard
from ndgrad.errors import Error

if TYPE_CHECKING:
    from ndgrad.cli.job import Job
    from ndgrad.lang.program import Program

Answer = tuple[str | bytes, str, bool]  # what goes to standard output, to standard error, and whether it is a result


def run_each(job: Job, name: str, workers: int, format: str | None, output: str | None) -> None:
    """Run the job for every record of its input `name`; exit code 1 if any failed. Stops on wrong usage.

    What is wrong whatever the record holds (E201, E205, E401, E7xx) is raised, as of one run.
    """
    from ndgrad.lang.checker import unknown
    from ndgrad.lang.problems import raised

    text = dict(job.inputs).get(name)
    if text is None:
        known = ", ".join(other for other, _ in job.inputs)
        if "," in name:
            problems.usage(f"--each {name}: it takes one input; bind the others once, each with -i NAME=VALUE")
        problems.usage(f"--each {name}: bind it with -i {name}=…; {f'bound are {known}' if known else 'nothing is'}")
    kind = _kind(format, output)
    guard(output, job.files())
    rest = job.without(name)
    program = rest.loaded(name)
    if missing := unknown(program.checked, {name, *dict(job.inputs)}):
        raise raised(missing)
    runner = Runner(rest, program, name, kind)
    place = Place(output)
    kept: list[Any] = []
    failed: list[int] = []
    records = records_of(text, f"-i {name}")
    answers = runner.all(records) if workers == 1 else in_processes(runner, records, workers)
    for number, (out, said, is_result) in enumerate(answers, 1):
        if not is_result:
            failed.append(number)
        if said:
            sys.stdout.flush()
            sys.stderr.write(as_ascii(said) if only_ascii(sys.stderr) else said)
        if place.path is not None:
            kept.append(out)
        elif isinstance(out, str):
            place.write_text(out)
            sys.stdout.flush()
        else:
            place.write_bytes(out)
    if place.path is not None:
        place.write_bytes(b"".join(part.encode() if isinstance(part, str) else part for part in kept))
    if failed:
        shown = ", ".join(map(str, failed[:10])) + (", …" if len(failed) > 10 else "")
        count = len(failed)
        sys.stderr.write(as_ascii(f"ndgrad: {count:,} record{'s' if count > 1 else ''} failed: {shown}\n"))
        raise typer.Exit(1)


def _kind(format: str | None, output: str | None) -> str:
    """json, unless .npy is asked for by name or by the output's name. Stops on wrong usage."""
    to_file = output not in (None, "-")
    if to_file and format is None:
        format = "json" if (output or "").lower().endswith((".jsonl", ".ndjson", ".json")) else None
        format = chosen(format, output).name
    if format not in (None, "json", "npy"):
        problems.usage(f"--each writes json or npy, not {format}")
    return chosen(format or "json", output).name


class Runner:
    """Runs a program for one record after the other."""

    def __init__(self, job: Job, program: Program, name: str, kind: str) -> None:
        self.program = program
        self.name = name
        self.program_name = job.name
        self.kind = kind
        self.ascii = only_ascii(sys.stdout)
        self.inputs, self.arguments = job.arguments()
        self.arguments |= job.limits.arguments()
        self.arguments.pop("abandon", None)  # one record that takes too long is no reason to end the others
        self.arguments["bound_by"][name] = f"--each {name}"
        self.had_nan = False

    def all(self, records: Iterable[Any]) -> Iterator[Answer]:
        for number, record in enumerate(records, 1):
            yield self.answer(number, record)

    def answer(self, number: int, record: Any) -> Answer:
        """What record `number` comes to; where the record itself is an error, that."""
        from ndgrad.lang.rendering import render

        try:
            if isinstance(record, Error):
                raise record
            made = self.program.run({**self.inputs, self.name: record}, **self.arguments)
        except Error as error:
            if number == 1 and self.is_of_all(error, record):
                raise
            return self.failed(number, error)
        # What holds for the program is said once; nan, of the first record that gives it.
        told = [warning for warning in made.warnings if number == 1 or (warning.code == "W403" and not self.had_nan)]
        self.had_nan = self.had_nan or any(warning.code == "W403" for warning in told)
        warned = f"{render(told)}\n" if told else ""
        if self.kind == "npy":
            from ndgrad.cli.writing.npy import bytes_of

            return bytes_of(asked_for(made)), warned, True
        from ndgrad.cli.writing.json_result import as_object

        return self._line({"record": number, **as_object(made, self.program_name)}), warned, True

    def failed(self, number: int, error: Error) -> Answer:
        from ndgrad.lang.rendering import render

        said = f"record {number}: {render(error.diagnostics)}\n"
        return self._line({"record": number, "error": as_json(error.diagnostics[0])}), said, False

    def is_of_all(self, error: Error, record: Any) -> bool:
        """Whether the options are wrong, or a device missing, whatever a record holds."""
        if error.code == "E401":
            return self.has_no_floats(record)
        if error.code != "E205":
            return error.code[:2] == "E7"
        # A variable of the program may get its value on the way that other records take.
        of = (self.arguments["of"] or "").partition("[")[0]
        named = {of, *(other.partition("[")[0] for other in self.arguments.get("heads", ()))}
        return not named & set(self.program.checked.globals)

    def has_no_floats(self, record: Any) -> bool:
        """Whether a derivative that the first record does not have is one that no record has.

        That is so where another input holds no floats, and where floats give none on the one way that there is.
        """
        from ndgrad.lang import syntax
        from ndgrad.lang.question import everything

        given = self.arguments
        wanted = {*given["grad"], *(n for option in ("jac", "hess", "jvp", "hvp") for n in given.get(option) or ())}
        declared = self.program.checked.inputs
        others = (
            value
            for name, value in self.inputs.items()
            if name in wanted and (name not in declared or declared[name].dtype is None)
        )
        if any(_kind_of(value) in "iub" for value in others):
            return True
        decisions = (syntax.If, syntax.While, syntax.For, syntax.Conditional, syntax.Logical)
        return _kind_of(record) == "f" and not any(
            isinstance(node, decisions) for node in everything(self.program.body)
        )

    def _line(self, found: dict[str, Any]) -> str | bytes:
        import json

        return b"" if self.kind == "npy" else json.dumps(found, ensure_ascii=self.ascii) + "\n"


def _kind_of(value: Any) -> str:
    """The kind of the numbers in a value, "f" for those that are written out."""
    return value.dtype.kind if hasattr(value, "dtype") else "f"


# Records


def records_of(text: str, option: str) -> Iterator[Any]:
    """The records of a VALUE: arrays, or errors in their place. E602 and on for a value that has none."""
    from ndgrad.cli import reading
    from ndgrad.cli.formats import of_path

    if text == "-" or text.startswith("-:"):
        if sys.stdin is None:
            raise problems.cannot_read(reading.STDIN, "it is closed")
        yield from _of_stream(sys.stdin.buffer, reading.STDIN, text[2:] or None)
        return
    path, part = reading.located(text.removeprefix("@"))
    format = of_path(path)
    if format is not None and format.name in ("jsonl", "npy"):
        try:
            with open(path, "rb") as stream:
                if format.name == "jsonl":
                    yield from _of_lines(stream, path, part)
                    return
                arrays = _of_arrays(stream, path)
                first = next(arrays, None)
                if first is None:
                    raise problems.nothing_there(path)
                second = next(arrays, None)
                if second is None:
                    yield from _rows(first, option)
                else:
                    yield from (first, second)
                    yield from arrays
                return
        except OSError as error:
            reason = error.strerror or str(error)
            raise problems.cannot_read(path, reason[0].lower() + reason[1:]) from None
    yield from _rows(reading.value(text, option), option)


def _of_stream(stream: Any, name: str, part: str | None) -> Iterator[Any]:
    """The records of a pipe: .npy arrays, JSON lines, or the rows of whatever else it holds."""
    from ndgrad.cli import reading
    from ndgrad.cli.formats import named, of_data

    start = stream.peek(1)[:1]
    if start == named("npy").magic[:1]:
        yield from _of_arrays(stream, name)
        return
    if start in (b"[", b"{"):
        first = stream.readline()
        if _is_whole(first):
            yield from _of_lines([first], name, part)
            yield from _of_lines(stream, name, part, 2)
            return
        data = first + stream.read()
    else:
        data = stream.read()
    yield from _rows(reading.read(data, name, of_data(data), part), name)


def _is_whole(line: bytes) -> bool:
    """Whether a line is JSON by itself."""
    import json

    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return line.rstrip().endswith((b"]", b"}"))
    return True


def _of_lines(lines: Iterable[bytes], name: str, part: str | None, first: int = 1) -> Iterator[Any]:
    from ndgrad.cli.reading import decoded, json_lines

    for number, line in enumerate(lines, first):
        if line.strip():
            try:
                source = decoded(line.rstrip(b"\r\n"), f"{name}, line {number}")
                yield json_lines.record(source, 0, source.text, part)
            except Error as error:
                yield error


def _of_arrays(stream: Any, name: str) -> Iterator[Any]:
    from ndgrad.cli.reading import npy

    while True:
        array = npy.read_next(stream, name)
        if array is None:
            return
        yield array


def _rows(value: Any, option: str) -> Iterator[Any]:
    import numpy as np

    array = np.asarray(value, dtype=None if isinstance(value, np.ndarray) else np.float64)
    if array.ndim == 0:
        raise problems.no_records(option)
    # Integers that floats do not hold stay as they are written.
    yield from value if isinstance(value, list) and np.any(np.abs(array) >= 1 << 53) else array


# Several processes


def in_processes(runner: Runner, records: Iterable[Any], workers: int) -> Iterator[Answer]:
    """The answers of several processes, in the order of the records. Stops where processes cannot be forked."""
    import multiprocessing

    from ndgrad.cli.workers import Ended, in_order

    if "fork" not in multiprocessing.get_all_start_methods():
        problems.usage("--jobs needs a system that can fork processes")
    for answer in in_order(runner.answer, records, workers):
        yield runner.failed(answer.number, problems.ended(answer.status)) if isinstance(answer, Ended) else answer
