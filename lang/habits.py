"""What people write who come from other languages and from formatted text, and what it is here: tables.

Data only; `layout`, `slips` and `problems` put it into diagnostics.
"""

from __future__ import annotations

# Characters that no part of the language uses: what to do about them

SIGNS: dict[str, str] = {
    "^": "powers are written with `**`",
    "&&": "write `and`; for masks logical_and(a, b)",
    "||": "write `or`; for masks logical_or(a, b)",
    "&": "write `and` between two conditions; for masks logical_and(a, b)",
    "|": "write `or` between two conditions; for masks logical_or(a, b)",
    "~": "write `not` before a condition; for masks logical_not(a)",
    "!": "write `not x`, or `a != b`; for masks logical_not(a)",
    "?": "write `a if condition else b`",
    "$": "a name is written without a sign before it",
    "\\": "a backslash continues a line only as its last character",
    "`": "a string is written with \" or '",
    "⁄": "write `/`",
    "√": "write sqrt(x)",
    "∑": "write sum(x)",
    "∏": "write prod(x)",
    "∞": "write inf",
    "∂": "a derivative is grad(f)(x)",
    "∇": "a gradient is grad(f)(x)",
    "∫": "write trapezoid(y, x)",
    "∈": "write `in`",
    "°": "angles are in radians: write x * pi / 180",
    "€": "a name is written without a sign before it",
}

OPERATORS = frozenset("^&|~!⁄")

# Characters that stand for a sign of the language
WRITTEN: dict[str, str] = {
    "≤": "<=", "≥": ">=", "≠": "!=", "≡": "==", "×": "*", "·": "*", "⋅": "*", "∗": "*", "•": "*", "÷": "/",
    "∕": "/", "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "→": "->", "←": "=", "≔": "=", "∧": "and",
    "∨": "or", "¬": "not", "…": "...", "⩽": "<=", "⩾": ">=",
}  # fmt: skip

QUOTES = {"“": "”", "”": "”", "„": "“”", "‘": "’", "’": "’", "‚": "‘’", "«": "»", "»": "«", "′": "′", "″": "″"}

SPACES = {
    "\u00a0": "a non-breaking space",
    "\u2007": "a figure space",
    "\u2009": "a thin space",
    "\u200a": "a thin space",
    "\u202f": "a non-breaking space",
    "\u2002": "a wide space",
    "\u2003": "a wide space",
    "\u3000": "a wide space",
    "\u2028": "a line separator",
    "\u2029": "a paragraph separator",
    "\u0085": "a line separator",
    "\u200b": "an invisible space",
    "\u200c": "an invisible character",
    "\u200d": "an invisible character",
    "\u2060": "an invisible character",
    "\u00ad": "an invisible hyphen",
    "\ufeff": "a byte order mark",
}

POWERS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True))

# Words that begin a statement elsewhere

_NO_IMPORT = "all functions are there without an import: write sin(x)"
_NO_CLASS = "arrays, tuples and functions are all there is"
_NO_TRY = "a condition can be tested before: `if`, `where`, `assert`"

STATEMENTS: dict[str, str] = {
    "import": _NO_IMPORT,
    "from": _NO_IMPORT,
    "using": _NO_IMPORT,
    "include": _NO_IMPORT,
    "require": _NO_IMPORT,
    "library": _NO_IMPORT,
    "del": "names need not be removed",
    "class": _NO_CLASS,
    "struct": _NO_CLASS,
    "type": _NO_CLASS,
    "with": "gradients are asked for with --grad NAME or grad(f); nothing needs to be opened or closed",
    "try": _NO_TRY,
    "except": _NO_TRY,
    "finally": _NO_TRY,
    "catch": _NO_TRY,
    "raise": 'a run is stopped with: assert condition, "message"',
    "throw": 'a run is stopped with: assert condition, "message"',
    "yield": "a function gives its value with `return`",
    "global": "a function reads the program's names as they are; what it changes, it returns",
    "nonlocal": "a function reads the names around it as they are; what it changes, it returns",
    "async": "everything runs in order",
    "await": "everything runs in order",
    "match": "write `if`, `elif`, `else`",
    "switch": "write `if`, `elif`, `else`",
    "case": "write `if`, `elif`, `else`",
    "do": "write `while condition:`",
    "repeat": "write `for i in range(n):` or `while condition:`",
    "loop": "write `for i in range(n):` or `while condition:`",
    "until": "write `while not condition:`",
    "unless": "write `if not condition:`",
    "foreach": "write `for row in x:`",
    "begin": "blocks are made by indentation",
}

DECLARATIONS = frozenset(
    {
        *("let", "var", "const", "local", "auto", "val", "mut", "my", "set", "double", "float", "int", "bool", "long"),
        *("real", "integer", "float32", "float64", "int64", "array", "tensor", "Tensor", "matrix", "vector", "static"),
        *("final", "number", "def_"),
    }
)

FUNCTIONS = frozenset({"function", "func", "fn", "fun", "define", "proc", "procedure", "sub", "Function", "defun"})

ELSE_IF = frozenset({"elseif", "elsif", "else", "elif_", "else_if", "elseIf", "ElseIf"})

ENDS = frozenset(
    {
        *("end", "endif", "endfor", "endwhile", "endfunction", "end_if", "end_for", "end_while", "fi", "done", "od"),
        *("esac", "End", "END"),
    }
)

KEYWORDS = (
    *("input", "output", "if", "elif", "else", "while", "for", "in", "def", "return", "break", "continue", "pass"),
    *("assert", "and", "or", "not", "lambda", "True", "False", "None"),
)

# Names that have another one here: what to write

NAMES: dict[str, str] = {
    "true": "write `True`",
    "TRUE": "write `True`",
    "false": "write `False`",
    "FALSE": "write `False`",
    "yes": "write `True`",
    "no": "write `False`",
    "null": "write `None`",
    "NULL": "write `None`",
    "nil": "write `None`",
    "none": "write `None`",
    "NONE": "write `None`",
    "undefined": "write `None`",
    "NA": "write `nan`",
    "NaN": "write `nan`",
    "NAN": "write `nan`",
    "Inf": "write `inf`",
    "INF": "write `inf`",
    "Infinity": "write `inf`",
    "infinity": "write `inf`",
    "PI": "write `pi`",
    "Pi": "write `pi`",
    "π": "write `pi`",
    "int32": "write `int64`",
    "int16": "write `int64`",
    "int8": "write `int64`",
    "uint8": "write `int64`",
    "long": "write `int64`",
    "double": "write `float64`",
    "float16": "write `float32`",
    "half": "write `float32`",
    "newaxis": "write `None` in the index: x[:, None]",
    "self": "there are no objects: a function takes all it needs as parameters",
    "this": "there are no objects: a function takes all it needs as parameters",
}

# Words between two operands

BETWEEN: dict[str, str] = {"mod": "%", "rem": "%", "div": "//", "xor": "!=", "dot": "@", "times": "*", "plus": "+"}

_LIST = "write the list itself: [1, 2] or [[1, 2], [3, 4]]"
_COPY = "values are copied as they are: y = x is a copy"
_GRADIENT = "gradients are asked for with --grad NAME, or with grad(f)(x)"
_PRINT = "write print(x)"

FUNCTIONS_HERE: dict[str, str] = {
    "array": _LIST,
    "asarray": _LIST,
    "tensor": _LIST,
    "Tensor": _LIST,
    "matrix": _LIST,
    "Variable": _LIST,
    "list": _LIST,
    "tolist": "an array can be shown as it is",
    "numpy": "arrays are used as they are",
    "item": "an array with one entry is a number already",
    "copy": _COPY,
    "clone": _COPY,
    "deepcopy": _COPY,
    "backward": _GRADIENT,
    "attach_grad": _GRADIENT,
    "requires_grad_": _GRADIENT,
    "append": "write concatenate((x, [value])), or a loop that writes x[i] = value",
    "push": "write concatenate((x, [value])), or a loop that writes x[i] = value",
    "extend": "write concatenate((x, y))",
    "println": _PRINT,
    "printf": _PRINT,
    "puts": _PRINT,
    "echo": _PRINT,
    "disp": _PRINT,
    "display": _PRINT,
    "ln": "write log(x)",
    "lg": "write log10(x)",
    "pow": "write x ** y",
    "sqr": "write square(x), or x ** 2",
    "fabs": "write abs(x)",
    "average": "write mean(x)",
    "avg": "write mean(x)",
    "length": "write len(x) for the first axis, x.size for all entries",
    "numel": "write x.size",
    "view": "write reshape(x, shape)",
    "rand": "write random_uniform(shape=(3,))",
    "uniform": "write random_uniform(shape=(3,))",
    "randn": "write random_normal(shape=(3,))",
    "normal": "write random_normal(shape=(3,))",
    "standard_normal": "write random_normal(shape=(3,))",
    "randint": "write floor(random_uniform(0, 10, shape=(3,)))",
    "shuffle": "write permutation(x)",
    "ifelse": "write where(condition, a, b)",
    "cond": "write where(condition, a, b), or an `if`",
    "cat": "write concatenate((a, b))",
    "mm": "write a @ b",
    "matvec": "write a @ b",
    "slice": "write x[start:stop]",
    "str": "print shows values as they are",
    "dict": "there are no dictionaries",
    "arg": "write argmax(x) or argmin(x)",
    "factorial": "write exp(gammaln(n + 1))",
}
