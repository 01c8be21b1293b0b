"""The weights stage's script against a hub of our own: what it takes from a repository, and what it leaves."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from imagegen import manifest
from imagegen.registry import REGISTRY

ROOT = Path(__file__).resolve().parents[2]
TURBO = REGISTRY["sd-turbo"]
REPOSITORY = TURBO.source.removeprefix("hub:")
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "image_encoder": [None, None],
}
WANTED = {
    "model_index.json": json.dumps(INDEX).encode(),
    "text_encoder/config.json": b"{}",
    "text_encoder/model.safetensors": b"weights of the text encoder",
    "tokenizer/merges.txt": b"a b",
    "unet/diffusion_pytorch_model-00001-of-00002.safetensors": b"weights, the first half",
    "unet/diffusion_pytorch_model-00002-of-00002.safetensors": b"weights, the second half",
    "unet/diffusion_pytorch_model.safetensors.index.json": b"{}",
}
UNWANTED = {
    "README.md": b"a card",
    "sd_turbo.safetensors": b"everything again, in another layout",
    "safety_checker/model.safetensors": b"not loaded",
    "text_encoder/model.fp16.safetensors": b"half the precision",
    "text_encoder/pytorch_model.bin": b"a pickle",
    "unet/diffusion_pytorch_model.non_ema.safetensors": b"other weights",
    "unet/modeling.py": b"raise SystemExit",
    "vae_decoder/model.onnx": b"another format",
}


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's HTTP interface as one download at a pinned commit needs."""

    files = WANTED | UNWANTED

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        name = path.removeprefix(f"/{REPOSITORY}/resolve/{TURBO.revision}/")
        if path == f"/api/models/{REPOSITORY}/tree/{TURBO.revision}":
            entries = [{"type": "file", "path": p, "size": len(b), "oid": p} for p, b in self.files.items()]
            body = json.dumps(entries).encode()
        elif name in self.files:
            body = self.files[name]
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", TURBO.revision)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Requests are not worth a line each."""


@pytest.fixture
def hub() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def fetch(model_id: str, models_dir: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "function" / "models" / "fetch.py"), model_id, str(models_dir)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "function"), "HF_HOME": str(models_dir / "cache"), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_takes_what_the_pipeline_loads_and_nothing_else(hub: str, tmp_path: Path) -> None:
    done = fetch(TURBO.id, tmp_path, HF_ENDPOINT=hub)

    assert done.returncode == 0, done.stderr
    folder = tmp_path / TURBO.id
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in files.items() if name != manifest.NAME} == WANTED
    manifest.verify(folder)
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in files.values())


def test_a_model_that_is_not_in_the_registry_is_refused(tmp_path: Path) -> None:
    done = fetch("someone/else", tmp_path)

    assert done.returncode == 2
    assert "someone/else" in done.stderr
    assert not list(tmp_path.iterdir())
