"""--daily-part N: each test comes within N days, whatever the day it begins."""

from types import SimpleNamespace

import pytest

from tests import conftest


def chosen(monkeypatch, day, parts, items):
    monkeypatch.setenv(conftest.TODAY, str(day))
    left = []
    hook = SimpleNamespace(pytest_deselected=lambda items: left.extend(items))
    kept = list(items)
    conftest.pytest_collection_modifyitems(SimpleNamespace(getoption=lambda name: parts, hook=hook), kept)
    assert sorted([*kept, *left]) == sorted(items)
    return kept


@pytest.mark.parametrize(("parts", "tests"), [(1, 5), (3, 7), (3, 2), (4, 0)])
def test_every_test_comes_once_within_the_days(parts, tests, monkeypatch):
    items = [f"test {number}" for number in range(tests)]
    days = [chosen(monkeypatch, day, parts, items) for day in range(740_000, 740_000 + parts)]
    assert sorted(item for day in days for item in day) == items
