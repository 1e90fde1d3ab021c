"""Public weights from the network to the disk: whole, with the digest that was published, or not at all."""

import contextlib
import hashlib
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import torch
from filelock import FileLock  # torch's own
from tqdm import tqdm

from models.public_weights import HUB, Weights

from ..errors import RunError

CHUNK = 2**20
TRIES = 4  # connections, one of which has to come to an end
TIMEOUT = 30  # seconds without a byte
SHA256 = re.compile(r'"?([0-9a-f]{64})"?')


class DownloadError(RunError):
    """A file cannot be had, or is not the one that was published."""

    on_every_rank = False  # one process downloads


@dataclass(frozen=True)
class Remote:
    """A file somewhere on the network."""

    address: str
    path: Path  # where it goes
    digest: str = ""  # the beginning of its SHA-256; '' where the server alone can say

    @property
    def by_hand(self) -> str:
        return f"{self.address} can be downloaded by hand; save it as {self.path.name} in {self.path.parent}"


def weights_folder(folder: str | Path = "", environ: Mapping[str, str] = os.environ) -> Path:
    """`folder`, else torch hub's cache, which TORCH_HOME moves."""
    return Path(folder) if folder else Path(torch.hub.get_dir()) / "checkpoints"


def remote_of(
    weights: Weights, folder: Path, *, mirror: str = "", environ: Mapping[str, str] = os.environ
) -> Remote | None:
    """Where public weights are, and go; None where no address is known.

    mirror: scheme and host that take the place of the source's. HF_ENDPOINT does so for the Hugging Face hub alone.
    """
    host = mirror or (environ.get("HF_ENDPOINT", "") if weights.address.startswith(HUB) else "")
    address = at_host(weights.address, host) if host and weights.address else weights.address
    return Remote(address, folder / weights.file_name, weights.digest) if address else None


def at_host(address: str, mirror: str) -> str:
    """`address` on another server, below the path that `mirror` may have. Raises ValueError for none of the web's."""
    parts = urlsplit(mirror)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"expected a mirror such as https://hf-mirror.com, got {mirror!r}")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + urlsplit(address).path, "", ""))


def fetch(remote: Remote, *, say: Callable[[str], None] = lambda text: None) -> Path:
    """The file on the disk, downloaded where it is missing; other processes that want it wait meanwhile.

    What a cut connection has left is gone on with. Raises DownloadError.
    """
    try:
        remote.path.parent.mkdir(parents=True, exist_ok=True)
        if not remote.path.is_file():
            with _alone(remote, say):
                if not remote.path.is_file():
                    _download(remote)
    except OSError as error:
        raise DownloadError(f"{remote.path}: cannot be written: {error.strerror or error}; {remote.by_hand}") from None
    if remote.digest and not digest_of(remote.path).startswith(remote.digest):
        raise DownloadError(
            f"{remote.path}: is not the published file, whose SHA-256 begins with {remote.digest}; remove it"
        )
    return remote.path


@contextlib.contextmanager
def _alone(remote: Remote, say: Callable[[str], None]) -> Any:
    """While no other process downloads the file, on this machine or on one that shares the folder."""
    lock = FileLock(f"{remote.path}.lock")
    try:
        lock.acquire(timeout=0.1)
    except TimeoutError:
        say(f"waiting for another process, which downloads {remote.path.name}")
        lock.acquire()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(lock.lock_file)  # while it is held, so that nobody locks one that is about to go
        lock.release()


def _download(remote: Remote) -> None:
    """Raises DownloadError, OSError where the disk does not take it."""
    part = remote.path.with_name(f"{remote.path.name}.part")
    problem, size = "", -1
    for _ in range(TRIES):
        before = part.stat().st_size if part.exists() else 0
        try:
            expected = _receive(remote, part)
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        else:
            _check(remote, part, expected)
            os.replace(part, remote.path)
            return
        size = part.stat().st_size if part.exists() else 0
        if size == before and size == 0:
            break  # nobody answers
    kept = f"; {size:,} bytes are kept, and the next try goes on from there" if size else ""
    raise DownloadError(f"{remote.address}: cannot be downloaded: {problem}{kept}; {remote.by_hand}")


def _receive(remote: Remote, part: Path) -> str:
    """Add to `part` what is missing; returns the SHA-256 that the server gives, or ''. Raises OSError of all kinds."""
    done = part.stat().st_size if part.exists() else 0
    mark = part.with_name(f"{part.name}.etag")
    headers = {"User-Agent": "image-classification"}
    if done:
        headers |= {"Range": f"bytes={done}-"} | ({"If-Range": mark.read_text()} if mark.exists() else {})
    redirects = _Redirects()
    try:
        request = urllib.request.Request(remote.address, headers=headers)
        answer = urllib.request.build_opener(redirects).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # what is here is no beginning of the file
            part.unlink(missing_ok=True)
        raise
    with answer:
        goes_on = answer.status == 206
        total = (done if goes_on else 0) + int(answer.headers.get("Content-Length") or 0)
        if etag := answer.headers.get("ETag"):
            mark.write_text(etag)
        bar = tqdm(total=total or None, initial=done if goes_on else 0, unit="B", unit_scale=True, leave=False)
        with open(part, "ab" if goes_on else "wb") as file, bar:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
    if total and part.stat().st_size != total:
        raise ConnectionError(f"the connection ended after {part.stat().st_size:,} of {total:,} bytes")
    mark.unlink(missing_ok=True)
    return redirects.digest or _digest_in(answer.headers)


def _digest_in(headers: Message) -> str:
    """The Hugging Face hub gives the SHA-256 of a large file as its tag."""
    for name in ("X-Linked-ETag", "ETag"):
        if found := SHA256.fullmatch(headers.get(name) or ""):
            return found[1]
    return ""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Remembers the digest that the hub gives with the answer that leads to its storage; stays encrypted."""

    digest = ""

    def redirect_request(self, request: Any, answer: Any, code: int, text: str, headers: Any, address: str) -> Any:
        self.digest = _digest_in(headers) or self.digest
        if request.type == "https" and not address.startswith("https:"):
            raise urllib.error.URLError(f"redirected to an address without encryption, {address}")
        return super().redirect_request(request, answer, code, text, headers, address)


def _check(remote: Remote, part: Path, from_server: str) -> None:
    """Raises DownloadError, and removes the file, where its digest is another."""
    expected = remote.digest or from_server
    if expected and not (found := digest_of(part)).startswith(expected):
        part.unlink()
        raise DownloadError(
            f"{remote.address}: what came is not what was published: its SHA-256 is {found[: len(expected)]}, not "
            f"{expected}; it was removed"
        )


def digest_of(path: Path) -> str:
    """SHA-256, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
