"""Which rows are measured, within how much time. Torch is not needed here."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.gpu_process import SideError

ESTIMATES = {"eager": 0.0, "addernet": 20.0, "loading": 12.0, "compiled": 45.0}  # seconds, before any was measured
LEAST_TIMEOUT = 20.0  # seconds that an answer may take, however little time is left


@dataclass
class Piece:
    """A row of some table."""

    kind: str  # of ESTIMATES
    title: str
    measure: Callable[[float, float], None]  # of a deadline, after which to be brief, and the timeout of an answer


@dataclass
class Plan:
    """Measures pieces in their order, but for those that would not end within `minutes` of the program's start."""

    minutes: float
    pieces: list[Piece] = field(default_factory=list)
    start: float = field(default_factory=time.perf_counter)
    slowest: dict[str, float] = field(default_factory=dict)  # seconds, by kind

    def add(self, kind: str, title: str, measure: Callable[[float, float], None]) -> None:
        self.pieces.append(Piece(kind, title, measure))

    @property
    def left(self) -> float:
        return 60 * self.minutes - (time.perf_counter() - self.start)

    def estimate(self, piece: Piece) -> float:
        return self.slowest.get(piece.kind, ESTIMATES[piece.kind])

    def run(self, note: Callable[[str], None]) -> None:
        """note: called with a sentence about each piece that failed, and with one at the end."""
        left_out = []
        for place, piece in enumerate(self.pieces):
            begun = time.perf_counter()
            if self.estimate(piece) > self.left:
                left_out.append(piece.title)
                continue
            try:
                piece.measure(begun + self._share(place), max(LEAST_TIMEOUT, self.left))
            except SideError as error:
                note(f"{piece.title} failed: {error}")
            took = time.perf_counter() - begun
            self.slowest[piece.kind] = max(took, self.slowest.get(piece.kind, 0.0))
        names = ", ".join(left_out) or "none"
        note(f"{time.perf_counter() - self.start:.0f} s in all; left out for want of time: {names}")

    def _share(self, place: int) -> float:
        """Seconds for this piece, if those of its kind share what the others but compiled ones leave."""
        kind, rest = self.pieces[place].kind, self.pieces[place:]
        others = [piece for piece in rest if piece.kind not in ("compiled", kind)]
        return (self.left - sum(map(self.estimate, others))) / sum(piece.kind == kind for piece in rest)
