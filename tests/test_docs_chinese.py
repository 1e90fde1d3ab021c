"""The Chinese pages say what the English ones say: same blocks, tables, names in code, and links."""

import re
from collections import Counter

import pytest

from tests.helpers.pages import CHINESE, GUIDES, TEXTS, blocks

ENGLISH_ONLY = {"docs/benchmarks.md", "docs/extending.md", "docs/gpu.md", "docs/guarantees.md", "docs/networks.md"}
HOME = "../../README.zh.md"


def english_of(name):
    return f"docs/{name.rpartition('/')[2]}"


def prose(name):
    """Without blocks and comments."""
    return re.sub(r"^ *```.*?^ *```$|<!--.*?-->", "", TEXTS[name], flags=re.MULTILINE | re.DOTALL)


def spans(name):
    return Counter(re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", prose(name)))


def shapes(name):
    """Columns of every row of every table, in order."""
    return [len(re.findall(r"(?<!\\)\|", line)) for line in prose(name).splitlines() if line.startswith("|")]


def links(name):
    """Without anchors and the folders of the two languages."""
    targets = (target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", prose(name)))
    own = name.rpartition("/")[2]
    plain = (re.sub(r"^(\.\./|zh/)+", "", target).replace("README.zh.md", "README.md") for target in targets)
    return Counter(target for target in plain if target not in ("", own))


def test_every_page_for_users_is_there_in_chinese():
    assert [english_of(name) for name in CHINESE] == [name for name in GUIDES if name not in ENGLISH_ONLY]


@pytest.mark.parametrize("name", CHINESE)
def test_a_page_says_what_the_english_one_says(name):
    english = english_of(name)
    assert blocks(name) == blocks(english)
    assert re.findall(r"^#+(?= )", prose(name), re.MULTILINE) == re.findall(r"^#+(?= )", prose(english), re.MULTILINE)
    assert spans(name) == spans(english)
    assert shapes(name) == shapes(english)
    assert links(name) == links(english)


@pytest.mark.parametrize("name", CHINESE)
def test_each_page_leads_to_the_other(name):
    own = name.rpartition("/")[2]
    assert f"]({HOME})" in TEXTS[name]
    assert f"](../{own})" in TEXTS[name]
    assert f"](zh/{own})" in TEXTS[english_of(name)]


def test_the_table_of_keys_has_the_same_keys_and_defaults():
    english, chinese = (
        re.findall(r"^\|(`\w+`)\|([^|]*)\|", TEXTS[f"docs/{part}configuration.md"], re.MULTILINE)
        for part in ("", "zh/")
    )
    assert len(english) > 100
    assert chinese == english
