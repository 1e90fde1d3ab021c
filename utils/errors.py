"""Errors that are the user's to mend: entry points print them as one `error: ...` and exit with status 2."""

from .text import one_line


class UserError(Exception):
    """The input is at fault; the message, one line, names the file, key or value and what was expected."""

    on_every_rank = True  # several processes all come upon it, so that one of them tells

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ConfigError(UserError):
    """The configuration is at fault; `problems` holds a sentence for each mistake, each told on a line of its own."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.problems = problems
        source, *told = (one_line(text) for text in (source, *problems))
        Exception.__init__(self, f"{source}: {told[0]}" if len(told) == 1 else "\n  ".join([f"{source}:", *told]))


class DataError(UserError):
    """The images or their folders."""


class ImageError(DataError):
    """One image that cannot be read; the message is the reason, without the path."""


class UnreadableError(DataError):
    """A file among the images of one process that cannot be read, where the config says to stop."""

    on_every_rank = False


class WeightsError(UserError):
    """A file of weights or a checkpoint."""


class RunError(Exception):
    """A run cannot go on though the input was in order: told in one line, exit status 1."""

    on_every_rank = True


class DivergedError(RunError):
    """Training produced several non-finite losses in a row."""


class SaveError(RunError):
    """What has to be saved cannot be, on a disk that is full, say."""

    on_every_rank = False  # rank 0 alone writes
