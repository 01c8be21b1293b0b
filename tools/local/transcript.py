"""A job's whole life over HTTP, written down in docs/transcript.md: `make transcript`.

On a stack of its own, with the demo model and a receiver whose webhooks the reference library verifies.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from standardwebhooks import Webhook

from tools.faults import webhook_receiver as receiver
from tools.local.adapt import LocalReceiver
from tools.local.client import ApiError, Client
from tools.local.local import LOCAL, local_stack
from tools.local.process import ROOT, free_port

OUT: Final = ROOT / "docs" / "transcript.md"
HEADERS: Final = ("Location", "Retry-After", "Preference-Applied", "Idempotency-Replayed")
HEAD: Final = """# A job's life

Written by `make transcript`: change that, not this page. The local stack with the demo model on the
CPU; URLs are cut short. `>` is what was sent beside the API key, `<` what came back.

```
"""
LOOK_S: Final = 0.5
PORT: Final = 8443
"""One of those that a webhook may name."""


class Transcript:
    def __init__(self, client: Client):
        self._client = client
        self._lines: list[str] = []

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer's document, both written down."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        found: list[str] = []
        try:
            answer = self._client.call(method, path, body, **named)
        except ApiError as error:
            status, document = error.status, error.problem
        else:
            status = answer.status_code
            document = answer.json() if answer.content else {}
            found = [f"{name}: {answer.headers[name]}" for name in HEADERS if name in answer.headers]
        self.line(f"> {method} {path}", *(f"{name}: {value}" for name, value in named.items()))
        if body is not None:
            self.line(f"> {json.dumps(body)}")
        self.line(f"< {status}", *found)
        if document:
            self.line(f"< {json.dumps(_short(document))}")
        self.line()
        return document

    def watch(self, job_id: str) -> None:
        """Look at a job until it is final, and write down each look that told something new."""
        told = None
        while True:
            job = self._client.job(job_id)
            if (job["status"], job.get("progress")) != told:
                told = (job["status"], job.get("progress"))
                self.line(f"  GET /jobs/{job_id}: {job['status']} {json.dumps(_short(told[1]) or '')}".rstrip(' "'))
            if job["status"] not in ("queued", "running"):
                self.line()
                return
            time.sleep(LOOK_S)

    def line(self, *parts: str) -> None:
        self._lines.append(" ".join(parts))

    def markdown(self) -> str:
        return HEAD + "\n".join(self._lines).strip("\n") + "\n```\n"


def main() -> None:
    authority = receiver.Authority()
    with (
        tempfile.TemporaryDirectory() as folder,
        receiver.receiver(receiver.status(204), authority=authority, port=PORT) as hook,
    ):
        certificates = Path(folder) / "ca.pem"
        authority.ca.cert_pem.write_to_path(str(certificates))
        with local_stack(free_port(), LOCAL / "transcript.log", LocalReceiver(receiver.HOST, certificates)) as stack:
            transcript = Transcript(Client(stack.endpoint))
            _live(transcript, f"https://{receiver.HOST}:{PORT}/hook")
            _tell(transcript, hook, Webhook(stack.endpoint.webhook_secret))
    OUT.write_text(transcript.markdown())
    print(f"written to {OUT.relative_to(ROOT)}")


def _live(transcript: Transcript, hook_url: str) -> None:
    body = {"prompt": "a red circle on a white background", "num_inference_steps": 50, "num_images_per_prompt": 8}
    body |= {"seed": 1, "webhook": {"url": hook_url}}
    job_id = transcript.call("POST", "/jobs", body, Idempotency_Key="order-18")["id"]
    transcript.watch(job_id)
    transcript.call("GET", f"/jobs/{job_id}")
    transcript.call("POST", "/jobs", body, Idempotency_Key="order-18")
    transcript.call("POST", "/jobs", body | {"seed": 2}, Idempotency_Key="order-18")
    other = transcript.call("POST", "/jobs", body | {"seed": 3})["id"]
    time.sleep(1)
    transcript.call("GET", f"/jobs/{other}")
    transcript.call("POST", f"/jobs/{other}/cancel")
    transcript.call("POST", f"/jobs/{other}/cancel")
    transcript.call("POST", f"/jobs/{job_id}/cancel")
    transcript.call("DELETE", f"/jobs/{other}")
    transcript.call("GET", f"/jobs/{other}")
    blue = {"prompt": "a blue square", "num_inference_steps": 2, "seed": 4}
    transcript.watch(transcript.call("POST", "/generate", blue, Prefer="respond-async")["id"])


def _tell(transcript: Transcript, hook: receiver.Receiver, verifier: Webhook) -> None:
    for request in hook.requests:
        payload = verifier.verify(request.body, request.headers)
        transcript.line("webhook, verified:", request.headers["webhook-id"], payload["type"], payload["data"]["status"])


def _short(value: Any) -> Any:
    """Without what is null, and with URLs cut."""
    match value:
        case dict():
            return {name: _short(each) for name, each in value.items() if each is not None}
        case list():
            return [_short(each) for each in value[:1]] + (["..."] if len(value) > 1 else [])
        case str() if value.startswith("http://"):
            return value[:40] + "..."
    return value


if __name__ == "__main__":
    main()
