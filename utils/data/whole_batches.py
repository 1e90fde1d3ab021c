"""The loader of a data set whose item is a whole batch: opened, transformed and stacked where it is read."""

from collections.abc import Generator, Iterable
from functools import partial
from typing import Any, TypeVar

from torch.utils.data import DataLoader, Dataset

from ..signals import children_block_terminations, leave_signals_to_parent
from ..threads import home_cores, run_on
from ..torch_private import end_workers

Kind = TypeVar("Kind")


def as_is(batch: Kind) -> Kind:
    """The collate function: the data set has stacked already (a named function, so that spawn can pickle it)."""
    return batch


def start_worker(worker: int, *, cores: frozenset[int]) -> None:
    """What a loading process does first. cores: of the run, whose own threads may be held on half of them by now."""
    run_on(cores)
    leave_signals_to_parent(worker)


class WholeBatches(DataLoader[Kind]):
    """Torch's DataLoader as it is needed for them."""

    def __init__(
        self, dataset: Dataset[Kind], batches: Iterable[Any], *, workers: int, pin: bool, persistent: bool = False
    ) -> None:
        """batches: the keys of each batch.  pin: into page-locked memory.  persistent: workers outlive a pass."""
        super().__init__(
            dataset,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=as_is,
            worker_init_fn=partial(start_worker, cores=home_cores()),
            pin_memory=pin,
            persistent_workers=persistent and workers > 0,
        )

    def __iter__(self) -> Any:  # torch names its private iterator
        """As torch's; the workers that it starts leave signals to this process from their first moment on."""
        with children_block_terminations():
            return super().__iter__()

    def check_worker_number_rationality(self) -> None:
        """Torch's warning of too many workers, which counts the cores that this process is held on for the moment."""
        if self.num_workers > len(home_cores()):
            super().check_worker_number_rationality()

    def read(self) -> Generator[Kind, None, None]:
        """The batches of a pass; workers end at once with a generator that is closed before its end."""
        iterator = iter(self)
        try:
            yield from iterator
        except BaseException:  # GeneratorExit too
            if self.num_workers:
                end_workers(self, iterator)
            raise
