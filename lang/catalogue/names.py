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
        "input x: float16 = 3\noutput 2 * x\n",
        "input x: float32 = 3\noutput 2 * x\n",
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
        "in the program. `ndgrad lint` also finds inputs that are declared and never read, or overwritten before that.",
        "$ ndgrad eval 'y = weight ** 2' -i weight=3 -i wieght=4\n",
        "$ ndgrad eval 'y = weight ** 2' -i weight=3\n",
    ),
    Entry(
        "W202",
        "a variable that nothing reads",
        "`ndgrad lint`: the variable is given a value, and neither the program nor an `output` uses it. The name may "
        "be misspelt where it should be read. A name that begins with `_` is meant to be unused, and a variable that a "
        "comment of the program names with `--of` is used by whoever follows the comment.",
        "$ printf 'input x\ntotal = sum(x)\noutput mean(x)\n' | ndgrad lint -\n",
        "$ printf 'input x\ntotal = sum(x)\noutput total, mean(x)\n' | ndgrad lint -\n",
    ),
    Entry(
        "W203",
        "a parameter that its function does not read",
        "`ndgrad lint`: callers give a value that changes nothing. Functions that are handed on as values are left "
        "out, since their parameters are not their own choice, and so are parameters whose names begin with `_`.",
        "$ printf 'input x\ndef f(a, b): return a * a\noutput f(x, 2)\n' | ndgrad lint -\n",
        "$ printf 'input x\ndef f(a): return a * a\noutput f(x)\n' | ndgrad lint -\n",
    ),
    Entry(
        "W204",
        "a function that the program never uses",
        "`ndgrad lint`: nothing calls the function, other than itself, or nothing of a file that is brought in with "
        "`use`. Files that only define functions are left out: they are there for others.",
        "$ printf 'input x\ndef f(a): return a * a\noutput x\n' | ndgrad lint -\n",
        "$ printf 'input x\ndef f(a): return a * a\noutput f(x)\n' | ndgrad lint -\n",
    ),
    Entry(
        "W205",
        "a part of the program that is never reached",
        "`ndgrad lint`: the statements stand behind one that always leaves (`return`, `break`, `continue`, a loop "
        "without end), or under a condition that never holds.",
        "$ printf 'def f(a):\n    return a\n    a = 2\ny = f(3)\n' | ndgrad lint -\n",
        "$ printf 'def f(a):\n    a = 2 * a\n    return a\ny = f(3)\n' | ndgrad lint -\n",
    ),
    Entry(
        "W206",
        "a name that hides a function",
        "`ndgrad lint`: a function has the name of a built-in one, or a variable has such a name and the program calls "
        "it; or a name is both a function and something else. A call may then not reach what it means.",
        "$ printf 'def square(x): return x * x\ny = square(3)\n' | ndgrad lint -\n",
        "$ printf 'def squared(x): return x * x\ny = squared(3)\n' | ndgrad lint -\n",
    ),
    Entry(
        "W207",
        "an expression whose value is dropped",
        "`ndgrad lint`: a line computes something that is neither kept nor shown. `x == 1` compares, `x = 1` gives a "
        "value; `sort(x)` leaves x as it is, `x = sort(x)` does not; a function gives its value with `return`. Only "
        "the last line of a program without `output` is shown by itself.",
        "$ printf 'x = [3, 1, 2]\nsort(x)\noutput x\n' | ndgrad lint -\n",
        "$ printf 'x = [3, 1, 2]\nx = sort(x)\noutput x\n' | ndgrad lint -\n",
    ),
    Entry(
        "W208",
        "a variable that may be read before it has a value",
        "`ndgrad lint`: only some branches give the variable a value, and a line that every path comes to reads it. On "
        "the other paths the run stops with E201.",
        "$ printf 'input x\nif sum(x) > 0:\n    y = x\noutput 2 * y\n' | ndgrad lint -\n",
        "$ printf 'input x\ny = 0\nif sum(x) > 0:\n    y = x\noutput 2 * y\n' | ndgrad lint -\n",
    ),
    Entry(
        "W209",
        "a name that only the caller can give a value",
        "`ndgrad lint`: the program reads a name that it never gives a value before, and does not declare it. A run "
        "with `-i NAME=VALUE` works, but a misspelt name looks just like this. An `input` statement makes it clear.",
        "$ printf 'y = x ** 2\n' | ndgrad lint -\n",
        "$ printf 'input x\ny = x ** 2\n' | ndgrad lint -\n",
    ),
    Entry(
        "W210",
        "a comment that suppresses a warning which is not there",
        "`# lint: ignore[W202]` at the end of a line keeps that warning of the line to itself, `# lint: ignore` every "
        "one. This comment keeps back nothing: the warning is gone, or belongs to another line.",
        "$ printf 'x = 3  # lint: ignore[W202]\noutput x\n' | ndgrad lint -\n",
        "$ printf 'x = 3\noutput x\n' | ndgrad lint -\n",
    ),
    Entry(
        "W211",
        "a loop that never ends once it has begun",
        "`ndgrad lint`: the loop gives no new value to anything in its condition, and neither `break` nor `return` "
        "leaves it.",
        "$ printf 'x = 1\ny = 1\nwhile x < 100:\n    y = 2 * y\noutput y\n' | ndgrad lint -\n",
        "$ printf 'y = 1\nwhile y < 100:\n    y = 2 * y\noutput y\n' | ndgrad lint -\n",
    ),
    Entry(
        "W212",
        "a program that shows no value",
        "The run ended, and there is nothing to show: the program is empty, defines functions without calling them, or "
        "ends with a block in which nothing got a value. A function's body on its line takes all of that line: "
        "`def f(x): return f(x); f(1)` calls nothing. A program that prints is left alone.",
        "$ ndgrad eval 'def f(x): return x * x'\n",
        "$ printf 'def f(x): return x * x\noutput f(3)\n' | ndgrad run -\n",
    ),
)
