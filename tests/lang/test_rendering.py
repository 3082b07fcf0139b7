"""How diagnostics are drawn: tabs, wide signs, long lines, the end of the file, colours, ASCII."""

from __future__ import annotations

from ndgrad.errors import Diagnostic, Label, Source, Span
from ndgrad.lang.rendering import render


def at(text: str, *places: tuple[int, int, str], help: str | None = None) -> Diagnostic:
    source = Source("f.nd", text)
    return Diagnostic("E000", "it is wrong", tuple(Label(Span(source, a, b), t) for a, b, t in places), help)


def lines(diagnostic: Diagnostic, **options: object) -> list[str]:
    return render(diagnostic, **options).splitlines()[3:]  # type: ignore[arg-type]


def test_no_span() -> None:
    assert render(at("", help="do it")) == "error[E000]: it is wrong\n  = help: do it"


def test_tabs_are_four_columns_to_the_next_stop() -> None:
    assert lines(at("\tx\ty = 1", (3, 4, "here"))) == ["1 │     x   y = 1", "  │         ┬", "  │         here"]


def test_wide_signs_take_two_columns() -> None:
    assert lines(at("名 = x", (4, 5, "here"))) == ["1 │ 名 = x", "  │      ┬", "  │      here"]


def test_marks_on_letters_take_no_column_of_their_own() -> None:
    text = "e\u0301 = x ^ 2"
    assert lines(at(text, (7, 8, "here"))) == [f"1 │ {text}", "  │       ┬", "  │       here"]
    assert lines(at(text, (1, 2, "here"))) == [f"1 │ {text}", "  │ ┬", "  │ here"]
    assert lines(at("\u1112\u1161 = x", (5, 6, "here")))[1] == "  │      ┬"


def test_a_long_line_of_wide_signs_is_clipped_where_the_underline_stays_right() -> None:
    for before in ("", "x"):
        text = before + "名" * 60 + "^" + "名" * 60
        for width in (40, 41, 42, 43):
            source, marks = lines(at(text, (text.index("^"), text.index("^") + 1, "")), width=width)
            columns = [2 if sign == "名" else 1 for sign in source]
            assert sum(columns) <= width
            assert sum(columns[: source.index("^")]) == marks.index("┬")


def test_tabs_before_wide_signs_go_to_the_next_stop() -> None:
    assert lines(at("名\t^", (2, 3, ""))) == ["1 │ 名  ^", "  │     ┬"]
    assert lines(at("abcd\t^\t^", (7, 8, ""))) == ["1 │ abcd    ^   ^", "  │             ┬"]


def test_long_help_is_broken_between_words_where_that_is_asked_for() -> None:
    drawn = render(
        at("x", (0, 1, ""), help="one two three four five six `a b` seven eight nine ten"), width=40, wrap=True
    )
    assert drawn.splitlines()[-2:] == ["  = help: one two three four five six", "          `a b` seven eight nine ten"]
    drawn = render(at("x", (0, 1, ""), help="write x = [[1, 2], [3, 4]] and then some"), width=40, wrap=True)
    assert drawn.splitlines()[-2:] == ["  = help: write x = [[1, 2], [3, 4]]", "          and then some"]
    assert render(at("x", (0, 1, ""), help="a " * 60), width=40).splitlines()[-1] == "  = help: " + "a " * 60


def test_the_end_of_the_text() -> None:
    assert lines(at("x =", (3, 3, "here"))) == ["1 │ x =", "  │    ┬", "  │    here"]
    assert lines(at("x =\n", (4, 4, ""))) == ["1 │ x =", "  │    ┬"]
    assert lines(at("", (0, 0, "here"))) == ["1 │", "  │ ┬", "  │ here"]


def test_a_span_over_several_lines_marks_its_first() -> None:
    assert lines(at("x = (1 +\n 2)", (4, 12, "all"))) == ["1 │ x = (1 +", "  │     ───┬", "  │     all"]


def test_labels_on_one_line() -> None:
    drawn = lines(at("aa + bb + cc", (0, 2, "one"), (5, 7, "two"), (10, 12, "three")))
    assert drawn == [
        "1 │ aa + bb + cc",
        "  │ ─┬   ─┬   ─┬",
        "  │  │    │   three",
        "  │  │   two",
        "  │ one",
    ]


def test_labels_on_different_lines() -> None:
    text = "a\n" * 12
    drawn = lines(at(text, (22, 23, "last"), (0, 1, "first"), (2, 3, "")))
    assert drawn == [
        " 1 │ a",
        "   │ ┬",
        "   │ first",
        " 2 │ a",
        "   │ ┬",
        "   ⋮",
        "12 │ a",
        "   │ ┬",
        "   │ last",
    ]


def test_long_lines_are_clipped_around_the_span() -> None:
    text = "y = " + "x + " * 100 + "zz" + " + x" * 100
    place = text.index("zz")
    for width in (40, 60, 100):
        source, marks, remark = lines(at(text, (place, place + 2, "here")), width=width)
        assert len(source) <= width
        assert source[marks.index("─") :].startswith("zz")
        assert remark.index("here") == marks.index("─")
        assert source.endswith("…")
        assert source[4] == "…"
    assert lines(at(text, (0, 1, "")), width=60)[0].startswith("1 │ y = x")


def test_ascii() -> None:
    assert render(at("x = y", (4, 5, "here"), help="ok"), ascii=True).isascii()


def test_paint() -> None:
    drawn = render(at("x = yy", (4, 6, "here")), paint=lambda text, role: f"<{role}:{text}>")
    assert "<error:error[E000]><message:: it is wrong>" in drawn
    assert "<error:    ─┬>" in drawn
    assert "<mark:    here>" in drawn


def test_control_characters_are_not_sent_to_the_terminal() -> None:
    drawn = render(at("x = \x1b[31m\x07", (4, 5, "a\x1bb"), help="c\nd"))
    assert "\x1b" not in drawn
    assert "\x07" not in drawn


def test_several() -> None:
    assert render([at("x", (0, 1, "")), at("x", (0, 1, ""))]).count("error[E000]") == 2


def test_remarks_and_messages_are_broken_where_that_is_asked_for() -> None:
    source = Source("f.nd", "y = some_function(aaaa) + bbbb")
    labels = (
        Label(Span(source, 18, 22), "of shape 3×4, as line 1 says"),
        Label(Span(source, 26, 30), "of shape 2×5, alas"),
    )
    drawn = render(Diagnostic("E301", "these two shapes do not go together at all", labels), width=40, wrap=True)
    assert drawn.splitlines() == [
        "error[E301]: these two shapes do not go",
        "  together at all",
        "  ┌─ f.nd:1:19",
        "  │",
        "1 │ y = some_function(aaaa) + bbbb",
        "  │                   ───┬    ───┬",
        "  │                      │ of shape 2×5,",
        "  │                      │ alas",
        "  │             of shape 3×4, as line 1",
        "  │             says",
    ]
    assert max(map(len, drawn.splitlines())) <= 40
