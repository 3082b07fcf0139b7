"""The syntax tree: what a program says, as values. Spans say where, and equality ignores them.

Expressions and statements are closed families, walked with match/case or by `children`.
A record added here is cached and walked without further edits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ndgrad.errors import Source, Span
from ndgrad.frozen import Frozen


class Node(Frozen):
    """A piece of a program and where it was written."""

    _uncompared: ClassVar[frozenset[str]] = frozenset({"span"})

    span: Span


class Expression(Node):
    """Something that has a value."""


class Statement(Node):
    """Something that is done."""


# Expressions


class Number(Expression):
    """A number as written: an int or a float."""

    value: int | float


class Truth(Expression):
    """True or False."""

    value: bool


class Nothing(Expression):
    """None."""


class Text(Expression):
    """A string, which may only be an argument."""

    value: str


class Name(Expression):
    """A name that is read."""

    name: str


class ArrayLiteral(Expression):
    """[a, b, …]: an array whose entries may be any expressions."""

    entries: tuple[Expression, ...]


class TupleLiteral(Expression):
    """(a, b, …)"""

    entries: tuple[Expression, ...]


class Unary(Expression):
    """-x or +x; `operator` is the sign."""

    operator: str
    operand: Expression


class Not(Expression):
    """not x"""

    operand: Expression


class Binary(Expression):
    """a + b and its like; `operator` is the sign."""

    operator: str
    left: Expression
    right: Expression


class Comparison(Expression):
    """a < b <= c …: every neighbouring pair must hold."""

    operators: tuple[str, ...]
    operands: tuple[Expression, ...]


class Logical(Expression):
    """a and b and …, or a or b or …; `operator` is the word."""

    operator: str
    operands: tuple[Expression, ...]


class Conditional(Expression):
    """then if condition else otherwise"""

    condition: Expression
    then: Expression
    otherwise: Expression


class Keyword(Node):
    """name=value in a call."""

    name: str
    value: Expression


class Call(Expression):
    """function(arguments, keywords); a method call has an Attribute as its function."""

    function: Expression
    arguments: tuple[Expression, ...]
    keywords: tuple[Keyword, ...]


class Slice(Expression):
    """start:stop:step in an index."""

    start: Expression | None
    stop: Expression | None
    step: Expression | None


class Everything(Expression):
    """`...` in an index."""


class Index(Expression):
    """value[key]"""

    value: Expression
    key: Expression


class Attribute(Expression):
    """value.name"""

    value: Expression
    name: str


class Parameter(Node):
    """A parameter of a function, with its default if it has one."""

    name: str
    default: Expression | None


class Lambda(Expression):
    """lambda parameters: body"""

    parameters: tuple[Parameter, ...]
    body: Expression


# Statements


class Dimension(Node):
    """One entry of an input's DIMS: an integer, a name, `_` or `...`."""

    size: int | str


class Input(Statement):
    """input name: dtype[dims] = default; dims is None where any shape will do."""

    name: str
    dtype: str | None
    dims: tuple[Dimension, ...] | None
    default: Expression | None


class Shown(Node):
    """One thing that an output statement shows, under its name if it gives one."""

    name: str | None
    value: Expression


class Output(Statement):
    """output a, name = b"""

    shown: tuple[Shown, ...]


class Assign(Statement):
    """a = b = value; a target is a Name, an Index, or a TupleLiteral of targets."""

    targets: tuple[Expression, ...]
    value: Expression


class Augmented(Statement):
    """target += value; `operator` is the sign without `=`."""

    operator: str
    target: Expression
    value: Expression


class Evaluate(Statement):
    """An expression on its own."""

    value: Expression


class Branch(Node):
    """One `if` or `elif` with its block."""

    condition: Expression
    body: tuple[Statement, ...]


class If(Statement):
    """if / elif / else"""

    branches: tuple[Branch, ...]
    otherwise: tuple[Statement, ...]


class While(Statement):
    """while condition: body"""

    condition: Expression
    body: tuple[Statement, ...]


class For(Statement):
    """for target in iterable: body"""

    target: Expression
    iterable: Expression
    body: tuple[Statement, ...]


class Break(Statement):
    """break"""


class Continue(Statement):
    """continue"""


class Pass(Statement):
    """pass"""


class Define(Statement):
    """def name(parameters): body"""

    name: str
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]


class Return(Statement):
    """return value"""

    value: Expression | None


class Assert(Statement):
    """assert condition, message"""

    condition: Expression
    message: Expression | None


class Use(Statement):
    """use "path": the functions of another file"""

    path: str


class Library(Frozen):
    """What a program uses of another file: the statements that make its functions, and these by name."""

    source: Source
    statements: tuple[Statement, ...]
    functions: dict[str, Statement]


class Linked(Statement):
    """A `use` whose file has been read. What is in the library is no part of this tree."""

    library: Library


class Body(Node):
    """A whole program."""

    statements: tuple[Statement, ...]


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below `node`, in the order of its fields."""
    state = node.__dict__
    for field in node._fields:
        value = state[field]
        if isinstance(value, Node):
            yield value
        elif value.__class__ is tuple:
            for item in value:
                if isinstance(item, Node):
                    yield item


def walk(node: Node) -> Iterator[Node]:
    """`node` and everything below it in the order of the text, without recursion."""
    left = [node]
    while left:
        node = left.pop()
        yield node
        left.extend(reversed(list(children(node))))
