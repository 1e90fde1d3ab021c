"""Names that people cannot tell apart are one class, or are refused with the code points in which they differ."""

import sys
import unicodedata

from utils.data.listing import scan
from utils.data.lookalikes import difference, look
from utils.errors import DataError
from utils.run.splits import read_data

import pytest

from tests.helpers.divided import files
from tools import check_data, create_data

CHEESE, DECOMPOSED = "K\u00e4se", "Ka\u0308se"
PAIRS = [(CHEESE, DECOMPOSED), ("cat", "cat "), ("cat", " cat"), ("a b", "a\u00a0b"), ("cat", "ca\u200bt")]
linux = pytest.mark.skipif(sys.platform != "linux", reason="such names are one file elsewhere, or none")


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_what_looks_the_same(one, other):
    assert look(one) == look(other)
    assert look(one) != look("Kase")


def test_the_difference_is_told_in_code_points():
    assert difference(CHEESE, DECOMPOSED) == "U+00E4, the other U+0061 U+0308"
    assert difference("cat", "cat ") == "nothing, the other U+0020"


@linux
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_training_and_checking_match_a_folder_of_val_and_say_so(one, other, make_config, data, capsys):
    (data / "train" / "ant").rename(data / "train" / one)
    (data / "val" / "ant").rename(data / "val" / other)
    found = read_data(make_config()).val
    place = found.classes.index(one)
    assert found.counts()[place] == 3
    assert all(f"/{other}/" in found.name(i) for i in range(9) if found.targets[i] == place)
    assert difference(other, one) in found.notes[0]
    check_data.main([str(data)])
    printed = capsys.readouterr()
    assert "not in train" not in printed.err
    assert difference(other, one) in printed.out


@linux
@pytest.mark.parametrize("known", [None, [CHEESE, "cat"]])
def test_two_in_one_split_are_refused(known, tmp_path):
    for name in (CHEESE, DECOMPOSED):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").touch()
    message = r"look the same: where they differ, one has U\+0061 U\+0308, the other U\+00E4; give both one name"
    with pytest.raises(DataError, match=message):
        scan(tmp_path, known)
    assert create_data.main([str(tmp_path), str(tmp_path.with_name("out"))]) == 2
    assert check_data.main([str(tmp_path)]) == 2


@linux
def test_letters_of_another_alphabet_are_told(tmp_path):
    (tmp_path / "c\u0430t").mkdir()
    (tmp_path / "c\u0430t" / "x.png").touch()
    with pytest.raises(DataError, match=r"\(spelled 'c\\u0430t'\) is not among .* nearest: 'cat'"):
        scan(tmp_path, ["cat"])


def test_a_csv_may_spell_a_file_otherwise_and_have_blanks_around(tmp_path):
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, f"{CHEESE}{form}.png")
        (tmp_path / name).write_text(form)
    rows = [f"{unicodedata.normalize('NFC', CHEESE + form)}.png, cheese " for form in ("NFC", "NFD")]
    (tmp_path / "labels.csv").write_text("\n".join(["path, label", *rows]), encoding="utf-8")
    assert create_data.main([str(tmp_path / "labels.csv"), str(tmp_path / "out"), "--val", "0.5"]) == 0
    assert {name.split("/")[1] for name in files(tmp_path / "out")} == {"cheese"}
