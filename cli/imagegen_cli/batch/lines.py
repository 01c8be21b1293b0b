"""The file of a batch: a request per line, checked as a whole before anything is sent."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure, usage
from imagegen_cli.picture_file import FIELDS, Picture, PictureFile, find_pictures, look_at

_SHOWN_ERRORS: Final = 20
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Line:
    """One request: what the line says, its pictures as files, and which of the same requests of the file it is."""

    number: int
    """From 1; empty lines count."""
    request: Mapping[str, Any]
    pictures: Mapping[str, Picture]
    digest: str
    """SHA-256, in hex, of the request, its pictures' bytes, and how many of the same precede it."""


def read_lines(path: Path) -> list[Line]:
    """Return the requests of the file. Raises Failure (usage) that names every invalid line."""
    try:
        rows = path.read_bytes().removeprefix(_BOM).split(b"\n")
    except OSError as error:
        raise usage(f"{path} cannot be read: {error.strerror}.") from error
    lines, errors, before, look = [], [], Counter[str](), cache(look_at)
    for number, row in enumerate(rows, start=1):
        try:
            if row.strip():
                request = _parsed(row)
                lines.append(_line(number, request, _pictures(request, path.parent, look), before))
        except Failure as failure:
            errors.append({"field": f"line {number}", "code": "invalid_line", "message": failure.detail})
    _require_lines(path, lines, errors)
    return lines


def _pictures(request: Mapping[str, Any], folder: Path, look: Callable[[Path], PictureFile]) -> dict[str, Picture]:
    named = {name: request[name] for name in FIELDS if name in request}
    if not all(isinstance(text, str | None) for text in named.values()):
        raise usage(f"{' and '.join(named)}: name a file, or an upload's id.")
    return find_pictures(named, folder, look)


def _line(number: int, request: dict[str, Any], pictures: dict[str, Picture], before: Counter[str]) -> Line:
    if not isinstance(request.get("prompt"), str):
        raise usage("The field prompt is missing, or is not a string.")
    content = request | {name: _identity(picture) for name, picture in pictures.items()}
    text = json.dumps(content, sort_keys=True)
    before[text] += 1
    digest = hashlib.sha256(f"{before[text]} {text}".encode()).hexdigest()
    return Line(number, {name: request[name] for name in request if name not in pictures}, pictures, digest)


def _identity(picture: Picture) -> str:
    return picture.sha256 if isinstance(picture, PictureFile) else picture


def _parsed(row: bytes) -> dict[str, Any]:
    try:
        document = json.loads(row.decode(), object_pairs_hook=_distinct, parse_constant=_finite, parse_float=_finite)
    except UnicodeDecodeError:
        raise usage("It is not UTF-8.") from None
    except RecursionError:
        raise usage("It is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise usage(f"It is not JSON: {error.msg}, at character {error.colno}.") from None
    except ValueError as error:
        raise usage(f"It is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise usage('It is not a JSON object, such as {"prompt": "a red circle"}.')
    return document


def _distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("an object has the same key twice")
    return document


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"{text} is not a JSON number")
    return float(text)


def _require_lines(path: Path, lines: Sequence[Line], errors: Sequence[Mapping[str, str]]) -> None:
    if errors:
        bad = f"{len(errors)} line{'s' if len(errors) > 1 else ''} cannot be sent, so none was."
        raise Failure(ExitCode.USAGE, f"{path}: {bad}", {"errors": errors[:_SHOWN_ERRORS]})
    if not lines:
        raise usage(f"{path} contains no requests.")
