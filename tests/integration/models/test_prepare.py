"""Where a model comes from, against a hub of our own: what is taken, what is refused, and that nothing half-written
stays. What comes out is looked at in tests/model/test_prepare.py."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from imagegen import manifest
from imagegen.registry import REGISTRY
from tests.support import checkpoints
from tests.support.prepare import prepare

TURBO = REGISTRY["sd-turbo"]
INDEX = "model_index.json"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
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


@dataclass
class Repository:
    """A commit's files; `refusal`: the code with which the hub answers instead."""

    commit: str
    files: dict[str, bytes]
    refusal: str = ""


@dataclass
class Hub:
    """As much of the hub's HTTP interface as downloads at a pinned commit need, and which files it gave."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)

    def add(self, name: str, commit: str, files: dict[str, bytes], refusal: str = "") -> None:
        self.repositories[name] = Repository(commit, files, refusal)

    def answer(self, path: str, *, with_body: bool) -> tuple[int, dict[str, str], bytes]:
        for name, repository in self.repositories.items():
            if path in (
                f"/api/models/{name}/tree/{repository.commit}",
                f"/api/models/{name}/revision/{repository.commit}",
            ):
                return 200, {}, _listing(repository, tree="/tree/" in path)
            prefix = f"/{name}/resolve/{repository.commit}/"
            file = path.removeprefix(prefix)
            if path.startswith(prefix) and repository.refusal:
                return 403, {"X-Error-Code": repository.refusal}, b""
            if path.startswith(prefix) and file in repository.files:
                if with_body:
                    self.given.add(file)
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
    """The only hub that a child process finds, with a download folder of its own."""
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
            """Requests are not worth a line each."""

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


def indexed(index: dict[str, object]) -> bytes:
    return json.dumps(index).encode()


def test_a_model_of_the_registry_is_fetched_and_prepared(hub: Hub, models: Path, tmp_path: Path) -> None:
    wanted = contents(checkpoints.demo(tmp_path / "checkpoint"))
    index = json.loads(wanted[INDEX]) | {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]}
    wanted[INDEX] = indexed(index)
    hub.add(TURBO.source.removeprefix("hub:"), TURBO.revision, wanted | UNWANTED)
    assert TURBO.decoder is not None
    small = contents(checkpoints.tiny_decoder(tmp_path / "decoder"))
    hub.add(
        TURBO.decoder.source.removeprefix("hub:"), TURBO.decoder.revision, small | {"taesd_decoder.pth": b"a pickle"}
    )

    done = prepare(TURBO.id, models)

    assert done.returncode == 0, done.stderr
    assert hub.given == wanted.keys() | small.keys()
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


def test_what_is_up_to_date_stays(hub: Hub, models: Path) -> None:
    """Also without a hub. Damage and another type are made anew."""
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


def test_a_folder_of_the_callers_comes_with_its_entry(models: Path, tmp_path: Path) -> None:
    done = prepare(checkpoints.demo(tmp_path / "My-Model"), models, "--engines", "torch")

    assert done.returncode == 0, done.stderr
    manifest.verify(models / "my-model" / "torch")
    call = ast.parse(done.stdout[done.stdout.index("Model(") :].rstrip().rstrip(","), mode="eval").body
    assert isinstance(call, ast.Call)
    entry = {keyword.arg: keyword.value for keyword in call.keywords}
    assert ast.literal_eval(entry["id"]) == "my-model"
    assert ast.literal_eval(entry["family"]) == "stable-diffusion"
    assert ast.literal_eval(entry["revision"]) == manifest.prepared_with(models / "my-model" / "torch")["revision"]


def test_a_commit_of_the_hub_comes_with_its_entry(hub: Hub, models: Path, tmp_path: Path) -> None:
    hub.add("someone/pictures", COMMIT, contents(checkpoints.latent_consistency(tmp_path / "checkpoint")))

    done = prepare(f"someone/pictures@{COMMIT}", models, "--engines", "torch")

    assert done.returncode == 0, done.stderr
    manifest.verify(models / "pictures" / "torch")
    for line in ('family="latent-consistency"', 'source="hub:someone/pictures"', f'revision="{COMMIT}"'):
        assert line in done.stdout


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("someone", "no registry id"),
        ("someone/else", "no registry id"),
        ("someone/else@main", "40 hexadecimal digits"),
        ("someone/else@0123456", "40 hexadecimal digits"),
        (f"someone/demo@{COMMIT}", "demo is another model"),
    ],
)
def test_an_argument_that_names_no_model_is_refused(models: Path, argument: str, expected: str) -> None:
    done = prepare(argument, models)

    assert done.returncode == 2
    assert expected in done.stderr
    assert not models.exists()


def test_an_engine_that_does_not_exist_is_refused(models: Path) -> None:
    done = prepare("demo", models, "--engines", "openvino,onnx")

    assert done.returncode == 2
    assert "onnx" in done.stderr


@pytest.mark.parametrize(("refusal", "expected"), [("GatedRepo", "HF_TOKEN"), ("RepoNotFound", "is not on the hub")])
def test_what_the_hub_refuses_is_said(hub: Hub, models: Path, refusal: str, expected: str) -> None:
    hub.add(TURBO.source.removeprefix("hub:"), TURBO.revision, {}, refusal)

    done = prepare(TURBO.id, models)

    assert done.returncode == 1
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in models.rglob("*") if path.is_file()]


def test_a_hub_that_is_not_there_is_said(models: Path, tmp_path: Path) -> None:
    done = prepare(TURBO.id, models, HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path / "empty"))

    assert done.returncode == 1
    assert "cannot be fetched" in done.stderr
    assert "Traceback" not in done.stderr


def _only_pickles(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").rename(folder / "unet" / "diffusion_pytorch_model.bin")


def _only_half_precision(folder: Path) -> None:
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.fp16.safetensors"))


def _cut_short(folder: Path) -> None:
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def _one_tensor_less(folder: Path) -> None:
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    del tensors["conv_in.weight"]
    save_file(tensors, weights)


def _wider_unet(folder: Path) -> None:
    config = json.loads((folder / "unet" / "config.json").read_text())
    (folder / "unet" / "config.json").write_text(json.dumps(config | {"cross_attention_dim": 64}))


def _with_index(**entries: object) -> dict[str, object]:
    index: dict[str, object] = json.loads((checkpoints.DEMO / INDEX).read_text())
    return index | entries


def _remote_code(folder: Path) -> None:
    (folder / INDEX).write_bytes(indexed(_with_index(unet=["my_unet", "MyUNet"])))


def _another_family(folder: Path) -> None:
    (folder / INDEX).write_bytes(indexed(_with_index(_class_name="FluxPipeline")))


def _another_encoder(folder: Path) -> None:
    (folder / INDEX).write_bytes(indexed(_with_index(text_encoder=["transformers", "T5EncoderModel"])))


def _no_index(folder: Path) -> None:
    (folder / INDEX).unlink()


def _fills_in(folder: Path) -> None:
    config = json.loads((folder / "unet" / "config.json").read_text())
    (folder / "unet" / "config.json").write_text(json.dumps(config | {"in_channels": 9}))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_only_pickles, "diffusion_pytorch_model.bin"),
        (_only_half_precision, "diffusion_pytorch_model.fp16.safetensors"),
        (_cut_short, "diffusion_pytorch_model.safetensors is damaged"),
        (_remote_code, "MyUNet"),
        (_another_family, "FluxPipeline"),
        (_another_encoder, "T5EncoderModel"),
        (_no_index, INDEX),
        (_fills_in, "9 channels"),
        (_one_tensor_less, "its unet lacks weights: conv_in.weight"),
        (_wider_unet, "its unet does not fit its configuration"),
    ],
)
def test_a_checkpoint_that_cannot_be_read_leaves_nothing(
    models: Path, tmp_path: Path, spoil: object, expected: str
) -> None:
    checkpoint = checkpoints.demo(tmp_path / "spoilt")
    assert callable(spoil)
    spoil(checkpoint)

    done = prepare(checkpoint, models, "--engines", "torch")

    assert done.returncode in (1, 2)
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in models.rglob("*") if path.is_file()]


def test_a_failure_leaves_what_was_there(models: Path, tmp_path: Path) -> None:
    checkpoint = checkpoints.demo(tmp_path / "pictures")
    assert prepare(checkpoint, models, "--engines", "torch").returncode == 0
    before = contents(models)
    (models / "pictures" / ".torch-abandoned").mkdir()  # as a run leaves it that was killed
    _one_tensor_less(checkpoint)

    assert prepare(checkpoint, models, "--engines", "torch").returncode == 1

    assert contents(models) == before
    shutil.rmtree(checkpoint)
