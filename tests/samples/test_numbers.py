"""What the samples compute is right: every gradient against central differences, every result against NumPy or SciPy.

A new sample adds its own difference test: the commands in its comment that ask for gradients.
"""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate, interpolate, linalg, optimize, special, stats

from ndgrad.lang import compile, load
from ndgrad.lang.program import Result

ROOT = Path(__file__).parent.parent.parent
SAMPLES = {path.stem: path for path in sorted((ROOT / "samples").rglob("*.nd"))}

# Commands whose gradient differences cannot tell, for a test of its own below
LEFT_OUT = {
    "--grad a --of middle": "halves of a bracket do not depend on a, though which of them are taken does",
    "-i data=samples/misra1a.csv --grad b": "at the minimum differences see only rounding",
    "--grad noise,drift --precision 4": "at the maximum differences see only rounding",
}


def run(name: str, *grad: str, head: Any = None, of: str | None = None, **inputs: Any) -> Result:
    """The sample called `name`, run in float64."""
    return load(SAMPLES[name]).run(inputs, grad=grad, head=head, of=of)


def columns(name: str) -> Any:
    """The columns of samples/NAME.csv, one array each."""
    return np.loadtxt(ROOT / "samples" / f"{name}.csv", delimiter=",", skiprows=1).T


def read(text: str) -> Any:
    """What follows `-i NAME=`, read as the command reads it: a literal, .npy, .csv or .csv:COLUMN."""
    path, _, column = text.partition(":")
    if path.endswith(".npy"):
        return np.load(ROOT / path)
    if path.endswith(".csv"):
        header = (ROOT / path).read_text("utf-8").split("\n", 1)[0].split(",")
        found = columns(Path(path).stem)
        return found[header.index(column)] if column else found.T
    return compile(text).run().value


def default(program: Path, name: str) -> Any:
    """The value that the program itself gives the input `name`."""
    found = re.search(rf"^input {name}\b[^=\n]* = ([^#\n]*)", program.read_text("utf-8"), re.MULTILINE)
    assert found is not None, name
    return compile(found[1]).run().value


def gradients_asked() -> list[Any]:
    """(program, inputs, names, of) of every command in a sample's comment that asks for gradients."""
    asked = []
    for program in SAMPLES.values():
        for line in re.findall(r"^#   ndgrad run \S+ (.*)$", program.read_text("utf-8"), re.MULTILINE):
            if "--grad" not in line or any(line.startswith(known) for known in LEFT_OUT):
                continue
            words = shlex.split(line.replace("y=y.npy", "y=samples/x.npy"))  # y.npy is made by the command before
            pairs = list(pairwise(words))
            inputs = {w.partition("=")[0]: read(w.partition("=")[2]) for option, w in pairs if option == "-i"}
            names = dict(pairs)["--grad"].split(",")
            asked.append(pytest.param(program, inputs, names, dict(pairs).get("--of"), id=f"{program.stem} {line}"))
    return asked


@pytest.mark.parametrize(("program", "given", "names", "of"), gradients_asked())
def test_a_gradient_is_the_limit_of_differences(program: Path, given: Any, names: list[str], of: str | None) -> None:
    """Differences of fourth order along a random direction that moves the entries in proportion to their size."""
    rng = np.random.default_rng(3)
    loaded = load(program)

    def value(**moved: Any) -> Any:
        made = loaded.run({**given, **moved}, of=of)
        return made.value if of is None else made.outputs[of]

    head = rng.normal(size=value().shape)
    grads = loaded.run(given, grad=names, of=of, head=head).grads
    h = 3e-4
    for name in names:
        x = np.asarray(given[name] if name in given else default(program, name), dtype=np.float64)
        direction = rng.normal(size=x.shape) * np.where(x == 0, 0.1, np.abs(x))
        far, near, back, further = (
            np.vdot(head, value(**{name: x + k * h * direction})) for k in (2, 1, -1, -2)
        )  # fmt: skip
        numeric = (8 * (near - back) - (far - further)) / (12 * h)
        rounding = 100 * np.finfo(float).eps * np.abs(head * value()).sum() / h
        np.testing.assert_allclose(np.vdot(grads[name], direction), numeric, rtol=1e-6, atol=rounding)


@pytest.mark.parametrize(("program", "given", "names", "of"), gradients_asked())
def test_a_gradient_is_explained(program: Path, given: Any, names: list[str], of: str | None) -> None:
    """The backward steps give the gradient, and the check along a direction agrees; loops are short enough to read."""
    few = {"steps": 20} if program.stem == "ode" else {}
    made = load(program).run({**given, **few}, grad=names, of=of, trace=True)
    for name in names:
        d = made.derivation(name)
        np.testing.assert_array_equal(d.result, made.grads[name])
        assert [d.of.rstrip("₀₁₂₃₄₅₆₇₈₉"), d.wrt, d.forward[0].name] == [
            made.of,
            name,
            name,
        ]  # numbered if bound before
        assert len(d.forward) < 200
        assert len(d.backward) < 300
        assert d.along is not None
        assert d.numeric is not None
        assert abs(d.along - d.numeric) <= 1e-5 * max(abs(d.along), abs(d.numeric), 0.01 * d.size)


def test_gradient_descent_finds_the_certified_line() -> None:
    y, x = columns("norris")
    made = run("gradient_descent", "y", x=x, y=y)
    np.testing.assert_allclose(made.outputs["slope"], 1.00211681802045, rtol=1e-12)
    np.testing.assert_allclose(made.outputs["intercept"], -0.262323073774029, rtol=1e-10)
    np.testing.assert_allclose(made.outputs["squares"], 26.6173985294224, rtol=1e-12)
    centred = x - x.mean()
    np.testing.assert_allclose(made.grads["y"], centred / (centred @ centred), rtol=1e-10, atol=1e-14)


def test_newton_finds_the_certified_parameters_and_how_the_data_move_them() -> None:
    y, x = columns("misra1a")
    made = run("newton", "y", x=x, y=y, of="b0")
    b = np.array([made.outputs["b0"], made.outputs["b1"]])
    np.testing.assert_allclose(b, [238.94212918, 0.00055015643181], rtol=1e-10)
    np.testing.assert_allclose(made.outputs["squares"], 0.12455138894, rtol=1e-10)
    decay = np.exp(-b[1] * x)
    r = y - b[0] * (1 - decay)
    J = np.array([1 - decay, b[0] * x * decay])
    bend = np.array([[0 * x, x * decay], [x * decay, -b[0] * x**2 * decay]])
    # the implicit function of ∂L/∂b = 0: H db = 2 J dy with H = 2 (J Jᵀ − Σ r ∂²)
    by_y = np.linalg.solve(J @ J.T - bend @ r, J)
    np.testing.assert_allclose(made.grads["y"], by_y[0], rtol=1e-8)
    least = run("newton", "y", x=x, y=y, of="squares")
    np.testing.assert_allclose(least.grads["y"], 2 * r, rtol=1e-7)  # at a minimum only the data's own part is left


def test_logistic_regression_is_the_maximum_of_the_likelihood() -> None:
    temperature, damage = columns("challenger")
    data = np.stack([temperature, damage], axis=1)
    made = run("logistic", "at", data=data, at=np.array([31.0, 65.0]))

    def deviance(b: Any) -> Any:
        z = b[0] + b[1] * (temperature - 70)
        return 2 * (np.logaddexp(0, z) - damage * z).sum()

    found = optimize.minimize(deviance, [0, 0], method="BFGS", tol=1e-10)
    slope = float(made.outputs["slope"])
    np.testing.assert_allclose(slope, found.x[1], rtol=1e-5)
    np.testing.assert_allclose(made.outputs["intercept"], found.x[0] - 70 * found.x[1], rtol=1e-5)
    np.testing.assert_allclose(made.outputs["deviance"], found.fun, rtol=1e-12)
    risk = special.expit(made.outputs["intercept"] + slope * np.array([31, 65]))
    np.testing.assert_allclose(made.value, risk, rtol=1e-12)
    np.testing.assert_allclose(made.grads["at"], slope * risk * (1 - risk), rtol=1e-11)


def network_by_hand(weights: list[Any], X: Any, labels: Any) -> tuple[float, list[Any], Any]:
    """The loss of samples/network.nd, its gradients by backpropagation, and the scores."""
    W1, b1, W2, b2 = weights
    hidden = np.tanh(X @ W1 + b1)
    scores = hidden @ W2 + b2
    n = len(X)
    loss = -special.log_softmax(scores, axis=1)[np.arange(n), labels].mean()
    d = (special.softmax(scores, axis=1) - np.eye(3)[labels]) / n
    back = (d @ W2.T) * (1 - hidden**2)
    return float(loss), [X.T @ back, back.sum(axis=0), hidden.T @ d, d.sum(axis=0)], scores


def network_start() -> list[Any]:
    return [
        np.sin(1 + np.arange(16.0)).reshape(2, 8),
        np.zeros(8),
        np.sin(2 * np.arange(24.0)).reshape(8, 3),
        np.zeros(3),
    ]


def test_the_network_is_trained_by_backpropagation() -> None:
    u, v, labels = columns("arms")
    X, labels = np.stack([u, v], axis=1), labels.astype(int)
    data = columns("arms").T
    names = ("W1", "b1", "W2", "b2")
    weights = network_start()
    loss, slopes, scores = network_by_hand(weights, X, labels)
    made = run("network", *names, data=data, steps=0)
    np.testing.assert_allclose(made.value, loss, rtol=1e-13)
    for name, slope in zip(names, slopes, strict=True):
        np.testing.assert_allclose(made.grads[name], slope, rtol=1e-10, atol=1e-15)
    for _ in range(100):
        weights = [w - s for w, s in zip(weights, slopes, strict=True)]
        loss, slopes, scores = network_by_hand(weights, X, labels)
    trained = run("network", data=data)
    np.testing.assert_allclose(trained.value, loss, rtol=1e-9)
    assert trained.outputs["accuracy"] == np.mean(scores.argmax(axis=1) == labels)


def test_the_recurrent_network_goes_back_through_time() -> None:
    flow = columns("nile")[1]
    W, u = 0.5 * np.cos(np.arange(9.0)).reshape(3, 3), np.array([0.5, -0.3, 0.8])
    v, x = np.array([0.4, 0.2, -0.6]), (flow - flow.mean()) / flow.std()
    states = [np.zeros(3)]
    for value in x[:-1]:
        states.append(np.tanh(W @ states[-1] + u * value))
    errors = np.array([v @ s for s in states[1:]]) - x[1:]
    made = run("recurrent", "W", "u", "b", "v", "c", flow=flow)
    np.testing.assert_allclose(made.value, np.mean(errors**2), rtol=1e-13)
    expected: dict[str, Any] = {"W": np.zeros((3, 3)), "u": np.zeros(3), "b": np.zeros(3)}
    heads = 2 * errors / len(errors)
    arriving = np.zeros(3)
    for t in reversed(range(len(errors))):
        inner = (arriving + heads[t] * v) * (1 - states[t + 1] ** 2)
        expected["W"] += np.outer(inner, states[t])
        expected["u"] += inner * x[t]
        expected["b"] += inner
        arriving = W.T @ inner
    expected |= {"v": heads @ np.array(states[1:]), "c": heads.sum()}
    for name, gradient in expected.items():
        np.testing.assert_allclose(made.grads[name], gradient, rtol=1e-11, err_msg=name)


@pytest.mark.parametrize(("noise", "drift"), [(15099.0, 1469.1), (10000.0, 5000.0)])
def test_the_kalman_filter_gives_the_density_of_the_whole_series(noise: float, drift: float) -> None:
    flow = columns("nile")[1]
    n = len(flow)
    walk = np.minimum.outer(np.arange(n), np.arange(n))
    covariance = 1e7 + noise * np.eye(n) + drift * walk
    made = run("kalman", "noise", "drift", flow=flow, noise=noise, drift=drift)
    density = stats.multivariate_normal(np.zeros(n), covariance).logpdf(flow)
    np.testing.assert_allclose(made.value, density, rtol=1e-11)
    precision = np.linalg.inv(covariance)
    weighted = precision @ flow
    for name, by in (("noise", np.eye(n)), ("drift", walk)):
        exact = 0.5 * (weighted @ by @ weighted - np.trace(precision @ by))
        np.testing.assert_allclose(made.grads[name], exact, rtol=1e-5, atol=1e-11, err_msg=name)


def test_the_differential_equation_and_its_variational_equation() -> None:
    rates = np.array([1.1, 0.4, 0.4, 0.1])

    def slope(t: float, z: Any) -> Any:
        hares, lynxes = z[:2]
        both = hares * lynxes
        J = np.array(
            [[rates[0] - rates[1] * lynxes, -rates[1] * hares], [rates[3] * lynxes, rates[3] * hares - rates[2]]]
        )
        by_rates = np.array([[hares, -both, 0, 0], [0, 0, -lynxes, both]])
        S = z[2:].reshape(2, 6)
        dS = J @ S + np.hstack([by_rates, np.zeros((2, 2))])
        return [rates[0] * hares - rates[1] * both, rates[3] * both - rates[2] * lynxes, *dS.ravel()]

    begin = np.concatenate([[10, 5], np.hstack([np.zeros((2, 4)), np.eye(2)]).ravel()])
    exact = integrate.solve_ivp(slope, (0, 5), begin, rtol=1e-11, atol=1e-12).y[:, -1]
    made = run("ode", "rates", "start", steps=800)
    S = exact[2:].reshape(2, 6)
    np.testing.assert_allclose(made.outputs["final"], exact[:2], rtol=1e-7)
    np.testing.assert_allclose(made.grads["rates"], S[0, :4], rtol=1e-6)
    np.testing.assert_allclose(made.grads["start"], S[0, 4:], rtol=1e-6)
    np.testing.assert_allclose(made.outputs["sensitivity"], S[:, :4], rtol=1e-6)


@pytest.mark.parametrize("eccentricity", [0.0, 0.2056, 0.8])
def test_kepler(eccentricity: float) -> None:
    M = np.array([0.5, 1.0, 2.0, 3.0])
    head = np.array([1.0, -2.0, 0.5, 3.0])
    made = run("kepler", "M", "eccentricity", M=M, eccentricity=eccentricity, head=head)
    exact = np.array([optimize.brentq(lambda E, m=m: E - eccentricity * np.sin(E) - m, 0, 7, xtol=1e-14) for m in M])
    np.testing.assert_allclose(made.value, exact, rtol=1e-10)
    stretch = 1 / (1 - eccentricity * np.cos(exact))
    np.testing.assert_allclose(made.grads["M"], head * stretch, rtol=1e-9)
    np.testing.assert_allclose(made.grads["eccentricity"], head @ (np.sin(exact) * stretch), rtol=1e-9)
    np.testing.assert_allclose(made.outputs["by_eccentricity"], np.sin(exact) * stretch, rtol=1e-9)


def test_k_means_moves_centres_to_the_means_of_their_points() -> None:
    points = columns("clouds").T
    centres = np.array([[0.0, 1], [2, 2], [1, 3]])
    near = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    slopes = np.array([2 * (centres[k] - points[near == k]).sum(axis=0) for k in range(3)])
    np.testing.assert_allclose(run("kmeans", "centres", points=points, rounds=0).grads["centres"], slopes, rtol=1e-13)
    for rounds in range(1, 5):
        near = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        centres = np.array([points[near == k].mean(axis=0) for k in range(3)])
        made = run("kmeans", points=points, rounds=rounds)
        np.testing.assert_allclose(made.outputs["centres"], centres, rtol=1e-12, atol=1e-15)
    far = run("kmeans", points=points, centres=np.array([[0.0, 0], [2, 2], [900, 900]]), rounds=3).outputs["centres"]
    np.testing.assert_array_equal(far[2], [900, 900])  # nothing is nearest to it


def test_the_mixture_is_a_sum_of_normal_densities() -> None:
    points = columns("clouds").T
    alphas, means = np.array([0.1, 0.3, -0.2]), np.array([[0.0, 0], [3, 1], [1, 4]])
    logs, below = np.array([[0.5, 1], [0.9, 0.4], [0.2, 0.7]]), np.array([0.1, -0.2, 0.3])
    density = np.zeros(len(points))
    for weight, mean, log, under in zip(special.softmax(alphas), means, logs, below, strict=True):
        root = np.diag(np.exp(log))
        root[1, 0] = under
        density += weight * stats.multivariate_normal(mean, np.linalg.inv(root.T @ root)).pdf(points)
    made = run("mixture", "alphas", "means", points=points)
    np.testing.assert_allclose(made.value, np.log(density).sum(), rtol=1e-12)
    np.testing.assert_allclose(made.grads["alphas"].sum(), 0, atol=1e-12)  # only differences of alphas matter


@pytest.mark.parametrize("a", [0.5, 1.0, 3.0])
def test_bisection_and_the_derivative_of_its_root(a: float) -> None:
    root = optimize.brentq(lambda x: np.cos(a * x) - x, 0, 1, xtol=1e-15)
    made = run("bisection", "a", a=a)
    np.testing.assert_allclose(made.value, root, rtol=1e-13)
    exact = -root * np.sin(a * root) / (1 + a * np.sin(a * root))
    np.testing.assert_allclose(made.grads["a"], exact, rtol=1e-12)
    np.testing.assert_allclose(made.outputs["closed_form"], exact, rtol=1e-12)
    assert run("bisection", "a", a=a, of="middle").grads["a"] == 0


def hold_out(settings: Any) -> float:
    """samples/hypergradient.nd in NumPy, the gradient of the inner loss by hand."""
    rate, momentum, decay = settings
    x = np.linspace(-1, 1, 16)
    y = np.sin(3 * x) + 0.2 * np.cos(20 * x)
    powers = np.vander(x, 6, increasing=True)
    A, b, A_out, b_out = powers[::2], y[::2], powers[1::2], y[1::2]
    w = speed = np.zeros(6)
    for _ in range(50):
        speed = momentum * speed - rate * (2 * A.T @ (A @ w - b) / 8 + 2 * decay * w)
        w = w + speed
    return float(np.mean((A_out @ w - b_out) ** 2))


def test_hypergradients_are_derivatives_of_the_whole_training() -> None:
    settings = np.array([0.1, 0.5, 0.01])
    made = run("hypergradient", "rate", "momentum", "decay")
    np.testing.assert_allclose(made.value, hold_out(settings), rtol=1e-12)
    numeric = optimize.approx_fprime(settings, hold_out, 1e-7)
    np.testing.assert_allclose(list(made.grads.values()), numeric, rtol=1e-5)
    once = run("hypergradient", outer=1)
    np.testing.assert_allclose(once.outputs["settings"], np.clip(settings - 0.05 * numeric, 0, 0.9), rtol=1e-5)


def test_one_gradient_per_example() -> None:
    temperature, damage = columns("challenger")
    data, w = np.stack([temperature, damage], axis=1), np.array([0, -0.1])
    X = np.stack([np.ones(23), (temperature - 70) / 10], axis=1)
    each = (special.expit(X @ w) - damage)[:, None] * X
    made = run("per_example", "limit", data=data, of="next", head=[1, -2])
    np.testing.assert_allclose(made.outputs["each"], each, rtol=1e-13, atol=1e-16)
    lengths = np.linalg.norm(each, axis=1)
    clipped = each * np.minimum(1, 0.6 / lengths)[:, None]
    np.testing.assert_allclose(made.outputs["next"], w - 0.1 * clipped.mean(axis=0), rtol=1e-13)
    assert made.outputs["clipped_examples"] == np.sum(lengths > 0.6) > 0
    longer = (each / lengths[:, None])[lengths > 0.6].sum(axis=0) / 23
    np.testing.assert_allclose(made.grads["limit"], -0.1 * longer @ [1, -2], rtol=1e-12)


# The textbook


def rod(k: Any) -> Any:
    return np.diag(k[:-1] + k[1:]) - np.diag(k[1:-1], 1) - np.diag(k[1:-1], -1)


def test_conjugate_gradients_solve_the_system() -> None:
    k, b = np.array([1.0, 2, 4, 2, 1, 1]), np.array([1.0, 0, 3, 0, 2])
    made = run("conjugate_gradients", "k", "b")
    x, green = np.linalg.solve(rod(k), b), np.linalg.inv(rod(k))[2]
    np.testing.assert_allclose(made.outputs["x"], x, rtol=1e-12)
    np.testing.assert_allclose(made.grads["b"], green, rtol=1e-10)
    stretched = np.diff(x, prepend=0, append=0) * np.diff(green, prepend=0, append=0)
    np.testing.assert_allclose(made.grads["k"], -stretched, rtol=1e-10)


def test_the_qr_iteration_finds_eigenvalues_and_how_they_move() -> None:
    A = np.diag([4.0, 3, 2, 1]) + np.eye(4, k=1) + np.eye(4, k=-1)
    made = run("qr_iteration", "A")
    values, vectors = np.linalg.eigh(A)
    np.testing.assert_allclose(made.outputs["eigenvalues"], values[::-1], rtol=1e-10)
    np.testing.assert_allclose(made.grads["A"], np.outer(vectors[:, -1], vectors[:, -1]), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("t", [-0.5, 0.0, 0.4, 2.2, 2.5, 4.5, 5.0])
def test_the_spline_is_the_natural_one(t: float) -> None:
    xs, ys = np.array([0, 1, 2.5, 3, 4.5]), np.array([0, 0.8, 0.6, 0.1, -0.9])
    exact = interpolate.CubicSpline(xs, ys, bc_type="natural")
    made = run("spline", "t", "ys", t=t)
    np.testing.assert_allclose(made.value, exact(t), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(made.grads["t"], exact(t, 1), rtol=1e-11)
    np.testing.assert_allclose(
        made.grads["ys"], interpolate.CubicSpline(xs, np.eye(5), bc_type="natural")(t), atol=1e-13
    )


@pytest.mark.parametrize("a", [0.5, 2.0, 6.0])
def test_adaptive_simpson_integrates(a: float) -> None:
    made = run("simpson", "a", a=a)

    def integral(a: float) -> float:
        wave = (5 - np.exp(-10 * a) * (a * np.sin(50) + 5 * np.cos(50))) / (a**2 + 25)
        return float(wave + np.arctan(10 - a) + np.arctan(a))

    np.testing.assert_allclose(made.value, integral(a), rtol=1e-8)
    exact = optimize.approx_fprime([a], lambda p: integral(p[0]), 1e-7)
    np.testing.assert_allclose(made.grads["a"], exact[0], rtol=1e-5, atol=1e-7)


def test_crank_nicolson_solves_the_heat_equation() -> None:
    made = run("heat", "D", nx=21)
    L = (np.eye(19, k=1) - 2 * np.eye(19) + np.eye(19, k=-1)) * 400
    x = np.linspace(0, 1, 21)[1:-1]
    start = np.sin(np.pi * x) + 0.5 * np.sin(3 * np.pi * x)
    values, vectors = linalg.eigh(L)  # every mode grows by its own factor in a step
    half = 0.1 * 0.02 / 2 * values
    growth = ((1 + half) / (1 - half)) ** 50
    slope = growth * 50 * 0.02 / 2 * values * (1 / (1 + half) + 1 / (1 - half))
    modes = vectors.T @ start
    np.testing.assert_allclose(made.value, (vectors @ (growth * modes))[9], rtol=1e-12)
    np.testing.assert_allclose(made.grads["D"], (vectors @ (slope * modes))[9], rtol=1e-11)
    assert run("heat", nx=81, steps=200, dt=0.005).outputs["error"] < made.outputs["error"] / 10


def test_the_implied_volatility_gives_the_price_back() -> None:
    made = run("implied_volatility", "price", "spot")
    sigma = float(made.value)
    d1 = (0.05 + sigma**2 / 2) / sigma
    normal = stats.norm
    np.testing.assert_allclose(100 * normal.cdf(d1) - 100 * np.exp(-0.05) * normal.cdf(d1 - sigma), 10.45, rtol=1e-12)
    vega, delta = 100 * normal.pdf(d1), normal.cdf(d1)
    np.testing.assert_allclose(made.outputs["vega"], vega, rtol=1e-10)
    np.testing.assert_allclose(made.grads["price"], 1 / vega, rtol=1e-10)
    np.testing.assert_allclose(made.grads["spot"], -delta / vega, rtol=1e-10)


def test_the_levinson_recursion_solves_the_toeplitz_system() -> None:
    r = np.array([1, 0.8, 0.5, 0.2, 0.1])
    made = run("levinson", "r")
    a = np.concatenate([[1], -linalg.solve_toeplitz(r[:4], r[1:])])
    np.testing.assert_allclose(made.outputs["a"], a, rtol=1e-12)
    np.testing.assert_allclose(made.value, r @ a, rtol=1e-12)
    # E is the least of aᵀ R a: only R itself moves it, each lag by the products of a at that distance
    lags = np.correlate(a, a, "full")[4:]
    np.testing.assert_allclose(made.grads["r"], lags * [1, 2, 2, 2, 2], rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_point_of_the_simplex(seed: int) -> None:
    y = np.random.default_rng(seed).normal(size=6)
    made = run("simplex", "y", y=y, of="x", head=np.arange(6.0))
    nearest = optimize.minimize(
        lambda x: ((x - y) ** 2).sum(),
        np.full(6, 1 / 6),
        bounds=[(0, None)] * 6,
        constraints={"type": "eq", "fun": lambda x: x.sum() - 1},
        tol=1e-14,
    )
    x = made.outputs["x"]
    np.testing.assert_allclose(x, nearest.x, atol=1e-6)
    kept = x > 0
    np.testing.assert_allclose(made.grads["y"], kept * (np.arange(6.0) - np.arange(6.0)[kept].mean()), atol=1e-12)


def test_the_rank_of_pages_is_the_stationary_distribution() -> None:
    links = np.array([[0, 1, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0], [1, 0, 1, 0]])
    P = (links / links.sum(axis=1, keepdims=True)).T
    made = run("pagerank", "damping")
    rank = np.linalg.solve(np.eye(4) - 0.85 * P, np.full(4, 0.15 / 4))
    by_damping = np.linalg.solve(np.eye(4) - 0.85 * P, P @ rank - 1 / 4)
    np.testing.assert_allclose(made.outputs["rank"], rank, rtol=1e-12)
    np.testing.assert_allclose(made.grads["damping"], by_damping[2], rtol=1e-10)


def test_levenberg_and_marquardt_find_the_fit() -> None:
    t, y = np.arange(6.0), np.array([5.1, 3.6, 2.7, 2.1, 1.75, 1.5])

    def residuals(b: Any, y: Any = y) -> Any:
        return b[0] * np.exp(-b[1] * t) + b[2] - y

    fit = optimize.least_squares(residuals, [1, 1, 1], xtol=1e-15, ftol=1e-15, gtol=1e-15)
    made = run("levenberg_marquardt", "y")
    np.testing.assert_allclose(made.outputs["b"], fit.x, rtol=1e-7)
    np.testing.assert_allclose(made.outputs["cost"], 2 * fit.cost, rtol=1e-10)
    b, r = made.outputs["b"], residuals(made.outputs["b"])
    decay = np.exp(-b[1] * t)
    J = np.array([decay, -b[0] * t * decay, np.ones(6)])
    bend = np.zeros((3, 3))
    bend[0, 1] = bend[1, 0] = -(t * decay) @ r
    bend[1, 1] = (b[0] * t**2 * decay) @ r
    implicit = np.linalg.solve(J @ J.T + bend, J)[1]
    # Every step leaves out the bend, but the derivatives settle at the implicit function's as the steps do
    np.testing.assert_allclose(made.grads["y"], implicit, rtol=1e-6)
