"""No file but the user's own config is ever run as code: what the source calls, read from its syntax."""

import ast

import pytest

from tests.helpers import ROOT

FOLDERS = ("models", "utils", "tools", "benchmarks")
SOURCES = [*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in (ROOT / folder).glob("**/*.py"))]
FORBIDDEN = set(
    "eval exec compile __import__ import_module loader.exec_module runpy.run_path runpy.run_module os.system os.popen "
    "pickle.load pickle.loads pickle.Unpickler marshal.load marshal.loads shelve.open joblib.load dill.load yaml.load "
    "jit.load torch.hub.load".split()
)
EXCEPTIONS = {"utils/config/read.py": {"runpy.run_path"}}  # the file that --config or config_path names


def calls(source):
    """(dotted name, call) of every call in the source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            yield ast.unparse(node.func), node


def offences(source):
    """Calls that would run code of a file, or could."""
    for name, call in calls(source):
        keywords = {keyword.arg: getattr(keyword.value, "value", None) for keyword in call.keywords}
        if name in FORBIDDEN or any("." in each and name.endswith(f".{each}") for each in FORBIDDEN):
            yield name
        if name == "torch.load" and keywords.get("weights_only") is not True:
            yield f"{name} without weights_only=True"
        if keywords.get("shell") or keywords.get("allow_pickle"):
            yield f"{name} with shell or allow_pickle"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_is_run_as_code(path):
    found = set(offences(path.read_text(encoding="utf-8")))
    assert found <= EXCEPTIONS.get(path.relative_to(ROOT).as_posix(), set())


@pytest.mark.parametrize(
    "line",
    ["torch.load(p)", "torch.load(p, weights_only=False)", "torch.load(p, weights_only=x)", "eval(s)", "exec(s)",
     "pickle.load(f)", "np.load(f, allow_pickle=True)", "runpy.run_path(p)", "subprocess.run(c, shell=True)",
     "loader.exec_module(m)", "torch.jit.load(p)"],
)  # fmt: skip
def test_what_would_run_code_is_seen(line):
    assert list(offences(line))


@pytest.mark.parametrize("line", ["torch.load(p, weights_only=True)", "re.compile(p)", "torch.compile(m)", "m.eval()"])
def test_what_only_looks_alike_is_not(line):
    assert not list(offences(line))
