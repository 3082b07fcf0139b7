"""What a user of the library gets wrong is told by a code and in words, never by an exception of NumPy's own."""

from __future__ import annotations

import numpy as np

import ndgrad
from ndgrad import autograd, nd
from ndgrad.errors import Error

REFUSED = """
E204 nd.add_n()
E204 nd.dot(x)
E204 nd.exp(x, foo=1)
E301 1 @ x
E301 nd.batch_dot(x, x)
E301 nd.broadcast_axis(v, axis=(0, 1), size=2)
E301 nd.broadcast_axis(v, axis=7, size=2)
E301 nd.broadcast_to(v, (2, 4))
E301 nd.dot(1, 2)
E301 nd.dot(x, x)
E301 nd.full((2,), v)
E301 nd.linalg.gemm2(x, x)
E301 nd.tile(v, -1)
E301 nd.where(x, v, nd.array([1.0, 2]))
E301 x + [1, 2]
E301 x + nd.array([1, 2])
E301 x @ 1
E302 nd.argsort(v, axis=4)
E302 nd.concat(x, x, dim=7)
E302 nd.expand_dims(x, 9)
E302 nd.flip(x, 9)
E302 nd.moments(x, axes=9)
E302 nd.norm(x, axis=8)
E302 nd.slice_axis(x, axis=4, begin=0, end=1)
E302 nd.softmax(x, axis=9)
E302 nd.sort(v, axis=4)
E302 nd.split(x, 3, axis=9)
E302 nd.squeeze(x, "a")
E302 nd.swapaxes(x, 0, 9)
E302 ndgrad.vmap(lambda a: a, in_axes=9)(x)
E302 x.mean(axis=[0, 7])
E302 x.sum(axis="a")
E302 x.sum(axis=1.5)
E302 x.sum(axis=5)
E302 x.transpose("a")
E302 x.transpose((0, 0))
E303 nd.Embedding(nd.array([9]), x)
E303 nd.gather_nd(x, nd.array([[9], [0]]))
E303 nd.pick(x, nd.array([0, 1, 2]))
E303 nd.scatter_nd(v, nd.array([[0, 1, 2]]), (2,))
E303 nd.slice_axis(x, axis=0, begin=0.5, end=1)
E303 nd.take(v, nd.array([0.5]))
E303 x.__setitem__(5, 1)
E303 x.__setitem__(slice(1.5), 1)
E303 x["a"]
E303 x[1.5:]
E303 x[1.5]
E303 x[10 ** 30]
E303 x[1j]
E303 x[5]
E303 x[::0]
E303 x[nd.array([np.inf])]
E303 x[nd.array([np.nan])]
E303 x[np.array(["a"])]
E303 x[np.array([0.5])]
E303 x[np.float32(1)]
E303 x[object()]
E303 x[{}]
E304 nd.BatchNorm(x, v, v, v, nd.array([1.0]))
E304 nd.Convolution(x, x, kernel=(3,))
E304 nd.argmax(nd.zeros((0,)))
E304 nd.concat(x, v, dim=0)
E304 nd.depth_to_space(x, 2)
E304 nd.einsum("ij,jk", x, x)
E304 nd.exp()
E304 nd.khatri_rao(v, v)
E304 nd.linalg.det(x)
E304 nd.linalg.inverse(nd.zeros((2, 2)))
E304 nd.linalg.inverse(x)
E304 nd.linalg.potrf(nd.array([[1.0, 2], [2, 1]]))
E304 nd.linalg.svd(nd.array([np.nan]))
E304 nd.linalg.trsm(x, x)
E304 nd.max(nd.zeros((0,)))
E304 nd.pick(x, nd.array([0, 1]), axis=9)
E304 nd.ravel_multi_index(nd.array([[9], [9]]), (2, 3))
E304 nd.searchsorted(x, 1)
E304 nd.shuffle(nd.array(1.0))
E304 nd.slice_like(x, v, axes=(5,))
E304 nd.split(x, 5)
E304 nd.squeeze(x, 0)
E304 nd.stack(x, v)
E304 nd.tensordot(x, x, 5)
E304 nd.tensordot(x, x, axes="a")
E304 nd.topk(v, axis=4)
E304 nd.unravel_index(nd.array([99]), (2, 3))
E304 ndgrad.vmap(lambda a, b: a + b)(x, v)
E304 ndgrad.vmap(lambda a: a)(5)
E304 x.__setitem__(0, [1, 2])
E304 x.copyto(v)
E304 x.reshape((-3, -3))
E304 x.reshape((-4, 5, 7))
E304 x.reshape((0, 0, 0, 0))
E304 x.reshape((7,))
E305 "a" + x
E305 nd.exp("a")
E305 nd.from_numpy([1, 2])
E305 nd.kron("a", 1)
E305 x ** "a"
E305 x + "a"
E305 x + 1j
E305 x + object()
E305 x < "a"
E305 x == "a"
E305 x @ "a"
E305 x.__setitem__(0, "a")
E305 x.__setitem__(0, None)
E306 -nd.array([True])
E306 nd.array([True]) - nd.array([True])
E306 nd.cast(x, "foo")
E306 nd.clip(x, "a", 1)
E306 nd.diag(x, "a")
E306 x.astype("foo")
E307 autograd.backward([x], [1, 2])
E307 autograd.mark_variables([x], [])
E307 nd.Activation(x, "foo")
E307 nd.Dropout(x, p=2)
E307 nd.arange("a")
E307 nd.arange(0, 1, 0)
E307 nd.arange(0, 10, repeat=-1)
E307 nd.array("abc", dtype="float32")
E307 nd.array([1, 2], ctx="cpu")
E307 nd.array([300], dtype="uint8")
E307 nd.array([float("nan")], dtype="int32")
E307 nd.broadcast_to(v, "a")
E307 nd.concat(dim=0)
E307 nd.concatenate([])
E307 nd.einsum("i(", x)
E307 nd.einsum(x)
E307 nd.exp(x, 5)
E307 nd.eye(-1)
E307 nd.eye(2.5)
E307 nd.full((2,), "a")
E307 nd.linspace("a", 1, 3)
E307 nd.linspace(0, 1, -1)
E307 nd.linspace(0, 1, 2.5)
E307 nd.norm(x, ord=3)
E307 nd.one_hot(nd.array([1]), "a")
E307 nd.ones(None)
E307 nd.pad(x, mode="foo", pad_width=(1, 1, 1, 1))
E307 nd.pad(x, pad_width=(-1, 1, 1, 1))
E307 nd.pad(x, pad_width=(1,))
E307 nd.quantile(x, 2)
E307 nd.random.normal(0, -1, shape=(2,))
E307 nd.random.poisson(-1, shape=(2,))
E307 nd.random.randint(5, 2, shape=(2,))
E307 nd.random.uniform(0, 1, shape=(-1,))
E307 nd.repeat(v, -1)
E307 nd.slice(x, begin=(0,), end=(1, 2))
E307 nd.stack()
E307 nd.tile(v, "a")
E307 nd.topk(v, k=-1)
E307 nd.topk(v, k=9)
E307 nd.zeros("a")
E307 nd.zeros((2, -1))
E307 nd.zeros((2, 2.5))
E307 ndgrad.grad(lambda x: x.sum(), 5)(v)
E307 ndgrad.jvp(lambda x: x, (v,), (v, v))
E307 x.as_in_context("cpu")
E307 x.attach_grad("foo")
E307 x.copyto("a")
E307 x.reshape("a")
E307 x.reshape((-1, -1))
E307 x.reshape((2, 2.5))
E307 x.sum(axis=(0, 0))
E308 bool(x)
E308 float(x)
E308 int(x)
E308 x.asscalar()
E308 x.item()
E310 nd.array([[1, 2], [3]])
E310 nd.array([nd.array([1, 2]), nd.array([3])])
E310 nd.sum([[1, 2], [3]])
E310 x + [[1, 2], [3]]
E310 x.__setitem__(0, [[1, 2], [3]])
E310 x[[[0, 1], [2]]]
E401 nd.array([1]).astype("int32").attach_grad()
E402 autograd.backward("a")
E402 autograd.get_symbol(v)
E402 autograd.grad([], [x])
E402 autograd.grad(x, "a")
E402 autograd.grad(x, [1])
E402 x.backward()
E404 ndgrad.jvp(lambda x: x, [v], [x])
E409 autograd.backward([])
E601 nd.array("a")
E601 nd.array(None)
E601 nd.array([1, "a"])
E601 nd.array([1, 2], dtype="foo")
E601 nd.array([10 ** 400])
E601 nd.from_numpy(np.array(["a"]))
E601 nd.norm("a")
E601 nd.sum("a")
E601 nd.take(v, "a")
E601 nd.zeros((2, 2), dtype="foo")
E601 ndgrad.jacobian(lambda a: "s")(v)
E601 x.astype("complex64")
E601 x.dot("a")
"""


def told(expression: str) -> str:
    """The code of the error that the expression raises, or what happens instead."""
    known = {
        "x": nd.array([[1.0, 2, 3], [4, 5, 6]]),
        "v": nd.array([1.0, 2, 3]),
        **{"np": np, "nd": nd, "ndgrad": ndgrad, "autograd": autograd},
    }
    try:
        with np.errstate(all="ignore"):
            eval(expression, known)
    except Error as error:
        return error.code
    except Exception as error:
        return repr(error)
    return "nothing"


def test_every_mistake_has_its_code() -> None:
    cases = [line.partition(" ")[::2] for line in REFUSED.strip().splitlines()]
    assert len(cases) > 180
    wrong = {expression: told(expression) for code, expression in cases if told(expression) != code}
    assert wrong == {}
