"""`--each NAME`: the program once for every record of inputs, one result for each, in order.

From standard input records are taken, and answered, one by one: a filter that pays its start-up once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import typer

from ndgrad.cli import problems
from ndgrad.cli.drawing import as_json
from ndgrad.cli.streams import as_ascii, only_ascii
from ndgrad.cli.writing import asked_for, chosen, digits, named_arrays, value_and_derivatives
from ndgrad.cli.writing.places import Place, guard
from ndgrad.errors import Error

if TYPE_CHECKING:
    from ndgrad.cli.formats import Format
    from ndgrad.cli.job import Job
    from ndgrad.lang.program import Program

Answer = tuple[Any, str, bool]  # what goes to the output, to standard error, and whether it is a result
FORMATS = ("json", "npy", "npz", "csv")


def run_each(
    job: Job, each: str, workers: int, format: str | None, output: str | None, precision: int | None = None
) -> None:
    """Run the job for every record of inputs; exit code 1 if any failed. Stops on wrong usage.

    each: the names of inputs that are bound, or a table whose columns are called as inputs.
    What is wrong whatever the record holds (E201, E205, E401, E7xx) is raised, as of one run.
    """
    from ndgrad.cli.reading import records
    from ndgrad.cli.writing.records import opened
    from ndgrad.lang.checker import unknown
    from ndgrad.lang.problems import raised

    kind = _kind(format, output, job.derivatives)
    digits(precision, kind, format, output)
    is_file = records.is_file(each)
    guard(output, [*job.files(), *([(each, "the table of records")] if is_file else [])])
    if is_file:
        headings = records.header(each)
        rest = job
        program = job.loaded(*headings)
        taken = records.columns(each, headings, {*program.checked.inputs, *program.free_names})
        if both := [name for name, _ in taken if name in dict(job.inputs)]:
            problems.usage(f"-i {both[0]}=…: {each} has a column of that name")
    else:
        taken = _bound(job, each)
        rest = job.without({name for name, _ in taken})
        program = rest.loaded(*(name for name, _ in taken))
    names = tuple(name for name, _ in taken)
    if missing := unknown(program.checked, {*names, *dict(rest.inputs)}):
        raise raised(missing)
    runner = Runner(rest, program, names, kind)
    failed: list[int] = []
    found = records.of_inputs(taken)
    answers = runner.all(found) if workers == 1 else in_processes(runner, found, workers)
    with opened(kind, Place(output), precision) as written:
        for number, (out, said, is_result) in enumerate(answers, 1):
            if not is_result:
                failed.append(number)
            if said:
                sys.stdout.flush()
                sys.stderr.write(as_ascii(said) if only_ascii(sys.stderr) else said)
            written.add(number, out)
    if failed:
        shown = ", ".join(map(str, failed[:10])) + (", …" if len(failed) > 10 else "")
        count = len(failed)
        sys.stderr.write(as_ascii(f"ndgrad: {count:,} record{'s' if count > 1 else ''} failed: {shown}\n"))
        raise typer.Exit(1)


def _bound(job: Job, each: str) -> list[tuple[str, str]]:
    """The inputs that --each names, with the VALUEs that they are bound to. Stops on wrong usage."""
    bound = dict(job.inputs)
    names = list(dict.fromkeys(name.strip() for name in each.split(",")))
    for name in names:
        if name not in bound:
            known = ", ".join(bound)
            problems.usage(
                f"--each {name}: bind it with -i {name}=…; {f'bound are {known}' if known else 'nothing is'}"
            )
    if sum(bound[name] == "-" or bound[name].startswith("-:") for name in names) > 1:
        problems.usage(f"--each {each}: records come through standard input for one input only")
    return [(name, bound[name]) for name in names]


def _kind(format: str | None, output: str | None, derivatives: int) -> Format:
    """JSON, unless another is asked for by name or by the output's name. Stops on wrong usage."""
    to_file = output not in (None, "-")
    if to_file and format is None:
        format = "json" if (output or "").lower().endswith((".jsonl", ".ndjson", ".json")) else None
        format = chosen(format, output).name
    if format not in (None, *FORMATS):
        problems.usage(f"--each writes {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, not {format}")
    return chosen(format or "json", output, derivatives)


class Runner:
    """Runs a program for one record after the other."""

    def __init__(self, job: Job, program: Program, names: tuple[str, ...], format: Format) -> None:
        self.program = program
        self.program_name = job.name
        self.kind = format.name
        self.ascii = only_ascii(sys.stdout)
        self.inputs, self.arguments = job.arguments()
        self.arguments |= job.limits.arguments()
        self.arguments.pop("abandon", None)  # one record that takes too long is no reason to end the others
        self.arguments["bound_by"] |= {name: f"--each {name}" for name in names}
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
            made = self.program.run({**self.inputs, **record}, **self.arguments)
        except Error as error:
            if number == 1 and self.is_of_all(error, record):
                raise
            return self.failed(number, error)
        # What holds for the program is said once; nan, of the first record that gives it.
        told = [warning for warning in made.warnings if number == 1 or (warning.code == "W403" and not self.had_nan)]
        self.had_nan = self.had_nan or any(warning.code == "W403" for warning in told)
        warned = f"{render(told)}\n" if told else ""
        if self.kind == "csv":
            return value_and_derivatives(made), warned, True
        if self.kind != "json":
            return named_arrays(made) if self.kind == "npz" else dict(_numbered(asked_for(made))), warned, True
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
        return all(_kind_of(value) == "f" for value in record.values()) and not any(
            isinstance(node, decisions) for node in everything(self.program.body)
        )

    def _line(self, found: dict[str, Any]) -> str | None:
        """A line of JSON; None where another format has no place for it."""
        import json

        return json.dumps(found, ensure_ascii=self.ascii) + "\n" if self.kind == "json" else None


def _numbered(arrays: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Arrays that go without names, told apart."""
    return ((f"result {i}" if i else "the result", array) for i, array in enumerate(arrays))


def _kind_of(value: Any) -> str:
    """The kind of the numbers in a value, "f" for those that are written out."""
    return value.dtype.kind if hasattr(value, "dtype") else "f"


# Several processes


def in_processes(runner: Runner, records: Iterable[Any], workers: int) -> Iterator[Answer]:
    """The answers of several processes, in the order of the records. Stops where processes cannot be forked."""
    import multiprocessing

    from ndgrad.cli.workers import Ended, in_order

    if "fork" not in multiprocessing.get_all_start_methods():
        problems.usage("--jobs needs a system that can fork processes")
    for answer in in_order(runner.answer, records, workers):
        yield runner.failed(answer.number, problems.ended(answer.status)) if isinstance(answer, Ended) else answer
