"""Download public weights of a network, and say how to start from them: get_weights.py resnet 18

get_weights.py --print resnet 18       only say where they are
get_weights.py --all                   of every network that has some

They are those in the table of docs/networks.md. A file goes to torch hub's cache (TORCH_HOME moves it) or to --folder;
its SHA-256 is checked before anything reads it. A download that was cut goes on where it ended. --mirror takes another
host in place of the source's, and HF_ENDPOINT one in place of the Hugging Face hub.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import OptionParser, as_path, run_command, say
from utils.data.split_folders import command_line
from utils.errors import ConfigError, WeightsError
from utils.weights.download import DownloadError, weights_folder
from utils.weights.public import facts, obtain, remote_or_error
from utils.weights.spec import native_size

from models import list_models
from models.public_weights import WEIGHTS, Weights, public_weights


def wanted(given: argparse.Namespace) -> list[tuple[str, str, Weights]]:
    """(prefix, suffix, weights). Raises ConfigError or WeightsError where the command line names none."""
    if given.all:
        if given.network:
            raise ConfigError("command line", ["--all goes without the words of a network"])
        known = [(*names, WEIGHTS.get(names[0], {}).get(names[1])) for names in list_models()]
        return [(prefix, suffix, weights) for prefix, suffix, weights in known if weights is not None]
    if len(given.network) != 2:
        raise ConfigError("command line", ["expected the two words of a network, such as resnet 18, or --all"])
    prefix, suffix = given.network
    native_size(prefix, suffix)  # names the nearest where there is none such
    try:
        return [(prefix, suffix, public_weights(prefix, suffix))]
    except ValueError as error:
        raise WeightsError(str(error)) from None


def usage(prefix: str, suffix: str, given: argparse.Namespace) -> str:
    """The command that starts from them; their preprocessing follows."""
    keys = {"model_prefix": prefix, "model_suffix": suffix, "pretrained": True}
    keys |= {"weights_dir": given.folder} if given.folder else {}
    keys |= {"weights_mirror": given.mirror} if given.mirror else {}
    settings = [word for name, value in keys.items() for word in ("--set", f"{name}={value}")]
    return command_line(["python", "train.py", *settings])


def run(given: argparse.Namespace) -> None:
    """Raises DownloadError if some of several cannot be had, when the others are there."""
    folder, failed = weights_folder(given.folder or ""), []
    networks = wanted(given)
    for prefix, suffix, weights in networks:
        remote = remote_or_error(weights, folder, given.mirror, option="--mirror")
        say(facts(prefix, suffix, weights, remote))
        if given.print:
            continue
        try:
            path = obtain(weights, remote, folder, say=lambda text: say([f"  {text}"]))
        except DownloadError as error:
            if len(networks) == 1:
                raise
            failed.append(str(error))
            continue
        say([f"  in {path}", f"  {usage(prefix, suffix, given)}"])
    if failed:
        raise DownloadError(f"{len(failed)} of {len(networks)} cannot be had: {'; '.join(failed)}")


def main(arguments: list[str] | None = None) -> int:
    parser = OptionParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="*", metavar="PREFIX SUFFIX", help="its two words, such as resnet 18")
    parser.add_argument("--all", action="store_true", help="all networks that have public weights")
    parser.add_argument("--print", action="store_true", help="say where they are, and download nothing")
    parser.add_argument("--folder", type=as_path, help="where files go (default: torch hub's cache)")
    parser.add_argument("--mirror", default="", metavar="URL", help="scheme and host in place of the source's")
    given = parser.parse_args(arguments)
    return run_command(lambda: run(given))


if __name__ == "__main__":
    sys.exit(main())
