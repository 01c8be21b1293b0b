"""`imagegen edit`, `upscale` and `upload`: how pictures reach the service, and what is said if they do not."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from imagegen.api.body_size import MAX_BODY_BYTES
from imagegen_cli.client import Client
from imagegen_cli.credential import api_key
from imagegen_cli.deadline import Deadline
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from imagegen_cli.picture_file import look_at
from imagegen_cli.profile import Profile
from imagegen_cli.uploads import MAX_INLINE, Uploads, upload
from tests.integration.cli.conftest import KEY, CommandLine
from tests.support.api_server import PICTURE, ApiServer, Received, Reply, document, example, problem
from tests.support.multipart import parts
from tests.support.pictures import FORMATS, file, noise, turned

UPLOAD = "upload_01KAJ9X2S4QZ8W3V5N7M6K1H0G"
PNG = b"\x89PNG\r\n\x1a\n"


def refusal_of_s3(status: int, code: str, message: str) -> Reply:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Reply(status, body.encode(), {"content-type": "application/xml"})


def bucket(server: ApiServer, *replies: Reply) -> None:
    server.on("POST", "/uploads", document(201, example("upload") | {"url": f"{server.url}/bucket"}))
    server.on("POST", "/bucket", *(replies or [Reply(204)]))


@pytest.mark.parametrize("kind", FORMATS)
def test_an_upload_is_the_form_with_the_file_and_prints_its_id(
    ready: CommandLine, server: ApiServer, kind: str
) -> None:
    bucket(server)
    sent = file(noise(), kind)
    (ready.folder / "photo.of.mine").write_bytes(sent)
    done = ready.run("upload", "photo.of.mine")
    assert (done.returncode, done.stdout) == (0, f"{UPLOAD}\n"), done.stderr
    assert done.stderr == f"It can be used until {example('upload')['usable_until']}.\n"
    asked, form = server.received
    assert asked.json == {"content_type": f"image/{kind.lower()}"}
    assert "x-api-key" not in form.headers
    *fields, last = parts(form).items()
    assert {name: content.decode() for name, (_, content) in fields} == example("upload")["fields"]
    assert last == ("file", (f"image/{kind.lower()}", sent))


def test_json_has_the_id_and_no_signature(ready: CommandLine, server: ApiServer) -> None:
    bucket(server)
    (ready.folder / "photo.png").write_bytes(PNG)
    done = ready.run("upload", "photo.png", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    until = example("upload")["usable_until"]
    assert json.loads(done.stdout) == {"id": UPLOAD, "content_type": "image/png", "bytes": 8, "usable_until": until}


def client(server: ApiServer, slept: list[float]) -> Client:
    return Client(Profile(None, server.api, api_key(KEY)), Deadline(None), lambda _: None, slept.append)


def ends(server: ApiServer, path: Path) -> tuple[Failure, list[float]]:
    slept: list[float] = []
    with pytest.raises(Failure) as raised:
        upload(client(server, slept), look_at(path))
    return raised.value, slept


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"),
        (403, "AccessDenied", "Invalid according to Policy: Policy expired."),
        (405, "MethodNotAllowed", "The specified method is not allowed against this resource."),
    ],
)
def test_what_the_bucket_refuses_is_said_in_its_words_and_not_repeated(
    server: ApiServer, tmp_path: Path, status: int, code: str, message: str
) -> None:
    bucket(server, refusal_of_s3(status, code, message))
    (tmp_path / "photo.png").write_bytes(PNG)
    failure, slept = ends(server, tmp_path / "photo.png")
    assert (failure.exit_code, failure.code, failure.problem["status"], slept) == (ExitCode.REFUSED, code, status, [])
    assert message in failure.text()
    assert "0a1b2c3d" not in failure.text()  # the form's signature


def test_a_bucket_that_is_busy_or_breaks_off_is_asked_again(server: ApiServer, tmp_path: Path) -> None:
    bucket(server, refusal_of_s3(503, "SlowDown", "Reduce your request rate."), Reply(0, resets=True), Reply(204))
    (tmp_path / "photo.png").write_bytes(PNG)
    slept: list[float] = []
    assert upload(client(server, slept), look_at(tmp_path / "photo.png")).id == UPLOAD
    assert slept == [0.5, 1]
    bucket(server, Reply(500, b"<html>"))
    failure, _ = ends(server, tmp_path / "photo.png")
    assert (failure.exit_code, failure.code) == (ExitCode.SERVICE_FAILED, "upload_refused")


def test_a_file_that_is_too_large_is_not_sent(server: ApiServer, tmp_path: Path) -> None:
    bucket(server)
    (tmp_path / "photo.png").write_bytes(PNG.ljust(10_000_001, b"\0"))
    failure, _ = ends(server, tmp_path / "photo.png")
    assert (failure.exit_code, failure.code) == (ExitCode.REFUSED, "image_too_large")
    assert "10,000,001 bytes; an upload has at most 10,000,000" in failure.detail
    assert server.paths("POST") == ["/v1/uploads"]


@pytest.mark.parametrize(
    ("sizes", "uploaded"),
    [
        ((3_262_500, None), []), ((3_262_501, None), ["image"]), ((2_000_000, 1_000_000), []),
        ((2_000_000, 2_000_000), ["mask_image"]), ((4_000_000, 1_000), ["image"]),
        ((4_000_000, 4_000_001), ["image", "mask_image"]),
    ],
)  # fmt: skip
def test_small_pictures_go_into_the_body_and_others_through_the_bucket(
    server: ApiServer, tmp_path: Path, sizes: tuple[int, int | None], uploaded: list[str]
) -> None:
    bucket(server)
    pictures = {}
    for name, size in zip(("image", "mask_image"), sizes, strict=True):
        if size is not None:
            (tmp_path / name).write_bytes(PNG.ljust(size, b"\0"))
            pictures[name] = look_at(tmp_path / name)
    fields = Uploads(client(server, [])).sendable(pictures)
    assert [name for name in pictures if fields[name] == UPLOAD] == uploaded
    assert sum(map(len, fields.values())) <= MAX_INLINE + 2 * len(UPLOAD) < MAX_BODY_BYTES - 130_000
    assert all(base64.b64decode(fields[name]) == pictures[name].read() for name in pictures if name not in uploaded)


def test_an_edit_sends_files_and_uploads_and_writes_the_result(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/generate", document(200, server.result()))
    (ready.folder / "mask.png").write_bytes(PNG)
    fields = ["--image", UPLOAD, "--mask-image", "mask.png", "--strength", "1", "--upscale", "2"]
    done = ready.run("edit", "on a beach", *fields, "--out", "scene.png")
    assert done.returncode == 0, done.stderr
    assert (ready.folder / "scene.png").read_bytes() == PICTURE
    assert server.received[0].json == {
        "prompt": "on a beach", "image": UPLOAD, "mask_image": base64.b64encode(PNG).decode(), "strength": 1,
        "upscale": 2, "output_format": "png",
    }  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["edit", "x"], ["edit", "x", "--image", "none.png"], ["edit", "x", "--image", "."],
        ["edit", "x", "--image", "text.png"], ["edit", "x", "--image", UPLOAD, "--mask-image", "text.png"],
        ["edit", "x", "--image", UPLOAD, "--strength", "nan"], ["edit", "x", "--image", "https://example.com/a.png"],
        ["upload", "none.png"], ["upload", "text.png"], ["upscale", "text.png"], ["upscale", "cut.png"],
        ["batch", "none.jsonl"], ["batch", "text.png"], ["batch", "b.jsonl", "--concurrency", "0"],
        ["batch", "b.jsonl", "--timeout", "0"],
    ],
)  # fmt: skip
def test_a_picture_or_a_file_that_is_none_is_a_usage_error_and_sends_nothing(
    ready: CommandLine, server: ApiServer, arguments: list[str]
) -> None:
    (ready.folder / "text.png").write_text("hello")
    (ready.folder / "cut.png").write_bytes(PNG)
    (ready.folder / "b.jsonl").write_text('{"prompt": "x"}\n')
    done = ready.run(*arguments, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert json.loads(done.stderr)["code"] == "usage"
    assert server.received == []


def mask_size(request: Received) -> tuple[int, int]:
    return Image.open(io.BytesIO(base64.b64decode(request.json["mask_image"]))).size


def test_a_picture_is_enlarged_with_all_of_it_kept(ready: CommandLine, server: ApiServer) -> None:
    server.on("GET", "/models", document(200, example("models")))
    server.on("POST", "/generate", document(200, server.result()))
    (ready.folder / "photo.webp").write_bytes(file(noise(64, 48), "WEBP"))
    done = ready.run("upscale", "photo.webp", "--factor", "4", "--out", "large.png")
    assert done.returncode == 0, done.stderr
    assert ready.files() == ["large.png", "photo.webp"]
    _, post, _ = server.received
    assert (post.json["upscale"], post.json["num_inference_steps"], post.json["output_format"]) == (4, 1, "png")
    assert mask_size(post) == (64, 48)


def test_a_picture_that_exif_turns_on_its_side_gets_a_mask_of_its_upright_size(
    ready: CommandLine, server: ApiServer
) -> None:
    server.on("GET", "/models", document(200, example("models")))
    server.on("POST", "/generate", problem("mask_size_mismatch"), document(200, server.result()))
    (ready.folder / "photo.jpg").write_bytes(file(noise(64, 48), "JPEG", exif=turned(6)))
    assert ready.run("upscale", "photo.jpg").returncode == 0
    assert [mask_size(each) for each in server.received if each.method == "POST"] == [(64, 48), (48, 64)]


def test_a_picture_that_would_not_become_larger_is_refused(ready: CommandLine, server: ApiServer) -> None:
    server.on("GET", "/models", document(200, example("models")))
    (ready.folder / "photo.png").write_bytes(file(noise(300, 200), "PNG"))
    done = ready.run("upscale", "photo.png")
    assert (done.returncode, server.paths("POST")) == (2, [])
    assert "300 x 200 pixels. demo draws at most 144 on a side" in done.stderr
