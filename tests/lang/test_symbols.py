"""Programs become symbols and symbols become programs, and all of them give the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ndgrad import nd, sym
from ndgrad.errors import Error
from ndgrad.lang import compile
from ndgrad.lang.symbols import program_of, symbol_of

DRAWS = np.random.default_rng(5)
X = DRAWS.normal(size=(4, 3))
PROGRAMS = {
    "operators": "y = (x * 2 + 1) / (x ** 2 + 3) - -x",
    "a loop of known length": "s = 0 * x[0]\nfor i in range(len(x)):\n    s = s + sin(x[i]) * i\noutput s",
    "a function": "def f(a, k=2):\n    return tanh(a) ** k\n\noutput f(x) + f(x, k=3)",
    "writes": "z = zeros((4, 3))\nz[1:3, 0] = x[0, :2]\nz[0] += x[1]\noutput z * x",
    "indices": "output x[::-1, None, 1:], x[[2, 0, 2]], x[..., -1]",
    "reductions": "output sum(x, axis=0), mean(x), max(x, axis=1, keepdims=True), norm(x), std(x)",
    "several arrays": "output concatenate([x, 2 * x], axis=1), stack([x[0], x[1]]), where(x > 0, x, 0)",
    "products": "output x @ x.T, einsum('ij,ik->jk', x, x), outer(x[0], x[1])",
    "layers": "output softmax(x), layer_norm(x), relu(x - 0.3), clip(x, -1, 1)",
}


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_its_symbol_and_the_program_of_that_give_the_same(text: str) -> None:
    program = compile(text)
    outputs = list(program.run({"x": X}).outputs.values())
    symbol = symbol_of(program, {"x": X.shape})
    assert symbol.list_arguments() == ["x"]
    again = compile(program_of(symbol))
    for others in (symbol.eval(x=X), again.run({"x": X}).outputs.values()):
        for wanted, found in zip(outputs, others, strict=True):
            np.testing.assert_allclose(np.asarray(found), wanted, rtol=1e-13, atol=1e-14)


def test_the_gradients_agree_too() -> None:
    program = compile("output sum(tanh(x @ w) ** 2 * exp(-x[:, :1]))")
    w = DRAWS.normal(size=(3, 2))
    wanted = program.run({"x": X, "w": w}, grad=["x", "w"]).grads
    run = symbol_of(program, {"x": X, "w": w}).bind(
        args={"x": X, "w": w}, args_grad={n: nd.array(np.zeros(g.shape)) for n, g in wanted.items()}
    )
    run.forward(is_train=True)
    run.backward()
    for name, g in wanted.items():
        np.testing.assert_allclose(run.grad_dict[name].asnumpy(), g, rtol=1e-12)


def test_a_network_of_layers_becomes_a_program() -> None:
    x = sym.var("x", dtype="float64")
    hidden = sym.Activation(sym.FullyConnected(x, num_hidden=2, name="fc"), act_type="relu")
    net = sym.log_softmax(hidden, name="net")
    text = program_of(net, {"x": (4, 3)})
    assert text.splitlines()[:3] == ["input x: [4, 3]", "input fc_weight: [2, 3]", "input fc_bias: [2]"]
    assert text.splitlines()[-1] == "output net"
    arrays: dict[str, Any] = {"x": X, "fc_weight": DRAWS.normal(size=(2, 3)), "fc_bias": DRAWS.normal(size=2)}
    np.testing.assert_allclose(compile(text).run(arrays).value, net.eval(**arrays)[0].asnumpy(), rtol=1e-13)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("if sum(x) > 0:\n    y = x\nelse:\n    y = 2 * x\noutput y", "E308"),
        ("while norm(x) < 9:\n    x = 2 * x\noutput x", "E308"),
        ("output x[x > 0]", "E308"),
        ("output x + y", "E201"),
    ],
)
def test_a_path_that_depends_on_values_is_no_graph(text: str, code: str) -> None:
    with pytest.raises(Error) as caught:
        symbol_of(compile(text), {"x": X.shape})
    assert caught.value.code == code
