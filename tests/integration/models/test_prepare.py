"""Sources, errors and atomicity of `python -m models.prepare`, against a local stand-in for the Hugging Face Hub.

tests/model/test_prepare.py checks the prepared folders' images.
"""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file, save_file

from imagegen.catalog import manifest
from imagegen.catalog.registry import REGISTRY
from tests.support import checkpoints
from tests.support.prepare import prepare

TURBO = REGISTRY["sd-turbo"]
INDEX = "model_index.json"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
UNWANTED = {
    "README.md": b"model card",
    "sd_turbo.safetensors": b"all weights in the original layout",
    "safety_checker/model.safetensors": b"not loaded",
    "text_encoder/model.fp16.safetensors": b"fp16 variant",
    "text_encoder/pytorch_model.bin": b"a pickle",
    "unet/diffusion_pytorch_model.non_ema.safetensors": b"non-EMA weights",
    "unet/modeling.py": b"raise SystemExit",
    "vae_decoder/model.onnx": b"another format",
}


@dataclass
class Repository:
    """The files of a commit. If `error_code` is set, downloads fail with it in X-Error-Code."""

    commit: str
    files: dict[str, bytes]
    error_code: str = ""


@dataclass
class Hub:
    """The part of the hub's HTTP API that downloads at a commit need. `downloaded` records the files sent."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    downloaded: set[str] = field(default_factory=set)

    def add(self, name: str, commit: str, files: dict[str, bytes], error_code: str = "") -> None:
        self.repositories[name] = Repository(commit, files, error_code)

    def answer(self, path: str, *, with_body: bool) -> tuple[int, dict[str, str], bytes]:
        for name, repository in self.repositories.items():
            if path in (
                f"/api/models/{name}/tree/{repository.commit}",
                f"/api/models/{name}/revision/{repository.commit}",
            ):
                return 200, {}, _listing(repository, tree="/tree/" in path)
            prefix = f"/{name}/resolve/{repository.commit}/"
            file = path.removeprefix(prefix)
            if path.startswith(prefix) and repository.error_code:
                return 403, {"X-Error-Code": repository.error_code}, b""
            if path.startswith(prefix) and file in repository.files:
                if with_body:
                    self.downloaded.add(file)
                body = repository.files[file]
                digest = hashlib.sha256(body).hexdigest()
                return 200, {"ETag": f'"{digest}"', "X-Repo-Commit": repository.commit}, body
            if path.startswith(prefix):
                return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repository.commit}, b""
        return 404, {"X-Error-Code": "RepoNotFound"}, b""


def _listing(repository: Repository, *, tree: bool) -> bytes:
    if tree:
        return json.dumps(
            [{"type": "file", "path": p, "size": len(b), "oid": p} for p, b in repository.files.items()]
        ).encode()
    return json.dumps(
        {"id": "", "sha": repository.commit, "siblings": [{"rfilename": p} for p in repository.files]}
    ).encode()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub, with an empty download cache, that child processes use through HF_ENDPOINT and HF_HOME."""
    served = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            status, headers, body = served.answer(self.path.partition("?")[0], with_body=with_body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Do not log requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
        yield served
        server.shutdown()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def to_json(index: dict[str, object]) -> bytes:
    return json.dumps(index).encode()


def test_a_registry_model_is_downloaded_and_prepared(hub: Hub, models: Path, tmp_path: Path) -> None:
    checkpoint = checkpoints.demo(tmp_path / "checkpoint")
    wanted = contents(checkpoints.with_scheduler(checkpoint, "EulerDiscreteScheduler", timestep_spacing="trailing"))
    index = json.loads(wanted[INDEX]) | {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]}
    wanted[INDEX] = to_json(index)
    hub.add(TURBO.source.removeprefix("hub:"), TURBO.revision, wanted | UNWANTED)
    assert TURBO.decoder is not None
    small = contents(checkpoints.tiny_decoder(tmp_path / "decoder"))
    hub.add(
        TURBO.decoder.source.removeprefix("hub:"), TURBO.decoder.revision, small | {"taesd_decoder.pth": b"a pickle"}
    )

    done = prepare(TURBO.id, models)

    assert done.returncode == 0, done.stderr
    assert hub.downloaded == wanted.keys() | small.keys()
    assert {path.name for path in (models / TURBO.id).iterdir()} == {"openvino", "torch"}
    for engine in ("openvino", "torch"):
        manifest.verify(models / TURBO.id / engine)
        assert manifest.prepared_with(models / TURBO.id / engine)["revision"] == TURBO.revision
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in models.rglob("*"))
    by_torch = json.loads((models / TURBO.id / "torch" / INDEX).read_text())
    assert by_torch["vae"] == ["diffusers", "AutoencoderTiny"]
    assert by_torch["safety_checker"] == [None, None]
    assert json.loads((models / TURBO.id / "openvino" / INDEX).read_text())["vae"] == ["diffusers", "AutoencoderKL"]
    decoder = json.loads((models / TURBO.id / "openvino" / "vae_decoder" / "config.json").read_text())
    assert decoder["scaling_factor"] == 1.0
    assert len(decoder["block_out_channels"]) == 4


def test_only_outdated_and_damaged_folders_are_rebuilt(hub: Hub, models: Path) -> None:
    """The demo model needs no hub. Another torch dtype makes the folder outdated."""
    options = ("demo", models, "--engines", "torch")
    assert "is ready" in prepare(*options).stdout
    folder = models / "demo" / "torch"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    again = prepare(*options)

    assert again.stdout == f"{folder} is up to date\n"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    (folder / "unet" / "config.json").write_text("{}")
    assert "is ready" in prepare(*options).stdout
    manifest.verify(folder)
    assert "is ready" in prepare(*options, "--torch-dtype", "float16").stdout
    assert {path.name for path in (models / "demo").iterdir()} == {"torch"}


def test_preparing_a_local_folder_prints_its_registry_entry(models: Path, tmp_path: Path) -> None:
    done = prepare(checkpoints.demo(tmp_path / "My-Model"), models, "--engines", "torch")

    assert done.returncode == 0, done.stderr
    manifest.verify(models / "my-model" / "torch")
    call = ast.parse(done.stdout[done.stdout.index("Model(") :].rstrip().rstrip(","), mode="eval").body
    assert isinstance(call, ast.Call)
    classes = {
        node.func.id for node in ast.walk(call) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert classes <= vars(sys.modules[type(TURBO).__module__]).keys(), "the entry cannot be pasted into the registry"
    entry = {keyword.arg: keyword.value for keyword in call.keywords}
    assert ast.literal_eval(entry["id"]) == "my-model"
    assert "note: min_size and max_size are not measured: look at images of 96 and 192 pixels" in done.stderr
    assert ast.literal_eval(entry["family"]) == "stable-diffusion"
    assert ast.literal_eval(entry["revision"]) == manifest.prepared_with(models / "my-model" / "torch")["revision"]


def test_preparing_a_hub_commit_prints_its_registry_entry(hub: Hub, models: Path, tmp_path: Path) -> None:
    hub.add("someone/pictures", COMMIT, contents(checkpoints.latent_consistency(tmp_path / "checkpoint")))

    done = prepare(f"someone/pictures@{COMMIT}", models, "--engines", "torch")

    assert done.returncode == 0, done.stderr
    manifest.verify(models / "pictures" / "torch")
    for line in ('family="latent-consistency"', 'source="hub:someone/pictures"', f'revision="{COMMIT}"'):
        assert line in done.stdout


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("someone", "not a registry id"),
        ("someone/else", "not a registry id"),
        ("someone/else@main", "40 hexadecimal digits"),
        ("someone/else@0123456", "40 hexadecimal digits"),
        (f"someone/demo@{COMMIT}", "another model demo"),
    ],
)
def test_an_argument_that_names_no_model_is_a_usage_error(models: Path, argument: str, expected: str) -> None:
    done = prepare(argument, models)

    assert done.returncode == 2
    assert expected in done.stderr
    assert not models.exists()


def test_an_unknown_engine_is_a_usage_error(models: Path) -> None:
    done = prepare("demo", models, "--engines", "openvino,onnx")

    assert done.returncode == 2
    assert "onnx" in done.stderr


@pytest.mark.parametrize(
    ("error_code", "expected"), [("GatedRepo", "HF_TOKEN"), ("RepoNotFound", "is not on the Hugging Face Hub")]
)
def test_errors_of_the_hub_are_explained(hub: Hub, models: Path, error_code: str, expected: str) -> None:
    hub.add(TURBO.source.removeprefix("hub:"), TURBO.revision, {}, error_code)

    done = prepare(TURBO.id, models)

    assert done.returncode == 1
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in models.rglob("*") if path.is_file()]


def test_an_unreachable_hub_is_explained(models: Path, tmp_path: Path) -> None:
    done = prepare(TURBO.id, models, HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path / "empty"))

    assert done.returncode == 1
    assert "cannot be downloaded" in done.stderr
    assert "Traceback" not in done.stderr


def _only_pickles(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").rename(folder / "unet" / "diffusion_pytorch_model.bin")


def _one_shard_of_two(folder: Path) -> None:
    checkpoints.as_variant(folder, "unet", "fp16", torch.float16, shards=2)
    next((folder / "unet").glob("*-00002-of-00002.safetensors")).unlink()


def _truncated_weights(folder: Path) -> None:
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def _missing_tensor(folder: Path) -> None:
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    del tensors["conv_in.weight"]
    save_file(tensors, weights)


def _mismatched_config(folder: Path) -> None:
    config = json.loads((folder / "unet" / "config.json").read_text())
    (folder / "unet" / "config.json").write_text(json.dumps(config | {"layers_per_block": 1}))


def _with_index(**entries: object) -> dict[str, object]:
    index: dict[str, object] = json.loads((checkpoints.DEMO / INDEX).read_text())
    return index | entries


def _remote_code(folder: Path) -> None:
    (folder / INDEX).write_bytes(to_json(_with_index(unet=["my_unet", "MyUNet"])))


def _unsupported_pipeline(folder: Path) -> None:
    (folder / INDEX).write_bytes(to_json(_with_index(_class_name="FluxPipeline")))


def _unsupported_text_encoder(folder: Path) -> None:
    (folder / INDEX).write_bytes(to_json(_with_index(text_encoder=["transformers", "T5EncoderModel"])))


def _no_index(folder: Path) -> None:
    (folder / INDEX).unlink()


def _inpainting_unet(folder: Path) -> None:
    config = json.loads((folder / "unet" / "config.json").read_text())
    (folder / "unet" / "config.json").write_text(json.dumps(config | {"in_channels": 9}))


@pytest.mark.parametrize(
    ("break_checkpoint", "expected"),
    [
        (_only_pickles, "diffusion_pytorch_model.bin"),
        (_one_shard_of_two, "unet lacks shards"),
        (_truncated_weights, "diffusion_pytorch_model.safetensors is damaged"),
        (_remote_code, "MyUNet"),
        (_unsupported_pipeline, "FluxPipeline"),
        (_unsupported_text_encoder, "T5EncoderModel"),
        (_no_index, INDEX),
        (_inpainting_unet, "in_channels is 9"),
        (_missing_tensor, "the unet lacks weights: conv_in.weight"),
        (_mismatched_config, "the weights of the unet do not match its config.json"),
    ],
)
def test_an_unusable_checkpoint_writes_no_files(
    models: Path, tmp_path: Path, break_checkpoint: Callable[[Path], None], expected: str
) -> None:
    checkpoint = checkpoints.demo(tmp_path / "broken")
    break_checkpoint(checkpoint)

    done = prepare(checkpoint, models, "--engines", "torch")

    assert done.returncode in (1, 2)
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in models.rglob("*") if path.is_file()]


def test_a_single_file_is_a_usage_error_with_the_way_out(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"")

    done = prepare(file, models)

    assert done.returncode == 2
    assert "from_single_file" in done.stderr


def test_variants_replace_missing_full_weights(models: Path, tmp_path: Path) -> None:
    """A float16 unet in shards, a bfloat16 text encoder, and a decoder that has both full weights and a variant."""
    checkpoint = checkpoints.demo(tmp_path / "variants")
    checkpoints.as_variant(checkpoint, "unet", "fp16", torch.float16, shards=2)
    checkpoints.as_variant(checkpoint, "text_encoder", "bf16", torch.bfloat16)
    full = checkpoint / "vae" / "diffusion_pytorch_model.safetensors"
    full.with_name("diffusion_pytorch_model.fp16.safetensors").write_bytes(b"not even opened")

    done = prepare(checkpoint, models, "--engines", "openvino")

    assert done.returncode == 0, done.stderr
    manifest.verify(models / "variants" / "openvino")
    assert manifest.prepared_with(models / "variants" / "openvino")["variants"] == "text_encoder bf16, unet fp16"
    assert "text_encoder bf16, unet fp16" in done.stderr
    again = prepare(checkpoint, models, "--engines", "openvino")
    assert "is up to date" in again.stdout
    assert again.stdout[again.stdout.index("Model(") :] == done.stdout[done.stdout.index("Model(") :]


def test_only_the_chosen_variant_is_downloaded(hub: Hub, models: Path, tmp_path: Path) -> None:
    checkpoint = checkpoints.demo(tmp_path / "checkpoint")
    for component in ("unet", "vae", "text_encoder"):
        checkpoints.as_variant(checkpoint, component, "fp16", torch.float16)
    wanted = contents(checkpoint)
    hub.add("someone/half", COMMIT, wanted | {"unet/diffusion_pytorch_model.non_ema.safetensors": b"x", "a.bin": b"y"})

    done = prepare(f"someone/half@{COMMIT}", models, "--engines", "openvino")

    assert done.returncode == 0, done.stderr
    assert hub.downloaded == wanted.keys()


def test_a_failed_run_keeps_the_previous_folder(models: Path, tmp_path: Path) -> None:
    checkpoint = checkpoints.demo(tmp_path / "pictures")
    assert prepare(checkpoint, models, "--engines", "torch").returncode == 0
    before = contents(models)
    (models / "pictures" / ".torch-abandoned").mkdir()  # what a killed run leaves behind
    _missing_tensor(checkpoint)

    assert prepare(checkpoint, models, "--engines", "torch").returncode == 1

    assert contents(models) == before
    shutil.rmtree(checkpoint)
