"""The interactive page of the document: Swagger UI, complete in one response and without requests to other hosts."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

MEDIA_TYPE: Final = "text/html; charset=utf-8"
HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

_SCRIPT: Final = """
// The page is at .../docs, the document beside it.
const documentUrl = location.pathname.replace(/\\/docs\\/?$/, "/openapi.json");
const jobOperations = [["/jobs/{job_id}", "get"], ["/jobs/{job_id}", "delete"], ["/jobs/{job_id}/cancel", "post"]];

// Fill in the latest job's id, so that the operations on a job work as they stand.
function rememberJob(response) {
  const job = response.obj?.jobs?.[0] ?? response.obj;
  if (job?.progress !== undefined) {
    for (const operation of jobOperations) {
      ui.specActions.changeParam(operation, "job_id", "path", job.id, false);
    }
  }
  return response;
}

const ui = SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: documentUrl,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  displayRequestDuration: true,
  responseInterceptor: rememberJob,
  validatorUrl: null,
});
"""


def html() -> str:
    """Return the page."""
    return _page()[0]


def policy() -> str:
    """Return the page's Content-Security-Policy: only its own scripts run, and they reach only its own host."""
    return _page()[1]


@cache
def _page() -> tuple[str, str]:
    bundle, style = _asset("swagger-ui-bundle.min.js"), _asset("swagger-ui.min.css")
    return _html(bundle, style), (
        f"default-src 'none'; script-src {_hash(bundle)} {_hash(_SCRIPT)}; style-src 'unsafe-inline'; "
        "img-src 'self' data:; font-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def _html(bundle: str, style: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Stable Diffusion on Lambda: API</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<div id="swagger-ui"></div>
<script>{bundle}</script>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _asset(name: str) -> str:
    """Return a file of Swagger UI, which Powertools includes."""
    package = files("aws_lambda_powertools.event_handler.openapi.swagger_ui")
    return (package / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """Return the source expression that allows this inline script (CSP Level 3)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
