"""Text that users wrote: UTF-8 with or without a byte order mark, else refused with its probable encoding."""

import codecs
import re

from .text import shown

MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
FREQUENT = {  # encoding -> bytes of the characters that most of a text in it is made of, where they are not ASCII
    "gbk": rb"[\xb0-\xd7][\xa1-\xfe]|[\xa1\xa3][\xa1-\xfe]",
    "big5": rb"[\xa1\xa4-\xc6].",
    "cp932": rb"[\x81-\x83\x88-\x97].",
    "cp949": rb"[\xb0-\xc8][\xa1-\xfe]",
    "cp1251": rb"[\xa8\xb8\xc0-\xff]",
    "cp1252": rb"[\xc0-\xd6\xd8-\xf6\xf8-\xff\x8a\x8c\x8e\x9a\x9c\x9e\x9f\x91-\x97]",
    "cp1250": rb"[\xc0-\xd6\xd8-\xf6\xf8-\xfe\x8a-\x8f\x9a-\x9f\xa3\xa5\xaa\xaf\xb3\xb9\xba\xbc\xbe\xbf]",
}
MANY = 8  # characters, after which a Chinese text has had one that no Korean syllable shares its first byte with


def decoded(content: bytes, encoding: str = "") -> str:
    """Raises ValueError with a sentence if `content` is not in `encoding`; where none is named, in UTF-8."""
    try:
        if not encoding and b"\0" in content:
            raise UnicodeDecodeError("utf-8", content, content.index(b"\0"), len(content), "UTF-16, most likely")
        return content.decode("utf-8-sig" if encoding in ("", "utf-8") else encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        if encoding:
            raise ValueError(f"line {line} cannot be read as {encoding}") from None
        likely = likely_encoding(content)
        example = content.decode(likely, "replace").splitlines()[line - 1 : line]
        raise ValueError(
            f"line {line} is not UTF-8, but probably {likely}, in which it reads {shown(''.join(example), 60)}; "
            "save the file as UTF-8 ('CSV UTF-8' in Excel)"
        ) from None


def likely_encoding(content: bytes) -> str:
    """By the byte order mark, by zeros, or by which encoding makes frequent characters of most bytes above ASCII."""
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return encoding
    if b"\0" in content:
        return "utf-16-le" if content[1::2].count(0) > content[::2].count(0) else "utf-16-be"
    runs = re.findall(rb"[\x80-\xff]+", content)
    shares = {encoding: _share_of_frequent(content, encoding) for encoding in FREQUENT}
    is_latin = sum(map(len, runs)) < 2.5 * len(runs)  # single letters with accents; other scripts fill words
    order = sorted(FREQUENT, key=lambda encoding: is_latin and encoding not in ("cp1252", "cp1250"))
    best = max(order, key=shares.__getitem__)
    return "cp949" if best == "gbk" and shares["cp949"] == 1 and sum(map(len, runs)) >= 2 * MANY else best


def _share_of_frequent(content: bytes, encoding: str) -> float:
    try:
        letters = [c.encode(encoding) for c in content.decode(encoding) if not c.isascii()]
    except UnicodeError:
        return -1.0
    return sum(bool(re.fullmatch(FREQUENT[encoding], letter, re.DOTALL)) for letter in letters) / max(1, len(letters))
