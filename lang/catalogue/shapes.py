"""E3xx: shapes, dtypes and values."""

from __future__ import annotations

from ndgrad.lang.catalogue.entry import Entry

ENTRIES = (
    Entry(
        "E301",
        "shapes that do not go together",
        "Two arrays are combined entry by entry when their shapes, read from the end, are equal or 1 in every axis; "
        "an axis of size 1 is repeated. A matrix product needs the last axis of the left operand to be as long as "
        "the last but one of the right operand. The message gives both shapes. An axis of size 1 is inserted with "
        "`x[:, None]`, a matrix is turned with `.T`.",
        "x = [[1, 2], [3, 4], [5, 6]]\nw = [1, 2, 3]\ny = x * w\n",
        "x = [[1, 2], [3, 4], [5, 6]]\nw = [1, 2, 3]\ny = x * w[:, None]\n",
    ),
    Entry(
        "E302",
        "a shape or an axis that is not as it should be",
        "An input has another shape than the program declares, one name of a size stands for two sizes, or a function "
        "is asked to work along an axis that the array does not have. Axes are counted from 0, or from the end with "
        "negative numbers.",
        "x = [1, 2, 3]\ny = sum(x, axis=1)\n",
        "x = [1, 2, 3]\ny = sum(x, axis=0)\n",
    ),
    Entry(
        "E303",
        "an index that does not fit",
        "The index lies outside of the array, has more parts than the array has axes, or is of a kind that does not "
        "index; or the value has no entries at all. Entries are counted from 0, or from the end with negative "
        "numbers: `x[-1]` is the last one.",
        "x = [1, 2, 3]\ny = x[3]\n",
        "x = [1, 2, 3]\ny = x[2]\n",
    ),
    Entry(
        "E304",
        "operands that the operation cannot take",
        "The shapes do not fit what is to be done: a value is written to entries of another shape, arrays are joined "
        "whose other axes differ, a reshape changes the number of entries, a matrix is not square.",
        "x = zeros((2, 3))\nx[0] = [1, 2]\n",
        "x = zeros((2, 3))\nx[0] = [1, 2, 5]\n",
    ),
    Entry(
        "E305",
        "no number and no array",
        "The operation computes with numbers and arrays, and got something else: a tuple, a function, a string, or "
        "`None` from a function that returns nothing.",
        "def f(x):\n    y = 2 * x\nz = f(3) + 1\n",
        "def f(x):\n    y = 2 * x\n    return y\nz = f(3) + 1\n",
    ),
    Entry(
        "E306",
        "a dtype that does not hold the values",
        "Floats are written into an array of integers, which would lose their digits; or an operation is not defined "
        "for values of this kind. `float(x)` makes an array of floats.",
        "x = arange(3)\nx[0] = 0.5\n",
        "x = float(arange(3))\nx[0] = 0.5\n",
    ),
    Entry(
        "E307",
        "an argument with a value that makes no sense",
        "The function has this parameter, but not this value for it: a step of 0, a negative size, a name that is not "
        "one of its choices, a number outside of its range.",
        "y = linspace(0, 1, num=-3)\n",
        "y = linspace(0, 1, num=3)\n",
    ),
    Entry(
        "E308",
        "several entries where one is needed",
        "The condition of `if`, `while`, `assert`, `and`, `or`, `not` is one boolean or number. A comparison of arrays "
        "gives one answer for each entry: `all(...)` or `any(...)` make one of them, and masks are combined with "
        "`logical_and`, `logical_or` and `logical_not`. `where(mask, a, b)` chooses entry by entry.",
        "x = [1, -2, 3]\nif x > 0:\n    y = 1\n",
        "x = [1, -2, 3]\ny = 0\nif all(x > 0):\n    y = 1\n",
    ),
    Entry(
        "E309",
        "an integer divided by zero",
        "`//` and `%` of integers have no value when the divisor is 0. Floats divide by zero to inf or nan, with `/` "
        "always.",
        "y = 7 // 0\n",
        "y = 7 / 0\n",
    ),
    Entry(
        "E310",
        "an array whose entries differ in shape",
        "All entries of an array have the same shape: the rows of a matrix are equally long. Values of different "
        "shapes are kept in a tuple: `(a, b)`.",
        "x = [[1, 2], [3]]\n",
        "x = [[1, 2], [3, 4]]\n",
    ),
    Entry(
        "E311",
        "a loop over something without entries",
        "`for` runs over the numbers of `range(n)`, the rows of an array, or the entries of a tuple. A single number "
        "has no entries.",
        "n = 3\ntotal = 0\nfor i in n:\n    total += i\n",
        "n = 3\ntotal = 0\nfor i in range(n):\n    total += i\n",
    ),
    Entry(
        "E312",
        "an integer is needed",
        "Counts, sizes and indices are integers. `/` always gives a float; `//` divides integers and gives one. "
        "`int(x)` cuts the digits off.",
        "n = 5\ntotal = 0\nfor i in range(n / 2):\n    total += i\n",
        "n = 5\ntotal = 0\nfor i in range(n // 2):\n    total += i\n",
    ),
    Entry(
        "E313",
        "an output that cannot be shown",
        "An output is a number, an array, or a tuple of them. A function or a string is none.",
        "def f(x):\n    return x ** 2\noutput f\n",
        "def f(x):\n    return x ** 2\noutput f(3)\n",
    ),
    Entry(
        "E320",
        "an assertion does not hold",
        "An `assert` of the program found its condition false, and stopped the run. The message is the one that the "
        "program gives.",
        'rate = -0.1\nassert rate > 0, "the rate must be positive"\n',
        'rate = 0.1\nassert rate > 0, "the rate must be positive"\n',
    ),
)

WARNINGS = (
    Entry(
        "W301",
        "a vector meets a column",
        "`ndgrad lint`: a vector of n entries and an n by 1 array do not pair entry by entry: each entry of the one "
        "meets all of the other, and the result is n by n. That is a usual slip where targets have a second axis. "
        "Where it is meant, `x[:, None]`, `reshape` or `expand_dims` in the operation or before it say so.",
        "$ printf 'input x: [n]\ninput y: [n, 1]\noutput mean((x - y) ** 2)\n' | ndgrad lint -\n",
        "$ printf 'input x: [n]\ninput y: [n, 1]\noutput mean((x - y[:, 0]) ** 2)\n' | ndgrad lint -\n",
    ),
    Entry(
        "W302",
        "sizes that must agree, though the declarations leave them open",
        "`ndgrad lint`: an operation fails for most sizes that the `input` statements allow. Sizes that are the same "
        "get one name, and a size that is fixed is written as a number: the run then says at its start which input is "
        "wrong. Where the sizes are as they should be, the operation is not.",
        "$ printf 'input X: [n, d]\ninput w: [n]\noutput X @ w\n' | ndgrad lint -\n",
        "$ printf 'input X: [n, d]\ninput w: [d]\noutput X @ w\n' | ndgrad lint -\n",
    ),
    Entry(
        "W303",
        "a part of the program that fails whenever a run comes to it",
        "`ndgrad lint`: whatever the values are, this line ends the run with an error. Lint cannot tell whether a run "
        "comes here: the line stands in a branch, a loop or a function.",
        "$ printf 'input x\nif x > 0:\n    x = ones(2) @ ones(3)\noutput x\n' | ndgrad lint -\n",
        "$ printf 'input x\nif x > 0:\n    x = ones(3) @ ones(3)\noutput x\n' | ndgrad lint -\n",
    ),
)
