"""What can be found before a program runs: misplaced statements, unknown names and functions, wrong arguments.

Everything found is shown together. Which free names are inputs depends on what the caller binds,
so `check` also gives the free names, and `unknown` judges them once a run is about to start.
"""

from __future__ import annotations

from collections.abc import Iterable

from ndgrad.errors import Diagnostic
from ndgrad.lang import problems, syntax
from ndgrad.lang.builtins import ATTRIBUTES, CONSTANTS, DTYPES, PACKAGES, builtin, function_names
from ndgrad.lang.calls import arguments_misfit, misfit, special_misfit
from ndgrad.lang.scopes import Scope, assigned
from ndgrad.lang.values import Special
from ndgrad.primitive import Primitive


class Checker:
    """Walks a program once; `found` are its problems, `free` the names it reads and never assigns.

    known: names that have a value already when the program starts.
    """

    def __init__(self, body: syntax.Body, known: Iterable[str] = ()) -> None:
        self.body = body
        self.found: list[Diagnostic] = []
        self.free: dict[str, syntax.Name] = {}
        self.read: set[str] = set()
        self.inputs: dict[str, syntax.Input] = {}
        self.defined = self._defined_once(body)
        self.globals = assigned(body.statements)
        scope = Scope(dict.fromkeys((*self.globals, *known)))
        self.statements(body.statements, scope, loop=False, inside=None, block=False)

    def _defined_once(self, body: syntax.Body) -> dict[str, tuple[syntax.Parameter, ...]]:
        """The parameters of functions whose name means nothing else anywhere, so that their calls can be checked."""
        times: dict[str, int] = {}
        made: dict[str, tuple[syntax.Parameter, ...]] = {}

        def define(statement: syntax.Statement) -> None:
            match statement:
                case syntax.Define(name=name, parameters=parameters):
                    made[name] = parameters
                case syntax.Assign(targets=targets, value=syntax.Lambda(parameters=parameters)):
                    for target in targets:
                        if isinstance(target, syntax.Name):
                            made[target.name] = parameters

        for statement in body.statements:
            if isinstance(statement, syntax.Linked):
                for name, function in statement.library.functions.items():
                    times[name] = 1
                    define(function)
        for node in syntax.walk(body):
            match node:
                case syntax.Define(name=name):
                    times[name] = times.get(name, 0) + 1
                    define(node)
                case syntax.Input(name=name) | syntax.Parameter(name=name):
                    times[name] = times.get(name, 0) + 1
                case syntax.Assign() | syntax.For() | syntax.Augmented():
                    for name in assigned((node,)):
                        times[name] = times.get(name, 0) + 1
                    if isinstance(node, syntax.Assign):
                        define(node)
        return {name: parameters for name, parameters in made.items() if times.get(name) == 1}

    def report(self, problem: Diagnostic | None) -> None:
        if problem is not None:
            self.found.append(problem)

    # Statements

    def statements(
        self,
        statements: Iterable[syntax.Statement],
        scope: Scope,
        loop: bool,
        inside: syntax.Define | None,
        block: bool,
    ) -> None:
        for statement in statements:
            self.statement(statement, scope, loop, inside, block)

    def statement(
        self, node: syntax.Statement, scope: Scope, loop: bool, inside: syntax.Define | None, block: bool
    ) -> None:
        """Check one statement. loop, inside, block: what is around it."""
        match node:
            case syntax.Break() | syntax.Continue():
                if not loop:
                    word = "break" if isinstance(node, syntax.Break) else "continue"
                    self.report(problems.misplaced(node.span, word, "belongs into a loop"))
            case syntax.Return(value=value):
                if inside is None:
                    self.report(problems.misplaced(node.span, "return", "belongs into a function"))
                if value is not None:
                    self.expression(value, scope)
            case syntax.Input():
                self.input(node, scope, inside, block)
            case syntax.Output(shown=shown):
                if inside is not None:
                    self.report(problems.misplaced(node.span, "output", "cannot stand in a function"))
                for part in shown:
                    self.expression(part.value, scope)
            case syntax.If(branches=branches, otherwise=otherwise):
                for branch in branches:
                    self.expression(branch.condition, scope)
                    self.statements(branch.body, scope, loop, inside, True)
                self.statements(otherwise, scope, loop, inside, True)
            case syntax.While(condition=condition, body=body):
                self.expression(condition, scope)
                self.statements(body, scope, True, inside, True)
            case syntax.For(target=target, iterable=iterable, body=body):
                self.expression(iterable, scope)
                self.target(target, scope)
                self.statements(body, scope, True, inside, True)
            case syntax.Define(parameters=parameters, body=body):
                self.parameters(parameters, scope)
                names = dict.fromkeys((*(p.name for p in parameters), *assigned(body)))
                self.statements(body, Scope(names, scope), False, node, True)
            case syntax.Assign(targets=targets, value=value):
                self.expression(value, scope)
                for target in targets:
                    self.target(target, scope)
            case syntax.Augmented(target=target, value=value):
                self.expression(target, scope)
                self.expression(value, scope)
            case syntax.Use():
                self.report(problems.misplaced(node.span, "use", "cannot stand in a block"))
            case syntax.Assert(condition=condition, message=message):
                self.expression(condition, scope)
                if message is not None:
                    self.expression(message, scope, text=True)
            case syntax.Evaluate(value=value):
                self.expression(value, scope)

    def input(self, node: syntax.Input, scope: Scope, inside: syntax.Define | None, block: bool) -> None:
        if inside is not None or block:
            self.report(problems.misplaced(node.span, "input", "cannot stand in a block"))
        if node.name in self.inputs:
            self.report(problems.given_twice(node.span, node.name, "input", self.inputs[node.name].span))
        self.inputs.setdefault(node.name, node)
        if node.dtype is not None and node.dtype not in DTYPES and node.dtype != "float":
            self.report(problems.unknown_dtype(node.span, node.dtype))
        if node.dims is not None:
            dots = [d for d in node.dims if d.size == "..."]
            if len(dots) > 1:
                self.report(problems.given_twice(dots[1].span, "...", "dimension", dots[0].span))
        if node.default is not None:
            self.expression(node.default, scope)

    def target(self, target: syntax.Expression, scope: Scope) -> None:
        """The parts of a target that are read."""
        if isinstance(target, syntax.TupleLiteral):
            for entry in target.entries:
                self.target(entry, scope)
        elif isinstance(target, syntax.Index):
            self.expression(target, scope)

    def parameters(self, parameters: tuple[syntax.Parameter, ...], scope: Scope) -> None:
        for parameter in parameters:
            if parameter.default is not None:
                self.expression(parameter.default, scope)

    # Expressions

    def expression(self, root: syntax.Expression, scope: Scope, text: bool = False) -> None:
        """Check an expression and everything in it, without recursion along operators."""
        left: list[tuple[syntax.Node, bool, bool]] = [(root, text, False)]
        while left:
            node, may_be_text, is_key = left.pop()
            match node:
                case syntax.Name():
                    self.name(node, scope)
                case syntax.Text() if not may_be_text:
                    self.report(problems.text_as_value(node.span))
                case syntax.Everything() if not is_key:
                    self.report(problems.unexpected_token(node.span, "a value", "`...` stands in an index"))
                case syntax.Lambda(parameters=parameters, body=body):
                    self.parameters(parameters, scope)
                    self.expression(body, Scope([p.name for p in parameters], scope))
                case syntax.Call():
                    left.extend((part, True, False) for part in reversed(self.call(node, scope)))
                case syntax.Attribute(value=value, name=name):
                    if name not in ATTRIBUTES and not self.in_package(node, scope):
                        self.report(self.attribute(node))
                    left.append((value, False, False))
                case syntax.Index(value=value, key=key):
                    keys = key.entries if isinstance(key, syntax.TupleLiteral) else (key,)
                    left.extend((part, False, True) for part in reversed(keys))
                    left.append((value, False, False))
                case syntax.TupleLiteral(entries=entries) if may_be_text:  # wrt=("w", "b")
                    left.extend((part, True, False) for part in reversed(entries))
                case syntax.Comparison(operands=operands):
                    left.extend((part, True, False) for part in reversed(operands))
                case _:
                    left.extend((part, False, False) for part in reversed(list(syntax.children(node))))

    def name(self, node: syntax.Name, scope: Scope) -> None:
        self.read.add(node.name)
        if scope.find(node.name) is None:
            self.free.setdefault(node.name, node)

    def in_package(self, node: syntax.Attribute, scope: Scope) -> bool:
        """Whether this is np.sum or the like: `np` is what is not known then, unless the caller binds it."""
        value = node.value
        while isinstance(value, syntax.Attribute):
            value = value.value
        return isinstance(value, syntax.Name) and value.name in PACKAGES and scope.find(value.name) is None

    def attribute(self, node: syntax.Attribute) -> Diagnostic:
        found = problems.unknown_attribute(node.span, node.name, ATTRIBUTES)
        if builtin(node.name) is not None:
            cure = f"a method is called: {node.value.span.text}.{node.name}()"
            return Diagnostic(found.code, found.message, found.labels, cure)
        return found

    def call(self, node: syntax.Call, scope: Scope) -> list[syntax.Node]:
        """Check what is called and how; returns the parts still to be checked."""
        parts: list[syntax.Node] = [*node.arguments, *(keyword.value for keyword in node.keywords)]
        function = node.function
        count = len(node.arguments)
        name = None
        if isinstance(function, syntax.Name):
            name = function.name
        elif isinstance(function, syntax.Attribute):
            name = function.name
            parts.insert(0, function.value)
            count += 1
            if self.in_package(function, scope):
                return parts
        else:
            return [function, *parts]
        self.read.add(name)
        if scope.find(name) is None:
            found = builtin(name)
            if found is None and isinstance(function, syntax.Name) and name in CONSTANTS:
                self.report(problems.not_a_function(function.span, f"the number {name}"))
            elif found is None:
                self.unknown_call(function, name, scope)
            else:
                self.free.setdefault(name, syntax.Name(function.span, name))
                named = [keyword.name for keyword in node.keywords]
                fits = special_misfit if isinstance(found, Special) else misfit
                self.report(fits(found, count, named, node.span))  # type: ignore[arg-type]
        elif name in self.defined:
            named = [keyword.name for keyword in node.keywords]
            self.report(arguments_misfit(name, self.defined[name], count, named, node.span))
        return parts

    def unknown_call(self, function: syntax.Name | syntax.Attribute, name: str, scope: Scope) -> None:
        known = {*function_names(), *self.defined}
        if isinstance(function, syntax.Attribute):
            if name in ATTRIBUTES:
                what = f"the value of .{name}"
                self.report(problems.not_a_function(function.span, what))
            else:
                self.report(problems.unknown_attribute(function.span, name, {*known, *ATTRIBUTES}))
        else:
            self.report(problems.unknown_function(function.span, name, known))


def unknown(checker: Checker, bound: Iterable[str]) -> list[Diagnostic]:
    """Free names that are neither built in nor bound, and inputs without a value."""
    given = set(bound)
    found = []
    for name, node in checker.free.items():
        if name not in given and name not in CONSTANTS and builtin(name) is None:
            known = {*given, *checker.globals, *CONSTANTS, *function_names()}
            found.append(problems.unknown_name(node.span, name, known - {name}))
    for name, declaration in checker.inputs.items():
        if name not in given and declaration.default is None:
            unused = given - checker.read - set(checker.inputs)
            found.append(problems.missing_input(declaration.span, name, unused))
    return sorted(found, key=lambda problem: problem.span.start if problem.span else 0)


__all__ = ["Checker", "Primitive", "unknown"]
