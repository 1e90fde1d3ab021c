"""The whole page: what it may do is nothing but to run this script and to show what is in it."""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .markup import Html, join, tag, text

LANGUAGES = ("auto", "en", "zh")  # auto: the browser's, as far as there is a script
HERE = Path(__file__).parent
STYLE = (HERE / "page.css").read_text(encoding="utf-8")
SCRIPT = (HERE / "page.js").read_text(encoding="utf-8")


def document(
    title: str,
    body: Html,
    *,
    language: str = "auto",
    script: str | None = None,
    data: Mapping[str, Any] | None = None,
    refresh: int = 0,
) -> str:
    """A page that needs no other file and no network.

    script: what runs behind the shared one, which sorts tables; None for a page without any, which keeps its language.
    data: what a script reads, as JSON, from the element `data`.
    refresh: seconds after which a browser reads the file anew; 0 for never.
    """
    whole = None if script is None else SCRIPT + script
    policy = f"default-src 'none'; img-src data:; style-src {_digest(STYLE)}; base-uri 'none'; form-action 'none'"
    policy += "" if whole is None else f"; script-src {_digest(whole)}"
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="refresh", content=refresh) if refresh else "",
        tag("title", title),
        tag("style", Html(STYLE)),
    ]
    content = tag("script", _json(data), type="application/json", id="data") if data is not None else ""
    root = tag(
        "html",
        tag("head", *head),
        tag("body", body, content, "" if whole is None else tag("script", Html(whole))),
        lang="zh" if language == "zh" else "en",
        data_language=language,
    )
    return f"<!doctype html>\n{root}\n"


def _digest(content: str) -> str:
    """Of an inline script or style, as a Content-Security-Policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _json(data: Mapping[str, Any]) -> Html:
    """JSON that ends no script element, whatever its texts hold. Raises ValueError for nan and infinity."""
    encoded = json.dumps(data, separators=(",", ":"), allow_nan=False)  # ASCII: lone halves of characters are escaped
    return Html(encoded.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def section(identifier: str, heading: Html, *content: object) -> Html:
    """A part of the page below a heading; nothing where there is no content."""
    inner = join(content)
    if not inner:
        return Html("")
    title = tag("h2", heading, id=f"{identifier}-title")
    return tag("section", title, inner, id=identifier, aria_labelledby=f"{identifier}-title")


def small(*content: object) -> Html:
    return tag("p", *content, class_="small")


def more(count: int, shown: int, where: str) -> Html:
    """How many are left out, if any."""
    return small(text(f"and {count - shown:,} more in {where}")) if count > shown else Html("")
