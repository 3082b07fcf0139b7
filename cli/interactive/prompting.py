"""Lines by prompt_toolkit: colours, completion, history, several lines to edit at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import DynamicLexer, PygmentsLexer, SimpleLexer
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from ndgrad.cli.interactive import history, prompt_of
from ndgrad.cli.interactive.completing import completions
from ndgrad.cli.interactive.pieces import SIGN
from ndgrad.cli.streams import colours
from ndgrad.errors import Source

if TYPE_CHECKING:
    from ndgrad.cli.interactive.talk import Talk

STYLE = Style.from_dict(
    {
        "prompt": "ansicyan",
        "pygments.comment": "ansibrightblack",
        "pygments.keyword": "ansimagenta",
        "pygments.keyword.type": "ansiyellow",
        "pygments.operator.word": "ansimagenta",
        "pygments.name.builtin": "ansiblue",
        "pygments.name.function": "ansiblue bold",
        "pygments.literal.number": "ansigreen",
        "pygments.literal.string": "ansigreen",
    }
)
INDENT = "    "


class Prompting:
    """Asks for whole pieces: Enter goes on to another line as long as the grammar needs one."""

    def __init__(self, talk: Talk) -> None:
        from ndgrad.lang.highlighting import NdLexer

        path = history("history")
        language, plain = PygmentsLexer(NdLexer), SimpleLexer()
        self.session: PromptSession[str] = PromptSession(
            history=InMemoryHistory() if path is None else FileHistory(path),
            lexer=DynamicLexer(lambda: plain if self._text().lstrip().startswith(SIGN) else language),
            completer=_Completion(talk),
            complete_while_typing=False,
            enable_history_search=True,
            multiline=True,
            key_bindings=_keys(),
            style=STYLE,
            color_depth=_depth(),
        )

    def read(self, line: int, going_on: bool) -> str:
        def following(width: int, number: int, wrapped: int) -> str:
            return "" if wrapped else prompt_of(line + number, True).rjust(width)

        return self.session.prompt([("class:prompt", prompt_of(line, False))], prompt_continuation=following)

    def _text(self) -> str:
        return self.session.default_buffer.text


def _depth() -> ColorDepth | None:
    """No colours where they are not wanted."""
    return None if colours(sys.stdout) else ColorDepth.DEPTH_1_BIT


class _Completion(Completer):
    """What a word can become, for prompt_toolkit."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        word, found = completions(self.talk, document.text_before_cursor)
        for one in found:
            yield Completion(one, start_position=-len(word))


def is_whole(text: str) -> bool:
    """Whether Enter ends what is written: it is a command, whole or wrong, or a block with an empty line behind."""
    from ndgrad.lang.parser import unfinished

    if text.lstrip().startswith(SIGN) or not text.strip():
        return True
    state = unfinished(Source("", text))
    return state is None or (state == "block" and not text[text.rfind("\n") + 1 :].strip())


def indentation(text: str) -> str:
    """What the line after this text begins with."""
    last = text[text.rfind("\n") + 1 :]
    own = last[: len(last) - len(last.lstrip())]
    return own + INDENT if last.partition("#")[0].rstrip().endswith(":") else own


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def enter(event: KeyPressEvent) -> Any:
        buffer = event.current_buffer
        if is_whole(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n" + indentation(buffer.document.text_before_cursor))

    @keys.add("escape", "enter")
    def another_line(event: KeyPressEvent) -> Any:
        event.current_buffer.insert_text("\n")

    return keys
