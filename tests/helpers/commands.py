"""Commands, run as a shell would, but forked from a process that has imported torch already.

To start Python and import torch takes most of the time of a short command. `python -m tests.helpers.commands` reads a
command on each line, (folder, words behind `python`, files for what it prints) in JSON, and answers with its status.
It imports nothing of the project: each command does so from the folder that it runs in.
"""

import contextlib
import json
import os
import runpy
import subprocess
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}


class Runner:
    """`with Runner() as run`: run(folder, words) runs `python *words` in a folder, as subprocess.run would."""

    def __enter__(self):
        self._start()
        return self.run

    def _start(self):
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        words = [sys.executable, "-m", "tests.helpers.commands"]
        own = {"start_new_session": True}  # no signal of a test is for it
        self.server = subprocess.Popen(words, cwd=ROOT, **own, **pipes)

    def run(self, folder, words):
        if self.server.poll() is not None:  # ended from outside, as where memory is short
            self._start()
        printed = [Path(folder).parent / name for name in ("stdout.txt", "stderr.txt")]
        self.server.stdin.write(json.dumps([str(folder), words, *map(str, printed)]) + "\n")
        self.server.stdin.flush()
        status = int(self.server.stdout.readline())
        texts = (path.read_text(encoding="utf-8", errors="replace") for path in printed)
        return subprocess.CompletedProcess(words, status, *texts)

    def __exit__(self, *_):
        with contextlib.suppress(BrokenPipeError):
            self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()


def run_alone(folder, words):
    """What a Runner does, in a process that is new, where there is no fork."""
    line = [sys.executable, *words]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, encoding="utf-8", env=ENVIRONMENT)


def serve():
    import matplotlib.figure
    import torch._dynamo  # which optimizers import when they are made
    import torchvision.transforms.v2
    import tqdm

    assert all((matplotlib.figure, torch, torchvision, tqdm))
    for line in sys.stdin:
        folder, words, *printed = json.loads(line)
        child = os.fork()
        if not child:
            status = 1
            try:
                status = in_child(folder, words, printed)
            finally:
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def in_child(folder, words, printed):
    """Run `python *words` in this process; returns the exit status. printed: files for both streams."""
    for stream, path in enumerate(printed, 1):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(folder)
    try:
        as_python(words)
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def as_python(words):
    first, *rest = words
    if first == "-c":
        sys.argv, sys.path[0] = words, ""
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    elif first == "-m":
        sys.argv, sys.path[0] = rest, os.getcwd()
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = words, os.path.dirname(os.path.abspath(first))
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    serve()
