"""E2xx: names and calls."""

from __future__ import annotations

from ndgrad.lang.catalogue.entry import Entry

ENTRIES = (
    Entry(
        "E201",
        "a name without a value",
        "Nothing gives this name a value: no assignment reaches this line, it is no function or constant of the "
        "language, and the caller did not bind it. It may be misspelt, or assigned only in a branch that was not "
        "taken. An input is bound on the command line with `-i NAME=VALUE`. Functions are called without the "
        "name of a package: `sum(x)`, not `np.sum(x)`.",
        "x = 3\nif x > 5:\n    y = 1\nz = y + 1\n",
        "x = 3\ny = 0\nif x > 5:\n    y = 1\nz = y + 1\n",
    ),
    Entry(
        "E202",
        "a call of something that is no function",
        "No function, method or attribute has this name, or the value that is called is no function. Methods need "
        "their brackets: `x.sum()`. The attributes of an array are `T`, `shape`, `size`, `ndim` and `dtype`; all "
        "functions of arrays can be written as methods. A product needs its `*`: `2*(x + 1)`.",
        "x = [1.0, 2.0]\ny = x.sum\n",
        "x = [1.0, 2.0]\ny = x.sum()\n",
    ),
    Entry(
        "E203",
        "an input without a value",
        "The program declares this input without a default, and the caller did not bind it. Bind it with "
        "`-i NAME=VALUE`, or give it a default: `input x = 3`.",
        "input x\ny = x ** 2\n",
        "input x = 3\ny = x ** 2\n",
    ),
    Entry(
        "E204",
        "arguments that do not fit the function",
        "The function takes another number of arguments, or has no parameter of this name, or gets one twice. The "
        "message names the parameters it has.",
        "y = sum([[1, 2], [3, 4]], axes=0)\n",
        "y = sum([[1, 2], [3, 4]], axis=0)\n",
    ),
    Entry(
        "E205",
        "a name on the command line that the program does not have",
        "`--grad` names the inputs to differentiate by, `--of` the output or variable to differentiate. The name must "
        "be one of the program's, written as it is there.",
        "$ ndgrad eval 'y = x ** 2' -i x=3 --grad z\n",
        "$ ndgrad eval 'y = x ** 2' -i x=3 --grad x\n",
    ),
    Entry(
        "E206",
        "an unknown dtype",
        "The values of an array are `float32`, `float64`, `int64` or `bool`. There are no other kinds.",
        "input x: float16 = 3\n",
        "input x: float32 = 3\n",
    ),
    Entry(
        "E207",
        "a value that does not unpack",
        "Several names on the left of `=` take the entries of a tuple, or the rows of an array, one each: there must "
        "be as many entries as names.",
        "a, b = [1, 2, 3]\n",
        "a, b, c = [1, 2, 3]\n",
    ),
    Entry(
        "E208",
        "a program without a value to differentiate",
        "A gradient is the gradient of an output: what `output` names, or the value of the last assignment or "
        "expression. This program has none.",
        "$ ndgrad eval 'pass' -i x=3 --grad x\n",
        "$ ndgrad eval 'y = x ** 2' -i x=3 --grad x\n",
    ),
    Entry(
        "E209",
        "a function of another file that needs what only a run of that file knows",
        "`use` brings in the functions of another file with the constants beside them. This function reads an input of "
        "that file, or a value that it computes in a loop or a branch. Make that a parameter of the function.",
        "$ printf 'input w\ndef f(x): return w * x\n' > other.nd\n$ ndgrad eval 'use \"other.nd\"; y = f(3)'\n",
        "$ printf 'def f(x, w): return w * x\n' > other.nd\n$ ndgrad eval 'use \"other.nd\"; y = f(3, 2)'\n",
    ),
)

WARNINGS = (
    Entry(
        "W201",
        "an input that the program never uses",
        "A value was bound to a name that the program does not read. The name may be misspelt on the command line or "
        "in the program.",
        "$ ndgrad eval 'y = weight ** 2' -i weight=3 -i wieght=4\n",
        "$ ndgrad eval 'y = weight ** 2' -i weight=3\n",
    ),
)
