"""What lint finds by names alone: what nothing reads, what hides something, values that are dropped.

A name belongs to the innermost function that gives it a value, as when a program is compiled. Names that
begin with `_` are meant to be unused, and so are the targets of loops.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ndgrad.errors import Diagnostic, Span
from ndgrad.lang import problems, syntax
from ndgrad.lang.builtins import builtin
from ndgrad.lang.flow import first_line
from ndgrad.lang.interpreter import tail_of
from ndgrad.lang.scopes import assigned, target_names
from ndgrad.lang.values import Special
from ndgrad.primitive import Primitive

_SHOWN_BY_COMMAND = re.compile(r"#.*?--(?:of|head-of)[ =](\w+)")


class Place:
    """The names of one function (or lambda, or the program) and who reads them.

    given   each name with the nodes that give it a value
    reads   each name with the functions that read it
    called, as_value   the names that are called, and those that are read otherwise
    """

    def __init__(self, node: syntax.Node, names: Iterable[str], around: Place | None) -> None:
        self.node = node
        self.names = set(names)
        self.around = around
        self.reads: dict[str, list[Place]] = {}
        self.called: set[str] = set()
        self.as_value: set[str] = set()
        self.hiding: dict[str, syntax.Node] = {}  # names of built-in functions, and what gives them another meaning
        self.given: dict[str, list[syntax.Node]] = {}

    def owner(self, name: str) -> Place | None:
        place: Place | None = self
        while place is not None and name not in place.names:
            place = place.around
        return place

    def within(self, node: syntax.Node) -> bool:
        """Whether this is the function `node`, or a function in it."""
        place: Place | None = self
        while place is not None and place.node is not node:
            place = place.around
        return place is not None


class Lints:
    """Walks a program once; `found` are its warnings (W201 to W207)."""

    def __init__(self, body: syntax.Body) -> None:
        self.body = body
        self.found: list[Diagnostic] = []
        self.shows = any(isinstance(node, syntax.Output) for node in syntax.walk(body))
        self.tail = set() if self.shows else {id(statement) for statement in tail_of(body.statements)}
        self.functions: list[Place] = []
        self.top = Place(body, assigned(body.statements), None)
        self.statements(body.statements, self.top)
        self.unused()
        for place in self.functions:
            self.unused_in(place)
        for place in (self.top, *self.functions):
            self.hidden(place)

    @property
    def is_library(self) -> bool:
        """Whether the file is there for its functions."""
        statements = self.body.statements
        return not self.shows and bool(statements) and isinstance(statements[-1], syntax.Define)

    # Statements

    def statements(self, statements: Iterable[syntax.Statement], place: Place) -> None:
        for statement in statements:
            self.statement(statement, place)

    def statement(self, node: syntax.Statement, place: Place) -> None:
        match node:
            case syntax.Define(name=name, parameters=parameters, body=body):
                self.give(place, name, node)
                self.hides(node, name, place)
                self.parameters(parameters, place)
                inner = Place(node, (*(p.name for p in parameters), *assigned(body)), place)
                self.functions.append(inner)
                for parameter in parameters:
                    self.hides(parameter, parameter.name, inner)
                self.statements(body, inner)
            case syntax.Assign(targets=targets, value=value):
                self.expression(value, place)
                for target in targets:
                    self.target(target, node, place)
            case syntax.Augmented(target=target, value=value):
                self.expression(value, place)
                self.target(target, node, place)
            case syntax.For(target=target, iterable=iterable, body=body):
                self.expression(iterable, place)
                self.target(target, node, place)
                self.statements(body, place)
            case syntax.Input(name=name, default=default):
                self.give(place, name, node)
                self.hides(node, name, place)
                if default is not None:
                    self.expression(default, place)
            case syntax.Linked():
                for name in node.library.functions:
                    self.give(place, name, node)
            case syntax.Evaluate(value=value):
                self.expression(value, place)
                self.dropped(node, place)
            case syntax.Output(shown=shown):
                for part in shown:
                    self.expression(part.value, place)
                    if part.name is not None:
                        place.reads.setdefault(part.name, []).append(place)
                        self.hides(part, part.name, place)
            case syntax.If(branches=branches, otherwise=otherwise):
                for branch in branches:
                    self.expression(branch.condition, place)
                    self.statements(branch.body, place)
                self.statements(otherwise, place)
            case syntax.While(condition=condition, body=body):
                self.expression(condition, place)
                self.statements(body, place)
            case _:
                for read in syntax.children(node):
                    self.expression(read, place)

    def parameters(self, parameters: tuple[syntax.Parameter, ...], place: Place) -> None:
        for parameter in parameters:
            if parameter.default is not None:
                self.expression(parameter.default, place)

    def give(self, place: Place, name: str, node: syntax.Node) -> None:
        place.given.setdefault(name, []).append(node)

    def target(self, target: syntax.Expression, node: syntax.Statement, place: Place) -> None:
        """Note what an assignment gives values to. A variable that is only written into is not read."""
        if isinstance(target, syntax.TupleLiteral):
            for entry in target.entries:
                self.target(entry, node, place)
            return
        while isinstance(target, syntax.Index):
            self.expression(target.key, place)
            target = target.value
        if isinstance(target, syntax.Name):
            self.give(place, target.name, node)
            self.hides(target, target.name, place)

    def hides(self, node: syntax.Node, name: str, place: Place) -> None:
        if name not in place.hiding and builtin(name) is not None:
            place.hiding[name] = node

    def hidden(self, place: Place) -> None:
        """W206: functions under the name of a built-in one, and variables under a name that is called."""
        for name, node in place.hiding.items():
            if isinstance(node, syntax.Define) or name in place.called:
                self.found.append(problems.shadows(name_in(node, name), name))

    def dropped(self, node: syntax.Evaluate, place: Place) -> None:
        """W207: an expression on its own that is not what the program gives, and does nothing else."""
        value = node.value
        if id(node) in self.tail:
            return
        help = None
        if isinstance(value, syntax.Call):
            called = value.function
            if not isinstance(called, (syntax.Name, syntax.Attribute)) or place.owner(called.name) is not None:
                return  # it may print
            found = builtin(called.name)
            quiet = isinstance(found, Primitive) or (
                isinstance(found, Special) and found.name in ("len", "range", "zip", "enumerate")
            )
            if not quiet:
                return
            first = called.value if isinstance(called, syntax.Attribute) else next(iter(value.arguments), None)
            if isinstance(first, syntax.Name):
                help = f"functions change nothing in place: {first.name} = {value.span.text.splitlines()[0]}"
        elif isinstance(value, syntax.Comparison) and value.operators == ("==",):
            left, right = value.operands
            if isinstance(left, (syntax.Name, syntax.Index)):
                help = f"a value is given with `=`: {left.span.text} = {right.span.text}"
        if help is None and isinstance(place.node, syntax.Define):
            if place.node.body[-1] is node:
                help = "a function gives its value with `return`"
        elif help is None and place.around is None and self.shows:
            help = f"a program that has an `output` shows nothing else: output {value.span.text.splitlines()[0]}"
        self.found.append(problems.without_effect(first_line(node.span), help))

    # Expressions

    def expression(self, root: syntax.Node, place: Place) -> None:
        left: list[tuple[syntax.Node, Place]] = [(root, place)]
        while left:
            node, here = left.pop()
            match node:
                case syntax.Name(name=name):
                    self.read(name, here)
                    owner = here.owner(name)
                    if owner is not None:
                        owner.as_value.add(name)
                case syntax.Call(function=function):
                    rest: list[syntax.Node] = [*node.arguments, *node.keywords]
                    if isinstance(function, (syntax.Name, syntax.Attribute)):
                        self.read(function.name, here)
                        owner = here.owner(function.name)
                        if owner is not None:
                            owner.called.add(function.name)
                    if not isinstance(function, syntax.Name):
                        rest.append(function.value if isinstance(function, syntax.Attribute) else function)
                    left.extend((part, here) for part in rest)
                case syntax.Lambda(parameters=parameters, body=body):
                    self.parameters(parameters, here)
                    left.append((body, Place(node, [p.name for p in parameters], here)))
                case _:
                    left.extend((part, here) for part in syntax.children(node))

    def read(self, name: str, here: Place) -> None:
        owner = here.owner(name)
        if owner is not None:
            owner.reads.setdefault(name, []).append(here)

    # What nothing reads

    def unused(self) -> None:
        """W201, W202, W204 and the second kind of W206, of the program itself."""
        top = self.top
        shown = set(_SHOWN_BY_COMMAND.findall(self.body.span.source.text))
        ends = {name.name for s in tail_of(self.body.statements) if id(s) in self.tail for name in _gives(s)}
        for name, nodes in top.given.items():
            first = nodes[0]
            reads = top.reads.get(name, [])
            functions = [node for node in nodes if isinstance(node, syntax.Define)]
            if functions and len(nodes) > 1:
                other = next(node for node in nodes[::-1] if node is not functions[0])
                self.found.append(problems.redefined(name_in(other, name), name, name_in(functions[0], name)))
            elif isinstance(first, syntax.Input):
                self.input(first, name, nodes, reads, name in shown or name in ends)
            elif isinstance(first, syntax.Define):
                if not self.is_library and all(place.within(first) for place in reads) and name[0] != "_":
                    self.found.append(problems.unused_function(name_in(first, name), name))
            elif not (isinstance(first, syntax.Linked) or reads or name in shown | ends or self.is_library):
                self.variable(name, nodes, top, shown=True)
        for node in self.body.statements:
            if isinstance(node, syntax.Linked) and not any(name in top.reads for name in node.library.functions):
                path = node.span.text.partition(" ")[2].strip().strip("\"'")
                self.found.append(problems.unused_file(node.span, path))

    def input(self, node: syntax.Input, name: str, nodes: list[syntax.Node], reads: list[Place], shown: bool) -> None:
        if not reads and not shown:
            self.found.append(problems.unused_input(first_line(node.span), name))
            return
        statements = self.body.statements
        behind = statements[statements.index(node) + 1 :] if node in statements else ()
        for statement in behind:
            match statement:
                case syntax.Assign(targets=(syntax.Name(name=target),), value=value) if target == name:
                    if not any(name in _names(part) for part in (value,)):
                        self.found.append(problems.unused_input(first_line(node.span), name, statement.span))
                    return
            if name in _names(statement) or name in assigned((statement,)):
                return

    def unused_in(self, place: Place) -> None:
        """W202, W203, W204 of a function."""
        define = place.node
        assert isinstance(define, syntax.Define)
        around = place.around
        free = around is not None and define.name not in around.as_value  # nobody else decides on its parameters
        empty = all(isinstance(statement, syntax.Pass) for statement in define.body)
        for parameter in define.parameters if free and not empty else ():
            name = parameter.name
            if name not in place.reads and name not in place.given and name[0] != "_":
                self.found.append(problems.unused_parameter(name_in(parameter, name), name, define.name))
        parameters = {parameter.name for parameter in define.parameters}
        for name, nodes in place.given.items():
            reads = place.reads.get(name, [])
            first = nodes[0]
            if isinstance(first, syntax.Define) and all(inner.within(first) for inner in reads) and name[0] != "_":
                self.found.append(problems.unused_function(name_in(first, name), name))
            elif not isinstance(first, syntax.Define) and not reads and name not in parameters:
                self.variable(name, nodes, place, shown=False)

    def variable(self, name: str, nodes: list[syntax.Node], place: Place, shown: bool) -> None:
        """W202, unless a loop or the other names of a tuple make the variable needed."""
        if name[0] == "_" or any(isinstance(node, syntax.For) for node in nodes):
            return
        for node in nodes:
            if isinstance(node, syntax.Assign):
                beside = {other.name for target in node.targets for other in target_names(target)} - {name}
                if any(other in place.reads for other in beside):
                    return
        self.found.append(problems.unused_variable(name_in(nodes[0], name), name, shown))


def name_in(node: syntax.Node, name: str) -> Span:
    """Where a name stands in the node that gives it a meaning."""
    if isinstance(node, (syntax.Assign, syntax.Augmented, syntax.For)):
        for found in _gives(node):
            if found.name == name:
                return found.span
    place = re.search(rf"\b{re.escape(name)}\b", node.span.text)
    start = node.span.start + (place.start() if place else 0)
    return Span(node.span.source, start, start + len(name))


def _gives(node: syntax.Node) -> Iterator[syntax.Name]:
    """The names that a statement itself gives values to."""
    match node:
        case syntax.Assign(targets=targets):
            for target in targets:
                yield from target_names(target)
        case syntax.Augmented(target=target) | syntax.For(target=target):
            yield from target_names(target)


def _names(node: syntax.Node) -> set[str]:
    """Every name that is read anywhere in a node, methods included."""
    return {part.name for part in syntax.walk(node) if isinstance(part, (syntax.Name, syntax.Attribute))}
