"""Where files that can be made again are kept."""

from pathlib import Path

from utils.user_cache import cache_folder


def test_caches_are_where_each_system_has_them(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    last = Path("image-classification")
    assert cache_folder({}, "linux") == Path("/home/me/.cache") / last
    assert cache_folder({"XDG_CACHE_HOME": "/fast"}, "linux") == Path("/fast") / last
    assert cache_folder({}, "darwin") == Path("/home/me/Library/Caches") / last
    assert cache_folder({"LOCALAPPDATA": "/local"}, "win32") == Path("/local") / last
