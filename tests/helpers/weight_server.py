"""A server on this machine that gives a file, in all the ways in which that goes wrong."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CONTENT = bytes(range(256)) * 12_000  # three chunks
SHA = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` under every path. What else it does is set by a test."""

    def __init__(self):
        self.content, self.asked = CONTENT, []
        self.cuts = []  # bytes after which an answer ends, one an answer
        self.takes_ranges, self.redirects, self.status, self.tag = True, False, 200, '"one"'
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        start = 0
        wanted = self.headers.get("Range", "")
        server.asked.append((self.path, wanted))
        if server.status != 200:
            return self.send_error(server.status)
        if server.redirects and not self.path.startswith("/storage"):
            self.send_response(302)
            self.send_header("X-Linked-ETag", f'"{hashlib.sha256(CONTENT).hexdigest()}"')
            self.send_header("Location", f"{server.address}/storage")
            return self.end_headers()
        if wanted and server.takes_ranges and self.headers.get("If-Range", server.tag) == server.tag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(server.content):
                return self.send_error(416)
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", server.tag)
        self.end_headers()
        self.wfile.write(body[: server.cuts.pop(0)] if server.cuts else body)
        return None

    def log_message(self, *_): ...


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()
