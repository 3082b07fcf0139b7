"""Programs made of several files: `use "path"` brings in the functions of another file.

The other file keeps names of its own: its functions see each other and the constants beside them, the
program sees the functions. Its inputs, outputs and whatever else it does are left out.
"""

from __future__ import annotations

import os

from ndgrad.errors import Diagnostic, Error, Source
from ndgrad.lang import problems, syntax
from ndgrad.lang.builtins import CONSTANTS, builtin, function_names
from ndgrad.lang.cache import tree_of
from ndgrad.lang.checker import Checker
from ndgrad.lang.scopes import assigned


class Linker:
    """Reads the files that a program uses.

    folder    where the program that was started lies; None where it is a text from nowhere
    files     the paths of the files read
    """

    def __init__(self, folder: str | None) -> None:
        self.root = None if folder is None else os.path.realpath(folder)
        self.libraries: dict[str, syntax.Library] = {}
        self.files: list[str] = []
        self.open: list[str] = []  # the files that are being read, from the program inwards

    def linked(self, body: syntax.Body, folder: str, path: str) -> syntax.Body:
        """The program or file at `path` with the files that it uses. E112, E209, E605, and those of the files."""
        self.open.append(path)
        statements = tuple(self.library(s, folder) if isinstance(s, syntax.Use) else s for s in body.statements)
        self.open.pop()
        own = assigned(s for s in statements if not isinstance(s, syntax.Linked))
        found: list[Diagnostic] = []
        for statement in statements:
            if isinstance(statement, syntax.Linked):
                for name in statement.library.functions:
                    if name in own:
                        first, again = sorted((own[name].span, statement.span), key=lambda span: span.start)
                        found.append(problems.given_twice(again, name, "name", first))
                    own.setdefault(name, statement)
        if found:
            raise problems.raised(found)
        return syntax.Body(body.span, statements)

    def library(self, node: syntax.Use, folder: str) -> syntax.Linked:
        """A `use` with what its file holds."""
        path = self.located(node, folder)
        if path in self.open:
            raise problems.raised(
                problems.uses_itself(node.span, node.path, [*self.open[self.open.index(path) :], path])
            )
        if path not in self.libraries:
            from ndgrad.lang import source_of

            name = os.path.normpath(os.path.join(os.path.dirname(node.span.source.name), node.path))
            try:
                source = source_of(path, name)
            except Error as error:
                raise error.at(node.span) from None
            body = self.linked(tree_of(source), os.path.dirname(path), path)
            self.libraries[path] = _library(source, body)
            self.files.append(path)
        return syntax.Linked(node.span, self.libraries[path])

    def located(self, node: syntax.Use, folder: str) -> str:
        """The file that a `use` means. E605."""
        if self.root is None:
            raise problems.raised(problems.cannot_use(node.span, node.path, "this program has no folder to start from"))
        if os.path.isabs(node.path) or "\0" in node.path:
            reason = "a path is relative to the file that uses it"
            raise problems.raised(problems.cannot_use(node.span, node.path, reason))
        path = os.path.realpath(os.path.join(folder, node.path))
        if not path.startswith(os.path.join(self.root, "")):
            reason = "it lies outside the folder of the program that was started"
            raise problems.raised(problems.cannot_use(node.span, node.path, reason))
        if not os.path.isfile(path):
            reason = "there is no such file" if not os.path.exists(path) else "that is not a file"
            raise problems.raised(problems.cannot_use(node.span, node.path, reason))
        return path


def _library(source: Source, body: syntax.Body) -> syntax.Library:
    """The functions of a file, with the constants and functions that they read. E209, and what the checker finds."""
    functions = {name: s for s in body.statements for name in _defines(s)}
    everything = assigned(body.statements)
    chosen = {id(s) for s in body.statements if any(True for _ in _defines(s)) or isinstance(s, syntax.Linked)}
    while True:
        statements = tuple(s for s in body.statements if id(s) in chosen)
        checker = Checker(syntax.Body(body.span, statements))
        missing = [n for n in checker.free.values() if builtin(n.name) is None and n.name not in CONSTANTS]
        needed = {n.name for n in missing if n.name in everything}
        more = {id(s) for s in body.statements if _is_plain(s) and needed & set(assigned((s,)))}
        if not more:
            break
        chosen |= more
    found = list(checker.found)
    for name in missing:
        if name.name in everything:
            found.append(problems.used_beyond_itself(name.span, name.name, source.name))
        else:
            known = {*everything, *CONSTANTS, *function_names()} - {name.name}
            found.append(problems.unknown_in_library(name.span, name.name, known))
    if found:
        raise problems.raised(sorted(found, key=lambda problem: problem.span.start if problem.span else 0))
    return syntax.Library(source, statements, functions)


def _defines(statement: syntax.Statement) -> tuple[str, ...]:
    """The functions that a statement of a file gives names to."""
    match statement:
        case syntax.Define(name=name):
            return (name,)
        case syntax.Assign(targets=targets, value=syntax.Lambda()):
            return tuple(target.name for target in targets if isinstance(target, syntax.Name))
    return ()


def _is_plain(statement: syntax.Statement) -> bool:
    """Whether a statement can stand for itself: an assignment, outside of loops and branches."""
    return isinstance(statement, (syntax.Assign, syntax.Augmented))
