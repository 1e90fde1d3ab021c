"""Text in plots: a font that has the glyphs of the class names, or a warning that there is none."""

import contextlib
import functools
import logging
from collections.abc import Sequence

from ..text import one_line

log = logging.getLogger("train")

MOST_LETTERS = 40  # of a class name in a plot
LIKELY = ("Noto Sans CJK", "Source Han Sans", "Microsoft YaHei", "SimHei", "PingFang", "WenQuanYi", "Arial Unicode")


def class_labels(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """(labels, font families) for class names in a plot.

    Where no font of the system has all glyphs, the labels are the class indices and a warning says so once.
    """
    letters = frozenset("".join(names))
    if _family_with(letters) is None:
        _warn_once("".join(sorted(c for c in letters if ord(c) > 0x2E7F))[:8])
        return [str(i) for i in range(len(names))], ["DejaVu Sans"]
    return [plain(name, MOST_LETTERS) for name in names], families(names)


def plain(text: str, most: int = 2000) -> str:
    """One line of literal text: dollar signs would start mathematics, a line break would cover the neighbours, and
    signs for the direction of writing would turn what follows. Longer than `most`, it loses its middle."""
    return one_line(" ".join(text.encode(errors="replace").decode().split()), most).replace("$", r"\$")


def drawable(texts: Sequence[str]) -> list[str]:
    """The texts, for the fonts that `families` names for them: with ? for letters that those do not have."""
    if _family_with(frozenset("".join(texts))) is not None:
        return list(texts)
    from matplotlib import font_manager

    own = _glyphs(font_manager.findfont("DejaVu Sans"))
    return ["".join(c if c.isspace() or ord(c) in own else "?" for c in text) for text in texts]


def families(texts: Sequence[str]) -> list[str]:
    """Font families that have all glyphs of the texts between them, where such are installed."""
    family = _family_with(frozenset("".join(texts)))
    return ["DejaVu Sans"] if family is None else [family, "DejaVu Sans"]


@functools.cache
def _family_with(letters: frozenset[str]) -> str | None:
    """A font family whose regular face has every letter; DejaVu Sans, which comes with matplotlib, is tried first."""
    from matplotlib import font_manager

    codes = {ord(c) for c in letters if not c.isspace()}
    if codes <= _glyphs(font_manager.findfont("DejaVu Sans")):
        return "DejaVu Sans"
    fonts = font_manager.fontManager
    for path in set(font_manager.findSystemFonts()) - {font.fname for font in fonts.ttflist}:
        with contextlib.suppress(Exception):  # installed since matplotlib last looked; some are of kinds it cannot read
            fonts.addfont(path)

    def preference(font: font_manager.FontEntry) -> tuple:
        likely = next((i for i, name in enumerate(LIKELY) if font.name.startswith(name)), len(LIKELY))
        return likely, font.style != "normal", str(font.weight) not in ("400", "normal"), font.name

    real = (font for font in fonts.ttflist if not font.name.startswith("Last Resort"))  # that one draws boxes only
    return next((font.name for font in sorted(real, key=preference) if codes <= _glyphs(font.fname)), None)


def _glyphs(path: str) -> set[int]:
    """Code points that the font file has glyphs for."""
    from matplotlib import ft2font

    try:
        return set(ft2font.FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return set()


@functools.cache
def _warn_once(letters: str) -> None:
    log.warning(
        f"no installed font has all glyphs of the class names ({letters} ...): plots show class indices as in "
        "class_indices.json; installing a font such as Noto Sans CJK would show the names"
    )
