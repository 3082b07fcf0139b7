"""What is written for derivatives can be typed as it stands: a formula has the shape and value that it stands for.

A vector is a column, with ᵀ a row; 1 is a vector of ones, 1 @ 1ᵀ a matrix of ones; a number stands for every entry.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndgrad.lang import compile
from ndgrad.lang.derivation_data import BackwardStep, Derivation
from ndgrad.lang.mathematics import Tree, tree_of, with_note
from ndgrad.lang.notation import ratio
from ndgrad.lang.products import IN_WORDS

_spec = importlib.util.spec_from_file_location("test_explained", Path(__file__).with_name("test_explained.py"))
assert _spec is not None
assert _spec.loader is not None
_explained: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_explained)


class Typed(_explained.Typed):  # type: ignore[misc]
    """Values of formulas, in which ones take the size that they meet, from the left or from the right."""

    def operation(self, sign: str, left: Tree, right: Tree) -> Any:
        if sign != "@":
            return super().operation(sign, left, right)
        chain: list[Any] = [self.sized(right)]
        while left.kind == "operation" and left.parts[0] == "@":
            chain.insert(0, self.sized(left.parts[2]))
            left = left.parts[1]  # type: ignore[assignment]
        scale = 1.0
        while left.kind == "operation" and left.parts[0] == "·" and np.ndim(self.value(left.parts[1])) == 0:
            scale, left = scale * self.value(left.parts[1]), left.parts[2]  # type: ignore[assignment]
        return scale * self.multiplied([self.sized(left), *chain])

    def multiplied(self, chain: list[Any]) -> Any:
        signs = [part if isinstance(part, str) else "" for part in chain]
        for i in range(len(chain) - 1):
            if signs[i + 1] == "row":
                return self.times(self.multiplied(chain[: i + 1]), self.multiplied(chain[i + 1 :]))
        order = chain[::-1] if signs[0] else chain
        made = order[0]
        for part in order[1:]:
            made = self.times(part, made) if signs[0] else self.times(made, part)
        return made


INPUTS = {
    "s": 2.0, "t": 3.0, "x": [1.0, 2.0], "y": [3.0, 4.0], "u": [3.0, 4.0, 5.0], "T": [[1.0, 2], [3, 4]],
    "X": [[1.0, 2], [3, 5], [0.5, 1]], "W": [[1.0, 2, 3], [2, 5, 1]],
}  # fmt: skip


def explained(program: str, by: str) -> Derivation:
    text = "".join(f"input {name}\n" for name in INPUTS) + program.replace("; ", "\n").replace("z =", "output z =")
    return compile(text).run(INPUTS, grad=[by], trace=True).derivation(by, unroll=True)


def formulas(d: Derivation) -> list[tuple[str, Any, dict[str, Any]]]:
    """The formulas of a derivation: what is written, what it should come to, and what arrives in it."""
    made: list[tuple[str, Any, dict[str, Any]]] = [(step.expression, step.value, {}) for step in d.forward[1:]]
    for step in d.backward:
        assert isinstance(step, BackwardStep)
        arriving = {ratio("∂", d.of, step.name): np.asarray(step.arriving)}
        made.append((step.local, step.leaving if step.local_value is None else step.local_value, arriving))
    chain = d.chain.partition(" = ")[2]
    shown = [*d.forms, *([d.closed_form] if d.closed_form else []), *([] if chain.endswith(IN_WORDS) else [chain])]
    return made + [(with_note(form)[0], d.result, {}) for form in shown]


def check(d: Derivation) -> None:
    names = {name: np.asarray(value, dtype=float) for name, value in INPUTS.items()}
    names |= {step.name: np.asarray(step.value) for step in d.forward}
    for text, wanted, arriving in formulas(d):
        value = np.asarray(Typed(names | arriving).value(tree_of(text)))
        if value.ndim == np.ndim(wanted) and "1" in text:  # ones are as many as the value has rows, or columns
            value = np.broadcast_to(value, np.shape(wanted))
        assert value.ndim == 0 or value.shape == np.shape(wanted), text
        np.testing.assert_allclose(value * np.ones(np.shape(wanted)), wanted, rtol=1e-5, atol=1e-9, err_msg=text)


STEPS: list[tuple[str, str, str]] = [
    ("z = sum(T.T @ T) * s", "T", "2·s·T @ 1 @ 1ᵀ"),
    ("z = s * sum(X @ X.T)", "X", "2·s·1 @ 1ᵀ @ X"),
    ("z = sum(T @ T) / s", "T", "1 @ 1ᵀ @ Tᵀ/s + 1/s·Tᵀ @ 1 @ 1ᵀ"),
    ("z = sum((T ** 2) @ T)", "T", "(T²)ᵀ @ 1 @ 1ᵀ + 2·(1 @ 1ᵀ @ Tᵀ)·T"),
    ("z = mean(X @ X.T)", "X", "2/9·1 @ 1ᵀ @ X"),
    ("z = sum(y * sum(X @ T, axis=0))", "X", "1 @ yᵀ @ Tᵀ"),
    ("z = sum(y * sum(X @ T, axis=0))", "T", "Xᵀ @ 1 @ yᵀ"),
    ("z = sum(u * sum(X @ T, axis=1))", "X", "u @ 1ᵀ @ Tᵀ"),
    ("z = s * sum(x @ T)", "x", "s·T @ 1"),
    ("z = s * sum(x @ T)", "T", "s·x @ 1ᵀ"),
    ("z = inner(x, x)", "x", "2·x"),
    ("z = inner(x, y)", "x", "y"),
    ("z = inner(X, x)", "x", "Xᵀ @ 1"),
    ("z = inner(X, x)", "X", "1 @ xᵀ"),
    ("z = sum(inner(X, X) ** 2)", "X", "4·X @ Xᵀ @ X"),
    ("z = tensordot(X, X, axes=2)", "X", "2·X"),
    ("z = sum(tensordot(X, x, axes=1))", "X", "1 @ xᵀ"),
    ("z = x @ x.T", "x", "2·x"),
    ("z = sum(stack([T, T]) @ T) * s", "T", ""),
    ("H = hessian(lambda t: t @ T @ t)([1.0, 2]); z = sum(H * [[1, 2], [3, 4]])", "T", ""),
]


@pytest.mark.parametrize(("program", "by", "step"), STEPS, ids=[program for program, _, _ in STEPS])
def test_products_of_matrices_are_written_with_the_shapes_that_they_have(program: str, by: str, step: str) -> None:
    d = explained(program, by)
    if step:
        assert d.backward[0].local == step
        check(d)
    else:
        assert "broadcast_to" not in str(d.backward)


def test_a_product_of_vectors_is_an_inner_product() -> None:
    assert explained("z = inner(x, y)", "x").forward[1].expression == "⟨x, y⟩"
    assert explained("z = sum(inner(X, x))", "x").forward[1].expression == "sum(X @ x)"


FORMS: list[tuple[str, str, str]] = [
    ("z = sum(logsumexp(W, axis=0) ** 2)", "W",
     "2·exp(W - 1 @ logsumexp(W, axis=0)ᵀ) @ diag(logsumexp(W, axis=0))   (1 is a vector of ones)"),
    ("z = sum(logsumexp(W, axis=1) ** 2)", "W",
     "2·diag(logsumexp(W, axis=1)) @ exp(W - logsumexp(W, axis=1) @ 1ᵀ)   (1 is a vector of ones)"),
    ("z = sum((T + x) @ T)", "x", "2·T @ 1   (1 is a vector of ones)"),
    ("z = sum((T + x[:, None]) @ T)", "x", "sum(T)·1   (1 is a vector of ones)"),
    ("z = sum((T + s) @ T)", "s", "2·sum(T)"),
    ("z = sum(x[:, None] @ x[None, :])", "x", "2·sum(x)·1   (1 is a vector of ones)"),
    ("z = sum(prod(W, axis=0) ** 2)", "W", "2·(1/W) @ diag(prod(W, axis=0)²)"),
    ("z = sum(sum(X, axis=0) / s)", "X", "1/s"),
    ("z = sum(x) ** 2 / s", "x", "2·sum(x)/s"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "by", "form"), FORMS, ids=[program for program, _, _ in FORMS])
def test_forms_have_vectors_as_columns_and_ones_as_vectors(program: str, by: str, form: str) -> None:
    d = explained(program, by)
    assert form in d.forms
    check(d)


def test_a_condition_is_transposed_behind_its_bracket() -> None:
    (form,) = explained("z = cross_entropy(relu(X @ W + u - 9), [0, 2, 1])", "u").forms
    assert form.startswith("1/3·[X @ W + u - 9 > 0]ᵀ·(softmax(relu(X @ W + 1 @ uᵀ - 9)) - onehot)ᵀ @ 1   (")


def test_a_row_or_column_that_is_spread_is_multiplied_by_ones() -> None:
    rows, columns = (explained(f"m = mean(X, axis={axis}); z = sum(m ** 2)", "X") for axis in (0, 1))
    assert [d.backward[1].local for d in (rows, columns)] == ["1 @ (∂z/∂m/3)ᵀ", "∂z/∂m/2 @ 1ᵀ"]
    check(rows)
    check(columns)


def test_quotients_are_written_as_one_in_forms() -> None:
    assert explained("z = prod(x)", "x").forms == ("z/x", "prod(x)/x")


def test_a_mask_without_a_name_is_no_bracket_of_a_condition() -> None:
    assert explained("z = sum(tril(T))", "T").backward[0].local == "[[1, 0], [1, 1]]"


SIMPLER: list[tuple[str, str, str]] = [
    ("z = x ** y", "y", "z·log(x)"),
    ("z = 2 ** -x", "x", "-z·log(2)"),
    ("z = (x - 1) ** y", "y", "where(logical_or(z == 0, logical_and(x - 1 == 0, y >= 0)), 0, z·log(x - 1))"),
    ("z = sum(x ** x)", "x", "x^x + x^x·log(x)"),
    ("z = max(x) - min(x)", "x", "tied(x, max(x)) - tied(x, min(x))"),
    ("z = sum((x[:, None] - y) ** 2)", "x", "sum(2·(x[:, None] - y), axis=1)"),
    ("z = sum(x[:, None] * T)", "x", "sum(T, axis=1)"),
    ("z = -3 * sum(x[:, None] / 3)", "x", "-1"),
    ("z = sum(1 / x ** 2)", "x", "-2/x³"),
    ("z = sum((1 / x) ** 2 * 3 / x ** 3)", "x", "-15/x⁶"),
    ("z = sum(log(1 + x ** 2) ** 2)", "x", "4·log(1 + x²)·x/(1 + x²)"),
    ("z = sum(log(x) / x)", "x", "1/x² - log(x)/x²"),
    ("z = sum(1 / (x + 1e-5))", "x", "-1/(x + 1e-05)²"),
    ("z = sum(T @ T @ T)", "T", "(T @ T)ᵀ @ 1 @ 1ᵀ + 1 @ 1ᵀ @ Tᵀ @ Tᵀ + Tᵀ @ 1 @ 1ᵀ @ Tᵀ"),
    ("z = sum(clip(x, 0, 1))", "x", "[x >= 0]·[x <= 1]"),
    ("z = sum(clip(2 * x, 0, None))", "x", "2·[2·x >= 0]"),
    ("z = log(-det(T))", "T", "T⁻ᵀ"),
    ("z = (x + 1 + 1 + 1) ** 2", "x", "2·(x + 3)"),
    ("z = s / 1 * (t ** 3 - t)", "t", "3·s·t² - s"),
    ("z = arcsin(x / 5)", "x", "1/(5·sqrt(1 - (x/5)²))"),
    ("z = exp2(x)", "x", "0.693147·z"),
    ("z = sum(diag(T) ** 2)", "T", "diag(2·diag(T))"),
    ("z = sum(sin(x[:, None] * y))", "x", "sum(cos(x @ yᵀ)·y, axis=1)"),
    ("z = sum(sin(X[:, 0:1] * W[:1]))", "W", ""),
]


@pytest.mark.parametrize(("program", "by", "step"), SIMPLER, ids=[program for program, _, _ in SIMPLER])
def test_steps_are_as_short_as_a_person_writes_them(program: str, by: str, step: str) -> None:
    d = explained(program, by)
    local = d.backward[0].local
    assert local == step or (not step and "@" not in local)
    for formula, wanted, arriving in formulas(d):
        if any(sign in formula for sign in ("tied", "where(", " at [", ":", ">=")):
            continue
        names = {name: np.asarray(value, dtype=float) for name, value in INPUTS.items()}
        names |= {made.name: np.asarray(made.value) for made in d.forward}
        value = Typed(names | arriving).value(tree_of(formula)) * np.ones(np.shape(wanted))
        np.testing.assert_allclose(value, wanted, rtol=1e-5, err_msg=formula)


@pytest.mark.parametrize(
    ("program", "by", "expression", "step"),
    [
        ("z = sum(exp2(x))", "x", "sum(2^x)", ""),
        ("sign, l = slogdet(T); z = l ** 2", "T", "slogdet(T)[1]", ""),
        ('z = sum(einsum("ij,j->i", T, x))', "x", 'sum(einsum("ij,j->i", T, x))', 'einsum("i,ij->j", ones(2), T)'),
        ('z = einsum("i,ij,j->", x, T, y)', "T", 'einsum("i,ij,j->", x, T, y)', 'einsum("i,j->ij", x, y)'),
        ("z = sum(convolve(x, y))", "x", "sum(convolve(x, y))", "convolve(ones(3), flip(y))[1:3]"),
        ("P = pinv(X); z = sum(P)", "X", "X⁺", ""),
        ("v = sum(T, axis=1); z = sum(v ** 2)", "T", "sum(T, axis=1)", ""),
        ("z = fixed_point(lambda t: cos(s * t / 3), 1.0)", "s", "fixed_point(s)", ""),
        ("z = sum(concatenate([T, 0 * T + 1]))", "T", "sum(concatenate([T, 0·T + 1]))", ""),
        ("z = sum(concatenate([T, ones((1, 2))]))", "T", "sum(concatenate([T, ones((1, 2))]))", ""),
    ],
)
def test_operations_are_written_as_the_language_has_them(program: str, by: str, expression: str, step: str) -> None:
    d = explained(program, by)
    assert d.forward[1].expression == expression
    assert step in ("", d.backward[0].local)
    assert "constant⟩" not in str([made.local for made in d.backward])
