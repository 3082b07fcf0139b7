"""The language's diagnostics: one builder for each thing that can go wrong, and nowhere else.

A builder returns a `Diagnostic`; `raised` turns diagnostics into the error of their kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ndgrad.errors import (
    Diagnostic,
    Error,
    GradientError,
    InputError,
    Label,
    LimitError,
    NameError_,
    ShapeError,
    Span,
    SyntaxError_,
)
from ndgrad.problems import shown_bytes

_KINDS: dict[str, type[Error]] = {
    "1": SyntaxError_,
    "2": NameError_,
    "3": ShapeError,
    "4": GradientError,
    "5": LimitError,
    "6": InputError,
}


def raised(diagnostics: Diagnostic | Sequence[Diagnostic], operands: tuple[str, ...] = ()) -> Error:
    """The error that carries these diagnostics; its class is that of the first."""
    several = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
    return _KINDS[several[0].code[1]](*several, operands=operands)


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be."""
    from difflib import get_close_matches

    names = sorted(set(known))
    for other in names:
        if other.lower() == name.lower() and other != name:
            return other
    for other in names:
        if len(name) > 3 and sorted(other) == sorted(name):
            return other  # letters in another order
    found = get_close_matches(name, names, 1, 0.6 if len(name) > 3 else 0.75)
    return found[0] if found else None


def _meant(name: str, known: Iterable[str]) -> str | None:
    other = closest(name, known)
    return f"did you mean `{other}`?" if other else None


# E1xx: the text is not a program

BRACES = "blocks are not made by braces"
MIXED = "tabs and spaces are mixed in the indentation"


def unexpected_character(span: Span) -> Diagnostic:
    """E101: a character that no part of the language uses."""
    from ndgrad.lang import habits  # only where something is wrong

    sign = span.text
    shown = f"`{sign}`" if sign.isprintable() else f"the character U+{ord(sign):04X}"
    if sign in habits.SPACES:
        message = f"{habits.SPACES[sign]} (U+{ord(sign):04X}) cannot stand here"
        return Diagnostic("E101", message, (Label(span),), "it may come with copied text; type a space instead")
    if sign in habits.QUOTES:
        return Diagnostic("E101", f"{shown} has no meaning here", (Label(span),), "strings stand in \" or '")
    if sign in habits.WRITTEN:
        return Diagnostic("E101", f"{shown} is not an operator", (Label(span),), f"write `{habits.WRITTEN[sign]}`")
    if sign == "!":
        return Diagnostic("E101", "`!` is not an operator", (Label(span),), _exclamation(span) or habits.SIGNS["!"])
    if sign == "|" and _text_of_line(span).count("|") == 2:
        return Diagnostic("E101", "`|` is not an operator", (Label(span),), f"{habits.SIGNS['|']}; |x| is abs(x)")
    if sign in habits.SIGNS:
        what = "is not an operator" if sign[0] in habits.OPERATORS else "has no meaning here"
        return Diagnostic("E101", f"{shown} {what}", (Label(span),), habits.SIGNS[sign])
    cure = None
    if len(sign) == 1 and 0xFF01 <= ord(sign) <= 0xFF5E:
        cure = f"write `{chr(ord(sign) - 0xFEE0)}`, the narrow sign"
    elif not sign.isascii():
        cure = "names are made of letters, digits and `_`; signs may come with copied text"
    return Diagnostic("E101", f"{shown} has no meaning here", (Label(span),), cure)


def _exclamation(span: Span) -> str | None:
    text, place = span.source.text, span.start
    if text[:place].endswith("="):
        return "write `!=`"
    if text[:place].endswith(")") or text[place - 1 : place].isalnum():
        return "a factorial is exp(gammaln(n + 1))"
    return None


def _text_of_line(span: Span) -> str:
    return span.source.line(span.line)


def typographic_quotes(span: Span) -> Diagnostic:
    """E101: a string in quotes of formatted text."""
    message = f"`{span.text[0]}` and `{span.text[-1]}` are no quotes of the language"
    return Diagnostic("E101", message, (Label(span),), f'write "{span.text[1:-1]}"')


def braces(span: Span) -> Diagnostic:
    """E101: blocks in braces."""
    cure = "end the line with `:` and indent the lines of the block"
    return Diagnostic("E101", BRACES, (Label(span),), cure)


def dictionary(span: Span) -> Diagnostic:
    """E101: a dictionary or a set."""
    cure = "values are kept under names of their own, or in an array or tuple: [1, 2], (a, b)"
    return Diagnostic("E101", "there are no dictionaries and no sets", (Label(span),), cure)


def raised_digits(span: Span) -> Diagnostic:
    """E101: a power written with raised digits."""
    from ndgrad.lang import habits  # only where something is wrong

    digits = "".join([habits.POWERS[digit] for digit in span.text])
    line = span.source.text[: span.start].rpartition("\n")[2]
    base = re.search(r"\w*$", line)
    cure = f"write `{base[0] if base and base[0] else 'x'}**{digits}`"
    return Diagnostic("E101", f"`{span.text}` is not an operator", (Label(span),), cure)


def string_without_end(span: Span) -> Diagnostic:
    """E102: a quote that is never closed on its line."""
    before = span.source.text[: span.start]
    cure = "close it on the same line"
    if before.endswith(span.text[0] * 2):
        cure = "strings end on their line; a comment begins with `#`"
    elif span.text[0] in before.rpartition("\n")[2]:
        cure = "a string with a quote in it stands in quotes of the other kind"
    elif span.text[0] == "'" and (before[-1:].isalnum() or before[-1:] in ("_", ")", "]")):
        cure = "a transpose is written `.T`"
    return Diagnostic("E102", "this string has no end", (Label(span, "it starts here"),), cure)


def missing_colon(span: Span, word: str, help: str | None = None) -> Diagnostic:
    """E103: the line that opens a block does not end with a colon."""
    return Diagnostic("E103", f"a `:` is missing after this `{word}`", (Label(span, "expected here"),), help)


def assignment_in_condition(span: Span, word: str) -> Diagnostic:
    """E104: `=` where a comparison is meant."""
    labels = (Label(span, f"this assigns, and `{word}` needs a condition"),)
    return Diagnostic("E104", "`=` does not compare", labels, "compare with `==`")


def unexpected_indent(span: Span) -> Diagnostic:
    """E105: a line is indented and no block was opened."""
    cure = "only the block after a line that ends with `:` is indented"
    return Diagnostic("E105", "this line is indented for no reason", (Label(span),), cure)


def missing_block(span: Span, word: str, header: Span) -> Diagnostic:
    """E105: a block was opened and nothing is in it."""
    labels = (Label(span, "an indented line is expected here"), Label(header, "the block starts here"))
    return Diagnostic(
        "E105",
        f"the block after `{word}` is empty",
        labels,
        "indent its lines; `pass` stands where nothing is to be done",
    )


def unknown_dedent(span: Span, width: int, known: Sequence[int]) -> Diagnostic:
    """E105: a line goes back to an indentation that no open block has."""
    *most, last = map(str, known)
    cure = f"the blocks around it are indented by {', '.join(most)} and {last}"
    labels = (Label(span, f"indented by {width}"),)
    return Diagnostic("E105", "this line's indentation fits no block", labels, cure)


def mixed_indent(span: Span, before: Span) -> Diagnostic:
    """E105: tabs and spaces mixed so that the blocks depend on the width of a tab."""
    first = "a tab here" if "\t" in before.text else "spaces here"
    labels = (Label(span, "a tab here" if "\t" in span.text else "spaces here"), Label(before, first))
    return Diagnostic("E105", MIXED, labels, "use spaces only, four for each block")


def line_ends_early(span: Span, expected: str) -> Diagnostic:
    """E106: a line or the program stops where something must follow."""
    return Diagnostic("E106", "this line ends too early", (Label(span, f"{expected} is expected here"),))


def unexpected_token(span: Span, expected: str | None, help: str | None = None) -> Diagnostic:
    """E107: something that cannot stand where it stands."""
    remark = f"{expected} is expected here" if expected else ""
    return Diagnostic("E107", f"`{span.text}` cannot stand here", (Label(span, remark),), help)


def word_is_taken(span: Span) -> Diagnostic:
    """E107: a word of the language in the place of a name."""
    labels = (Label(span, "a name is expected here"),)
    return Diagnostic("E107", f"`{span.text}` is a word of the language", labels, "choose another name")


def not_in_the_language(span: Span, help: str) -> Diagnostic:
    """E107: a word that begins a statement in other languages."""
    return Diagnostic("E107", f"there is no `{span.text}` in the language", (Label(span),), help)


def bad_target(span: Span, what: str) -> Diagnostic:
    """E108: an assignment to something that holds no value."""
    cure = "a name, an index such as x[0], or several names with commas can be assigned to"
    if what == "the result of a call":
        cure = f"a function is defined with `def`: def {span.text}:"
    return Diagnostic("E108", f"{what} cannot be assigned to", (Label(span),), cure)


_PARTNERS = {"(": ")", "[": "]", ")": "(", "]": "["}


def never_closed(opener: Span) -> Diagnostic:
    """E109: a bracket without its partner."""
    cure = f"a `{_PARTNERS[opener.text]}` is missing somewhere after it"
    return Diagnostic("E109", f"this `{opener.text}` is never closed", (Label(opener),), cure)


def never_opened(closer: Span) -> Diagnostic:
    """E109: a closing bracket too many."""
    cure = f"a `{_PARTNERS[closer.text]}` is missing somewhere before it, or it is one too many"
    return Diagnostic("E109", f"this `{closer.text}` closes nothing", (Label(closer),), cure)


def wrong_bracket(closer: Span, opener: Span) -> Diagnostic:
    """E109: brackets of two kinds are paired."""
    labels = (Label(closer, f"`{closer.text}` does not close it"), Label(opener, "opened here"))
    cure = f"`{opener.text}` is closed by `{_PARTNERS[opener.text]}`"
    return Diagnostic("E109", f"`{opener.text}` and `{closer.text}` do not go together", labels, cure)


def not_a_number(span: Span) -> Diagnostic:
    """E110: digits and letters run together."""
    return Diagnostic("E110", f"`{span.text}` is neither a number nor a name", (Label(span),), _number_meant(span.text))


def _number_meant(text: str) -> str:
    """What to write in the place of digits with something behind them."""
    if found := re.fullmatch(r"0([xX][0-9a-fA-F]+|[bB][01]+|[oO][0-7]+)", text):
        return f"numbers are decimal: write {int(found[0], 0)}"
    if found := re.fullmatch(r"(\d+)\.\.+(\d+)", text):
        return f"a range is written range({found[1]}, {found[2]})"
    if re.fullmatch(r"[\d.]+", text):
        return "a number has one decimal point"
    if re.fullmatch(r"[\d._]+[eE]", text):
        return f"an exponent has digits: {text}3; a product needs `*`: {text[:-1]}*{text[-1]}"
    if found := re.fullmatch(r"([\d._]+)([jJiI])", text):
        return f"there are no complex numbers; a product needs `*`: {found[1]}*{found[2]}"
    digits = re.match(r"[\d._]+", text)
    number = digits[0].rstrip("._") if digits else ""
    return f"a product needs `*`: {number}*{text[len(number) :]}"


def misplaced(span: Span, word: str, where: str) -> Diagnostic:
    """E111: a statement that has a meaning only in certain places."""
    cures = {
        "return": "a program gives its values with `output`",
        "input": "inputs are declared at the top of a program",
        "output": "a function gives its value with `return`",
    }
    return Diagnostic("E111", f"`{word}` {where}", (Label(span),), cures.get(word))


def given_twice(span: Span, name: str, what: str, first: Span) -> Diagnostic:
    """E112: a name is declared twice."""
    labels = (Label(span, "here again"), Label(first, "first here"))
    return Diagnostic("E112", f"the {what} `{name}` is given twice", labels)


def bad_order(span: Span, what: str) -> Diagnostic:
    """E112: parameters or arguments in an order that has no meaning."""
    return Diagnostic("E112", what, (Label(span),))


def text_as_value(span: Span) -> Diagnostic:
    """E113: a string where a value is needed."""
    number = re.fullmatch(r"[+-]?\d[\d.]*", span.text[1:-1])
    cure = f"a number has no quotes: {number[0]}" if number else None
    return Diagnostic("E113", "a string can only be an argument", (Label(span),), cure)


# E2xx: names and calls


def unknown_name(span: Span, name: str, known: Iterable[str]) -> Diagnostic:
    """E201: a name that has no value."""
    names = set(known)
    cure = _name_here(span, name, names) or _meant(name, names)
    cure = cure or f"give it a value in the program, or bind it: -i {name}=VALUE"
    return Diagnostic("E201", f"nothing is called `{name}`", (Label(span, "not known here"),), cure)


def _name_here(span: Span, name: str, known: set[str]) -> str | None:
    """What a name of other languages is here, or a statement that begins with a name without a value."""
    from ndgrad.lang import habits  # only where something is wrong
    from ndgrad.lang.builtins import PACKAGES

    text = span.source.text
    line_end = text.find("\n", span.end)
    behind = text[span.end : line_end if line_end >= 0 else len(text)]
    if name in PACKAGES and (attribute := re.match(r"(?:\.\w+)*\.(\w+)", behind)):
        return _without_package(attribute[1], known)
    if name in habits.NAMES:
        return habits.NAMES[name]
    if name in habits.FUNCTIONS_HERE:
        return f"{habits.FUNCTIONS_HERE[name]}; or give it a value: -i {name}=VALUE"
    if not text[text.rfind("\n", 0, span.start) + 1 : span.start].strip():
        if name in habits.ENDS and not behind.strip():
            return "a block ends where its indentation ends"
        if assigned := re.match(r"\s*(?:==|<-)\s*(.{1,40})$", behind):
            return f"a value is given with `=`: {name} = {assigned[1]}"
    return None


def _without_package(name: str, known: set[str]) -> str:
    """What to write for the function or constant `name` of a package."""
    from ndgrad.lang import habits

    if name in known:
        return f"functions and constants are written without a package: {name}"
    return habits.FUNCTIONS_HERE.get(name) or _meant(name, known) or "functions are written without a package: sum(x)"


def unknown_in_library(span: Span, name: str, known: Iterable[str]) -> Diagnostic:
    """E201: a name that has no value, in a file that is used for its functions."""
    labels = (Label(span, "not known here"),)
    return Diagnostic("E201", f"nothing is called `{name}`", labels, _meant(name, known) or "make it a parameter")


def not_yet(span: Span, name: str) -> Diagnostic:
    """E201: a name is read before the assignment that gives it a value was reached."""
    labels = [Label(span, "no value yet")]
    cure = "assign it on every path to this line"
    source = span.source
    given = list(re.finditer(rf"^[ \t]*(def[ \t]+)?({name})\b[ \t]*(?(1)\(|=(?!=))", source.text, re.MULTILINE))
    if given and given[0].start() > span.start:
        there = Span(source, given[0].start(2), given[0].end(2))
        labels.append(Label(there, "defined only here" if given[0][1] else "given a value only here"))
        cure = "move the definition above what calls it" if given[0][1] else "give it a value before this line"
    return Diagnostic("E201", f"`{name}` is read before it has a value", tuple(labels), cure)


def unknown_function(span: Span, name: str, known: Iterable[str]) -> Diagnostic:
    """E202: a call of something that is not defined."""
    cure = _function_here(name) or _meant(name, known) or f"define it: def {name}(...):"
    return Diagnostic("E202", f"there is no function `{name}`", (Label(span),), cure)


def unknown_attribute(span: Span, name: str, known: Iterable[str]) -> Diagnostic:
    """E202: a method or attribute that arrays do not have."""
    cure = _function_here(name) or _meant(name, known)
    return Diagnostic("E202", f"arrays have no `.{name}`", (Label(span),), cure)


def _function_here(name: str) -> str | None:
    """What to write for a function of other languages."""
    from ndgrad.lang import habits  # only where something is wrong

    return habits.FUNCTIONS_HERE.get(name)


def not_a_function(span: Span, what: str) -> Diagnostic:
    """E202: a call of a value that is not a function."""
    cure: str | None = "a product needs `*`, an entry is written x[0]"
    if hidden := _hidden_function(span):
        return Diagnostic("E202", f"{what} cannot be called", (Label(span, f"this is {what}"),), hidden)
    if what in ("True", "False", "None"):
        what, cure = f"`{what}`", "leave the brackets out"
    if what.startswith("the value of ."):
        cure = f"it is no method: leave the brackets behind {what.removeprefix('the value of ')} out"
    elif what.startswith("the number "):
        cure = "a product needs `*`"
    elif what == "a tuple":
        cure = None
    return Diagnostic("E202", f"{what} cannot be called", (Label(span, f"this is {what}"),), cure)


def _hidden_function(span: Span) -> str | None:
    """Where a name that is called got a value in the place of the function of that name, if it is one's name."""
    from ndgrad.lang.builtins import builtin

    name, text = span.text, span.source.text
    if not name.isidentifier() or (builtin(name) is None and not re.search(rf"\bdef {name}\b", text)):
        return None
    given = rf"(?:^|[;:,]|\b(?:for|input|output)\b)[ \t]*{name}[ \t]*(?:=(?!=)|,.*=|\bin\b|:)"
    places = [found.end() for found in re.finditer(given, text[: span.start], re.MULTILINE)]
    where = f"line {text.count(chr(10), 0, places[-1]) + 1} gives" if places else "the caller has given"
    return f"{where} `{name}` another value, which hides the function of this name: choose another name for the value"


def missing_input(span: Span, name: str, unused: Iterable[str] = ()) -> Diagnostic:
    """E203: an input without default that the caller did not bind. unused: bound names that the program never reads."""
    labels = (Label(span, "declared here, without a default"),)
    other = closest(name, unused)
    cure = f"bind it: -i {name}=VALUE" + (f"; `{other}` is bound, which the program never uses" if other else "")
    return Diagnostic("E203", f"the input `{name}` has no value", labels, cure)


def wrong_arguments(span: Span, name: str, reason: str, help: str | None = None) -> Diagnostic:
    """E204: arguments that do not fit the function."""
    return Diagnostic("E204", f"`{name}` {reason}", (Label(span),), help)


def no_package(span: Span, package: str, function: str) -> Diagnostic:
    """E204: a function called with its package before it, where the name of the package holds a value."""
    cure = f"functions are written without a package: {function}(...)"
    return Diagnostic("E204", f"`{package}` is a value here, and no package", (Label(span),), cure)


def takes_no_pair(span: Span, name: str, pairwise: str) -> Diagnostic:
    """E204: two values given to what reduces one array along an axis."""
    which = "larger" if pairwise == "maximum" else "smaller"
    cure = f"the {which} of two values is {pairwise}(a, b)"
    return wrong_arguments(span, name, "takes one array, and which axis of it", cure)


def arrays_not_together(span: Span, name: str) -> Diagnostic:
    """E204: several arrays as arguments of their own, where the function takes one tuple of them."""
    return wrong_arguments(span, name, "takes its arrays as one tuple", f"put brackets around them: {name}((a, b))")


def unknown_option(option: str, name: str, what: str, known: Sequence[str]) -> Diagnostic:
    """E205: a name given with --grad or --of that the program does not have."""
    listed = ", ".join(known) if known else "none"
    cure = _meant(name, known) or f"there are: {listed}"
    return Diagnostic("E205", f"{option} names `{name}`, which is no {what} of the program", (), cure)


def unknown_dtype(span: Span | None, name: str) -> Diagnostic:
    """E206: a dtype that the language does not have."""
    labels = () if span is None else (Label(span),)
    return Diagnostic("E206", f"there is no dtype `{name}`", labels, "the dtypes are float32, float64, int64 and bool")


def nothing_to_unpack(span: Span, wanted: int, what: str) -> Diagnostic:
    """E207: a value that does not unpack into the names on the left."""
    return Diagnostic("E207", f"{wanted} names cannot be filled from {what}", (Label(span, f"this is {what}"),))


def no_output(what: str) -> Diagnostic:
    """E208: a program without a value to show or to differentiate."""
    return Diagnostic("E208", what, (), "end the program with `output NAME`, an assignment or an expression")


def never_used(name: str, how: str | None, known: Iterable[str], own: Iterable[str]) -> Diagnostic:
    """W201: a bound name that the program never reads. own: the names that it gives values to itself."""
    bound = f" (bound by {how})" if how else ""
    other = closest(name, known)
    cure = f"did you mean `{other}`?" if other else None
    if name in own:
        cure = f"the program gives `{name}` its value itself; `input {name} = VALUE` would let it be bound"
    elif cure is None and (other := closest(name, own)):
        cure = f"it has `{other}`, which is no input: the program gives it its value"
    return Diagnostic("W201", f"the program never uses `{name}`{bound}", (), cure, "warning")


def used_beyond_itself(span: Span, name: str, file: str) -> Diagnostic:
    """E209: a function of a used file reads what only a run of that file would know."""
    labels = (Label(span, f"`{name}` is neither a function nor a constant of {file}"),)
    return Diagnostic("E209", f"a function of {file} cannot be used without `{name}`", labels, "make it a parameter")


def uses_itself(span: Span, path: str, files: Sequence[str]) -> Diagnostic:
    """E605: files that use each other in a circle."""
    circle = " uses ".join(file.rpartition("/")[2] for file in files)
    cure = "move what both need into a file of its own"
    return Diagnostic("E605", f'cannot use "{path}": {circle}', (Label(span),), cure)


def cannot_use(span: Span, path: str, reason: str) -> Diagnostic:
    """E605: a file that is not there, or not below the folder of the program that was started."""
    return Diagnostic("E605", f'cannot use "{path}": {reason}', (Label(span),))


# E3xx: shapes, dtypes, indices


def wrong_input_shape(span: Span, name: str, got: str, wanted: str, how: str | None) -> Diagnostic:
    """E302: an input has another shape than the program declares."""
    labels = (Label(span, f"declared {wanted}, given {got}"),)
    return Diagnostic(
        "E302", f"the input `{name}` has the wrong shape", labels, f"it was bound by {how}" if how else None
    )


def sizes_disagree(span: Span, size: str, here: int, first: Span, there: int) -> Diagnostic:
    """E302: one name of a size stands for two sizes."""
    labels = (Label(span, f"{size} is {here} here"), Label(first, f"{size} is {there} here"))
    return Diagnostic("E302", f"the size `{size}` is not the same everywhere", labels)


def cannot_index(span: Span, what: str, help: str | None = None) -> Diagnostic:
    """E303: an index into something that has no entries, or outside of it."""
    return Diagnostic("E303", what, (Label(span),), help)


def write_does_not_fit(span: Span, place: str, value: Span, shape: str) -> Diagnostic:
    """E304: a value whose shape does not broadcast to the entries that it is written to."""
    labels = (Label(value, f"this is {shape}"), Label(span, f"these entries are {place}"))
    return Diagnostic("E304", "the value does not fit the entries it is written to", labels)


def not_numbers(op: str, span: Span, what: str) -> Diagnostic:
    """E305: something that is no number and no array where one is needed."""
    cure = None
    if what == "None":
        cure = "a function that ends without `return` gives None"
    elif what == "a string":
        cure = "a number has no quotes"
    elif what.startswith("the function `"):
        cure = f"call it: {what.split('`')[1]}(...)"
    elif what.startswith("a tuple"):
        cure = "an array is written in square brackets: [1, 2]"
    return Diagnostic("E305", f"`{op}` needs numbers or arrays", (Label(span, f"this is {what}"),), cure)


def lossy_write(span: Span, target: str, value: str) -> Diagnostic:
    """E306: floats written into an array that cannot hold them."""
    cure = "make the array hold floats first: x = float(x)"
    return Diagnostic("E306", f"a write into {target} would lose digits of {value}", (Label(span),), cure)


def operation_failed(op: str, span: Span, reason: str) -> Diagnostic:
    """E307: arguments that an operation does not accept."""
    return Diagnostic("E307", f"`{op}` does not accept these arguments", (Label(span, reason),))


def not_one_condition(span: Span, what: str) -> Diagnostic:
    """E308: a condition with several entries, or none."""
    labels = (Label(span, f"this is {what}"),)
    cure = "use all(...) or any(...); entry by entry: where(mask, a, b), logical_and(a, b)"
    return Diagnostic("E308", "a condition must be one boolean or number", labels, cure)


def integer_division_by_zero(span: Span) -> Diagnostic:
    """E309: an integer divided by the integer 0."""
    return Diagnostic("E309", "integer division by zero", (Label(span),), "floats divide by zero to inf or nan")


def ragged(first: Span, shape: str, other: Span, other_shape: str) -> Diagnostic:
    """E310: the entries of an array literal have different shapes."""
    labels = (Label(other, f"this is {other_shape}"), Label(first, f"the first entry is {shape}"))
    return Diagnostic("E310", "the entries of an array must have the same shape", labels)


def not_iterable(span: Span, what: str) -> Diagnostic:
    """E311: a loop over something that has no first axis."""
    cure = "a loop runs over range(n), the rows of an array, or the entries of a tuple"
    return Diagnostic("E311", f"{what} has no entries to run over or to count", (Label(span),), cure)


def not_an_integer(span: Span, op: str, what: str) -> Diagnostic:
    """E312: an integer is needed."""
    return Diagnostic("E312", f"`{op}` needs an integer", (Label(span, f"this is {what}"),))


def not_shown(span: Span, what: str) -> Diagnostic:
    """E313: an output that is neither a number nor an array."""
    return Diagnostic("E313", "an output must be a number or an array", (Label(span, f"this is {what}"),))


def asserted(span: Span, message: str) -> Diagnostic:
    """E320: an assertion of the program does not hold."""
    return Diagnostic("E320", message, (Label(span, "this does not hold"),))


# E4xx: derivatives


def no_gradient_of(name: str, dtype: str, span: Span | None, asked: str) -> Diagnostic:
    """E401: the derivative of, or by, something that is not a float."""
    labels = () if span is None else (Label(span, f"`{name}` holds {dtype} values"),)
    cure = "only float32 and float64 values carry gradients; give floats, or declare it: input x: float64"
    return Diagnostic("E401", f"{asked} `{name}`, whose values are {dtype}, do not exist", labels, cure)


def head_does_not_fit(head: str, of: str, shape: str, span: Span | None) -> Diagnostic:
    """E404: the adjoint of the output has a shape that does not broadcast to the output's."""
    head, shape = _shaped(head), _shaped(shape)
    labels = () if span is None else (Label(span, f"`{of}` is {shape}"),)
    cure = "the head is the gradient arriving from above: it needs the output's shape"
    return Diagnostic("E404", f"the head is {head}, the output `{of}` is {shape}", labels, cure)


def direction_does_not_fit(name: str, direction: str, shape: str, span: Span | None) -> Diagnostic:
    """E404: a direction of an input has a shape that does not broadcast to the input's."""
    direction, shape = _shaped(direction), _shaped(shape)
    cure = "a direction says how each entry of the input moves: it needs the input's shape"
    labels = () if span is None else (Label(span, f"`{name}` is {shape}"),)
    return Diagnostic("E404", f"the direction is {direction}, the input `{name}` is {shape}", labels, cure)


def _shaped(shape: str) -> str:
    """`of shape 3×4`, `a scalar`."""
    return shape if shape == "a scalar" else f"of shape {shape}"


def no_gradient_by_argument(op: str, parameter: str, span: Span) -> Diagnostic:
    """E406: an argument that depends on a differentiated input, where no derivative is defined."""
    labels = (Label(span, "this depends on an input to differentiate by"),)
    return Diagnostic("E406", f"`{op}` has no derivative by its argument `{parameter}`", labels)


def not_one_number(of: str, why: str, shape: str, instead: str = "") -> Diagnostic:
    """E413: an array where a minimum, or a curve, is asked for. instead: what else is possible with an array."""
    another = f", name another with --of, or {instead}" if instead else ", or name another with --of"
    cure = f"reduce it to one number, as in sum(r ** 2){another}"
    return Diagnostic("E413", f"`{of}` has the shape {shape}, and {why}", (), cure)


def not_residuals(of: str) -> Diagnostic:
    """E413: one number where the residuals are asked for."""
    cure = "name the residuals with --of: the squares are summed up by the method"
    return Diagnostic("E413", f"`{of}` is one number, and least squares are those of an array", (), cure)


def not_on_the_path(of: str, name: str) -> Diagnostic:
    """W401: the output does not depend on a name to differentiate by."""
    return Diagnostic("W401", f"`{of}` does not depend on `{name}`: its gradient is zero", (), None, "warning")


def only_through_steps(of: str, name: str, operations: list[str]) -> Diagnostic:
    """W401, W402: the gradient is zero since no path leads there, or only through operations that are flat."""
    if not operations:
        return not_on_the_path(of, name)
    through = " and ".join(operations)
    message = f"`{of}` depends on `{name}` only through {through}: its gradient is zero"
    return Diagnostic("W402", message, (), "these are constant between their steps", "warning")


def holds_nan(found: Sequence[str]) -> Diagnostic:
    """W403: what a run gave holds nan, though all that it was given is finite."""
    *most, last = [*found[:3], f"{len(found) - 3} more"] if len(found) > 4 else found
    what = f"{', '.join(most)} and {last}" if most else last
    message = f"{what} {'hold' if most else 'holds'} nan, though every input is finite"
    return Diagnostic("W403", message, (), "ndgrad run --nan-check says where it begins", "warning")


def shows_nothing(functions: Sequence[str], empty: bool) -> Diagnostic:
    """W212: a run that ends without a value. functions: those defined, where the program does nothing else."""
    cure = "end the program with `output NAME`, an assignment or an expression"
    if empty:
        return Diagnostic("W212", "the program is empty: it shows no value", (), None, "warning")
    if functions:
        called = f"{functions[-1]}(...)"
        cure = f"it only defines `{functions[-1]}`: call it on a line of its own, `output {called}`"
    return Diagnostic("W212", "the program shows no value", (), cure, "warning")


# W2xx, W3xx: what only `lint` looks for


def _warning(code: str, message: str, labels: Iterable[Label], help: str | None = None) -> Diagnostic:
    return Diagnostic(code, message, tuple(labels), help, "warning")


def unused_input(span: Span, name: str, lost: Span | None = None) -> Diagnostic:
    """W201: an input that the program never reads, or overwrites before it reads it."""
    if lost is not None:
        labels = (Label(lost, "overwritten here, before anything reads it"), Label(span, "given by the caller"))
        return _warning("W201", f"the program never uses the value given for `{name}`", labels)
    return _warning("W201", f"the program never uses `{name}`", (Label(span),), "leave it out")


def unused_variable(span: Span, name: str, shown: bool) -> Diagnostic:
    """W202: a variable that nothing reads. shown: whether an `output` could show it."""
    cure = f"leave it out, or show it: output {name}" if shown else f"leave it out, or call it `_{name}`"
    return _warning("W202", f"nothing reads `{name}`", (Label(span, "given a value here"),), cure)


def unused_parameter(span: Span, name: str, function: str) -> Diagnostic:
    """W203: a parameter that its function does not read."""
    message = f"`{function}` does not read its parameter `{name}`"
    return _warning("W203", message, (Label(span),), f"leave it out, or call it `_{name}`")


def unused_function(span: Span, name: str) -> Diagnostic:
    """W204: a function that the program never uses."""
    return _warning("W204", f"the program never uses the function `{name}`", (Label(span),), "leave it out")


def unused_file(span: Span, path: str) -> Diagnostic:
    """W204: a `use` none of whose functions is called."""
    return _warning("W204", f'the program uses nothing of "{path}"', (Label(span),), "leave it out")


def unreachable(span: Span, why: Span, reason: str) -> Diagnostic:
    """W205: statements that no run comes to."""
    labels = (Label(span, "no run comes here"), Label(why, reason))
    return _warning("W205", "this part of the program is never reached", labels)


def shadows(span: Span, name: str) -> Diagnostic:
    """W206: a function of the language is hidden by something else of its name."""
    labels = (Label(span, "another meaning here"),)
    return _warning("W206", f"`{name}` hides the built-in function of this name", labels, "choose another name")


def redefined(span: Span, name: str, first: Span) -> Diagnostic:
    """W206: a function's name is given another meaning in the same place."""
    labels = (Label(span, "another meaning here"), Label(first, "a function here"))
    return _warning("W206", f"`{name}` is given two meanings", labels, "choose another name for one of them")


def without_effect(span: Span, help: str | None) -> Diagnostic:
    """W207: an expression whose value goes nowhere."""
    return _warning("W207", "the value of this line is dropped", (Label(span, "nothing uses this"),), help)


def maybe_not_yet(span: Span, name: str, given: Span) -> Diagnostic:
    """W208: a variable that has a value on some paths to this line only."""
    labels = (Label(span, "read here"), Label(given, "given a value in this branch only"))
    return _warning("W208", f"`{name}` may be read before it has a value", labels, "give it a value on every path")


def read_too_early(span: Span, name: str, given: Span) -> Diagnostic:
    """W208: a variable that is read above the line that gives it a value."""
    labels = (Label(span, "read here"), Label(given, "given a value only here"))
    return _warning("W208", f"`{name}` is read before it has a value", labels)


def not_declared(span: Span, name: str, known: Iterable[str]) -> Diagnostic:
    """W209: a name that has a value only if the caller binds it, and no `input` says so."""
    cure = _meant(name, known) or f"say that it is an input: input {name}"
    return _warning("W209", f"nothing in the program gives `{name}` a value", (Label(span, "read here"),), cure)


def ignores_nothing(span: Span, code: str | None) -> Diagnostic:
    """W210: a comment that suppresses a warning which is not there."""
    what = f"there is no {code} on this line" if code else "there is no warning on this line"
    return _warning("W210", what, (Label(span, "suppresses nothing"),), "leave it out")


def loop_without_end(condition: Span) -> Diagnostic:
    """W211: a loop that changes nothing of its condition, and has no other way out."""
    labels = (Label(condition, "no round changes this"),)
    return _warning("W211", "this loop never ends once it has begun", labels, "leave it with `break`")


def vector_meets_column(span: Span, sides: tuple[Span, Span] | None, shapes: tuple[str, str]) -> Diagnostic:
    """W301: a vector and a column of as many entries broadcast to a square."""
    places = (span, span) if sides is None else sides
    labels = [Label(place, f"shape {shape}") for place, shape in zip(places, shapes, strict=True)]
    size = next((shape for shape in shapes if "×" not in shape), "n")
    cure = "flatten the column: ravel(x), x[:, 0]; or say that it is meant: x[:, None]"
    return _warning(
        "W301", f"a vector meets a column, and the result is {size}×{size}", labels[: len(set(places))], cure
    )


def only_for_sizes(problem: Diagnostic, when: str) -> Diagnostic:
    """W302: an operation that fails unless sizes agree which the declarations leave open."""
    message = f"{problem.message}, unless {when}"
    return _warning("W302", message, problem.labels, "if that is so, let the `input` statements say it")


def fails_if_reached(problem: Diagnostic) -> Diagnostic:
    """W303: a part of the program that fails whenever a run comes to it."""
    help = f"a run that comes here ends with {problem.code}"
    return _warning("W303", problem.message, problem.labels, f"{help}; {problem.help}" if problem.help else help)


# E5xx: limits


def nested_too_deeply(span: Span, limit: int) -> Diagnostic:
    """E501: brackets, blocks or operators are nested beyond the limit."""
    cure = "give parts of the expression names of their own"
    labels = (Label(span, f"more than {limit} levels deep"),)
    return Diagnostic("E501", "this is nested too deeply", labels, cure)


def out_of_memory(span: Span | None) -> Diagnostic:
    """E502: an array does not fit into memory."""
    labels = () if span is None else (Label(span),)
    return Diagnostic("E502", "there is not enough memory for this array", labels)


def recursion_too_deep(span: Span | None, name: str, limit: int) -> Diagnostic:
    """E503: functions call each other beyond the limit."""
    labels = () if span is None else (Label(span, f"call number {limit + 1} within calls"),)
    return Diagnostic(
        "E503", f"`{name}` recurses too deeply", labels, "does the recursion end? a loop has no such limit"
    )


def too_many_steps(span: Span | None, limit: int, remark: str, depth: int) -> Diagnostic:
    """E504: the run takes more rounds and calls than allowed. depth: of the call that was one too many."""
    what = "recursion, or the loop," if depth > 1 else "loop"
    cure = f"does the {what} end? --max-steps raises the limit"
    return Diagnostic("E504", f"the run was stopped after {limit:,} rounds and calls", _stopped_at(span, remark), cure)


def never_ends(span: Span, rounds: int, compared: str) -> Diagnostic:
    """E504: a round of a loop has changed nothing, so that the next would be the same."""
    labels = (Label(span, f"after {rounds:,} rounds, the last of which changed no variable: {compared}"),)
    return Diagnostic("E504", "this loop never ends", labels, "change what the condition compares, or leave by `break`")


def out_of_time(span: Span | None, seconds: float, remark: str) -> Diagnostic:
    """E505: the run takes longer than allowed."""
    message = f"the run was stopped after {seconds:g} {'second' if seconds == 1 else 'seconds'}"
    return Diagnostic("E505", message, _stopped_at(span, remark), "--timeout raises the limit")


def memory_used_up(span: Span | None, limit: int, remark: str) -> Diagnostic:
    """E502: a run has gathered more memory than allowed, array by array."""
    cure = (
        "--max-memory raises the limit; what a gradient needs of a loop is kept until its end, unless --memory "
        "bounds that: the rest is computed again"
    )
    message = f"the run was stopped: it has more than {shown_bytes(limit)} of memory in use"
    return Diagnostic("E502", message, _stopped_at(span, remark), cure)


def _stopped_at(span: Span | None, remark: str) -> tuple[Label, ...]:
    return () if span is None else (Label(span, remark or "running here when it was stopped"),)


# E6xx: files and input values


def cannot_read_program(path: str, reason: str) -> Diagnostic:
    """E602: the program's file is not there or not readable."""
    return Diagnostic("E602", f"cannot read {path}: {reason}")


def program_is_not_text(path: str) -> Diagnostic:
    """E603: the program's file is not UTF-8 text."""
    return Diagnostic("E603", f"{path} is not a text in UTF-8", (), "a program is plain text, usually NAME.nd")


def unsupported_input(name: str, what: str, span: Span | None, how: str | None) -> Diagnostic:
    """E604: an input value that ndgrad does not compute with."""
    labels = () if span is None else (Label(span, "declared here"),)
    cure = "inputs are float32, float64, int64 or bool" + (f"; it was bound by {how}" if how else "")
    said = name if " " in name else f"the input `{name}`"  # `the head`, `an argument` are no names
    return Diagnostic("E604", f"{said} is {what}", labels, cure)
