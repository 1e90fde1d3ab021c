"""What trackers have in common whose runs take a step and a dictionary of figures and pictures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


class ByStep:
    """The step is the epoch. `run` and `image`, the package's class of pictures, are set by those that begin a run."""

    run: Any
    image: Callable[[str], Any]

    def add(self, epoch: int, figures: Mapping[str, float], when: float) -> None:
        self.run.log(dict(figures), step=epoch)

    def conclude(self, epoch: int, figures: Mapping[str, float], pictures: Sequence[Path]) -> None:
        images = {path.stem: self.image(str(path)) for path in pictures}
        self.run.log({**figures, **images}, step=epoch)
