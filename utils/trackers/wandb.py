"""Weights & Biases, https://docs.wandb.ai; its environment variables hold, such as WANDB_MODE=offline."""

from ..log import log
from .by_step import ByStep
from .tracked import TrackedRun, new_id


class WeightsAndBiases(ByStep):
    """Its step is the epoch; it takes no step before the last that it has."""

    def __init__(self, run: TrackedRun) -> None:
        import wandb

        # silent: no question about a login, which nobody answers, and nothing among the lines of the log
        wandb.setup(settings=wandb.Settings(silent=True, console="off"))
        self.image = wandb.Image
        self.id = run.id or new_id()
        self.run = wandb.init(
            project=run.project,
            name=run.name,
            id=self.id,
            resume="allow",
            config=dict(run.hyperparameters),
            allow_val_change=True,  # by a run that is resumed
        )
        self.epoch = max(0, self.run.step - 1)  # step: of the next call
        log.info(f"wandb: {self.run.url or self.run.dir}")

    def close(self, *, finished: bool) -> None:
        self.run.finish(exit_code=0 if finished else 1)
