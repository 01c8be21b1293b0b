"""The body of POST /generate from the command's options. The service checks the values, and words what is wrong."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from imagegen_cli.failure import usage

_IDEMPOTENCY_KEY: Final = re.compile(r"[ -~]{1,255}")


def make_request(fields: Mapping[str, Any], metadata: Sequence[str], webhook: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request with the fields that were given; None was not. Raises Failure (usage)."""
    request = {name: value for name, value in fields.items() if value is not None}
    for name, value in request.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise usage(f"--{name.replace('_', '-')}: {value} is not a number that the service knows.")
    pairs = _pairs(metadata)
    hook = {name: value for name, value in webhook.items() if value}
    if hook and "url" not in hook:
        raise usage("--webhook-event needs --webhook-url.")
    return request | ({"metadata": pairs} if pairs else {}) | ({"webhook": hook} if hook else {})


def read_prompt(argument: str) -> str:
    """Return the prompt; `-` reads it from stdin, where no list of processes shows it. Raises Failure (usage)."""
    if argument != "-":
        return argument
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise usage("The prompt on stdin is not valid text in the terminal's encoding.") from None


def chosen_format(of_extension: str | None, given: str | None) -> str | None:
    """Return the field `output_format`. Raises Failure (usage) if the file's extension means another one."""
    if of_extension and given and of_extension != given:
        raise usage(f"--output-format {given}: the extension of --out means {of_extension}. Leave one of them out.")
    return given or of_extension


def require_idempotency_key(key: str | None) -> None:
    """Raises Failure (usage) for a key that no header can have."""
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise usage("--idempotency-key: use 1 to 255 printable ASCII characters.")


def require_no_out(no_wait: bool, out: Path | None) -> None:
    """Raises Failure (usage) if a file is asked for that --no-wait does not write."""
    if no_wait and out is not None:
        raise usage("--no-wait returns before there is an image: leave out --out, and use `imagegen job ID --out`.")


def _pairs(metadata: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for entry in metadata:
        name, separator, value = entry.partition("=")
        if not separator:
            raise usage(f"--metadata {entry!r}: write NAME=VALUE.")
        if name in pairs:
            raise usage(f"--metadata: {name!r} is given twice.")
        pairs[name] = value
    return pairs
