"""What an operation is: one `Primitive`, its rules written once over any array-like values.

A rule is a function whose parameter names say what it needs; nothing else is kept for it:

    F           the namespace to compute in (plain arrays, recorded arrays, symbols)
    y           the value of the operation
    g           the cotangent of y (in a vjp)
    a, b, x …   the operands, under the names in the operation's own signature
    x_shape …   the operands' shapes (not in elementwise rules, where shapes never matter)
    x_dot …     the operands' tangents (in a jvp)
    axis …      the static parameters, under their own names

An elementwise operation states partial derivatives; vjp and jvp follow. A linear operation states
its vjp and that it is linear; its jvp is itself. Any other states vjps and jvps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from ndgrad.frozen import Frozen

Rule = Callable[..., Any]


class Required:
    """The default of a parameter that must be given."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED = Required()
HOT = 100  # so many reverse steps of an operation pay for compiling one


class Parameter(Frozen):
    """One parameter: its name, its kind, its default.

    The kinds: "array", "arrays" for a sequence of them, "static".
    """

    name: str
    kind: str
    default: Any = REQUIRED


class Kink(Frozen):
    """Where a derivative does not exist, the value chosen there, and the admissible interval.

    touches: a rule over plain arrays, naming what it needs (y and the operands): where the kink is met.
    """

    where: str
    value: str
    admissible: str = ""
    touches: Callable[..., Any] | None = None


class NoDerivative(Frozen):
    """Stands in the place of a rule: the operand carries no derivative, and why."""

    reason: str


class Unknown(Frozen):
    """Stands in the place of a shape rule: the shape depends on values, and why."""

    reason: str


class Primitive:
    """One operation. Built by `elementwise` or `primitive`; called through `call`."""

    def __init__(
        self,
        name: str,
        *,
        value: Rule,
        operands: int,
        variadic: bool,
        partials: Sequence[Rule | NoDerivative] | None,
        vjps: Sequence[Rule | NoDerivative] | None,
        vjp: Rule | None,
        jvps: Sequence[Rule] | None,
        jvp: Rule | None,
        linear: str | None,
        selects: bool,
        routes: bool,
        shape: Rule | Unknown | None,
        dtype: Rule | None,
        written: str,
        precedence: int,
        kinks: Sequence[Kink],
        domain: tuple[float, float],
        example: str,
        outputs: int,
        internal: bool,
        composite: bool = False,
        concrete: bool = False,
        by_name: bool = False,
        view: bool = False,
        reuse: Rule | None = None,
    ) -> None:
        self.name = name
        self.value = value
        self.variadic = variadic
        self.linear = linear
        self.selects = selects
        self.routes = routes
        self.shape = None if isinstance(shape, Unknown) else shape
        self.unknown = shape.reason if isinstance(shape, Unknown) else ""
        self.dtype = dtype
        self.gathers = False
        self.written = written
        self.precedence = precedence
        self.kinks = tuple(kinks)
        self.domain = domain
        self.example = example
        self.outputs = outputs
        self.internal = internal
        self.composite = composite
        self.concrete = concrete
        self.by_name = by_name  # the value is the namespace's function of this name
        self.view = view
        self.reuse = reuse
        self.partials = None if partials is None else tuple(partials)
        self.vjps = None if vjps is None else tuple(vjps)
        self.vjp = vjp
        self.jvps = None if jvps is None else tuple(jvps)
        self.jvp = jvp
        self.elementwise = partials is not None

        names, defaults = _parameters(value)
        self.arity = operands
        self.operands = names[:operands]
        self.statics = names[operands:]
        first_default = len(names) - len(defaults)
        kinds = ["arrays" if variadic else "array"] * operands + ["static"] * len(self.statics)
        self.signature = tuple(
            Parameter(n, kind, defaults[i - first_default] if i >= first_default else REQUIRED)
            for i, (n, kind) in enumerate(zip(names, kinds, strict=True))
        )
        self.static_defaults = tuple(p.default for p in self.signature[operands:])
        self._layout = self._lay_out()
        self._check()

        rules: tuple[Rule | NoDerivative, ...] = self.partials or self.vjps or ()
        if vjp is not None:
            rules = (vjp,) * operands
        self.needs = tuple(frozenset(parameter_names(rule)) & {"y", *self.operands} for rule in rules)
        self.untracked = not self.composite and all(isinstance(rule, NoDerivative) for rule in rules)
        self._pulls: tuple[Callable[[tuple[Any, ...]], Any] | None, ...] | None = None
        self.straight = partials is not None and not self.statics and self.arity <= 2
        self.steps = 0  # reverse steps so far, while `back` is None
        self.back: Callable[..., None] | None = None
        # By the axes of two operands, how the cotangent of each is written: with g and, as {}, the other operand
        self.shares: dict[tuple[int, ...], tuple[str, str]] = {}
        self._pushes: tuple[Callable[[tuple[Any, ...]], Any] | None, ...] | None = None

        from ndgrad.apply import call_of

        self.call: Callable[..., Any] = call_of(self)

    def _lay_out(self) -> dict[str, int]:
        """Where a rule finds what its parameters name: the order of the slots."""
        order = ["F", "g", "y", *self.operands]
        if not self.elementwise:
            order += [f"{n}_shape" for n in self.operands]
        order += self.statics
        order += [f"{n}_dot" for n in self.operands]
        return {n: i for i, n in enumerate(order)}

    def _check(self) -> None:
        """Refuse an entry that is not whole."""
        if self.composite:
            return
        given = [rules for rules in (self.partials, self.vjps) if rules is not None]
        if len(given) + (self.vjp is not None) != 1:
            raise TypeError(f"{self.name}: state exactly one of partials, vjps and vjp")
        if given and len(given[0]) != self.arity:
            raise TypeError(f"{self.name}: {len(given[0])} rules for {self.arity} operands")
        if not self.internal and not self.example:
            raise TypeError(f"{self.name}: an example is missing")
        for rule in [*(given[0] if given else ()), *(self.jvps or ()), *filter(None, (self.vjp, self.jvp))]:
            unknown = set(parameter_names(rule)) - self._layout.keys()
            if unknown:
                raise TypeError(f"{self.name}: a rule asks for {sorted(unknown)}, which it cannot have")

    def take_rest(self, call: Callable[..., Any]) -> None:
        """Call through `call`, which takes any number of arrays after the first argument (einsum)."""
        self.call = call
        self.gathers = True
        first, *_ = self.signature
        self.signature = (first, *(Parameter(name, "array", None) for name in "abcdefghijklmnop"))

    def on_plain(self, *args: Any, **named: Any) -> Any:
        """The value over plain arrays, unrecorded."""
        from ndgrad.namespace import PLAIN

        return self.value(PLAIN, *args, **named)

    def warm(self) -> None:
        """Note one more reverse step; at the hundredth, the step is made to measure."""
        self.steps += 1
        if self.steps == HOT:
            from ndgrad.reverse import reverse_step

            self.back = reverse_step(self)

    @property
    def pulls(self) -> tuple[Callable[[tuple[Any, ...]], Any] | None, ...]:
        """Per operand: (F, g, y, *operands, *shapes, *statics) → the partial, or the operand's cotangent."""
        if self._pulls is None:
            rules = self.partials if self.partials is not None else self.vjps
            assert rules is not None, f"{self.name} pulls all operands at once"
            self._pulls = tuple(self.reader(rule) for rule in rules)
        return self._pulls

    @property
    def pushes(self) -> tuple[Callable[[tuple[Any, ...]], Any] | None, ...]:
        """Per operand: the slots with tangents appended → that operand's share of the tangent of y."""
        if self._pushes is None:
            assert self.jvps is not None
            self._pushes = tuple(self.reader(rule) for rule in self.jvps)
        return self._pushes

    def reader(self, rule: Rule | NoDerivative) -> Callable[[tuple[Any, ...]], Any] | None:
        """`rule` as a function of the slots, picking what its parameter names ask for."""
        if isinstance(rule, NoDerivative):
            return None
        places = [self._layout[n] for n in parameter_names(rule)]
        if not places:
            constant = rule()
            return lambda slots: constant
        if len(places) == 1:
            place = places[0]
            if returns_its_argument(rule):
                return itemgetter(place)
            return lambda slots: rule(slots[place])
        if len(places) == 2:
            first, second = places
            return lambda slots: rule(slots[first], slots[second])
        pick = itemgetter(*places)
        return lambda slots: rule(*pick(slots))

    def __repr__(self) -> str:
        return f"<Primitive {self.name}>"


def parameter_names(rule: Rule | NoDerivative) -> tuple[str, ...]:
    if isinstance(rule, NoDerivative):
        return ()
    code = rule.__code__
    return code.co_varnames[: code.co_argcount]


def _itself(x: Any) -> Any:
    return x


def returns_its_argument(rule: Rule) -> bool:
    """Whether the rule is `lambda b: b`, which is read without calling it."""
    return rule.__code__.co_code == _itself.__code__.co_code


def _parameters(value: Rule) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The names (without F) and defaults of a value function."""
    return parameter_names(value)[1:], value.__defaults__ or ()


REGISTRY: dict[str, Primitive] = {}


def register(op: Primitive) -> Primitive:
    """Enter `op` under its name; a second entry of one name is a mistake."""
    if op.name in REGISTRY:
        raise TypeError(f"{op.name} is registered twice")
    REGISTRY[op.name] = op
    return op


def _value_by_name(name: str, arity: int) -> Rule:
    """The value of an operation that the namespace itself has."""
    if arity == 1:
        return lambda F, x: getattr(F, name)(x)
    return lambda F, a, b: getattr(F, name)(a, b)


def elementwise(
    name: str,
    *,
    partials: Sequence[Rule | NoDerivative],
    value: Rule | None = None,
    selects: bool = False,
    written: str = "",
    precedence: int = 100,
    kinks: Sequence[Kink] = (),
    domain: tuple[float, float] = (-3.0, 3.0),
    example: str = "",
    internal: bool = False,
) -> Primitive:
    """Register y = f(a, b, …) entry by entry, with ∂y/∂a, ∂y/∂b, … .

    name        NumPy's; without `value`, F.<name> is the value
    partials    one rule per operand; may return the plain numbers 0, 1, -1
    selects     a partial of 0 means 'no path': nothing is ever multiplied into it (where, clip, maximum)
    written     notation, with {operand} in it; precedence as in `ndgrad.precedence`
    domain      where generated tests draw operands from
    """
    arity = len(partials)
    rule = value if value is not None else _value_by_name(name, arity)
    first = parameter_names(rule)[1 : 1 + arity]
    default = f"{name}({', '.join('{' + n + '}' for n in first)})"
    op = Primitive(
        name,
        value=rule,
        operands=arity,
        variadic=False,
        partials=partials,
        vjps=None,
        vjp=None,
        jvps=None,
        jvp=None,
        linear=None,
        selects=selects,
        routes=False,
        shape=None,
        dtype=None,
        written=written or default,
        precedence=precedence,
        kinks=kinks,
        domain=domain,
        example=example,
        outputs=1,
        internal=internal,
        by_name=value is None,
    )
    return register(op)


def primitive(
    name: str,
    *,
    value: Rule,
    vjps: Sequence[Rule | NoDerivative] | None = None,
    vjp: Rule | None = None,
    jvps: Sequence[Rule] | None = None,
    jvp: Rule | None = None,
    linear: str | None = None,
    routes: bool = False,
    variadic: bool = False,
    operands: int | None = None,
    shape: Rule | Unknown | None = None,
    dtype: Rule | None = None,
    written: str = "",
    precedence: int = 100,
    kinks: Sequence[Kink] = (),
    domain: tuple[float, float] = (-3.0, 3.0),
    example: str = "",
    outputs: int = 1,
    internal: bool = False,
    concrete: bool = False,
    view: bool = False,
    reuse: Rule | None = None,
) -> Primitive:
    """Register an operation that is not elementwise.

    vjps      one rule per operand: the operand's cotangent; or `vjp`, one rule for all of them
    linear    "jointly": linear in all operands together (sum, reshape, concatenate): the jvp is the
              operation on the tangents; "each": linear in each operand alone (matmul, einsum)
    jvps/jvp  for operations that are not linear: each operand's share of y's tangent, or all at once
    routes    every entry of a cotangent is moved, summed or dropped but never scaled, so the rule
              also tells which entries a path reaches
    shape     the operands' shapes and the statics → the shape of y (of each output, if there are several);
              raises the error a user should see. `Unknown(why)` where it takes values to know it
    dtype     the operands' dtypes and the statics → the dtype of y, or of each output; without it, what
              the operands' dtypes promote to
    concrete  the shape, which is `Unknown`, is known where the operands are: by computing y
    view      y takes no memory of its own however large it is (broadcast_to)
    reuse     (g, *operand shapes, *statics) → each operand's cotangent over plain arrays, the first one g itself,
              which it may change: the vjps again, without a copy of g
    """
    count = operands if operands is not None else (len(vjps) if vjps is not None else 1)
    first = parameter_names(value)[1 : 1 + count]
    default = f"{name}({', '.join('{' + n + '}' for n in first)})"
    op = Primitive(
        name,
        value=value,
        operands=count,
        variadic=variadic,
        partials=None,
        vjps=vjps,
        vjp=vjp,
        jvps=jvps,
        jvp=jvp,
        linear=linear,
        selects=False,
        routes=routes,
        shape=shape,
        dtype=dtype,
        written=written or default,
        precedence=precedence,
        kinks=kinks,
        domain=domain,
        example=example,
        outputs=outputs,
        internal=internal,
        concrete=concrete,
        view=view,
        reuse=reuse,
    )
    return register(op)


def composite(
    name: str,
    *,
    value: Rule,
    operands: int = 1,
    variadic: bool = False,
    shape: Rule | Unknown | None = None,
    dtype: Rule | None = None,
    written: str = "",
    kinks: Sequence[Kink] = (),
    domain: tuple[float, float] = (-3.0, 3.0),
    example: str = "",
    outputs: int = 1,
    internal: bool = False,
    concrete: bool = False,
) -> Primitive:
    """Register an operation that is made of others: `value` computes in F, and every derivative follows from theirs.

    concrete: what it is made of depends on the values of its operands (indices, say), not on shapes alone.
    """
    op = Primitive(
        name,
        value=value,
        operands=operands,
        variadic=variadic,
        partials=None,
        vjps=None,
        vjp=None,
        jvps=None,
        jvp=None,
        linear=None,
        selects=False,
        routes=False,
        shape=shape,
        dtype=dtype,
        written=written,
        precedence=100,
        kinks=kinks,
        domain=domain,
        example=example,
        outputs=outputs,
        internal=internal,
        composite=True,
        concrete=concrete,
    )
    return register(op)
