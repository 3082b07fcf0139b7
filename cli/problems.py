"""E6xx as the command line meets them: one builder per problem, and nowhere else.

Wrong usage (exit code 2) is no diagnostic: see `usage`.
"""

from __future__ import annotations

from typing import NoReturn

from ndgrad.errors import DeviceError, Diagnostic, InputError, Label, LimitError, Source, Span


def usage(message: str) -> NoReturn:
    """Stop with exit code 2 and one line."""
    import typer

    raise typer.TyperException(message)


def disagree(format: str, output: str | None, told: str) -> NoReturn:
    """Stop where --format asks for one thing, and the name of the file says another."""
    usage(f"--format {format} and -o {output} disagree: the name says {told}; leave out --format, or name it otherwise")


def _at(span: Span | None, remark: str = "") -> tuple[Label, ...]:
    return () if span is None else (Label(span, remark),)


def cannot_read(path: str, reason: str, help: str | None = None) -> InputError:
    """E602: a file is not there or not readable."""
    return InputError(Diagnostic("E602", f"cannot read {path}: {reason}", help=help))


def not_text(path: str) -> InputError:
    """E603: a file that should be text is not UTF-8."""
    return InputError(Diagnostic("E603", f"{path} is not a text in UTF-8"))


def no_value(span: Span) -> InputError:
    """E610: a VALUE that is neither a literal nor a file."""
    cure = "a value is a number, a list such as [[1, 2], [3, 4]], a file (.npy .csv .json …), or - for standard input"
    return InputError(Diagnostic("E610", f"`{span.text}` is neither a number nor a file", _at(span), cure))


def no_expression(span: Span) -> InputError:
    """E610: a VALUE that would have to be computed."""
    cure = "numbers, lists and files are read, not expressions: give its value, or compute it in the program"
    return InputError(Diagnostic("E610", f"`{span.text}` is an expression, and no number", _at(span), cure))


def unknown_kind(path: str) -> InputError:
    """E611: a file whose name does not say what it is."""
    from ndgrad.cli.formats import FORMATS

    cure = f"the kinds are {', '.join(suffix for format in FORMATS if format.read for suffix in format.suffixes)}"
    return InputError(Diagnostic("E611", f"the name {path} does not say what kind of file it is", help=cure))


def bad_literal(span: Span, remark: str) -> InputError:
    """E612: a number or list on the command line that cannot be read."""
    cure = "numbers and nested lists can be given: 3, [1, 2.5], [[1, nan], [-inf, 4]]"
    return InputError(Diagnostic("E612", "this value cannot be read", _at(span, remark), cure))


def ragged(span: Span, remark: str) -> InputError:
    """E613: a nested list whose rows differ in length."""
    return InputError(Diagnostic("E613", "the rows of this value differ in length", _at(span, remark)))


def damaged(name: str, reason: str, kind: str = "a whole .npy file") -> InputError:
    """E614: a binary file that does not hold what its header says."""
    return InputError(Diagnostic("E614", f"{name} is not {kind}: {reason}"))


def unsupported_dtype(name: str, dtype: str, why: str) -> InputError:
    """E601: an array of a kind that ndgrad does not compute with."""
    cure = "ndgrad computes with float32, float64, int64 and bool"
    return InputError(Diagnostic("E601", f"{name} holds {why} ({dtype})", help=cure))


def not_a_number(span: Span, column: str) -> InputError:
    """E615: a cell of a table that is no number."""
    what = f"this is no number, in column {column}" if span.text.strip() else f"a cell of column {column} is empty"
    cure = "a single column is read with FILE:COLUMN; a missing number is written nan"
    return InputError(Diagnostic("E615", "the table holds something that is no number", _at(span, what), cure))


def uneven_row(span: Span, cells: int, expected: int) -> InputError:
    """E616: a row of a table with too few or too many cells."""
    remark = f"{cells} cell{'s' if cells != 1 else ''}, the rows before have {expected}"
    return InputError(Diagnostic("E616", "the rows of the table differ in length", _at(span, remark)))


def missing_values(name: str, count: int) -> InputError:
    """E615: a column of integers with gaps."""
    cure = "only floats can be missing: they are read as nan"
    return InputError(Diagnostic("E615", f"{name} has {count:,} missing values", help=cure))


def broken_row(span: Span, reason: str) -> InputError:
    """E616: a row that is no row of a table."""
    return InputError(Diagnostic("E616", "this row of the table cannot be read", _at(span, reason)))


def no_column(path: str, column: str, known: list[str]) -> InputError:
    """E617: a column that the table does not have."""
    cure = f"its columns are: {', '.join(known)}" if known else "its columns have no names; they are counted from 0"
    return InputError(Diagnostic("E617", f"{path} has no column `{column}`", help=cure))


def no_part(path: str, part: str, known: list[str]) -> InputError:
    """E617: FILE:NAME where the file has no array of that name."""
    cure = f"it has: {_listed(known)}" if known else "it holds one array, without a name"
    return InputError(Diagnostic("E617", f"{path} has no array `{part}`", help=cure))


def several_parts(path: str, known: list[str]) -> InputError:
    """E622: a file of several arrays without a word on which."""
    cure = f"choose one with {path}:{known[0]}; it has: {_listed(known)}"
    return InputError(Diagnostic("E622", f"{path} holds {len(known)} arrays", help=cure))


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 20 else f"{', '.join(names[:20])} and {len(names) - 20} more"


def bad_json(source: Source, position: int, reason: str) -> InputError:
    """E618: a JSON file that is broken."""
    start = min(position, max(len(source.text) - 1, 0))
    return InputError(Diagnostic("E618", "this is not JSON", _at(Span(source, start, start + 1), reason)))


def no_array_in_json(name: str, what: str, span: Span | None = None) -> InputError:
    """E618: JSON that holds something else than numbers."""
    cure = "a number, a nested list, or what ndgrad itself writes with one gradient can be read"
    return InputError(Diagnostic("E618", f"{name} holds {what}, not an array of numbers", _at(span), cure))


def nothing_there(name: str) -> InputError:
    """E619: an empty file or an empty pipe."""
    cure = "did the command before it in the pipe fail?" if name == "standard input" else None
    return InputError(Diagnostic("E619", f"{name} is empty", help=cure))


def nothing_left(takers: int) -> InputError:
    """E619: fewer arrays come through standard input than are taken from it."""
    cure = f"{takers} arrays are taken from it, in the order in which they are asked for"
    return InputError(Diagnostic("E619", "standard input holds too few arrays", help=cure))


def ended(status: int | None) -> LimitError:
    """E502: a process of --jobs ended before it had computed its record; `status` is negative for a signal."""
    import signal

    how = f"with status {status}"
    if status is not None and status < 0:
        how = f"by {signal.Signals(-status).name}"
    cure = "a system short of memory ends processes: use fewer --jobs, or set --max-memory"
    return LimitError(Diagnostic("E502", f"the process that computed this record was ended {how}", help=cure))


def no_records(option: str) -> InputError:
    """E625: one number where --each needs records."""
    cure = "the records are lines of JSON, arrays in .npy one after the other, or the rows of an array"
    return InputError(Diagnostic("E625", f"{option} is one number, and has no records", help=cure))


def fewer_records(name: str, count: int, other: str) -> InputError:
    """E625: inputs of --each with different numbers of records."""
    cure = "inputs that --each takes together have as many records as each other"
    records = f"{count:,} record{'s' if count != 1 else ''}"
    return InputError(Diagnostic("E625", f"`{name}` has {records}, `{other}` has more", help=cure))


def records_differ(number: int, name: str, what: str, first: str) -> InputError:
    """E624: a record whose result does not fit beside those before it."""
    cure = "write .jsonl, where every record has a line of its own"
    said = f"of record {number:,} `{name}` is {what}, of those before it {first}"
    return InputError(Diagnostic("E624", f"the records do not fit together: {said}", help=cure))


def no_nan(number: int, name: str, dtype: str) -> InputError:
    """E624: a record that failed, where there is no nan to stand for its result."""
    cure = "write .jsonl, where every record has a line of its own"
    said = f"record {number:,} failed, and {dtype} has no nan to stand for its `{name}`"
    return InputError(Diagnostic("E624", f"the records do not fit together: {said}", help=cure))


def several_arrays(name: str) -> InputError:
    """E614: arrays in .npy one after the other where one is read."""
    cure = "--each takes such arrays one by one; `--each … -o FILE.npy` stacks its results to one"
    return InputError(Diagnostic("E614", f"{name} holds several .npy arrays, one after the other", help=cure))


def not_a_stream(kind: str, takers: int) -> InputError:
    """E623: several values are taken from standard input, which holds one."""
    cure = "arrays in .npy can follow one another; of a table or archive, take a part: -i x=-:NAME"
    return InputError(Diagnostic("E623", f"standard input holds one {kind} value, not {takers}", help=cure))


def arrays_left_over(taken: int) -> InputError:
    """E623: more arrays come through standard input than are taken from it."""
    said = "the one" if taken == 1 else f"the {taken}"
    cure = "take another with -i NAME=-, or take them one by one with --each"
    return InputError(Diagnostic("E623", f"standard input holds more arrays than {said} taken from it", help=cure))


def elsewhere(name: str) -> InputError:
    """E614: a dataset whose numbers lie in another file."""
    return InputError(Diagnostic("E614", f"{name} lies in another file, which is not followed"))


def package_missing(package: str, what: str, extra: str = "io") -> DeviceError:
    """E702: an optional package that a file's format, or a command, needs."""
    cure = f'pip install "ndgrad[{extra}]"'
    return DeviceError(Diagnostic("E702", f"{what} needs the package {package}, which is not installed", help=cure))


def cannot_write(path: str, reason: str) -> InputError:
    """E620: an output file that cannot be written."""
    return InputError(Diagnostic("E620", f"cannot write {path}: {reason}"))


def would_overwrite(path: str, what: str) -> InputError:
    """E621: the output file is one of the files that the run reads."""
    return InputError(
        Diagnostic("E621", f"{path} is not overwritten: it is {what} of this run", help="choose another -o")
    )


def no_table(reason: str) -> InputError:
    """E624: results that do not go into one table."""
    cure = "write .npz, .json or .npy, or ask for one gradient"
    return InputError(Diagnostic("E624", f"the result makes no table: {reason}", help=cure))
