"""Names as text for people and for spreadsheets."""

import pytest

from utils.tables import inert
from utils.text import aligned, listed, printable


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@SUM(A1)", "\tx", "\rx"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text):
    assert inert(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "cat", "a=b", "a-b", "'=x", " =x", "猫", "1"])
def test_other_cells_stay_as_they_are(text):
    assert inert(text) == text


def test_printable_escapes_what_breaks_lines_or_steers_terminals():
    assert printable("a\nb\x1b[1m\udcff\u202e") == r"a\nb\x1b[1m\udcff\u202e"
    assert printable("猫 é ñ") == "猫 é ñ"


def test_aligned_columns_count_wide_characters_twice():
    assert aligned([["class", "n"], ["猫", 7], ["a\nb", 10]]) == ["class   n", "猫      7", r"a\nb   10"]


def test_listed_names_a_few():
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed([str(i) for i in range(1205)], most=2) == "'0', '1' and 1,203 more"
