"""A container engine with one image, generator:latest: the part of Docker's HTTP API that reads an image's files."""

from __future__ import annotations

import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

HOST = "127.0.0.1"


@contextmanager
def docker_engine(files: set[str], architecture: str = "amd64") -> Iterator[str]:
    """Yield the DOCKER_HOST of an engine whose image has these files."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            route = re.sub(r"^/v[\d.]+/", "", address.path)
            match route:
                case "/version":
                    self._answer(200, {"ApiVersion": "1.44"})
                case "images/generator:latest/json":
                    self._answer(200, {"Id": "sha256:1", "Architecture": architecture})
                case "containers/1/json":
                    self._answer(200, {"Id": "1"})
                case "containers/1/archive":
                    self._archive(parse_qs(address.query)["path"][0])
                case _:
                    self._answer(404, {"message": f"no such object: {route}"})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(201, {"Id": "1"})

        def do_DELETE(self) -> None:
            self._answer(204, None)

        def _archive(self, path: str) -> None:
            if path not in files:
                self._answer(404, {"message": f"could not find the file {path}"})
                return
            body = io.BytesIO()
            with tarfile.open(fileobj=body, mode="w") as archive:
                archive.addfile(tarfile.TarInfo(path.rpartition("/")[2]))
            self._send(200, body.getvalue(), {"X-Docker-Container-Path-Stat": "e30="})

        def _answer(self, status: int, document: object) -> None:
            self._send(status, b"" if document is None else json.dumps(document).encode(), {})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in (
                {"Content-Length": str(len(body)), "Content-Type": "application/json"} | headers
            ).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"tcp://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
