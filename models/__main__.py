"""List the networks: python -m models"""

import argparse
import os
import sys

from .catalogue import as_text, catalogue

NOTE = """\
Multiply-adds are for one image of the native size. Top-1 figures are those published with the weights, in per cent on
ImageNet-1k, at the size of images that their source tests at; '-': we know of no public weights of this very network.
"""


def main() -> int:
    argparse.ArgumentParser(prog="python -m models", description="List the networks.", epilog=NOTE).parse_args()
    try:
        print(f"{as_text(catalogue())}\n\n{NOTE.strip()}")
        sys.stdout.flush()
    except BrokenPipeError:  # such as python -m models | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
