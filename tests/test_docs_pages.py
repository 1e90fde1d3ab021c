"""The pages of the documentation: what is generated from the code, sizes, links and names."""

import re

from utils import docs

import pytest

from models import list_models
from tests.helpers import ROOT
from tests.helpers.pages import CHINESE, GUIDES, INSTALL, PAGES, READMES, TESTS, TEXTS, blocks


def without_blocks(name: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", TEXTS[name], flags=re.MULTILINE | re.DOTALL)


# --- what is generated


@pytest.fixture(scope="module")
def contents():
    return docs.contents()


@pytest.mark.parametrize("name", ["train_config.py", "predict_config.py", "docs/configuration.md", "docs/networks.md"])
def test_generated_files_are_what_the_code_says(contents, name):
    assert (ROOT / name).read_text(encoding="utf-8") == contents[name], "python -m utils.docs"


def test_nothing_else_is_generated(contents):
    assert len(contents) == 4


def test_every_key_has_a_row(contents):
    for schema in (docs.TrainConfig, docs.PredictConfig):
        assert all(f"\n|`{name}`|" in contents["docs/configuration.md"] for name in schema.__dataclass_fields__)


def test_the_command_writes_what_is_out_of_date(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    monkeypatch.setattr(docs, "contents", lambda: {"a.md": "new", "b.md": "as it was"})
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text("as it was", encoding="utf-8")
    assert docs.main(["--check"]) == 1
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == "as it was"
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == "new"
    assert capsys.readouterr().out == "out of date: a.md\nwrote: a.md\n"


@pytest.mark.parametrize("page", ["no markers", "<!-- a -->\n<!-- /a -->\n<!-- a -->\n<!-- /a -->"])
def test_a_page_needs_its_markers_once(page):
    with pytest.raises(ValueError, match="<!-- a -->"):
        docs.replaced(page, "a", "table")


def test_cells_end_where_they_should():
    assert docs.markdown_table(["a", "b"], [["`x|<y>`", "x|<y>"]], {"b"}) == "|a|b|\n|---|--:|\n|`x\\|<y>`|x\\|\\<y>|"


# --- pages as they are


@pytest.mark.parametrize("name", [*READMES, *GUIDES, *CHINESE])
def test_pages_are_short(name):
    limit = 10 if name in READMES else 15 if name in GUIDES else 16  # a Chinese character has three bytes
    assert PAGES[name].stat().st_size <= limit * 1000, f"{name}: at most {limit} KB"


def test_both_readmes_have_the_same_blocks_pictures_and_links():
    assert blocks(READMES[0]) == blocks(READMES[1])
    english, chinese = (re.findall(r"\]\(([^)#]+)", TEXTS[name]) for name in READMES)
    chinese = [f"docs/{link[8:]}" if link in CHINESE else link for link in chinese]
    assert [link for link in chinese if link != READMES[0]] == [link for link in english if link != READMES[1]]
    headings = [re.findall(r"^#+ ", TEXTS[name], re.MULTILINE) for name in READMES]
    assert headings[0] == headings[1]


@pytest.mark.parametrize("readme", READMES)
def test_every_page_is_linked_from_both_readmes(readme):
    """From the Chinese one the Chinese pages, where there are some."""
    own = {f"docs/{name[8:]}": name for name in CHINESE} if readme == READMES[1] else {}
    pages = {own.get(name, name) for name in PAGES if name != readme and name not in CHINESE}
    assert [name for name in sorted(pages) if f"]({name})" not in TEXTS[readme]] == []


def test_the_commands_to_set_up_come_first():
    for readme in READMES:
        block = re.search(r"<!-- test command -->\n```bash\n(python .*)\n```\n<!-- /test command -->", TEXTS[readme])
        assert TEXTS[readme][: block.end()].count("\n") < 35, ".ci/run takes it from README.md"
        assert f"bash\n{INSTALL} && python train.py\n```" in TEXTS[readme][: block.start()]


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    for link in re.findall(r"\]\(([^)\s]+)\)", without_blocks(name)):
        target, _, anchor = link.partition("#")
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        path = PAGES[name].parent / target if target else PAGES[name]
        assert path.exists(), link
        if anchor:
            anchors = map(slug, re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE))
            assert anchor in anchors, link


def with_imported_benchmarks(path: str) -> str:
    """The text of a script of benchmarks/ and of those it takes its command line from."""
    text = (ROOT / path).read_text(encoding="utf-8")
    imported = re.findall(r"^from benchmarks\.(\w+) import", text, re.MULTILINE)
    modules = [path for name in imported if (path := ROOT / f"benchmarks/{name}.py").exists()]
    return text + "".join(module.read_text(encoding="utf-8") for module in modules)


@pytest.mark.parametrize("name", PAGES)
def test_files_and_tests_that_are_named_exist(name):
    for code in re.findall(r"`([^`]+)`", without_blocks(name)):
        for path, test in re.findall(r"\b((?:models|utils|tools|tests|benchmarks|docs)/[\w./-]*)(?:::(\w+))?", code):
            assert (ROOT / path).exists() or path == "models/" or "<" in code, code
            assert not test or f"def {test}(" in TESTS[path], code
        for test in re.findall(r"(?<!:)\b(test_\w+)(?![\w.])", code):
            assert any(f"def {test}(" in text for text in TESTS.values()), code
        if code.startswith("python benchmarks/"):
            script = with_imported_benchmarks(code.split()[1])
            assert [option for option in re.findall(r"--[\w-]+", code) if f'"{option}"' not in script] == []


@pytest.mark.parametrize("page", ["docs/tools.md", "docs/zh/tools.md"])
def test_every_tool_has_a_row_in_the_list_of_tools(page):
    tools = sorted(path.name for path in (ROOT / "tools").glob("*.py") if path.name != "__init__.py")
    assert [name for name in tools if f"\n| `tools/{name}` | " not in TEXTS[page]] == []


def test_the_number_of_networks_is_the_same_everywhere():
    count = len(list_models())
    families = len({prefix for prefix, _ in list_models()})
    for name in ("README.md", "docs/networks.md"):
        assert f"{count} networks of {families} families" in TEXTS[name]
    assert re.search(rf"{families} 个系列共\s{count} 个网络", TEXTS["README.zh.md"])
    for name in ("pyproject.toml", "CITATION.cff"):
        assert f"{count} hand-written networks" in (ROOT / name).read_text(encoding="utf-8")


def test_the_notice_names_every_family():
    words = (ROOT / "NOTICE").read_text(encoding="utf-8").replace(";", " ").split()
    assert {prefix for prefix, _ in list_models()} <= set(words)
