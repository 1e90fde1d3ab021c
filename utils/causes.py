"""Failures of other processes, as they arrive here: one line that names the cause instead of a traceback."""

import re

ENDED = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\) (is killed by signal: [\w ]+|exited unexpectedly)")
LOST = ("connection closed by peer", "connection reset by peer", "broken pipe", "remote process exited", "socket")


def cause_of(error: BaseException) -> str | None:
    """A sentence for an exception that another process has brought about, None for all others."""
    text = str(error)
    if found := ENDED.search(text):
        return (
            f"a loading process (pid {found[1]}) {found[2].replace('is killed', 'was killed')}; where memory is short "
            "the system does that: fewer num_workers or a smaller batch_size need less"
        )
    if _is_distributed(error) and any(sign in text.lower() for sign in LOST):
        return (
            "lost another process of this run, which has ended or cannot be reached; its own message or the launcher's "
            f"gives the cause ({_short(text)})"
        )
    return None


def _short(text: str) -> str:
    """The first sentence of torch's message, without the place in its sources."""
    return re.sub(r"^\[[^\]]*\] ", "", text.strip().splitlines()[0]).split(". ")[0]


def _is_distributed(error: BaseException) -> bool:
    import torch.distributed as dist

    return dist.is_available() and (isinstance(error, dist.DistError) or "gloo" in str(error))
