"""Markup in which a text is always a text: whatever is not `Html` is escaped where it is put into a tag.

A page is in English and in Chinese: `both` gives a phrase in the two languages, of which the style shows one.
"""

import html
from collections.abc import Iterable

from ..text import printable

VOID = {"br", "img", "input", "meta"}  # they have no end


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def text(value: object) -> Html:
    """`value` as it is to be read. Line breaks, control characters and bytes that are no text become escapes."""
    return value if isinstance(value, Html) else Html(html.escape(printable(str(value))))


def join(parts: Iterable[object]) -> Html:
    return Html("".join(map(text, parts)))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element. attributes: `class_` is class and `data_key` is data-key; None and False leave one out."""
    given = (_attribute(key, value) for key, value in attributes.items() if value is not None and value is not False)
    head = f"<{name}{''.join(given)}>"
    return Html(head if name in VOID else f"{head}{join(children)}</{name}>")


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(printable(str(value)))}"'


def both(english: object, chinese: object) -> Html:
    """A phrase in the two languages of a page."""
    return join([tag("span", english, lang="en"), tag("span", chinese, lang="zh")])
