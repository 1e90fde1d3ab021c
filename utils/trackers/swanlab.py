"""SwanLab, https://docs.swanlab.cn; its environment variables hold, such as SWANLAB_MODE=offline."""

from .by_step import ByStep
from .tracked import TrackedRun, new_id


class SwanLab(ByStep):
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

    def close(self, *, finished: bool) -> None:
        self.run.finish(state="success" if finished else "aborted")
