"""Draws docs/images/chain.svg: what a terminal shows for the first sample, from a real run.

    python docs/make_picture.py

The SVG names only fonts that systems have, and links to nothing.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

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
WIDTH = 84


def shown(line: str) -> str:
    """What a command writes to a terminal, with its colours."""
    command = [sys.executable, "-m", "ndgrad", *line.split()[1:], *(["--format", "table"] if " run " in line else [])]
    colours = {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "PYTHONIOENCODING": "utf-8"}
    ran = subprocess.run(command, cwd=ROOT, env=os.environ | colours, capture_output=True, check=True)
    return ran.stdout.decode("utf-8").rstrip("\n")


def main() -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False, markup=False)
    for number, line in enumerate(("ndgrad run samples/chain.nd --grad x", "ndgrad explain samples/chain.nd --grad x")):
        if number:
            console.print()
        console.print(Text.assemble(("$ ", "green"), (line, "bold")))
        console.print(Text.from_ansi(shown(line)), soft_wrap=True)
    console.print()  # room below
    PICTURE.parent.mkdir(exist_ok=True)
    picture = console.export_svg(theme=THEME, code_format=FORMAT, unique_id="ndgrad")
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", ""), "the picture links to the network"
    PICTURE.write_text(picture, "utf-8")


if __name__ == "__main__":
    main()
