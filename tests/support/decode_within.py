"""A process that decodes each file of a folder with little more memory than it has at its start.

Writes one JSON object per file: name, outcome and seconds. An outcome that is neither `ok` nor an error's code is the
name of an exception.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Final

from imagegen.errors import PictureError
from imagegen.pictures.decode import decode
from tests.support.pictures import FORMATS, file, noise

PAGE: Final = resource.getpagesize()


def warm_up() -> None:
    """Load what the first picture of each format loads."""
    for kind in FORMATS:
        decode(file(noise(), kind))


def limit_memory(more_bytes: int) -> None:
    """Limit the address space, which includes memory that is reserved and never used, to so much more than now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * PAGE + more_bytes,) * 2)


def outcome(data: bytes) -> str:
    """Return `ok`, the error's code, or the name of an exception that must not happen."""
    try:
        picture = decode(data)
    except PictureError as error:
        return error.code
    except BaseException as error:
        return type(error).__name__
    return "ok" if (picture.mode, picture.info) == ("RGB", {}) else f"mode {picture.mode}"


def main(folder: Path, more_bytes: int) -> None:
    """Decode all files, in the order of their names."""
    warm_up()
    limit_memory(more_bytes)
    for path in sorted(folder.iterdir()):
        started = time.monotonic()
        found = outcome(path.read_bytes())
        print(json.dumps({"name": path.name, "outcome": found, "seconds": time.monotonic() - started}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
