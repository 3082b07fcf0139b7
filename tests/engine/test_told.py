"""Every function of nd says what it does: a text, a signature, an example that holds."""

from __future__ import annotations

import inspect
import pydoc
from typing import Any

import numpy as np
import pytest

from ndgrad import nd
from ndgrad.aliases import alias_names, aliased, behind
from ndgrad.ops import find, names
from ndgrad.told import about

FUNCTIONS = [name for name in dir(nd) if inspect.isfunction(getattr(nd, name))]


def operation(name: str) -> Any:
    """The operation that nd.NAME calls just as it is, or None."""
    op: Any = behind(name)
    return None if name in nd.__all__ or op is None or aliased(name) not in (None, op.call) or op.gathers else op


def test_every_function_has_a_text_and_a_signature() -> None:
    assert len(FUNCTIONS) > 250
    for name in FUNCTIONS:
        function = getattr(nd, name)
        first = inspect.getdoc(function).partition("\n")[0]  # type: ignore[union-attr]
        assert len(first) > 5, name
        assert first[0] != ".", name
        assert inspect.signature(function).parameters or name == "waitall"


def test_there_is_a_line_for_every_operation_and_none_for_others() -> None:
    assert [name for name in names() if not about(name)] == []
    lines = {name for name in {*names(), *alias_names()} if about(name)}
    assert about("no_such_function") == ""
    assert {"cumsum", "rsqrt", "concat"} <= lines


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if operation(name) is not None])
def test_the_signature_is_the_operations_own(name: str) -> None:
    op = operation(name)
    parameters = inspect.signature(getattr(nd, name)).parameters
    assert list(parameters) == [*(p.name for p in op.signature), "out"]
    text = inspect.getdoc(getattr(nd, name)) or ""
    assert f"Example: {op.example}" in text
    assert all(f"Where {kink.where}, the derivative is {kink.value}." in text for kink in op.kinks)


def test_help_shows_name_arguments_and_meaning() -> None:
    shown = pydoc.plain(pydoc.render_doc(nd.cumsum))
    assert "cumsum(x, axis=None, *, out=None)" in shown
    assert "The running sums." in shown
    assert "Example: cumsum([1, 2, 3]) -> [1, 3, 6]" in shown
    assert "einsum(subscripts, *operands, out=None)" in pydoc.plain(pydoc.render_doc(nd.einsum))
    assert "dot(lhs, rhs, transpose_a=False, transpose_b=False, *, out=None)" in pydoc.plain(pydoc.render_doc(nd.dot))
    assert inspect.getdoc(nd.linalg.potrf).startswith("The lower triangular factor")  # type: ignore[union-attr]


def test_described_functions_still_compute() -> None:
    assert find("cumsum") is not None
    np.testing.assert_array_equal(nd.cumsum([1, 2, 3]).asnumpy(), [1, 3, 6])
    np.testing.assert_array_equal(nd.linalg.det(nd.array([[2, 0], [0, 3]])).asnumpy(), 6)
