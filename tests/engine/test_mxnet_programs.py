"""Programs as they are written for MXNet 1.x, in its idioms and of several kinds; only the import is another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndgrad as mx
from ndgrad import autograd, nd


@pytest.fixture(autouse=True)
def _seeded() -> None:
    mx.random.seed(42)
    np.random.seed(42)


def test_linear_regression_from_scratch() -> None:
    num_inputs, num_examples = 2, 1000
    true_w, true_b = nd.array([2, -3.4]), 4.2
    features = nd.random.normal(scale=1, shape=(num_examples, num_inputs))
    labels = nd.dot(features, true_w) + true_b
    labels += nd.random.normal(scale=0.01, shape=labels.shape)
    w = nd.random.normal(scale=0.01, shape=(num_inputs, 1))
    b = nd.zeros(shape=(1,))
    w.attach_grad()
    b.attach_grad()
    lr, batch_size = 0.03, 10
    for _ in range(3):
        indices = list(range(num_examples))
        np.random.shuffle(indices)
        for i in range(0, num_examples, batch_size):
            j = nd.array(indices[i : min(i + batch_size, num_examples)])
            X, y = features.take(j), labels.take(j)
            with autograd.record():
                loss = (nd.dot(X, w) + b - y.reshape((-1, 1))) ** 2 / 2
            loss.backward()
            for param in (w, b):
                param[:] = param - lr * param.grad / batch_size
    mx.test_utils.assert_almost_equal(w.reshape((-1,)), true_w, rtol=1e-2, atol=1e-2)
    assert abs(b.asscalar() - true_b) < 0.01


def test_a_multilayer_perceptron_with_dropout_by_nd_and_autograd() -> None:
    X = nd.random.uniform(-1, 1, shape=(256, 2), ctx=mx.cpu())
    label = (X[:, 0] * X[:, 1] > 0).astype("float32")
    W1, b1 = nd.random_normal(scale=0.5, shape=(2, 32)), nd.zeros(32)
    W2, b2 = nd.random_normal(scale=0.5, shape=(32, 2)), nd.zeros(2)
    params = [W1, b1, W2, b2]
    for param in params:
        param.attach_grad()

    def net(x: Any) -> Any:
        h = nd.relu(nd.dot(x, W1) + b1)
        return nd.dot(nd.Dropout(h, p=0.1), W2) + b2

    for _ in range(300):
        with mx.autograd.record():
            loss = nd.softmax_cross_entropy(net(X), label) / 256
        loss.backward()
        for param in params:
            nd.sgd_update(param, param.grad, lr=0.5, out=param)
    with autograd.predict_mode():
        accuracy = (net(X).argmax(axis=1).astype("float32") == label).mean().asscalar()
    assert accuracy > 0.9


def test_a_symbolic_perceptron_with_simple_bind() -> None:
    data = mx.sym.Variable("data")
    fc1 = mx.sym.FullyConnected(data=data, name="fc1", num_hidden=16)
    act1 = mx.sym.Activation(data=fc1, name="relu1", act_type="relu")
    fc2 = mx.sym.FullyConnected(data=act1, name="fc2", num_hidden=3)
    net = mx.sym.SoftmaxOutput(data=fc2, name="softmax")
    assert net.list_arguments() == ["data", "fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias", "softmax_label"]
    executor = net.simple_bind(ctx=mx.cpu(), data=(60, 4), softmax_label=(60,), grad_req="write")
    centres = np.random.normal(scale=3, size=(3, 4))
    y = np.arange(60) % 3
    x = centres[y] + np.random.normal(size=(60, 4))
    for name, array in executor.arg_dict.items():
        if name not in ("data", "softmax_label"):
            array[:] = mx.nd.random.uniform(-0.5, 0.5, array.shape)
    executor.arg_dict["data"][:] = x
    executor.arg_dict["softmax_label"][:] = y
    for _ in range(60):
        executor.forward(is_train=True)
        executor.backward()
        for name, grad in executor.grad_dict.items():
            if name not in ("data", "softmax_label"):
                executor.arg_dict[name][:] -= 0.1 / 60 * grad * 10
    (probabilities,) = executor.forward(is_train=False)
    assert (probabilities.asnumpy().argmax(1) == y).mean() > 0.95


def test_a_recurrent_network_with_foreach_learns_to_sum() -> None:
    hidden, steps, batch = 8, 6, 32
    Wx, Wh = nd.random_normal(scale=0.3, shape=(1, hidden)), nd.random_normal(scale=0.3, shape=(hidden, hidden))
    Wo, b = nd.random_normal(scale=0.3, shape=(hidden, 1)), nd.zeros((hidden,))
    params = [Wx, Wh, Wo, b]
    moments = [(nd.zeros_like(p), nd.zeros_like(p)) for p in params]
    for p in params:
        p.attach_grad()

    def step(x: Any, states: Any) -> Any:
        h = nd.tanh(nd.dot(x, Wx) + nd.dot(states[0], Wh) + b)
        return h, [h]

    losses = []
    for t in range(1, 201):
        x = nd.random.uniform(-1, 1, shape=(steps, batch, 1))
        target = x.sum(axis=0)
        with autograd.record():
            _, states = nd.contrib.foreach(step, x, [nd.zeros((batch, hidden))])
            loss = ((nd.dot(states[0], Wo) - target) ** 2).mean()
        loss.backward()
        rate = 0.02 * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
        for p, (mean, var) in zip(params, moments, strict=True):
            nd.adam_update(p, p.grad, mean, var, lr=rate, out=p)
        losses.append(loss.asscalar())
    assert np.mean(losses[-10:]) < 0.1 * np.mean(losses[:10])


def test_a_function_of_ones_own_in_a_net() -> None:
    class Sigmoid(mx.autograd.Function):
        def forward(self, x: Any) -> Any:
            y = 1 / (1 + mx.nd.exp(-x))
            self.save_for_backward(y)
            return y

        def backward(self, dy: Any) -> Any:
            (y,) = self.saved_tensors
            return dy * y * (1 - y)

    func = Sigmoid()
    x = mx.nd.random.uniform(shape=(10,))
    x.attach_grad()
    with mx.autograd.record():
        m = func(func(x))
    m.backward()
    inner = 1 / (1 + np.exp(-x.asnumpy()))
    outer = 1 / (1 + np.exp(-inner))
    mx.test_utils.assert_almost_equal(x.grad, outer * (1 - outer) * inner * (1 - inner))


def test_a_gradient_of_a_gradient_penalises() -> None:
    x = nd.array([0.5, -1.0, 2.0])
    w = nd.array([1.0, 2.0, -1.0])
    w.attach_grad()
    x.attach_grad()
    with autograd.record():
        y = nd.sum(nd.sin(w * x))
        (dx,) = autograd.grad(y, [x], create_graph=True, retain_graph=True)
        penalty = nd.sum(dx**2)
    penalty.backward()
    a, c = w.asnumpy(), x.asnumpy()
    wanted = 2 * a * np.cos(a * c) ** 2 - 2 * a**2 * c * np.cos(a * c) * np.sin(a * c)
    mx.test_utils.assert_almost_equal(w.grad, wanted, rtol=1e-4, atol=1e-5)


def test_matrix_factorisation_with_embeddings() -> None:
    users, items, k = 20, 15, 3
    truth = np.random.normal(size=(users, k)) @ np.random.normal(size=(k, items))
    user, item = (index.ravel().astype("float32") for index in np.indices((users, items)))
    score = mx.nd.array(truth.ravel())
    sym_user, sym_item = mx.symbol.Variable("user"), mx.symbol.Variable("item")
    u = mx.symbol.Embedding(data=sym_user, input_dim=users, output_dim=k, name="u")
    v = mx.symbol.Embedding(data=sym_item, input_dim=items, output_dim=k, name="v")
    pred = mx.symbol.sum_axis(data=u * v, axis=1)
    net = mx.symbol.LinearRegressionOutput(data=mx.symbol.Flatten(data=pred), label=mx.symbol.Variable("score"))
    exe = net.simple_bind(mx.cpu(), user=(users * items,), item=(users * items,), score=(users * items, 1))
    exe.copy_params_from({n: mx.nd.random.normal(0, 0.5, exe.arg_dict[n].shape) for n in ("u_weight", "v_weight")})
    for _ in range(400):
        exe.forward(is_train=True, user=user, item=item, score=score.reshape((-1, 1)))
        exe.backward()
        for name in ("u_weight", "v_weight"):
            mx.nd.sgd_update(exe.arg_dict[name], exe.grad_dict[name], lr=0.02, out=exe.arg_dict[name])
    error = exe.outputs[0].asnumpy().ravel() - truth.ravel()
    assert np.sqrt((error**2).mean()) < 0.1 * truth.std()


def test_parameters_and_graphs_are_saved_and_loaded(tmp_path: Path) -> None:
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc")
    params = {"arg:fc_weight": nd.random.normal(shape=(2, 3)), "arg:fc_bias": nd.ones(2)}
    mx.nd.save(str(tmp_path / "net-0001.params"), params)
    net.save(str(tmp_path / "net-symbol.json"))
    loaded = mx.sym.load(str(tmp_path / "net-symbol.json"))
    save_dict = mx.nd.load(str(tmp_path / "net-0001.params"))
    arg_params = {k.split(":", 1)[1]: v for k, v in save_dict.items()}
    x = nd.arange(6).reshape((2, 3))
    again = loaded.eval(ctx=mx.cpu(), data=x, **arg_params)[0]
    assert mx.test_utils.same(again, net.eval(data=x, **arg_params)[0])
    mx.nd.save(str(tmp_path / "list"), [x, x * 2])
    assert [a.shape for a in mx.nd.load(str(tmp_path / "list"))] == [(2, 3), (2, 3)]


def test_a_convolutional_net_takes_a_step_downhill() -> None:
    data = mx.sym.Variable("data")
    conv = mx.sym.Convolution(data=data, kernel=(3, 3), num_filter=4, pad=(1, 1), name="conv")
    bn = mx.sym.BatchNorm(data=conv, fix_gamma=False, name="bn")
    pool = mx.sym.Pooling(data=mx.sym.Activation(bn, act_type="relu"), kernel=(2, 2), stride=(2, 2), pool_type="max")
    net = mx.sym.softmax_cross_entropy(
        mx.sym.FullyConnected(mx.sym.Flatten(pool), num_hidden=3, name="fc"), mx.sym.var("y")
    )
    assert net.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    shapes, outputs, aux = net.infer_shape(data=(6, 1, 8, 8), y=(6,))
    assert dict(zip(net.list_arguments(), shapes, strict=True))["fc_weight"] == (3, 64)
    assert (outputs, aux) == ([()], [(4,), (4,)])
    exe = net.simple_bind(mx.cpu(), data=(6, 1, 8, 8), y=(6,))
    for array in exe.arg_arrays:
        array[:] = mx.nd.random.normal(0, 0.3, array.shape)
    exe.arg_dict["y"][:] = [0, 1, 2, 0, 1, 2]
    exe.arg_dict["bn_gamma"][:] = 1
    before = exe.forward(is_train=True)[0].asscalar()
    exe.backward()
    for name in ("conv_weight", "conv_bias", "bn_gamma", "bn_beta", "fc_weight", "fc_bias"):
        exe.arg_dict[name][:] = exe.arg_dict[name] - 0.01 * exe.grad_dict[name]
    assert exe.forward(is_train=True)[0].asscalar() < before
    assert not np.allclose(exe.aux_dict["bn_moving_mean"].asnumpy(), 0)


def test_a_loop_with_a_condition_newton_and_its_derivative() -> None:
    a = mx.nd.array([2.0])
    a.attach_grad()
    with mx.autograd.record():
        _, (x, _steps) = mx.nd.contrib.while_loop(
            cond=lambda x, i: nd.abs(x * x - a) > 1e-5,
            func=lambda x, i: (x, (0.5 * (x + a / x), i + 1)),
            loop_vars=(mx.nd.array([1.0]), mx.nd.array([0.0])),
            max_iterations=50,
        )
    x.backward()
    assert abs(x.asscalar() - 2**0.5) < 1e-5
    assert abs(a.grad.asscalar() - 0.5 / 2**0.5) < 1e-3


def test_word_vectors_by_negative_sampling() -> None:
    vocabulary, size = 12, 6
    centre, context = nd.random.normal(scale=0.3, shape=(vocabulary, size)), nd.zeros((vocabulary, size))
    for table in (centre, context):
        table.attach_grad()
    words = nd.array(np.random.randint(0, vocabulary, 64))
    near = (words + 1) % vocabulary
    losses = []
    for _ in range(80):
        far = nd.random.randint(0, vocabulary, shape=(64,))
        with autograd.record():
            v = nd.Embedding(words, centre, input_dim=vocabulary, output_dim=size)
            good = nd.sum(v * nd.Embedding(near, context, input_dim=vocabulary, output_dim=size), axis=1)
            bad = nd.sum(v * nd.take(context, far), axis=1)
            loss = -nd.log(nd.sigmoid(good) + 1e-7) - nd.log(1 - nd.sigmoid(bad) + 1e-7)
        loss.backward()
        for table in (centre, context):
            table[:] -= 0.1 * table.grad
        losses.append(loss.mean().asscalar())
    assert losses[-1] < 0.7 * losses[0]
