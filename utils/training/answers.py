"""The logits of every image of an evaluation, on rank 0."""

import numpy as np
import torch
from torch import Tensor

from .. import distributed
from ..data.batches import Batch
from .metrics import Answers


class AllLogits:
    """A meter that keeps them: on each rank its own, after `reduce` all on rank 0 and none elsewhere."""

    def __init__(self, num_classes: int, device: torch.device) -> None:
        self.indices = [torch.empty(0, dtype=torch.int64)]
        self.targets = [torch.empty(0, dtype=torch.int64, device=device)]
        self.logits = [torch.empty(0, num_classes, device=device)]
        self.answers: Answers | None = None

    def update(self, batch: Batch, logits: Tensor) -> None:
        self.indices.append(batch.indices)
        self.targets.append(batch.targets)
        self.logits.append(logits)

    def reduce(self) -> None:
        targets = torch.cat(self.targets)
        logits = torch.cat(self.logits)
        columns = torch.cat(self.indices).to(targets.device), targets, logits
        del self.indices, self.targets, self.logits
        found = [distributed.rows_to_main(column) for column in columns]
        if distributed.is_main():
            arrays = [torch.cat(parts).cpu().numpy() for parts in found]
            order = np.argsort(arrays[0])
            self.answers = Answers(*(array[order] for array in arrays))

    def result(self) -> Answers | None:
        """None on ranks other than 0."""
        return self.answers
