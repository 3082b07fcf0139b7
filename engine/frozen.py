"""Frozen records with named fields, made without the start-up cost of dataclasses.

A subclass lists its fields as annotations, defaults included, exactly as for a frozen, slotted
dataclass, and type checkers read it as one. The difference is the price: `dataclass` compiles
source for every class (half a millisecond each), which a command that runs for a tenth of a
second pays on every start.
"""

from __future__ import annotations

from typing import Any, ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True)
class Frozen:
    """A record whose fields are set once. Equality and hash leave out the fields in `_uncompared`."""

    _fields: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[dict[str, Any]] = {}
    _uncompared: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        own = cls.__annotations__
        fields = tuple(name for name, kind in own.items() if not str(kind).startswith("ClassVar"))
        cls._fields = cls._fields + fields
        cls._defaults = cls._defaults | {name: cls.__dict__[name] for name in fields if name in cls.__dict__}
        cls.__match_args__ = cls._fields  # type: ignore[attr-defined, misc]

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self._fields
        if len(values) > len(fields):
            raise TypeError(f"{type(self).__name__} takes {len(fields)} fields, not {len(values)}")
        state = self.__dict__
        for name, value in zip(fields, values, strict=False):
            state[name] = value
        for name, value in named.items():
            if name not in fields or name in state:
                raise TypeError(f"{type(self).__name__} has no free field {name!r}")
            state[name] = value
        if len(state) < len(fields):
            for name in fields:
                if name not in state:
                    if name not in self._defaults:
                        raise TypeError(f"{type(self).__name__} needs the field {name!r}")
                    state[name] = self._defaults[name]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set: the record is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted: the record is frozen")

    def _compared(self) -> tuple[Any, ...]:
        return tuple(self.__dict__[name] for name in self._fields if name not in self._uncompared)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash((type(self), *self._compared()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self._fields if name not in self._uncompared)
        return f"{type(self).__name__}({shown})"
