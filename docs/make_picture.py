"""Draws docs/images/chain.svg: what a terminal shows for the first sample, from a real run.

    python docs/make_picture.py

The SVG names only fonts that systems have, and links to nothing.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

import ndgrad
from ndgrad.cli.explaining import lines_of
from ndgrad.cli.streams import STYLES
from ndgrad.cli.writing.table import draw

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "images" / "chain.svg"
THEME = TerminalTheme(
    (24, 26, 31),
    (214, 217, 224),
    [(70, 75, 86), (224, 108, 117), (152, 195, 121), (229, 192, 123), (97, 175, 239), (198, 120, 221), (86, 182, 194),
     (214, 217, 224)],
)  # fmt: skip
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img"
     aria-label="ndgrad run and ndgrad explain on samples/chain.nd">
<style>
.{unique_id}-matrix {{
    font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
    font-size: {char_height}px;
    line-height: {line_height}px;
    font-variant-east-asian: full-width;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
  <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
<rect fill="#181a1f" width="{width}" height="{height}" rx="8"/>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
RICH_STYLES = {"1": "bold", "2": "dim", "1;36": "bold cyan", "36": "cyan", "1;33": "bold yellow"}


def styled(text: str, role: str) -> str:
    """Rich markup for a role, in the place of the terminal's own codes."""
    return f"\0{RICH_STYLES[STYLES[role]]}\1{text}\2"


def as_text(line: str) -> Text:
    """A line with the marks of `styled` as rich text."""
    made = Text()
    for style, marked, bare in re.findall("\0(.*?)\1(.*?)\2|([^\0]+)", line):
        made.append(marked or bare, style or None)
    return made


def main() -> None:
    program = ndgrad.load(ROOT / "samples" / "chain.nd")
    result = program.run(grad=["x"], trace=True)
    console = Console(record=True, width=84, file=io.StringIO(), force_terminal=True, highlight=False, markup=False)
    console.print(Text.assemble(("$ ", "green"), ("ndgrad run samples/chain.nd --grad x", "bold")))
    draw(result, console, None)
    console.print()
    console.print(Text.assemble(("$ ", "green"), ("ndgrad explain samples/chain.nd --grad x", "bold")))
    for line in lines_of(result.derivation("x"), styled):
        console.print(as_text(line), soft_wrap=True)
    PICTURE.parent.mkdir(exist_ok=True)
    picture = console.export_svg(theme=THEME, code_format=FORMAT, unique_id="ndgrad")
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", ""), "the picture links to the network"
    PICTURE.write_text(picture, "utf-8")


if __name__ == "__main__":
    main()
