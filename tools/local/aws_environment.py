"""AWS settings without the developer's own: no profile, file or variable of theirs leads a call to real AWS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ABSENT: Final = str(Path(__file__).resolve() / "none")
"""A file that cannot be created, because its folder is a file. Not os.devnull: a program that runs as root can replace
that by a file, and then every AWS client fails on its content."""
NO_AWS_FILES: Final = {"AWS_CONFIG_FILE": _ABSENT, "AWS_SHARED_CREDENTIALS_FILE": _ABSENT}
"""Variables that make the AWS SDKs read no configuration file."""


@contextmanager
def aws_environment(region: str) -> Iterator[None]:
    """Replace the developer's AWS configuration with `region` and nothing else, and restore it on exit.

    SAM's translator reads the region from the environment only. A profile that does not exist, or a variable such as
    AWS_ENDPOINT_URL, must neither stop the local stack nor lead its calls to real AWS.
    """
    before = take_aws_variables()
    os.environ |= {"AWS_DEFAULT_REGION": region, **NO_AWS_FILES}
    try:
        yield
    finally:
        take_aws_variables()
        os.environ |= before


def take_aws_variables() -> dict[str, str]:
    """Remove the variables of the AWS SDKs from the environment and return them."""
    return {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
