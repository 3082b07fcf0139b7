"""Formulas as LaTeX and as MathML, from the tree that their notation is read into.

Both write the same tree in the same way: a kind of tree has one entry in each of the two tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

from ndgrad.lang.elementwise import Axes, marked
from ndgrad.lang.mathematics import SUBSCRIPTS, SUPERSCRIPTS, Tree, tree_of

_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ",
    "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ",
    "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip
_LATEX_GREEK = {letter: name for name, letter in _GREEK.items()}
_LETTERS = _GREEK | {"lam": "λ", "eps": "ε"}
_RAISED, _LOWERED = "".join(SUPERSCRIPTS), "".join(SUBSCRIPTS)
_LOGIC = {"logical_and": "∧", "logical_or": "∨"}


def latex(text: str, axes: Axes | None = None) -> str:
    """A text in the notation as LaTeX (with amsmath), to stand in mathematics.

    axes: how many axes the values of names have; products of two arrays are then written ⊙.
    """
    return as_latex(tree_of(text), axes)


def as_latex(tree: Tree, axes: Axes | None = None) -> str:
    """A tree as LaTeX."""
    return _latex(marked(tree, axes or {}))


def mathml(text: str, axes: Axes | None = None, display: bool = False) -> str:
    """A text in the notation as a <math> element; with `display` as large as a formula that stands alone."""
    return as_mathml(tree_of(text), axes, display)


def as_mathml(tree: Tree, axes: Axes | None = None, display: bool = False) -> str:
    """A tree as a <math> element."""
    shown = ' displaystyle="true"' if display else ""
    return f"<math{shown}>{_mathml(marked(tree, axes or {}))}</math>"


# What both have in common


def _bare(tree: object) -> object:
    """What round brackets hold, where a fraction's line or a root makes them needless."""
    if isinstance(tree, Tree) and tree.kind == "fence" and tree.parts[0] == "(":
        return tree.parts[1]
    return tree


def _without_minus(tree: object) -> Tree | None:
    """What is left of a product or fraction that begins with a minus; None where it begins with none."""
    if not isinstance(tree, Tree):
        return None
    if tree.kind == "negative":
        inside = tree.parts[0]
        return inside if isinstance(inside, Tree) else None
    if tree.kind in ("operation", "fraction"):
        *sign, first, second = tree.parts
        if tree.kind == "fraction" or sign[0] in ("·", "⊙", "@"):
            left = _without_minus(first)
            return None if left is None else Tree(tree.kind, (*sign, left, second))
    return None


def _summed(sign: str, right: Tree) -> tuple[str, Tree]:
    """a + -b as a - b, and a·-b as a·(-b)."""
    turned = _without_minus(right) if sign in ("+", "-", "·", "⊙", "@", "mod") else None
    if turned is None:
        return sign, right
    return ("-", turned) if sign == "+" else (sign, Tree("fence", ("(", right, ")")))


def _alone(tree: object) -> object:
    """What something is written above or below of: fractions in brackets."""
    return Tree("fence", ("(", tree, ")")) if isinstance(tree, Tree) and tree.kind in ("ratio", "fraction") else tree


def _is_coefficient(tree: object) -> bool:
    """Whether a factor is a number, or a fraction of numbers, behind which no sign is needed."""
    if not isinstance(tree, Tree):
        return False
    if tree.kind == "fraction":
        return all(isinstance(part, Tree) and part.kind == "number" for part in tree.parts)
    return tree.kind == "number" or (tree.kind == "negative" and _is_coefficient(tree.parts[0]))


def _begins_with_a_digit(tree: object) -> bool:
    """Whether a factor begins with a number, which must not run into the one before it."""
    while isinstance(tree, Tree):
        if tree.kind in ("number", "fraction", "negative", "constant"):
            return True
        if tree.kind in ("operation", "sup", "entrywise", "sub", "index"):
            tree = tree.parts[1 if tree.kind == "operation" else 0]
            continue
        return False
    return False


def _needs_no_sign(sign: str, left: Tree, right: Tree) -> bool:
    return sign == "·" and _is_coefficient(left) and not _begins_with_a_digit(right)


def _said(tree: object) -> str:
    """What a tree is called, if it is a name."""
    return str(tree.parts[0]) if isinstance(tree, Tree) and tree.kind == "name" else ""


def _is_ones(tree: object) -> bool:
    return tree == Tree("number", ("1",))


# LaTeX

_LATEX_FUNCTIONS = frozenset(
    {"exp", "log", "sin", "cos", "tan", "tanh", "sinh", "cosh", "det", "max", "min", "arcsin", "arccos", "arctan"}
)
_LATEX_SIGNS = {"·": r"\cdot", "⊙": r"\odot", "@": r"\,", "<=": r"\le", ">=": r"\ge", "!=": r"\ne", "==": "=",
                "mod": r"\bmod", "<": "<", ">": ">"}  # fmt: skip
_LATEX_FENCES = {"‖": (r"\lVert", r"\rVert"), "|": (r"\lvert", r"\rvert"), "⟨": (r"\langle", r"\rangle")}
_LATEX_RAISED = {"T": r"\top", "-1T": r"-\top", "T-1": r"-\top", "-T": r"-\top", "′": r"\prime", "TT": r"\top\top"}
_LATEX_ESCAPES = {"_": r"\_", "%": r"\%", "#": r"\#", "&": r"\&", "{": r"\{", "}": r"\}", "$": r"\$",
                  "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
                  "×": r"$\times$", "·": r"$\cdot$", "∂": r"$\partial$", "⟨": r"$\langle$", "⟩": r"$\rangle$",
                  "→": r"$\to$", "…": r"\dots{}", "⋮": r"$\vdots$", "≈": r"$\approx$", "‖": r"$\|$",
                  "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
                  "°": r"$^\circ$", "−": "--", "′": "'", "∏": r"$\prod$", "√": r"$\surd$", "∞": r"$\infty$",
                  "–": "--", "⊙": r"$\odot$", "⋱": r"$\ddots$", "⋅": r"$\cdot$", "≤": r"$\le$", "≥": r"$\ge$",
                  "≠": r"$\ne$", "∧": r"$\land$", "∨": r"$\lor$", "⌊": r"$\lfloor$", "⌋": r"$\rfloor$",
                  "⊤": r"$\top$", "÷": r"$\div$", "¬": r"$\lnot$", "∇": r"$\nabla$", "∑": r"$\sum$",
                  "∈": r"$\in$", "‘": "`", "’": "'", "“": "``", "”": "''", "—": "---", "‐": "-", "µ": r"$\mu$",
                  "─": "-", "│": r"\textbar{}", "├": r"\textbar{}", "└": "`", "┌": "+",
                  "ϵ": r"$\epsilon$", "ϕ": r"$\phi$", "ς": r"$\varsigma$", "ο": "o", "Υ": r"$\Upsilon$",
                  "υ": r"$\upsilon$", "ι": r"$\iota$", "ϑ": r"$\vartheta$",
                  **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True)),
                  **dict.fromkeys("⎡⎢⎣", "["), **dict.fromkeys("⎤⎥⎦", "]")}  # fmt: skip
_SET = frozenset(map(chr, range(0xC0, 0x180))) - set("×÷ĦħĸĿŀŉŦŧſ")  # letters that LaTeX sets as they are, with T1


def latex_text(text: str) -> str:
    """Plain text as LaTeX, to stand in a paragraph or in \\text."""
    return re.sub(f"([{_RAISED}]+)|([{_LOWERED}]+)|(.)", _latex_piece, text, flags=re.DOTALL)


def _latex_piece(found: re.Match[str]) -> str:
    if found[1]:
        above = "".join(SUPERSCRIPTS[c] for c in found[1]).replace("T", r"\top")
        return f"$^{{{above}}}$"
    if found[2]:
        return f"$_{{{''.join(SUBSCRIPTS[c] for c in found[2])}}}$"
    c = found[0]
    if c in _LATEX_GREEK:
        return f"$\\{_LATEX_GREEK[c]}$"
    return _LATEX_ESCAPES.get(c) or (c if c.isascii() or c in _SET else rf"\texttt{{U+{ord(c):04X}}}")


def _latex(tree: object) -> str:
    return _LATEX[tree.kind](*tree.parts) if isinstance(tree, Tree) else str(tree)


def _latex_name(name: str) -> str:
    letter = _LETTERS.get(name, name)
    if letter in _LATEX_GREEK:
        return f"\\{_LATEX_GREEK[letter]}"
    if name in ("inf", "nan"):
        return r"\infty" if name == "inf" else r"\mathrm{nan}"
    if any(not c.isascii() and c not in _LATEX_GREEK for c in name):
        return rf"\text{{{latex_text(name)}}}"
    return name if len(name) == 1 else rf"\mathrm{{{_latex_letters(name)}}}"


def _latex_letters(name: str) -> str:
    """The letters of a name within mathematics."""
    return "".join(f"\\{_LATEX_GREEK[c]} " if c in _LATEX_GREEK else r"\_" if c == "_" else c for c in name)


def _latex_function(name: object) -> str:
    if isinstance(name, Tree) and name.kind == "sup":
        base, above = name.parts
        return f"{_latex_function(base)}^{{{_latex_raised(above)}}}"
    said = _said(name)
    if said in _LATEX_FUNCTIONS:
        return f"\\{said}"
    return rf"\operatorname{{{_latex_letters(said)}}}" if len(said) > 1 and said not in _LETTERS else _latex(name)


def _latex_operation(sign: str, left: Tree, right: Tree) -> str:
    if sign == "//":
        return rf"\left\lfloor {_latex_fraction(left, right)} \right\rfloor"
    if sign == "@":
        return rf"{_latex_factor(left)} \, {_latex_factor(_summed(sign, right)[1])}"
    if _needs_no_sign(sign, left, right):
        return rf"{_latex(left)} \, {_latex(right)}"
    sign, right = _summed(sign, right)
    return f"{_latex(left)} {_LATEX_SIGNS.get(sign, sign)} {_latex(right)}"


def _latex_factor(tree: Tree) -> str:
    return r"\mathbf{1}" if _is_ones(tree) else _latex(tree)


def _latex_fraction(above: object, below: object) -> str:
    turned = _without_minus(above)
    if turned is not None:
        return f"-{_latex_fraction(turned, below)}"
    return rf"\frac{{{_latex(_bare(above))}}}{{{_latex(_bare(below))}}}"


def _latex_raised(above: object) -> str:
    return _LATEX_RAISED.get(above, above) if isinstance(above, str) else _latex(_bare(above))


def _latex_sup(base: object, above: object) -> str:
    held = _latex(base) if isinstance(base, Tree) and base.kind == "sub" else _latex_base(base)
    if above == "T" and _is_ones(base):
        held = r"\mathbf{1}"  # a row of ones, not a number
    return f"{held}^{{{_latex_raised(above)}}}"


def _latex_base(base: object) -> str:
    """What something is written above or below of, in braces unless it is one sign."""
    base = _alone(base)
    said = _latex(base)
    alone = isinstance(base, Tree) and base.kind in ("name", "number", "fence")
    return said if alone else f"{{{said}}}"


def _latex_fence(opening: str, inside: object, closing: str) -> str:
    first, last = _LATEX_FENCES.get(opening, (opening, closing))
    return rf"\left{first} {_latex(inside)} \right{last}"


def _latex_call(name: Tree, *arguments: Tree) -> str:
    said = _said(name)
    if said == "sqrt" and len(arguments) == 1:
        return rf"\sqrt{{{_latex(arguments[0])}}}"
    if said == "where" and len(arguments) == 3:
        condition, chosen, other = map(_latex, arguments)
        return rf"\begin{{cases}} {chosen} & \text{{if }} {condition} \\ {other} & \text{{else}} \end{{cases}}"
    if said in _LOGIC and len(arguments) == 2:
        sign = r"\land" if said == "logical_and" else r"\lor"
        return rf"\left( {_latex(arguments[0])} {sign} {_latex(arguments[1])} \right)"
    return rf"{_latex_function(name)}\left( {', '.join(map(_latex, arguments))} \right)"


def _latex_number(said: str) -> str:
    said = re.sub(r"e([+-]?\d+)$", lambda m: rf" \cdot 10^{{{int(m[1])}}}", said)
    return said.removeprefix(r"1 \cdot ")


def _latex_ratio(d: str, of: object, by: object) -> str:
    sign = r"\partial " if d == "∂" else r"\mathrm{d}"
    return rf"\frac{{{sign}{_latex(of)}}}{{{sign}{_latex(by)}}}"


_LATEX: dict[str, Callable[..., str]] = {
    "number": _latex_number,
    "name": _latex_name,
    "text": lambda said: said if said == ":" else r"\dots" if said == "…" else rf"\text{{{latex_text(said)}}}",
    "quoted": lambda said: rf"\text{{``{latex_text(said[1:-1])}''}}",
    "constant": lambda shape: rf"\left\langle {shape.replace('×', chr(92) + 'times ')} \right\rangle",
    "sub": lambda base, below: f"{_latex(base)}_{{{_latex_name(below) if below.isalpha() else below}}}",
    "sup": _latex_sup,
    "entrywise": lambda base, above: rf"{_latex_base(base)}^{{\odot {_latex_raised(above)}}}",
    "operation": _latex_operation,
    "fraction": _latex_fraction,
    "negative": lambda inside: f"-{_latex(inside)}",
    "fence": _latex_fence,
    "call": _latex_call,
    "list": lambda *entries: ", ".join(map(_latex, entries)),
    "option": lambda name, value: f"{_latex(name)}={_latex(value)}",
    "index": lambda base, inside: f"{_latex_base(base)}_{{[{_latex(inside)}]}}",
    "root": lambda inside: rf"\sqrt{{{_latex(_bare(inside))}}}",
    "ratio": _latex_ratio,
    "product": lambda below, above, inside: rf"\prod_{{{below}}}^{{{_latex(above)}}} {_latex(inside)}",
    "row": lambda *parts: "".join(map(_latex, parts)),
    "written": lambda base, key, value: (
        rf"{_latex(base)} \text{{ with }} \left[ {_latex(key)} \right] = {_latex(value)}"
    ),
    "placed": lambda value, key: rf"{_latex(value)} \text{{ at }} \left[ {_latex(key)} \right]",
}


# MathML

_MATHML_SIGNS = {"<=": "≤", ">=": "≥", "!=": "≠", "==": "=", "-": "−", "·": "⋅"}
_TRANSPOSED = "<mo>⊤</mo>"
_MATHML_RAISED = {
    "T": _TRANSPOSED,
    "-T": f"<mrow><mo>−</mo>{_TRANSPOSED}</mrow>",
    "-1T": f"<mrow><mo>−</mo>{_TRANSPOSED}</mrow>",
    "T-1": f"<mrow><mo>−</mo>{_TRANSPOSED}</mrow>",
    "TT": f"<mrow>{_TRANSPOSED}{_TRANSPOSED}</mrow>",
    "′": "<mo>′</mo>",
    "+": "<mo>+</mo>",
}
_THIN = '<mspace width="0.17em"/>'


def _mathml(tree: object) -> str:
    return _MATHML[tree.kind](*tree.parts) if isinstance(tree, Tree) else f"<mn>{escape(str(tree))}</mn>"


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _sign(said: str) -> str:
    if said == "⊙":  # which some fonts put close to what follows
        return '<mo lspace="0.22em" rspace="0.22em">⊙</mo>'
    return f"<mo>{escape(_MATHML_SIGNS.get(said, said))}</mo>"


def _mathml_name(name: str) -> str:
    return f"<mi>{escape('∞' if name == 'inf' else _LETTERS.get(name, name))}</mi>"


def _mathml_operation(sign: str, left: Tree, right: Tree) -> str:
    if sign == "//":
        return _row("<mo>⌊</mo>", _mathml_fraction(left, right), "<mo>⌋</mo>")
    if sign == "@":
        return _row(_mathml_factor(left), _THIN, _mathml_factor(_summed(sign, right)[1]))
    if _needs_no_sign(sign, left, right):
        return _row(_mathml(left), _THIN, _mathml(right))
    sign, right = _summed(sign, right)
    return _row(_mathml(left), _sign(sign), _mathml(right))


def _mathml_factor(tree: Tree) -> str:
    return '<mn mathvariant="bold">𝟏</mn>' if _is_ones(tree) else _mathml(tree)


def _mathml_fraction(above: object, below: object) -> str:
    turned = _without_minus(above)
    if turned is not None:
        return _row(_sign("-"), _mathml_fraction(turned, below))
    return f"<mfrac>{_mathml(_bare(above))}{_mathml(_bare(below))}</mfrac>"


def _mathml_raised(above: object) -> str:
    if not isinstance(above, str):
        return _mathml(_bare(above))
    return _MATHML_RAISED.get(above) or f"<mn>{escape(above.replace('-', '−'))}</mn>"


def _mathml_sup(base: object, above: object) -> str:
    ones = isinstance(base, Tree) and _is_ones(base) and above == "T"
    held = _mathml_factor(base) if ones else _mathml(_alone(base))  # type: ignore[arg-type]
    return f"<msup>{held}{_mathml_raised(above)}</msup>"


def _mathml_below(below: str) -> str:
    parts = re.findall(r"\d+|\w+|.", below)
    return _row(*(f"<mn>{p}</mn>" if p.isdigit() else f"<mi>{p}</mi>" if p.isalpha() else _sign(p) for p in parts))


def _mathml_list(*entries: object) -> str:
    return _row(*(part for i, e in enumerate(entries) for part in ([_sign(",")] if i else []) + [_mathml(e)]))


def _fenced(opening: str, inside: str, closing: str) -> str:
    first, last = (f'<mo form="{form}" fence="true" stretchy="true">' for form in ("prefix", "postfix"))
    return _row(f"{first}{opening}</mo>", inside, f"{last}{closing}</mo>")


def _mathml_call(name: Tree, *arguments: Tree) -> str:
    said = _said(name)
    if said == "sqrt" and len(arguments) == 1:
        return f"<msqrt>{_mathml(arguments[0])}</msqrt>"
    if said == "where" and len(arguments) == 3:
        condition, chosen, other = map(_mathml, arguments)
        cases = (chosen, _row("<mtext>if </mtext>", condition)), (other, "<mtext>else</mtext>")
        rows = "".join(f"<mtr><mtd>{value}</mtd><mtd>{when}</mtd></mtr>" for value, when in cases)
        return _row('<mo form="prefix" fence="true" stretchy="true">{</mo>', f"<mtable>{rows}</mtable>")
    if said in _LOGIC and len(arguments) == 2:
        return _fenced("(", _row(_mathml(arguments[0]), _sign(_LOGIC[said]), _mathml(arguments[1])), ")")
    return _row(_mathml(name), "<mo>\u2061</mo>", _fenced("(", _mathml_list(*arguments), ")"))


def _mathml_ratio(d: str, of: object, by: object) -> str:
    sign = "<mi>∂</mi>" if d == "∂" else '<mi mathvariant="normal">d</mi>'
    return f"<mfrac>{_row(sign, _mathml(of))}{_row(sign, _mathml(by))}</mfrac>"


def _mathml_number(said: str) -> str:
    found = re.fullmatch(r"(.*)e([+-]?\d+)", said)
    if found is None:
        return f"<mn>{escape(said)}</mn>"
    exponent = f"<mn>{str(int(found[2])).replace('-', '−')}</mn>"
    power = f"<msup><mn>10</mn>{exponent}</msup>"
    return power if found[1] == "1" else _row(f"<mn>{found[1]}</mn>", _sign("·"), power)


_MATHML: dict[str, Callable[..., str]] = {
    "number": _mathml_number,
    "name": _mathml_name,
    "text": lambda said: _sign(said) if said in (":", "…") else f"<mtext>{escape(said)}</mtext>",
    "quoted": lambda said: f"<mtext>{escape(said)}</mtext>",
    "constant": lambda shape: _fenced("⟨", f"<mtext>{escape(shape)}</mtext>", "⟩"),
    "sub": lambda base, below: f"<msub>{_mathml(base)}{_mathml_below(below)}</msub>",
    "sup": _mathml_sup,
    "entrywise": lambda base, above: f"<msup>{_mathml(_alone(base))}{_row(_sign('⊙'), _mathml_raised(above))}</msup>",
    "operation": _mathml_operation,
    "fraction": _mathml_fraction,
    "negative": lambda inside: _row('<mo form="prefix">−</mo>', _mathml(inside)),
    "fence": lambda opening, inside, closing: _fenced(opening, _mathml(inside), closing),
    "call": _mathml_call,
    "list": _mathml_list,
    "option": lambda name, value: _row(_mathml(name), _sign("="), _mathml(value)),
    "index": lambda base, inside: (
        f"<msub>{_mathml(_alone(base))}{_row(_sign('['), _mathml(inside), _sign(']'))}</msub>"
    ),
    "root": lambda inside: f"<msqrt>{_mathml(_bare(inside))}</msqrt>",
    "ratio": _mathml_ratio,
    "product": lambda below, above, inside: _row(
        f"<munderover><mo>∏</mo>{_mathml_below(below)}{_mathml(above)}</munderover>", _mathml(inside)
    ),
    "row": lambda *parts: _row(*map(_mathml, parts)),
    "written": lambda base, key, value: _row(
        _mathml(base), "<mtext> with </mtext>", _fenced("[", _mathml(key), "]"), _sign("="), _mathml(value)
    ),
    "placed": lambda value, key: _row(_mathml(value), "<mtext> at </mtext>", _fenced("[", _mathml(key), "]")),
}
