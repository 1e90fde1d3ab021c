"""tools/find_label_errors.py where suspects.csv is there already: what a user has edited is not lost. Long names."""

import sys

from utils.tables import read_csv

import pytest

from tests.label_errors.conftest import contents


@pytest.fixture
def edited(predictions, find):
    """suspects.csv with the first row alone."""
    find(predictions)
    suspects = predictions.parent / "label_errors" / "suspects.csv"
    lines = suspects.read_text().splitlines()
    suspects.write_text("\n".join(lines[:2]) + "\n")
    return suspects


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("option", [(), ("--apply",)])
def test_suspects_that_were_edited_are_neither_replaced_nor_passed_over(
    named, option, pictures, predictions, edited, find
):
    before = contents(pictures), contents(edited.parent)
    words = (*option, *(("--output", edited.parent) if named else ()))
    status, out, err = find(predictions, *words)
    assert (status, out) == (2, "")
    assert "has other rows than are found now, as it was edited or is of other predictions" in err
    assert f"nothing was {'moved' if option else 'written'}" in err
    assert f"tools/find_label_errors.py {edited} --apply moves the files of its rows; --overwrite replaces it" in err
    assert (contents(pictures), contents(edited.parent)) == before
    assert find(predictions, *words, "--overwrite")[0] == 0
    assert len(read_csv(edited)) == 3


def test_suspects_as_they_were_found_are_written_again(predictions, find):
    """Saved by a spreadsheet in its own way, too: no row is lost."""
    find(predictions)
    suspects = predictions.parent / "label_errors" / "suspects.csv"
    found = suspects.read_bytes()
    suspects.write_bytes(b"\xef\xbb\xbf" + found.replace(b"\n", b"\r\n"))
    status, _, err = find(predictions)
    assert (status, err) == (0, "")
    assert suspects.read_bytes() == found


@pytest.mark.parametrize("content", ["", "my,notes\n1,2\n", "path,label,suggested,p_label,p_suggested\na,b\n"])
def test_another_file_in_the_place_of_the_suspects_is_kept(content, predictions, find):
    suspects = predictions.parent / "label_errors" / "suspects.csv"
    suspects.parent.mkdir()
    suspects.write_text(content)
    status, _, err = find(predictions)
    assert status == 2
    assert "--overwrite replaces it" in err
    assert "--apply moves" not in err
    assert suspects.read_text() == content


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no paths so long")
def test_long_names_widen_the_printed_table_no_further_and_are_whole_in_the_csv(pictures, predictions, find):
    long = "x" * 100 + "y" * 100
    (pictures / "val" / "bee").rename(pictures / "val" / long)
    text = predictions.read_text().replace("p(bee)", f"p({long})").replace("/bee/", f"/{long}/")
    predictions.write_text(text.replace(",bee,", f",{long},").replace(",bee,", f",{long},"))  # side by side, too
    status, out, _ = find(predictions)
    table = out.splitlines()[:4]
    assert (status, sum("xxx...yyy" in line for line in table)) == (0, 2)
    assert max(map(len, table)) < 180
    rows = read_csv(predictions.parent / "label_errors" / "suspects.csv")
    assert {row["suggested"] for row in rows} == {long, "cow"}
