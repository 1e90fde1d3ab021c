"""Downloads over a server of the test's own: whole and as published, or not at all, whatever happens on the way."""

import os
import subprocess
import sys
from email.message import Message
from pathlib import Path

from utils.errors import RunError
from utils.weights import download
from utils.weights.download import DownloadError, Remote, at_host, fetch, remote_of, weights_folder

import pytest

from models.public_weights import WEIGHTS
from tests.helpers import ROOT
from tests.helpers.weight_server import CONTENT, SHA


@pytest.fixture
def remote(server, tmp_path):
    return Remote(f"{server.address}/net.pth", tmp_path / "cache" / "net.pth", SHA[:8])


def left(remote):
    return sorted(path.name for path in remote.path.parent.iterdir())


def test_a_file_comes_once_and_leaves_nothing_beside_it(server, remote):
    assert fetch(remote).read_bytes() == CONTENT
    assert fetch(remote) == remote.path
    assert server.asked == [("/net.pth", "")]
    assert left(remote) == ["net.pth"]


def test_a_cut_connection_is_gone_on_with(server, remote):
    server.cuts = [2_000_000, 500_000]
    assert fetch(remote).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == ["", "bytes=2000000-", "bytes=2500000-"]
    assert left(remote) == ["net.pth"]


def test_what_several_tries_leave_is_gone_on_with_by_the_next(server, remote):
    server.cuts = [1_000_000, 10, 10, 10]
    with pytest.raises(DownloadError, match=r"1,000,030 bytes are kept, .* by hand; save it as net.pth in"):
        fetch(remote)
    assert not remote.path.exists()
    assert fetch(remote).read_bytes() == CONTENT
    assert server.asked[-1][1] == "bytes=1000030-"


@pytest.mark.parametrize("change", [dict(takes_ranges=False), dict(tag='"two"')], ids=["no ranges", "another file"])
def test_a_server_that_cannot_go_on_begins_again(server, remote, change):
    server.cuts = [1_000_000, 10, 10, 10]
    with pytest.raises(DownloadError):
        fetch(remote)
    for name, value in change.items():
        setattr(server, name, value)
    assert fetch(remote).read_bytes() == CONTENT


def test_more_than_the_file_on_the_disk_begins_again(server, remote):
    remote.path.parent.mkdir()
    Path(f"{remote.path}.part").write_bytes(CONTENT + b"more")
    assert fetch(remote).read_bytes() == CONTENT


def test_another_content_is_refused_and_removed(server, remote):
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(
        DownloadError, match=f"not what was published: its SHA-256 is .*, not {SHA[:8]}; it was removed"
    ):
        fetch(remote)
    assert left(remote) == []
    remote.path.write_bytes(b"of somebody else")
    with pytest.raises(DownloadError, match="is not the published file"):
        fetch(remote)


def test_the_digest_of_the_hub_is_that_of_its_first_answer(server, tmp_path):
    server.redirects = True
    remote = Remote(f"{server.address}/timm/x/resolve/main/model.safetensors", tmp_path / "x.safetensors")
    assert fetch(remote).read_bytes() == CONTENT
    server.content = b"something else"
    other = Remote(remote.address, tmp_path / "y.safetensors")
    with pytest.raises(DownloadError, match="not what was published"):
        fetch(other)
    assert not other.path.exists()


def test_a_redirect_may_not_leave_encryption():
    handler = download._Redirects()
    request = type("Request", (), {"type": "https"})
    with pytest.raises(OSError, match="without encryption"):
        handler.redirect_request(request, None, 302, "", Message(), "http://x/y")


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_refusal_names_address_file_and_folder(server, remote, status):
    server.status = status
    with pytest.raises(DownloadError) as raised:
        fetch(remote)
    for part in (remote.address, "save it as net.pth", str(remote.path.parent)):
        assert part in str(raised.value)
    assert isinstance(raised.value, RunError)


def test_without_a_network_the_error_says_what_to_do(tmp_path):
    remote = Remote("http://127.0.0.1:9/net.pth", tmp_path / "net.pth", SHA[:8])  # nobody listens there
    with pytest.raises(DownloadError, match=r"cannot be downloaded: .*refused.*; http://127.0.0.1:9/net.pth can be"):
        fetch(remote)


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="cannot be written"):
        fetch(Remote(f"{server.address}/x.pth", tmp_path / "file" / "x.pth"))


def test_a_full_disk_is_named_and_what_is_there_is_kept(server, remote, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(download.os, "fsync", full)
        with pytest.raises(DownloadError, match="cannot be written: No space left on device"):
            fetch(remote)
    assert not remote.path.exists()
    assert fetch(remote).read_bytes() == CONTENT


def test_two_processes_download_once(server, remote):
    program = (
        "import sys; from pathlib import Path; from utils.weights.download import Remote, fetch;"
        "fetch(Remote(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))"
    )
    line = [sys.executable, "-c", program, remote.address, str(remote.path), remote.digest]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen(line, env=environment) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert len(server.asked) == 1
    assert remote.path.read_bytes() == CONTENT


def test_mirrors_take_the_place_of_hosts(tmp_path):
    hub, ours = WEIGHTS["regnetx"]["200mf"], WEIGHTS["resnet"]["18"]
    path = "/timm/regnetx_002.pycls_in1k/resolve/main/model.safetensors"
    endpoint = {"HF_ENDPOINT": "https://hf-mirror.com"}
    assert remote_of(hub, tmp_path, environ={}).address == f"https://huggingface.co{path}"
    assert remote_of(hub, tmp_path, environ=endpoint).address == f"https://hf-mirror.com{path}"
    assert remote_of(ours, tmp_path, environ=endpoint).address.startswith("https://download.pytorch.org/")
    assert remote_of(ours, tmp_path, mirror="http://local/m/", environ=endpoint).address == (
        "http://local/m/models/resnet18-f37072fd.pth"
    )
    assert remote_of(WEIGHTS["addernet"]["50"], tmp_path, environ={}) is None
    with pytest.raises(ValueError, match="expected a mirror"):
        at_host(ours.address, "file:///etc")


def test_the_folder_is_torch_hubs(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert weights_folder() == tmp_path / "hub" / "checkpoints"
    assert weights_folder("here") == Path("here")
