"""What derivations write is mathematics that can be read: into a tree, and from that as LaTeX and as MathML.

Adding an operation or a sample adds its texts: nothing here names an operation.
"""

from __future__ import annotations

import re
import shlex
from functools import cache
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ndgrad.cli import streams
from ndgrad.cli.reading import StandardInput, value
from ndgrad.errors import Error
from ndgrad.lang import compile, load
from ndgrad.lang.derivation_data import Derivation
from ndgrad.lang.elementwise import marked
from ndgrad.lang.folding import Gap
from ndgrad.lang.mathematics import _TOKEN, LONGEST, SUBSCRIPTS, SUPERSCRIPTS, Tree, tree_of, with_note
from ndgrad.lang.products import IN_WORDS
from ndgrad.lang.typesetting import latex, latex_text, mathml
from ndgrad.ops import lookup, names

ROOT = Path(__file__).parent.parent.parent
PROSE = (*IN_WORDS, "does not depend on")


def texts_of(d: Derivation) -> set[str]:
    """Everything in the derivation that is mathematics."""
    made = {with_note(form)[0] for form in (d.chain, *d.forms, d.closed_form or "0")}
    for step in d.forward:
        made |= set(step.rules) if isinstance(step, Gap) else {step.name, step.expression}
    for back in d.backward:
        made |= set(back.rules) if isinstance(back, Gap) else {back.name, back.by, back.local}
    return {text for text in made if not text.startswith(PROSE)}


def with_input(example: str) -> str:
    """The call with its first array or number as an input; "" where it has none."""
    found = re.search(r"\[|(?<=\()-?\d+\.?\d*", example)
    if found is None:
        return ""
    end = found.end()
    while example[found.start() : end].count("[") > example[found.start() : end].count("]"):
        end += 1
    return f"input x = {example[found.start() : end]}\ny = {example[: found.start()]}x{example[end:]}\n"


def derivations() -> list[tuple[str, Derivation]]:
    """One derivation for the example of every operation, and those that the comments of samples ask for."""
    made = []
    for name in names():
        operation = lookup(name)
        example = operation.example.partition(" -> ")[0] if operation is not None and operation.example else ""
        try:
            run = compile(with_input(example)).run(grad=["x"], trace=True)
        except Error:  # a size, a value that carries no gradient, or no input at all
            continue
        made.append((name, run.derivation("x")))
    for path in sorted((ROOT / "samples").glob("*.nd")):
        for line in re.findall(r"^#   ndgrad run \S+ (.*)$", path.read_text("utf-8"), re.MULTILINE):
            if "--grad" in line and "y=y.npy" not in line:
                made += sample(path, shlex.split(line.replace("samples/", f"{ROOT}/samples/")))
    return made


def sample(path: Path, words: list[str]) -> list[tuple[str, Derivation]]:
    options = list(pairwise(words))
    bound = [text.split("=", 1) for option, text in options if option == "-i"]
    given = {name: value(text, f"-i {name}", StandardInput(0)) for name, text in bound}
    wanted = dict(options)["--grad"].split(",")
    result = load(path).run(given | {"steps": 5} if path.stem == "ode" else given, wanted, trace=True)
    return [(path.stem, result.derivation(name)) for name in wanted]


@cache
def everything() -> dict[str, str]:
    """Every text with the name of one that wrote it."""
    return {text: name for name, d in derivations() for text in texts_of(d)}


def kinds(tree: object) -> set[str]:
    if not isinstance(tree, Tree):
        return set()
    own = set() if tree.kind == "text" and tree.parts[0] in (":", "…") else {tree.kind}
    return own.union(*map(kinds, tree.parts)) if tree.parts else own


def test_there_is_much_to_read() -> None:
    assert len(everything()) > 500
    assert len(set(everything().values())) > 150


def test_every_text_is_read() -> None:
    unread = {
        text: name
        for text, name in everything().items()
        if "text" in kinds(tree_of(text)) and not text.endswith(IN_WORDS) and len(text) < LONGEST
    }
    assert unread == {}


def balanced(text: str) -> bool:
    """Whether braces, \\left and \\right, environments and dollars come in pairs."""
    depth = 0
    for sign in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if sign == "{" else -1
        if depth < 0:
            return False
    begun, ended = re.findall(r"\\begin\{(\w+)\}", text), re.findall(r"\\end\{(\w+)\}", text)
    pairs = len(re.findall(r"\\left(?![a-z])", text)) == len(re.findall(r"\\right(?![a-z])", text))
    return depth == 0 and pairs and sorted(begun) == sorted(ended)


def test_every_text_is_well_formed_in_latex() -> None:
    for text in everything():
        made = latex(text)
        assert balanced(made), text
        assert made.isascii() or not text.isascii(), made


def test_every_text_is_well_formed_in_mathml() -> None:
    known = set("math mrow mi mn mo mtext mspace msub msup mfrac msqrt munderover mtable mtr mtd".split())  # noqa: SIM905
    children = {"msub": 2, "msup": 2, "mfrac": 2, "munderover": 3, "math": 1}
    for text in everything():
        for element in ElementTree.fromstring(mathml(text)).iter():
            assert element.tag in known
            assert len(element) == children.get(element.tag, len(element)), text


AXES = {"X": 2, "A": 2, "w": 1, "x": 1, "y": 1, "y₁": 1, "L": 0, "k": 0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2·Xᵀ @ (X @ w - y)", r"2 \, X^{\top} \, \left( X \, w - y \right)"),
        ("(2·y + 1) · 2·x", r"\left( 2 \, y + 1 \right) \odot 2 \, x"),
        ("k·x·y", r"k \cdot x \odot y"),
        ("y₁·z", r"y_{1} \cdot z"),
        ("sum(x·y)·L", r"\operatorname{sum}\left( x \odot y \right) \cdot L"),
        ("X @ w·y", r"X \, w \odot y"),
        ("x[0]·y", r"x_{[0]} \cdot y"),
        ("x[1:]·y", r"x_{[1:]} \odot y"),
        ("x + -y·2", r"x - y \cdot 2"),
        ("x·-y", r"x \odot \left( -y \right)"),
        ("x == -y", "x = -y"),
        ("y·1/x", r"\frac{y}{x}"),
        ("1/x/y", r"\frac{1}{x \odot y}"),
        ("-1/x", r"-\frac{1}{x}"),
        ("(a + b)/(c·d)", r"\frac{a + b}{c \cdot d}"),
        ("x^-0.5", r"x^{-0.5}"),
        ("2^x^y", r"2^{x^{y}}"),
        ("sqrt(x) + √(y)", r"\sqrt{x} + \sqrt{y}"),
        ("e^(-x)", r"e^{-x}"),
        ("y⁻¹ᵀ @ 1", r"y^{-\top} \, \mathbf{1}"),
        ("y @ 1ᵀ", r"y \, \mathbf{1}^{\top}"),
        ("1e-09·x", r"10^{-9} \, x"),
        ("2.5e+20", r"2.5 \cdot 10^{20}"),
        ("lam·x₁₂", r"\lambda \cdot x_{12}"),
        ("log_p + W1", r"\mathrm{log\_p} + \mathrm{W1}"),
        ("sech²(x)", r"\operatorname{sech}^{2}\left( x \right)"),
        ("ψ⁽1⁾(x)", r"\psi^{(1)}\left( x \right)"),
        ("‖x‖_3 + |x|", r"\left\lVert x \right\rVert_{3} + \left\lvert x \right\rvert"),
        ("⟨x, y⟩", r"\left\langle x, y \right\rangle"),
        ("x // 2", r"\left\lfloor \frac{x}{2} \right\rfloor"),
        ("x mod 3", r"x \bmod 3"),
        ("where(x == 0, 0, y)", r"\begin{cases} 0 & \text{if } x = 0 \\ y & \text{else} \end{cases}"),
        ("x with [1:3, ..., ::-1] = y", r"x \text{ with } \left[ 1:3, \dots, ::-1 \right] = y"),
        ("(y at [0])", r"\left( y \text{ at } \left[ 0 \right] \right)"),
        ("⟨45×3 constant⟩·2", r"\left\langle 45\times 3 \right\rangle \cdot 2"),
        ("reshape(x, shape=(3,))", r"\operatorname{reshape}\left( x, \mathrm{shape}=\left( 3 \right) \right)"),
        ("∂L/∂w₁", r"\frac{\partial L}{\partial w_{1}}"),
        ("∂y/∂xᵀ", r"\left( \frac{\partial y}{\partial x} \right)^{\top}"),
        ("∂(X.T @ w ** 2)/∂w", r"\frac{\partial \left( X^{\top} \, w^{2} \right)}{\partial w}"),
        ("dz/dx = 2·x", r"\frac{\mathrm{d}z}{\mathrm{d}x} = 2 \, x"),
        ("dz/dx", r"\frac{\mathrm{dz}}{\mathrm{dx}}"),
        ("d⟨h, y⟩/dx = h", r"\frac{\mathrm{d}\left\langle h, y \right\rangle}{\mathrm{d}x} = h"),
        ("∂yₖ₊₁/∂yₖ₋₁ = a·yₖ₋₁", r"\frac{\partial y_{k+1}}{\partial y_{k-1}} = a \cdot y_{k-1}"),
        ("ж·x", r"\text{\texttt{U+0436}} \cdot x"),
        ("∏ₖ₌₁…9 (2·bₖ₊₁)", r"\prod_{k=1}^{9} \left( 2 \, b_{k+1} \right)"),
        ("dy/dx = so said a poet", r"\frac{\mathrm{d}y}{\mathrm{d}x} = \text{so said a poet}"),
        ("2 +* 3", r"\text{2 +* 3}"),
    ],
)  # fmt: skip
def test_latex(text: str, expected: str) -> None:
    assert latex(text, AXES) == expected


def test_mathml() -> None:
    assert mathml("-2·x₁²", AXES) == (
        '<math><mrow><mrow><mo form="prefix">−</mo><mn>2</mn></mrow><mspace width="0.17em"/>'
        "<msup><msub><mi>x</mi><mrow><mn>1</mn></mrow></msub><mn>2</mn></msup></mrow></math>"
    )
    assert mathml("x/y", display=True) == '<math displaystyle="true"><mfrac><mi>x</mi><mi>y</mi></mfrac></math>'
    assert "&lt;" in mathml("x < y")
    assert "<script>" not in mathml('∂("</script><script>")/∂x')


@pytest.mark.parametrize(
    ("text", "sign"),
    [("mean(x)·x", "·"), ("mean(X, axis=0)·x", "⊙"), ("[k, k]·x", "⊙"), ("exp(x)·y", "⊙"), ("|k|·x", "·"),
     ("‖x‖·x", "·"), ("f(x)·y", "·"), ("∂L/∂x·y", "⊙"), ("⟨8 constant⟩·x", "⊙"), ("det(X)·X", "·"), ("x @ y·x", "·"),
     ("X[0]·x", "⊙"), ("X[0, 1]·x", "·"), ("X[i]·x", "·"), ("-x·y", "⊙"), ("√x·y", "⊙"), ("x/k·y", "⊙"), ("X²·X", "⊙")],
)  # fmt: skip
def test_products_of_two_arrays_are_elementwise(text: str, sign: str) -> None:
    assert marked(tree_of(text), AXES).parts[0] == sign


def test_notes_stand_behind_a_form() -> None:
    assert with_note("2·Xᵀ @ 1   (1 is a vector of ones)") == ("2·Xᵀ @ 1", "1 is a vector of ones")
    assert with_note("4·x³") == ("4·x³", "")


def test_plain_text_is_escaped_for_latex() -> None:
    assert latex_text(r"50% of x_1 & {y} \ ~") == r"50\% of x\_1 \& \{y\} \textbackslash{} \textasciitilde{}"
    assert latex_text("x₁² → ∂λ") == r"x$_{1}$$^{2}$ $\to$ $\partial$$\lambda$"
    assert latex_text("∂yₖ₊₁/∂yₖ₋₁ é 数") == r"$\partial$y$_{k+1}$/$\partial$y$_{k-1}$ é \texttt{U+6570}"


def test_every_sign_of_the_notation_has_its_latex_and_ascii() -> None:
    signs = {sign for name in names() if (op := lookup(name)) is not None for sign in op.written}
    signs |= {*SUPERSCRIPTS, *SUBSCRIPTS, *streams._ASCII, *map(ord, _TOKEN.pattern), *map(ord, "".join(everything()))}
    signs = {sign if isinstance(sign, str) else chr(sign) for sign in signs}
    assert len(signs) > 100
    assert [sign for sign in sorted(signs) if not latex_text(sign).isascii()] == []
    assert [sign for sign in sorted(signs) if "\\u" in streams.as_ascii(sign)] == []


def test_deep_and_long_texts_are_left_as_they_are() -> None:
    assert tree_of("(" * 30 + "x" + ")" * 30).kind == "fence"
    assert tree_of("(" * 5000 + "x" + ")" * 5000).kind == "text"
    assert tree_of("x" + " + x" * 5000).kind == "text"
    assert latex("x" + " + x" * 200) == "x" + " + x" * 200
