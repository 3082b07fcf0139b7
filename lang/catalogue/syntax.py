"""E1xx: the text is not a program."""

from __future__ import annotations

from ndgrad.lang.catalogue.entry import Entry

ENTRIES = (
    Entry(
        "E101",
        "a character without a meaning",
        "The program contains a character that no part of the language uses. Often it is an operator of another "
        "language (`^` for a power, `&&` for `and`), or a sign that came with text copied from a formatted page: "
        "a curly quote, a long dash in the place of a minus, an invisible space. The message says what to type.",
        "y = 2 ^ 3\n",
        "y = 2 ** 3\n",
    ),
    Entry(
        "E102",
        "a string without an end",
        "A quote opens a string, and the line ends before the same quote closes it. Strings cannot go on over "
        "several lines. There is no quote for a transpose: write `x.T`.",
        'y = 3\nassert y > 0, "y must be positive\n',
        'y = 3\nassert y > 0, "y must be positive"\n',
    ),
    Entry(
        "E103",
        "a missing colon",
        "The lines that open a block (`if`, `elif`, `else`, `while`, `for`, `def`) end with a colon; the indented "
        "lines after it are the block.",
        "x = 3\nif x > 0\n    y = x\n",
        "x = 3\nif x > 0:\n    y = x\n",
    ),
    Entry(
        "E104",
        "an assignment where a condition is needed",
        "A single `=` gives a name a value and cannot stand in a condition. Two values are compared with `==`.",
        "x = 3\nif x = 3:\n    y = 1\n",
        "x = 3\nif x == 3:\n    y = 1\n",
    ),
    Entry(
        "E105",
        "indentation that makes no sense",
        "Blocks are made by indentation: after a line that ends with a colon, the lines of its block are indented by "
        "the same amount, and the first line that goes back ends the block. This fails when a line is indented "
        "although no block was opened, when a block is empty (write `pass`), when a line goes back to a depth that "
        "no open block has, or when tabs and spaces are mixed so that the depth depends on the width of a tab.",
        "x = 3\nif x > 0:\ny = x\n",
        "x = 3\nif x > 0:\n    y = x\n",
    ),
    Entry(
        "E106",
        "a line that ends too early",
        "Something must follow before the end of the line: an operator has no right side, or a statement lacks its "
        "value. An expression goes on over several lines inside brackets, or after a `\\` at the end of the line.",
        "y = 3 +\n",
        "y = (3 +\n     4)\n",
    ),
    Entry(
        "E107",
        "something that cannot stand where it stands",
        "The words and signs before it are in order, but this one cannot follow them. An operator or a comma may be "
        "missing (`2 x`, `[1 2]`), a word of the language may be used as a name, or the statement belongs to "
        "another language. The message says what would have fitted, where that can be said.",
        "x = 3\ny = [x 4]\n",
        "x = 3\ny = [x, 4]\n",
    ),
    Entry(
        "E108",
        "an assignment to something that holds no value",
        "On the left of `=` stands a name, an index such as `x[0]`, or several of them with commas. A number, a call "
        "or a sum cannot be given a value. A function is defined with `def`.",
        "f(x) = x ** 2\n",
        "def f(x):\n    return x ** 2\ny = f(3)\n",
    ),
    Entry(
        "E109",
        "brackets that do not pair",
        "Every `(` needs its `)` and every `[` its `]`, closed in the reverse order of opening. The message points at "
        "the bracket that has no partner: a missing closing bracket belongs somewhere after it.",
        "y = sum([1, 2, 3)\nz = y + 1\n",
        "y = sum([1, 2, 3])\nz = y + 1\n",
    ),
    Entry(
        "E110",
        "digits and letters run together",
        "A number ends where a letter or a second point begins, and neither a name nor a number begins with what "
        "stands here. A product needs its `*`: `2*x`. Numbers are written 3, 0.5 or 1e-3; there are no suffixes, no "
        "hexadecimal and no complex numbers.",
        "x = 3\ny = 2x + 1\n",
        "x = 3\ny = 2*x + 1\n",
    ),
    Entry(
        "E111",
        "a statement in the wrong place",
        "`return` belongs into a function, `break` and `continue` into a loop. `input` stands at the top of a program, "
        "not in a block, and `output` not in a function.",
        "y = 3\nreturn y\n",
        "y = 3\noutput y\n",
    ),
    Entry(
        "E112",
        "a name given twice, or parameters out of order",
        "A parameter, an argument or an input can be given once. Parameters with a default follow those without, and "
        "arguments with a name follow those without.",
        "def f(a, a):\n    return a\ny = f(1, 2)\n",
        "def f(a, b):\n    return a + b\ny = f(1, 2)\n",
    ),
    Entry(
        "E113",
        "a string where a value is needed",
        "A program computes with numbers and arrays. A string can only be an argument of a function that asks for one "
        '(`print("loss", y)`, `einsum("ij->i", x)`), be compared with `==`, or be the message of `assert`. A number is '
        "written without quotes.",
        'y = 2 * "3"\n',
        "y = 2 * 3\n",
    ),
)
