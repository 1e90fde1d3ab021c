"""What is remembered of trackers in the run folder, for a run that is resumed."""

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from ..files import write_json

FILE = "trackers.json"


@dataclass(frozen=True)
class Known:
    id: str = ""  # by which a tracker knows the run
    epoch: int = 0  # the last that was sent
    concluded: int = 0  # the last epoch of the run when its end was sent


class Memory:
    """trackers.json: one entry a tracker; their threads share it."""

    def __init__(self, folder: Path) -> None:
        self.path, self.lock = folder / FILE, threading.Lock()
        self.entries = _read(self.path)

    def of(self, name: str) -> Known:
        return self.entries.get(name, Known())

    def keep(self, name: str, known: Known) -> None:
        """Raises OSError where the file cannot be written."""
        with self.lock:
            if known != self.of(name):
                entries = {**self.entries, name: known}
                write_json(self.path, {each: asdict(entry) for each, entry in entries.items()}, indent=2)
                self.entries = entries  # not before: what could not be written is written the next time


def _read(path: Path) -> dict[str, Known]:
    """Nothing from a file that is missing or damaged."""
    try:
        entries = {name: Known(**entry) for name, entry in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return {name: known for name, known in entries.items() if _is_sound(known)}


def _is_sound(known: Known) -> bool:
    return type(known.id) is str and type(known.epoch) is int and type(known.concluded) is int
