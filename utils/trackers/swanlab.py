"""SwanLab, https://docs.swanlab.cn; its environment variables hold, such as SWANLAB_MODE=offline."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from .tracked import TrackedRun, new_id


class SwanLab:
    """Its step is the epoch; it does not say which ones it has, so what was sent before counts."""

    def __init__(self, run: TrackedRun) -> None:
        import swanlab

        self.image = swanlab.Image
        self.id, self.epoch = run.id or new_id(), run.epoch
        self.run = swanlab.init(
            project=run.project,
            experiment_name=run.name,
            id=self.id,
            resume="allow",
            config=dict(run.hyperparameters),
            settings=swanlab.Settings(interactive=False),  # no question about a login
        )

    def add(self, epoch: int, figures: Mapping[str, float], when: float) -> None:
        self.run.log(dict(figures), step=epoch)

    def conclude(self, epoch: int, figures: Mapping[str, float], pictures: Sequence[Path]) -> None:
        images = {path.stem: self.image(str(path)) for path in pictures}
        self.run.log({**figures, **images}, step=epoch)

    def close(self, *, finished: bool) -> None:
        self.run.finish(state="success" if finished else "aborted")
