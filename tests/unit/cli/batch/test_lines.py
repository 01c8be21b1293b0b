from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from imagegen_cli.batch.lines import Line, read_lines
from imagegen_cli.failure import Failure
from imagegen_cli.picture_file import PictureFile
from tests.support.pictures import file, noise


def lines(folder: Path, *rows: str | bytes) -> list[Line]:
    path = folder / "prompts.jsonl"
    path.write_bytes(b"\n".join(row if isinstance(row, bytes) else row.encode() for row in rows))
    return read_lines(path)


def test_a_line_is_a_request_with_its_number_in_the_file(tmp_path: Path) -> None:
    found = lines(tmp_path, '\ufeff{"prompt": "a", "seed": 7}\r', "", " ", '{"prompt": "\u2028", "upscale": 2}', "")
    assert [(line.number, line.request) for line in found] == [
        (1, {"prompt": "a", "seed": 7}), (4, {"prompt": "\u2028", "upscale": 2}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "not JSON"), ('["a"]', "not a JSON object"), ("7", "not a JSON object"), ("{}", "prompt is missing"),
        ('{"prompt": 7}', "not a string"), ('{"prompt": "a", "prompt": "b"}', "same key twice"),
        ('{"prompt": "a", "seed": NaN}', "NaN"), ('{"prompt": "a", "strength": 1e999}', "1e999"),
        (b'{"prompt": "\xff"}', "not UTF-8"), ('{"prompt": "a", "image": 7}', "name a file"),
        ('{"prompt": "a", "image": "none.png"}', "image: .*none.png cannot be read"),
        ('{"prompt": "a", "mask_image": "prompts.jsonl"}', "mask_image: .* is not a PNG, JPEG or WebP file"),
        ("[" * 100_000, "nested"),
    ],
)  # fmt: skip
def test_a_line_that_is_none_is_named_with_the_reason(tmp_path: Path, row: str | bytes, reason: str) -> None:
    with pytest.raises(Failure, match="1 line cannot be sent, so none was") as raised:
        lines(tmp_path, '{"prompt": "a"}', row, '{"prompt": "b"}')
    (error,) = raised.value.problem["errors"]
    assert error["field"] == "line 2"
    assert re.search(reason, error["message"])


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="2 lines cannot") as raised:
        lines(tmp_path, "{", '{"prompt": "a"}', "}")
    assert [each["field"] for each in raised.value.problem["errors"]] == ["line 1", "line 3"]


@pytest.mark.parametrize("rows", [[], ["", " "]])
def test_a_file_without_requests_is_refused(tmp_path: Path, rows: list[str]) -> None:
    with pytest.raises(Failure, match="no requests"):
        lines(tmp_path, *rows)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="cannot be read"):
        read_lines(tmp_path / "none.jsonl")


def test_pictures_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(file(noise(), "PNG"))
    (line,) = lines(tmp_path, '{"prompt": "a", "image": "photo.png", "strength": 0.5}')
    photo = line.pictures["image"]
    assert isinstance(photo, PictureFile)
    assert (photo.path, line.request) == (tmp_path / "photo.png", {"prompt": "a", "strength": 0.5})


def test_a_picture_may_be_null_as_in_the_api(tmp_path: Path) -> None:
    (line,) = lines(tmp_path, '{"prompt": "a", "image": null, "mask_image": null}')
    assert (line.pictures, line.request) == ({}, {"prompt": "a", "image": None, "mask_image": None})


def test_a_line_is_known_by_its_content_and_not_by_its_place(tmp_path: Path) -> None:
    first, second = lines(tmp_path, '{"prompt": "a", "seed": 1}', '{"prompt": "b"}')
    moved = lines(tmp_path, '{"prompt": "c"}', '{"prompt": "b"}', '{"seed": 1, "prompt":  "a"}')
    assert [line.digest for line in moved][1:] == [second.digest, first.digest]
    assert moved[0].digest not in (first.digest, second.digest)


def test_equal_lines_are_two_requests(tmp_path: Path) -> None:
    rows = [json.dumps({"prompt": "a"})] * 3
    assert len({line.digest for line in lines(tmp_path, *rows)}) == 3


def test_a_picture_that_was_replaced_is_another_request(tmp_path: Path) -> None:
    row = '{"prompt": "a", "image": "photo.png"}'
    digests = set()
    for size in (8, 16):
        (tmp_path / "photo.png").write_bytes(file(noise(size, size), "PNG"))
        (line,) = lines(tmp_path, row)
        digests.add(line.digest)
    assert len(digests) == 2
