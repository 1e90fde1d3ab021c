"""A batch that does not fit on the GPU: one line that says what to change, and the checkpoint before it is good."""

from dataclasses import replace
from functools import partial

from utils.weights.checkpoint import load_checkpoint

import torch

import train
from tests.gpu.runs import needs_cuda

LITTLE = 250 * 2**20  # bytes, of which a batch of 21 images of 640 x 640 takes several times as much


def little_memory(size):
    """The process may take so many bytes of the GPU's."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(size / total, 0)


def test_a_batch_that_does_not_fit_is_one_error_and_the_checkpoint_is_intact(device, make_config, make_runs):
    needs_cuda(device, "the system ends a process that takes too much")
    changes = dict(batch_size=6, accumulate_steps=1, epochs=1, warmup_epochs=0, use_apex=False)
    config = make_config(**changes)
    folder = train.run(config)
    before = (folder / "last.pth").read_bytes()
    larger = ("epochs=2", "batch_size=21", "img_size=[640,640]", "val_resize=[640,640]")
    options = [word for change in larger for word in ("--set", change)]
    job = make_runs(**changes).start("--resume", str(folder), "--force", *options, fault=partial(little_memory, LITTLE))
    assert job.end() == [1], job.said()  # as tests/test_cli.py has it
    errors = [line for line in job.said().splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, job.said()
    assert all(word in errors[0] for word in ("memory", "batch_size", "accumulate_steps", "use_apex")), errors[0]
    assert "Traceback" not in job.said()
    assert (folder / "last.pth").read_bytes() == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]  # no drafts left
    train.run(replace(config, epochs=2, resume=True, load_from=str(folder / "last.pth")))
    assert load_checkpoint(folder / "last.pth")["epoch"] == 2
