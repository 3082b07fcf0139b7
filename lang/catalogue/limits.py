"""E5xx: limits of a run."""

from __future__ import annotations

from ndgrad.lang.catalogue.entry import Entry

ENTRIES = (
    Entry(
        "E501",
        "nested too deeply",
        "Brackets, blocks or operators are nested in more levels than the language reads. Give parts of the "
        "expression names of their own.",
        "$ python -c \"print('y = ' + '(' * 201 + '1' + ')' * 201)\" | ndgrad run -\n",
        "$ python -c \"print('y = ' + '(' * 20 + '1' + ')' * 20)\" | ndgrad run -\n",
    ),
    Entry(
        "E502",
        "not enough memory",
        "An array, or the whole run, needs more memory than it may have. Compute it in parts, reduce before "
        "broadcasting, or raise the limit.",
        "$ ndgrad eval 'x = zeros((10000, 10000)); sum(x)' --max-memory 500MB\n",
        "$ ndgrad eval 'x = zeros((100, 10000)); sum(x)' --max-memory 500MB\n",
    ),
    Entry(
        "E503",
        "functions that call each other without end",
        "A function may call itself, up to a thousand calls deep. This one goes deeper: the condition that ends the "
        "recursion may never hold. A loop has no such limit.",
        "def f(n):\n    return 1 if n == 0 else n * f(n - 2)\ny = f(5)\n",
        "def f(n):\n    return 1 if n <= 0 else n * f(n - 2)\ny = f(5)\n",
    ),
    Entry(
        "E504",
        "too many steps",
        "The run was stopped after a number of rounds of loops and calls of functions. The loop may never end; if it "
        "only takes long, `--max-steps` raises the limit. A loop that is seen to never end, since a round has changed "
        "no variable, is stopped sooner.",
        "$ ndgrad eval 'while x > 0: x = x + 1' -i x=1 --max-steps 500\n",
        "$ ndgrad eval 'while x > 1e-3: x = x / 2' -i x=1 --max-steps 500\n",
    ),
    Entry(
        "E505",
        "too much time",
        "The run was stopped when its time was up; the message says where it was. The loop may never end; if it only "
        "takes long, `--timeout` raises the limit.",
        "$ ndgrad eval 'n = 0; while x > 0: n = n + 1' -i x=1 --timeout 0.1\n",
        "$ ndgrad eval 'while x > 1e-3: x = x / 2' -i x=1 --timeout 10\n",
    ),
)
