"""What a terminal can show, and what a hostile name cannot do to it."""

import io

import pytest

from holdfast.report.screen import PIPED, Cell, Column, Screen, clean, columns, lines_of, table, wrap


class Stream(io.StringIO):
    def __init__(self, encoding="utf-8", terminal=False):
        super().__init__()
        self._encoding = encoding
        self._terminal = terminal

    @property
    def encoding(self):
        return self._encoding

    def isatty(self):
        return self._terminal


@pytest.mark.parametrize(
    ("environ", "terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colour_is_for_terminals_unless_the_environment_says_otherwise(environ, terminal, expected):
    assert expected == Screen.of(Stream(terminal=terminal), environ).colour


def test_piped_text_is_not_wrapped_so_that_grep_sees_whole_lines():
    assert PIPED == Screen.of(Stream(), {}).width


def test_the_width_can_be_given():
    assert Screen.of(Stream(), {"COLUMNS": "123"}).width == 123


def test_a_width_too_small_to_show_anything_is_not_believed():
    assert Screen.of(Stream(), {"COLUMNS": "1"}).width == 40


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", True), ("ascii", False), ("latin-1", False), (None, False)]
)
def test_glyphs_are_used_only_where_they_can_be_encoded(encoding, expected):
    assert expected == Screen.of(Stream(encoding), {}).unicode


def test_an_ascii_screen_gets_ascii():
    shown = Screen(unicode=False).plain("● keep · größe 名 \udcff")
    assert shown == "+ keep - gr\\xf6\\xdfe \\u540d \\xff"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("step_10", "step_10"),
        ("a b", "a b"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb\r\t", "a\\nb\\r\\t"),
        ("bad\udcff\udc80", "bad\\xff\\x80"),
        ("\u202eevil", "\\u202eevil"),
        ("\ud800", "\\ud800"),
        ("größe", "größe"),
    ],
)
def test_hostile_names_are_escaped(name, expected):
    assert expected == clean(name)
    clean(name).encode()


def test_wide_characters_take_two_columns_and_marks_none():
    assert columns("名a") == 3
    assert columns("e\u0301") == 1


def test_wrapped_lines_are_never_wider_than_asked_and_lose_no_word():
    text = "one two " + "x" * 50 + " 名名名名 end"
    lines = list(wrap(text, 12))
    assert all(columns(line) <= 12 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_table_is_never_wider_than_the_screen(width):
    heads = [Column("a"), Column("b", right=True), Column("c")]
    rows = [[Cell("x" * 20), Cell("y" * 8), Cell("word " * 60)], [Cell("1"), Cell("2"), Cell("")]]
    lines = list(table(heads, rows, Screen(width=width)))
    assert all(columns(line) <= width for line in lines)
    assert sum(line.count("word") for line in lines) == 60


def test_parts_stay_whole_on_a_line_where_they_can():
    lines = list(lines_of(["policy latest(3)", "now 2026-01-01 00:00:00 UTC"], Screen(width=40)))
    assert lines == ["policy latest(3)", "now 2026-01-01 00:00:00 UTC"]


def test_paths_are_shown_from_where_one_works():
    screen = Screen(here="/home/ann")
    assert screen.place("/home/ann/runs/a") == "runs/a"
    assert screen.place("/home/anna/runs") == "/home/anna/runs"
