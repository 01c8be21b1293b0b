"""A process that checks each file of a folder with little more memory than it has at its start.

Writes one JSON object per file: name and outcome. An outcome that is neither a verdict nor an error's code is the name
of an exception.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from imagegen.errors import PictureError
from imagegen.provenance.report import Verifier
from tests.support.credentials import DEMO, credentials, pictures
from tests.support.decode_within import limit_memory


def outcome(verifier: Verifier, data: bytes) -> str:
    """Return the verdict, the error's code, or the name of an exception that must not happen."""
    try:
        return verifier.check(data).state
    except PictureError as error:
        return error.code
    except BaseException as error:
        return type(error).__name__


def main(folder: Path, more_bytes: int) -> None:
    """Check all files, in the order of their names."""
    verifier = Verifier(lambda: None)
    for media_type, data in pictures().items():
        verifier.check(credentials().sign(data, media_type, DEMO))
    limit_memory(more_bytes)
    for path in sorted(folder.iterdir()):
        found = outcome(verifier, path.read_bytes())
        print(json.dumps({"name": path.name, "outcome": found}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
