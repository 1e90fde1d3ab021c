"""Text of users: a byte order mark is read past, another encoding is refused by its name, or read where it is named."""

from utils.config import ConfigError, load_train_config, read_literals
from utils.encoding import decoded, likely_encoding
from utils.tables import read_csv

import pytest

from tests.helpers.divided import create, files
from tools.create_data import main, parse_arguments

TEXTS = {
    "cp1252": "path,label\nx.png,K\u00e4se\ny.png,Gr\u00f6\u00dfe\nz.png,caf\u00e9\n",
    "cp1250": "x.png,\u0142\u00f3\u017c\ny.png,\u017b\u00f3\u0142ty kwiat\n",
    "gbk": "x.png,\u732b\ny.png,\u516c\u5171\u6c7d\u8f66\nz.png,\u5c0f\u72d7\n",
    "big5": "x.png,\u8c93\ny.png,\u516c\u5171\u6c7d\u8eca\n",
    "cp932": "x.png,\u306d\u3053\ny.png,\u30d0\u30b9\nz.png,\u72ac\n",
    "cp949": "x.png,\uace0\uc591\uc774\ny.png,\uac15\uc544\uc9c0\nz.png,\ub098\ubb34\n",
    "cp1251": "x.png,\u043a\u043e\u0448\u043a\u0430\ny.png,\u0421\u043e\u0431\u0430\u043a\u0430\n",
    "utf-16": "x.png,cat\n",
    "utf-32": "x.png,cat\n",
    "utf-16-le": "x.png,cat\n",
    "utf-16-be": "x.png,cat\n",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_the_encoding_is_guessed_and_named_with_what_it_reads(encoding):
    content = TEXTS[encoding].encode(encoding)
    assert likely_encoding(content) == encoding
    with pytest.raises(
        ValueError, match=rf"^line \d is not UTF-8, but probably {encoding}, in which it reads '.+,"
    ) as at:
        decoded(content)
    assert "save the file as UTF-8" in str(at.value)
    assert decoded(content, encoding) == TEXTS[encoding]


def test_utf8_is_read_with_and_without_a_mark():
    for text in ("", "path", TEXTS["gbk"]):
        assert decoded(text.encode("utf-8-sig")) == decoded(text.encode()) == text
    with pytest.raises(ValueError, match="line 2 cannot be read as ascii"):
        decoded("a\n\u00e9".encode(), "ascii")


@pytest.mark.parametrize("encoding", ["cp1252", "gbk"])
def test_a_csv_of_another_encoding_is_refused_and_read_where_it_is_named(encoding, tmp_path, capsys):
    labels = sorted({line.split(",")[1] for line in TEXTS[encoding].split() if line != "path,label"})
    rows = [f"{k}.png,{label}" for k, label in enumerate(labels * 4)]
    for row in rows:
        (tmp_path / row.split(",")[0]).write_text(row, encoding="utf-8")
    table = tmp_path / "labels.csv"
    table.write_bytes("\n".join(["path,label", *rows]).encode(encoding))
    assert main([str(table), str(tmp_path / "out")]) == 2
    assert f"probably {encoding}" in (printed := capsys.readouterr().err)
    assert "--encoding" in printed
    create(table, tmp_path / "out", "--encoding", encoding)
    assert sorted({name.split("/")[1] for name in files(tmp_path / "out")}) == labels
    assert main([str(tmp_path), str(tmp_path.with_name("other")), "--encoding", encoding]) == 2
    assert "--encoding is that of a csv" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["klingon", "hex"])
def test_what_is_no_encoding_is_refused(encoding, capsys):
    with pytest.raises(SystemExit):
        parse_arguments(["labels.csv", "out", "--encoding", encoding])
    assert encoding in capsys.readouterr().err


def test_a_config_of_another_encoding_is_named(tmp_path):
    path = tmp_path / "train_config.py"
    for encoding in ("cp1252", "utf-16"):
        path.write_bytes("exp_name = 'K\u00e4se'\n".encode(encoding))
        for read in (load_train_config, read_literals):
            with pytest.raises(ConfigError, match=f"line 1 is not UTF-8, but probably {encoding}"):
                read(path)
    path.write_bytes("exp_name = 'K\u00e4se'\n".encode("utf-8-sig"))
    assert read_literals(path) == {"exp_name": "K\u00e4se"}


def test_a_table_that_a_spreadsheet_has_marked_is_read(tmp_path):
    (tmp_path / "results.csv").write_bytes("epoch,lr\n1,0.1\n".encode("utf-8-sig"))
    assert read_csv(tmp_path / "results.csv") == [{"epoch": "1", "lr": "0.1"}]
