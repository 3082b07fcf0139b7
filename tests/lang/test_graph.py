"""The graph of a run: values, operations, adjoints and shares, as the sweep computed them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ndgrad.cli.graphs import Labels
from ndgrad.lang import compile
from ndgrad.lang.graph import Graph, Vertex, graph


def made(text: str, grad: tuple[str, ...] = (), unroll: bool = False, **inputs: Any) -> Graph:
    return graph(compile(text).run(inputs, grad=grad, trace=True), unroll)


def named(g: Graph, name: str) -> Vertex:
    return next(vertex for vertex in g.vertices if name in vertex.names)


def test_values_have_the_names_of_the_program_and_numbers_else() -> None:
    g = made("y = x ** 2; z = y * sin(x) + y", x=2.0)
    said = {v.names[0]: (v.kind, v.operation, v.expression) for v in g.vertices}
    assert said == {
        "x": ("input", "", "input"),
        "y": ("operation", "power", "x²"),
        "t₁": ("operation", "sin", "sin(x)"),
        "t₂": ("operation", "multiply", "y·t₁"),
        "z": ("output", "add", "t₂ + y"),
    }
    assert [(e.source, e.target) for e in g.edges] == [(1, 2), (1, 3), (2, 4), (3, 4), (4, 5), (2, 5)]
    assert named(g, "z").value == pytest.approx(4 * np.sin(2) + 4)


def test_adjoints_are_the_sums_of_the_shares() -> None:
    g = made("y = x ** 2; output z = y * sin(x) + sum(y)", ("x",), x=[1.0, 2.0])
    for vertex in g.vertices:
        shares = [e.share for e in g.edges if e.source == vertex.key and e.share is not None]
        if shares:
            np.testing.assert_allclose(vertex.adjoint, sum(shares), rtol=1e-15)
            assert all(np.shape(share) == np.shape(vertex.value) for share in shares)
    x = np.array([1.0, 2.0])
    slope = 2 * x * np.sin(x) + x**2 * np.cos(x) + 2 * 2 * x  # sum(y) reaches both entries of z
    np.testing.assert_allclose(named(g, "x").adjoint, slope, rtol=1e-14)


def test_what_does_not_lead_to_the_output_is_told_and_has_no_adjoint() -> None:
    g = made("y = x ** 2; w = exp(y); output y", ("x",), x=3.0)
    assert [(v.names[0], v.reaches, v.adjoint is None) for v in g.vertices] == [
        ("x", True, False),
        ("y", True, False),
        ("w", False, True),
    ]


def test_only_the_way_from_the_inputs_asked_for_has_adjoints() -> None:
    g = made("z = a * b", ("a",), a=2.0, b=3.0)
    assert named(g, "a").adjoint == 3
    assert named(g, "b").adjoint is None


def test_without_gradients_there_are_no_adjoints() -> None:
    assert all(v.adjoint is None for v in made("z = a * b", a=2.0, b=3.0).vertices)


def test_a_loop_is_folded_to_its_first_and_last_round() -> None:
    text = "for i in range(1000): x = x * 1.01 + 1\noutput x"
    g = made(text, ("x",), x=1.0)
    (gap,) = [v for v in g.vertices if v.gap is not None]
    assert gap.gap is not None
    assert (gap.gap.rounds, len(g.vertices)) == (998, 6)
    assert {e.source for e in g.edges if e.target == gap.key} == {3}
    assert len(made(text, ("x",), unroll=True, x=1.0).vertices) == 2001


def test_several_outputs_of_one_operation_are_values_of_their_own() -> None:
    g = made("u, s, v = svd(A); output sum(s)", ("A",), A=[[2.0, 1.0], [1.0, 3.0]])
    assert named(g, "s").expression == "svd(A)[1]"
    assert [e.share is None for e in g.edges if e.source == named(g, "A").key] == [True, False, True]


def test_a_value_that_depends_on_no_input_has_a_graph_too() -> None:
    g = made("y = 2 + 3")
    assert [(v.names, v.kind, float(v.value)) for v in g.vertices] == [(("y",), "output", 5.0)]


def test_a_run_without_a_record_has_no_graph() -> None:
    with pytest.raises(ValueError, match="not recorded"):
        graph(compile("x").run({"x": 1.0}))


def test_the_last_value_of_a_name_is_told_from_the_first() -> None:
    found = made("input x = 1.5\nfor i in range(10): x = x - 0.1 * sin(x)\n")
    assert (found.of, found.headed) == ("x₁₀", False)
    result = compile("x = x * 2").run({"x": [1.5, 2]}, grad=["x"], head=[1, 2], trace=True)
    found = graph(result)
    assert (found.of, found.headed) == ("x₁", True)
    leaf = next(vertex for vertex in found.vertices if vertex.kind == "input")
    assert Labels(found, None).adjoint(leaf) == "∂⟨head, x₁⟩/∂x = [2, 4]"
