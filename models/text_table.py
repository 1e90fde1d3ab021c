"""Tables as text."""

from collections.abc import Container, Sequence


def aligned(rows: Sequence[Sequence[str]], right: Container[str]) -> str:
    """Columns two spaces apart; the first row are the headers, and those in `right` head columns of numbers."""
    widths = [max(map(len, column)) for column in zip(*rows)]

    def line(row: Sequence[str]) -> str:
        cells = zip(rows[0], row, widths)
        return "  ".join(text.rjust(width) if name in right else text.ljust(width) for name, text, width in cells)

    return "\n".join(line(row).rstrip() for row in rows)
