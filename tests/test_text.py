"""Names as text for people."""

from utils.text import aligned, display_width, listed, natural_order, one_line, printable, shortened, shown


def test_printable_escapes_what_breaks_lines_or_steers_terminals():
    assert printable("a\nb\x1b[1m\udcff\u202e") == r"a\nb\x1b[1m\udcff\u202e"
    assert printable("猫 é ñ") == "猫 é ñ"


def test_aligned_columns_count_wide_characters_twice():
    assert aligned([["class", "n"], ["猫", 7], ["a\nb", 10]]) == ["class   n", "猫      7", r"a\nb   10"]


def test_listed_names_a_few():
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed([str(i) for i in range(1205)], most=2) == "'0', '1' and 1,203 more"


def test_long_texts_lose_their_middle():
    assert one_line("a" * 50 + "b" * 50, most=25) == "a" * 10 + " ... " + "b" * 10
    assert one_line("two\nlines") == r"two\nlines"


def test_names_in_tables_lose_their_middle_by_the_columns_that_they_take():
    assert shortened("a" * 40) == "a" * 40
    assert shortened("a" * 50 + "b" * 50, 11) == "aaaa...bbbb"
    assert shortened("猫" * 9 + "狗" * 9, 13) == "猫猫...狗狗狗"
    assert display_width(shortened("猫" * 200)) <= 40
    assert shortened("two\nlines") == r"two\nlines"


def test_names_that_are_sorted_as_texts_are_ordered_by_their_numbers():
    def ordered(names):
        return [names[place] for place in natural_order(names)]

    assert ordered(["0", "1", "10", "11", "2", "20", "3"]) == ["0", "1", "2", "3", "10", "11", "20"]
    assert ordered(["a1b10", "a1b9", "a2", "b"]) == ["a1b9", "a1b10", "a2", "b"]
    assert ordered(["007", "07", "7", "x", "狗10", "狗9"]) == ["007", "07", "7", "x", "狗9", "狗10"]
    assert ordered(["2", "10", "1"]) == ["2", "10", "1"]  # someone's own order
    assert natural_order(["1" * 5000, "2"]) == [1, 0]
    assert natural_order([]) == []


def test_values_without_an_end_are_shown_in_short():
    endless, doubled, class_of_the_users = [], {}, type("A", (), {"__repr__": lambda self: 1 / 0})
    endless.append(endless)
    for _ in range(60):
        doubled = {0: doubled, 1: doubled}
    assert len(shown(endless)) < 60
    assert len(shown(doubled)) < 210
    assert shown(10**5000) == "a value of type int"
    assert "A" in shown(class_of_the_users())
    assert shown([0.5, "x", None, (1,)]) == "[0.5, 'x', None, (1,)]"
