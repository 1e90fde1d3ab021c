"""The page of a run in a browser: opened as a file, sorted, a cell opened by keys, on a phone, in the dark."""

from utils.run_page.look import Limits
from utils.run_page.read import read_run
from utils.run_page.write import write_report

import pytest

from tests.helpers import browser
from tests.run_page.conftest import HARMFUL

ESCAPE, ENTER = "\ue00c", "\ue007"


@pytest.fixture(scope="module")
def page(harmful_run, tmp_path_factory):
    """An open browser, and the page with harmful names."""
    driver = browser.start()
    target = tmp_path_factory.mktemp("browser") / "report.html"
    write_report(harmful_run, Limits(cams=0), target=target)
    found = browser.Page(driver)
    found.path = target
    yield found
    driver.quit()


def test_it_is_shown_without_a_message_and_runs_nothing_of_a_name(page):
    page.open(page.path)
    assert page.run("window.alert.toString().includes('native')")
    assert page.messages() == []
    assert "are right." in page.texts("#verdict")[0]
    assert page.texts("#classes tbody tr td.name") == HARMFUL
    assert page.run("document.images.length") > 20
    assert page.run("Array.from(document.images).every(i => i.src.startsWith('data:image/') && i.alt)")
    assert page.run("document.querySelectorAll('[onerror], b > b, figcaption img').length") == 0


def test_narrow_pictures_are_as_high_as_others_at_most(page):
    """At the least width that names below them take, one of 12 x 54 pixels would be 252 high."""
    page.open(page.path)
    page.run("Array.from(document.querySelectorAll('details')).forEach(d => { d.open = true })")
    heights = page.run("Array.from(document.querySelectorAll('.pictures img')).map(i => [i.naturalWidth, i.height])")
    assert 12 in [width for width, _ in heights]
    assert max(height for _, height in heights) <= 112


def test_a_heading_sorts_and_sorts_the_other_way(page, harmful_run):
    page.open(page.path)
    recalls = [float(row["recall"]) for row in read_run(harmful_run).per_class]
    heading = "#classes th:nth-child(5)"
    for order, reverse in (("ascending", False), ("descending", True)):
        page.find(f"{heading} button").click()
        assert page.find(heading).get_attribute("aria-sort") == order
        shown = page.run(
            "Array.from(document.querySelectorAll('#classes tbody td:nth-child(5)'), e => +e.dataset.value)"
        )
        assert shown == pytest.approx(sorted(recalls, reverse=reverse))
    assert page.run("document.querySelectorAll('[aria-sort=descending]').length") == 1


def test_a_cell_opens_its_pictures_by_keys_and_closes_by_them(page, harmful_run):
    page.open(page.path)
    confusion = read_run(harmful_run).confusion
    i, j = next((i, j) for i in range(4) for j in range(4) if i != j and confusion[i, j])
    button = f'#matrix [data-cell="{i},{j}"]'
    assert page.find(button).accessible_name == f"{HARMFUL[i]} → {HARMFUL[j]}: {confusion[i, j]}"
    page.run("document.querySelector(arguments[0]).focus()", button)
    page.press(ENTER)
    assert page.run("document.getElementById('cell').open")
    assert page.find("#cell").accessible_name == f"{HARMFUL[i]} → {HARMFUL[j]}"
    assert len(page.texts("#cell-pictures figure")) == confusion[i, j]
    assert all(text.startswith(f"{HARMFUL[i]} → {HARMFUL[j]}\n") for text in page.texts("#cell-pictures figcaption"))
    page.press(ESCAPE)
    assert not page.run("document.getElementById('cell').open")
    assert page.run("document.activeElement.dataset.cell") == f"{i},{j}"
    assert page.messages() == []


def test_everything_to_act_on_and_every_table_has_a_name(page):
    page.open(page.path)
    buttons = page.run("Array.from(document.querySelectorAll('button, select')).slice(0, -1)")  # the last one is hidden
    assert len(buttons) > 20
    assert all(button.accessible_name for button in buttons)
    assert page.run("Array.from(document.querySelectorAll('table'), t => t.caption?.textContent).every(Boolean)")
    headings = page.run("Array.from(document.querySelectorAll('th'), h => h.scope).every(Boolean)")
    assert headings
    assert page.run("document.querySelectorAll('main, h1').length") == 2
    assert page.run("Array.from(document.querySelectorAll('.scroll')).every(e => e.tabIndex === 0)")


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_it_without_scrolling_sideways_in_light_and_dark(page, dark):
    page.open(page.path, width=320, dark=dark)
    assert page.run("document.documentElement.scrollWidth") <= 320
    page.find("#matrix tbody [data-cell]").click()
    assert page.run("document.getElementById('cell').getBoundingClientRect().right") <= 320
    ink, paper = (
        sum(page.run(f"getComputedStyle(document.body).{name}.match(/\\d+/g).slice(0, 3).map(Number)"))
        for name in ("color", "backgroundColor")
    )
    assert (ink > paper) == dark
    assert abs(ink - paper) > 400


def test_the_language_is_the_browsers_and_a_button_changes_it(page):
    page.open(page.path)
    assert "are right" in page.texts("#verdict")[0]
    assert "准确率" not in page.texts("#verdict")[0]
    page.find("button.language").click()
    assert "准确率" in page.texts("#verdict")[0]
    assert "are right" not in page.texts("#verdict")[0]


def test_a_chinese_browser_is_shown_chinese(page):
    page.driver.execute_cdp_cmd("Emulation.setUserAgentOverride", {"userAgent": "test", "acceptLanguage": "zh-CN"})
    page.open(page.path)
    assert page.run("document.documentElement.lang") == "zh"
    assert "准确率" in page.texts("#verdict")[0]
    page.driver.execute_cdp_cmd("Emulation.setUserAgentOverride", {"userAgent": "test", "acceptLanguage": "en-US"})
