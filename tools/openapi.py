"""Write the OpenAPI document of the code to docs/openapi.json (`make openapi`); a test asks for that on any change."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from imagegen.settings import Settings

FILE: Final = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"


def document() -> str:
    """Return the document of a deployment with the default settings, indented, keys sorted."""
    for name, field in Settings.model_fields.items():
        if field.is_required():
            os.environ.setdefault(name.upper(), "unused")  # the document depends on none of them
    from imagegen.api.routes.documentation import openapi_document
    from imagegen.entrypoints import api

    return (
        json.dumps(json.loads(openapi_document(api.app, api.container)), indent=2, sort_keys=True, ensure_ascii=False)
        + "\n"
    )


if __name__ == "__main__":
    FILE.write_text(document())
