"""What all commands share: exit status, error messages, printing and common options."""

import argparse
import contextlib
import dataclasses
import errno
import os
import re
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import distributed
from .config.keys import LARGEST
from .config.schema import help_text
from .console import discard, finish_streams, prepare_streams
from .cpu.waiting import adapted
from .data.images import MAX_PIXELS
from .errors import ConfigError, RunError, UserError, cause_of, is_of_device
from .signals import Stopped, imported
from .text import one_line, shown
from .threads import prepare
from .trackers.worker import hung

# a disk that is full, over quota, read-only, not allowed, broken; a name that it does not take
DISK = ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO", "EACCES", "EPERM", "ENAMETOOLONG")
_PAIR = re.compile("[a-z_]+=")  # how a pair of --set begins


class OptionParser(argparse.ArgumentParser):
    """Mistakes in options are said as all others are: in one line, with status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {one_line(message)} (--help explains the options)\n")


def run_command(command: Callable[[], None]) -> int:
    """Run `command` and return the exit status, as README has it: 0, 1, 2, 129, 130 or 143."""
    imported()
    prepare_streams()
    status = _status_of(command)
    finish_streams()
    return status


def leave(status: int) -> NoReturn:
    """End the process. Where a tracker hangs it ends at once: what its package does at the end would wait as well."""
    if hung():
        os._exit(status)
    sys.exit(status)


def _status_of(command: Callable[[], None]) -> int:
    """Of `command`, run, with its error said."""
    try:
        with adapted(prepare()):
            command()
    except Stopped as stopped:
        return 128 + stopped.signum
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except UserError as error:
        if distributed.is_main() or not error.on_every_rank:
            _print_error(str(error))
        return 2
    except RunError as error:
        if distributed.is_main() or not error.on_every_rank:
            _print_error(str(error))
        return 1
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            discard(sys.stdout)
        elif cause := _cause(error):
            _print_error(cause)
        else:
            traceback.print_exc()
        if is_of_device(error):
            _leave_at_once(1)
        return 2 if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG else 1  # a name is input
    return 0


def _leave_at_once(status: int) -> None:
    """To end as usual would free memory on a GPU that has failed, which makes torch abort the process."""
    finish_streams()
    os._exit(status)


def _reader_is_gone() -> bool:
    """Whether nobody reads standard output any more, as after `| head`."""
    try:
        print(flush=True)
    except BrokenPipeError:
        return True
    return False


def say(lines: Iterable[str]) -> None:
    """Print; characters that the terminal's encoding lacks are shown as escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def _cause(error: Exception) -> str | None:
    """One line for an error of the system or of another process, None for all else."""
    if isinstance(error, OSError) and errno.errorcode.get(error.errno or 0) in DISK:
        return f"{error.filename or 'while writing'}: {error.strerror}"
    return cause_of(error)


def add_config_options(parser: argparse.ArgumentParser, schema: type, default: str) -> None:
    """--config, --set and --weights, and the schema's keys below the options in --help."""
    parser.add_argument(
        "--config",
        default=config_file(default),
        metavar="FILE",
        help=f"config file (default: {default} here, else the one beside the scripts)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set a key of the config; a Python literal, else a string; may be repeated",
    )
    parser.add_argument(
        "--weights",
        "--load-from",
        type=os.path.expanduser,
        metavar="FILE_OR_RUN",
        help="the key load_from: a file of weights, or the folder of a run, which means its best.pth",
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"keys of {default}:\n{help_text(schema)}"
    parser.set_defaults(keys=[field.name for field in dataclasses.fields(schema)])  # for read_options


def config_file(name: str) -> str:
    """The file `name` of the working directory, or the one beside the scripts if there is none here."""
    beside = Path(__file__).resolve().parents[1] / name
    return str(beside) if beside.is_file() and not os.path.isfile(name) else name


def read_options(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """`parser.parse_intermixed_args`, which explains a pair of --set that a shell has cut off at a blank.

    Words that are taken for paths, but lead nowhere, are such rests too where there is such a pair. Keys of the config
    are explained where they are taken for options.
    """
    given, rest = parser.parse_known_intermixed_args(arguments)
    unknown = any(word.startswith("-") for word in rest)  # an option, which the pair behind it may be of
    pairs = [word for word in (*words_of(given), *rest) if _PAIR.match(word) and not os.path.exists(word)]
    if pairs and not unknown:
        parser.error(f"{' '.join(pairs)}: each KEY=VALUE needs a --set of its own: --set {pairs[0]}")
    rest += [word for word in words_of(given) if any(map(_is_cut, given.set)) and not os.path.exists(word)]
    if rest:
        hints = [
            f"; put the pair of --set that has blanks into quotes, or leave them out: '{pair} ...'"
            for pair in given.set
            if _is_cut(pair)
        ]
        hints += _keys_among(rest, sys.argv[1:] if arguments is None else arguments, parser.get_default("keys") or ())
        parser.error(f"unrecognized arguments: {' '.join(rest)}{''.join(hints[:1])}")
    return given


def _keys_among(unknown: Iterable[str], words: Sequence[str], keys: Collection[str]) -> Iterator[str]:
    """How the keys of a config are set that are among the unknown options of a command line of these words."""
    for option in unknown:
        name, equals, value = option.removeprefix("--").partition("=")
        key = name.replace("-", "_")
        if option.startswith("--") and key in keys:
            behind = words[words.index(option) + 1 :][:1]
            value = value if equals else behind[0] if behind and not behind[0].startswith("--") else "VALUE"
            yield f"; keys of the config are set by --set: {shlex.join(['--set', f'{key}={value}'])}"


def _is_cut(pair: str) -> bool:
    """Whether it ends where a value would go on, or a bracket in it does not end."""
    is_open = any(pair.count(start) > pair.count(end) for start, end in ("[]", "()", "{}"))
    return pair.endswith((",", "=")) or "=" not in pair or is_open


def words_of(given: argparse.Namespace) -> list[str]:
    """The words of a command line that belong to no option: of the arguments `first` and `others`."""
    first = getattr(given, "first", None)
    return [] if first is None else [first, *getattr(given, "others", [])]


def with_shortcuts(overrides: Mapping[str, Any], key: str, shortcuts: Mapping[str, Any]) -> dict[str, Any]:
    """`overrides` of --set, and a key for which the command line has shortcuts: word -> value, None if it is not there.

    Raises ConfigError where they say different things.
    """
    said = {word: value for word, value in {"--set": overrides.get(key), **shortcuts}.items() if value is not None}
    if not said:
        return dict(overrides)
    values = [os.path.expanduser(value) if isinstance(value, str) else value for value in said.values()]
    if any(value != values[0] for value in values):
        what = ", ".join(f"{word} says {shown(value)}" for word, value in said.items())
        raise ConfigError("command line", [f"{key}: {what}; expected one value"])
    return {**overrides, key: values[0]}


def as_path(text: str) -> Path:
    """The type of an argparse option that takes a path: ~ at its start is the user's home."""
    return Path(os.path.expanduser(text))


def add_max_image_pixels(add: Callable[..., Any]) -> None:
    """The option of a tool that reads images, as `given.max_image_pixels`. add: add_argument of a parser or a group."""
    text = f"{LARGEST} (default: {MAX_PIXELS:,})"
    add("--max-image-pixels", type=integer_in(1, 2**53), default=MAX_PIXELS, metavar="N", help=text)


def integer_in(low: int, high: int) -> Callable[[str], int]:
    """The type of an argparse option that takes an integer in low..high."""

    def convert(text: str) -> int:
        with contextlib.suppress(ValueError):
            if low <= (number := int(text)) <= high:
                return number
        raise argparse.ArgumentTypeError(f"expected an integer in {low}..{high}, got {text}")

    return convert


def _print_error(message: str) -> None:
    where = f"[rank {distributed.rank()}] " if distributed.rank() else ""
    with contextlib.suppress(OSError):  # the status says it too
        print(f"error: {where}{message}".encode(errors="replace").decode(), file=sys.stderr, flush=True)
