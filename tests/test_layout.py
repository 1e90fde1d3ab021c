"""Where code lies: imports point one way, between folders without a circle, and files and functions stay small."""

import ast
from functools import cache

import pytest

from tests.helpers import ROOT

FOLDERS = ("models", "utils", "tools", "benchmarks", "tests")
ENTRY_POINTS = ("train", "train_multi_gpu", "predict", "train_config", "predict_config", "tools")
MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_FLOORS = 300, 50, 10


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {name_of(path): path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))}
FILES |= {name_of(path): path for path in ROOT.glob("*.py")}


@cache
def tree(module):
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def imports(module, *, lazy):
    """Modules that one imports, those of this project by the file that is meant; lazy: within functions too."""
    package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(tree(module)) if lazy else tree(module).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in FILES else base for alias in node.names}
    return found - {module}


def folder_of(module):
    """The folder below utils that a module lies in; a module at the top of utils is its own."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "utils" else parts[0]


def below(prefix):
    return [module for module in FILES if module == prefix or module.startswith(f"{prefix}.")]


def test_networks_import_nothing_of_ours_but_themselves():
    for module in below("models"):
        assert {name.split(".")[0] for name in imports(module, lazy=True)}.isdisjoint({"utils", "tools", "tests"}), (
            module
        )


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        (
            "utils.training",
            ("utils.run", "utils.report", "utils.config", "utils.weights", "utils.log", "pathlib", "logging"),
        ),
        ("utils.data", ("utils.run", "utils.report", "utils.config", "utils.weights", "utils.training")),
        ("utils.config", ("utils.run", "utils.report", "utils.weights")),
        ("utils.weights", ("utils.run", "utils.report")),
        ("utils.report", ("utils.run", "utils.weights", "models")),
        ("utils.page", ("utils.run", "utils.run_page", "utils.report", "utils.checking", "utils.data", "models")),
        ("utils.run_page", ("utils.run", "utils.training")),
        ("utils", ENTRY_POINTS),
        ("benchmarks", ("tests",)),
    ],
)
def test_what_a_folder_must_not_import(folder, forbidden):
    for module in below(folder):
        for name in imports(module, lazy=True):
            assert not any(name == other or name.startswith(f"{other}.") for other in forbidden), f"{module}: {name}"


def test_no_circle_between_the_folders_of_utils():
    edges = {}
    for module in below("utils"):
        ours = {folder_of(name) for name in imports(module, lazy=True) if name.startswith("utils.")}
        edges.setdefault(folder_of(module), set()).update(ours - {folder_of(module)})

    def reached(folder, seen):
        for other in edges.get(folder, ()):
            if other not in seen:
                reached(other, seen | {other} if seen.add(other) else seen)
        return seen

    assert [folder for folder in edges if folder in reached(folder, set())] == []


def test_imports_are_few_floors_deep():
    @cache
    def floor(module):
        return 1 + max((floor(name) for name in imports(module, lazy=False) if name in below("utils")[1:]), default=0)

    assert max(floor(module) for module in below("utils")) <= MOST_FLOORS


@pytest.mark.parametrize("module", sorted(FILES))
def test_files_and_functions_are_small(module):
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    for node in ast.walk(tree(module)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno < MOST_LINES_OF_A_FUNCTION, node.name


def calls(node):
    return any(isinstance(part, ast.Call) for part in ast.walk(node))


def test_an_assignment_of_a_pair_calls_on_one_side_at_most():
    """(A name is looked for on the left of a line; calls side by side hide their order, too.)"""
    found = []
    for module in FILES:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
                values = node.value.elts if isinstance(node.value, ast.Tuple) else []
                found += [f"{module}: {ast.unparse(node)}"] if sum(map(calls, values)) > 1 else []
    assert found == []


SHOW_ESCAPES = ("one_line", "printable", "DataError", "ConfigError", "WeightsError", "RunError", "info", "warning")


def test_no_message_holds_a_line_break_that_would_be_shown_as_an_escape():
    found = []
    for module in below("utils") + below("tools") + ["train", "predict"]:
        for call in (node for node in ast.walk(tree(module)) if isinstance(node, ast.Call)):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            texts = [part.value for word in call.args for part in ast.walk(word) if isinstance(part, ast.Constant)]
            breaks = any(isinstance(text, str) and "\n" in text for text in texts)
            found += [f"{module}: {ast.unparse(call)}"] if name in SHOW_ESCAPES and breaks else []
    assert found == []


@pytest.mark.parametrize("package", sorted(name for name, path in FILES.items() if path.name == "__init__.py"))
def test_every_folder_of_utils_says_what_it_knows(package):
    assert not package.startswith("utils") or ast.get_docstring(tree(package))
