"""Markup: a text stays a text wherever it is put, and a page may do nothing but what is written in it."""

import base64
import hashlib
import json
import re

from utils.page.document import document, section
from utils.page.markup import Html, both, join, tag, text

import pytest

HARM = "</script><script>alert('1')</script>\"&\x1b\n\u202e\udcff"


def test_a_text_is_escaped_wherever_it_is_put():
    for made in (
        text(HARM),
        tag("p", HARM),
        tag("p", title=HARM),
        both(HARM, HARM),
        join([HARM]),
        tag("b", tag("i", HARM)),
    ):
        assert isinstance(made, Html)
        assert "alert" in made
        assert not re.search(r"<script|[\x1b\n\u202e\udcff]|\('1'|\"&\\x1b", made)


def test_markup_is_not_escaped_twice():
    assert tag("p", tag("b", "a & b"), " < c") == "<p><b>a &amp; b</b> &lt; c</p>"
    assert tag("img", src="x", alt="", class_="tiny", hidden=False) == '<img src="x" alt="" class="tiny">'
    assert tag("td", data_value=0, hidden=True) == '<td data-value="0" hidden></td>'


def test_data_come_back_as_they_were_and_end_no_script():
    data = {"names": [HARM, "<!--", "类别"]}
    page = document("title", Html(""), script="", data=data)
    [found] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert json.loads(found) == data
    assert "<" not in found
    with pytest.raises(ValueError, match="JSON"):
        document("title", Html(""), script="", data={"value": float("nan")})


def policy_of(page):
    [content] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    return dict(part.split(" ", 1) for part in content.replace("&#x27;", "'").split("; "))


def digest(content):
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def test_the_policy_allows_the_pages_own_style_and_script_and_no_more():
    page = document("title", tag("p", "text"), script="let own = 1;", data={})
    policy = policy_of(page)
    [style], [script] = (
        re.findall(pattern, page, re.DOTALL) for pattern in ("<style>(.*?)</style>", "<script>(.*?)</script>")
    )
    assert "let own = 1;" in script
    assert policy == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": digest(style),
        "script-src": digest(script),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_a_page_without_script_may_run_none():
    page = document("title", tag("p", "text"))
    assert "<script" not in page
    assert "script-src" not in policy_of(page)
    assert policy_of(page)["default-src"] == "'none'"


@pytest.mark.parametrize(("language", "shown"), [("auto", "en"), ("en", "en"), ("zh", "zh")])
def test_the_language_without_a_script(language, shown):
    assert f'<html lang="{shown}" data-language="{language}">' in document("title", Html(""), language=language)


def test_a_page_refreshes_itself_only_where_it_is_asked_to():
    assert '<meta http-equiv="refresh" content="30">' in document("title", Html(""), refresh=30)
    assert "refresh" not in document("title", Html(""))


def test_a_section_without_content_is_left_out():
    assert section("id", Html("heading"), "", Html("")) == ""
    assert section("id", Html("heading"), "text").startswith(
        '<section id="id" aria-labelledby="id-title"><h2 id="id-title">'
    )
