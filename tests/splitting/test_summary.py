"""What tools/create_data.py prints."""

from tools import create_data


def test_long_names_of_classes_do_not_widen_the_table(photos, tmp_path, capsys):
    long = "x" * 100 + "y" * 100
    root = photos({long: [f"{i}.png" for i in range(10)], "cat": [f"{i}.png" for i in range(10)]})
    assert create_data.main([str(root), str(tmp_path / "divided")]) == 0
    table = capsys.readouterr().out.splitlines()[:5]
    assert any("xxx...yyy" in line for line in table)
    assert max(map(len, table)) < 80
    assert (tmp_path / "divided" / "train" / long).is_dir()
