"""E4xx: derivatives that cannot be given, and gradients that are zero."""

from __future__ import annotations

from ndgrad.lang.catalogue.entry import Entry

ENTRIES = (
    Entry(
        "E401",
        "a value that has no gradient",
        "Only floats carry gradients: an integer or a boolean does not change by a small amount. Inputs from numbers "
        "on the command line are floats; a file keeps its kind. Convert with `float(x)`, or with `--dtype float64`.",
        "$ ndgrad eval 'y = x > 0' -i x=3 --grad x\n",
        "$ ndgrad eval 'y = where(x > 0, x, 0)' -i x=3 --grad x\n",
    ),
    Entry(
        "E402",
        "an array that was not recorded",
        "`backward()` follows what was recorded. Compute the value inside `with autograd.record():`, from arrays that "
        "have called `attach_grad()`.",
        ">>> from ndgrad import nd\n>>> x = nd.array([1.0, 2.0])\n>>> y = x * x\n>>> y.backward()\n",
        ">>> from ndgrad import nd, autograd\n>>> x = nd.array([1.0, 2.0])\n>>> x.attach_grad()\n"
        ">>> with autograd.record():\n>>>     y = x * x\n>>> y.backward()\n",
    ),
    Entry(
        "E403",
        "a recording that was already used up",
        "`backward()` frees what was recorded, to save memory. To go back through it once more, the first call keeps "
        "it with `retain_graph=True`.",
        ">>> from ndgrad import nd, autograd\n>>> x = nd.array([1.0, 2.0])\n>>> x.attach_grad()\n"
        ">>> with autograd.record():\n>>>     y = x * x\n>>> y.backward()\n>>> y.backward()\n",
        ">>> from ndgrad import nd, autograd\n>>> x = nd.array([1.0, 2.0])\n>>> x.attach_grad()\n"
        ">>> with autograd.record():\n>>>     y = x * x\n>>> y.backward(retain_graph=True)\n>>> y.backward()\n",
    ),
    Entry(
        "E404",
        "a head of the wrong shape",
        "The head is the gradient that arrives at the output from above, one number for each entry of the output: it "
        "has the output's shape, or broadcasts to it. Without a head it is all ones.",
        "$ ndgrad eval 'y = x ** 2' -i x=[1,2] --grad x --head [1,2,3]\n",
        "$ ndgrad eval 'y = x ** 2' -i x=[1,2] --grad x --head [1,10]\n",
    ),
    Entry(
        "E405",
        "a value was overwritten that the derivative needs",
        "The derivative of an operation is computed from its operands, later than the operation. One of them was "
        "overwritten in between through its buffer, so the gradient would be wrong. Write to a copy. A function given "
        "to `checkpoint`, `fixed_point` or `custom_gradient` is run again for the derivative: what it reads from "
        "Python objects must be what it was, so pass that as an argument.",
        ">>> from ndgrad import nd, autograd\n>>> x = nd.array([1.0, 2.0])\n>>> x.attach_grad()\n"
        ">>> with autograd.record():\n>>>     y = x * x\n>>> x[:] = 0\n>>> y.backward()\n",
        ">>> from ndgrad import nd, autograd\n>>> x = nd.array([1.0, 2.0])\n>>> x.attach_grad()\n"
        ">>> with autograd.record():\n>>>     y = x * x\n>>> z = x.copy()\n>>> z[:] = 0\n>>> y.backward()\n",
    ),
    Entry(
        "E406",
        "an operation without a derivative",
        "The value depends on an input through an operation, or an argument of it, for which no derivative is "
        "defined. `stop_gradient(x)` says that this path is not to be followed.",
        "$ ndgrad eval 'y = full(2, x)' -i x=3 --grad x\n",
        "$ ndgrad eval 'y = x * ones(2)' -i x=3 --grad x\n",
    ),
    Entry(
        "E409",
        "no array to differentiate by",
        "The value was recorded, but no array that it was computed from asks for a gradient any more: `drop_grad()` "
        "was called on it before `backward()`.",
        ">>> from ndgrad import nd, autograd\n>>> x = nd.array([1.0, 2.0])\n>>> x.attach_grad()\n"
        ">>> with autograd.record():\n>>>     y = x * x\n>>> x.drop_grad()\n>>> y.backward()\n",
        ">>> from ndgrad import nd, autograd\n>>> x = nd.array([1.0, 2.0])\n>>> x.attach_grad()\n"
        ">>> with autograd.record():\n>>>     y = x * x\n>>> y.backward()\n>>> x.drop_grad()\n",
    ),
    Entry(
        "E410",
        "a derivative that does not exist at this point",
        "The value could be computed, but its derivative cannot at just this point: the derivative needs the inverse "
        "of a matrix that is singular, for example.",
        "$ ndgrad eval 'y = slogdet(x)[1]' -i 'x=[[1,2],[2,4]]' --grad x\n",
        "$ ndgrad eval 'y = slogdet(x)[1]' -i 'x=[[1,2],[3,4]]' --grad x\n",
    ),
    Entry(
        "E411",
        "a fixed point that is not reached",
        "`fixed_point(f, x)` repeats `x = f(x)` until it changes no more. This iteration does not come to rest: it "
        "grows, or it swings. Start nearer to the fixed point, or damp the step: `x + 0.5 * (f(x) - x)`.",
        "y = fixed_point(lambda x: 1 - x, 0.3)\n",
        "y = fixed_point(lambda x: x + 0.5 * (1 - x - x), 0.3)\n",
    ),
    Entry(
        "E412",
        "a write into an array from outside",
        "Inside `jvp` and `vmap` values carry more than their numbers (a tangent, or a whole batch), and an array that "
        "was made outside cannot hold them. Build the result from its parts with `stack`, `concatenate` or `where`.",
        ">>> import ndgrad\n>>> from ndgrad import nd\n>>> def f(x):\n>>>     z = nd.zeros(2)\n>>>     z[0] = x\n"
        ">>>     return z\n>>> ndgrad.jvp(f, [nd.array(1.0)], [nd.array(1.0)])\n",
        ">>> import ndgrad\n>>> from ndgrad import nd\n>>> def f(x):\n>>>     return nd.stack(x, 0 * x)\n"
        ">>> ndgrad.jvp(f, [nd.array(1.0)], [nd.array(1.0)])\n",
    ),
    Entry(
        "E413",
        "a minimum of something that has none",
        "`ndgrad minimize` looks for the smallest value of one number; for `--method least-squares` the output is the "
        "residuals, an array, whose squares the method sums up. `--of NAME` names another output or variable.",
        "$ printf 'input w = [3, 5]; r = w - [1, 2]; sum(r ** 2)' > f.nd\n$ ndgrad minimize f.nd --over w --of r\n",
        "$ printf 'input w = [3, 5]; r = w - [1, 2]; sum(r ** 2)' > f.nd\n$ ndgrad minimize f.nd --over w\n",
    ),
)

WARNINGS = (
    Entry(
        "W401",
        "the output does not depend on the input",
        "No path leads from the input to the output in this run, so the gradient is zero everywhere. The input may be "
        "used only in a branch that was not taken, or may have been overwritten before it was read.",
        "$ ndgrad eval 'y = 3; z = x; y' -i x=2 --grad x\n",
        "$ ndgrad eval 'y = 3; z = x; y * z' -i x=2 --grad x\n",
    ),
    Entry(
        "W402",
        "the output depends on the input only in steps",
        "Every path from the input to the output passes through an operation that is constant between its steps "
        "(rounding, comparisons, indices), so the gradient is zero almost everywhere. A smooth stand-in has a slope: "
        "`sigmoid(x)` for `x > 0`, for example.",
        "$ ndgrad eval 'y = floor(x)' -i x=2.5 --grad x\n",
        "$ ndgrad eval 'y = x - floor(x)' -i x=2.5 --grad x\n",
    ),
    Entry(
        "W403",
        "a result that holds nan",
        "Every input is finite, but an operation has no value there, or its derivative has none: the logarithm of a "
        "negative number, 0 / 0, inf - inf. What follows from it is nan too. `--nan-check` stops at the operation "
        "where it begins; a program that writes `nan` itself is not warned of.",
        "input x = [4, -1]\ny = sum(sqrt(x))\n",
        "input x = [4, -1]\ny = sum(where(x > 0, sqrt(x), 0))\n",
    ),
)
