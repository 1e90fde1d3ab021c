"""Errors that are the user's to mend: entry points print them as one `error: ...` and exit with status 2."""

import re

from .text import one_line


class UserError(Exception):
    """The input is at fault; the message, one line, names the file, key or value and what was expected.

    details: further lines, such as the files that are meant. (A line break within a text is shown as an escape, since
    names of files may hold one.)
    """

    on_every_rank = True  # several processes all meet it, so that one of them reports it

    def __init__(self, message: str, *details: str) -> None:
        super().__init__("\n  ".join(map(one_line, (message, *details))))


class ConfigError(UserError):
    """The configuration is at fault; `problems` holds a sentence for each mistake, each on a line of its own."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(*([f"{source}: {problems[0]}"] if len(problems) == 1 else [f"{source}:", *problems]))


class DataError(UserError):
    """The images or their folders."""


class ImageError(DataError):
    """One image that cannot be read; the message is the reason, without the path."""


class UnreadableError(DataError):
    """A file among the images of one process that cannot be read, where the config says to stop."""

    on_every_rank = False


class OneProcessError(DataError):
    """What one of several processes alone meets, such as a disk that takes no more of its files."""

    on_every_rank = False


class WeightsError(UserError):
    """A file of weights or a checkpoint."""


class RunError(Exception):
    """A run cannot go on though the input was in order: reported in one line, exit status 1."""

    on_every_rank = True


class DivergedError(RunError):
    """Training produced several non-finite losses in a row."""


class SaveError(RunError):
    """What has to be saved cannot be, on a disk that is full, say."""

    on_every_rank = False  # rank 0 alone writes


ENDED = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\) (is killed by signal: [\w ]+|exited unexpectedly)")
LOST = ("connection closed by peer", "connection reset by peer", "broken pipe", "remote process exited", "socket")


def cause_of(error: BaseException) -> str | None:
    """A sentence for what the memory or another process has brought about, None for all other exceptions."""
    text = str(error)
    if _is_out_of_memory(error):
        return (
            f"out of memory ({_short(text)}): a smaller batch_size needs less, for which accumulate_steps can make up "
            "in training, as does mixed precision (use_apex = True, amp_dtype) or a smaller img_size; what was saved "
            "is as it was"
        )
    if found := ENDED.search(text):
        return (
            f"a loading process (pid {found[1]}) {found[2].replace('is killed', 'was killed')}; where memory is short "
            "the system does that: a smaller batch_size needs less, as do fewer num_workers in training"
        )
    if is_of_device(error):
        return (
            f"the GPU failed ({_short(text)}); with CUDA_LAUNCH_BLOCKING=1 it shows where; what was saved is as it was"
        )
    if _is_distributed(error) and any(sign in text.lower() for sign in LOST):
        return (
            "lost another process of this run, which has ended or cannot be reached; its own message or the launcher's "
            f"gives the cause ({_short(text)})"
        )
    return None


def is_of_device(error: BaseException) -> bool:
    """Whether a GPU has failed, after which, most often, it answers nothing that this process asks."""
    return isinstance(error, RuntimeError) and str(error).startswith("CUDA error")


def _short(text: str) -> str:
    """The first sentence of torch's message, without the place in its sources."""
    return re.sub(r"^\[[^\]]*\] ", "", text.strip().splitlines()[0]).split(". ")[0]


def _is_out_of_memory(error: BaseException) -> bool:
    import torch

    signs = "DefaultCPUAllocator: can't allocate", "CUDA error: out of memory"  # the second from outside its allocator
    return isinstance(error, torch.cuda.OutOfMemoryError) or any(sign in str(error) for sign in signs)


def _is_distributed(error: BaseException) -> bool:
    import torch.distributed as dist

    return dist.is_available() and (isinstance(error, dist.DistError) or "gloo" in str(error))
